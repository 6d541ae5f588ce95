/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of a title, as they can stand in names of ASCII alone. */
#include <string.h>

#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include "base/text.h"

/* Letters that Unicode takes for one, and people write with two, or without their stroke. */
static const struct {
	UChar32 c;
	char text[3];
} letters[] = {{0xc6, "ae"}, {0xd0, "d"}, {0xd8, "o"}, {0xde, "th"}, {0xdf, "ss"}, {0xe6, "ae"},
    {0xf0, "d"}, {0xf8, "o"}, {0xfe, "th"}, {0x110, "d"}, {0x111, "d"}, {0x126, "h"}, {0x127, "h"},
    {0x131, "i"}, {0x141, "l"}, {0x142, "l"}, {0x152, "oe"}, {0x153, "oe"}};

static bool is_word(UChar32 c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* What stands for a character: letters and digits, or "" between words. Blocks in which every
 * character is assigned for good, so that no version of Unicode changes a name. */
static void letter_of(char out[static 3], UChar32 c)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *nfd;
	UChar parts[8];

	memset(out, 0, 3);
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		if (letters[i].c == c)
			memcpy(out, letters[i].text, 3);
	if (out[0])
		return;
	if ((c >= 0xc0 && c < 0x250) || (c >= 0x1e00 && c < 0x1f00)) {
		nfd = unorm2_getNFDInstance(&status);
		if (U_SUCCESS(status) && unorm2_getDecomposition(nfd, c, parts, 8, &status) > 0 &&
		    U_SUCCESS(status))
			c = parts[0];
	}
	if (c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (is_word(c))
		out[0] = (char)c;
}

void text_slug(struct buffer *out, struct bytes in, size_t max)
{
	size_t begin = out->len, words = begin; /* `words`: where the last whole word ends */
	bool gap = false;
	size_t i = 0;

	while (i < in.len) {
		char text[3];
		UChar32 c;

		U8_NEXT(in.data, i, in.len, c);
		/* Marks that stand for themselves; and "what's" is one word. */
		if ((c >= 0x300 && c < 0x370) || c == '\'' || c == 0x2019)
			continue;
		letter_of(text, c);
		if (!text[0]) {
			if (!gap)
				words = out->len;
			gap = true;
			continue;
		}
		if (gap && out->len > begin)
			buffer_add_u8(out, '-');
		gap = false;
		if (out->len - begin + strlen(text) > max) {
			/* A word that was begun goes; the only one is cut. */
			if (words > begin)
				out->len = words;
			else if (out->len > begin + max)
				out->len = begin + max;
			return;
		}
		buffer_add_str(out, text);
	}
}
