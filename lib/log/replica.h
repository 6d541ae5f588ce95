/* SPDX-License-Identifier: BSD-2-Clause */
/* One origin's log as a node replicates it: the tree, the newest checkpoint, and the rule that
 * decides what may be appended.
 *
 * Entries go through two states. replica_stage() checks a DATA and appends it to the tree in
 * memory: *staged*. When the store has committed it, replica_committed() makes it *held*. Only held
 * entries are shown, forwarded or counted in the frontier; staged ones let the next DATA be checked
 * while the disk works. After a failed commit replica_unstage() cuts back to what is held.
 *
 * Invariant: the checkpoint kept covers a size >= staged, and `right` holds the hashes right of
 * `staged` under it, so that every held range can be proven to others at any time.
 *
 * One owner (the loop thread). SPEC.md sections 9 and 11.4. */
#ifndef LOG_REPLICA_H
#define LOG_REPLICA_H

#include "log/checkpoint.h"
#include "msg/message.h"

struct replica;

/* How the leaf bytes of held entries are read: append up to `count` (u16be length ‖ bytes) from
 * `first`. */
typedef int replica_read(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got);

struct replica_reader {
	replica_read *read;
	void *ctx;
};

/* What a DATA amounts to. */
enum replica_outcome {
	REPLICA_STAGED,    /* new entries; commit them */
	REPLICA_DUPLICATE, /* nothing new */
	REPLICA_AHEAD,     /* begins beyond what is staged: ask from replica_staged() */
	REPLICA_ENDED,  /* the log ends here: an entry over 2,048 bytes stands next (9.1); entries
			   before it may have been staged */
	REPLICA_FORKED, /* signed, proven, and not the history that is held */
};

/* A staged batch, on its way to the store. Owned by the log until replica_committed() or
 * replica_unstage(). */
struct replica_batch {
	uint64_t first;
	size_t count;
	struct buffer leaves;     /* u16be length ‖ bytes … */
	struct tree_hash *hashes; /* leaf hashes */
	uint8_t root[HASH_LEN];   /* at first + count */
	struct buffer note;       /* checkpoint of a size >= first + count */
	struct tree_hash right[64];
	size_t right_count;
	struct tree_hash *blocks; /* roots of the blocks that the batch fills */
	size_t block_count;
	struct replica_batch *next;
};

/* `key` is the log's verifier key (type 01), whose name is the log name. */
struct replica *replica_new(const struct verifier *key, struct replica_reader reader);
void replica_free(struct replica *r);

/* Fill a new log from the store: size, its blocks, the leaf hashes of the last partial block are
 * read through the reader. ERR_PROOF when root, note and right hashes don't belong to what is held;
 * then, as after any error, the replica is only good for replica_free(). `note` may be empty for an
 * empty log. */
int replica_load(struct replica *r, uint64_t size, const uint8_t root[static HASH_LEN],
    const struct tree_hash *blocks, size_t block_count, struct bytes note,
    const struct tree_hash *right, size_t right_count);

/* Whether this is a checkpoint of this log, and of which size; nothing is taken from it. Errors as
 * for replica_stage(). */
int replica_signed(const struct replica *r, struct bytes note, uint64_t *size);

const char *replica_name(const struct replica *r);
const struct verifier *replica_key(const struct replica *r);
uint64_t replica_held(const struct replica *r);
uint64_t replica_staged(const struct replica *r);
const uint8_t *replica_held_root(const struct replica *r);
bool replica_ended(const struct replica *r);
/* The newest checkpoint; empty when none. Valid until the next call that stages. */
struct bytes replica_note(const struct replica *r);
uint64_t replica_note_size(const struct replica *r);

/* Check a DATA and stage what is new. `*outcome` on OK; `*batch` for REPLICA_STAGED, and for
 * REPLICA_ENDED when entries came before the end (else NULL). Errors, all the sender's fault:
 * ERR_MALFORMED, ERR_RANGE, ERR_SIGNATURE, ERR_UNSIGNED, ERR_OTHER_FORUM, ERR_PROOF,
 * ERR_NOT_CANONICAL, ERR_TOO_LARGE (over 4,096 entries, or a checkpoint over 16,384 bytes); or
 * ERR_NOMEM. */
int replica_stage(struct replica *r, uint64_t first, struct bytes leaves, struct bytes note,
    struct bytes proof, enum replica_outcome *outcome, struct replica_batch **batch);

/* Check a DATA by itself, for who has no replica of its log; `key` as for replica_new(). `*count`
 * is how many entries it holds, and `root` the one that its history has at first + count. Errors as
 * for replica_stage(). */
int replica_check_data(const struct verifier *key, uint64_t first, struct bytes leaves,
    struct bytes note, struct bytes proof, size_t *count, uint8_t root[static HASH_LEN]);

