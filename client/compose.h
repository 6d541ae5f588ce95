/* SPDX-License-Identifier: BSD-2-Clause */
/* What a person writes, on its way to a content: read, checked, normalised. Main thread. */
#ifndef CLIENT_COMPOSE_H
#define CLIENT_COMPOSE_H

#include "client/files.h"
#include "msg/content.h"

#define COMPOSE_MAX (2 * 1024 * 1024) /* bytes of a text, and of a file attached */

/* Offset of the first byte that doesn't belong to UTF-8; the length when all do. */
size_t utf8_broken(struct bytes text);

/* Append what was typed: checked for UTF-8 and NUL (ERR_TEXT; the sentence names `what` and the
 * byte), and in NFC unless `raw`. */
int typed_add(struct buffer *out, struct bytes in, const char *what, bool raw, struct trouble *t);

/* Whether compose_read() will open an editor. */
bool compose_by_editor(const char *file);
/* Append the text: from `file` ("-": standard input), else from standard input when that isn't a
 * terminal, else from $VISUAL, $EDITOR or vi on a file in `folder`. Checked as typed_add() does.
 * ERR_TEXT when nothing but space was written. */
int compose_read(
    struct buffer *out, const char *file, const char *folder, bool raw, struct trouble *t);
/* Sending failed and the text is nowhere else: keep it in `folder`, and say so in the hint. */
void compose_rescue(struct bytes text, const char *folder, struct trouble *t);

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
