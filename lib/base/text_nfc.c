/* SPDX-License-Identifier: BSD-2-Clause */
/* Normalization Form C, in time that grows with the text. */
#include <stdlib.h>

#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/error.h"
#include "base/text_inside.h"

/* Marks in a row that text_nfc() puts in order: it takes the square of their number. */
enum { MARKS_MAX = 30 };
#define GRAPHEME_JOINER 0x34f

/* ICU counts in int32_t, and a byte becomes at most one UTF-16 unit, whose NFC is at most three. */
enum { NFC_MAX = INT32_MAX / 8 };

/* The marks that a character begins and ends with when it is taken apart; whether they are all of
 * it. */
static bool marks_of(const UNormalizer2 *nfd, UChar32 c, int32_t *first, int32_t *last)
{
	UErrorCode status = U_ZERO_ERROR;
	UChar parts[32];
	int32_t len, count = 0;

	*first = *last = unorm2_getCombiningClass(nfd, c) != 0;
	len = unorm2_getDecomposition(nfd, c, parts, 32, &status);
	if (U_FAILURE(status) || len < 0)
		return *first != 0;
	*first = *last = 0;
	for (int32_t i = 0; i < len; count++) {
		U16_NEXT(parts, i, len, c);
		*last = unorm2_getCombiningClass(nfd, c) != 0 ? *last + 1 : 0;
		*first += *last == count + 1;
	}
	return *first == count;
}

/* Copy text, with joiners where too many marks follow one another; how many there are. `to` NULL:
 * only count. */
static int32_t join_marks(const UNormalizer2 *nfd, const UChar *from, int32_t len, UChar *to)
{
	int32_t at = 0, joiners = 0, marks = 0, first, last;

	for (int32_t i = 0, next = 0; i < len; i = next) {
		UChar32 c;
		U16_NEXT(from, next, len, c);
		bool all = marks_of(nfd, c, &first, &last);
		bool joined = first > 0 && marks + first > MARKS_MAX;
		marks = all && !joined ? marks + last : last;
		if (joined) {
			joiners++;
			if (to != NULL)
				to[at++] = GRAPHEME_JOINER;
		}
		for (int32_t k = i; to != NULL && k < next; k++)
			to[at++] = from[k];
	}
	return joiners;
}

/* The slow half of text_nfc(), of UTF-16. */
static int add_normal(struct buffer *out, const UNormalizer2 *nfc, const UChar *from, int32_t len)
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t to_len, bytes_len = 0;
	UChar *to = malloc(3 * (size_t)len * sizeof(*to));
	if (to == NULL)
		return ERR_NOMEM;
	to_len = unorm2_normalize(nfc, from, len, to, 3 * len, &status);
	if (U_SUCCESS(status)) {
		u_strToUTF8(NULL, 0, &bytes_len, to, to_len, &status);
		if (status == U_BUFFER_OVERFLOW_ERROR)
			status = U_ZERO_ERROR;
	}
	uint8_t *room = U_SUCCESS(status) ? buffer_reserve(out, (size_t)bytes_len) : NULL;
	if (room != NULL) {
		u_strToUTF8((char *)room, bytes_len, NULL, to, to_len, &status);
		if (U_SUCCESS(status))
			out->len += (size_t)bytes_len;
	}
	free(to);
	return room != NULL && U_SUCCESS(status) ? OK : ERR_NOMEM;
}

/* `from` has room for `len` units, which is enough for UTF-16. */
static int add_nfc(struct buffer *out, struct bytes in, UChar *from)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *nfc = unorm2_getNFCInstance(&status),
			   *nfd = unorm2_getNFDInstance(&status);
	int32_t from_len = 0;
	u_strFromUTF8(
	    from, (int32_t)in.len, &from_len, (const char *)in.data, (int32_t)in.len, &status);
	if (status == U_INVALID_CHAR_FOUND)
		return ERR_TEXT;
	if (U_FAILURE(status))
		return ERR_NOMEM;
	int32_t joiners = join_marks(nfd, from, from_len, NULL);
	if (joiners > 0) {
		UChar *joined = malloc(((size_t)from_len + (size_t)joiners) * sizeof(*joined));
		if (joined == NULL)
			return ERR_NOMEM;
		join_marks(nfd, from, from_len, joined);
		int err = add_normal(out, nfc, joined, from_len + joiners);
		free(joined);
		return err;
	}
	bool normal = unorm2_isNormalized(nfc, from, from_len, &status);
	if (U_FAILURE(status))
		return ERR_NOMEM;
	if (!normal)
		return add_normal(out, nfc, from, from_len);
	buffer_add(out, in.data, in.len);
	return out->failed ? ERR_NOMEM : OK;
}

int text_nfc(struct buffer *out, struct bytes in)
{
	if (ascii_prefix(in) == in.len) {
		buffer_add(out, in.data, in.len);
		return out->failed ? ERR_NOMEM : OK;
	}
	if (in.len > NFC_MAX)
		return ERR_TOO_LARGE;
	UChar *from = malloc(in.len * sizeof(*from));
	if (from == NULL)
		return ERR_NOMEM;
	int rc = add_nfc(out, in, from);
	free(from);
	return rc;
}
