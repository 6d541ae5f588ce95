/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

#include "base/error.h"
#include "base/text_inside.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define PDF "\xe2\x80\xac"         /* U+202C, closes an embedding or override */
#define PDI "\xe2\x81\xa9"         /* U+2069, closes an isolate */
#define FSI "\xe2\x81\xa8"         /* U+2068 */
#define LRI "\xe2\x81\xa6"         /* U+2066 */
#define RLI "\xe2\x81\xa7"         /* U+2067 */
#define BYTE_ORDER_MARK 0xfeff
#define SOFT_HYPHEN 0xad
#define EMOJI_SELECTOR 0xfe0f

/* UAX #9 allows 125 levels, and an opening mark takes at most two. So 60 marks, and the one that
 * text_isolate() puts around them, never reach the overflow rules, where renderers disagree. */
enum { DEPTH_MAX = 60 };

/* Marks and other characters without width that one visible character may carry: no writing needs
 * more than six. */
enum { WIDTHLESS_MAX = 8 };

bool text_is_utf8(struct bytes in)
{
	size_t i = ascii_prefix(in);
	while (i < in.len) {
		UChar32 c;
		U8_NEXT(in.data, i, in.len, c);
		if (c < 0)
			return false;
	}
	return true;
}

struct bytes text_head(struct bytes in, size_t max)
{
	if (in.len <= max)
		return in;
	while (max > 0 && U8_IS_TRAIL(in.data[max]))
		max--;
	return bytes_of(in.data, max);
}

struct bytes text_first_line(struct bytes in)
{
	const uint8_t *end = in.len > 0 ? memchr(in.data, '\n', in.len) : NULL;

	return end ? bytes_of(in.data, (size_t)(end - in.data)) : in;
}

/* What a character does to a terminal. */
enum effect {
	EFFECT_NONE,    /* shown as it is */
	EFFECT_HIDDEN,  /* not UTF-8, or could hide something: shown as U+FFFD */
	EFFECT_CONTROL, /* C0, C1, DEL */
	EFFECT_BREAK,   /* U+2028, U+2029 */
	EFFECT_EMBED,   /* LRE RLE LRO RLO */
	EFFECT_ISOLATE, /* LRI RLI FSI */
	EFFECT_PDF,
	EFFECT_PDI,
};

static enum effect format_effect(UChar32 c)
{
	switch (u_charDirection(c)) {
	case U_LEFT_TO_RIGHT_EMBEDDING:
	case U_RIGHT_TO_LEFT_EMBEDDING:
	case U_LEFT_TO_RIGHT_OVERRIDE:
	case U_RIGHT_TO_LEFT_OVERRIDE:
		return EFFECT_EMBED;
	case U_LEFT_TO_RIGHT_ISOLATE:
	case U_RIGHT_TO_LEFT_ISOLATE:
	case U_FIRST_STRONG_ISOLATE:
		return EFFECT_ISOLATE;
	case U_POP_DIRECTIONAL_FORMAT:
		return EFFECT_PDF;
	case U_POP_DIRECTIONAL_ISOLATE:
		return EFFECT_PDI;
	default:
		break;
	}
	/* Tags spell out ASCII that nobody sees, annotation characters bracket text that is not to
	 * be shown, and the deprecated controls change how digits and joining look. Joiners, soft
	 * hyphens and implicit marks (LRM, RLM, ALM) are part of how languages are written. */
	UBlockCode block = ublock_getCode(c);
	if (block == UBLOCK_TAGS || block == UBLOCK_SPECIALS || c == BYTE_ORDER_MARK ||
	    u_hasBinaryProperty(c, UCHAR_DEPRECATED))
		return EFFECT_HIDDEN;
	return EFFECT_NONE;
}

static enum effect effect_of(UChar32 c)
{
	if (c < 0)
		return EFFECT_HIDDEN;
	switch (u_charType(c)) {
	case U_CONTROL_CHAR:
		return EFFECT_CONTROL;
	case U_LINE_SEPARATOR:
	case U_PARAGRAPH_SEPARATOR:
		return EFFECT_BREAK;
	case U_FORMAT_CHAR:
		return format_effect(c);
	case U_UNASSIGNED: /* non-characters are among these */
		return u_hasBinaryProperty(c, UCHAR_NONCHARACTER_CODE_POINT) ||
			       u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)
			   ? EFFECT_HIDDEN
			   : EFFECT_NONE;
	default:
		return EFFECT_NONE;
	}
}

/* The direction marks that are open: bit n tells whether the n-th is an isolate. Marks opened
 * beyond DEPTH_MAX are dropped, and as many closing ones with them. */
