/* SPDX-License-Identifier: BSD-2-Clause */
/* A forum of four organisations, one of them hostile, with posts at random and everything odd that
 * a log may hold. */
#ifndef TESTS_FORUM_WORLD_H
#define TESTS_FORUM_WORLD_H

#include "forum_fixture.h"

enum { A, A2, B, C, D }; /* A2 succeeds A; D is hostile */
enum { DEVICES = 4, POSTS = 220, CHANGES = 40 };

static inline struct key device(int log, int n)
{
	return fixture_key((uint8_t)(0x80 + log * 8 + n));
}

/* ---- the world ---- */

static inline struct entry *post_random(
    struct world *w, int log, struct entry **topics, size_t topic_count, size_t n)
{
	struct buffer room = BUFFER_INIT;
	struct key by = device(log == A2 ? A : log, (int)(n % 3));
	struct recipe r = {.by = &by,
	    .kind = KIND_POST,
	    .lang = n % 7 == 0 ? "fr" : NULL,
	    .time = FIXTURE_TIME + world_random(w, 40),
	    .given = world_random(w, 5) == 0 ? NEVER : GIVEN};
	struct id nowhere = made_id(world_random(w, 6));

	/* Sequences that rise, fall and jump: the order of a log is not the order of replies. */
	r.sequence = n % 3 == 0   ? 1000 + n
		     : n % 3 == 1 ? 1000000 - n
				  : 1 + world_random(w, UINT64_C(1) << 40);
	r.topic = topics[world_random(w, topic_count)];
	if (world_random(w, 15) == 0) {
		r.topic = NULL;
		r.topic_id = nowhere.bytes;
	}
	uint64_t how = world_random(w, 100);
	if (how < 10) {
		r.parent_id = nowhere.bytes;
	} else if (how < 15) {
		r.parent = topics[world_random(w, topic_count)];
	} else if (how < 18) {
		r.parent = w->logs[B].entries[1]; /* an ENROL: nothing that could be answered */
	} else if (how < 75) {
		do
			r.parent = w->all[world_random(w, w->count)];
		while (r.parent->in.header.kind != KIND_POST && r.parent != topics[0]);
	}
	r.content = world_text(&room, n % 2 == 0 ? "A subject" : "Une façon", "some text");
	if (world_random(w, 9) == 0)
		r.content = bytes_str("\x0a\x7fnot a content");
	struct entry *e = world_make(w, log, r);
	buffer_free(&room);
	return e;
}

static inline int by_sequence(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;
	uint64_t s = (*x)->in.header.sequence, t = (*y)->in.header.sequence;
	return s < t ? -1 : s > t;
}

/* Put a log's posts where their sequences allow it, devices mixed at random. */
static inline void posts_put(struct world *w, int log, struct entry **posts, size_t count)
{
	struct entry *of[3][POSTS];
	size_t n[3] = {0}, at[3] = {0};

	for (size_t i = 0; i < count; i++) {
		struct key by;
		if (posts[i]->log != log)
			continue;
		for (int d = 0; d < 3; d++) {
			by = device(log == A2 ? A : log, d);
			if (memcmp(by.public, posts[i]->in.header.signer, KEY_LEN) == 0)
				of[d][n[d]++] = posts[i];
		}
	}
	for (int d = 0; d < 3; d++)
		qsort(of[d], n[d], sizeof(of[d][0]), by_sequence);
	while (at[0] < n[0] || at[1] < n[1] || at[2] < n[2]) {
		size_t d = world_random(w, 3);
		if (at[d] < n[d])
			world_put(w, of[d][at[d]++]);
	}
}

static inline struct entry *hidden(struct entry *e, bool valid)
{
	e->shown = false;
	e->valid = valid;
	return e;
}

