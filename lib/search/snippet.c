/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a text to show: where in it what was found stands. Folding changes lengths, so a text is
 * folded piece by piece here, each remembered with where it came from. */
#include <stdlib.h>
#include <string.h>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include "base/error.h"
#include "search/fold.h"
#include "search/query.h"

#define LOOKED_MAX 262144 /* bytes of a text that are looked through */
#define SOON 2048         /* in most texts it stands within these */
#define SPANS_MAX 256

/* A folded text, and from where in the other one each of its bytes is. */
struct map {
	struct buffer text;
	struct search_span *of;
	size_t cap;
	bool made;
};

static bool map_add(struct map *m, const void *data, size_t len, size_t from, size_t to)
{
	size_t need = m->text.len + len;
	struct search_span *grown;

	if (need > m->cap) {
		m->cap = 2 * need + 256;
		grown = realloc(m->of, m->cap * sizeof *grown);
		if (!grown)
			return false;
		m->of = grown;
	}
	for (size_t i = m->text.len; i < need; i++)
		m->of[i] = (struct search_span){from, to};
	buffer_add(&m->text, data, len);
	return !m->text.failed;
}

static void map_free(struct map *m)
{
	buffer_free(&m->text);
	free(m->of);
}

/* The end of what is folded together with the character before `at`. */
static size_t piece_end(const UNormalizer2 *fold, struct bytes text, size_t at)
{
	while (at < text.len) {
		int32_t next = (int32_t)at;
		UChar32 ch;

		U8_NEXT(text.data, next, (int32_t)text.len, ch);
		if (ch < 0 || u_isUWhiteSpace(ch) || unorm2_hasBoundaryBefore(fold, ch))
			break;
		at = (size_t)next;
	}
	return at;
}

/* Folded to itself, as all Han and most of what ASCII has are. */
static bool is_plain(UChar32 ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= '!' && ch <= '@') ||
	       (ch >= 0x4e00 && ch <= 0x9fff);
}

static bool piece_add(
    struct map *m, struct bytes text, size_t from, size_t to, UChar32 ch, bool marked)
{
	struct buffer folded = BUFFER_INIT;
	struct bytes piece = bytes_of(text.data + from, to - from);
	uint8_t lower = (uint8_t)(ch | 0x20);
	bool good;

	if (ch >= 'A' && ch <= 'Z' && piece.len == 1)
		return map_add(m, &lower, 1, from, to);
	if (is_plain(ch) && piece.len == (size_t)U8_LENGTH(ch))
		return map_add(m, piece.data, piece.len, from, to);
	good = (marked ? search_fold_marked(&folded, piece) : search_fold(&folded, piece)) == OK &&
	       map_add(m, folded.data, folded.len, from, to);
	buffer_free(&folded);
	return good;
}

