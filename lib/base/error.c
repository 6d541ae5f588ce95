/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/error.h"

struct description {
	const char *name, *text;
};

/* A switch without a default, so that the compiler names a code that has no text. */
static struct description describe(enum error err)
{
	switch (err) {
#define CASE(code, words) \
	case code:        \
		return (struct description){#code, words}
		CASE(OK, "no error");

		CASE(ERR_NOMEM, "out of memory");
		CASE(ERR_IO, "input or output failed");
		CASE(ERR_NOSPACE, "the disk is full");
		CASE(ERR_BUSY, "busy, try again");
		CASE(ERR_CLOSED, "closed by the other side");
		CASE(ERR_TIMEOUT, "timed out");
		CASE(ERR_STORE, "the store refused");
		CASE(ERR_SCHEMA, "the store was written by another version");
		CASE(ERR_RANDOM, "no random numbers");

		CASE(ERR_INVALID, "invalid argument");
		CASE(ERR_NOTFOUND, "not found");
		CASE(ERR_EXISTS, "exists already");
		CASE(ERR_STALE, "overtaken by another change");
		CASE(ERR_RANGE, "out of range");

		CASE(ERR_MALFORMED, "malformed");
		CASE(ERR_NOT_CANONICAL, "not in the one accepted encoding");
		CASE(ERR_TOO_LARGE, "too large");
		CASE(ERR_TRUNCATED, "cut off");
		CASE(ERR_TEXT, "not UTF-8, or a character that is not allowed");
		CASE(ERR_VERSION, "a version that this program does not speak");
		CASE(ERR_UNKNOWN_KIND, "a kind that this program does not know");

		CASE(ERR_SIGNATURE, "the signature does not verify");
		CASE(ERR_UNSIGNED, "not signed by the expected key");
		CASE(ERR_KEY, "not a usable public key");
		CASE(ERR_PROOF, "the proof does not verify");
		CASE(ERR_COMMITMENT, "the content does not match its commitment");
		CASE(ERR_FORK, "two heads that cannot belong to one history");

		CASE(ERR_NOT_MEMBER, "the organisation is not a member of the forum");
		CASE(ERR_NOT_ENROLLED, "the signer is not enrolled");
		CASE(ERR_REVOKED, "the signer's key was revoked");
		CASE(ERR_SEQUENCE, "that sequence number is used already");
		CASE(ERR_FUTURE, "dated in the future");
		CASE(ERR_OTHER_FORUM, "made for another forum or log");
		CASE(ERR_WRONG_ROOT, "not the root key that is pinned");
		CASE(ERR_WRONG_TLS, "the credential does not name the TLS key in use");
		CASE(ERR_NOT_COMPLETE, "the charter lacks a founder's signature");
		CASE(ERR_QUOTA, "over the quota");
		CASE(ERR_REFUSED, "not permitted");
		CASE(ERR_CONFUSABLE, "the handle looks like one that exists");
		CASE(ERR_EXPIRED, "expired or already used");
		CASE(ERR_HALTED, "sealing is stopped");
		CASE(ERR_PASSPHRASE, "the passphrase is missing or wrong");
#undef CASE
	}
	return (struct description){"ERR_UNKNOWN", "unknown error"};
}

const char *error_text(int err)
{
	return describe((enum error)err).text;
}

const char *error_name(int err)
{
	return describe((enum error)err).name;
}