struct open_marks {
	uint64_t isolates;
	unsigned depth, dropped;
};

static bool top_is_isolate(const struct open_marks *open)
{
	return open->isolates >> (open->depth - 1) & 1;
}

static void close_top(struct buffer *out, struct open_marks *open)
{
	buffer_add_str(out, top_is_isolate(open) ? PDI : PDF);
	open->depth--;
	open->isolates &= (UINT64_C(1) << open->depth) - 1;
}

static void close_all(struct buffer *out, struct open_marks *open)
{
	while (open->depth > 0)
		close_top(out, open);
	open->dropped = 0;
}

/* Append a direction mark if that keeps the paragraph well nested. As in UAX #9, PDF closes nothing
 * outside the innermost isolate, and PDI closes every embedding inside its isolate: here in so many
 * marks, since not every renderer knows that rule. */
static void add_mark(
    struct buffer *out, struct open_marks *open, enum effect effect, struct bytes mark)
{
	if (effect == EFFECT_EMBED || effect == EFFECT_ISOLATE) {
		if (open->depth == DEPTH_MAX) {
			open->dropped++;
			return;
		}
		open->isolates |= (uint64_t)(effect == EFFECT_ISOLATE) << open->depth++;
		buffer_add(out, mark.data, mark.len);
	} else if (open->dropped > 0) {
		open->dropped--;
	} else if (effect == EFFECT_PDF) {
		if (open->depth > 0 && !top_is_isolate(open))
			close_top(out, open);
	} else if (open->isolates != 0) {
		while (!top_is_isolate(open))
			close_top(out, open);
		close_top(out, open);
	}
}

/* Whether a harmless character takes no column of its own. */
static bool is_widthless(UChar32 c)
{
	switch (u_charType(c)) {
	case U_NON_SPACING_MARK:
	case U_ENCLOSING_MARK:
		return true;
	case U_FORMAT_CHAR: /* terminals show the soft hyphen */
		return c != SOFT_HYPHEN &&
		       u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
	default:
		break;
	}
	/* Vowels and final consonants of Hangul join the syllable before them. */
	switch (u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE)) {
	case U_HST_VOWEL_JAMO:
	case U_HST_TRAILING_JAMO:
		return true;
	default:
		return false;
	}
}

/* What stands on the last visible character. */
struct heap {
	unsigned count;
	bool selector, over; /* the last was a variation selector; the rest is dropped */
};

enum heaped { HEAPED_SHOWN, HEAPED_REPLACED, HEAPED_DROPPED };

static enum heaped heap_add(struct heap *h, UChar32 c)
{
	bool selector;

	if (!is_widthless(c)) {
		*h = (struct heap){0};
		return HEAPED_SHOWN;
	}
	if (h->over)
		return HEAPED_DROPPED;
	selector = u_hasBinaryProperty(c, UCHAR_VARIATION_SELECTOR);
	h->over = ++h->count > WIDTHLESS_MAX || (selector && h->selector);
	h->selector = selector;
	return h->over ? HEAPED_REPLACED : HEAPED_SHOWN;
}

/* Of printable ASCII, how many bytes follow, by eights. */
static size_t ascii_shown(const uint8_t *p, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	size_t i = 0;

	for (uint64_t w, del; len - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		del = w ^ ones * 0x7f;
		if ((w | (w - ones * 0x20) | (del - ones)) & ones * 0x80)
			break;
	}
	return i;
}

/* Both forms: in a line nothing breaks, in a block LF, U+2028 and U+2029 end a paragraph. */
static void add_shown(struct buffer *out, struct bytes in, bool line)
{
	struct open_marks open = {0};
	struct heap heap = {0};
	size_t start = 0, i = 0; /* bytes from `start` on are fine and not yet copied */
	while (i < in.len) {
		if ((in.data[i] >= 0x20 && in.data[i] < 0x7f) ||
		    (in.data[i] == '\n' && !line && open.depth == 0)) {
			heap = (struct heap){0};
			i++;
			i += ascii_shown(in.data + i, in.len - i);
			continue;
		}
		size_t at = i;
		UChar32 c;
		U8_NEXT(in.data, i, in.len, c);
		enum effect effect = effect_of(c);
		enum heaped heaped = HEAPED_SHOWN;
		bool breaks = !line && (c == '\n' || effect == EFFECT_BREAK);
		if (effect == EFFECT_NONE)
			heaped = heap_add(&heap, c);
		else if (effect < EFFECT_EMBED)
			heap = (struct heap){0};
		if ((effect == EFFECT_NONE && heaped == HEAPED_SHOWN) || (!line && c == '\t') ||
		    (breaks && open.depth == 0))
			continue;

		buffer_add(out, in.data + start, at - start);
		start = i;
		if (breaks) {
			close_all(out, &open);
			start = at;
		} else if (effect >= EFFECT_EMBED) {
			add_mark(out, &open, effect, bytes_of(in.data + at, i - at));
		} else if (heaped == HEAPED_DROPPED || (c == BYTE_ORDER_MARK && at == 0)) {
			continue;
		} else if (c == '\t') {
			buffer_add_u8(out, ' ');
		} else if (line || c != '\r' || i == in.len || in.data[i] != '\n') {
			/* A CR before LF is only how some systems end lines: it goes. */
			buffer_add_str(out, REPLACEMENT);
		}
	}
	if (start < in.len)
		buffer_add(out, in.data + start, in.len - start);
	close_all(out, &open);
}

