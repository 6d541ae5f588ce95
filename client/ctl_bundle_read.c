/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl bundle look: what a bundle holds, read without a node: an export, or what a node kept
 * of a log that was cut back (SPEC.md 9.7, 11.9). Each entry is checked against its log's head, its
 * author's signature and the commitment to its content; whether the author was enrolled is not
 * asked, since that takes the whole log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/ctl.h"
#include "log/replica.h"
#include "msg/content.h"
#include "sync/bundle.h"

#define READ_BYTES 65536

struct looking {
	const struct invocation *in;
	uint8_t forum[HASH_LEN];
	struct credential log; /* of the LOG before; number 0: none */
	/* The DATA before, whose contents follow. */
	struct buffer leaves;
	uint64_t next; /* index of the first that is not printed */
	size_t pos;    /* where it begins in leaves */
	struct buffer content;
	uint64_t content_index, content_total;
	uint8_t salt[SALT_LEN];
	bool filling;
	uint64_t entries, contents, damaged, bad;
	json_t *list;
};

static void text_put(json_t *o, const char *name, struct bytes text)
{
	if (text.len > 0)
		json_put(o, name, json_bytes(text));
}

static void entry_json(struct looking *l, struct bytes leaf, const uint8_t id[static ID_LEN],
    const struct header *h, bool parsed, bool genuine, const struct content *c)
{
	json_t *o = json_object();

	json_put(o, "log", json_string(l->log.binding.log_name));
	json_put(o, "index", json_integer((json_int_t)l->next));
	json_put(o, "id", json_hex(id, ID_LEN));
	if (parsed) {
		json_put(o, "kind", json_integer((json_int_t)h->kind));
		json_put(o, "signer", json_hex(h->signer, KEY_LEN));
		json_put(o, "time_ms", json_integer((json_int_t)h->time));
	}
	json_put(o, "signature", json_boolean(genuine));
	json_put(o, "bytes", json_integer((json_int_t)leaf.len));
	if (c) {
		text_put(o, "subject", c->subject);
		text_put(o, "text", c->text);
		json_put(o, "parts", json_integer((json_int_t)c->part_count));
	}
	json_array_append_new(l->list, o);
}

static void entry_text(struct looking *l, const uint8_t id[static ID_LEN], const struct header *h,
    bool parsed, bool genuine, const struct content *c)
{
	char when[24], short_id[9], signer[9];
	const char *kind = parsed ? kind_name(h->kind) : NULL;

	printf("%" PRIu64 "  %s  %s  %s  by key %s%s\n", l->next, id_short(short_id, id),
	    parsed ? time_local(when, h->time) : "-", kind ? kind : "unknown",
	    parsed ? id_short(signer, h->signer) : "-",
	    genuine ? "" : "  (the signature does NOT verify)");
	if (!c)
		return;
	if (c->subject.len > 0)
		print_labelled(4, "Subject: ", c->subject);
	if (c->text.len > 0)
		print_text(c->text, 4);
	if (c->part_count > 0)
		printf("    with %zu part%s\n", c->part_count, c->part_count == 1 ? "" : "s");
}

/* The next entry, with the content that has come for it, or none. */
static void entry_say(struct looking *l, struct bytes content)
{
	const struct binding *b = &l->log.binding;
	bool parsed, genuine, shown = false;
	uint8_t id[ID_LEN];
	struct content c;
	struct bytes leaf;
	struct header h;

	if (leaves_next(buffer_bytes(&l->leaves), &l->pos, &leaf) != OK)
		return;
	parsed = message_parse(leaf, &h) == OK;
	genuine = parsed && message_verify(leaf, b, h.signer) == OK;
	message_id(id, leaf, b);
	if (content.len > 0) {
		if (parsed && content_check(&h, b, l->salt, content) == OK) {
			shown = content_parse(content, &c) == OK;
			l->contents++;
		} else {
			l->bad++;
		}
	}
	l->entries++;
	if (l->list)
		entry_json(l, leaf, id, &h, parsed, genuine, shown ? &c : NULL);
	else
		entry_text(l, id, &h, parsed, genuine, shown ? &c : NULL);
	if (shown)
		content_clear(&c);
	l->next++;
}

/* Those before an index have no content here. */
static void entries_say(struct looking *l, uint64_t end)
{
	while (l->next < end && l->pos < l->leaves.len)
		entry_say(l, bytes_of(NULL, 0));
}

/* ---- frames ---- */

static void log_take(struct looking *l, const Convene__Log *m)
{
	credential_clear(&l->log);
	if (credential_open(&l->log, l->forum, bytes_of_pb(m->name), bytes_of_pb(m->credential)) !=
	    OK) {
		memset(&l->log, 0, sizeof l->log);
		l->damaged++;
		return;
	}
	if (!l->list)
		printf("Log %s\n", l->log.binding.log_name);
}

