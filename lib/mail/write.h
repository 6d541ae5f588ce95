/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing mail: header fields and bodies, a function of what they say and nothing else, so that the
 * same mail has the same bytes on every machine and in every year. Pure; any thread. All functions
 * append, and fail only for memory (the buffer's `failed`).
 *
 * A reader that joins folded lines, decodes encoded words and undoes the transfer encoding has what
 * was given here, byte for byte; but U+FFFD stands for CR, LF and NUL in a header field, which have
 * no place there. No text, whatever it holds, makes another field or another mail: lines for which
 * mbox_must_quote() holds never appear. */
#ifndef MAIL_WRITE_H
#define MAIL_WRITE_H

#include "mail/separator.h"

/* ---- header fields; each ends with a newline ---- */

/* Free text. Nothing is written when it is empty. */
void field_text(struct buffer *out, const char *name, struct bytes value);
/* An author as an archive had it, `Name <address>` or something else. Only the name is encoded,
 * where what stands there has that form. */
void field_author(struct buffer *out, const char *name, struct bytes value);
/* `display <local@domain>`. `local` and `domain` may hold anything: what can't stand in an address
 * is written as %XX. */
void field_mailbox(struct buffer *out, const char *name, struct bytes display, struct bytes local,
    struct bytes domain);
/* Message-IDs, given without brackets, on as many lines as needed; those that can't be used, for
 * anybody or as `usable` says, are left out, and with none there is no field. */
void field_ids(struct buffer *out, const char *name, const struct bytes *ids, size_t count,
    bool (*usable)(struct bytes id));
/* In UTC. Nothing for a date outside the years 1 to 9999. */
void field_date(struct buffer *out, const char *name, int64_t ms);
/* Content-Type: `media_type` if it is `type/subtype`, perhaps with parameters, in ASCII and of
 * modest length; else application/octet-stream, and X-Convene-Media-Type with what it was. */
void field_media_type(struct buffer *out, struct bytes media_type);
/* Content-Disposition: attachment, with a file name unless that is empty (RFC 2231). */
void field_attachment(struct buffer *out, struct bytes file_name);

/* "Sat Nov 21 18:24:00 2026", as separators of an mbox have it. */
void asctime_add(struct buffer *out, uint64_t ms);
/* The local part of an address: letters, digits, `-`, `_` and single dots stay. */
void local_part_add(struct buffer *out, struct bytes local);

/* ---- bodies ---- */

enum transfer { TRANSFER_7BIT, TRANSFER_8BIT, TRANSFER_QUOTED, TRANSFER_BASE64 };
const char *transfer_name(enum transfer transfer);

/* How a UTF-8 text goes into a mail: as it is when all its lines may stand there (at most 998
 * bytes, no control characters, nothing that reads as a separator or as `boundary`, which may be
 * NULL) and it is empty or ends with exactly one newline; otherwise encoded, which keeps it exact.
 */
enum transfer transfer_of(struct bytes text, const char *boundary);
/* How it goes where its end may get a newline, and nothing reads as a separator. */
enum transfer transfer_loose(struct bytes text, const char *boundary);
/* The same for a part that must not be encoded, and behind which a boundary follows, so that it may
 * end as it likes: whether it can stand there. */
bool transfer_inner(struct bytes data, const char *boundary, enum transfer *out);
void body_write(struct buffer *out, struct bytes text, enum transfer transfer);

#endif
