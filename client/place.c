/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/place.h"

#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/show.h"
#include "log/checkpoint.h"
#include "msg/body.h"

void place_clear(struct place *p)
{
	buffer_free(&p->author);
	buffer_free(&p->lang);
	content_clear(&p->content);
	buffer_free(&p->memory);
	memset(p, 0, sizeof *p);
}

static void set(struct buffer *to, struct bytes value)
{
	buffer_reset(to);
	buffer_add(to, value.data, value.len);
}

/* Take a copy of an encoded content as the one in force. */
static void content_set(struct place *p, struct bytes encoded)
{
	content_clear(&p->content);
	memset(&p->content, 0, sizeof p->content);
	set(&p->memory, encoded);
	p->has_content = encoded.len > 0 && !p->memory.failed &&
			 content_parse(buffer_bytes(&p->memory), &p->content) == OK;
}

static void ref_set(
    struct ref *r, const struct binding *b, const uint8_t id[static ID_LEN], uint64_t index)
{
	*r = (struct ref){.present = true, .index = index};
	memcpy(r->log, b->digest, DIGEST_LEN);
	memcpy(r->id, id, ID_LEN);
}

/* Who wrote it and when, for a quotation: an archive's word counts for what came from one. */
static void origin_set(struct place *p, const struct header *h, struct bytes author)
{
	const struct content_imported *m = &p->content.imported;

	p->time = h->time;
	set(&p->author, author);
	if (p->has_content && m->present) {
		p->time = m->date > 0 ? (uint64_t)m->date : 0;
		if (m->author.len > 0) {
			buffer_reset(&p->author);
			text_isolate(&p->author, m->author);
		}
	}
}

/* ---- in the outbox ---- */

struct seek {
	struct session *s;
	const char *hex, *title; /* either or both */
	struct place *out;
	uint64_t sequence; /* of the one found */
	bool several;
};

static bool begins(const uint8_t id[static ID_LEN], const char *hex)
{
	char text[2 * ID_LEN + 1];

	hex_encode(text, id, ID_LEN);
	return strncmp(text, hex, strlen(hex)) == 0;
}

static void author_own(struct buffer *out, const struct home *home)
{
	author_text(out, bytes_str(home->handle), bytes_of(home->identity, IDENTITY_LEN),
	    bytes_str(home->node.organisation));
}

static int seek_one(void *ctx, const struct kept *k)
{
	struct seek *seek = ctx;
	struct place *p = seek->out;
	struct buffer author = BUFFER_INIT;
	struct target_body body;
	bool is = seek->hex && begins(k->id, seek->hex);

	if (k->header.kind != KIND_TOPIC && k->header.kind != KIND_POST &&
	    k->header.kind != KIND_AMEND)
		return OK;
	if (!is && seek->title && k->header.kind == KIND_TOPIC) {
		struct content c;

		is = content_parse(k->content, &c) == OK &&
		     bytes_equal(c.subject, bytes_str(seek->title));
		content_clear(&c);
	}
	if (!is || (p->at.present && memcmp(p->at.id, k->id, ID_LEN) == 0))
		return OK;
	if (p->at.present) {
		seek->several = true;
		return OK;
	}
	p->kind = k->header.kind;
	p->own = true;
	ref_set(&p->at, &k->binding, k->id, 0);
	p->topic = k->header.topic;
	if (k->header.kind == KIND_AMEND && amend_body_parse(k->header.body, &body) == OK)
		p->target = body.target;
	content_set(p, k->content);
	set(&p->lang, k->header.lang);
	p->changed = k->header.time;
	author_own(&author, &seek->s->home);
	origin_set(p, &k->header, buffer_bytes(&author));
	buffer_free(&author);
	return OK;
}

/* What waits is about to change what was found: amendments, in their order, and erasures, also of
 * such an amendment. */
struct changes {
	struct place *place;
	bool sent;            /* these are sealed: what was found may be newer */
	struct buffer erased; /* ids, one behind the other */
};

