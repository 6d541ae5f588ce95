/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs in memory, and a bundle of them. */
#ifndef TEST_BUNDLE_FIXTURE_H
#define TEST_BUNDLE_FIXTURE_H

#include "log/replica.h"
#include "member_fixture.h"
#include "sync/bundle_offer.h"

#define BUNDLE_ENTRIES 700

struct bundle_entry {
	struct buffer message, content;
	uint8_t salt[SALT_LEN];
};

struct bundle_fixture_log {
	struct credential credential;
	struct key log_key;
	struct bundle_entry entries[BUNDLE_ENTRIES];
	struct tree_hash hashes[BUNDLE_ENTRIES];
	struct tree *tree;
	struct buffer note;
	uint64_t size;
};

/* What a bundle is written from. */
struct bundle_fixture {
	uint8_t forum[HASH_LEN];
	struct bundle_fixture_log logs[4];
	struct bundle_part parts[4];
	size_t count;
	struct buffer leaves, out;
	Convene__Data data;
	struct tree_hash proof[TREE_PROOF_MAX];
	uint64_t absent; /* entries whose content isn't there: multiples of this; 0: none */
};

static inline void fixture_must(bool good)
{
	if (!good)
		abort();
}

static inline int fixture_fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	struct bundle_fixture_log *l = ctx;

	memcpy(out, l->hashes + first, count * sizeof *out);
	return OK;
}

static inline void fixture_entry_add(struct bundle_fixture_log *l, struct bytes content)
{
	struct bundle_entry *e = &l->entries[l->size];
	struct key author = fixture_key(99);
	struct header h = {
	    .version = 1, .sequence = l->size, .kind = 4711, .time = FIXTURE_TIME + l->size};

	memcpy(h.signer, author.public, KEY_LEN);
	memset(e->salt, (int)(l->size + 1), SALT_LEN);
	if (content.len > 0) {
		buffer_add(&e->content, content.data, content.len);
		h.has_commitment = true;
		h.bucket = bucket_of(content.len);
		commitment_make(h.commitment, &l->credential.binding, h.signer, e->salt, content);
	}
	fixture_must(message_sign(&e->message, &l->credential.binding, &h, &author) == OK);
}

static inline void fixture_leaf_done(struct bundle_fixture_log *l)
{
	leaf_hash(&l->hashes[l->size], buffer_bytes(&l->entries[l->size].message));
	fixture_must(tree_append(l->tree, &l->hashes[l->size]) == OK);
	l->size++;
}

/* Every third entry has no content, every fiftieth a large one. */
static inline void fixture_log_add(struct bundle_fixture *f, uint64_t size)
{
	struct bundle_fixture_log *l = &f->logs[f->count];
	uint8_t seed = (uint8_t)(10 * f->count + 1);
	struct key root = fixture_key(seed);
	struct checkpoint c = {.size = size};
	char name[32], log_name[VERIFIER_NAME_MAX + 1];
	static uint8_t text[150000];
	struct node_body body;

	snprintf(name, sizeof name, "n%zu.example", f->count);
	l->log_key = fixture_key((uint8_t)(seed + 1));
	body = fixture_node(name, 1, (uint8_t)(seed + 1), (uint8_t)(seed + 2), (uint8_t)(seed + 3));
	l->tree = tree_new();
	fixture_must(l->tree && credential_make(&l->entries[0].message, log_name, f->forum, name, 1,
				    &root, &body, 1, FIXTURE_TIME) == OK);
	fixture_must(credential_open(&l->credential, f->forum, bytes_str(log_name),
			 buffer_bytes(&l->entries[0].message)) == OK);
	fixture_leaf_done(l);
	while (l->size < size) {
		memset(text, (int)('a' + l->size % 26), sizeof text);
		fixture_entry_add(l, bytes_of(text, l->size % 3 == 0     ? 0
						    : l->size % 50 == 10 ? 70000 + l->size
									 : 20 + l->size));
		fixture_leaf_done(l);
	}
	strcpy(c.origin, log_name);
	tree_root(l->tree, c.root);
	fixture_must(checkpoint_sign(&l->note, &c, &l->log_key) == OK);
	f->parts[f->count] = (struct bundle_part){&l->credential.binding, &l->credential.log,
	    buffer_bytes(&l->entries[0].message), 0, size, {0}};
	memcpy(f->parts[f->count++].root, c.root, HASH_LEN);
}

