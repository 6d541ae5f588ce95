/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes of a declared or unknown charset to UTF-8, by the rule in mail.h, with ICU's converters. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <unicode/ucnv.h>
#include <unicode/ucnv_err.h>
#include <unicode/ustring.h>

#include "base/text.h"
#include "client/archive/inside.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define FALLBACK "windows-1252"

/* ICU counts in int32_t, and a byte becomes at most three of UTF-8 or two UTF-16 units. */
enum { PIECE_MAX = INT32_MAX / 8 };

static bool is_ascii(struct bytes in)
{
	size_t i = 0;
	for (uint64_t word; in.len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, in.data + i, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			return false;
	}
	while (i < in.len && in.data[i] < 0x80)
		i++;
	return i == in.len;
}

/* Names that stand for a charset whose bytes below 0x80 are ASCII's; most mail is that. The others
 * go through ICU, which knows. */
static bool extends_ascii(const char *name)
{
	static const char *const prefixes[] = {
	    "us-ascii", "ascii", "utf-8", "utf8", "iso-8859-", "iso8859-", "windows-", "koi8-"};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* Names that archives have and ICU doesn't: Mailman writes Python's. */
static const char *usual_name(const char *name)
{
	static const char *const names[][2] = {{"eucgb2312_cn", "gb2312"}, {"x-gbk", "gbk"},
	    {"big5_tw", "big5"}, {"euc_jisx0213", "euc-jp"}};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i][0]) == 0)
			return names[i][1];
	return name;
}

/* What mail programs write under the name of a smaller charset; NULL if they don't. */
static const char *larger_charset(const char *name)
{
	static const char *const names[][2] = {{"gb2312", "gb18030"}, {"gbk", "gb18030"},
	    {"big5", "big5-hkscs"}, {"shift_jis", "windows-31j"}, {"euc-kr", "windows-949"},
	    {"ks_c_5601-1987", "windows-949"}};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(usual_name(name), names[i][0]) == 0)
			return names[i][1];
	return NULL;
}

/* ICU also looks for files by names that it doesn't know; those of mails must not get that far. */
static const char *known_name(const char *name)
{
	UErrorCode status = U_ZERO_ERROR;
	name = usual_name(name);
	for (const char *p = name; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == ',' || *p == '/' || *p == '\\')
			return NULL;
	if (name[0] == '\0' || strlen(name) >= UCNV_MAX_CONVERTER_NAME_LENGTH)
		return NULL;
	return ucnv_countAliases(name, &status) > 0 && U_SUCCESS(status)
		   ? ucnv_getAlias(name, 0, &status)
		   : NULL;
}

bool charset_known(const char *name)
{
	return known_name(name) != NULL;
}

/* ICU gives the holes of Microsoft's code pages the C1 control of the same number. Nobody ever
 * wrote one: such a byte has no meaning. In ISO 8859 it has. */
static bool fills_holes(const char *name, const UConverter *cnv)
{
	return ucnv_getType(cnv) == UCNV_SBCS && strncasecmp(name, "iso", 3) != 0;
}

/* As UCNV_TO_U_CALLBACK_STOP, but not where escape sequences of ISO 2022 have nothing between them:
 * so do the bytes of encoded words that follow each other, since each ends in ASCII (RFC 1468). */
static void stop_but_at_seams(const void *ctx, UConverterToUnicodeArgs *args, const char *bytes,
    int32_t len, UConverterCallbackReason reason, UErrorCode *status)
{
	(void)ctx, (void)args, (void)bytes, (void)len;
	if (reason == UCNV_IRREGULAR)
		*status = U_ZERO_ERROR;
}

/* Append `in` in the charset of that name. `strict`: false, and `out` as it was, when a byte has no
 * meaning in it; otherwise U+FFFD stands for that. */