static int erased_one(void *ctx, const struct kept *k)
{
	struct changes *c = ctx;
	struct target_body body;

	if (k->header.kind == KIND_ERASE && erase_body_parse(k->header.body, &body) == OK)
		buffer_add(&c->erased, body.target.id, ID_LEN);
	return OK;
}

static bool is_erased(const struct changes *c, const uint8_t id[static ID_LEN])
{
	for (size_t at = 0; at < c->erased.len; at += ID_LEN)
		if (memcmp(c->erased.data + at, id, ID_LEN) == 0)
			return true;
	return false;
}

static int amended_one(void *ctx, const struct kept *k)
{
	struct changes *c = ctx;
	struct place *p = c->place;
	struct target_body body;

	if (k->header.kind != KIND_AMEND || amend_body_parse(k->header.body, &body) != OK ||
	    memcmp(body.target.id, p->at.id, ID_LEN) != 0 || is_erased(c, k->id) ||
	    (c->sent && k->header.time <= p->changed))
		return OK;
	content_set(p, k->content);
	set(&p->lang, k->header.lang);
	p->changed = k->header.time;
	p->amended = true;
	return OK;
}

static int in_outbox(
    struct session *s, const char *hex, const char *title, struct place *out, struct trouble *t)
{
	static const enum outbox_box boxes[] = {BOX_WAITING, BOX_SENT, BOX_ANCHORED};
	struct seek seek = {.s = s, .hex = hex, .title = title, .out = out};
	struct outbox o;
	int err = outbox_open(&o, s->home.path, t);

	for (size_t i = 0; !err && i < sizeof boxes / sizeof boxes[0]; i++)
		err = outbox_each(&o, boxes[i], s->home.node.forum, seek_one, &seek, t);
	if (!err && seek.several) {
		trouble_set(t, ERR_EXISTS, "several of your messages are called %.80s", hex);
		trouble_hint(t, "Give more of the id: `convene outbox --json` has it whole.");
		return ERR_EXISTS;
	}
	if (!err && !out->at.present)
		return trouble_set(
		    t, ERR_NOTFOUND, "there is no message %.80s here", hex ? hex : title);
	return err;
}

static int changes_apply(struct session *s, struct place *p, struct trouble *t)
{
	static const enum outbox_box boxes[] = {BOX_ANCHORED, BOX_SENT, BOX_WAITING};
	struct changes c = {.place = p, .erased = BUFFER_INIT};
	struct outbox o;
	int err = outbox_open(&o, s->home.path, t);

	/* The node knows of what was sent; a copy may be from before. */
	for (int i = s->client ? 2 : 0; i < 3 && !err; i++)
		err = outbox_each(&o, boxes[i], s->home.node.forum, erased_one, &c, t);
	for (int i = s->client ? 2 : 0; i < 3 && !err; i++) {
		c.sent = boxes[i] != BOX_WAITING;
		err = outbox_each(&o, boxes[i], s->home.node.forum, amended_one, &c, t);
	}
	p->erased |= is_erased(&c, p->at.id);
	buffer_free(&c.erased);
	return err;
}

/* ---- at the node, or in the copy ---- */

static bool is_own(
    const struct session *s, ProtobufCBinaryData identity, ProtobufCBinaryData organisation)
{
	return bytes_equal(bytes_of_pb(identity), bytes_of(s->home.identity, IDENTITY_LEN)) &&
	       bytes_equal(bytes_of_pb(organisation), bytes_str(s->home.node.organisation));
}

