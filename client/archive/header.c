/* SPDX-License-Identifier: BSD-2-Clause */
/* A header: its fields, and their values as one line of text. */
#include <string.h>
#include <strings.h>

#include "client/archive/inside.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

enum { CHARSET_NAME_MAX = 63 };

/* ---- fields ---- */

static const char *const names[FIELD_COUNT] = {
    [FIELD_MESSAGE_ID] = "Message-ID",
    [FIELD_REFERENCES] = "References",
    [FIELD_IN_REPLY_TO] = "In-Reply-To",
    [FIELD_DATE] = "Date",
    [FIELD_RECEIVED] = "Received",
    [FIELD_FROM] = "From",
    [FIELD_SENDER] = "Sender",
    [FIELD_REPLY_TO] = "Reply-To",
    [FIELD_SUBJECT] = "Subject",
    [FIELD_CONTENT_TYPE] = "Content-Type",
    [FIELD_CONTENT_DISPOSITION] = "Content-Disposition",
    [FIELD_TRANSFER_ENCODING] = "Content-Transfer-Encoding",
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

size_t field_name_len(struct bytes line)
{
	size_t len = 0, i;
	while (len < line.len && line.data[len] > ' ' && line.data[len] < 0x7f &&
	       line.data[len] != ':')
		len++;
	for (i = len; i < line.len && is_blank(line.data[i]); i++)
		;
	return i < line.len && line.data[i] == ':' ? len : 0;
}

static void field_keep(struct fields *h, struct bytes name, struct bytes value)
{
	for (int f = 0; f < FIELD_COUNT; f++)
		if (strlen(names[f]) == name.len &&
		    strncasecmp(names[f], (const char *)name.data, name.len) == 0) {
			if (h->value[f].data == NULL)
				h->value[f] = value;
			return;
		}
}

/* The end of the line at `pos`, behind its LF. */
static size_t line_end(struct bytes raw, size_t pos)
{
	const uint8_t *lf = memchr(raw.data + pos, '\n', raw.len - pos);
	return lf != NULL ? (size_t)(lf - raw.data) + 1 : raw.len;
}

static bool starts_with(struct bytes line, const char *s)
{
	return line.len >= strlen(s) && memcmp(line.data, s, strlen(s)) == 0;
}

void fields_read(struct fields *h, struct bytes raw, bool mail)
{
	*h = (struct fields){.count = 0};
	size_t pos = mail && starts_with(raw, "\xef\xbb\xbf") ? 3 : 0; /* of an editor */
	while (pos < raw.len) {
		size_t end = line_end(raw, pos);
		struct bytes line = bytes_of(raw.data + pos, end - pos);
		if (line.data[0] == '\n' || starts_with(line, "\r\n")) {
			pos = end;
			break;
		}
		size_t name = field_name_len(line);
		if (mail && name == 0 &&
		    (starts_with(line, "From ") ||
			(h->count == 0 && starts_with(line, ">From ")))) {
			pos = end;
			continue;
		}
		if (name == 0 && line.data[0] != ':')
			break;
		while (end < raw.len && is_blank(raw.data[end]))
			end = line_end(raw, end);
		if (name > 0) {
			const uint8_t *colon = memchr(line.data + name, ':', line.len - name);
			size_t value = (size_t)(colon - raw.data) + 1;
			field_keep(
			    h, bytes_of(line.data, name), bytes_of(raw.data + value, end - value));
			h->count++;
		}
		pos = end;
	}
	h->body = bytes_of(raw.data + pos, raw.len - pos);
}

/* ---- encoded words (RFC 2047) ---- */

struct word {
	char charset[CHARSET_NAME_MAX + 1];
	bool base64;
	struct bytes text;
};

static bool is_token(uint8_t c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\"/[]?=", c) == NULL;
}

/* Read the encoded word at `pos` and return where it ends, or 0 when there is none. Spaces inside
 * are taken, though not allowed: they are common. `*open` is false once nothing further on closes a
 * word, so that looking for that costs the value's length only once. */
static size_t word_read(struct word *w, struct bytes in, size_t pos, bool *open)
{
	size_t i = pos + 2, begin = i;
	if (!*open || in.len - pos < 8 || memcmp(in.data + pos, "=?", 2) != 0)
		return 0;
	while (i < in.len && is_token(in.data[i]))
		i++;
	if (i == begin || i - begin > CHARSET_NAME_MAX || in.len - i < 5 || in.data[i] != '?' ||
	    in.data[i + 2] != '?')
		return 0;
	memcpy(w->charset, in.data + begin, i - begin);
	w->charset[i - begin] = '\0';
	w->charset[strcspn(w->charset, "*")] = '\0'; /* the language of RFC 2231 */
	uint8_t encoding = in.data[i + 1] | 0x20;
	if (encoding != 'b' && encoding != 'q')
		return 0;
	w->base64 = encoding == 'b';
	begin = i + 3;
	const uint8_t *end = memmem(in.data + begin, in.len - begin, "?=", 2);
	if (end == NULL) {
		*open = false;
		return 0;
	}
	w->text = bytes_of(in.data + begin, (size_t)(end - in.data) - begin);
	return (size_t)(end - in.data) + 2;
}

