/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/screen/cells.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/ubidi.h>
#include <unicode/uchar.h>
#include <unicode/ushape.h>
#include <unicode/ustring.h>
#include <wchar.h>

#include "base/text.h"

#define UNITS_MAX 4096 /* of UTF-16 in one line: more than any screen shows */
#define ELLIPSIS "…"

/* What takes no part on the screen: marks of direction, joiners, selectors, skin tones. */
static bool is_left_out(UChar32 c)
{
	return u_charType(c) == U_FORMAT_CHAR || u_hasBinaryProperty(c, UCHAR_VARIATION_SELECTOR) ||
	       u_hasBinaryProperty(c, UCHAR_EMOJI_MODIFIER) || c == 0x34f;
}

/* As the library that draws counts, so that both always agree. */
static int width_of(UChar32 c)
{
	int width;

	if (c >= 0x20 && c < 0x7f)
		return 1;
	if (is_left_out(c))
		return 0;
	width = wcwidth((wchar_t)c);
	return width < 0 ? 1 : width;
}

static UChar32 next(struct bytes text, size_t *i)
{
	UChar32 c;

	U8_NEXT_OR_FFFD(text.data, *i, text.len, c);
	return c;
}

int cells_width(struct bytes text)
{
	int width = 0;

	for (size_t i = 0; i < text.len && width < UNITS_MAX;)
		width += width_of(next(text, &i));
	return width;
}

size_t cells_fit(struct bytes text, int width)
{
	size_t i = 0;

	while (i < text.len) {
		size_t after = i;

		width -= width_of(next(text, &after));
		if (width < 0)
			break;
		i = after;
	}
	return i;
}

/* One character into the row: returns the cells in use. */
static int cell_add(struct cell *out, int used, int width, UChar32 c)
{
	char utf8[5];
	int32_t len = 0;
	int columns;

	if (is_left_out(c))
		return used;
	columns = width_of(c);
	if (columns > 0 && wcwidth((wchar_t)c) < 0)
		c = 0xfffd;
	U8_APPEND_UNSAFE(utf8, len, c);
	utf8[len] = '\0';
	if (columns == 0) {
		struct cell *base = used > 0 ? &out[used - 1] : NULL;

		if (base && base->width == 0)
			base--;
		if (base && strlen(base->text) + (size_t)len < CELL_TEXT)
			strcat(base->text, utf8);
		return used;
	}
	if (used + columns > width)
		return used;
	memcpy(out[used].text, utf8, (size_t)len + 1);
	out[used].width = (uint8_t)columns;
	if (columns == 2) {
		out[used + 1].text[0] = '\0';
		out[used + 1].width = 0;
	}
	return used + columns;
}

/* Letters of Arabic in the form that their neighbours give them: no terminal that doesn't reorder
 * joins them. */
static int32_t shape(UChar *to, const UChar *from, int32_t len)
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t got = u_shapeArabic(from, len, to, UNITS_MAX,
	    U_SHAPE_LETTERS_SHAPE | U_SHAPE_LENGTH_GROW_SHRINK | U_SHAPE_TEXT_DIRECTION_LOGICAL,
	    &status);

	if (U_SUCCESS(status))
		return got;
	memcpy(to, from, (size_t)len * sizeof *to);
	return len;
}

static int32_t to_visual(UChar *to, const UChar *from, int32_t len, enum direction direction)
{
	static const UBiDiLevel levels[] = {
	    [DIRECTION_LTR] = 0, [DIRECTION_RTL] = 1, [DIRECTION_AUTO] = UBIDI_DEFAULT_LTR};
	UErrorCode status = U_ZERO_ERROR;
	UBiDi *bidi = ubidi_openSized(len, 0, &status);
	UChar *shaped = malloc(UNITS_MAX * sizeof *shaped);
	int32_t got = -1;

	if (bidi && shaped && U_SUCCESS(status)) {
		len = shape(shaped, from, len);
		ubidi_setPara(bidi, shaped, len, levels[direction], NULL, &status);
		got = ubidi_writeReordered(bidi, to, UNITS_MAX,
		    UBIDI_DO_MIRRORING | UBIDI_REMOVE_BIDI_CONTROLS | UBIDI_KEEP_BASE_COMBINING,
		    &status);
	}
	free(shaped);
	if (bidi)
		ubidi_close(bidi);
	return U_SUCCESS(status) ? got : -1;
}

/* Whether anything in it isn't as it stands. */
static bool is_plain(struct bytes line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] >= 0x80)
			return false;
	return true;
}

static int units_make(
    struct cell *out, int width, struct bytes line, enum direction direction, bool reorder)
{
	UChar *units = malloc(2 * UNITS_MAX * sizeof *units);
	UErrorCode status = U_ZERO_ERROR;
	int32_t len = 0, got = -1, used = 0;
	UChar *from = units;

	if (!units)
		return 0;
	u_strFromUTF8WithSub(units, UNITS_MAX, &len, (const char *)line.data, (int32_t)line.len,
	    0xfffd, NULL, &status);
	if (status == U_BUFFER_OVERFLOW_ERROR)
		len = UNITS_MAX;
	if (reorder) {
		got = to_visual(units + UNITS_MAX, units, len, direction);
		if (got >= 0) {
			from = units + UNITS_MAX;
			len = got;
		}
	}
	for (int32_t i = 0; i < len;) {
		UChar32 c;

		U16_NEXT(from, i, len, c);
		used = cell_add(out, used, width, U_IS_SURROGATE(c) ? 0xfffd : c);
	}
	free(units);
	return used;
}

int cells_make(
    struct cell *out, int width, struct bytes text, enum direction direction, bool reorder)
{
	struct buffer line = BUFFER_INIT;
	int used = 0;

	if (width <= 0)
		return 0;
	/* Nobody sees more of it. */
	text_line(&line, text_head(text, UNITS_MAX));
	if (cells_width(buffer_bytes(&line)) > width) {
		line.len = cells_fit(buffer_bytes(&line), width - 1);
		buffer_add_str(&line, ELLIPSIS);
	}
	if (line.failed)
		used = 0;
	else if (is_plain(buffer_bytes(&line)) && direction != DIRECTION_RTL)
		for (size_t i = 0; i < line.len; i++)
			used = cell_add(out, used, width, line.data[i]);
	else
		used = units_make(out, width, buffer_bytes(&line), direction, reorder);
	buffer_free(&line);
	return used;
}