static void item_take(
    const struct session *s, const Convene__Item *item, const struct shown *shown, struct place *p)
{
	struct buffer author = BUFFER_INIT;
	struct header in_force;

	p->kind = shown->header.kind;
	ref_set(&p->at, &shown->binding, shown->id, item->index);
	p->own = is_own(s, item->identity, item->organisation);
	p->erased = shown->state == CONVENE__CONTENT_STATE__CONTENT_ERASED;
	p->amended = item->amendment.len > 0;
	if (shown->has_content)
		content_set(p, shown->fetched.len > 0 ? buffer_bytes(&shown->fetched)
						      : bytes_of_pb(item->content));
	if (!p->amended || message_parse(bytes_of_pb(item->amendment), &in_force) != OK)
		in_force = shown->header;
	set(&p->lang, in_force.lang);
	p->changed = in_force.time;
	author_text(&author, bytes_of_pb(item->handle), bytes_of_pb(item->identity),
	    bytes_of_pb(item->organisation));
	origin_set(p, &shown->header, buffer_bytes(&author));
	buffer_free(&author);
}

/* The item with this id, and where the thread stands, among the answer's. */
static int in_thread(struct session *s, const struct frames *frames, const char *hex,
    struct place *p, struct trouble *t)
{
	struct ref topic = {.present = false};

	for (size_t i = 0; i < frames->count; i++) {
		const Convene__Items *m = (const Convene__Items *)frames->list[i];

		for (size_t j = 0; j < m->n_items; j++) {
			const Convene__Item *item = m->items[j];
			struct shown shown;
			bool wanted, root;

			/* Contents that must be fetched are, for the one that is wanted. */
			shown_open(&shown, item, s->home.node.forum, NULL);
			wanted = shown.signature && begins(shown.id, hex);
			/* The thread stands in its root's topic (SPEC.md 13.2), so the answer names
			 * that one. */
			root = shown.signature && item->depth == 0 && !item->parent_missing;
			if (root && shown.header.topic.present && !topic.present)
				topic = shown.header.topic;
			if (wanted && s->client &&
			    shown.state == CONVENE__CONTENT_STATE__CONTENT_LARGE) {
				shown_clear(&shown);
				shown_open(&shown, item, s->home.node.forum, s->client);
			}
			if (wanted && !p->at.present) {
				item_take(s, item, &shown, p);
				p->topic = topic.present ? topic : shown.header.topic;
			}
			shown_clear(&shown);
		}
	}
	return p->at.present ? OK
			     : trouble_set(t, ERR_NOTFOUND,
				   "there is no message %s here whose signature is good", hex);
}

/* Whether a key is one of ours: the node knows whose it is. */
static bool key_own(struct session *s, const uint8_t key[static KEY_LEN])
{
	Convene__SignerGet get = CONVENE__SIGNER_GET__INIT;
	ProtobufCMessage *m;
	struct trouble t;
	bool own;

	get.device_key = pb_of(bytes_of(key, KEY_LEN));
	if (client_call(s->client, FRAME_SIGNER_GET, &get.base, FRAME_SIGNER, &m, &t) != OK)
		return false;
	own = bytes_equal(bytes_of_pb(((const Convene__Signer *)m)->identity),
	    bytes_of(s->home.identity, IDENTITY_LEN));
	message_free(m);
	return own;
}

/* An amendment isn't part of a thread: its proof brings it along. */
static int by_proof(struct session *s, const uint8_t *id, size_t len, const char *hex,
    struct place *p, struct trouble *t)
{
	Convene__ProofGet get = CONVENE__PROOF_GET__INIT;
	const Convene__Proof *proof;
	struct target_body body;
	struct binding b;
	struct header h;
	struct tree_hash hashes[64];
	struct bytes note, message;
	ProtobufCMessage *m;
	uint8_t found[ID_LEN];
	uint64_t index = 0;
	size_t count;
	int err;

