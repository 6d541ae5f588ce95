/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/fold.h"

#include <stdlib.h>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include "base/error.h"

#define FOLD_MAX (64 * 1024 * 1024) /* bytes; ICU counts in int32_t, and text grows */
#define TATWEEL 0x640               /* stretches Arabic words, and means nothing */
#define RUN_MAX 30                  /* as "stream-safe" text has (UAX 15) */

/* Points, and accents: by their combining classes, which leave aside nukta, voicing marks, virama
 * and the vowels of Indic and South-East Asian scripts. */
static bool is_mark(UChar32 ch, bool accents)
{
	uint8_t class = u_getCombiningClass(ch);

	return u_charType(ch) == U_NON_SPACING_MARK &&
	       ((class >= 10 && class <= 36) || (accents && class >= 200));
}

/* Written without spaces, so that a line may end within a word. */
static bool is_unspaced(UChar32 ch)
{
	UErrorCode status = U_ZERO_ERROR;
	UScriptCode script = uscript_getScript(ch, &status);

	return U_SUCCESS(status) && (script == USCRIPT_HAN || script == USCRIPT_HIRAGANA ||
					script == USCRIPT_KATAKANA || script == USCRIPT_BOPOMOFO);
}

bool search_fold_joins(int32_t before, int32_t after)
{
	return is_unspaced(before) && is_unspaced(after);
}

struct units {
	UChar *at;
	int32_t len, cap;
};

/* `needed` units of a result, or room made for them: true when it must be computed again. */
static bool units_grow(struct units *u, int32_t needed, UErrorCode *status)
{
	UChar *grown;

	if (*status != U_BUFFER_OVERFLOW_ERROR)
		return false;
	*status = U_ZERO_ERROR;
	grown = realloc(u->at, ((size_t)needed + 1) * sizeof *grown);
	if (!grown) {
		*status = U_MEMORY_ALLOCATION_ERROR;
		return false;
	}
	u->at = grown;
	u->cap = needed + 1;
	return true;
}

static void from_utf8(struct units *out, struct bytes in, UErrorCode *status)
{
	do {
		u_strFromUTF8WithSub(out->at, out->cap, &out->len, (const char *)in.data,
		    (int32_t)in.len, 0xfffd, NULL, status);
	} while (units_grow(out, out->len, status));
}

static void normalize(
    struct units *out, const UNormalizer2 *form, const struct units *in, UErrorCode *status)
{
	if (U_FAILURE(*status))
		return;
	do {
		out->len = unorm2_normalize(form, in->at, in->len, out->at, out->cap, status);
	} while (units_grow(out, out->len, status));
}

/* Normalizing takes the square of the length of what is put in order at once: marks, and all that
 * can't begin a sequence, or is left out, so that marks on both sides of it come together. No
 * language puts more than a handful on a letter; further ones go. */
static void limit_runs(struct units *u, const UNormalizer2 *form)
{
	UChar32 ch;
	int32_t from = 0, to = 0, run = 0;

	while (from < u->len) {
		U16_NEXT(u->at, from, u->len, ch);
		run = unorm2_hasBoundaryBefore(form, ch) ? 0 : run + 1;
		if (run <= RUN_MAX)
			U16_APPEND_UNSAFE(u->at, to, ch);
	}
	u->len = to;
}

/* Take marks off, in place, and bring spaces together. */
static void strip(struct units *u, bool accents)
{
	UChar32 ch, before = 0;
	int32_t from = 0, to = 0;
	bool space = false, line = false;

	while (from < u->len) {
		U16_NEXT(u->at, from, u->len, ch);
		if (u_isUWhiteSpace(ch)) {
			space = true;
			line |= ch == '\n';
			continue;
		}
		if (ch == TATWEEL || (ch >= 0x300 && is_mark(ch, accents)))
			continue;
		if (space && !(line && search_fold_joins(before, ch)))
			u->at[to++] = ' ';
		space = line = false;
		before = ch;
		U16_APPEND_UNSAFE(u->at, to, ch);
	}
	if (space)
		u->at[to++] = ' ';
	u->len = to;
}

static void to_utf8(struct buffer *out, const struct units *in, UErrorCode *status)
{
	uint8_t *room;
	int32_t len = 0;

	if (U_FAILURE(*status))
		return;
	room = buffer_reserve(out, 3 * (size_t)in->len + 1);
	if (!room) {
		*status = U_MEMORY_ALLOCATION_ERROR;
		return;
	}
	u_strToUTF8WithSub(
	    (char *)room, 3 * in->len + 1, &len, in->at, in->len, 0xfffd, NULL, status);
	if (U_SUCCESS(*status))
		out->len += (size_t)len;
}

static bool is_ascii(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] >= 0x80)
			return false;
	return true;
}

/* The same for ASCII, without tables: most of what archives hold. */
static void ascii_fold(struct buffer *out, struct bytes text)
{
	uint8_t *room = buffer_reserve(out, text.len);
	size_t to = 0;

	if (!room)
		return;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t ch = text.data[i];

		if (ch == ' ' || (ch >= '\t' && ch <= '\r')) {
			if (to == 0 || room[to - 1] != ' ')
				room[to++] = ' ';
		} else {
			room[to++] = ch >= 'A' && ch <= 'Z' ? (uint8_t)(ch | 0x20) : ch;
		}
	}
	out->len += to;
}

static int fold_text(struct buffer *out, struct bytes text, bool accents)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *nfd = unorm2_getNFDInstance(&status),
			   *nfc = unorm2_getNFCInstance(&status),
			   *fold = unorm2_getNFKCCasefoldInstance(&status);
	struct units a = {NULL, 0, 0}, b = {NULL, 0, 0};

	if (text.len == 0)
		return out->failed ? ERR_NOMEM : OK;
	if (text.len > FOLD_MAX)
		return ERR_TOO_LARGE;
	if (is_ascii(text)) {
		ascii_fold(out, text);
		return out->failed ? ERR_NOMEM : OK;
	}
	from_utf8(&a, text, &status);
	if (U_SUCCESS(status))
		limit_runs(&a, fold);
	normalize(&b, fold, &a, &status);
	normalize(&a, nfd, &b, &status);
	if (U_SUCCESS(status)) {
		strip(&a, accents);
		limit_runs(&a, nfc); /* what stood between may be gone */
	}
	normalize(&b, nfc, &a, &status);
	to_utf8(out, &b, &status);
	free(a.at);
	free(b.at);
	return U_FAILURE(status) || out->failed ? ERR_NOMEM : OK;
}

int search_fold(struct buffer *out, struct bytes text)
{
	return fold_text(out, text, true);
}

int search_fold_marked(struct buffer *out, struct bytes text)
{
	return fold_text(out, text, false);
}
