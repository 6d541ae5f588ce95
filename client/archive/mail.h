/* SPDX-License-Identifier: BSD-2-Clause */
/* One mail, read into a content (SPEC.md section 8.3), through GMime. The only file that knows it
 * is mime.c; html.c (libxml2) is for mails that have nothing but HTML.
 *
 * Charsets: as declared, if the bytes are valid in it; of GB2312, GBK, Big5, Shift_JIS and EUC-KR
 * also the larger one that is often meant (GB18030, Big5-HKSCS, windows-31J, windows-949).
 * Otherwise, and where nothing is declared, UTF-8 if they are valid UTF-8, else the fallback
 * (windows-1252 unless the caller says another), in which a byte without meaning becomes U+FFFD.
 * Header bytes outside ASCII likewise.
 *
 * Text: the first text/plain of the mail (in a multipart/alternative, the plain one); further
 * inline text/plain parts without a name follow it after an empty line. Where there is only HTML,
 * or HTML that is nobody's alternative comes first, its words, and the HTML itself is kept as a
 * part. HTML beside a plain alternative is left out, and counted. Everything else is a part, also
 * an attached mail (message/rfc822). A part that does not fit the limit keeps name and type, and
 * its size in `omitted`. Signatures and encryption are not looked at: such parts are parts.
 *
 * Hostile mail costs its own length: nesting beyond 32 levels, more than 256 parts, a header above
 * MAIL_HEADER_MAX and a text above MAIL_TEXT_MAX, as they stand in the mail, refuse it.
 * One thread at a time for one struct mail_reader. */
#ifndef CLIENT_ARCHIVE_MAIL_H
#define CLIENT_ARCHIVE_MAIL_H

#include "base/buffer.h"
#include "msg/content.h"

#define MAIL_HEADER_MAX (1024 * 1024)
#define MAIL_TEXT_MAX (32 * 1024 * 1024) /* 16 times what any forum takes, for markup and encodings */

struct mail_reader;

/* `charset`: the fallback, NULL for windows-1252. `content_limit`: of the encoded content, in
 * bytes; room is left for a `source` of 64. ERR_INVALID for a charset that nobody knows, ERR_NOMEM.
 */
int mail_reader_new(struct mail_reader **out, const char *charset, uint64_t content_limit);
void mail_reader_free(struct mail_reader *r);

/* What threading needs, of the header alone. Ids are without angle brackets, and without space. */
struct mail_ids {
	struct buffer text;       /* owns what the rest points into */
	struct bytes message_id;  /* empty: none, or none that can be used */
	struct bytes *references; /* oldest first (8.3) */
	size_t reference_count;
	int64_t date; /* of Date, or else of the topmost Received; INT64_MIN: none */
};
/* ERR_MALFORMED: there is no header at all; ERR_TOO_LARGE: its header is; ERR_NOMEM. Free in any
 * case. */
int mail_ids_read(struct mail_reader *r, struct bytes raw, struct mail_ids *out);
void mail_ids_free(struct mail_ids *ids);

/* What could not be kept as it was; counted, and told in the report of an import. */
struct mail_losses {
	unsigned omitted;      /* parts over the limit */
	unsigned alternatives; /* HTML beside a plain text */
	unsigned guessed;      /* texts whose bytes did not fit what was declared, or nothing was */
};

struct mail {
	struct content content; /* `imported` present; `source` is the caller's to set */
	struct mail_losses losses;
	void *memory;
};

/* Read a whole mail. ERR_MALFORMED (no mail), ERR_TOO_LARGE (the text alone is over the limit, too
 * deep, too many parts), ERR_NOMEM; `why` gets a clause for the report, as "its text of 1,204,224
 * bytes is over the forum's limit". `raw` may go afterwards. Clear with mail_clear(). */
int mail_read(struct mail_reader *r, struct bytes raw, struct mail *out, char why[static 128]);
void mail_clear(struct mail *m);

/* Text of unknown charset by the rule above, appended as UTF-8 with LF line ends; NULs become
 * U+FFFD. `declared` NULL: nothing is. Returns whether it had to guess. */
bool text_decode(struct buffer *out, struct bytes in, const char *declared, const char *fallback);

#endif