static void data_take(struct looking *l, const Convene__Data *m)
{
	uint8_t root[HASH_LEN];
	size_t count;

	if (l->log.number == 0 ||
	    !bytes_equal(bytes_of_pb(m->log), bytes_of(l->log.binding.digest, DIGEST_LEN)) ||
	    replica_check_data(&l->log.log, m->first, bytes_of_pb(m->leaves),
		bytes_of_pb(m->checkpoint), bytes_of_pb(m->proof), &count, root) != OK) {
		l->damaged++;
		return;
	}
	buffer_reset(&l->leaves);
	buffer_add(&l->leaves, m->leaves.data, m->leaves.len);
	l->next = m->first;
	l->pos = 0;
}

static void chunk_take(struct looking *l, const Convene__ContentChunk *m)
{
	if (m->offset == 0) {
		buffer_reset(&l->content);
		l->filling = m->salt.len == SALT_LEN && m->index >= l->next;
		l->content_index = m->index;
		l->content_total = m->total;
		if (l->filling)
			memcpy(l->salt, m->salt.data, SALT_LEN);
	}
	if (!l->filling || m->index != l->content_index || m->offset != l->content.len) {
		l->filling = false;
		l->damaged++;
		return;
	}
	buffer_add(&l->content, m->data.data, m->data.len);
	if (l->content.len < l->content_total)
		return;
	l->filling = false;
	entries_say(l, l->content_index);
	entry_say(l, buffer_bytes(&l->content));
}

static int piece_take(struct looking *l, const struct bundle_piece *p, struct trouble *t)
{
	if (p->kind == BUNDLE_DAMAGE) {
		l->damaged++;
		return OK;
	}
	if (p->kind == BUNDLE_END || p->type != FRAME_CONTENT)
		entries_say(l, UINT64_MAX);
	if (p->kind == BUNDLE_END)
		return OK;
	switch (p->type) {
	case FRAME_HELLO: {
		struct bytes forum = bytes_of_pb(((const Convene__Hello *)p->message)->forum);

		if (forum.len != HASH_LEN)
			return trouble_set(t, ERR_MALFORMED, "the bundle names no forum");
		memcpy(l->forum, forum.data, HASH_LEN);
		break;
	}
	case FRAME_LOG:
		log_take(l, (const Convene__Log *)p->message);
		break;
	case FRAME_DATA:
		data_take(l, (const Convene__Data *)p->message);
		break;
	case FRAME_CONTENT:
		chunk_take(l, (const Convene__ContentChunk *)p->message);
		break;
	default:
		break;
	}
	return l->leaves.failed || l->content.failed ? no_memory(t) : OK;
}

static int look(struct looking *l, FILE *f, struct trouble *t)
{
	struct bundle_reader *r = bundle_reader_new();
	struct bundle_piece p = {.kind = BUNDLE_FRAME};
	uint8_t *room = malloc(READ_BYTES);
	int err = r && room ? OK : no_memory(t);

	while (!err && p.kind != BUNDLE_END) {
		err = bundle_reader_next(r, &p);
		if (!err) {
			err = piece_take(l, &p, t);
		} else if (err == ERR_TRUNCATED) {
			err = bundle_reader_feed(r, bytes_of(room, fread(room, 1, READ_BYTES, f)));
			if (!err && ferror(f))
				err = trouble_errno(t, "the bundle can't be read");
			else if (err)
				no_memory(t);
		} else {
			trouble_set(t, err, "this is no bundle: %s", error_text(err));
		}
	}
	bundle_reader_free(r);
	free(room);
	return err;
}

static int said(struct looking *l)
{
	if (l->list) {
		json_t *o = json_object();

		json_put(o, "entries", json_incref(l->list));
		json_put(o, "contents", json_integer((json_int_t)l->contents));
		json_put(o, "damaged", json_integer((json_int_t)l->damaged));
		json_put(o, "bad", json_integer((json_int_t)l->bad));
		json_print(o);
	} else {
		printf("%" PRIu64 " entr%s, %" PRIu64 " content%s.\n", l->entries,
		    l->entries == 1 ? "y" : "ies", l->contents, l->contents == 1 ? "" : "s");
		count_say(stdout, l->damaged, "place is DAMAGED, and what stood there is not shown",
		    "places are DAMAGED, and what stood there is not shown");
		count_say(stdout, l->bad, "content is NOT the one that was signed, and not shown",
		    "contents are NOT those that were signed, and not shown");
	}
	return l->damaged + l->bad > 0 ? EXIT_UNVERIFIED : EXIT_DONE;
}

int ctl_bundle_look(const struct invocation *in)
{
	struct looking l = {.in = in, .list = in->json ? json_array() : NULL};
	FILE *f = fopen(in->operands[0], "rbe");
	struct trouble t;
	int code;

	if (!f) {
		trouble_errno(&t, "%.300s can't be read", in->operands[0]);
		code = ctl_fail(in, &t);
	} else if (look(&l, f, &t) != OK) {
		code = ctl_fail(in, &t);
	} else {
		code = said(&l);
	}
	if (f)
		fclose(f);
	credential_clear(&l.log);
	buffer_free(&l.leaves);
	buffer_free(&l.content);
	json_decref(l.list);
	return code;
}
