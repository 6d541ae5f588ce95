/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors as they cross the wire (SPEC.md section 10.4).
 *
 * Several errors share a code, and a few codes an error, so there is a table for
 * each way. What has no row says nothing about our inside: INTERNAL. */
#include "base/error.h"
#include "msg/frame.h"

#define CODE(name) CONVENE__CODE__##name

struct refusal {
	int err;
	const char *text;
};

/* By code: how it is understood here, and what people read. */
static const struct refusal refusals[] = {
    [CODE(MALFORMED)] = {ERR_MALFORMED, "This does not parse."},
    [CODE(VERSION)] = {ERR_VERSION, "This protocol version is not spoken here."},
    [CODE(WRONG_FORUM)] = {ERR_OTHER_FORUM, "This belongs to another forum."},
    [CODE(WRONG_ROOT)] = {ERR_WRONG_ROOT, "This is not the root key that is pinned here."},
    [CODE(WRONG_TLS_KEY)] = {ERR_WRONG_TLS, "The credential does not name the TLS key in use."},
    [CODE(NOT_A_PEER)] = {ERR_REFUSED, "No root key is pinned here for this organisation."},
    [CODE(NOT_A_MEMBER)] = {ERR_NOT_MEMBER, "The organisation is not a member of the forum."},
    [CODE(BAD_SIGNATURE)] = {ERR_SIGNATURE, "The signature does not verify."},
    [CODE(NOT_ENROLLED)] = {ERR_NOT_ENROLLED, "The signer is not enrolled in this log."},
    [CODE(REVOKED)] = {ERR_REVOKED, "The signer's key was revoked."},
    [CODE(SEQUENCE)] = {ERR_SEQUENCE, "That sequence number is used already."},
    [CODE(WRONG_LOG)] = {ERR_STALE, "This was signed for another log than the one in use."},
    [CODE(IN_THE_FUTURE)] = {ERR_FUTURE, "This is dated more than ten minutes ahead."},
    [CODE(TOO_LARGE)] = {ERR_TOO_LARGE, "This is too large."},
    [CODE(FRAME_TOO_LARGE)] = {ERR_TOO_LARGE, "The frame is over its limit."},
    [CODE(BAD_COMMITMENT)] = {ERR_COMMITMENT, "The content does not match its commitment."},
    [CODE(NO_CONTENT)] = {ERR_COMMITMENT, "The content is missing."},
    [CODE(WRONG_SIGNER)] = {ERR_REFUSED, "This class of signer may not do that."},
    [CODE(UNKNOWN_KIND)] = {ERR_UNKNOWN_KIND, "This kind of message is not known here."},
    [CODE(QUOTA)] = {ERR_QUOTA, "The quota is used up; try again later."},
    [CODE(BUSY)] = {ERR_BUSY, "The node is busy; try again."},
    [CODE(NOT_FOUND)] = {ERR_NOTFOUND, "There is no such thing here."},
    [CODE(AMBIGUOUS)] = {ERR_EXISTS, "Several ids begin so; give more of it."},
    [CODE(INVITE)] = {ERR_EXPIRED, "The invite has expired or was used already."},
    [CODE(HANDLE)] = {ERR_CONFUSABLE, "The handle is taken, or looks like one that is."},
    [CODE(UNEXPECTED)] = {ERR_REFUSED, "This was not expected here."},
    [CODE(TIMEOUT)] = {ERR_TIMEOUT, "This took too long."},
    [CODE(READ_ONLY)] = {ERR_NOSPACE, "The node takes nothing new at present."},
    [CODE(SHUTTING_DOWN)] = {ERR_CLOSED, "The node is shutting down."},
    [CODE(NOT_FIRST)] = {ERR_BUSY, "A message before this one was refused."},
    [CODE(BAD_PROOF)] = {ERR_PROOF, "The proof does not verify."},
    [CODE(SUSPENDED)] = {ERR_REFUSED, "The node takes no posts of this participant."},
    [CODE(INTERNAL)] = {ERR_STORE, "Something went wrong at the node."},
};

/* clang-format off */
static uint32_t code_of(enum error err)
{
	switch (err) {
	case OK: return CODE(CODE_NONE);
	case ERR_MALFORMED:
	case ERR_NOT_CANONICAL:
	case ERR_TRUNCATED:
	case ERR_TEXT:
	case ERR_KEY:
	case ERR_INVALID:
	case ERR_NOT_COMPLETE: return CODE(MALFORMED);
	case ERR_VERSION: return CODE(VERSION);
	case ERR_OTHER_FORUM: return CODE(WRONG_FORUM);
	case ERR_WRONG_ROOT: return CODE(WRONG_ROOT);
	case ERR_WRONG_TLS: return CODE(WRONG_TLS_KEY);
	case ERR_NOT_MEMBER: return CODE(NOT_A_MEMBER);
	case ERR_SIGNATURE:
	case ERR_UNSIGNED: return CODE(BAD_SIGNATURE);
	case ERR_NOT_ENROLLED: return CODE(NOT_ENROLLED);
	case ERR_REVOKED: return CODE(REVOKED);
	case ERR_SEQUENCE: return CODE(SEQUENCE);
	case ERR_STALE: return CODE(WRONG_LOG);
	case ERR_FUTURE: return CODE(IN_THE_FUTURE);
	case ERR_TOO_LARGE: return CODE(TOO_LARGE);
	case ERR_COMMITMENT: return CODE(BAD_COMMITMENT);
	case ERR_REFUSED: return CODE(WRONG_SIGNER);
	case ERR_UNKNOWN_KIND: return CODE(UNKNOWN_KIND);
	case ERR_QUOTA: return CODE(QUOTA);
	case ERR_BUSY: return CODE(BUSY);
	case ERR_NOTFOUND:
	case ERR_RANGE: return CODE(NOT_FOUND);
	case ERR_EXISTS: return CODE(AMBIGUOUS);
	case ERR_EXPIRED: return CODE(INVITE);
	case ERR_CONFUSABLE: return CODE(HANDLE);
	case ERR_TIMEOUT: return CODE(TIMEOUT);
	case ERR_NOSPACE:
	case ERR_HALTED: return CODE(READ_ONLY);
	case ERR_CLOSED: return CODE(SHUTTING_DOWN);
	case ERR_PROOF:
	case ERR_FORK: return CODE(BAD_PROOF);
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_STORE:
	case ERR_SCHEMA:
	case ERR_RANDOM:
	case ERR_PASSPHRASE: break;
	}
	return CODE(INTERNAL);
}
/* clang-format on */

static const struct refusal *row_of(uint32_t code)
{
	bool known = code < sizeof(refusals) / sizeof(refusals[0]) && refusals[code].text != NULL;
	/* A code of a later version: refused, and we can't say more. */
	return &refusals[known ? code : CODE(INTERNAL)];
}

uint32_t refusal_code(int err)
{
	return code_of((enum error)err);
}

int refusal_error(uint32_t code)
{
	return code == CODE(CODE_NONE) ? OK : row_of(code)->err;
}

const char *refusal_text(uint32_t code)
{
	return code == CODE(CODE_NONE) ? "Done." : row_of(code)->text;
}
