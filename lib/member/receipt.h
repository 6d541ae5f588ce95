/* SPDX-License-Identifier: BSD-2-Clause */
/* Receipts (SPEC.md section 9.5): proof that an entry stands in its log and that as many
 * organisations as the charter wants have cosigned that, for whoever has the charter and nothing
 * else. Any thread. */
#ifndef MEMBER_RECEIPT_H
#define MEMBER_RECEIPT_H

#include "member/charter.h"

#define RECEIPT_MAX (4 * 1024 * 1024) /* bytes */

/* A NODE or ADMIT message, and the name of its log. */
struct receipt_paper {
	struct bytes log_name, message;
};

/* Append a receipt's text. Checks nothing. ERR_NOMEM. */
int receipt_write(struct buffer *out, const uint8_t forum[static HASH_LEN], struct bytes entry,
    const struct receipt_paper *papers, size_t paper_count, const struct bytes *proofs,
    size_t proof_count);

/* Who has cosigned. */
struct receipt_cosigner {
	char organisation[ORG_NAME_MAX + 1];
	uint8_t root_key[KEY_LEN];
	uint64_t size, seconds; /* what, and when by its own clock */
};

struct receipt {
	struct buffer entry; /* the exact message */
	struct binding binding;
	uint8_t id[ID_LEN];
	uint64_t index;
	char organisation[ORG_NAME_MAX + 1]; /* whose log it is */
	bool founder;                        /* it is one */
	int signature;        /* of the entry by the key that it names: OK, or what is wrong */
	struct header header; /* when that is OK; points into `entry` */
	uint32_t needed;
	struct receipt_cosigner *cosigners;
	size_t count;
};

/* Check all of a receipt. OK: the entry is anchored. ERR_MALFORMED, ERR_NOT_CANONICAL and what is
 * said of the parts (credential_open(), checkpoint_open()…); ERR_OTHER_FORUM; ERR_NOT_MEMBER: the
 * charter and the papers don't show that the log's organisation is one; ERR_PROOF: the entry does
 * not stand there; ERR_NOT_COMPLETE: too few have cosigned, `*out` says who. `why` is a sentence's
 * part. Free with receipt_free() in any case. */
int receipt_verify(
    struct receipt **out, struct bytes text, const struct charter *charter, char why[static 200]);
void receipt_free(struct receipt *r);

#endif
