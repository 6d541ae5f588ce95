/* SPDX-License-Identifier: BSD-2-Clause */
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

#define ROOT_TEXT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define ORIGIN "isoc.example/0123456789abcdef0123456789abcdef/1"

static struct key key;
static struct verifier verifier;

static int group_setup(void **state)
{
	uint8_t seed[32] = "one seed for all of these tests";

	(void)state;
	key_from_seed(&key, seed);
	return verifier_make(&verifier, bytes_str(ORIGIN), VERIFIER_ED25519, key.public);
}

static struct checkpoint sample(uint64_t size)
{
	struct checkpoint c = {.origin = ORIGIN, .size = size};

	for (uint8_t i = 0; i < HASH_LEN; i++)
		c.root[i] = i;
	return c;
}

static void assert_same(const struct checkpoint *a, const struct checkpoint *b)
{
	assert_string_equal(a->origin, b->origin);
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->root, b->root, HASH_LEN);
}

static int parse(const char *text)
{
	struct checkpoint c;

	return checkpoint_parse(bytes_str(text), &c);
}

static void text_has_three_lines(void **state)
{
	struct checkpoint c = sample(INT64_MAX), parsed;
	struct buffer text = BUFFER_INIT;

	(void)state;
	assert_int_equal(checkpoint_text(&text, &c), OK);
	assert_string_equal(buffer_str(&text), ORIGIN "\n9223372036854775807\n" ROOT_TEXT "\n");
	assert_int_equal(checkpoint_parse(buffer_bytes(&text), &parsed), OK);
	assert_same(&c, &parsed);
	c.size = 0;
	assert_int_equal(checkpoint_text(&text, &c), ERR_INVALID);
	c.size = (uint64_t)INT64_MAX + 1;
	assert_int_equal(checkpoint_text(&text, &c), ERR_INVALID);
	c = sample(1);
	c.origin[3] = '\n';
	assert_int_equal(checkpoint_text(&text, &c), ERR_INVALID);
	c.origin[0] = '\0';
	assert_int_equal(checkpoint_text(&text, &c), ERR_INVALID);
	buffer_free(&text);
}

static void other_texts_are_refused(void **state)
{
	char longest[VERIFIER_NAME_MAX + 2 + sizeof "\n1\n" ROOT_TEXT "\n"];

	(void)state;
	assert_int_equal(parse("a\n1\n" ROOT_TEXT "\n"), OK);
	/* The size. */
	assert_int_equal(parse("a\n0\n" ROOT_TEXT "\n"), ERR_RANGE);
	assert_int_equal(parse("a\n9223372036854775808\n" ROOT_TEXT "\n"), ERR_RANGE);
	assert_int_equal(parse("a\n18446744073709551617\n" ROOT_TEXT "\n"), ERR_RANGE);
	assert_int_not_equal(parse("a\n01\n" ROOT_TEXT "\n"), OK);
	assert_int_not_equal(parse("a\n+1\n" ROOT_TEXT "\n"), OK);
	assert_int_not_equal(parse("a\n-1\n" ROOT_TEXT "\n"), OK);
	assert_int_not_equal(parse("a\n 1\n" ROOT_TEXT "\n"), OK);
	assert_int_not_equal(parse("a\n1 \n" ROOT_TEXT "\n"), OK);
	assert_int_not_equal(parse("a\n0x1\n" ROOT_TEXT "\n"), OK);
	assert_int_not_equal(parse("a\n\n" ROOT_TEXT "\n"), OK);
	/* The root: length, alphabet, padding, stray bits. */
	assert_int_not_equal(parse("a\n1\n\n"), OK);
	assert_int_not_equal(parse("a\n1\nAAEC\n"), OK);
	assert_int_not_equal(parse("a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"), OK);
	assert_int_not_equal(parse("a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gAA==\n"), OK);
	assert_int_not_equal(parse("a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n"), OK);
	assert_int_not_equal(parse("a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh__\n"), OK);
	assert_int_equal(
	    parse("a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n"), ERR_NOT_CANONICAL);
	/* The lines. */
	assert_int_equal(parse(""), ERR_MALFORMED);
	assert_int_equal(parse("a\n1\n"), ERR_MALFORMED);
	assert_int_equal(parse("a\n1\n" ROOT_TEXT), ERR_MALFORMED);
	assert_int_equal(parse("a\n1\n" ROOT_TEXT "\nextension\n"), ERR_MALFORMED);
	assert_int_equal(parse("a\n1\n" ROOT_TEXT "\n\n"), ERR_MALFORMED);
	assert_int_equal(parse("a\n1\n" ROOT_TEXT "\nx"), ERR_MALFORMED);
	assert_int_not_equal(parse("a\r\n1\r\n" ROOT_TEXT "\r\n"), OK);
	/* The origin. */
	assert_int_equal(parse("\n1\n" ROOT_TEXT "\n"), ERR_MALFORMED);
	memset(longest, 'o', sizeof longest);
	memcpy(longest + VERIFIER_NAME_MAX, "\n1\n" ROOT_TEXT "\n", sizeof "\n1\n" ROOT_TEXT "\n");
	assert_int_equal(parse(longest), OK);
	memset(longest, 'o', sizeof longest);
	memcpy(
	    longest + VERIFIER_NAME_MAX + 1, "\n1\n" ROOT_TEXT "\n", sizeof "\n1\n" ROOT_TEXT "\n");
	assert_int_equal(parse(longest), ERR_MALFORMED);
	struct checkpoint c;
	assert_int_equal(
	    checkpoint_parse(bytes_of("a\0b\n1\n" ROOT_TEXT "\n", 51), &c), ERR_MALFORMED);
}

