/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs full of messages, made with the real builders, and a model that says what should be shown of
 * them. */
#ifndef TESTS_FORUM_FIXTURE_H
#define TESTS_FORUM_FIXTURE_H

#include "forum/forum.h"
#include "forum/query.h"
#include "member_fixture.h"
#include "msg/content.h"
#include "store_fixture.h"
#include "store/views.h"

enum { WORLD_LOGS = 5, WORLD_MAX = 2048 };
enum given { NO_CONTENT, GIVEN, NEVER };

/* A message, where it stands, and what the model knows of it. */
struct entry {
	struct buffer message, content;
	uint8_t salt[SALT_LEN];
	enum given given;
	struct forum_entry in;
	int log;        /* in the world */
	uint64_t index; /* set by world_put() */
	bool shown;     /* a valid TOPIC or POST with effect */
	bool valid;
	/* What model_changes() finds out. */
	const struct entry *about;   /* of an AMEND or ERASE with effect: TOPIC, POST or ENROL */
	const struct entry *amended; /* the AMEND in force */
	const struct entry *erased;  /* the ERASE */
};

struct world_log {
	char organisation[ORG_NAME_MAX + 1];
	struct key root, log, registrar;
	struct binding binding;
	struct entry *entries[WORLD_MAX];
	size_t count;
	uint64_t registrar_sequence, root_sequence;
	int previous; /* index of the predecessor, or -1 */
};

struct world {
	struct charter charter;
	struct verifier founders[3];
	struct world_log logs[WORLD_LOGS];
	struct entry *all[WORLD_MAX];
	size_t count;
	uint64_t random;
};

static inline uint64_t world_random(struct world *w, uint64_t below)
{
	return mix(w->random++) % below;
}

/* What a message is made of; zeros: none. */
struct recipe {
	const struct key *by;
	uint64_t sequence;
	uint32_t kind;
	const struct entry *topic, *parent;
	const uint8_t *topic_id, *parent_id; /* instead of these */
	uint64_t time;
	const char *lang;
	struct bytes body;
	struct bytes content;
	enum given given;
	const uint8_t *commitment; /* instead of the content's */
};

/* Judge the bytes as a worker would. */
static inline void entry_read(const struct world_log *l, struct entry *e)
{
	e->in.message = buffer_bytes(&e->message);
	e->in.parsed = message_parse(e->in.message, &e->in.header);
	message_id(e->in.id, e->in.message, &l->binding);
	e->in.signature = e->in.parsed == OK
			      ? message_verify(e->in.message, &l->binding, e->in.header.signer)
			      : ERR_SIGNATURE;
}

static inline struct entry *entry_new(struct world *w, int log)
{
	struct entry *e = calloc(1, sizeof(*e));
	assert_non_null(e);
	assert_true(w->count < WORLD_MAX);
	e->log = log;
	w->all[w->count++] = e;
	return e;
}

static inline struct entry *world_make(struct world *w, int log, struct recipe r)
{
	struct world_log *l = &w->logs[log];
	struct entry *e = entry_new(w, log);
	struct header h = {.version = 1,
	    .sequence = r.sequence,
	    .kind = r.kind,
	    .time = r.time == 0 ? FIXTURE_TIME : r.time,
	    .body = r.body};

	memcpy(h.signer, r.by->public, KEY_LEN);
	if (r.lang != NULL)
		h.lang = bytes_str(r.lang);
	if (r.topic != NULL || r.topic_id != NULL) {
		h.topic.present = true;
		memcpy(h.topic.log, w->logs[r.topic != NULL ? r.topic->log : 0].binding.digest,
		    DIGEST_LEN);
		memcpy(h.topic.id, r.topic != NULL ? r.topic->in.id : r.topic_id, ID_LEN);
	}
	if (r.parent != NULL || r.parent_id != NULL) {
		h.parent.present = true;
		memcpy(h.parent.log, w->logs[r.parent != NULL ? r.parent->log : 0].binding.digest,
		    DIGEST_LEN);
		memcpy(h.parent.id, r.parent != NULL ? r.parent->in.id : r.parent_id, ID_LEN);
	}
	if (r.content.len > 0) {
		buffer_add(&e->content, r.content.data, r.content.len);
		fill(e->salt, SALT_LEN, w->count * 1000);
		h.has_commitment = true;
		commitment_make(h.commitment, &l->binding, h.signer, e->salt, r.content);
		h.bucket = bucket_of(r.content.len);
		if (r.commitment != NULL)
			memcpy(h.commitment, r.commitment, HASH_LEN);
		e->given = r.given;
	}
	assert_ok(message_sign(&e->message, &l->binding, &h, r.by));
	entry_read(l, e);
	assert_ok(e->in.parsed);
	assert_ok(e->in.signature);
	e->valid = true;
	e->shown = r.kind == KIND_TOPIC || r.kind == KIND_POST;
	return e;
}

/* Bytes as they are, from wherever. */
static inline struct entry *world_bytes(struct world *w, int log, struct bytes message)
{
	struct entry *e = entry_new(w, log);
	buffer_add(&e->message, message.data, message.len);
	entry_read(&w->logs[log], e);
	return e;
}

static inline struct entry *world_put(struct world *w, struct entry *e)
{
	struct world_log *l = &w->logs[e->log];
	assert_true(l->count < WORLD_MAX);
	e->index = l->count;
	l->entries[l->count++] = e;
	return e;
}

static inline struct bytes world_text(struct buffer *room, const char *subject, const char *text)
{
	struct content c = {.subject = bytes_str(subject), .text = bytes_str(text)};
	buffer_reset(room);
	assert_ok(content_encode(room, &c));
	return buffer_bytes(room);
}

