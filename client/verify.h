/* SPDX-License-Identifier: BSD-2-Clause */
/* What `convene verify` has checked of a message, or of a receipt: a list of sentences, each good,
 * bad, or not checked. */
#ifndef CLIENT_VERIFY_H
#define CLIENT_VERIFY_H

#include "client/session.h"
#include "log/checkpoint.h"
#include "member/receipt.h"

#define CHECKS_MAX 16

enum result { CHECK_GOOD, CHECK_BAD, CHECK_NOT };

struct check {
	const char *name; /* stable, for programs */
	enum result result;
	char text[300];
};

struct verifying {
	struct session s;
	Convene__Proof *proof;
	struct frames logs;
	struct charter *charter;
	struct credential origin;
	bool has_origin;
	struct binding binding;
	struct header header;
	struct checkpoint head;
	uint8_t id[ID_LEN];
	uint64_t index;
	struct bytes note;
	size_t cosigned; /* by other organisations */
	bool anchored;
	struct check checks[CHECKS_MAX];
	size_t count;
};

/* Add a check. */
void check(struct verifying *v, const char *name, enum result result, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Print them all; the exit code that follows. */
int verify_tell(const struct verifying *v, bool json);
/* The names of those who have cosigned, with commas between. */
void verify_cosigners(struct buffer *out, const struct receipt *r);

/* Check a receipt, by the charter of --charter or else of the home, and nothing else; returns an
 * exit code. */
int verify_receipt(const struct invocation *in, const char *path);

#endif