static bool convert(struct buffer *out, struct bytes in, const char *declared, bool strict)
{
	UErrorCode status = U_ZERO_ERROR;
	const char *name = known_name(declared);
	if (name == NULL || in.len > PIECE_MAX)
		return false;
	UConverter *cnv = ucnv_open(name, &status);
	if (U_FAILURE(status))
		return false;
	ucnv_setToUCallBack(cnv, strict ? stop_but_at_seams : UCNV_TO_U_CALLBACK_SUBSTITUTE, NULL,
	    NULL, NULL, &status);
	bool holes = fills_holes(ucnv_getName(cnv, &status), cnv), done = false;
	int32_t room = (int32_t)(2 * in.len + 16), len, bytes_len = 0;
	UChar *units = malloc((size_t)room * sizeof(*units));
	if (units == NULL)
		out->failed = true;
	else {
		len = ucnv_toUChars(
		    cnv, units, room, (const char *)in.data, (int32_t)in.len, &status);
		for (int32_t i = 0; holes && U_SUCCESS(status) && i < len; i++)
			if (units[i] >= 0x80 && units[i] <= 0x9f) {
				if (strict)
					status = U_INVALID_CHAR_FOUND;
				else
					units[i] = 0xfffd;
			}
		uint8_t *to = U_SUCCESS(status) ? buffer_reserve(out, 3 * (size_t)len + 1) : NULL;
		if (to != NULL) {
			u_strToUTF8WithSub(
			    (char *)to, 3 * len + 1, &bytes_len, units, len, 0xfffd, NULL, &status);
			if (U_SUCCESS(status))
				out->len += (size_t)bytes_len;
		}
		done = U_SUCCESS(status);
	}
	free(units);
	ucnv_close(cnv);
	return done;
}

bool charset_decode(struct buffer *out, struct bytes in, const char *declared, const char *fallback)
{
	bool named = declared != NULL && declared[0] != '\0';
	if (is_ascii(in) && (!named || extends_ascii(declared) || !charset_known(declared))) {
		buffer_add(out, in.data, in.len);
		return false;
	}
	if (named && (strcasecmp(declared, "utf-8") == 0 || strcasecmp(declared, "utf8") == 0)) {
		if (text_is_utf8(in)) {
			buffer_add(out, in.data, in.len);
			return false;
		}
	} else if (named && convert(out, in, declared, true))
		return false;
	else if (named && larger_charset(declared) != NULL &&
		 convert(out, in, larger_charset(declared), true))
		return true;
	if (text_is_utf8(in)) {
		buffer_add(out, in.data, in.len);
		return true;
	}
	if (!convert(out, in, fallback != NULL ? fallback : FALLBACK, false)) {
		/* The fallback is a charset, so this is one whose bytes are no stream of it at all,
		 * or too much for ICU at once. */
		for (size_t i = 0; i < in.len; i++)
			if (in.data[i] < 0x80)
				buffer_add_u8(out, in.data[i]);
			else
				buffer_add_str(out, REPLACEMENT);
	}
	return true;
}

/* Append without the CR of each CRLF, and without NULs. */
static void add_lines(struct buffer *out, struct bytes in)
{
	for (size_t i = 0; i < in.len;) {
		const uint8_t *from = in.data + i, *cr = memchr(from, '\r', in.len - i);
		size_t end = cr != NULL ? (size_t)(cr - in.data) : in.len;
		buffer_add(out, from, end - i);
		if (end < in.len && !(end + 1 < in.len && in.data[end + 1] == '\n'))
			buffer_add_u8(out, '\r');
		i = end + 1;
	}
}

static void add_text(struct buffer *out, struct bytes in)
{
	for (size_t i = 0; i < in.len;) {
		const uint8_t *nul = memchr(in.data + i, '\0', in.len - i);
		size_t end = nul != NULL ? (size_t)(nul - in.data) : in.len;
		add_lines(out, bytes_of(in.data + i, end - i));
		if (end < in.len)
			buffer_add_str(out, REPLACEMENT);
		i = end + 1;
	}
}

bool text_decode(struct buffer *out, struct bytes in, const char *declared, const char *fallback)
{
	struct buffer decoded = BUFFER_INIT;
	bool guessed = charset_decode(&decoded, in, declared, fallback);
	out->failed |= decoded.failed;
	add_text(out, buffer_bytes(&decoded));
	buffer_free(&decoded);
	return guessed;
}
