/* SPDX-License-Identifier: BSD-2-Clause */
/* Header fields (RFC 5322, 2047, 2231). */
#include "mail/write.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/encode.h"
#include "mail/message_id.h"

#define LINE 76      /* where lines are folded */
#define WORD_MAX 900 /* a longer word of a header is encoded, which can be folded */
#define MEDIA_TYPE_MAX 500

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* ---- folding ---- */

/* A field under way: the column tells where to fold. */
struct field {
	struct buffer *out;
	size_t column;
	bool empty; /* no word yet: nothing may be folded before the first */
};

static struct field field_begin(struct buffer *out, const char *name)
{
	buffer_printf(out, "%s: ", name);
	return (struct field){out, strlen(name) + 2, true};
}

/* A word that comes behind `spaces` spaces, or, where the line is full and only one would be there,
 * behind a fold. */
static void field_word(struct field *f, size_t spaces, struct bytes word)
{
	if (!f->empty && spaces == 1 && f->column + 1 + word.len > LINE) {
		buffer_add_u8(f->out, '\n');
		f->column = 0;
	}
	f->column += spaces + word.len;
	for (; spaces > 0; spaces--)
		buffer_add_u8(f->out, ' ');
	buffer_add(f->out, word.data, word.len);
	f->empty = false;
}

/* ---- encoded words (RFC 2047) ---- */

/* Without what would end a header line. */
static void clean(struct buffer *out, struct bytes value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];

		if (c == '\n' || c == '\r' || c == '\0')
			buffer_add_str(out, "\xef\xbf\xbd");
		else
			buffer_add_u8(out, c);
	}
}

/* Whether a reader would not get exactly this from the bare text. */
static bool must_encode(struct bytes v)
{
	size_t word = 0, line = 0;

	if (v.len == 0)
		return false;
	if (v.data[0] == ' ' || v.data[v.len - 1] == ' ')
		return true;
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.data[i];

		if (c < ' ' || c >= 0x7f || (c == '=' && i + 1 < v.len && v.data[i + 1] == '?'))
			return true;
		/* Only a single space is folded at. */
		word = c == ' ' ? 0 : word + 1;
		line = c == ' ' && v.data[i - 1] != ' ' && v.data[i + 1] != ' ' ? 0 : line + 1;
		if (word > WORD_MAX || line > WORD_MAX)
			return true;
	}
	return false;
}

static void words_encoded(struct field *f, struct bytes v)
{
	const char *const begin = "=?utf-8?B?", *const end = "?=";

	while (v.len > 0) {
		size_t room = LINE - (f->empty ? f->column : 1) - 12, n = room / 4 * 3;
		char text[128];

		if (n >= v.len)
			n = v.len;
		else
			while (n > 1 && (v.data[n] & 0xc0) == 0x80)
				n--;
		memcpy(text, begin, 10);
		base64_encode(text + 10, v.data, n);
		memcpy(text + 10 + BASE64_LEN(n), end, 3);
		/* The space between two encoded words is not part of the text. */
		field_word(f, f->empty ? 0 : 1, bytes_str(text));
		v = bytes_of(v.data + n, v.len - n);
	}
}

static void words_plain(struct field *f, struct bytes v)
{
	size_t at = 0, spaces = 0;

	while (at < v.len) {
		size_t end = at;

		while (end < v.len && v.data[end] != ' ')
			end++;
		field_word(f, spaces, bytes_of(v.data + at, end - at));
		for (at = end, spaces = 0; at < v.len && v.data[at] == ' '; at++)
			spaces++;
	}
}

void field_text(struct buffer *out, const char *name, struct bytes value)
{
	struct buffer text = BUFFER_INIT;
	struct field f;

	if (value.len == 0)
		return;
	clean(&text, value);
	f = field_begin(out, name);
	if (must_encode(buffer_bytes(&text)))
		words_encoded(&f, buffer_bytes(&text));
	else
		words_plain(&f, buffer_bytes(&text));
	buffer_add_u8(out, '\n');
	out->failed |= text.failed;
	buffer_free(&text);
}

/* ---- people ---- */

/* Cut `Name <address>` in two; false where the text is not of that form, so that it has to be
 * taken as a whole. */