static inline struct bytes world_profile(struct buffer *room, const char *handle, const char *name)
{
	static const struct bytes languages[] = {
	    {(const uint8_t *)"en", 2}, {(const uint8_t *)"x y", 3}, {(const uint8_t *)"pt-BR", 5}};
	struct content c = {.profile = {.present = true,
				.handle = bytes_str(handle),
				.name = bytes_str(name),
				.group = bytes_str("civil society"),
				.region = bytes_str("europe"),
				.languages = languages,
				.language_count = 3}};
	buffer_reset(room);
	assert_ok(content_encode(room, &c));
	return buffer_bytes(room);
}

/* Open a log: entry 0. `previous` is the log it succeeds, complete by now, or -1. */
static inline void world_log_open(
    struct world *w, int log, const char *organisation, uint8_t seed, int previous)
{
	struct world_log *l = &w->logs[log];
	struct node_body node = fixture_node(organisation, previous < 0 ? 1 : 9,
	    (uint8_t)(seed + 1), (uint8_t)(seed + 2), (uint8_t)(seed + 3));
	struct buffer message = BUFFER_INIT;
	char name[VERIFIER_NAME_MAX + 1];

	strcpy(l->organisation, organisation);
	l->root = fixture_key(previous < 0 ? seed : (uint8_t)(seed - 4));
	l->log = fixture_key((uint8_t)(seed + 1));
	l->registrar = fixture_key((uint8_t)(seed + 2));
	l->previous = previous;
	if (previous >= 0) {
		node.previous_log = bytes_str(w->logs[previous].binding.log_name);
		node.previous_size = w->logs[previous].count;
		memset(node.previous_root, 7, HASH_LEN);
	}
	assert_ok(credential_make(&message, name, w->charter.forum, organisation,
	    previous < 0 ? 1 : 2, &l->root, &node, ++l->root_sequence, FIXTURE_TIME));
	assert_ok(binding_make(&l->binding, w->charter.forum, bytes_str(name)));
	world_put(w, world_bytes(w, log, buffer_bytes(&message)))->valid = true;
	buffer_free(&message);
}

static inline void identity_of(const struct key *key, uint8_t out[static IDENTITY_LEN])
{
	memcpy(out, key->public + 8, IDENTITY_LEN);
}

/* Enrol a device: for a new identity, or (with `by`) for that of another device, or with
 * `recovery`. */
static inline struct entry *world_enrol(struct world *w, int log, const struct key *device,
    const struct key *first, bool recovery, struct bytes profile, enum given given)
{
	struct world_log *l = &w->logs[log];
	struct enrol_body b = {.recovery = recovery};
	struct buffer body = BUFFER_INIT;

	identity_of(first == NULL ? device : first, b.identity);
	memcpy(b.device_key, device->public, KEY_LEN);
	device_sign(
	    b.device_signature, DEVICE_DOMAIN, &l->binding, b.identity, b.device_key, 0, device);
	if (first != NULL && !recovery) {
		b.has_endorsement = true;
		memcpy(b.endorser, first->public, KEY_LEN);
		device_sign(
		    b.endorsement, ENDORSE_DOMAIN, &l->binding, b.identity, b.device_key, 0, first);
	}
	assert_ok(enrol_body_encode(&body, &b));
	struct entry *e = world_put(w, world_make(w, log,
					   (struct recipe){.by = &l->registrar,
					       .sequence = ++l->registrar_sequence,
					       .kind = KIND_ENROL,
					       .body = buffer_bytes(&body),
					       .content = profile,
					       .given = given}));
	buffer_free(&body);
	return e;
}

static inline void world_admit(struct world *w, int log, const char *name, const struct key *root)
{
	struct world_log *l = &w->logs[log];
	struct admit_body b = {.name = bytes_str(name)};
	struct buffer body = BUFFER_INIT;

	memcpy(b.root_key, root->public, KEY_LEN);
	assert_ok(admit_body_encode(&body, &b));
	world_put(w, world_make(w, log,
			 (struct recipe){.by = &l->root,
			     .sequence = ++l->root_sequence,
			     .kind = KIND_ADMIT,
			     .body = buffer_bytes(&body)}));
	buffer_free(&body);
}

static inline void world_free(struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		buffer_free(&w->all[i]->message);
		buffer_free(&w->all[i]->content);
		free(w->all[i]);
	}
	free(w);
}

/* ---- the model ---- */

static inline const struct entry *world_find(const struct world *w, const uint8_t id[static ID_LEN])
{
	for (size_t i = 0; i < w->count; i++)
		if (w->all[i]->shown && memcmp(w->all[i]->in.id, id, ID_LEN) == 0)
			return w->all[i];
	return NULL;
}

/* The topmost reachable ancestor's id; `depth` gets how many of them are here above it. */
static inline const uint8_t *model_root(
    const struct world *w, const struct entry *e, unsigned *depth)
{
	*depth = 0;
	while (e->in.header.parent.present) {
		const struct entry *up = world_find(w, e->in.header.parent.id);
		if (up == NULL)
			return e->in.header.parent.id;
		e = up;
		(*depth)++;
	}
	return e->in.id;
}

static inline const uint8_t *model_topic(const struct world *w, const struct entry *e)
{
	unsigned depth;
	const struct entry *root = world_find(w, model_root(w, e, &depth));

	if (root == NULL)
		root = e;
	return root->in.header.kind == KIND_TOPIC ? root->in.id : root->in.header.topic.id;
}

#endif
