/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the in-memory backend, for memory*.c. */
#ifndef STORE_MEMORY_INSIDE_H
#define STORE_MEMORY_INSIDE_H

#include "base/error.h"
#include "store/leaves.h"
#include "store/table.h"

#include <assert.h>
#include <string.h>

enum {
	META,       /* name -> value */
	LOG,        /* number -> struct log */
	DIGEST,     /* digest -> number */
	CHECKPOINT, /* number -> note */
	RIGHT,      /* number -> hashes */
	LEAF,       /* number, index -> bytes */
	BLOCK,      /* number, block -> root */
	GAP,        /* number, index -> nothing */
	CONTENT,    /* number, index -> id, salt, content */
	TOMBSTONE,  /* id -> nothing */
	INBOX,      /* no -> id, salt, u32be length of message, message, content */
	INBOX_ID,   /* id -> no */
	NEXT_INBOX, /* "" -> no */
	SERIAL,     /* root -> serial, message */
	INVITE,     /* hash -> struct store_invite */
	FORK,       /* log digest, sort -> proof */
	STANDING,   /* log digest -> size, root, u16be length of name, name, credential */
	COSIGNED,   /* number, root key -> size, seconds, note */
	TABLES_USED,
};
_Static_assert((int)TABLES_USED <= (int)TABLE_MAX, "tables");

struct memory_store {
	struct store base;
	struct tables t;
	bool writing;
	int failed; /* as in the SQLite backend */
	int fail_commit;
};

struct log {
	uint32_t no;
	enum log_state state;
	uint64_t size;
	uint8_t root[HASH_LEN], digest[DIGEST_LEN];
	char name[VERIFIER_NAME_MAX + 1];
};

/* A key made of a log's number and an index, or of either alone. */
struct key12 {
	uint8_t bytes[12];
};

static inline struct key12 memory_at(uint32_t log, uint64_t index)
{
	struct key12 k;
	put_u32(k.bytes, log);
	put_u64(k.bytes + 4, index);
	return k;
}

#define KEY(k) bytes_of((k).bytes, sizeof((k).bytes))
#define AT(log, index) KEY(memory_at(log, index))
#define NUMBER(n) AT(0, n)
#define ID(id) bytes_of(id, ID_LEN)
#define NOTHING bytes_of(NULL, 0)

static inline struct memory_store *inside(struct store *base)
{
	return (struct memory_store *)base;
}

/* The gate of every writing operation. */
static inline int writing(const struct memory_store *m)
{
	assert(m->writing);
	return m->failed;
}

/* An operation ends: on failure it leaves nothing behind. */
int memory_finish(struct memory_store *m, size_t mark, int err);
/* Append to `out`, when it is asked for. */
int memory_copy(struct buffer *out, struct bytes b);
/* false: no such log. */
bool memory_log(const struct memory_store *m, uint32_t no, struct log *out);
int memory_log_put(struct memory_store *m, const struct log *log);
int memory_notes_put(
    struct memory_store *m, uint32_t no, struct bytes checkpoint, struct bytes right);

int memory_contents_put(struct store *base, struct store_content *items, size_t count);
int memory_content_put(struct store *base, uint32_t no, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes content);
int memory_content_get(struct store *base, uint32_t no, uint64_t index,
    const uint8_t id[static ID_LEN], uint8_t *salt, struct buffer *content);
int memory_contents(struct store *s, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
    int (*fn)(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
	const uint8_t salt[static SALT_LEN], struct bytes content),
    void *ctx);
int memory_content_drop(struct store *base, uint32_t no, uint64_t index,
    const uint8_t id[static ID_LEN], bool tombstone);
int memory_tombstone_each(
    struct store *s, int (*fn)(void *ctx, const uint8_t id[static ID_LEN]), void *ctx);
int memory_wanted(struct store *base, uint32_t log, uint64_t from, uint64_t *out, size_t *count);
int memory_wanted_below(
    struct store *base, uint32_t log, uint64_t below, uint64_t *out, size_t *count);
int memory_wanted_count(struct store *base, uint32_t log, uint64_t *out);
int memory_fork_put(struct store *base, const uint8_t log[static DIGEST_LEN], enum fork_sort sort,
    struct bytes proof);
int memory_fork_each(
    struct store *base, int (*fn)(void *ctx, const struct store_fork *fork), void *ctx);
int memory_standing_put(struct store *base, const struct store_standing *standing);
int memory_standing_each(
    struct store *base, int (*fn)(void *ctx, const struct store_standing *standing), void *ctx);
int memory_inbox_drop(struct store *base);
int memory_inbox_add(struct store *base, const uint8_t id[static ID_LEN], struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content, uint64_t *no);
int memory_inbox_each(struct store *base, uint64_t after, size_t limit,
    int (*fn)(void *ctx, const struct store_inbox *row), void *ctx);
int memory_inbox_count(struct store *base, uint64_t *out);
int memory_inbox_remove(struct store *base, uint64_t no);
int memory_cosignature_put(struct store *base, const struct store_cosignature *c, size_t keep);
int memory_cosignature_each(
    struct store *base, int (*fn)(void *ctx, const struct store_cosignature *c), void *ctx);
int memory_cosignature_cut(struct memory_store *m, uint32_t log, uint64_t size);
int memory_append(struct store *base, const struct store_append *a);
int memory_read(struct store *base, uint32_t no, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got);
int memory_blocks(
    struct store *base, uint32_t no, uint64_t first, size_t count, struct tree_hash *out);
int memory_truncate(struct store *base, uint32_t no, uint64_t size,
    const uint8_t root[static HASH_LEN], struct bytes checkpoint);
int memory_merge(struct store *base, uint32_t no);

#endif
