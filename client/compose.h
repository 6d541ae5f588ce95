/* SPDX-License-Identifier: BSD-2-Clause */
/* What a person writes, on its way to a content: read, checked, normalised. Main thread. */
#ifndef CLIENT_COMPOSE_H
#define CLIENT_COMPOSE_H

#include "client/files.h"
#include "msg/content.h"

#define COMPOSE_MAX (2 * 1024 * 1024) /* bytes of a text, and of a file attached */

/* Offset of the first byte that doesn't belong to UTF-8; the length when all do. */
size_t utf8_broken(struct bytes text);
/* Length of the sequence that begins at `p`, of which `left` bytes are there; 0: it is broken. */
size_t utf8_len(const uint8_t *p, size_t left);

/* Append what was typed: checked for UTF-8 and NUL (ERR_TEXT; the sentence names `what` and the
 * byte), and in NFC unless `raw`. */
int typed_add(struct buffer *out, struct bytes in, const char *what, bool raw, struct trouble *t);

/* Whether there is nothing in it but space. */
bool text_blank(struct bytes text);

/* Whether the text is to be written in an editor: no file is given, and standard input is a
 * terminal. */
bool compose_by_editor(const char *file);
/* Append a text as it is: from `file`, or from standard input for "-" and NULL. ERR_IO,
 * ERR_TOO_LARGE. */
int compose_take(struct buffer *out, const char *file, struct trouble *t);
/* Let a file be written in: by $VISUAL, $EDITOR or vi. ERR_IO when the editor says that it failed.
 */
int compose_edit(const char *path, struct trouble *t);

/* ---- files that go along (attach.c) ---- */

/* FILE or FILE:media/type. The parts own what they point to. ERR_TOO_LARGE, ERR_IO… */
struct attachments {
	struct content_part *list;
	struct buffer *data;
	size_t count;
};
int attachment_add(struct attachments *a, const char *spec, struct trouble *t);
void attachments_free(struct attachments *a);
/* By the name's ending; "application/octet-stream" when that says nothing. */
const char *media_type_of(const char *name);
/* Whether it has the form type/subtype, perhaps with parameters, in ASCII. */
bool media_type_valid(const char *type);

/* A name for a file that somebody sent, fit for a folder of ours: no slash, no dot in front, no
 * control or direction marks, at most 200 bytes. */
void attachment_name(struct buffer *out, struct bytes name);

#endif
