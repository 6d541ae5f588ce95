/* SPDX-License-Identifier: BSD-2-Clause */
/* An mbox file, cut into mails (RFC 4155, as archives really write it). Pure; any thread.
 *
 * A mail begins at a line `From SENDER DATE`: SENDER is at least one character that isn't a space,
 * DATE ends the line and is asctime's, `Www Mmm DD HH:MM[:SS] [ZONE] YYYY [ZONE]`, and the next
 * line begins a header field. An empty line before it is usual and not asked for: concatenated
 * archives lack it. So a line of a text that only begins with `From ` stays where it is. The empty
 * line in front of a separator, or at the end of the file, belongs to the file and not to the mail.
 * What stands before the first separator is no mail; mbox_open() says how much it is, but for a
 * U+FEFF that an editor put there. Lines end in LF or CRLF. Names of zones are all taken for UTC.
 */
#ifndef CLIENT_ARCHIVE_MBOX_H
#define CLIENT_ARCHIVE_MBOX_H

#include "mail/separator.h" /* mbox_must_quote() */

struct mbox_mail {
	struct bytes raw; /* header, empty line, body; without the separator */
	uint64_t line;    /* where the separator stands in the file, from 1 */
	int64_t date; /* the separator's, milliseconds since 1970; INT64_MIN: it can't be read */
};

struct mbox {
	struct bytes file;
	size_t pos;
	uint64_t line;
};

/* Begin; `file` must outlive it. `*before` gets the bytes before the first separator: all of it
 * when there is none. */
void mbox_open(struct mbox *m, struct bytes file, size_t *before);
/* The next mail: false at the end. */
bool mbox_next(struct mbox *m, struct mbox_mail *out);

#endif