	get.id = pb_of(bytes_of(id, len));
	err = client_call(s->client, FRAME_PROOF_GET, &get.base, FRAME_PROOF, &m, t);
	if (err)
		return err;
	proof = (const Convene__Proof *)m;
	message = bytes_of_pb(proof->message);
	if (binding_make(&b, s->home.node.forum, bytes_of_pb(proof->log)) != OK ||
	    message_parse(message, &h) != OK || message_verify(message, &b, h.signer) != OK ||
	    tlog_proof_parse(bytes_of_pb(proof->proof), &index, hashes, &count, &note) != OK)
		err = trouble_set(t, ERR_SIGNATURE, "the signature of message %s is not good", hex);
	message_id(found, message, &b);
	if (!err &&
	    (h.kind != KIND_AMEND || !begins(found, hex) || amend_body_parse(h.body, &body) != OK))
		err = trouble_set(t, ERR_NOTFOUND,
		    "the message %s is neither a post, nor a topic or an amendment", hex);
	if (!err) {
		p->kind = KIND_AMEND;
		ref_set(&p->at, &b, found, index);
		p->target = body.target;
		p->time = h.time;
		p->own = key_own(s, h.signer);
	}
	message_free(m);
	return err;
}

void place_take(struct session *s, const Convene__Item *item, const struct shown *shown,
    const struct ref *topic, struct place *out)
{
	memset(out, 0, sizeof *out);
	item_take(s, item, shown, out);
	out->topic = *topic;
}

int place_find(struct session *s, const char *text, struct place *out, struct trouble *t)
{
	struct frames frames = {NULL, 0};
	struct trouble local;
	uint8_t id[ID_LEN];
	char hex[65];
	size_t len;
	int err;

	memset(out, 0, sizeof *out);
	err = id_parse(id, &len, hex, text, "post", t);
	if (err)
		return err;
	err = ask_post(s, id, len, &frames, t);
	if (!err)
		err = in_thread(s, &frames, hex, out, t);
	frames_free(&frames);
	if (err && (exit_of(t) == EXIT_NOT_FOUND || exit_of(t) == EXIT_UNREACHABLE)) {
		int here = in_outbox(s, hex, NULL, out, &local);

		if (here == OK || here == ERR_EXISTS)
			err = here;
		if (here == ERR_EXISTS)
			*t = local;
	}
	if (err && s->client && exit_of(t) == EXIT_NOT_FOUND)
		err = by_proof(s, id, len, hex, out, t);
	if (err && exit_of(t) == EXIT_NOT_FOUND && !t->hint[0])
		trouble_hint(t, "`convene read THREAD` shows the ids of its posts.");
	return err ? err : changes_apply(s, out, t);
}

/* ---- topics ---- */

int place_topic(struct session *s, const char *text, struct place *out, struct trouble *t)
{
	struct frames topics = {NULL, 0};
	const Convene__Topic *topic;
	struct trouble local;
	uint8_t id[ID_LEN];
	char hex[65];
	size_t len;
	bool is_id = id_parse(id, &len, hex, text, "topic", &local) == OK;
	int err, here;

	memset(out, 0, sizeof *out);
	err = ask_topics(s, &topics, t);
	if (!err)
		err = find_topic(&topics, text, &topic, t);
	if (!err) {
		out->kind = KIND_TOPIC;
		out->at.present = true;
		memcpy(out->at.log, topic->log.data, DIGEST_LEN);
		memcpy(out->at.id, topic->id.data, ID_LEN);
		out->at.index = topic->index;
		out->has_content = topic->title.len > 0;
		set(&out->memory, bytes_of_pb(topic->title));
		out->content.subject = buffer_bytes(&out->memory);
	} else if (err == ERR_NOTFOUND || exit_of(t) == EXIT_UNREACHABLE) {
		here = in_outbox(s, is_id ? hex : NULL, text, out, &local);
		if (here == OK && out->kind != KIND_TOPIC)
			here = ERR_NOTFOUND;
		if (here == OK || here == ERR_EXISTS)
			err = here;
		if (here == ERR_EXISTS)
			*t = local;
	}
	frames_free(&topics);
	return err;
}

void place_text(struct buffer *out, const struct place *p)
{
	char id[9];

	buffer_add_str(out, id_short(id, p->at.id));
	if (p->has_content && p->content.subject.len > 0) {
		buffer_add_str(out, ", \"");
		text_isolate(out, p->content.subject);
		buffer_add_str(out, "\"");
	}
}
