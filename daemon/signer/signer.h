/* SPDX-License-Identifier: BSD-2-Clause */
/* The relay's side of the signer process: each function is one request of request.h, and waits for
 * its answer. core.h says what is signed and what is refused, with the codes that come back here
 * as they are; ERR_CLOSED when the signer is gone, ERR_MALFORMED when what it answered can't be.
 *
 * Any thread, one after the other: a call waits for those before it, and perhaps for the disk. So
 * the loop thread asks on a worker. */
#ifndef DAEMON_SIGNER_H
#define DAEMON_SIGNER_H

#include "log/tree.h"
#include "member/credential.h"

struct signer_link;

/* Take over one side of a running signer's socket pair, and ask for the own head. The descriptor
 * is not closed by signer_free(). ERR_NOMEM, and as above. */
int signer_connect(struct signer_link **out, int fd, const struct credential *own);
void signer_free(struct signer_link *s);

/* The highest head of our own log that was signed, as known here; size 0: none. Asks nobody. Not
 * while signer_checkpoint() runs. */
void signer_head(const struct signer_link *s, uint64_t *size, uint8_t root[static HASH_LEN]);

/* Sign a checkpoint of our log; the proof is from signer_head(). Appends the note. */
int signer_checkpoint(struct signer_link *s, uint64_t size, const uint8_t root[static HASH_LEN],
    const struct tree_hash *proof, size_t count, struct buffer *note);

/* Have the signer learn a head that our log key signed in an earlier life; the proof is from
 * signer_head(), which is that head afterwards. */
int signer_learn(struct signer_link *s, struct bytes note, uint64_t size,
    const uint8_t root[static HASH_LEN], const struct tree_hash *proof, size_t count);

/* Have a member's log known by its entry 0, and learn what was cosigned of it last (size 0:
 * nothing); have an ADMIT in it known; cosign a checkpoint of it, the proof being from what was
 * cosigned last. Appends the signature's line. */
int signer_introduce(struct signer_link *s, struct bytes log_name, struct bytes node,
    uint64_t *size, uint8_t root[static HASH_LEN]);
int signer_admit(struct signer_link *s, const uint8_t log[static DIGEST_LEN], struct bytes message);
int signer_cosign(struct signer_link *s, struct bytes note, const struct tree_hash *proof,
    size_t count, struct buffer *line);

/* Sign a message as the registrar. The header's signer is filled in. Appends the message. */
int signer_registrar(struct signer_link *s, struct header *header, struct buffer *message);
const uint8_t *signer_registrar_key(const struct signer_link *s);

#endif
