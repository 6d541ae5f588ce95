/* SPDX-License-Identifier: BSD-2-Clause */
/* Attachments: to be kept in a file, never shown in a page of ours. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/web/pages.h"

enum { NAME_MAX_SAFE = 100 };

/* A name that no system takes for a path, a hidden file or anything else than a name: in ASCII
 * letters and digits, with what else does no harm; non-ASCII letters stay. */
static void safe_name(struct buffer *out, struct bytes name)
{
	struct buffer line = BUFFER_INIT;

	text_line(&line, text_head(name, NAME_MAX_SAFE));
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.data[i];
		bool good = c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			    (c >= 'a' && c <= 'z') || (c != '\0' && strchr("-_. ()+,=@", c));

		buffer_add_u8(out, !good || (c == '.' && out->len == 0) ? '_' : c);
	}
	while (out->len > 0 && (out->data[out->len - 1] == '.' || out->data[out->len - 1] == ' '))
		out->len--;
	if (out->len == 0)
		buffer_add_str(out, "attachment");
	out->failed |= line.failed;
	buffer_free(&line);
}

void page_part(struct request *q, struct answer *a)
{
	struct message_shown m = MESSAGE_SHOWN_INIT;
	int err = reader_message_by_id(q->reader, q->id, &m);
	size_t len = strcspn(q->rest, "/");
	uint64_t n = 0;

	if (!err && decimal_parse(&n, q->rest, len, 1000000) != OK)
		err = ERR_NOTFOUND;
	if (!err && m.state == TEXT_ERASED) {
		page_error(q, a, 410);
	} else if (!err && (m.state != TEXT_HERE || n < 1 || n > m.content.part_count ||
			       m.content.parts[n - 1].omitted > 0)) {
		page_error(q, a, 404);
	} else if (err) {
		page_failed(q, a, err);
	} else {
		const struct content_part *p = &m.content.parts[n - 1];
		struct buffer name = BUFFER_INIT;

		safe_name(&name, p->name);
		/* Whatever its sender says that it is. */
		a->type = "application/octet-stream";
		snprintf(a->name, sizeof a->name, "%s", buffer_str(&name));
		a->download = a->name;
		buffer_add(&a->body, p->data.data, p->data.len);
		buffer_free(&name);
	}
	message_shown_clear(&m);
}