/* What is recorded or kept, and not shown. */
static inline void oddities_put(struct world *w, int log, struct entry *topic, struct entry *post)
{
	struct world_log *l = &w->logs[log];
	struct key by = device(log, 3), gone = device(log, 2);
	struct buffer room = BUFFER_INIT, body = BUFFER_INIT, copy = BUFFER_INIT;
	struct target_body target = {.target = {.present = true}};
	struct bytes text = world_text(&room, "odd", "odd");
	struct recipe r = {
	    .by = &by, .sequence = 1, .topic = topic, .content = text, .given = GIVEN};

	/* Nobody knows what this kind means. */
	r.kind = 4711;
	world_put(w, hidden(world_make(w, log, r), true));

	memcpy(target.target.log, w->logs[post->log].binding.digest, DIGEST_LEN);
	memcpy(target.target.id, post->in.id, ID_LEN);
	assert_ok(amend_body_encode(&body, &target));
	struct recipe amend = {.by = &by,
	    .sequence = 2,
	    .kind = KIND_AMEND,
	    .body = buffer_bytes(&body),
	    .content = text,
	    .given = GIVEN};
	world_put(w, hidden(world_make(w, log, amend), true));
	struct recipe erase = {
	    .by = &by, .sequence = 3, .kind = KIND_ERASE, .body = buffer_bytes(&body)};
	world_put(w, hidden(world_make(w, log, erase), true));

	/* Valid, without effect: a post outside any topic, a registrar's post. */
	struct recipe loose = {
	    .by = &by, .sequence = 4, .kind = KIND_POST, .content = text, .given = GIVEN};
	world_put(w, hidden(world_make(w, log, loose), true));
	struct recipe officer = {.by = &l->registrar,
	    .sequence = ++l->registrar_sequence,
	    .kind = KIND_POST,
	    .topic = topic,
	    .content = text,
	    .given = GIVEN};
	world_put(w, hidden(world_make(w, log, officer), true));

	/* Not valid: the same again, a sequence that falls, a broken signature, a foreign one,
	 * garbage. */
	r.kind = KIND_POST;
	r.sequence = 5;
	struct entry *good = world_put(w, world_make(w, log, r));
	world_put(w, world_bytes(w, log, good->in.message));
	r.sequence = 4;
	r.given = NEVER;
	world_put(w, hidden(world_make(w, log, r), false));
	buffer_add(&copy, good->in.message.data, good->in.message.len);
	copy.data[copy.len - 1] ^= 1;
	world_put(w, world_bytes(w, log, buffer_bytes(&copy)));
	world_put(w, world_bytes(w, log, post->in.message))->valid = false;
	world_put(w, world_bytes(w, log, bytes_str("x")));

	/* Another version: not a fault. */
	copy.data[copy.len - 1] ^= 1;
	copy.data[1] = 2;
	world_put(w, world_bytes(w, log, buffer_bytes(&copy)));

	/* Somebody else's commitment: its content can never be given. */
	r.sequence = 6;
	r.commitment = post->in.header.commitment;
	world_put(w, world_make(w, log, r));

	/* After its device's end. */
	struct revoke_body revoke = {.reason = 1};
	memcpy(revoke.device_key, gone.public, KEY_LEN);
	buffer_reset(&body);
	assert_ok(revoke_body_encode(&body, &revoke));
	world_put(w, world_make(w, log,
			 (struct recipe){.by = &l->registrar,
			     .sequence = ++l->registrar_sequence,
			     .kind = KIND_REVOKE,
			     .body = buffer_bytes(&body)}));
	world_put(w, hidden(world_make(w, log,
				(struct recipe){.by = &gone,
				    .sequence = UINT64_C(1) << 50,
				    .kind = KIND_POST,
				    .topic = topic,
				    .content = text,
				    .given = NEVER}),
			 false));
	buffer_free(&room);
	buffer_free(&body);
	buffer_free(&copy);
}

/* Another registrar key, with an ENROL by it and a void one by the old. */
static inline void registrar_replace(struct world *w, int log)
{
	struct world_log *l = &w->logs[log];
	struct node_body node = fixture_node(l->organisation, 2, 0, 0x70, 0x71);
	struct buffer message = BUFFER_INIT;
	struct key a = fixture_key(0x78), b = fixture_key(0x79), old = l->registrar;
	char name[VERIFIER_NAME_MAX + 1];

	memcpy(node.log_key, l->log.public, KEY_LEN);
	assert_ok(credential_make(&message, name, w->charter.forum, l->organisation, 1, &l->root,
	    &node, ++l->root_sequence, FIXTURE_TIME));
	world_put(w, world_bytes(w, log, buffer_bytes(&message)))->valid = true;
	buffer_free(&message);
	hidden(world_enrol(w, log, &a, NULL, false, (struct bytes){0}, NO_CONTENT), false);
	l->registrar = fixture_key(0x70);
	world_enrol(w, log, &b, NULL, false, (struct bytes){0}, NO_CONTENT);
	l->registrar = old;
}

/* ---- amendments and erasures ---- */