static void signing_and_opening(void **state)
{
	struct checkpoint c = sample(4711), opened, untouched = {0};
	struct verifier other = verifier;
	struct buffer note = BUFFER_INIT;
	struct key stranger;

	(void)state;
	assert_int_equal(checkpoint_sign(&note, &c, &key), OK);
	assert_int_equal(checkpoint_open(buffer_bytes(&note), &verifier, &opened), OK);
	assert_same(&c, &opened);

	key_generate(&stranger);
	assert_int_equal(
	    verifier_make(&other, bytes_str(ORIGIN), VERIFIER_ED25519, stranger.public), OK);
	opened = untouched;
	assert_int_equal(checkpoint_open(buffer_bytes(&note), &other, &opened), ERR_UNSIGNED);
	assert_int_equal(
	    verifier_make(&other, bytes_str("isoc.example"), VERIFIER_ED25519, key.public), OK);
	assert_int_equal(checkpoint_open(buffer_bytes(&note), &other, &opened), ERR_OTHER_FORUM);
	assert_int_equal(
	    verifier_make(&other, bytes_str(ORIGIN), VERIFIER_COSIGNATURE, key.public), OK);
	assert_int_equal(checkpoint_open(buffer_bytes(&note), &other, &opened), ERR_KEY);
	assert_int_equal(checkpoint_open(bytes_of(NULL, 0), &verifier, &opened), ERR_MALFORMED);
	assert_memory_equal(&opened, &untouched, sizeof opened);

	size_t len = note.len;
	c.size = 0;
	assert_int_equal(checkpoint_sign(&note, &c, &key), ERR_INVALID);
	assert_int_equal(note.len, len);
	buffer_free(&note);
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct checkpoint c = sample(4711), opened;
	struct buffer note = BUFFER_INIT;

	(void)state;
	assert_int_equal(checkpoint_sign(&note, &c, &key), OK);
	for (size_t bit = 0; bit < note.len * 8; bit++) {
		note.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (checkpoint_open(buffer_bytes(&note), &verifier, &opened) == OK)
			fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
		note.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len < note.len; len++)
		assert_int_not_equal(
		    checkpoint_open(bytes_of(note.data, len), &verifier, &opened), OK);
	assert_int_equal(checkpoint_open(buffer_bytes(&note), &verifier, &opened), OK);
	buffer_free(&note);
}

static struct bytes corpus_file(const char *rest, size_t max)
{
	const char *corpus = getenv("CONVENE_CORPUS");
	uint8_t *data = NULL;
	size_t len = 0;
	char path[4096];
	FILE *file;

	if (!corpus)
		return bytes_of(NULL, 0);
	snprintf(
	    path, sizeof path, "%s/vectors/transparency-dev_tessera/testdata/%s", corpus, rest);
	file = fopen(path, "rb");
	if (!file)
		return bytes_of(NULL, 0);
	data = malloc(max);
	assert_non_null(data);
	len = fread(data, 1, max, file);
	fclose(file);
	return bytes_of(data, len);
}

