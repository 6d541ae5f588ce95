/* SPDX-License-Identifier: BSD-2-Clause */
/* Bodies, in the transfer encodings of MIME (RFC 2045). */
#include <string.h>

#include "base/encode.h"
#include "mail/write.h"

#define LINE 76           /* of encoded lines */
#define TEXT_LINE_MAX 998 /* what no line may exceed (RFC 5322) */

bool mbox_must_quote(struct bytes line)
{
	size_t i = 0;

	while (i < line.len && line.data[i] == '>')
		i++;
	return line.len - i >= 5 && memcmp(line.data + i, "From ", 5) == 0;
}

const char *transfer_name(enum transfer transfer)
{
	static const char *const names[] = {
	    [TRANSFER_7BIT] = "7bit",
	    [TRANSFER_8BIT] = "8bit",
	    [TRANSFER_QUOTED] = "quoted-printable",
	    [TRANSFER_BASE64] = "base64",
	};
	return names[transfer];
}

static struct bytes line_at(struct bytes text, size_t at)
{
	const uint8_t *nl = memchr(text.data + at, '\n', text.len - at);

	return bytes_of(text.data + at, nl ? (size_t)(nl - (text.data + at)) : text.len - at);
}

/* Whether the last newline of a text must not stand bare: readers disagree about empty lines at the
 * end of a mail. */
static bool last_hidden(struct bytes text)
{
	return text.len > 0 && text.data[text.len - 1] == '\n' &&
	       (text.len == 1 || text.data[text.len - 2] == '\n');
}

/* Whether all lines may stand there as they are. `strict`: not if there are control characters in
 * them, though mail allows all but CR and NUL. `mbox`: nor what reads as a separator. */
static bool lines_good(struct bytes text, const char *boundary, bool strict, bool mbox)
{
	for (size_t at = 0; at < text.len;) {
		struct bytes line = line_at(text, at);

		if (line.len > TEXT_LINE_MAX || (mbox && mbox_must_quote(line)))
			return false;
		at += line.len + 1;
	}
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c == '\r' || c == '\0' ||
		    (strict && ((c < ' ' && c != '\t' && c != '\n') || c == 0x7f)))
			return false;
	}
	return !boundary || text.len == 0 ||
	       !memmem(text.data, text.len, boundary, strlen(boundary));
}

static enum transfer transfer_bare(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] >= 0x80)
			return TRANSFER_8BIT;
	return TRANSFER_7BIT;
}

enum transfer transfer_of(struct bytes text, const char *boundary)
{
	size_t needs = 0;

	if ((text.len == 0 || (text.data[text.len - 1] == '\n' && !last_hidden(text))) &&
	    lines_good(text, boundary, true, true))
		return transfer_bare(text);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		needs += c >= 0x7f || c == '=' || (c < ' ' && c != '\n' && c != '\t');
	}
	/* Where much must be escaped, base64 is shorter. */
	return needs * 6 > text.len ? TRANSFER_BASE64 : TRANSFER_QUOTED;
}

enum transfer transfer_loose(struct bytes text, const char *boundary)
{
	return lines_good(text, boundary, true, false) ? transfer_bare(text)
						       : transfer_of(text, boundary);
}

bool transfer_inner(struct bytes data, const char *boundary, enum transfer *out)
{
	*out = transfer_bare(data);
	return lines_good(data, boundary, false, true);
}

static void quoted_write(struct buffer *out, struct bytes text)
{
	bool hidden = last_hidden(text);
	size_t column = 0;

	for (size_t i = 0; i < text.len;) {
		uint8_t c = text.data[i];
		bool last = i + 1 == text.len, before_end = last || text.data[i + 1] == '\n';
		bool bare = c == ' ' || c == '\t' ? !before_end : c > ' ' && c < 0x7f && c != '=';

		if (c == '\n' && !(last && hidden)) {
			buffer_add_u8(out, '\n');
			column = 0;
			i++;
			continue;
		}
		if (column + (bare ? 1 : 3) > LINE - 1) {
			buffer_add_str(out, "=\n");
			column = 0;
		}
		/* What is written on this line is all that can be taken for a separator. */
		if (column == 0 && mbox_must_quote(bytes_of(
				       text.data + i, text.len - i < LINE ? text.len - i : LINE)))
			bare = false;
		if (bare)
			buffer_add_u8(out, c);
		else
			buffer_printf(out, "=%02X", c);
		column += bare ? 1 : 3;
		i++;
	}
	if (column > 0)
		buffer_add_str(out, "=\n");
}

void body_write(struct buffer *out, struct bytes text, enum transfer transfer)
{
	if (transfer == TRANSFER_QUOTED) {
		quoted_write(out, text);
	} else if (transfer == TRANSFER_BASE64) {
		for (size_t at = 0; at < text.len; at += 57) {
			char line[LINE + 1];
			size_t n = text.len - at < 57 ? text.len - at : 57;

			n = base64_encode(line, text.data + at, n);
			buffer_add(out, line, n);
			buffer_add_u8(out, '\n');
		}
	} else {
		buffer_add(out, text.data, text.len);
	}
}