static inline int home_of(int log)
{
	return log == A2 ? A : log;
}

/* Whose device signed this: the first of its identity's; -1: nobody's. */
static inline int owner_of(const struct world *w, const struct entry *e)
{
	const uint8_t *key = e->in.header.signer;
	struct key late = fixture_key(0x7a); /* A2's, for the first person of A */

	for (int n = 0; n < DEVICES; n++) {
		struct key k = device(home_of(e->log), n);
		if (memcmp(k.public, key, KEY_LEN) == 0)
			return n < 3 ? 0 : 3;
	}
	(void)w;
	return e->log == A2 && memcmp(late.public, key, KEY_LEN) == 0 ? 0 : -1;
}

static inline struct entry *change_make(struct world *w, int log, const struct key *by,
    uint64_t sequence, uint32_t kind, const struct ref *ref, struct bytes content, enum given given)
{
	struct target_body b = {.target = *ref};
	struct buffer body = BUFFER_INIT;

	assert_ok(kind == KIND_AMEND ? amend_body_encode(&body, &b) : erase_body_encode(&body, &b));
	struct entry *e = world_make(w, log,
	    (struct recipe){.by = by,
		.sequence = sequence,
		.kind = kind,
		.body = buffer_bytes(&body),
		.content = content,
		.given = given});
	buffer_free(&body);
	return e;
}

static inline struct ref ref_to(const struct world *w, const struct entry *e)
{
	struct ref ref = {.present = true};

	memcpy(ref.log, w->logs[e->log].binding.digest, DIGEST_LEN);
	memcpy(ref.id, e->in.id, ID_LEN);
	return ref;
}

/* Something to change: mostly what may be, few things often. */
static inline const struct entry *target_random(struct world *w, int log)
{
	int of = log == A2 && world_random(w, 2) == 0 ? A : log;
	const struct world_log *l = &w->logs[of];

	switch (world_random(w, 12)) {
	case 0:
		return w->all[world_random(w, w->count)];
	case 1:
		/* The people whose profiles no test asks for. */
		return of == D   ? l->entries[world_random(w, 2) == 0 ? 1 : 4]
		       : of == C ? l->entries[4]
				 : l->entries[2];
	case 2:
	case 3:
	case 4:
		return l->entries[l->count - 1 - world_random(w, l->count < 20 ? l->count : 20)];
	case 5:
		for (size_t i = 0; i < l->count; i++)
			if (l->entries[i]->in.header.kind == KIND_TOPIC)
				return l->entries[i];
		/* fall through */
	default:
		return l->entries[l->count / 2 + world_random(w, l->count / 6)];
	}
}

static inline void changes_put(struct world *w, int log, uint64_t sequence)
{
	struct world_log *l = &w->logs[log];
	struct buffer room = BUFFER_INIT;
	char subject[32];

	for (size_t i = 0; i < CHANGES; i++) {
		const struct entry *target = target_random(w, log);
		struct key by = device(home_of(log), world_random(w, 5) == 0 ? 3 : (int)(i % 2));
		struct ref ref = ref_to(w, target);
		bool erase = world_random(w, 4) == 0;
		enum given given = world_random(w, 5) == 0 ? NEVER : GIVEN;
		struct bytes content = {0};

		if (world_random(w, 20) == 0)
			ref.log[0] ^= 1;
		if (world_random(w, 30) == 0)
			ref.id[0] ^= 1;
		snprintf(subject, sizeof(subject), "changed%zu", i);
		if (!erase && target->in.header.kind == KIND_ENROL)
			content = world_profile(&room, subject, subject);
		else if (!erase)
			content = world_text(&room, subject, "in other words");
		if (!erase && world_random(w, 12) == 0)
			content = bytes_str("\xff no content");
		if (erase && world_random(w, 3) == 0)
			world_put(w, change_make(w, log, &l->registrar, ++l->registrar_sequence,
					 KIND_ERASE, &ref, content, NO_CONTENT));
		else
			world_put(w,
			    change_make(w, log, &by, sequence + i, erase ? KIND_ERASE : KIND_AMEND,
				&ref, content, erase ? NO_CONTENT : given));
	}
	buffer_free(&room);
}