static void file_free(struct bytes b)
{
	free((void *)(uintptr_t)b.data);
}

/* A published log of 15 entries, with the checkpoint of every size: its leaves make those roots. */
static void published_log(void **state)
{
	struct bytes text = corpus_file("log.vkey", 4096);
	struct tree *tree = tree_new();
	struct verifier log;
	struct bytes leaves, leaf;
	size_t pos = 0;

	(void)state;
	if (!text.data) {
		tree_free(tree);
		skip();
	}
	if (text.len && text.data[text.len - 1] == '\n')
		text.len--;
	assert_int_equal(verifier_parse(&log, text), OK);
	leaves = corpus_file("log/tile/entries/000.p/15", 65536);
	assert_non_null(leaves.data);
	for (unsigned size = 0; size <= 15; size++) {
		struct checkpoint c;
		struct bytes note;
		uint8_t root[HASH_LEN];
		char name[64];

		snprintf(name, sizeof name, "log/checkpoint.%u", size);
		note = corpus_file(name, NOTE_MAX);
		assert_non_null(note.data);
		tree_root(tree, root);
		if (size == 0) {
			char empty[BASE64_LEN(HASH_LEN) + 1];

			assert_int_equal(checkpoint_open(note, &log, &c), ERR_RANGE);
			base64_encode(empty, root, HASH_LEN);
			assert_non_null(memmem(note.data, note.len, empty, strlen(empty)));
		} else {
			assert_int_equal(checkpoint_open(note, &log, &c), OK);
			assert_int_equal(c.size, size);
			assert_int_equal(tree_size(tree), size);
			assert_memory_equal(c.root, root, HASH_LEN);
		}
		file_free(note);
		if (size < 15) {
			struct tree_hash hash;

			assert_int_equal(leaves_next(leaves, &pos, &leaf), OK);
			leaf_hash(&hash, leaf);
			assert_int_equal(tree_append(tree, &hash), OK);
		}
	}
	assert_int_equal(leaves_next(leaves, &pos, &leaf), ERR_NOTFOUND);
	print_message(
	    "# vectors: transparency-dev_tessera/testdata/log: 15 leaves make the roots of 15 "
	    "checkpoints\n");
	file_free(leaves);
	file_free(text);
	tree_free(tree);
}

static int parse_proof(const char *text)
{
	struct tree_hash hashes[64];
	struct bytes note;
	uint64_t index;
	size_t count;

	return tlog_proof_parse(bytes_str(text), &index, hashes, &count, &note);
}

