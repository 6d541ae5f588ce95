/* SPDX-License-Identifier: BSD-2-Clause */
/* Transcripts of a witness (C2SP tlog-witness): what was sent to it, and what it answered. Every
 * request is judged here by our notes, checkpoints and consistency proofs, as a witness has to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/error.h"
#include "log/checkpoint.h"
#include "log/tree.h"

#define FOLDER "FiloSottile_torchwood/"
#define ROOM 65536
#define PROOF_MAX 63

struct witness {
	struct verifier log; /* its name is the signature's, which may differ from the origin */
	const char *origin;
	uint64_t size; /* of the last checkpoint that was cosigned; 0: none was */
	uint8_t root[HASH_LEN];
};

struct request {
	uint64_t old;
	struct tree_hash proof[PROOF_MAX];
	size_t count;
	struct bytes note;
};

/* `old N`, hashes, an empty line, the note. */
static bool request_parse(struct request *r, struct bytes in)
{
	r->count = 0;
	for (unsigned line = 0;; line++) {
		const uint8_t *end = memchr(in.data, '\n', in.len);
		const char *text = (const char *)in.data;
		size_t len = end ? (size_t)(end - in.data) : 0, room = HASH_LEN;

		if (!end)
			return false;
		in = bytes_of(end + 1, in.len - len - 1);
		if (line == 0) {
			if (len < 5 || memcmp(text, "old ", 4) != 0 ||
			    decimal_parse(&r->old, text + 4, len - 4, INT64_MAX) != OK)
				return false;
		} else if (len == 0) {
			r->note = in;
			return true;
		} else if (r->count == PROOF_MAX ||
			   base64_decode(r->proof[r->count++].bytes, &room, text, len) != OK ||
			   room != HASH_LEN) {
			return false;
		}
	}
}

/* The status of tlog-witness, but for an unknown log, where these say 403 and the specification
 * now 404. */
static unsigned answer(struct witness *w, struct bytes body)
{
	struct checkpoint c;
	struct request r;
	struct note note;

	if (!request_parse(&r, body))
		return 400;
	/* One of them has a signature whose base64 is not canonical: to us it is no note. */
	if (note_parse(&note, r.note) != OK || checkpoint_parse(note.text, &c) != OK)
		return 403;
	if (strcmp(c.origin, w->origin) != 0 || note_verify(&note, &w->log, NULL) != OK)
		return 403;
	if (r.old > c.size)
		return 400;
	if (r.old != w->size)
		return 409;
	/* Nothing comes before size 0: a rule of the witness, since RFC 6962 proves nothing there.
	 */
	if (r.old == 0 ? r.count != 0
		       : consistency_verify(r.old, c.size, r.proof, r.count, w->root, c.root) != OK)
		return 422;
	w->size = c.size;
	memcpy(w->root, c.root, HASH_LEN);
	return 200;
}

static char *transcript(const char *name)
{
	const char *corpus = getenv("CONVENE_CORPUS");
	char path[4096], *text;
	FILE *file;
	size_t len;

	snprintf(path, sizeof path, "%s/vectors/" FOLDER "%s", corpus ? corpus : "../shared", name);
	file = fopen(path, "r");
	if (!file)
		return NULL;
	text = malloc(ROOM + 1);
	assert_non_null(text);
	len = fread(text, 1, ROOM, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

/* What stands between a POST's lines of three backquotes. */
static bool post_next(const char **at, struct bytes *body, unsigned *status)
{
	const char *begin, *end, *http;

	*at = strstr(*at, "\nPOST ");
	if (!*at)
		return false;
	begin = strstr(*at, "\n```\n");
	assert_non_null(begin);
	begin += 5;
	end = strstr(begin, "\n```\n");
	assert_non_null(end);
	*body = bytes_of(begin, (size_t)(end + 1 - begin));
	http = strstr(end, "HTTP ");
	assert_non_null(http);
	*status = (unsigned)strtoul(http + 5, NULL, 10);
	*at = http;
	return true;
}

static void run(struct witness *w, const char *name, size_t posts)
{
	char *text = transcript(name);
	const char *at = text;
	struct bytes body;
	unsigned status;
	size_t n = 0;

	if (!text)
		skip();
	for (; post_next(&at, &body, &status); n++) {
		struct witness before = *w, other;
		unsigned got = answer(w, body);

		if (got != status)
			fail_msg("%s, request %zu: %u instead of %u", name, n, got, status);
		if (got != 200) {
			assert_memory_equal(&before, w, sizeof before);
			continue;
		}
		/* No other bytes would have come to the same: of the note's text, the signature and
		 * the proof, no flipped bit passes. */
		for (size_t bit = 0; bit < 8 * body.len; bit++) {
			char *changed = malloc(body.len);

			assert_non_null(changed);
			memcpy(changed, body.data, body.len);
			changed[bit / 8] ^= (char)(1 << bit % 8);
			other = before;
			if (answer(&other, bytes_of(changed, body.len)) == 200)
				fail_msg(
				    "%s, request %zu passes with bit %zu flipped", name, n, bit);
			free(changed);
		}
	}
	assert_int_equal(n, posts);
	print_message("# vectors: " FOLDER "%s: %zu requests, answered likewise\n", name, n);
	free(text);
}

static void litewitness(void **state)
{
	static const char key[] =
	    "ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f";
	struct witness w = {
	    .origin = "sigsum.org/v1/tree/"
		      "4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562",
	};
	uint8_t public[KEY_LEN];

	(void)state;
	assert_int_equal(hex_decode(public, KEY_LEN, key, sizeof key - 1), OK);
	assert_int_equal(verifier_make(&w.log, bytes_str(w.origin), VERIFIER_ED25519, public), OK);
	run(&w, "litewitness.txt", 9);
	if (w.size)
		assert_int_equal(w.size, 5);
}

static void sumdb(void **state)
{
	struct witness w = {.origin = "go.sum database tree"};

	(void)state;
	assert_int_equal(
	    verifier_parse(&w.log,
		bytes_str("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")),
	    OK);
	run(&w, "sumdb.txt", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(litewitness),
	    cmocka_unit_test(sumdb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