static bool author_split(struct bytes v, struct bytes *name, struct bytes *address)
{
	size_t at = v.len;

	if (v.len < 5 || v.data[v.len - 1] != '>')
		return false;
	while (at > 0 && v.data[at - 1] != '<')
		at--;
	if (at < 3 || v.data[at - 2] != ' ' || v.data[at - 3] == ' ')
		return false;
	*name = bytes_of(v.data, at - 2);
	*address = bytes_of(v.data + at - 1, v.len - at + 1);
	if (memchr(address->data, ' ', address->len) || must_encode(*address))
		return false;
	return true;
}

void field_author(struct buffer *out, const char *name, struct bytes value)
{
	struct buffer text = BUFFER_INIT;
	struct bytes who, address;

	clean(&text, value);
	if (must_encode(buffer_bytes(&text)) && author_split(buffer_bytes(&text), &who, &address) &&
	    must_encode(who)) {
		struct field f = field_begin(out, name);

		words_encoded(&f, who);
		field_word(&f, 1, address);
		buffer_add_u8(out, '\n');
	} else {
		field_text(out, name, buffer_bytes(&text));
	}
	out->failed |= text.failed;
	buffer_free(&text);
}

void local_part_add(struct buffer *out, struct bytes local)
{
	for (size_t i = 0; i < local.len; i++) {
		uint8_t c = local.data[i];
		bool dot = c == '.' && i > 0 && i + 1 < local.len && local.data[i - 1] != '.';

		if (is_alnum(c) || c == '-' || c == '_' || dot)
			buffer_add_u8(out, c);
		else
			buffer_printf(out, "%%%02X", c);
	}
}

/* A name in front of an address: bare words, a quoted string, or encoded. */
static void display_write(struct field *f, struct bytes v)
{
	struct buffer quoted = BUFFER_INIT;
	bool special = false;

	for (size_t i = 0; i < v.len; i++)
		special |= !is_alnum(v.data[i]) && !memchr(" !#$%&'*+-/=?^_`{|}~", v.data[i], 20);
	if (must_encode(v)) {
		words_encoded(f, v);
	} else if (special) {
		buffer_add_u8(&quoted, '"');
		for (size_t i = 0; i < v.len; i++) {
			if (v.data[i] == '"' || v.data[i] == '\\')
				buffer_add_u8(&quoted, '\\');
			buffer_add_u8(&quoted, v.data[i]);
		}
		buffer_add_u8(&quoted, '"');
		words_plain(f, buffer_bytes(&quoted));
	} else {
		words_plain(f, v);
	}
	f->out->failed |= quoted.failed;
	buffer_free(&quoted);
}

void field_mailbox(struct buffer *out, const char *name, struct bytes display, struct bytes local,
    struct bytes domain)
{
	struct buffer text = BUFFER_INIT, address = BUFFER_INIT;
	struct field f = field_begin(out, name);

	clean(&text, display);
	buffer_add_u8(&address, '<');
	local_part_add(&address, local);
	buffer_add_u8(&address, '@');
	local_part_add(&address, domain);
	buffer_add_u8(&address, '>');
	if (text.len > 0)
		display_write(&f, buffer_bytes(&text));
	field_word(&f, f.empty ? 0 : 1, buffer_bytes(&address));
	buffer_add_u8(out, '\n');
	out->failed |= text.failed || address.failed;
	buffer_free(&text);
	buffer_free(&address);
}

/* ---- the other fields ---- */

void field_ids(struct buffer *out, const char *name, const struct bytes *ids, size_t count,
    bool (*usable)(struct bytes id))
{
	struct field f = {out, 0, true};

	for (size_t i = 0; i < count; i++) {
		char text[MESSAGE_ID_MAX + 3];

		if (!message_id_usable(ids[i]) || !usable(ids[i]))
			continue;
		snprintf(text, sizeof text, "<%.*s>", (int)ids[i].len, (const char *)ids[i].data);
		if (f.empty)
			f = field_begin(out, name);
		field_word(&f, f.empty ? 0 : 1, bytes_str(text));
	}
	if (!f.empty)
		buffer_add_u8(out, '\n');
}

static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* Broken down, towards the past; false outside the years 1 to 9999. */
static bool date_of(struct tm *tm, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));

	return gmtime_r(&seconds, tm) && tm->tm_year >= 1 - 1900 && tm->tm_year <= 9999 - 1900;
}

