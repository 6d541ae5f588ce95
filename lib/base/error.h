/* SPDX-License-Identifier: BSD-2-Clause */
/* One enumeration of everything that can go wrong, and one text for each.
 *
 * Libraries return these codes and never log or exit; programs turn them into
 * sentences. A function that returns int returns OK or one of the negative
 * codes below unless its comment says otherwise. Codes that cross the wire are
 * the refusals of SPEC.md section 10.4; they have numbers of their own in
 * convene.proto (enum Code) and are mapped in lib/msg/refusal.c. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

enum error {
	OK = 0,

	/* The machine. */
	ERR_NOMEM = -100, /* memory, or a budget on it, is exhausted */
	ERR_IO,           /* read, write or sync failed; errno tells */
	ERR_NOSPACE,      /* the disk is full */
	ERR_BUSY,         /* somebody else holds it; try again */
	ERR_CLOSED,       /* the other side is gone */
	ERR_TIMEOUT,
	ERR_STORE,  /* the database refused; its text was logged */
	ERR_SCHEMA, /* the store was written by another version */
	ERR_RANDOM,

	/* The caller. */
	ERR_INVALID, /* an argument out of its range */
	ERR_NOTFOUND,
	ERR_EXISTS,
	ERR_STALE, /* compare-and-swap lost: the size has moved */
	ERR_RANGE, /* an index or size beyond what is there */

	/* Bytes from outside. */
	ERR_MALFORMED,     /* does not parse */
	ERR_NOT_CANONICAL, /* parses, but is not the one accepted encoding */
	ERR_TOO_LARGE,
	ERR_TRUNCATED, /* more bytes are needed */
	ERR_TEXT,      /* not UTF-8, or a character that is not allowed */
	ERR_VERSION,   /* a version that this program does not speak */
	ERR_UNKNOWN_KIND,

	/* Proofs and signatures. */
	ERR_SIGNATURE,  /* a known key's signature does not verify */
	ERR_UNSIGNED,   /* no signature by the key that was asked for */
	ERR_KEY,        /* not a usable public key (length, low order, encoding) */
	ERR_PROOF,      /* a Merkle proof does not verify */
	ERR_COMMITMENT, /* content and salt do not match the commitment */
	ERR_FORK,       /* two heads that cannot belong to one history */

	/* Authority (SPEC.md section 6). */
	ERR_NOT_MEMBER,   /* the organisation is not a member of the forum */
	ERR_NOT_ENROLLED, /* the signer is not enrolled in that log */
	ERR_REVOKED,      /* the signer's key was revoked */
	ERR_SEQUENCE,     /* a repeated or lower sequence with other bytes */
	ERR_FUTURE,       /* dated more than ten minutes ahead */
	ERR_OTHER_FORUM,  /* another forum's or log's */
	ERR_WRONG_ROOT,   /* the root key is not the one that is pinned */
	ERR_WRONG_TLS,    /* the credential does not name the TLS key in use */
	ERR_NOT_COMPLETE, /* the charter lacks a founder's signature */
	ERR_QUOTA,
	ERR_REFUSED,    /* not for this class of signer or connection */
	ERR_CONFUSABLE, /* the handle looks like one that exists */
	ERR_EXPIRED,    /* an invite past its date or already used */
	ERR_HALTED,     /* sealing is stopped; `convenectl status` says why */
	ERR_PASSPHRASE, /* a key file's passphrase is missing or wrong */
};

/* A short lower-case English text without a full stop; never NULL. Any thread. */
const char *error_text(int err);

/* The upper-case name ("ERR_SIGNATURE"), for JSON and logs; never NULL. */
const char *error_name(int err);

#endif