/* The valid message that a change names, if it stands in a log that counts and had an effect. */
static inline struct entry *model_target(struct world *w, const struct entry *e)
{
	struct target_body b;

	assert_ok(e->in.header.kind == KIND_AMEND ? amend_body_parse(e->in.header.body, &b)
						  : erase_body_parse(e->in.header.body, &b));
	for (size_t i = 0; i < w->count; i++) {
		struct entry *t = w->all[i];
		bool before = t->log == e->log ? t->index < e->index
					       : w->logs[e->log].previous == t->log;
		if (!before || !t->valid || memcmp(t->in.id, b.target.id, ID_LEN) != 0 ||
		    memcmp(w->logs[t->log].binding.digest, b.target.log, DIGEST_LEN) != 0)
			continue;
		switch (t->in.header.kind) {
		case KIND_TOPIC:
		case KIND_POST:
			return t->shown ? t : NULL;
		case KIND_AMEND:
			return t->about != NULL ? t : NULL;
		case KIND_ENROL:
			return t;
		default:
			return NULL;
		}
	}
	return NULL;
}

/* The device that an ENROL of people_put() is for, by where it stands; its person's first. */
static inline int enrolled(const struct entry *t)
{
	return t->index >= 1 && t->index <= 3 ? 0 : t->index == 4 ? 3 : -2;
}

/* The AMEND in force: the latest that has an effect and wasn't erased. */
static inline void model_force(struct world *w, struct entry *t)
{
	t->amended = NULL;
	for (size_t i = 0; i < w->count; i++) {
		const struct entry *e = w->all[i];
		if (e->about != t || e->in.header.kind != KIND_AMEND || e->erased != NULL)
			continue;
		if (t->amended == NULL || e->log > t->amended->log ||
		    (e->log == t->amended->log && e->index > t->amended->index))
			t->amended = e;
	}
}

static inline void model_change(struct world *w, struct entry *e)
{
	struct entry *t = model_target(w, e);
	bool amend = e->in.header.kind == KIND_AMEND;
	bool registrar = memcmp(e->in.header.signer, w->logs[e->log].registrar.public, KEY_LEN) ==
			 0;

	if (t == NULL || (amend && registrar))
		return;
	bool profile = t->in.header.kind == KIND_ENROL;
	int owner = profile ? enrolled(t) : owner_of(w, t);
	bool first = profile && (t->index == 1 || t->index == 4);
	if (!registrar && (owner < 0 || owner != owner_of(w, e)))
		return;
	if (amend && (t->in.header.kind == KIND_AMEND || (profile && !first)))
		return;
	struct entry *about = t->about != NULL ? (struct entry *)(uintptr_t)t->about : t;
	e->about = about;
	if (amend && about->erased != NULL && !profile)
		e->erased = about->erased;
	if (!amend) {
		for (size_t i = 0; i < w->count; i++) {
			struct entry *a = w->all[i];
			bool along = a == t || (t == about && a->about == about && a->valid &&
						   a->in.header.kind == KIND_AMEND);
			if (along && a->erased == NULL)
				a->erased = e;
		}
	}
	model_force(w, about);
}

static inline void model_changes(struct world *w)
{
	for (int log = 0; log < WORLD_LOGS; log++)
		for (size_t i = 0; i < w->logs[log].count; i++) {
			struct entry *e = w->logs[log].entries[i];
			if (e->valid &&
			    (e->in.header.kind == KIND_AMEND || e->in.header.kind == KIND_ERASE))
				model_change(w, e);
		}
}

/* Whose content is shown; NULL: it was erased. */
static inline const struct entry *model_text(const struct entry *e)
{
	return e->amended != NULL ? e->amended : e->erased != NULL ? NULL : e;
}

static inline struct entry *topic_put(struct world *w, int log, const struct key *by,
    uint64_t sequence, const char *title, enum given given)
{
	struct buffer room = BUFFER_INIT;
	struct bytes content = title == NULL ? bytes_str("\xff")
					     : world_text(&room, title, "what it is about");
	struct entry *e = world_put(w, world_make(w, log,
					   (struct recipe){.by = by,
					       .sequence = sequence,
					       .kind = KIND_TOPIC,
					       .content = content,
					       .given = given}));
	buffer_free(&room);
	return e;
}

static inline void people_put(
    struct world *w, int log, const char *first, const char *second, enum given given)
{
	struct buffer room = BUFFER_INIT;
	struct key d[DEVICES];

