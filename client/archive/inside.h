/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this room share. Private to it and its tests. */
#ifndef CLIENT_ARCHIVE_INSIDE_H
#define CLIENT_ARCHIVE_INSIDE_H

#include "client/archive/mail.h"
#include "mail/message_id.h"

enum {
	REFERENCES_MAX = 4096, /* SPEC.md section 7 */
	PARTS_MAX = 256,
	DEPTH_MAX = 32,
	NAME_MAX_BYTES = 255,  /* of a part's name */
	FIELD_READ_MAX = 16384 /* of a structured field: what goes on behind it is not looked at */
};

/* ---- header.c: fields ---- */

/* Those that are read, of an entity's header. */
enum field {
	FIELD_MESSAGE_ID,
	FIELD_REFERENCES,
	FIELD_IN_REPLY_TO,
	FIELD_DATE,
	FIELD_RECEIVED,
	FIELD_FROM,
	FIELD_SENDER,
	FIELD_REPLY_TO,
	FIELD_SUBJECT,
	FIELD_CONTENT_TYPE,
	FIELD_CONTENT_DISPOSITION,
	FIELD_TRANSFER_ENCODING,
	FIELD_COUNT
};

struct fields {
	struct bytes value[FIELD_COUNT]; /* of the first of that name; folded, with its line end */
	size_t count;                    /* of fields, also of those that aren't read */
	struct bytes body;
};

/* The length of the name at the start of a line, when the line begins a field; or 0. */
size_t field_name_len(struct bytes line);

/* Read the header at the start of `raw`. It ends at an empty line, which belongs to neither, or in
 * front of a line that is no field. `mail`: an mbox's line in front or among the fields is passed
 * over. */
void fields_read(struct fields *h, struct bytes raw, bool mail);

/* Append a field's value without its line ends. */
void header_unfold(struct buffer *out, struct bytes value);
/* Append a text as one line: U+FFFD for NUL, a space for CR and LF. */
void header_line(struct buffer *out, struct bytes text);

/* Append a field's value unfolded, without spaces around it, decoded (RFC 2047, and by the rule of
 * charsets in mail.h). One line without NUL. Returns whether something had to be guessed. */
bool header_text(struct buffer *out, struct bytes value, const char *fallback);

/* ---- ids.c ---- */

/* Read what threading needs. To be freed also after a failure. */
int ids_read(struct mail_ids *out, const struct fields *h, const char *fallback);

/* ---- charset.c ---- */

/* Whether there is a charset of that name. */
bool charset_known(const char *name);
/* text_decode() without what it does to line ends and NUL. */
bool charset_decode(
    struct buffer *out, struct bytes in, const char *declared, const char *fallback);

/* ---- mime.c: all that is GMime's ---- */

/* Each mail_reader calls both once. */
void mime_start(void);
void mime_stop(void);

/* Milliseconds since 1970 of a Date field's value; INT64_MIN if it can't be read. */
int64_t mime_date(const char *value);

enum transfer { TRANSFER_NONE, TRANSFER_BASE64, TRANSFER_QUOTED, TRANSFER_UUENCODE };

/* Append `in`, decoded; what is broken in it is passed over. */
void transfer_decode(struct buffer *out, struct bytes in, enum transfer transfer);

/* A part of a mail that holds no others. */
struct leaf {
	char type[128];    /* in lower case */
	char charset[64];  /* "": none is declared */
	struct bytes name; /* decoded, one line; owned by the list */
	bool attachment;   /* says its disposition */
	bool guessed;      /* the name's charset */
	enum transfer transfer;
	struct bytes raw; /* in the mail */
	int alternative;  /* of which multipart/alternative it is a part, at any depth; or -1 */
	bool direct;      /* without another multipart between */
};

struct alternative {
	int outer; /* the one around it, or -1 */
	bool plain;
};

struct leaves {
	struct leaf *leaf;
	size_t count;
	struct alternative alternative[PARTS_MAX];
	size_t alternatives;
};

/* Cut a mail into its leaves. ERR_TOO_LARGE: too deep, or too many; `why` says which. */
int mime_cut(
    struct leaves *out, const struct fields *h, const char *fallback, char why[static 128]);
void leaves_free(struct leaves *l);

/* ---- text.c ---- */

/* Write the text that the leaves hold into `out`, which is empty, and mark in `taken` which of them
 * are not to become parts. */
int text_read(struct buffer *out, struct leaves *l, bool *taken, struct mail_losses *losses,
    const char *fallback);

/* ---- html.c ---- */

/* Append the words of an HTML document in UTF-8, as lines. ERR_NOMEM. */
int html_words(struct buffer *out, struct bytes html);
/* The charset that a document names in a meta element near its start, or "". */
void html_charset(char out[static 64], struct bytes html);

/* "440,000,000" */
const char *grouped(char out[static 32], uint64_t n);

#endif
