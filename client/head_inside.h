/* SPDX-License-Identifier: BSD-2-Clause */
/* What head.c and head_before.c share. */
#ifndef CLIENT_HEAD_INSIDE_H
#define CLIENT_HEAD_INSIDE_H

#include "client/head.h"

#define HEAD_ASK_MS 60000

/* A DATA of one entry at `first` that proves itself under a head of `log`: that goes into `out`,
 * and the entry's hash and the proof with it. */
int head_data_check(const Convene__Data *d, uint64_t first, const struct verifier *log,
    struct head_shown *out, struct tree_hash *leaf, struct tree_hash proof[static TREE_PROOF_MAX],
    size_t *count);

/* The same, and the log has grown since `kept`: ERR_FORK with its proof where the root at the kept
 * size is another. */
int head_judge_grown(const struct head *kept, const struct verifier *log, const Convene__Data *next,
    struct head_shown *out);

/* Keep a piece of evidence, and fill in where. */
int head_evidence(
    const struct session *s, const char *name, struct bytes data, char path[static PATH_LEN]);
/* The head that was kept, and the one that is shown now. */
int head_evidence_notes(const struct session *s, const struct head *kept,
    const struct head_shown *shown, char path[static PATH_LEN]);

/* Compare what was kept of the log before (`kept`) with what this log's entry 0 (`leaf`) says that
 * stands of it, and tell what contradicts it, after the evidence was written, or can't be compared.
 * ERR_FORK with a sentence: it follows another log. Other errors are the connection's. */
int head_before(struct session *s, const struct head *kept, struct bytes leaf, struct trouble *t);

#endif
