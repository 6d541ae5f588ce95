/* SPDX-License-Identifier: BSD-2-Clause */
/* What was signed, on disk: the head of our own log and the head of every log that was cosigned.
 * Each is written and synced before a signature about it is released.
 *
 * The *lock file* holds the own head in two records of 512 bytes that are written in turn, so that
 * one whole record survives a crash in the middle of a write. The *cosigned file* holds such a pair
 * for each log, at most HEADS_MAX, in the order in which they came. A record: a magic line, u64
 * turn, u64 size, root, the log's name filled up with zeros to 161 bytes, in the cosigned file the
 * root key of its organisation, SHA-256 of all before; zeros to the end. The newer turn counts.
 *
 * A cosigned file that is not there, though this node has run before, is made anew with a pair at
 * its beginning that names the cosigner key: what that key has vouched for is not known, and it
 * vouches for nothing more. A new cosigner key does.
 *
 * Both files belong in no backup: a restored one would forget what others have seen. The lock file
 * is locked as long as this is open. One owner. */
#ifndef DAEMON_SIGNER_HEADS_H
#define DAEMON_SIGNER_HEADS_H

#include "msg/message.h"

#define HEADS_MAX 4096 /* logs cosigned: 4 MiB of file */

struct heads;

struct head {
	uint64_t turn; /* counts the writes; 0: none yet */
	uint64_t size; /* 0: nothing was signed */
	uint8_t root[HASH_LEN];
};

/* A log that was cosigned. */
struct cosigned {
	char log_name[VERIFIER_NAME_MAX + 1];
	uint8_t digest[DIGEST_LEN], root_key[KEY_LEN];
	uint64_t number;
	struct head head;
};

/* Open or create both files. `cosigner` is the key in use; `used`: the node has run before, so that
 * a cosigned file was there; as it was where anything was signed. ERR_BUSY: another process holds
 * them. ERR_MALFORMED: damaged, cut short, or another log's, so that what was signed is not known.
 * ERR_IO, ERR_NOMEM. On error `why` (512 bytes) says which file and what. */
int heads_open(struct heads **out, const char *lock, const char *cosigned, const char *own_log,
    const uint8_t cosigner[static KEY_LEN], bool used, char *why);
/* Whether the cosigned file is new and what the key in use has cosigned is not known. */
bool heads_unknown(const struct heads *h);
/* Before heads_open(), where the credential says that `own_log` follows `previous`: a lock file of
 * that log becomes one of ours with nothing signed, and what was signed of the old log is kept in
 * LOCK.ended-DIGEST. Any other lock file, or none, is left as it is. ERR_BUSY, ERR_IO,
 * ERR_NOSPACE; `why` as above. */
int heads_succeed(const char *lock, const char *previous, const char *own_log, char *why);
void heads_free(struct heads *h);

/* The descriptors, for who closes all others. */
void heads_files(const struct heads *h, int *lock, int *cosigned);

const struct head *heads_own(const struct heads *h);
/* ERR_IO, ERR_NOSPACE: then the old head stays. */
int heads_own_put(struct heads *h, uint64_t size, const uint8_t root[static HASH_LEN]);

/* NULL: never cosigned. Valid until the next heads_put(). */
const struct cosigned *heads_find(const struct heads *h, const uint8_t digest[static DIGEST_LEN]);
/* Another log of the same organisation and number as this one, which no honest organisation has;
 * NULL: none. */
const struct cosigned *heads_rival(
    const struct heads *h, const uint8_t root_key[static KEY_LEN], const struct binding *log);
/* As heads_own_put(), for a log that may be new; also ERR_QUOTA: the file is full, ERR_NOMEM. */
int heads_put(struct heads *h, const struct binding *log, const uint8_t root_key[static KEY_LEN],
    uint64_t size, const uint8_t root[static HASH_LEN]);

#endif
