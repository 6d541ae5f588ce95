/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: what a node holds durably. Segments of entries, heads, contents, the inbox, and small
 * facts; the views over them are lib/store/views.h.
 *
 * A backend is a const struct of functions (store_sqlite, store_memory) and passes the contract
 * test. A struct store is one connection with one owner; the relay has one that writes (store
 * thread) and one that reads (loop thread); other processes open the same file read-only. Writes
 * happen between begin and commit; several operations share a transaction, and an operation that
 * fails has changed nothing. After ERR_IO, ERR_NOSPACE, ERR_NOMEM or ERR_STORE the whole
 * transaction is lost: what follows in it fails with the same error, and so does commit. Reads need
 * no transaction; in a read-only store begin and commit enclose a snapshot (keep it short: it holds
 * up the write-ahead log).
 *
 * ERR_NOTFOUND for a log number that is not there, ERR_REFUSED for a write to a read-only store.
 * Callbacks may read the store.
 *
 * Integers: a log has a small number (from 1) that is this store's own; `index` counts entries of a
 * log from 0. Both pack into one key (number << 40 | index), so a log holds up to 2^40 entries. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "log/tree.h"
#include "msg/message.h"

#define STORE_SCHEMA 4
/* Flags of store_open(). A mapped store is read in place, which a process may do that can be
 * started again at any time: a page that the disk can't give back is SIGBUS there, not an error.
 * Only together with STORE_READ_ONLY. */
#define STORE_READ_ONLY 1u
#define STORE_MAPPED 2u

struct store;

enum log_state { LOG_LIVE, LOG_SUSPECT, LOG_DISPUTED, LOG_BROKEN };

struct store_log {
	uint32_t no;
	char name[VERIFIER_NAME_MAX + 1];
	uint8_t digest[DIGEST_LEN];
	uint64_t size;
	uint8_t root[HASH_LEN]; /* at size; all zero when empty */
	enum log_state state;
	struct bytes checkpoint; /* the newest note, of a size >= size; empty when none. Owned by
				    the store, valid during the callback */
	struct bytes right;      /* n × 32: hashes right of size under that note (tree.h) */
	uint64_t folded;         /* the views' position */
};

/* A batch of entries for one log, to be committed whole or not at all. */
struct store_append {
	uint32_t log;
	uint64_t expected;   /* size before; ERR_STALE when it isn't */
	struct bytes leaves; /* u16be length ‖ bytes … */
	size_t count;
	uint64_t size;           /* expected + count */
	uint8_t root[HASH_LEN];  /* at `size` */
	struct bytes checkpoint; /* note of a size >= `size` */
	struct bytes right;
	const struct tree_hash
	    *blocks; /* roots of the blocks of 256 that this batch fills, in order */
	size_t block_count;
	const uint64_t *wanted; /* log indices in [expected, size) whose content is committed to and
				   not brought along, ascending */
	size_t wanted_count;
	/* Own log only: inbox rows first_inbox .. that these entries were; they leave the inbox,
	 * and their contents become contents of the entries. The batch is then exactly the `count`
	 * oldest: rows, and behind them what waits in the journal (intake.h). */
	bool from_inbox;
};

struct store_inbox {
	uint64_t no; /* rising; never given twice */
	uint8_t id[ID_LEN];
	struct bytes message;
	uint8_t salt[SALT_LEN];
	struct bytes content; /* empty: none */
};

struct store_invite {
	uint8_t hash[HASH_LEN]; /* SHA-256 of the secret, which is not kept */
	uint64_t expires;       /* wall ms */
	char handle[65];        /* reserved for this handle; empty: any */
	bool used;
	uint8_t device_key[KEY_LEN]; /* who used it */
	uint8_t enrol_id[ID_LEN];    /* the ENROL it became */
};

/* Two sorts of fork proofs (SPEC.md 9.6). */
enum fork_sort { FORK_HEADS, FORK_RIVALS };

struct store_fork {
	uint8_t log[DIGEST_LEN];
	enum fork_sort sort;
	struct bytes proof; /* encoded, log/fork.h */
};

/* One of a run of contents for contents_put(). */
struct store_content {
	uint32_t log;
	uint64_t index;
	uint8_t id[ID_LEN], salt[SALT_LEN];
	struct bytes content;
	struct bytes message; /* of its entry: the caller's, not looked at */
	int result;           /* filled in: content_put()'s */
};

/* What a successor says stands of a log (4.4). */
struct store_standing {
	uint8_t log[DIGEST_LEN];
	uint64_t size;
	uint8_t root[HASH_LEN];
	struct bytes successor;  /* its log name */
	struct bytes credential; /* its entry 0 */
};