/* One of ASCII, lower case; there is room. */
static void map_ascii(struct map *m, uint8_t byte, size_t at)
{
	m->of[m->text.len] = (struct search_span){at, at + 1};
	m->text.data[m->text.len++] = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* Room for so many bytes more. */
static bool map_room(struct map *m, size_t len)
{
	struct search_span *grown;

	if (!buffer_reserve(&m->text, len))
		return false;
	if (m->text.len + len <= m->cap)
		return true;
	m->cap = m->text.len + len + m->cap / 2;
	grown = realloc(m->of, m->cap * sizeof *grown);
	if (grown)
		m->of = grown;
	return grown != NULL;
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* ASCII, of which nothing is folded together with what follows: most of what archives hold. Returns
 * where it ends. */
static size_t map_run(struct map *m, struct bytes text, size_t at, UChar32 *before)
{
	for (; at + 1 < text.len && text.data[at + 1] < 0x80; at++) {
		uint8_t byte = text.data[at];

		if (byte >= 0x80 || is_space(byte))
			break;
		map_ascii(m, byte, at);
		*before = byte;
	}
	return at;
}

static bool map_make(struct map *m, struct bytes text, bool marked)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *fold = unorm2_getNFKCCasefoldInstance(&status);
	bool line = false, good = U_SUCCESS(status) && map_room(m, text.len + 1);
	size_t at = 0, space = SIZE_MAX;
	UChar32 before = 0;

	while (at < text.len && good) {
		int32_t next = (int32_t)at;
		size_t end;
		UChar32 ch;

		U8_NEXT(text.data, next, (int32_t)text.len, ch);
		if (ch >= 0 && (ch < 0x80 ? is_space((uint8_t)ch) : u_isUWhiteSpace(ch))) {
			space = space == SIZE_MAX ? at : space;
			line |= ch == '\n';
			at = (size_t)next;
			continue;
		}
		end = ch < 0x80 && (size_t)next < text.len && text.data[next] < 0x80
			  ? (size_t)next
			  : piece_end(fold, text, (size_t)next);
		if (space != SIZE_MAX && !(line && search_fold_joins(before, ch)))
			good = map_add(m, " ", 1, space, at);
		good = good && piece_add(m, text, at, end, ch, marked);
		space = SIZE_MAX;
		line = false;
		before = ch;
		at = end;
		if (good && (good = map_room(m, text.len - at + 1)))
			at = map_run(m, text, at, &before);
	}
	return good;
}

static int by_from(const void *a, const void *b)
{
	const struct search_span *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* Where phrases stand in a part of a text, in order, without those that overlap. */
static size_t spans_find(const struct search_query *q, struct bytes text, struct map maps[2],
    struct search_span within, struct search_span *out, size_t max)
{
	struct search_span all[SPANS_MAX];
	struct effort effort = effort_for(text.len);
	size_t n = 0, to = 0;

	for (size_t i = 0; i < q->count; i++) {
		const struct phrase *p = &q->phrases[i];
		bool exact = phrase_exact(p);
		struct map *m = &maps[exact];
		struct search_span at = {0, 0};
		size_t of_this = 0;

		if (p->without || (!m->made && !map_make(m, text, exact)))
			continue;
		m->made = true;
		while (n < SPANS_MAX && of_this < max &&
		       phrase_find(p, exact, buffer_bytes(&m->text), at.to, &effort, &at)) {
			struct search_span span = {m->of[at.from].from, m->of[at.to - 1].to};

			if (span.to > within.to)
				break;
			if (span.from < within.from)
				continue;
			all[n++] = span;
			of_this++;
		}
	}
	qsort(all, n, sizeof *all, by_from);
	for (size_t i = 0; i < n && to < max; i++)
		if (to == 0 || all[i].from >= out[to - 1].to)
			out[to++] = all[i];
	return to;
}

/* Onto the beginning of a character: up, or down. */
static size_t boundary(struct bytes text, size_t at, bool up)
{
	while (at > 0 && at < text.len && (text.data[at] & 0xc0) == 0x80)
		at += up ? 1 : (size_t)-1;
	return at;
}

/* Where a text is cut so that no word is. */
static struct bytes beginning(struct bytes text, size_t max)
{
	size_t at = max;

	if (text.len <= max)
		return text;
	while (at > 0 && !is_space(text.data[at]))
		at--;
	return bytes_of(text.data, at > 0 ? at : boundary(text, max, false));
}

static void maps_free(struct map maps[2])
{
	map_free(&maps[0]);
	map_free(&maps[1]);
	maps[0] = maps[1] = (struct map){.text = BUFFER_INIT};
}

size_t search_snippet(const struct search_query *q, struct bytes text, size_t around,
    bool within_line, struct search_span *line, struct search_span *found, size_t max)
{
	struct bytes looked = beginning(text, SOON);
	struct search_span first = {0, 0};
	struct map maps[2] = {{.text = BUFFER_INIT}, {.text = BUFFER_INIT}};
	size_t n = spans_find(q, looked, maps, (struct search_span){0, looked.len}, &first, 1);
	size_t from, to;

	if (n == 0 && looked.len < text.len) {
		maps_free(maps);
		looked = beginning(text, LOOKED_MAX);
		n = spans_find(q, looked, maps, (struct search_span){0, looked.len}, &first, 1);
	}
	if (n == 0) {
		while (first.from < text.len &&
		       (text.data[first.from] == '\n' || text.data[first.from] == ' '))
			first.from++;
		first.to = first.from;
	}
	from = first.from > around && n > 0 ? boundary(text, first.from - around, true)
					    : (n > 0 ? 0 : first.from);
	to = text.len - first.to > around * (n > 0 ? 1 : 2)
		 ? boundary(text, first.to + around * (n > 0 ? 1 : 2), false)
		 : text.len;
	for (size_t at = first.from; within_line && at > from; at--)
		if (text.data[at - 1] == '\n')
			from = at;
	for (size_t at = first.to; within_line && at < to; at++)
		if (text.data[at] == '\n')
			to = at;
	*line = (struct search_span){from, to};
	if (n > 0)
		n = spans_find(q, looked, maps, *line, found, max);
	maps_free(maps);
	return n;
}