static inline struct bundle_fixture *bundle_fixture_new(void)
{
	struct bundle_fixture *f = calloc(1, sizeof *f);

	fixture_must(f != NULL);
	memset(f->forum, 0xf0, HASH_LEN);
	return f;
}

static inline void bundle_fixture_free(struct bundle_fixture *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct bundle_fixture_log *l = &f->logs[i];

		for (size_t k = 0; k < l->size; k++) {
			buffer_free(&l->entries[k].message);
			buffer_free(&l->entries[k].content);
		}
		tree_free(l->tree);
		buffer_free(&l->note);
		credential_clear(&l->credential);
	}
	buffer_free(&f->leaves);
	buffer_free(&f->out);
	free(f);
}

static inline int fixture_data(
    void *ctx, size_t part, uint64_t first, size_t count, const Convene__Data **out)
{
	struct bundle_fixture *f = ctx;
	struct bundle_fixture_log *l = &f->logs[part];
	size_t hashes;

	buffer_reset(&f->leaves);
	for (size_t i = 0; i < count; i++)
		leaves_add(&f->leaves, buffer_bytes(&l->entries[first + i].message));
	fixture_must(tree_prove_range(l->tree, first, first + count, l->size, NULL, 0,
			 fixture_fetch, l, f->proof, &hashes) == OK);
	convene__data__init(&f->data);
	f->data.first = first;
	f->data.leaves = pb_of(buffer_bytes(&f->leaves));
	f->data.checkpoint = pb_of(buffer_bytes(&l->note));
	f->data.proof = pb_of(bytes_of(f->proof, hashes * HASH_LEN));
	*out = &f->data;
	return OK;
}

static inline int fixture_content(
    void *ctx, size_t part, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	struct bundle_fixture *f = ctx;
	const struct bundle_entry *e = &f->logs[part].entries[index];

	if (f->absent > 0 && index % f->absent == 0)
		return index % 2 ? ERR_NOTFOUND : ERR_REFUSED;
	memcpy(salt, e->salt, SALT_LEN);
	buffer_add(out, e->content.data, e->content.len);
	return OK;
}

static inline int fixture_write(void *ctx, struct bytes bytes)
{
	struct bundle_fixture *f = ctx;

	buffer_add(&f->out, bytes.data, bytes.len);
	return OK;
}

/* The bundle, in `out`. */
static inline int bundle_fixture_write(
    struct bundle_fixture *f, bool contents, struct bundle_counts *counts)
{
	const struct bundle_source source = {f, fixture_data, fixture_content, fixture_write};

	buffer_reset(&f->out);
	return bundle_write(&source, f->forum, "test", f->parts, f->count, contents, counts);
}

static inline int fixture_credential(
    void *ctx, struct bytes name, struct bytes credential, struct verifier *key, struct binding *b)
{
	struct credential c;
	int err = credential_open(&c, ctx, name, credential);

	if (!err) {
		*key = c.log;
		*b = c.binding;
	}
	credential_clear(&c);
	return err;
}

/* Read bytes in pieces of `step`. What bundle_index_take() or the reader says first. */
static inline int bundle_fixture_read(
    struct bundle_index *x, uint8_t *forum, struct bytes bytes, size_t step)
{
	struct bundle_reader *r = bundle_reader_new();
	struct bundle_piece p = {.kind = BUNDLE_FRAME};
	size_t at = 0;
	int err = OK;

	fixture_must(r != NULL);
	bundle_index_init(x, &(struct bundle_index_io){forum, fixture_credential}, forum);
	while (!err && p.kind != BUNDLE_END) {
		err = bundle_reader_next(r, &p);
		if (err == ERR_TRUNCATED) {
			size_t n = bytes.len - at < step ? bytes.len - at : step;

			err = bundle_reader_feed(r, bytes_of(bytes.data + at, n));
			at += n;
			p.kind = BUNDLE_FRAME;
		} else if (!err) {
			err = bundle_index_take(x, &p);
		}
	}
	bundle_reader_free(r);
	return err;
}

#endif
