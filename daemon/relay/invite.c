/* SPDX-License-Identifier: BSD-2-Clause */
/* Making an invite (SPEC.md 12.3): only the hash of its secret is kept. enrol.c takes it back. And
 * the line for a further device (12.4), which holds no secret. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "daemon/relay/state.h"

struct invite_job {
	struct store_job store;
	struct store_invite invite;
	ingest_done *done;
	void *ctx;
};

static int invite_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	(void)forum;
	return writer->ops->invite_put(writer, &((struct invite_job *)job)->invite);
}

static void invite_done(struct store_job *job)
{
	struct invite_job *j = (struct invite_job *)job;
	static const uint8_t none[ID_LEN];

	j->done(j->ctx, job->result, job->result ? CONVENE__CODE__INTERNAL : 0,
	    job->result ? error_text(job->result) : "", none);
	free(j);
}

static void add_base64url(struct buffer *out, const uint8_t *data, size_t len)
{
	char text[64];

	base64url_encode(text, data, len);
	buffer_add_str(out, text);
}

static void add_node(const struct relay *r, struct buffer *text)
{
	buffer_printf(text, "convene://%s/%s/", r->conf->node.address.text, r->conf->node.name);
	add_base64url(text, r->node->root_key, KEY_LEN);
	buffer_add_str(text, "/");
	add_base64url(text, r->charter->forum, HASH_LEN);
}

void device_line_add(
    const struct relay *r, const uint8_t identity[static IDENTITY_LEN], struct buffer *text)
{
	add_node(r, text);
	buffer_printf(text, "%s/", strchr(r->node->binding.log_name, '/'));
	add_base64url(text, identity, IDENTITY_LEN);
}

void invite_make(struct relay *r, const char *handle, unsigned days, struct buffer *text,
    uint64_t *expires, ingest_done *done, void *ctx)
{
	struct invite_job *j = calloc(1, sizeof *j);
	uint8_t secret[16];

	if (!j) {
		static const uint8_t none[ID_LEN];

		done(ctx, ERR_NOMEM, CONVENE__CODE__INTERNAL, "out of memory", none);
		return;
	}
	random_fill(secret, sizeof secret);
	hash_of(j->invite.hash, secret, sizeof secret);
	*expires = j->invite.expires = clock_wall_ms() + (uint64_t)days * 86400000;
	if (handle)
		snprintf(j->invite.handle, sizeof j->invite.handle, "%s", handle);
	add_node(r, text);
	buffer_add_str(text, "/");
	add_base64url(text, secret, sizeof secret);
	secret_wipe(secret, sizeof secret);
	j->done = done;
	j->ctx = ctx;
	j->store.run = invite_run;
	j->store.done = invite_done;
	storage_submit(r, &j->store);
}