/* Own log: the root that these leaves would give after what is staged; then, with the checkpoint
 * signed over exactly that, stage them. ERR_INVALID for leaves at which a log ends; ERR_PROOF when
 * the checkpoint is another's. */
int replica_propose(
    const struct replica *r, struct bytes leaves, uint64_t *size, uint8_t root[static HASH_LEN]);
int replica_stage_own(
    struct replica *r, struct bytes leaves, struct bytes note, struct replica_batch **batch);
/* The RFC 6962 consistency proof from replica_staged() to what replica_propose() gives for these
 * leaves; empty when nothing is staged yet. What a signer asks for. Errors as above. */
int replica_propose_proof(
    const struct replica *r, struct bytes leaves, struct tree_hash out[static 64], size_t *count);

/* The oldest staged batch is durable: it is now held, and freed. */
void replica_committed(struct replica *r);
/* Drop every staged batch: the store failed. The checkpoint goes back to the one given (the
 * store's). */
int replica_unstage(
    struct replica *r, struct bytes note, const struct tree_hash *right, size_t right_count);

/* Prove held entries [a, b) under the newest checkpoint; b <= replica_held(). */
int replica_prove(const struct replica *r, uint64_t a, uint64_t b,
    struct tree_hash out[static TREE_PROOF_MAX], size_t *count);
/* The same of staged entries, where the newest checkpoint is of all that is staged (an own log). */
int replica_prove_staged(const struct replica *r, uint64_t a, uint64_t b,
    struct tree_hash out[static TREE_PROOF_MAX], size_t *count);
/* RFC 6962 inclusion proof of a held entry under the newest checkpoint: only when that is at
 * replica_staged() or below (ERR_RANGE). */
int replica_prove_inclusion(
    const struct replica *r, uint64_t index, struct tree_hash out[static 64], size_t *count);
/* For who may ask again and be told less, a client: as replica_note(), replica_prove() and
 * replica_prove_inclusion(), but never under a checkpoint of own entries that are only staged: then
 * it is the one before. */
struct bytes replica_shown(const struct replica *r);
int replica_prove_shown(const struct replica *r, uint64_t a, uint64_t b,
    struct tree_hash out[static TREE_PROOF_MAX], size_t *count);
int replica_prove_inclusion_shown(
    const struct replica *r, uint64_t index, struct tree_hash out[static 64], size_t *count);
/* RFC 6962 consistency proof from a size above 0 to what is held, whatever checkpoint covers it.
 * ERR_RANGE; else the reader's errors. */
int replica_prove_growth(
    const struct replica *r, uint64_t from, struct tree_hash out[static 64], size_t *count);

/* ---- another history (9.6, 11.9) ---- */

/* The root at a size, 0 < size <= replica_staged(). ERR_RANGE, or what reading says. */
int replica_root_at(const struct replica *r, uint64_t size, uint8_t root[static HASH_LEN]);
/* That root, of what is held, and the RFC 6962 consistency proof from there to the newest
 * checkpoint, whatever its size. */
int replica_consistency(const struct replica *r, uint64_t size, uint8_t root[static HASH_LEN],
    struct tree_hash out[static 64], size_t *count);

/* Whether a note is of another history than ours: OK, and the fork proof (encoded, log/fork.h) is
 * appended. For a note that is larger than ours, `root` is what its history has at
 * replica_note_size(), with the consistency proof from there; or NULL. ERR_NOTFOUND: it is of ours;
 * ERR_RANGE: that can't be told from this; ERR_PROOF: root and proof don't prove what they should;
 * checkpoint_open()'s errors, and what reading says. */
int replica_fork_note(const struct replica *r, struct bytes note, const uint8_t *root,
    const struct tree_hash *proof, size_t count, struct buffer *out);
/* The same for a DATA. */
int replica_fork_data(const struct replica *r, uint64_t first, struct bytes leaves,
    struct bytes note, struct bytes proof, struct buffer *out);

/* What a replica will be when it is cut back to `size` <= replica_held() entries: for the store,
 * which must be truncated in between (what was above can't be read any more). The note is
 * replica_note(), which stays, since it covers what stays, with these hashes right of it; none when
 * size is 0. */
struct replica_cut {
	uint64_t size, note_size;
	uint8_t root[HASH_LEN]; /* zero for size 0 */
	struct tree_hash right[64], tail[TREE_BLOCK];
	size_t right_count, tail_count;
};
int replica_cut_plan(const struct replica *r, uint64_t size, struct replica_cut *out);
/* Do it. Nothing may be staged (ERR_BUSY), and the note be of the size it was (ERR_STALE). Errors
 * leave the replica as it was. */
int replica_cut(struct replica *r, const struct replica_cut *cut);

/* RFC 6962 inclusion proof of a held entry under the head of an earlier size that is held.
 * ERR_RANGE; else the reader's errors. */
int replica_prove_inclusion_at(const struct replica *r, uint64_t index, uint64_t size,
    struct tree_hash out[static 64], size_t *count);

#endif
