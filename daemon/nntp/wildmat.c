/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/nntp/wildmat.h"

#include <string.h>

static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* One character on from `at`. */
static size_t step(struct bytes text, size_t at)
{
	do
		at++;
	while (at < text.len && (text.data[at] & 0xc0) == 0x80);
	return at;
}

/* No recursion: only the last star is ever gone back to, since an earlier one could not do better.
 */
static bool match(struct bytes p, struct bytes text, bool folded)
{
	size_t i = 0, at = 0, star = SIZE_MAX, from = 0;

	while (at < text.len) {
		if (i < p.len && p.data[i] == '*') {
			star = i++;
			from = at;
		} else if (i < p.len && p.data[i] == '?') {
			i++;
			at = step(text, at);
		} else if (i < p.len && (folded ? fold(p.data[i]) == fold(text.data[at])
						: p.data[i] == text.data[at])) {
			i++;
			at++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			at = from = step(text, from);
		} else {
			return false;
		}
	}
	while (i < p.len && p.data[i] == '*')
		i++;
	return i == p.len;
}

bool pattern_match(struct bytes pattern, struct bytes text)
{
	return match(pattern, text, true);
}

/* The pattern at `*at`, without its `!`; `*at` goes behind the comma. */
static struct bytes pattern_next(struct bytes wildmat, size_t *at, bool *negated)
{
	size_t begin = *at, end;
	const uint8_t *comma = memchr(wildmat.data + begin, ',', wildmat.len - begin);

	end = comma ? (size_t)(comma - wildmat.data) : wildmat.len;
	*at = end + 1;
	*negated = begin < end && wildmat.data[begin] == '!';
	begin += *negated;
	return bytes_of(wildmat.data + begin, end - begin);
}

bool wildmat_valid(struct bytes wildmat)
{
	size_t at = 0;
	bool negated;

	if (wildmat.len == 0)
		return false;
	while (at <= wildmat.len) {
		struct bytes p = pattern_next(wildmat, &at, &negated);

		if (p.len == 0)
			return false;
		for (size_t i = 0; i < p.len; i++)
			if (p.data[i] <= ' ' || p.data[i] == 0x7f || strchr("[]\\!", p.data[i]))
				return false;
	}
	return true;
}

bool wildmat_match(struct bytes wildmat, struct bytes name)
{
	bool matched = false, negated;

	for (size_t at = 0; at <= wildmat.len;) {
		struct bytes p = pattern_next(wildmat, &at, &negated);

		if (matched == negated && match(p, name, false))
			matched = !negated;
	}
	return matched;
}
