/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl bundle export: logs and their contents into a file, for a node that no network reaches
 * (SPEC.md 9.7). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/bundle_choice.h"
#include "client/new_file.h"
#include "log/checkpoint.h"

#define ASKED_AHEAD 32 /* contents */

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

struct exporting {
	struct ctl ctl;
	const struct invocation *in;
	struct charter *charter;
	struct client *client;
	struct frontier since;
	struct bundle_choice choice;
	struct new_file file;
	struct bundle_counts counts;
	/* The DATA at hand, and its contents: asked for ahead, taken in order. */
	ProtobufCMessage *data;
	struct {
		uint64_t index;
		uint8_t id[ID_LEN];
		uint32_t stream;
	} want[4096];
	size_t want_count, asked, taken;
	uint64_t done, told; /* of the entries */
	bool tell;
	struct trouble *t;
};

/* ---- what the writer asks for ---- */

static void progress(struct exporting *x)
{
	if (!x->tell || (x->done < x->choice.entries && x->done - x->told < 512))
		return;
	x->told = x->done;
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " entries%s", x->done, x->choice.entries,
	    x->done == x->choice.entries ? "\r\033[K" : "");
	fflush(stderr);
}

static int source_data(
    void *ctx, size_t part, uint64_t first, size_t count, const Convene__Data **out)
{
	Convene__EntriesGet get = CONVENE__ENTRIES_GET__INIT;
	struct exporting *x = ctx;
	const struct binding *b = x->choice.parts[part].binding;
	struct bytes leaf;
	struct header h;
	size_t pos = 0;
	int err;

	message_free(x->data);
	x->data = NULL;
	x->want_count = x->asked = x->taken = 0;
	get.log = pb_of(bytes_of(b->digest, DIGEST_LEN));
	get.first = first;
	get.count = (uint32_t)count;
	err = client_call(x->client, FRAME_ENTRIES_GET, &get.base, FRAME_DATA, &x->data, x->t);
	if (err)
		return err;
	*out = (const Convene__Data *)x->data;
	for (uint64_t i = first; x->want_count < sizeof x->want / sizeof *x->want &&
				 leaves_next(bytes_of_pb((*out)->leaves), &pos, &leaf) == OK;
	     i++) {
		x->done++;
		if (message_parse(leaf, &h) != OK || !h.has_commitment)
			continue;
		x->want[x->want_count].index = i;
		message_id(x->want[x->want_count++].id, leaf, b);
	}
	progress(x);
	return OK;
}

static int ask_ahead(struct exporting *x)
{
	int err = OK;

	for (; !err && x->asked < x->want_count && x->asked < x->taken + ASKED_AHEAD; x->asked++) {
		Convene__ContentGet get = CONVENE__CONTENT_GET__INIT;

		get.id = pb_of(bytes_of(x->want[x->asked].id, ID_LEN));
		err = client_send_also(
		    x->client, FRAME_CONTENT_GET, &get.base, &x->want[x->asked].stream, x->t);
	}
	return err;
}

static int source_content(
    void *ctx, size_t part, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	struct exporting *x = ctx;
	int err = ask_ahead(x);

	(void)part;
	if (err)
		return err;
	if (x->taken == x->asked || x->want[x->taken].index != index)
		return trouble_set(x->t, ERR_RANGE, "the contents got into disorder");
	return client_content_next(x->client, x->want[x->taken++].stream, salt, out, x->t);
}

static int source_write(void *ctx, struct bytes bytes)
{
	struct exporting *x = ctx;

	if (fwrite(bytes.data, 1, bytes.len, x->file.to) == bytes.len)
		return OK;
	return trouble_errno(x->t, "%.300s can't be written", x->file.path);
}

static int write_out(struct exporting *x, struct trouble *t)
{
	const struct bundle_source source = {x, source_data, source_content, source_write};
	int err;

	x->t = t;
	t->err = OK;
	err = bundle_write(&source, x->charter->forum, "convenectl " PACKAGE_VERSION,
	    x->choice.parts, x->choice.count, !option_given(x->in, "no-contents"), &x->counts);
	if (err && t->err != err) {
		trouble_set(t, err, "what the daemon gives of its logs does not prove itself: %s",
		    error_text(err));
		trouble_hint(t, "`convenectl status` says whether a log is disputed.");
	}
	return err;
}

