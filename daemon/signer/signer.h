/* SPDX-License-Identifier: BSD-2-Clause */
/* The signer: holder of the log and registrar keys, and of the one rule that keeps a log from
 * forking: it never signs a checkpoint that does not stand at or above the highest it has signed
 * before.
 *
 * Everything that may be asked of it is listed here; there is no function that signs what it is
 * given. It lives in the relay's process for now, and its calls are made from worker threads one at
 * a time, as if they were requests to another process.
 *
 * The *lock file* holds the highest head signed. It is written and synced before a signature is
 * released, and belongs in no backup: a restored one would forget what has been signed. */
#ifndef DAEMON_SIGNER_H
#define DAEMON_SIGNER_H

#include "log/checkpoint.h"
#include "member/credential.h"

struct signer;

/* Read keys (log.key, registrar.key) from `keys`, while that is still allowed, and check them
 * against the credential (keys that it does not name: ERR_KEY). `lock` is the lock file's path,
 * opened by signer_lock(). On error `why` (512 bytes) says which file and what. */
int signer_open(struct signer **out, const char *keys, const struct credential *credential,
    const char *passphrase, char *why);
/* Open or create the lock file. ERR_BUSY: another daemon holds it. ERR_MALFORMED: damaged, cut
 * short, or another log's, so that what was signed is not known. ERR_IO. `why` as above. */
int signer_lock(struct signer *s, const char *lock, char *why);
void signer_free(struct signer *s);

/* The highest head signed. Size 0: none. */
void signer_head(const struct signer *s, uint64_t *size, uint8_t root[static HASH_LEN]);

/* Sign a checkpoint of our log. ERR_FORK: its size is below the highest signed, or equal with
 * another root. ERR_IO: the lock file could not be synced; nothing was signed. Appends the note. */
int signer_checkpoint(
    struct signer *s, uint64_t size, const uint8_t root[static HASH_LEN], struct buffer *note);

/* Sign a message as the registrar: kinds ENROL and REVOKE only (ERR_REFUSED). The header's signer
 * is filled in. */
int signer_registrar(struct signer *s, struct header *header, struct buffer *message);
const uint8_t *signer_registrar_key(const struct signer *s);

#endif
