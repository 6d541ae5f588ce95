/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of daemon/signer begin with: a charter, organisations with their logs and keys,
 * histories that share a beginning, a folder with a signer's keys and files. */
#ifndef TEST_SIGNER_FIXTURE_H
#define TEST_SIGNER_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/keyfile.h"
#include "daemon/signer/request.h"
#include "log/checkpoint.h"
#include "member_fixture.h"

#define NEED(x)                  \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

/* ---- files ---- */

static inline size_t bytes_read(const char *path, uint8_t *out, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, out, room);

	NEED(n >= 0);
	close(fd);
	return (size_t)n;
}

static inline void bytes_write(const char *path, const uint8_t *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	NEED(write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

/* ---- histories ---- */

#define HISTORIES 3
#define HISTORY_LEN 240 /* within one block, so that proofs need no leaves */

/* History h > 0 leaves history 0 at this size. */
static const uint64_t history_leaves_at[HISTORIES] = {0, 5, 50};
static struct tree *history[HISTORIES];

static inline void histories_make(void)
{
	for (uint64_t h = 0; h < HISTORIES; h++) {
		history[h] = tree_new();
		for (uint64_t i = 0; i < HISTORY_LEN; i++) {
			uint64_t both[2] = {i, i < history_leaves_at[h] ? 0 : h};
			struct tree_hash leaf;

			leaf_hash(&leaf, bytes_of(both, sizeof both));
			NEED(tree_append(history[h], &leaf) == OK);
		}
	}
}

static inline void histories_free(void)
{
	for (size_t h = 0; h < HISTORIES; h++)
		tree_free(history[h]);
}

static inline void root_of(uint64_t h, uint64_t size, uint8_t out[static HASH_LEN])
{
	NEED(tree_root_at(history[h], size, NULL, NULL, out) == OK);
}

/* Empty from 0, as a first signature wants it. */
static inline size_t proof_of(
    uint64_t h, uint64_t from, uint64_t size, struct tree_hash out[static 64])
{
	size_t count = 0;

	if (from > 0)
		NEED(tree_prove_consistency(history[h], from, size, NULL, NULL, out, &count) == OK);
	return count;
}

/* Whether two heads can belong to one history. */
static inline bool heads_agree(uint64_t h, uint64_t size, uint64_t other_h, uint64_t other_size)
{
	uint64_t least = size < other_size ? size : other_size;
	uint8_t one[HASH_LEN], other[HASH_LEN];

	root_of(h, least, one);
	root_of(other_h, least, other);
	return memcmp(one, other, HASH_LEN) == 0;
}

/* ---- organisations ---- */

struct org {
	char name[32];
	struct key root, log, registrar, cosigner;
	uint8_t forum[HASH_LEN];
	uint64_t number;
	char log_name[VERIFIER_NAME_MAX + 1];
	struct buffer node; /* entry 0 */
	struct binding binding;
};

/* Organisation `i`'s log `number`, its log key being the `key`-th. */
static inline void org_make(
    struct org *o, unsigned i, uint64_t number, uint8_t key, const uint8_t forum[static HASH_LEN])
{
	uint8_t seed = (uint8_t)(i * 10);
	struct node_body body;
	struct org before = {.name = ""};

	memset(o, 0, sizeof *o);
	snprintf(o->name, sizeof o->name, "n%u.example", i);
	o->root = fixture_key((uint8_t)(seed + 1));
	o->log = fixture_key((uint8_t)(seed + 2 + key * 4));
	o->registrar = fixture_key((uint8_t)(seed + 3));
	o->cosigner = fixture_key((uint8_t)(seed + 4));
	memcpy(o->forum, forum, HASH_LEN);
	o->number = number;
	body = fixture_node(o->name, number, (uint8_t)(seed + 2 + key * 4), (uint8_t)(seed + 3),
	    (uint8_t)(seed + 4));
	if (number > 1) {
		org_make(&before, i, number - 1, (uint8_t)(key + 1), forum);
		body.previous_log = bytes_str(before.log_name);
		body.previous_size = 1;
		memset(body.previous_root, 7, HASH_LEN);
	}
	NEED(credential_make(&o->node, o->log_name, forum, o->name, number, &o->root, &body, number,
		 FIXTURE_TIME) == OK);
	NEED(binding_make(&o->binding, forum, bytes_str(o->log_name)) == OK);
	buffer_free(&before.node);
}

static inline void org_free(struct org *o)
{
	buffer_free(&o->node);
}

/* A charter of founders n0 … n(count - 1), who have all signed. */
static inline void charter_make(
    struct buffer *note, uint8_t forum[static HASH_LEN], unsigned count, uint32_t admit)
{
	struct verifier members[8];
	struct charter c;
	const char *field;

	for (unsigned i = 0; i < count; i++) {
		struct key root = fixture_key((uint8_t)(i * 10 + 1));
		char name[32];

		snprintf(name, sizeof name, "n%u.example", i);
		NEED(verifier_make(&members[i], bytes_str(name), VERIFIER_ED25519, root.public) ==
		     OK);
	}
	fixture_charter(&c, members, count, admit);
	NEED(charter_text(note, &c, &field) == OK);
	hash_of(forum, note->data, note->len);
	struct buffer text = BUFFER_INIT;

	buffer_add(&text, note->data, note->len);
	buffer_add_str(note, "\n");
	for (unsigned i = 0; i < count; i++) {
		struct key root = fixture_key((uint8_t)(i * 10 + 1));

		NEED(note_sign(note, buffer_bytes(&text), bytes_str(members[i].name), &root) == OK);
	}
	buffer_free(&text);
}

/* `by` admits `whom` in its log. */
static inline void admit_make(struct buffer *out, const struct org *by, const struct org *whom)
{
	struct admit_body b = {.name = bytes_str(whom->name)};
	struct buffer body = BUFFER_INIT;
	struct header h = {.version = 1, .kind = KIND_ADMIT, .sequence = 2, .time = FIXTURE_TIME};

	memcpy(b.root_key, whom->root.public, KEY_LEN);
	memcpy(h.signer, by->root.public, KEY_LEN);
	NEED(admit_body_encode(&body, &b) == OK);
	h.body = buffer_bytes(&body);
	NEED(message_sign(out, &by->binding, &h, &by->root) == OK);
	buffer_free(&body);
}

/* The organisation's checkpoint of a history. */
static inline void note_make(struct buffer *out, const struct org *o, uint64_t h, uint64_t size)
{
	struct checkpoint c = {.size = size};

	memcpy(c.origin, o->log_name, sizeof o->log_name);
	root_of(h, size, c.root);
	NEED(checkpoint_sign(out, &c, &o->log) == OK);
}

/* ---- a signer's folder: that of n0 ---- */

struct place {
	char folder[64], keys[80], lock[96], cosigned[96];
	struct buffer charter;
	uint8_t forum[HASH_LEN];
	struct org own;
};

static inline void key_put(const struct place *p, const char *role, const char *file, uint8_t seed)
{
	struct key key = fixture_key(seed);
	char path[120];

	snprintf(path, sizeof path, "%s/%s.key", p->keys, file);
	unlink(path);
	NEED(keyfile_save(path, role, &key, NULL) == OK);
}

static inline void keys_put(const struct place *p)
{
	key_put(p, "log", "log", 2);
	key_put(p, "registrar", "registrar", 3);
	key_put(p, "cosigner", "cosigner", 4);
}

static inline void place_make(struct place *p)
{
	const char *tmp = getenv("TMPDIR");

	memset(p, 0, sizeof *p);
	snprintf(p->folder, sizeof p->folder, "%.40s/test_signer.XXXXXX", tmp ? tmp : "/tmp");
	NEED(mkdtemp(p->folder));
	snprintf(p->keys, sizeof p->keys, "%s/keys", p->folder);
	snprintf(p->lock, sizeof p->lock, "%s/signer.lock", p->folder);
	snprintf(p->cosigned, sizeof p->cosigned, "%s/signer.cosigned", p->folder);
	NEED(mkdir(p->keys, 0700) == 0);
	charter_make(&p->charter, p->forum, 3, 2);
	org_make(&p->own, 0, 1, 0, p->forum);
	keys_put(p);
}

static inline void place_clear(struct place *p)
{
	static const char *const roles[] = {"log", "registrar", "cosigner"};
	char path[120];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s.key", p->keys, roles[i]);
		unlink(path);
	}
	unlink(p->lock);
	unlink(p->cosigned);
	rmdir(p->keys);
	rmdir(p->folder);
	buffer_free(&p->charter);
	org_free(&p->own);
}

static inline struct core_setup place_setup(const struct place *p)
{
	return (struct core_setup){.charter = buffer_bytes(&p->charter),
	    .log_name = p->own.log_name,
	    .credential = buffer_bytes(&p->own.node),
	    .keys = p->keys};
}

static inline struct core *place_opened(const struct place *p)
{
	struct core_setup setup = place_setup(p);
	struct core *c;
	char why[512];
	bool pinned;

	NEED(core_open(&c, &setup, &pinned, why) == OK);
	return c;
}

static inline struct core *place_ready(const struct place *p)
{
	struct core *c = place_opened(p);
	char why[512];

	NEED(core_lock(c, p->lock, p->cosigned, why) == OK);
	return c;
}

#endif