	for (int i = 0; i < DEVICES; i++)
		d[i] = device(log, i);
	world_enrol(w, log, &d[0], NULL, false,
	    first == NULL ? bytes_str("\x32\x7f") : world_profile(&room, first, "First Person"),
	    GIVEN);
	world_enrol(w, log, &d[1], &d[0], false, world_profile(&room, "impostor", "Nobody"), GIVEN);
	world_enrol(w, log, &d[2], &d[0], true, (struct bytes){0}, NO_CONTENT);
	world_enrol(
	    w, log, &d[3], NULL, false, world_profile(&room, second, "Second Person"), given);
	buffer_free(&room);
}

static inline struct world *world_build(uint64_t seed)
{
	static const char *const names[] = {
	    [A] = "a.example", [B] = "b.example", [C] = "c.example", [D] = "d.example"};
	static const uint8_t seeds[] = {
	    [A] = 0x10, [A2] = 0x14, [B] = 0x20, [C] = 0x30, [D] = 0x40};
	static const int logs[] = {A, B, C, D};
	struct world *w = calloc(1, sizeof(*w));
	struct entry *topics[5], *posts[2 * POSTS];
	struct buffer room = BUFFER_INIT;
	struct key by, root;

	assert_non_null(w);
	w->random = seed << 32;
	for (int i = 0; i < 3; i++) {
		root = fixture_key(seeds[logs[i]]);
		assert_ok(verifier_make(
		    &w->founders[i], bytes_str(names[logs[i]]), VERIFIER_ED25519, root.public));
	}
	fixture_charter(&w->charter, w->founders, 3, 2);
	for (int i = 0; i < 4; i++)
		world_log_open(w, logs[i], names[logs[i]], seeds[logs[i]], -1);
	people_put(w, A, "alice", "bert", NEVER);
	people_put(w, B, "Bob", "carol", GIVEN); /* not as prepared: hidden */
	people_put(w, C, NULL, "dora", GIVEN);
	people_put(w, D, "alice", "mallory", GIVEN);
	root = fixture_key(seeds[D]);
	world_admit(w, A, "d.example", &root);
	world_admit(w, B, "d.example", &root);
	root = fixture_key(0x55);
	world_admit(w, D, "e.example", &root);

	topics[0] = topic_put(
	    w, A, &w->logs[A].registrar, ++w->logs[A].registrar_sequence, "Root servers", GIVEN);
	by = device(B, 0);
	topics[1] = topic_put(w, B, &by, 1, "Never seen", NEVER);
	topics[2] = topic_put(w, C, &w->logs[C].root, ++w->logs[C].root_sequence, NULL, GIVEN);
	by = device(D, 1);
	topics[3] = topic_put(w, D, &by, 1, "Access", GIVEN);
	for (size_t i = 0; i < POSTS; i++)
		posts[i] = post_random(w, logs[world_random(w, 4)], topics, 4, i);
	for (int i = 0; i < 4; i++) {
		posts_put(w, logs[i], posts, POSTS);
		oddities_put(w, logs[i], topics[i], posts[i]);
		changes_put(w, logs[i], UINT64_C(1) << 45);
	}
	for (size_t i = 1; i < 12; i++)
		world_put(w,
		    world_bytes(w, D, w->logs[A].entries[w->logs[A].count / 12 * i]->in.message));
	registrar_replace(w, B);

	/* The successor: everything is inherited but the revoked device. */
	world_log_open(w, A2, "a.example", seeds[A2], A);
	by = fixture_key(0x7a);
	root = device(A, 0);
	world_enrol(w, A2, &by, &root, false, (struct bytes){0}, NO_CONTENT);
	struct entry *late = world_make(w, A2,
	    (struct recipe){.by = &by,
		.sequence = 1,
		.kind = KIND_POST,
		.topic = topics[0],
		.parent = posts[0],
		.content = world_text(&room, "", "late"),
		.given = GIVEN});
	world_put(w, late);
	by = fixture_key(0x7b);
	world_enrol(w, A2, &by, NULL, false, world_profile(&room, "zoe", "Zoe"), GIVEN);
	topics[4] = topic_put(w, A2, &root, 1, "Afterwards", GIVEN);
	for (size_t i = 0; i < 30; i++) {
		/* Not by the third device, which is revoked. */
		posts[i] = post_random(w, A2, topics, 5, 3000 + 3 * i + i % 2);
	}
	posts_put(w, A2, posts, 30);
	changes_put(w, A2, UINT64_C(1) << 45);
	model_changes(w);
	buffer_free(&room);
	return w;
}

#endif