void field_date(struct buffer *out, const char *name, int64_t ms)
{
	struct tm tm;

	if (date_of(&tm, ms))
		buffer_printf(out, "%s: %s, %02d %s %04d %02d:%02d:%02d +0000\n", name,
		    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
		    tm.tm_min, tm.tm_sec);
}

void asctime_add(struct buffer *out, uint64_t ms)
{
	struct tm tm;

	if (ms > INT64_MAX || !date_of(&tm, (int64_t)ms))
		date_of(&tm, 0);
	buffer_printf(out, "%s %s %2d %02d:%02d:%02d %d", days[tm.tm_wday], months[tm.tm_mon],
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

static bool is_token(uint8_t c)
{
	return is_alnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`{|}~", c));
}

static size_t token_end(struct bytes v, size_t at)
{
	while (at < v.len && is_token(v.data[at]))
		at++;
	return at;
}

/* ` ; attribute = value`, the value a token or a quoted string: where it ends, or `at` if there is
 * none. */
static size_t parameter_end(struct bytes v, size_t at)
{
	size_t i = at, end;

	while (i < v.len && v.data[i] == ' ')
		i++;
	if (i == v.len || v.data[i] != ';')
		return at;
	for (i++; i < v.len && v.data[i] == ' ';)
		i++;
	end = token_end(v, i);
	if (end == i || end == v.len || v.data[end] != '=')
		return at;
	i = end + 1;
	if (i < v.len && v.data[i] == '"') {
		for (i++; i < v.len && v.data[i] != '"'; i++)
			i += v.data[i] == '\\';
		return i < v.len ? i + 1 : at;
	}
	end = token_end(v, i);
	return end > i ? end : at;
}

static bool media_type_good(struct bytes v)
{
	size_t at = token_end(v, 0), end = at < v.len ? token_end(v, at + 1) : at;

	if (v.len > MEDIA_TYPE_MAX || at == 0 || at == v.len || v.data[at] != '/' ||
	    end == at + 1 || must_encode(v))
		return false;
	while ((at = end) < v.len) {
		end = parameter_end(v, at);
		if (end == at)
			return false;
	}
	return true;
}

void field_media_type(struct buffer *out, struct bytes media_type)
{
	if (media_type_good(media_type)) {
		struct field f = field_begin(out, "Content-Type");

		words_plain(&f, media_type);
		buffer_add_u8(out, '\n');
		return;
	}
	buffer_add_str(out, "Content-Type: application/octet-stream\n");
	field_text(out, "X-Convene-Media-Type", media_type);
}

static void file_name_extended(struct field *f, struct bytes name)
{
	char part[LINE + 8];

	for (size_t i = 0, n = 0; i < name.len; n++) {
		int len = snprintf(
		    part, sizeof part, "filename*%zu*=%s", n, n == 0 ? "utf-8''" : "");

		for (; i < name.len && len < LINE - 8; i++) {
			uint8_t c = name.data[i];
			bool bare = is_alnum(c) || c == '-' || c == '.' || c == '_';

			len += snprintf(
			    part + len, sizeof part - (size_t)len, bare ? "%c" : "%%%02X", c);
		}
		if (i < name.len) {
			part[len++] = ';';
			part[len] = '\0';
		}
		field_word(f, 1, bytes_str(part));
	}
}

void field_attachment(struct buffer *out, struct bytes file_name)
{
	struct buffer name = BUFFER_INIT;
	struct field f = field_begin(out, "Content-Disposition");
	bool plain = file_name.len < LINE;

	field_word(&f, 0, bytes_str(file_name.len > 0 ? "attachment;" : "attachment"));
	clean(&name, file_name);
	for (size_t i = 0; i < name.len; i++)
		plain &= is_alnum(name.data[i]) || name.data[i] == '-' || name.data[i] == '_' ||
			 name.data[i] == '.';
	if (plain && name.len > 0) {
		char text[LINE + 16];

		snprintf(text, sizeof text, "filename=\"%s\"", buffer_str(&name));
		field_word(&f, 1, bytes_str(text));
	} else {
		file_name_extended(&f, buffer_bytes(&name));
	}
	buffer_add_u8(out, '\n');
	out->failed |= name.failed;
	buffer_free(&name);
}