/* ---- what came of it ---- */

static void say(const struct exporting *x, const char *hash)
{
	const struct bundle_counts *n = &x->counts;
	char size[16];

	if (x->in->json) {
		json_t *o = json_object();

		json_put(o, "file", json_bytes(bytes_str(option_value(x->in, "output"))));
		json_put(o, "logs", json_integer((json_int_t)x->choice.count));
		json_put(o, "entries", json_integer((json_int_t)n->entries));
		json_put(o, "contents", json_integer((json_int_t)n->contents));
		json_put(o, "bytes", json_integer((json_int_t)n->bytes));
		json_put(o, "missing", json_integer((json_int_t)n->missing));
		json_put(o, "erased", json_integer((json_int_t)n->erased));
		json_put(o, "bad", json_integer((json_int_t)n->bad));
		json_put(o, "frontier", json_string(hash));
		json_print(o);
		return;
	}
	if (x->choice.count == 0)
		printf("Nothing is new: the bundle is empty.\n");
	else
		printf("%zu log%s with %" PRIu64 " entr%s and %" PRIu64
		       " content%s: %s, up to the frontier %.16s.\n",
		    x->choice.count, x->choice.count == 1 ? "" : "s", n->entries,
		    n->entries == 1 ? "y" : "ies", n->contents, n->contents == 1 ? "" : "s",
		    size_text(size, n->bytes), hash);
	count_say(stdout, n->missing, "content is not at this node, and not in the bundle",
	    "contents are not at this node, and not in the bundle");
	count_say(stdout, n->erased, "content was erased, and is not in the bundle",
	    "contents were erased, and are not in the bundle");
	count_say(stdout, n->bad,
	    "content is LEFT OUT: what the daemon holds is not what was signed",
	    "contents are LEFT OUT: what the daemon holds is not what was signed");
}

static int export_run(struct exporting *x, struct trouble *t)
{
	const char *since = option_value(x->in, "since");
	int err = ctl_charter(&x->ctl, &x->charter, t);

	if (!err && since)
		err = frontier_load(&x->since, since, "bundle import", t);
	if (!err)
		err = ctl_client(&x->ctl, &x->client, t);
	x->choice.in = x->in;
	x->choice.charter = x->charter;
	if (!err)
		err = bundle_choose(&x->choice, x->client, &x->since, t);
	if (!err)
		err = new_file_open(&x->file, option_value(x->in, "output"), t);
	if (!err)
		err = write_out(x, t);
	if (!err)
		err = new_file_close(&x->file, t);
	return err ? err : frontier_store(&x->choice.now, x->in, t);
}

int ctl_bundle_export(const struct invocation *in)
{
	struct exporting *x;
	char hex[2 * HASH_LEN + 1];
	struct trouble t;
	int code, err;

	if (!option_given(in, "output"))
		return complain_usage(
		    in->program->name, in->command->name, "a bundle wants --output FILE");
	if (option_given(in, "contents") && option_given(in, "no-contents"))
		return complain_usage(
		    in->program->name, in->command->name, "either --contents or --no-contents");
	x = calloc(1, sizeof *x);
	if (!x)
		out_of_memory();
	x->in = in;
	x->tell = !in->json && isatty(STDERR_FILENO) == 1;
	code = ctl_open(&x->ctl, in);
	if (code) {
		free(x);
		return code;
	}
	err = export_run(x, &t);
	if (!err)
		err = frontier_hex(&x->choice.now, hex, &t);
	if (err) {
		code = ctl_fail(in, &t);
	} else {
		say(x, hex);
		code = x->counts.bad > 0 ? EXIT_UNVERIFIED : EXIT_DONE;
	}
	new_file_drop(&x->file);
	message_free(x->data);
	bundle_choice_clear(&x->choice);
	frontier_free(&x->since);
	client_close(x->client);
	charter_free(x->charter);
	code = ctl_close(&x->ctl, code);
	free(x);
	return code;
}
