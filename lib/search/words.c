/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/words.h"

#include <pthread.h>

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include "base/error.h"

#define PLANE 0x10000
#define PAIR      \
	UINT64_C( \
	    0x9e3779b97f4a7c15) /* odd: tells two words from the same two the other way round */

static const UScriptCode unspaced[] = {USCRIPT_HAN, USCRIPT_HIRAGANA, USCRIPT_KATAKANA,
    USCRIPT_BOPOMOFO, USCRIPT_HANGUL, USCRIPT_THAI, USCRIPT_LAO, USCRIPT_KHMER, USCRIPT_MYANMAR,
    USCRIPT_TIBETAN, USCRIPT_YI, USCRIPT_JAVANESE, USCRIPT_BALINESE, USCRIPT_TAI_LE,
    USCRIPT_NEW_TAI_LUE, USCRIPT_LANNA, USCRIPT_TAI_VIET};

static uint8_t plane[PLANE]; /* of the first one, which holds nearly all there is */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static enum search_class class_of(UChar32 ch)
{
	uint32_t type = U_MASK(u_charType(ch));

	if (ch < 0x80 && ch != '_')
		return type & (U_GC_L_MASK | U_GC_N_MASK) ? CLASS_SPACED : CLASS_NONE;
	if (type & U_GC_S_MASK)
		return CLASS_UNSPACED;
	if (!(type & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK | U_GC_PC_MASK)))
		return CLASS_NONE;
	for (size_t i = 0; i < sizeof unspaced / sizeof unspaced[0]; i++)
		if (uscript_hasScript(ch, unspaced[i]))
			return CLASS_UNSPACED;
	return CLASS_SPACED;
}

static void plane_fill(void)
{
	for (UChar32 ch = 0; ch < PLANE; ch++)
		plane[ch] = (uint8_t)class_of(ch);
}

enum search_class search_class(UChar32 ch)
{
	pthread_once(&once, plane_fill);
	if (ch < 0)
		return CLASS_NONE;
	return ch < PLANE ? (enum search_class)plane[ch] : class_of(ch);
}

enum search_class search_class_at(struct bytes text, size_t at, size_t *len)
{
	int32_t i = (int32_t)at;
	UChar32 ch;

	if (at >= text.len)
		return CLASS_NONE;
	U8_NEXT(text.data, i, (int32_t)text.len, ch);
	if (len)
		*len = (size_t)i - at;
	return search_class(ch);
}

enum search_class search_class_before(struct bytes text, size_t at, size_t *len)
{
	int32_t i = (int32_t)at;
	UChar32 ch;

	if (at == 0)
		return CLASS_NONE;
	U8_PREV(text.data, 0, i, ch);
	if (len)
		*len = at - (size_t)i;
	return search_class(ch);
}

static uint32_t term_end(uint64_t h)
{
	uint32_t term;

	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 32;
	term = (uint32_t)h & ((1u << TERM_BITS) - 1);
	return term == TERM_ALL ? 1 : term;
}

static uint64_t term_add(uint64_t h, uint8_t byte)
{
	return (h ^ byte) * UINT64_C(0x100000001b3);
}

static uint64_t term_begin(enum search_sort about)
{
	return term_add(UINT64_C(0xcbf29ce484222325), (uint8_t)about);
}

uint32_t search_term(enum search_sort about, struct bytes what)
{
	uint64_t h = term_begin(about);

	for (size_t i = 0; i < what.len; i++)
		h = term_add(h, what.data[i]);
	return term_end(h);
}

/* A character, and it with the one before. */
static int unspaced_terms(struct bytes text, size_t before, size_t at, size_t next,
    int (*fn)(void *ctx, uint32_t term), void *ctx)
{
	int err = fn(ctx, search_term(ABOUT_WORD, bytes_of(text.data + at, next - at)));

	if (!err && before < at)
		err = fn(ctx, search_term(ABOUT_WORD, bytes_of(text.data + before, next - before)));
	return err;
}

int search_terms(struct bytes text, int (*fn)(void *ctx, uint32_t term), void *ctx)
{
	enum search_class last = CLASS_NONE;
	size_t before = 0, len = 0;
	uint64_t h = 0, word = 0; /* word: the one before; 0: none */
	int err = OK;

	pthread_once(&once, plane_fill);
	for (size_t at = 0; at <= text.len && !err; at += len) {
		enum search_class class = CLASS_NONE;

		len = 1;
		if (at < text.len && text.data[at] < 0x80)
			class = (enum search_class)plane[text.data[at]];
		else
			class = search_class_at(text, at, &len);
		if (last == CLASS_SPACED && class != CLASS_SPACED) {
			err = fn(ctx, term_end(h));
			if (!err && word)
				err = fn(ctx, term_end(word * PAIR ^ h));
			word = h;
		}
		if (class == CLASS_SPACED) {
			if (last != CLASS_SPACED)
				h = term_begin(ABOUT_WORD);
			for (size_t i = at; i < at + len; i++)
				h = term_add(h, text.data[i]);
		} else if (class == CLASS_UNSPACED && !err) {
			word = 0;
			err = unspaced_terms(
			    text, last == CLASS_UNSPACED ? before : at, at, at + len, fn, ctx);
			before = at;
		}
		last = class;
	}
	return err;
}
