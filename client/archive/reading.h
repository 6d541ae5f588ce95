/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands in a place of a source, as a post: a mail by mail.h, or a whole text file. One owner,
 * one thread. */
#ifndef CLIENT_ARCHIVE_READING_H
#define CLIENT_ARCHIVE_READING_H

#include "client/archive/key.h"
#include "client/archive/mail.h"
#include "client/archive/source.h"

struct reading_terms {
	enum source_form form;
	const char *charset; /* of what declares none; NULL: windows-1252 */
	const char *name;    /* of the archive; NULL: the file's */
	const char *author;  /* of texts; NULL: not told */
	int64_t date;        /* of texts; INT64_MIN: the file's last change */
	uint64_t limit;      /* of an encoded content */
};

struct reading;

int reading_new(struct reading **out, const struct reading_terms *terms, struct trouble *t);
void reading_free(struct reading *r);

/* What is needed to put it in its place. `references` are good until the next call. */
struct reading_ids {
	uint8_t key[MAIL_KEY_LEN];
	const uint8_t (*references)[MAIL_KEY_LEN];
	size_t count;
	int64_t date; /* INT64_MIN: none */
};
/* An error but ERR_NOMEM refuses the mail; `why` is a clause for the report. */
int reading_ids(struct reading *r, const struct source_place *place, struct bytes raw,
    struct reading_ids *out, char why[static 128]);

/* All of it: `content` is encoded, good until the next call. Errors likewise. */
int reading_content(struct reading *r, const struct source_place *place, const char *path,
    struct bytes raw, struct bytes *content, struct mail_losses *losses, char why[static 128]);

#endif