void text_block(struct buffer *out, struct bytes in)
{
	add_shown(out, in, false);
}

void text_line(struct buffer *out, struct bytes in)
{
	add_shown(out, in, true);
}

/* Whether text that went through text_line() can reorder its surroundings. */
static bool has_direction(struct bytes in)
{
	for (size_t i = ascii_prefix(in); i < in.len;) {
		UChar32 c;
		U8_NEXT(in.data, i, in.len, c);
		switch (u_charDirection(c)) {
		case U_RIGHT_TO_LEFT:
		case U_RIGHT_TO_LEFT_ARABIC:
		case U_ARABIC_NUMBER:
			return true;
		default:
			if (effect_of(c) >= EFFECT_EMBED)
				return true;
		}
	}
	return false;
}

/* Append as text_line() does, between `open` and PDI if it `must` be, or can reorder others. */
static void add_isolated(struct buffer *out, struct bytes in, const char *open, bool must)
{
	size_t start = out->len, mark = strlen(open);
	text_line(out, in);
	if (out->failed || out->len == start ||
	    !(must || has_direction(bytes_of(out->data + start, out->len - start))))
		return;
	if (buffer_reserve(out, 2 * mark) == NULL)
		return;
	memmove(out->data + start + mark, out->data + start, out->len - start);
	memcpy(out->data + start, open, mark);
	out->len += mark;
	buffer_add_str(out, PDI);
}

void text_isolate(struct buffer *out, struct bytes in)
{
	add_isolated(out, in, FSI, false);
}

void text_isolate_as(struct buffer *out, struct bytes in, bool rtl)
{
	add_isolated(out, in, rtl ? RLI : LRI, rtl);
}

bool text_is_rtl(struct bytes in)
{
	size_t depth = 0;
	for (size_t i = 0; i < in.len;) {
		UChar32 c;
		U8_NEXT(in.data, i, in.len, c);
		if (c < 0)
			continue;
		switch (u_charDirection(c)) {
		case U_LEFT_TO_RIGHT_ISOLATE:
		case U_RIGHT_TO_LEFT_ISOLATE:
		case U_FIRST_STRONG_ISOLATE:
			depth++;
			break;
		case U_POP_DIRECTIONAL_ISOLATE:
			depth -= depth > 0;
			break;
		case U_LEFT_TO_RIGHT:
			if (depth == 0)
				return false;
			break;
		case U_RIGHT_TO_LEFT:
		case U_RIGHT_TO_LEFT_ARABIC:
			if (depth == 0)
				return true;
			break;
		default:
			break;
		}
	}
	return false;
}

void text_plain(struct buffer *out, struct bytes in)
{
	struct buffer line = BUFFER_INIT;
	text_line(&line, in);
	for (size_t i = 0, at = 0; i < line.len; at = i) {
		UChar32 c;
		U8_NEXT(line.data, i, line.len, c);
		if (u_charType(c) != U_FORMAT_CHAR)
			buffer_add(out, line.data + at, i - at);
	}
	out->failed |= line.failed;
	buffer_free(&line);
}

static size_t char_width(UChar32 c)
{
	enum effect effect = effect_of(c);
	if (effect == EFFECT_HIDDEN || effect == EFFECT_CONTROL || effect == EFFECT_BREAK)
		return 1; /* as U+FFFD */
	if (effect != EFFECT_NONE)
		return 0;
	if (is_widthless(c))
		return 0;
	switch (u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH)) {
	case U_EA_WIDE:
	case U_EA_FULLWIDTH:
		return 2;
	default:
		/* Hexagrams and numbers in black circles, which terminals give two. */
		return (c >= 0x4dc0 && c <= 0x4dff) || (c >= 0x3248 && c <= 0x324f) ? 2 : 1;
	}
}