static void tlog_proofs(void **state)
{
	struct tree_hash hashes[65], parsed[64];
	struct buffer out = BUFFER_INIT;
	struct bytes note;
	uint64_t index;
	size_t count;

	(void)state;
	for (size_t i = 0; i < 65; i++)
		memset(hashes[i].bytes, (int)i, HASH_LEN);
	for (size_t n = 0; n <= 64; n++) {
		buffer_reset(&out);
		assert_int_equal(
		    tlog_proof_write(&out, n * n, hashes, n, bytes_str("the\n\nnote\n")), OK);
		assert_int_equal(
		    tlog_proof_parse(buffer_bytes(&out), &index, parsed, &count, &note), OK);
		assert_int_equal(index, n * n);
		assert_int_equal(count, n);
		assert_memory_equal(parsed, hashes, n * sizeof parsed[0]);
		assert_true(bytes_equal(note, bytes_str("the\n\nnote\n")));
	}
	buffer_reset(&out);
	assert_int_equal(tlog_proof_write(&out, 7, hashes, 1, bytes_str("n\n")), OK);
	assert_string_equal(buffer_str(&out),
	    "c2sp.org/tlog-proof@v1\nindex 7\n"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nn\n");
	assert_int_equal(tlog_proof_write(&out, 7, hashes, 65, bytes_str("n\n")), ERR_INVALID);
	assert_int_equal(tlog_proof_write(&out, 7, hashes, 1, bytes_str("")), ERR_INVALID);
	assert_int_equal(
	    tlog_proof_write(&out, INT64_MAX, hashes, 1, bytes_str("n\n")), ERR_INVALID);

	/* One hash too many. */
	buffer_reset(&out);
	buffer_add_str(&out, "c2sp.org/tlog-proof@v1\nindex 7\n");
	for (size_t i = 0; i < 65; i++)
		buffer_add_str(&out, ROOT_TEXT "\n");
	buffer_add_str(&out, "\nn\n");
	assert_int_equal(parse_proof(buffer_str(&out)), ERR_TOO_LARGE);
	buffer_free(&out);

#define HEAD "c2sp.org/tlog-proof@v1\n"
	assert_int_equal(parse_proof(HEAD "index 0\n\nn"), OK);
	assert_int_equal(parse_proof(""), ERR_MALFORMED);
	assert_int_equal(parse_proof(HEAD), ERR_MALFORMED);
	assert_int_equal(parse_proof("c2sp.org/tlog-proof@v2\nindex 0\n\nn"), ERR_MALFORMED);
	assert_int_equal(parse_proof(HEAD "extra AAAA\nindex 0\n\nn"), ERR_MALFORMED);
	assert_int_equal(parse_proof(HEAD "\n\nn"), ERR_MALFORMED);
	assert_int_equal(parse_proof(HEAD "index 0\n"), ERR_MALFORMED);
	assert_int_equal(parse_proof(HEAD "index 0\n\n"), ERR_MALFORMED);
	assert_int_not_equal(parse_proof(HEAD "index\n\nn"), OK);
	assert_int_not_equal(parse_proof(HEAD "index 00\n\nn"), OK);
	assert_int_not_equal(parse_proof(HEAD "index -1\n\nn"), OK);
	assert_int_equal(parse_proof(HEAD "index 9223372036854775807\n\nn"), ERR_RANGE);
	assert_int_equal(parse_proof(HEAD "index 0\nAAAA\n\nn"), ERR_MALFORMED);
	assert_int_equal(parse_proof(HEAD "index 0\n" ROOT_TEXT " \n\nn"), ERR_MALFORMED);
	assert_int_equal(
	    parse_proof(HEAD "index 0\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n\nn"),
	    ERR_NOT_CANONICAL);
}

static void leaves_of_data(void **state)
{
	static const uint8_t large[UINT16_MAX];
	struct buffer out = BUFFER_INIT;
	struct bytes leaf;
	size_t pos = 0;

	(void)state;
	leaves_add(&out, bytes_str("one"));
	leaves_add(&out, bytes_str(""));
	leaves_add(&out, bytes_of(large, sizeof large));
	assert_memory_equal(out.data, "\0\3one\0\0\377\377", 9);
	assert_int_equal(leaves_next(buffer_bytes(&out), &pos, &leaf), OK);
	assert_true(bytes_equal(leaf, bytes_str("one")));
	assert_int_equal(leaves_next(buffer_bytes(&out), &pos, &leaf), OK);
	assert_int_equal(leaf.len, 0);
	assert_int_equal(leaves_next(buffer_bytes(&out), &pos, &leaf), OK);
	assert_int_equal(leaf.len, sizeof large);
	assert_int_equal(leaves_next(buffer_bytes(&out), &pos, &leaf), ERR_NOTFOUND);
	assert_int_equal(pos, out.len);

	/* Cut off in the length, and in the leaf. */
	pos = 0;
	assert_int_equal(leaves_next(bytes_of("\0", 1), &pos, &leaf), ERR_MALFORMED);
	assert_int_equal(leaves_next(bytes_of("\0\1", 2), &pos, &leaf), ERR_MALFORMED);
	assert_int_equal(leaves_next(bytes_of("\0\4one", 5), &pos, &leaf), ERR_MALFORMED);
	assert_int_equal(pos, 0);
	assert_int_equal(leaves_next(bytes_of(NULL, 0), &pos, &leaf), ERR_NOTFOUND);
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_has_three_lines),
	    cmocka_unit_test(other_texts_are_refused),
	    cmocka_unit_test(signing_and_opening),
	    cmocka_unit_test(every_flipped_bit_is_noticed),
	    cmocka_unit_test(published_log),
	    cmocka_unit_test(tlog_proofs),
	    cmocka_unit_test(leaves_of_data),
	};

	return crypto_start() == OK ? cmocka_run_group_tests(tests, group_setup, NULL) : 1;
}