/* The newest cosignature of a log by one organisation. */
struct store_cosignature {
	uint32_t log;
	uint8_t root[KEY_LEN]; /* the cosigner's root key */
	uint64_t size, seconds;
	struct bytes note; /* with the log key's line, and this one */
};

struct store_backend {
	const char *name;
	int (*open)(struct store **out, const char *path, unsigned flags);
	void (*close)(struct store *s);

	int (*begin)(struct store *s);
	int (*commit)(struct store
		*s); /* durable on OK (fsynced); after an error the transaction is rolled back */
	void (*rollback)(struct store *s);

	/* Small facts by name: "forum" (32 bytes), "schema". ERR_NOTFOUND. */
	int (*meta_get)(struct store *s, const char *key, struct buffer *out);
	int (*meta_put)(struct store *s, const char *key, struct bytes value);
	/* drop: OK too when there is none. each: those whose names begin so, ascending; a non-OK
	 * result ends it. */
	int (*meta_drop)(struct store *s, const char *key);
	int (*meta_each)(struct store *s, const char *prefix,
	    int (*fn)(void *ctx, const char *key, struct bytes value), void *ctx);

	/* Logs. add: ERR_EXISTS when the digest is there (out gets its number). each: calls back
	 * ascending by number; a non-OK result ends it. */
	int (*log_add)(struct store *s, struct bytes name, const uint8_t digest[static DIGEST_LEN],
	    uint32_t *no);
	int (*log_each)(
	    struct store *s, int (*fn)(void *ctx, const struct store_log *log), void *ctx);
	int (*log_get)(struct store *s, uint32_t no,
	    int (*fn)(void *ctx, const struct store_log *log), void *ctx);
	int (*log_set_state)(struct store *s, uint32_t no, enum log_state state);
	/* A newer note for the same size (more cosignatures, or a larger tree that is known). */
	int (*log_set_checkpoint)(
	    struct store *s, uint32_t no, struct bytes checkpoint, struct bytes right);

	/* Entries. append is a compare-and-swap on the size (ERR_STALE); ERR_INVALID when the
	 * numbers of the batch don't fit together, or its leaves are not those of the inbox. read
	 * appends `u16be length ‖ bytes` of up to `count` entries from `first`, at least one and
	 * not many more than `max_bytes`, and says how many; ERR_RANGE at or beyond the size.
	 * blocks fills `out` with roots of blocks [first, first + count). truncate: ERR_RANGE above
	 * the size; contents beyond go too, tombstones stay. merge folds small segments below the
	 * last full block together (idle work; returns 1 when there is more). */
	int (*append)(struct store *s, const struct store_append *a);
	int (*read)(struct store *s, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
	    struct buffer *out, size_t *got);
	int (*blocks)(
	    struct store *s, uint32_t log, uint64_t first, size_t count, struct tree_hash *out);
	int (*truncate)(struct store *s, uint32_t log, uint64_t size,
	    const uint8_t root[static HASH_LEN], struct bytes checkpoint);
	int (*merge)(struct store *s, uint32_t log);