/* Columns of the next character, and `*i` behind it. */
static size_t next_width(struct bytes in, size_t *i, struct heap *heap, UChar32 *before)
{
	size_t at = *i;
	UChar32 c = in.data[at];
	if (c >= 0x20 && c < 0x7f) {
		*heap = (struct heap){0};
		*before = c;
		++*i;
		return 1;
	}
	U8_NEXT(in.data, *i, in.len, c);
	size_t width = char_width(c);
	enum effect effect = effect_of(c);
	enum heaped heaped = HEAPED_SHOWN;
	if (effect == EFFECT_NONE)
		heaped = heap_add(heap, c);
	else if (effect < EFFECT_EMBED)
		*heap = (struct heap){0};
	if (heaped == HEAPED_REPLACED)
		width = 1;
	else if (c == BYTE_ORDER_MARK && at == 0)
		width = 0;
	else if (c == EMOJI_SELECTOR && heap->count == 1 && char_width(*before) == 1 &&
		 u_hasBinaryProperty(*before, UCHAR_EMOJI))
		width = 1; /* makes a narrow sign a wide picture */
	if (effect < EFFECT_EMBED)
		*before = c;
	return width;
}

size_t text_width(struct bytes in)
{
	struct heap heap = {0};
	UChar32 before = 0;
	size_t width = 0;
	for (size_t i = 0; i < in.len;)
		width += next_width(in, &i, &heap, &before);
	return width;
}

/* The last end of a whole character, as people see it, at or before `cut`; 0: there is none. */
static size_t cluster_end(struct bytes in, size_t cut)
{
	UErrorCode status = U_ZERO_ERROR;
	UText text = UTEXT_INITIALIZER;
	UBreakIterator *characters;
	/* A little more, to see whether the character goes on. */
	size_t len = in.len - cut > 64 ? cut + 64 : in.len;
	int32_t at = (int32_t)cut;
	utext_openUTF8(&text, (const char *)in.data, (int64_t)len, &status);
	characters = ubrk_open(UBRK_CHARACTER, "", NULL, 0, &status);
	ubrk_setUText(characters, &text, &status);
	if (U_SUCCESS(status) && !ubrk_isBoundary(characters, at))
		at = ubrk_preceding(characters, at);
	ubrk_close(characters);
	utext_close(&text);
	return U_SUCCESS(status) && at > 0 ? (size_t)at : 0;
}

size_t text_fit(struct bytes in, size_t columns)
{
	struct heap heap = {0};
	UChar32 before = 0;
	size_t width = 0, i = 0, cut = 0;
	bool ascii = true;
	while (i < in.len && i < INT32_MAX / 2) {
		width += next_width(in, &i, &heap, &before);
		if (width > columns)
			break;
		cut = i;
		ascii = ascii && before < 0x80;
	}
	if (cut == in.len)
		return cut;
	if (cut > 0 && (!ascii || before >= 0x80)) {
		size_t end = cluster_end(in, cut);
		if (end > 0)
			cut = end;
	}
	return cut;
}

static bool spaceless(UChar32 c)
{
	int width = u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH);

	return width == U_EA_WIDE || width == U_EA_FULLWIDTH ||
	       u_getIntPropertyValue(c, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT;
}

void text_breaks(struct buffer *out, struct bytes in)
{
	UErrorCode status = U_ZERO_ERROR;
	UText text = UTEXT_INITIALIZER;
	UBreakIterator *lines;
	uint8_t *may = in.len ? buffer_reserve(out, in.len) : NULL;
	int32_t at;

	if (may == NULL)
		return;
	for (size_t i = 0; i < in.len; i++)
		may[i] = i > 0 && in.data[i - 1] == ' ' && in.data[i] != ' ';
	out->len += in.len;
	if (ascii_prefix(in) == in.len || in.len > INT32_MAX)
		return;
	utext_openUTF8(&text, (const char *)in.data, (int64_t)in.len, &status);
	lines = ubrk_open(UBRK_LINE, "", NULL, 0, &status);
	ubrk_setUText(lines, &text, &status);
	while (U_SUCCESS(status) && (at = ubrk_next(lines)) != UBRK_DONE) {
		int32_t last = at, next = at, len = (int32_t)in.len;
		UChar32 before, after;

		if (at <= 0 || at >= len)
			continue;
		U8_PREV(in.data, 0, last, before);
		U8_NEXT(in.data, next, len, after);
		may[at] |= spaceless(before) || spaceless(after);
	}
	ubrk_close(lines);
	utext_close(&text);
}
