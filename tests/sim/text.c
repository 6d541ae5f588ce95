/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts to measure with, where bytes of chance would tell nothing: contents that can be packed. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define WORDS 8192
#define WORD_MAX 32
#define FILE_MAX (64 * 1024 * 1024)

/* ---- words ---- */

/* Made of syllables, the frequent ones short, and drawn by Zipf's law as Mandelbrot has it: the
 * word of rank k with a weight of 1 / (k + 2.7). Nothing repeats but by chance. */
struct vocabulary {
	char word[WORDS][WORD_MAX];
	uint64_t below[WORDS + 1]; /* weights of all before it */
};

static void syllable_add(char *word, struct rng *r)
{
	static const char *const onset[] = {"b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r",
	    "s", "t", "v", "w", "st", "tr", "pr", "ch", "sh", "th", "", "", ""};
	static const char *const nucleus[] = {"a", "e", "i", "o", "u", "e", "a", "ea", "ou", "io"};
	static const char *const coda[] = {"", "", "", "n", "r", "s", "t", "l", "nd", "st", "ng"};

	strcat(word, onset[rng_below(r, sizeof onset / sizeof *onset)]);
	strcat(word, nucleus[rng_below(r, sizeof nucleus / sizeof *nucleus)]);
	strcat(word, coda[rng_below(r, sizeof coda / sizeof *coda)]);
}

static const struct vocabulary *vocabulary(void)
{
	static struct vocabulary v;
	struct rng r = rng_new(0, 12, 0);

	for (size_t k = 0; v.below[WORDS] == 0 && k < WORDS; k++) {
		size_t syllables = k < 60 ? 1 : k < 1000 ? 2 : 2 + rng_below(&r, 2);

		while (syllables-- > 0)
			syllable_add(v.word[k], &r);
		v.below[k + 1] = v.below[k] + UINT64_C(10000000000) / (10 * k + 27);
	}
	return &v;
}

static const char *word_draw(const struct vocabulary *v, struct rng *r)
{
	uint64_t at = rng_below(r, v->below[WORDS]);
	size_t lo = 0, hi = WORDS;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;

		if (v->below[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	return v->word[lo];
}

void text_words(struct rng *r, uint8_t *out, size_t len)
{
	const struct vocabulary *v = vocabulary();
	size_t at = 0, left = 0;

	while (at < len) {
		char word[WORD_MAX + 2];
		size_t n;

		strcpy(word, word_draw(v, r));
		if (left == 0) {
			word[0] = (char)(word[0] - 'a' + 'A');
			left = 6 + rng_below(r, 18);
		}
		strcat(word, --left > 0              ? rng_chance(r, 80000) ? ", " : " "
			     : rng_chance(r, 250000) ? ".\n"
						     : ". ");
		n = strlen(word) < len - at ? strlen(word) : len - at;
		memcpy(out + at, word, n);
		at += n;
	}
}

/* ---- a mailing list, where it is at hand ---- */

static bool file_unpack(const char *path, struct buffer *out)
{
	FILE *f = fopen(path, "rb");
	ZSTD_DStream *zstd = ZSTD_createDStream();
	size_t left = 1, room = ZSTD_DStreamOutSize(), got;
	uint8_t in[8192];

	if (zstd)
		ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, 27);
	while (f && zstd && out->len < FILE_MAX && (got = fread(in, 1, sizeof in, f)) > 0) {
		ZSTD_inBuffer from = {in, got, 0};

		while (from.pos < from.size && !ZSTD_isError(left)) {
			ZSTD_outBuffer to = {buffer_reserve(out, room), room, 0};

			if (!to.dst)
				abort();
			left = ZSTD_decompressStream(zstd, &to, &from);
			out->len += to.pos;
		}
		if (ZSTD_isError(left))
			break;
	}
	if (f)
		fclose(f);
	ZSTD_freeDStream(zstd);
	return f && left == 0;
}

size_t text_mails(struct buffer *out, size_t len, size_t max)
{
	const char *corpus = getenv("CONVENE_CORPUS");
	struct buffer mails = BUFFER_INIT;
	char path[1000];
	const char *at, *end;
	size_t count = 0;

	snprintf(path, sizeof path, "%s/corpus/lists/python-committers.mbox.zst",
	    corpus ? corpus : "../shared");
	at = file_unpack(path, &mails) ? buffer_str(&mails) : "";
	for (; count < max && at; at = end) {
		const char *body = strstr(at, "\n\n");

		end = strstr(at + (*at != '\0'), "\nFrom ");
		while (body && *body == '\n')
			body++;
		if (!body || (end ? end : at + strlen(at)) < body + len)
			continue;
		buffer_add(out, body, len);
		count++;
	}
	buffer_free(&mails);
	return count;
}
