/* SPDX-License-Identifier: BSD-2-Clause */
/* What may be signed with the keys of a running node. Pure but for its files: no socket, no clock,
 * no thread; tests and fuzzers link it alone, the signer process answers requests with it.
 *
 * It trusts its own files, the charter, and nothing else that it is told. Membership it works out
 * itself, from credentials and ADMITs that a root key has signed. It sees no logs, so an ADMIT
 * counts here wherever it stands in its log (SPEC.md 6.2 also asks for a rising sequence): nobody
 * but that root key can have made it.
 *
 * Rules. Own log: each head signed extends the one signed before, by a consistency proof; what it
 * has signed and forgotten, it learns from its own signature and such a proof. Another's
 * log: likewise, by what was cosigned; it is a member's, not our own, and the only one of its
 * organisation and number. The registrar signs ENROL, REVOKE and ERASE of a sound form. What was
 * signed last is on the disk before a signature is returned. One owner. */
#ifndef DAEMON_SIGNER_CORE_H
#define DAEMON_SIGNER_CORE_H

#include "daemon/signer/heads.h"
#include "log/tree.h"
#include "member/credential.h"

#define CORE_NOTE_MAX 16384     /* bytes of a note to cosign: as a DATA's (SPEC.md 11.4) */
#define CORE_LOGS_PER_ORG 64    /* so that one hostile member doesn't take the room of all */
#define CORE_ADMITS_PER_LOG 512 /* likewise */

struct core;

/* All of it is copied or read, and none kept. */
struct core_setup {
	struct bytes charter; /* the note */
	const char *log_name;
	struct bytes credential; /* the newest NODE message of that log */
	const char *keys;        /* folder: log.key, registrar.key, cosigner.key */
	const char *passphrase;  /* NULL: none */
	bool used; /* the node has run before: what was cosigned must be on the disk */
};

/* Check charter and credential, read the keys into memory that is neither swapped nor dumped where
 * the system lets us (*pinned), and check them against the credential (ERR_KEY). On error `why`
 * (512 bytes) says what is wrong with which file. */
int core_open(struct core **out, const struct core_setup *setup, bool *pinned, char *why);
/* Open what was signed: heads_open(). Before that nothing is signed. */
int core_lock(struct core *c, const char *lock, const char *cosigned, char *why);
/* False: what this cosigner key has cosigned is not known any more, and nothing is cosigned with
 * it. */
bool core_vouches(const struct core *c);
void core_free(struct core *c);
void core_files(const struct core *c, int *lock, int *cosigned);

/* The highest own head signed; size 0: none. */
const struct head *core_head(const struct core *c);

/* Sign a checkpoint of our log; appends the note. The proof is the RFC 6962 consistency proof from
 * core_head(), empty from size 0. ERR_RANGE (not a size), ERR_FORK (below the highest signed, or
 * beside it), ERR_PROOF, ERR_IO, ERR_NOSPACE, ERR_NOMEM; nothing is then signed. */
int core_checkpoint(struct core *c, uint64_t size, const uint8_t root[static HASH_LEN],
    const struct tree_hash *proof, size_t count, struct buffer *note);

/* Learn what our own log key signed in an earlier life of this machine: a checkpoint of our log,
 * signed by that key, with the proof from core_head() as above. Signs nothing, and the head never
 * goes back. ERR_STALE: below the highest signed. ERR_FORK: another root at that size, ERR_PROOF:
 * it does not follow; then that key has signed two histories. checkpoint_open()'s; ERR_TOO_LARGE,
 * ERR_IO, ERR_NOSPACE. */
int core_learn(struct core *c, struct bytes note, const struct tree_hash *proof, size_t count);

/* Take entry 0 of a member's log, ours included. `*head` is what was cosigned of it last. Again is
 * harmless. ERR_NOT_MEMBER; ERR_QUOTA (too many logs of it, or of all); ERR_FORK (another log of
 * that organisation and number is in); credential_open()'s errors. */
int core_introduce(
    struct core *c, struct bytes log_name, struct bytes node, const struct head **head);
/* Take an ADMIT of a log that is in. ERR_NOTFOUND (it isn't), ERR_UNKNOWN_KIND (no ADMIT),
 * ERR_WRONG_ROOT (not by that log's root key), ERR_SIGNATURE, ERR_INVALID (it admits itself),
 * ERR_QUOTA; message_parse()'s and admit_body_parse()'s. */
int core_admit(struct core *c, const uint8_t log[static DIGEST_LEN], struct bytes message);

/* Cosign a checkpoint; appends the signature's line. The proof is from the last head cosigned of
 * that log, empty from none. `seconds` is the time. ERR_NOTFOUND: its log isn't in. ERR_REFUSED:
 * it is our own organisation's. ERR_STALE: below what was cosigned. ERR_FORK: another root at that
 * size, or another log of that organisation and number. ERR_PROOF; ERR_QUOTA: no room for another
 * log; ERR_HALTED: core_vouches() says no; checkpoint_open()'s; ERR_IO, ERR_NOSPACE, ERR_NOMEM. */
int core_cosign(struct core *c, struct bytes note, const struct tree_hash *proof, size_t count,
    uint64_t seconds, struct buffer *line);

/* Sign as the registrar; `header` is a header (SPEC.md 5.1) that names the registrar's key. Appends
 * the message. ERR_REFUSED: another kind. ERR_KEY: another signer. ERR_SIGNATURE: the device
 * has not signed its enrolment, or its endorser. message_parse()'s, enrol_body_parse()'s. */
int core_registrar(struct core *c, struct bytes header, struct buffer *message);

#endif