static int hex_value(uint8_t c)
{
	return c >= '0' && c <= '9'                     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

static void word_bytes(struct buffer *out, const struct word *w)
{
	struct bytes in = w->text;
	if (w->base64) {
		transfer_decode(out, in, TRANSFER_BASE64);
		return;
	}
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		int high = c == '=' && in.len - i > 2 ? hex_value(in.data[i + 1]) : -1;
		int low = high >= 0 ? hex_value(in.data[i + 2]) : -1;
		if (low >= 0)
			i += 2;
		buffer_add_u8(out, low >= 0 ? (uint8_t)(high << 4 | low) : c == '_' ? ' ' : c);
	}
}

/* Words side by side, of one charset, are decoded together: senders cut characters in two. */
struct words {
	char charset[CHARSET_NAME_MAX + 1];
	struct buffer bytes;
	bool pending;
};

static bool words_end(struct words *ws, struct buffer *out, const char *fallback)
{
	bool guessed = false;
	if (ws->pending) {
		guessed = charset_decode(out, buffer_bytes(&ws->bytes), ws->charset, fallback);
		out->failed |= ws->bytes.failed;
		buffer_reset(&ws->bytes);
	}
	ws->pending = false;
	return guessed;
}

static bool words_add(
    struct words *ws, struct buffer *out, const struct word *w, const char *fallback)
{
	bool guessed = false;
	if (ws->pending && strcasecmp(ws->charset, w->charset) != 0)
		guessed = words_end(ws, out, fallback);
	memcpy(ws->charset, w->charset, sizeof(ws->charset));
	ws->pending = true;
	word_bytes(&ws->bytes, w);
	return guessed;
}

static bool decode(struct buffer *out, struct bytes in, const char *fallback)
{
	struct words ws = {.bytes = BUFFER_INIT};
	bool guessed = false, open = true;
	size_t plain = 0; /* from here to `i` nothing was written yet */
	for (size_t i = 0; i < in.len;) {
		struct word w;
		const uint8_t *at = memmem(in.data + i, in.len - i, "=?", 2);
		i = at != NULL && open ? (size_t)(at - in.data) : in.len;
		size_t end = i < in.len ? word_read(&w, in, i, &open) : 0;
		if (end == 0) {
			i += i < in.len ? 2 : 0;
			continue;
		}
		size_t blank = plain;
		while (blank < i && is_blank(in.data[blank]))
			blank++;
		if (!ws.pending || blank < i) {
			guessed |= words_end(&ws, out, fallback);
			guessed |= charset_decode(
			    out, bytes_of(in.data + plain, i - plain), NULL, fallback);
		}
		guessed |= words_add(&ws, out, &w, fallback);
		plain = i = end;
	}
	guessed |= words_end(&ws, out, fallback);
	if (plain < in.len)
		guessed |= charset_decode(
		    out, bytes_of(in.data + plain, in.len - plain), NULL, fallback);
	buffer_free(&ws.bytes);
	return guessed;
}

/* ---- one line ---- */

void header_unfold(struct buffer *out, struct bytes value)
{
	size_t from = 0;
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] == '\n') {
			size_t end = i > from && value.data[i - 1] == '\r' ? i - 1 : i;
			buffer_add(out, value.data + from, end - from);
			from = i + 1;
		}
	if (from < value.len)
		buffer_add(out, value.data + from, value.len - from);
}

static struct bytes trim(struct bytes in)
{
	while (in.len > 0 && strchr(" \t\r\n", in.data[0]) != NULL && in.data[0] != '\0')
		in = bytes_of(in.data + 1, in.len - 1);
	while (in.len > 0 && strchr(" \t\r\n", in.data[in.len - 1]) != NULL &&
	       in.data[in.len - 1] != '\0')
		in.len--;
	return in;
}

void header_line(struct buffer *out, struct bytes text)
{
	for (size_t i = 0; i < text.len;) {
		size_t end = i;
		while (end < text.len && text.data[end] != '\0' && text.data[end] != '\n' &&
		       text.data[end] != '\r')
			end++;
		buffer_add(out, text.data + i, end - i);
		if (end < text.len)
			buffer_add_str(out, text.data[end] == '\0' ? REPLACEMENT : " ");
		i = end + 1;
	}
}

bool header_text(struct buffer *out, struct bytes value, const char *fallback)
{
	struct buffer line = BUFFER_INIT, text = BUFFER_INIT;
	header_unfold(&line, value);
	bool guessed = decode(&text, trim(buffer_bytes(&line)), fallback);
	header_line(out, trim(buffer_bytes(&text)));
	out->failed |= line.failed || text.failed;
	buffer_free(&line);
	buffer_free(&text);
	return guessed;
}
