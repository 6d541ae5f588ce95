/* SPDX-License-Identifier: BSD-2-Clause */
/* Fork proofs of two heads (SPEC.md section 9.6): anyone can check one offline with the log's key
 * alone.
 *
 * The encoded form is the `ForkProof` message: the payload of a FORK frame, and
 * what the file holds in base64. The other sort of fork proof, two NODE
 * messages (4.4), travels in the same form with `root` and `proof` empty; it is
 * judged where credentials are. Any thread. */
#ifndef LOG_FORK_H
#define LOG_FORK_H

#include "log/checkpoint.h"

#define FORK_HASHES_MAX 64
#define FORK_MAX 65536 /* bytes of the encoded form: the frame's limit */

struct fork_proof {
	struct bytes smaller, larger; /* notes; point into what was decoded */
	bool has_root;                /* sizes differ */
	struct tree_hash root;        /* of larger's history, at smaller's size */
	struct tree_hash proof[FORK_HASHES_MAX];
	size_t count;
};

/* OK: these two heads of `log` cannot belong to one history. `substituted_root` is NULL and count 0
 * for equal sizes. ERR_PROOF: this does not prove it (the roots agree, or the consistency proof
 * does not verify); ERR_MALFORMED: the parts do not fit the sizes; ERR_TOO_LARGE; and
 * checkpoint_open()'s errors. */
int fork_proof_check(struct bytes smaller_note, struct bytes larger_note,
    const struct tree_hash *substituted_root, const struct tree_hash *proof, size_t count,
    const struct verifier *log);

/* Append the encoded form, of any sort. ERR_TOO_LARGE, ERR_INVALID, ERR_NOMEM; then nothing is
 * appended. */
int fork_proof_encode(struct buffer *out, const struct fork_proof *f);
/* Decode either sort; what it says is not checked. ERR_MALFORMED, ERR_NOT_CANONICAL, ERR_TOO_LARGE.
 */
int fork_proof_decode(struct bytes in, struct fork_proof *out);

/* Append the encoded proof for two notes of `log`, in either order, that do not belong together. Of
 * the notes only the text and the log key's signature go in, so that no amount of other lines can
 * make a proof too large to send. For unequal sizes the larger one's history is needed: from a tree
 * that holds it (range_consistency() gives the same out of a peer's range proof, for
 * fork_proof_make()). ERR_NOTFOUND: the two heads agree. ERR_PROOF: the tree's history is not the
 * larger head's. */
int fork_proof_build(struct buffer *out, struct bytes one, struct bytes other,
    const struct verifier *log, const struct tree *tree, tree_fetch *fetch, void *ctx);
/* The same with root and consistency proof at hand (NULL and 0 for equal sizes). Appends only what
 * fork_proof_check() accepts; its errors. */
int fork_proof_make(struct buffer *out, struct bytes smaller_note, struct bytes larger_note,
    const struct tree_hash *substituted_root, const struct tree_hash *proof, size_t count,
    const struct verifier *log);

/* The file: append it around the encoded form; read it, appending the encoded form to `encoded`.
 * ERR_MALFORMED, ERR_NOT_CANONICAL, ERR_TOO_LARGE, ERR_NOMEM; then reading appends nothing. */
int fork_file_write(struct buffer *out, struct bytes encoded);
int fork_file_read(struct bytes in, struct buffer *encoded);

#endif
