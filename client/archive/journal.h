/* SPDX-License-Identifier: BSD-2-Clause */
/* What imports of this home have done: HOME/import.db. The home's lock is held. One owner, one
 * thread.
 *
 * For each topic it maps a mail's key to the post that was made of it, which is how a second import
 * adds nothing and how an answer finds what it answers. And it keeps what was signed and is not
 * acknowledged yet, as the exact bytes: a batch is durable here before its first byte is sent, and
 * leaves in a later transaction than the acknowledgement, so a crash at any point means at worst
 * that the same bytes are sent again.
 *
 * It can be lost: the mapping comes back from the node (learn.h), and a sequence that is used is
 * refused, not used twice. */
#ifndef CLIENT_ARCHIVE_JOURNAL_H
#define CLIENT_ARCHIVE_JOURNAL_H

#include "client/archive/key.h"
#include "client/database.h"

struct journal;

/* Open it, for a device and the log that it writes to. When either is another than the last time,
 * what waits is dropped: it was signed for what is no more. */
int journal_open(struct journal **out, const char *home, const uint8_t signer[static KEY_LEN],
    const char *log_name, struct trouble *t);
void journal_close(struct journal *j); /* NULL does nothing; a transaction under way is undone */

/* The highest sequence that imports of this home have signed with; 0 when there was none. For
 * whoever else signs with the same device. */
int journal_sequence(const char *home, uint64_t *out, struct trouble *t);

/* From here on of this topic. `*cursor` is the arrival number up to which the node was asked about
 * it; 0: never. */
int journal_topic(
    struct journal *j, const uint8_t id[static ID_LEN], uint64_t *cursor, struct trouble *t);

int journal_begin(struct journal *j, struct trouble *t);
int journal_commit(struct journal *j, struct trouble *t);
void journal_rollback(struct journal *j);

/* ---- the mapping ---- */

/* Where the post of a mail stands; `out->index` 0: not known. ERR_NOTFOUND (which fills no trouble)
 * or another. */
int journal_find(
    struct journal *j, const uint8_t key[static MAIL_KEY_LEN], struct ref *out, struct trouble *t);
/* A post that the node has. One that is known keeps its id. */
int journal_learn(struct journal *j, const uint8_t key[static MAIL_KEY_LEN], const struct ref *post,
    struct trouble *t);
int journal_cursor(struct journal *j, uint64_t arrival, struct trouble *t);

/* A mail that others refer to and that was never there: `heir` is the first that did, and stands
 * for it. The first one told stays. ERR_NOTFOUND as above. */
int journal_absent_add(struct journal *j, const uint8_t key[static MAIL_KEY_LEN],
    const uint8_t heir[static MAIL_KEY_LEN], struct trouble *t);
int journal_absent(struct journal *j, const uint8_t key[static MAIL_KEY_LEN],
    uint8_t heir[static MAIL_KEY_LEN], struct trouble *t);

/* ---- what waits ---- */

/* Inside a transaction: a post is signed. `submission`: an encoded Submission. */
int journal_sign(struct journal *j, const uint8_t key[static MAIL_KEY_LEN], const struct ref *post,
    uint64_t sequence, struct bytes submission, struct trouble *t);
/* All up to this sequence is acknowledged. */
int journal_settle(struct journal *j, uint64_t sequence, struct trouble *t);
/* Nothing of it, from this sequence on, is or will be at the node: forget it, and that those mails
 * were imported. */
int journal_drop(struct journal *j, uint64_t sequence, struct trouble *t);
/* What waits, in its order. Other than OK from `fn` ends it with that value. */
int journal_pending(struct journal *j,
    int (*fn)(void *ctx, uint64_t sequence, struct bytes submission), void *ctx, struct trouble *t);

#endif
