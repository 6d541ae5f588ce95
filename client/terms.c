/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/terms.h"

#include <string.h>

#include "base/error.h"

#define CHARTER "charter"
#define CHARTER_MAX 65536

static struct charter *charter_take(const struct session *s, struct bytes note)
{
	struct charter *c = NULL;

	if (charter_open(&c, note, NULL, NULL) != OK)
		return NULL;
	if (memcmp(c->forum, s->home.node.forum, HASH_LEN) == 0)
		return c;
	charter_free(c);
	return NULL;
}

static struct charter *charter_kept(const struct session *s)
{
	struct buffer note = BUFFER_INIT;
	struct charter *c = NULL;
	char path[PATH_LEN];
	struct trouble t;

	if (path_join(path, s->home.path, CHARTER, &t) == OK &&
	    file_read(path, CHARTER_MAX, &note, &t) == OK)
		c = charter_take(s, buffer_bytes(&note));
	buffer_free(&note);
	return c;
}

static struct charter *charter_fetch(struct session *s)
{
	Convene__CharterGet get = CONVENE__CHARTER_GET__INIT;
	ProtobufCMessage *m;
	struct charter *c;
	struct trouble t;

	if (client_call(s->client, FRAME_CHARTER_GET, &get.base, FRAME_CHARTER, &m, &t) != OK)
		return NULL;
	c = charter_take(s, bytes_of_pb(((const Convene__Charter *)m)->note));
	/* Not kept, it is asked for again. */
	if (c)
		file_write(
		    s->home.path, CHARTER, bytes_of_pb(((const Convene__Charter *)m)->note), &t);
	message_free(m);
	return c;
}

struct charter *terms_charter(struct session *s)
{
	struct charter *c = charter_kept(s);

	return c || !s->client ? c : charter_fetch(s);
}

int terms_check(struct session *s, uint32_t kind, size_t content_len, struct trouble *t)
{
	struct charter *c = terms_charter(s);
	int err = OK;

	if (!c)
		return OK;
	if (kind == KIND_TOPIC && c->topics != TOPICS_BY_PARTICIPANTS) {
		err = trouble_set(t, ERR_REFUSED, "by this forum's charter %s open its topics",
		    c->topics == TOPICS_BY_REGISTRARS ? "the organisations' operators"
						      : "the organisations themselves");
		trouble_hint(t, "Ask the operator of your node to open it.");
	} else if (content_len > c->content_limit) {
		err = trouble_set(t, ERR_TOO_LARGE,
		    "text and attachments together have %zu bytes, and this forum's charter lets "
		    "a message have %lu",
		    content_len, (unsigned long)c->content_limit);
		trouble_hint(t, "Attach less, or put the file elsewhere and name its address.");
	}
	charter_free(c);
	return err;
}
