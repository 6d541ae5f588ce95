/* SPDX-License-Identifier: BSD-2-Clause */
/* The roster of one log: who may write in it, by position (SPEC.md section 6).
 *
 * A fold over the log's entries in order: roster_judge() says whether the next entry is valid and
 * has an effect, and takes the effect in. Author signatures are verified elsewhere (they cost 55
 * µs, and need no state); the roster is told the result. One owner at a time. */
#ifndef MEMBER_ROSTER_H
#define MEMBER_ROSTER_H

#include "member/credential.h"

struct roster;

enum signer_class { SIGNER_NONE, SIGNER_ROOT, SIGNER_REGISTRAR, SIGNER_DEVICE };

/* What is known of one key; also the form in which a roster is kept and loaded again.
 * `class` is what the key was known as first: a device that NODE makes registrar stays a device
 * here, and a registrar key that is replaced stays a registrar; roster_class() tells what holds
 * now. Inherited by a successor, indices stay those of the log where it happened, and sequences
 * begin anew; a registrar key that a successor's entry 0 replaced has ended at the predecessor's
 * size. */
struct signer {
	uint8_t key[KEY_LEN];
	enum signer_class class;
	uint8_t identity[IDENTITY_LEN]; /* devices */
	uint8_t custody;
	bool recovery;     /* enrolled by the registrar alone for a known identity, or endorsed by
			      such a device: shown for ever */
	uint64_t enrolled; /* index of its ENROL (devices) or NODE */
	uint8_t enrol_id[ID_LEN]; /* message id of that ENROL or NODE */
	uint64_t revoked;         /* index of the REVOKE or NODE that ended it; 0: in force */
	uint64_t sequence;        /* highest valid; 0: none yet */
	uint8_t last_id[ID_LEN];  /* id of the message with that sequence */
};

/* Left at 0, the roster verifies an ENROL itself when it comes to that, at 55 to 110 µs. */
enum enrol_state { ENROL_UNVERIFIED, ENROL_GOOD, ENROL_BAD };

struct verdict {
	bool valid;
	bool effect;
	int why;                        /* OK, or why it isn't valid or has no effect */
	enum signer_class class;        /* known too when only the sequence is wrong */
	uint8_t identity[IDENTITY_LEN]; /* of the author, when a device */
	bool new_identity; /* an effective ENROL of a new identity: its content is the profile */
};

/* The entry after all those judged so far. `parsed` is message_parse()'s result for `message` and
 * `header` what it filled; `signature` is message_verify()'s result (its value matters only if
 * parsing succeeded). */
struct roster_entry {
	uint64_t index;
	struct bytes message;
	const struct header *header;
	uint8_t id[ID_LEN];
	int parsed;
	int signature;
	enum enrol_state enrol; /* an ENROL's inner signatures, when a worker has seen to them */
};

/* The device's signature and the endorsement in an ENROL (6.3), which need no state either. For
 * other kinds, and malformed bodies, ENROL_UNVERIFIED. Any thread. */
enum enrol_state roster_enrol_verify(const struct header *h, const struct binding *b);

/* `credential` is entry 0's, checked; the roster copies what it needs. `previous`: the
 * predecessor's roster at the size that stands (copied from), NULL for a first log. A successor's
 * without `previous` is good for roster_load() only. NULL: no memory, or `previous` is not the log,
 * root key and size that the credential names (credential_follows()). */
struct roster *roster_new(const struct credential *credential, const struct charter *charter,
    const struct roster *previous);
void roster_free(struct roster *r);
struct roster *roster_copy(const struct roster *r);

/* Judge without taking in: what roster_judge() would say of it as the next entry (`index` is not
 * looked at). Entry 0 is judged like any other. */
void roster_check(const struct roster *r, const struct roster_entry *e, struct verdict *out);
/* Judge the next entry and take its effect in. ERR_NOMEM (nothing taken in), ERR_INVALID (not the
 * next index, an entry 0 that isn't the credential, or a successor's roster that has inherited
 * nothing). Pointers into the roster end here. */
int roster_judge(struct roster *r, const struct roster_entry *e, struct verdict *out);

/* Index of the next entry. */
uint64_t roster_next(const struct roster *r);
/* NULL: never heard of. The root is known from its first valid message on. */
const struct signer *roster_signer(const struct roster *r, const uint8_t key[static KEY_LEN]);
/* What a message signed with this key counts as now; SIGNER_NONE: unknown, revoked or replaced. */
enum signer_class roster_class(const struct roster *r, const uint8_t key[static KEY_LEN]);
/* Whether any device was ever enrolled for it. */
bool roster_has_identity(const struct roster *r, const uint8_t identity[static IDENTITY_LEN]);
/* Keys in force by the newest effective NODE. */
const struct node_body *roster_node(const struct roster *r);
struct bytes roster_node_message(const struct roster *r);
size_t roster_signer_count(const struct roster *r);
const struct signer *roster_signer_at(const struct roster *r, size_t i);

/* What changed since the last roster_clean(): the signers to write down. */
size_t roster_dirty_count(const struct roster *r);
const struct signer *roster_dirty_at(const struct roster *r, size_t i);
void roster_clean(struct roster *r);

/* Load what was written down: every signer, roster_node_message(), and the next index (above 0), on
 * a fresh roster_new(). ERR_NOMEM, ERR_INVALID, ERR_MALFORMED: the roster is good for nothing. */
int roster_load(struct roster *r, const struct signer *signers, size_t count,
    struct bytes node_message, uint64_t next);

#endif
