/* SPDX-License-Identifier: BSD-2-Clause */
/* The largest head of the home log that this client has verified (SPEC.md 12.5), in the file `head`
 * of the home: the signed note as it came. A node that goes back behind it, or shows another
 * history, is refused, and what proves it is kept in the folder `evidence`. Main thread. */
#ifndef CLIENT_HEAD_H
#define CLIENT_HEAD_H

#include "client/session.h"
#include "log/checkpoint.h"

struct head {
	struct checkpoint at; /* size 0: none */
	struct buffer note;
};

/* What a node's answers say about a head. */
struct head_shown {
	struct checkpoint at; /* the newest that it shows; size 0: none */
	struct bytes note;    /* points into the answer */
	struct buffer proof;  /* ERR_FORK: an encoded fork proof (log/fork.h) */
};

/* Pure: judge the answers to ENTRIES_GET for the entry at the kept size (`next`) and the one below
 * it (`last`), each NULL where there is no such entry. OK: the log goes on from what was kept.
 * ERR_FORK: it is another one. ERR_RANGE: it is smaller. ERR_BUSY: it has grown between the two
 * answers. Else the answer proves nothing: ERR_PROOF, ERR_MALFORMED, and checkpoint_open()'s. `out`
 * is filled as far as it is known; buffer_free(&out->proof). */
int head_judge(const struct head *kept, const struct verifier *log, const Convene__Data *next,
    const Convene__Data *last, struct head_shown *out);

/* The same of a log that has ended, of which `size` entries with the root `wanted` stand: `next`
 * and `end` are the answers for its entries at the kept size and at `size`. OK: what was kept is
 * part of what stands. ERR_FORK: it isn't, proven by `out->proof` if that isn't empty, or else by
 * what names `wanted`. ERR_RANGE: less stands than was kept. Else nothing is proven; ERR_NOTFOUND:
 * for want of an answer. */
int head_judge_before(const struct head *kept, const struct verifier *log, uint64_t size,
    const uint8_t wanted[static HASH_LEN], const Convene__Data *next, const Convene__Data *end,
    struct head_shown *out);

/* Read the file; a size of 0 when there is none. ERR_IO, ERR_MALFORMED: a sentence says so. */
int head_read(struct head *h, const char *home, struct trouble *t);
void head_clear(struct head *h);

/* Ask the connected node, compare, and keep the new head. ERR_FORK with a sentence, after the
 * evidence was written: nothing of this node is to be believed. */
int head_follow(struct session *s, struct trouble *t);

#endif