	/* Contents, kept by (log, index) and bound to the id. put: ERR_EXISTS (held already),
	 * ERR_REFUSED (tombstone), ERR_RANGE (no such entry). get: ERR_NOTFOUND, ERR_REFUSED when
	 * erased. Buffers may be NULL when only presence is asked. wanted: up to `count` indices >=
	 * `from` whose content is missing, ascending; wanted_below: the largest < `below`,
	 * descending. drop: an invalid entry's content, or an
	 * erased one's when `erased` (leaves a tombstone). */
	int (*content_put)(struct store *s, uint32_t log, uint64_t index,
	    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN],
	    struct bytes content);
	/* Many at once, in any order, each with its own result; an error only where the transaction
	 * is lost. What they share, the log's size and a block's gaps, is looked at once. */
	int (*contents_put)(struct store *s, struct store_content *items, size_t count);
	int (*content_get)(struct store *s, uint32_t log, uint64_t index,
	    const uint8_t id[static ID_LEN], uint8_t *salt /* SALT_LEN */, struct buffer *content);
	/* Those held of entries [first, first + count), the newest first, until they are
	 * `max_bytes` or the callback returns another result than OK, which is not an error. What
	 * is erased is left out. */
	int (*contents)(struct store *s, uint32_t log, uint64_t first, size_t count,
	    size_t max_bytes,
	    int (*fn)(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
		const uint8_t salt[static SALT_LEN], struct bytes content),
	    void *ctx);
	int (*wanted)(struct store *s, uint32_t log, uint64_t from, uint64_t *out, size_t *count);
	int (*wanted_below)(
	    struct store *s, uint32_t log, uint64_t below, uint64_t *out, size_t *count);
	int (*wanted_count)(struct store *s, uint32_t log, uint64_t *out);
	int (*content_drop)(struct store *s, uint32_t log, uint64_t index,
	    const uint8_t id[static ID_LEN], bool erased);

	/* Ids whose content was erased, ascending; a non-OK result of `fn` ends it. */
	int (*tombstone_each)(
	    struct store *s, int (*fn)(void *ctx, const uint8_t id[static ID_LEN]), void *ctx);
	/* A number that changes whenever somebody else has committed: for who polls. Outside a
	 * transaction; costs next to nothing. */
	int (*version)(struct store *s, uint64_t *out);

	/* See to it that bytes which were dropped are in none of the files any more. Outside a
	 * transaction, on the connection that writes. ERR_BUSY while a reader still sees an older
	 * state: try again later. */
	int (*scrub)(struct store *s);

	/* The inbox: accepted, not yet sealed. add: ERR_EXISTS by id (`no` gets its number). each:
	 * from the oldest with no > after. remove: a row that will not be sealed, with what it
	 * holds; ERR_NOTFOUND. */
	int (*inbox_add)(struct store *s, const uint8_t id[static ID_LEN], struct bytes message,
	    const uint8_t salt[static SALT_LEN], struct bytes content, uint64_t *no);
	int (*inbox_each)(struct store *s, uint64_t after, size_t limit,
	    int (*fn)(void *ctx, const struct store_inbox *row), void *ctx);
	int (*inbox_count)(struct store *s, uint64_t *out);
	int (*inbox_remove)(struct store *s, uint64_t no);

	/* Empty the inbox, and the journal: its messages were signed for a log that has ended. Rows
	 * stay only in whatever file they were copied to before. */
	int (*inbox_drop)(struct store *s);

	/* Forks, by the digest of a log, which need not be there; never dropped. A log has at most
	 * one proof of each sort: the first. ERR_EXISTS. */
	int (*fork_put)(struct store *s, const uint8_t log[static DIGEST_LEN], enum fork_sort sort,
	    struct bytes proof);
	int (*fork_each)(
	    struct store *s, int (*fn)(void *ctx, const struct store_fork *fork), void *ctx);
	/* What stands of a log that has a successor; the first that was put counts: ERR_EXISTS. */
	int (*standing_put)(struct store *s, const struct store_standing *standing);
	int (*standing_each)(struct store *s,
	    int (*fn)(void *ctx, const struct store_standing *standing), void *ctx);

	/* The highest NODE serial seen of a root key, and its message. get: ERR_NOTFOUND. put:
	 * ERR_STALE below the one that is kept. */
	int (*serial_get)(struct store *s, const uint8_t root[static KEY_LEN], uint64_t *serial,
	    struct buffer *message);
	int (*serial_put)(struct store *s, const uint8_t root[static KEY_LEN], uint64_t serial,
	    struct bytes message);

	/* Cosignatures. put replaces that of the same log and root key, and leaves of all of that
	 * log no more than the `keep` of the largest sizes; ERR_STALE below the size that is kept
	 * of this key, ERR_RANGE beyond the log's. truncate drops those above the size. each:
	 * ascending by log and key. */
	int (*cosignature_put)(struct store *s, const struct store_cosignature *c, size_t keep);
	int (*cosignature_each)(
	    struct store *s, int (*fn)(void *ctx, const struct store_cosignature *c), void *ctx);

	/* Invites. put inserts or replaces by hash. */
	int (*invite_get)(
	    struct store *s, const uint8_t hash[static HASH_LEN], struct store_invite *out);
	int (*invite_put)(struct store *s, const struct store_invite *invite);
	int (*invite_each)(
	    struct store *s, int (*fn)(void *ctx, const struct store_invite *invite), void *ctx);
};

/* Every backend's struct begins with this. */
struct store {
	const struct store_backend *ops;
	char error[160]; /* store_error() */
};

extern const struct store_backend store_sqlite; /* path: the database file, created when absent */
extern const struct store_backend
    store_memory; /* path: NULL; for tests and the simulator (memory.h) */

/* Open or create. ERR_SCHEMA, ERR_IO, ERR_STORE, ERR_BUSY (another writer holds it), ERR_NOTFOUND
 * (read-only and absent). */
int store_open(
    struct store **out, const struct store_backend *backend, const char *path, unsigned flags);
void store_close(struct store *s); /* NULL does nothing */

/* The text of the last database error, for logs; never NULL. NULL: of this thread's last
 * store_open(), when that failed. */
const char *store_error(const struct store *s);
/* For backends: open() fails, and what the store has to say goes with it. */
void store_open_failed(const struct store *s);

#endif
