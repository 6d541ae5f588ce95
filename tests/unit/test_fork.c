/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "log/fork.h"

/* Two histories of one log that part at entry PARTED. */
#define PARTED 300
#define SIZE 700
#define ORIGIN "isoc.example/0123456789abcdef0123456789abcdef/1"

static struct key key;
static struct verifier verifier;
static struct tree_hash leaves[2][SIZE];
static struct tree *trees[2];

static int fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	memcpy(out, (const struct tree_hash *)ctx + first, count * sizeof *out);
	return OK;
}

static int group_setup(void **state)
{
	uint8_t seed[32] = "one seed for all of these tests";

	(void)state;
	key_from_seed(&key, seed);
	for (uint32_t branch = 0; branch < 2; branch++) {
		trees[branch] = tree_new();
		for (uint32_t i = 0; i < SIZE; i++) {
			uint32_t leaf[2] = {i, i < PARTED ? 0 : branch};

			leaf_hash(&leaves[branch][i], bytes_of(leaf, sizeof leaf));
			assert_int_equal(tree_append(trees[branch], &leaves[branch][i]), OK);
		}
	}
	return verifier_make(&verifier, bytes_str(ORIGIN), VERIFIER_ED25519, key.public);
}

static int group_teardown(void **state)
{
	(void)state;
	tree_free(trees[0]);
	tree_free(trees[1]);
	return 0;
}

/* A branch's signed head. */
static struct buffer head(unsigned branch, uint64_t size)
{
	struct checkpoint c = {.origin = ORIGIN, .size = size};
	struct buffer note = BUFFER_INIT;

	assert_int_equal(tree_root_at(trees[branch], size, fetch, leaves[branch], c.root), OK);
	assert_int_equal(checkpoint_sign(&note, &c, &key), OK);
	return note;
}

static int check(const struct fork_proof *f)
{
	return fork_proof_check(
	    f->smaller, f->larger, f->has_root ? &f->root : NULL, f->proof, f->count, &verifier);
}

static int build(struct buffer *out, uint64_t a, uint64_t b, unsigned holder)
{
	struct buffer one = head(0, a), other = head(1, b);
	int err = fork_proof_build(out, buffer_bytes(&one), buffer_bytes(&other), &verifier,
	    trees[holder], fetch, leaves[holder]);

	buffer_free(&one);
	buffer_free(&other);
	return err;
}

static void two_heads_prove_a_fork(void **state)
{
	static const uint64_t sizes[] = {301, 302, 400, 511, 512, 513, 699, 700};

	(void)state;
	for (size_t i = 0; i < 8; i++)
		for (size_t k = 0; k < 8; k++) {
			struct buffer encoded = BUFFER_INIT;
			struct fork_proof f;

			/* The holder is whoever has the larger one's history. */
			assert_int_equal(
			    build(&encoded, sizes[i], sizes[k], sizes[k] >= sizes[i]), OK);
			assert_int_equal(fork_proof_decode(buffer_bytes(&encoded), &f), OK);
			assert_int_equal(f.has_root, sizes[i] != sizes[k]);
			assert_int_equal(check(&f), OK);
			if (f.has_root) {
				f.root.bytes[5] ^= 4;
				assert_int_equal(check(&f), ERR_PROOF);
				f.root.bytes[5] ^= 4;
				f.proof[f.count - 1].bytes[0] ^= 1;
				assert_int_equal(check(&f), ERR_PROOF);
				f.proof[f.count - 1].bytes[0] ^= 1;
				f.count--;
				assert_int_equal(check(&f), ERR_PROOF);
				f.has_root = false;
				assert_int_equal(check(&f), ERR_MALFORMED);
			} else {
				f.has_root = true;
				assert_int_equal(check(&f), ERR_MALFORMED);
				f.has_root = false;
				f.count = 1;
				assert_int_equal(check(&f), ERR_MALFORMED);
			}
			f.count = FORK_HASHES_MAX + 1;
			assert_int_equal(check(&f), ERR_TOO_LARGE);
			buffer_free(&encoded);
		}
}

static void one_history_is_no_fork(void **state)
{
	struct buffer encoded = BUFFER_INIT, small = head(0, 290), large = head(1, 700);
	struct tree_hash root, proof[64];
	size_t count;

	(void)state;
	assert_int_equal(build(&encoded, 200, 200, 0), ERR_NOTFOUND);
	assert_int_equal(build(&encoded, 200, 290, 0), ERR_NOTFOUND);
	assert_int_equal(build(&encoded, 300, 700, 1), ERR_NOTFOUND);
	/* A tree that is not the larger head's, or does not reach it. */
	assert_int_equal(build(&encoded, 301, 700, 0), ERR_PROOF);
	assert_int_equal(tree_truncate(trees[1], 600, leaves[1] + 512, 88), OK);
	assert_int_equal(fork_proof_build(&encoded, buffer_bytes(&large), buffer_bytes(&small),
			     &verifier, trees[1], fetch, leaves[1]),
	    ERR_RANGE);
	for (size_t i = 600; i < SIZE; i++)
		assert_int_equal(tree_append(trees[1], &leaves[1][i]), OK);
	assert_int_equal(encoded.len, 0);

	/* The true root in place of a substituted one, and the notes the wrong way round. */
	assert_int_equal(tree_root_at(trees[1], 290, fetch, leaves[1], root.bytes), OK);
	assert_int_equal(
	    tree_prove_consistency(trees[1], 290, 700, fetch, leaves[1], proof, &count), OK);
	assert_int_equal(fork_proof_check(buffer_bytes(&small), buffer_bytes(&large), &root, proof,
			     count, &verifier),
	    ERR_PROOF);
	root.bytes[0] ^= 1;
	assert_int_equal(fork_proof_check(buffer_bytes(&small), buffer_bytes(&large), &root, proof,
			     count, &verifier),
	    ERR_PROOF);
	assert_int_equal(fork_proof_check(buffer_bytes(&large), buffer_bytes(&small), &root, proof,
			     count, &verifier),
	    ERR_MALFORMED);
	buffer_free(&small);
	buffer_free(&large);
}

/* A head signed at the size that is held, and a peer's range that goes on from there on the other
 * branch. */
static void a_range_that_does_not_fit_proves_a_fork(void **state)
{
	static const uint64_t held[] = {301, 384, 512, 600};
	struct buffer larger = head(1, 700);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct tree_hash range[TREE_PROOF_MAX], proof[64], root;
		struct buffer smaller = head(0, held[i]), encoded = BUFFER_INIT;
		struct fork_proof f;
		size_t range_count, count;

		assert_int_equal(tree_prove_range(trees[1], held[i], held[i] + 50, 700, NULL, 0,
				     fetch, leaves[1], range, &range_count),
		    OK);
		assert_int_equal(range_consistency(held[i], leaves[1] + held[i], 50, 700, range,
				     range_count, &root, proof, &count),
		    OK);
		assert_int_equal(fork_proof_make(&encoded, buffer_bytes(&smaller),
				     buffer_bytes(&larger), &root, proof, count, &verifier),
		    OK);
		assert_int_equal(fork_proof_decode(buffer_bytes(&encoded), &f), OK);
		assert_int_equal(check(&f), OK);
		buffer_free(&smaller);
		buffer_free(&encoded);
	}
	buffer_free(&larger);
}

static void heads_must_be_signed(void **state)
{
	struct buffer one = head(0, 400), other = head(1, 400);
	struct key stranger;
	struct verifier wrong;

	(void)state;
	assert_int_equal(
	    fork_proof_check(buffer_bytes(&one), buffer_bytes(&other), NULL, NULL, 0, &verifier),
	    OK);
	key_generate(&stranger);
	assert_int_equal(
	    verifier_make(&wrong, bytes_str(ORIGIN), VERIFIER_ED25519, stranger.public), OK);
	assert_int_equal(
	    fork_proof_check(buffer_bytes(&one), buffer_bytes(&other), NULL, NULL, 0, &wrong),
	    ERR_UNSIGNED);
	other.data[other.len - 20] ^= 1;
	assert_int_not_equal(
	    fork_proof_check(buffer_bytes(&one), buffer_bytes(&other), NULL, NULL, 0, &verifier),
	    OK);
	buffer_free(&one);
	buffer_free(&other);
}

/* However many lines others put under a head, the proof stays small. */
static void foreign_signatures_are_left_out(void **state)
{
	struct buffer fat = BUFFER_INIT, lean = BUFFER_INIT, encoded = BUFFER_INIT;
	struct buffer one = head(0, 400), other = head(1, 400), line = BUFFER_INIT;
	struct checkpoint c;
	struct fork_proof f;

	(void)state;
	assert_int_equal(fork_proof_build(&lean, buffer_bytes(&one), buffer_bytes(&other),
			     &verifier, NULL, NULL, NULL),
	    OK);
	buffer_add(&fat, one.data, one.len);
	for (int i = 0; i < 400; i++) {
		buffer_reset(&line);
		buffer_printf(&line, "n%d.example/cosigner", i);
		assert_int_equal(
		    note_cosign(&fat, bytes_of(one.data, one.len), buffer_bytes(&line), &key, 1),
		    OK);
	}
	assert_true(fat.len > 40000);
	assert_int_equal(fork_proof_build(&encoded, buffer_bytes(&other), buffer_bytes(&fat),
			     &verifier, NULL, NULL, NULL),
	    OK);
	assert_int_equal(encoded.len, lean.len);
	assert_int_equal(fork_proof_decode(buffer_bytes(&encoded), &f), OK);
	assert_int_equal(check(&f), OK);
	assert_int_equal(checkpoint_open(f.larger, &verifier, &c), OK);
	buffer_free(&fat);
	buffer_free(&lean);
	buffer_free(&encoded);
	buffer_free(&one);
	buffer_free(&other);
	buffer_free(&line);
}

static void encoded_form(void **state)
{
	struct fork_proof f = {.smaller = bytes_str("s"), .larger = bytes_str("l")}, g;
	static uint8_t large[FORK_MAX];
	struct buffer out = BUFFER_INIT;

	(void)state;
	/* The other sort, two NODE messages, has nothing else. */
	assert_int_equal(fork_proof_encode(&out, &f), OK);
	assert_int_equal(out.len, 6);
	assert_memory_equal(out.data, "\x0a\1s\x12\1l", 6);
	assert_int_equal(fork_proof_decode(buffer_bytes(&out), &g), OK);
	assert_true(bytes_equal(g.smaller, f.smaller) && bytes_equal(g.larger, f.larger));
	assert_true(!g.has_root && g.count == 0);
	/* A field of a later version is passed over. */
	buffer_add(&out, "\x28\1\x32\1x", 5);
	assert_int_equal(fork_proof_decode(buffer_bytes(&out), &g), OK);
	buffer_reset(&out);

	f.larger = bytes_of(large, sizeof large);
	assert_int_equal(fork_proof_encode(&out, &f), ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	f.larger = bytes_of(NULL, 0);
	assert_int_equal(fork_proof_encode(&out, &f), ERR_INVALID);

	assert_int_equal(fork_proof_decode(bytes_of(large, 0), &g), ERR_MALFORMED);
	assert_int_equal(fork_proof_decode(bytes_of(large, sizeof large + 1), &g), ERR_TOO_LARGE);
	assert_int_equal(fork_proof_decode(bytes_of("\x0a\1s", 3), &g), ERR_MALFORMED);
	assert_int_equal(fork_proof_decode(bytes_of("\x12\1l", 3), &g), ERR_MALFORMED);
	assert_int_equal(fork_proof_decode(bytes_of("\x08\1\x12\1l", 5), &g), ERR_MALFORMED);
	assert_int_equal(fork_proof_decode(bytes_of("\x12\1l\x0a\1s", 6), &g), ERR_NOT_CANONICAL);
	assert_int_equal(
	    fork_proof_decode(bytes_of("\x0a\1s\x12\1l\x1a\1r", 9), &g), ERR_MALFORMED);
	assert_int_equal(
	    fork_proof_decode(bytes_of("\x0a\1s\x12\1l\x22\1p", 9), &g), ERR_MALFORMED);
	for (size_t hashes = 64; hashes <= 65; hashes++) {
		buffer_reset(&out);
		buffer_add(&out, "\x0a\1s\x12\1l\x22", 7);
		buffer_add_u16(&out, hashes == 64 ? 0x8010 : 0xa010);
		buffer_add(&out, large, hashes * HASH_LEN);
		assert_int_equal(
		    fork_proof_decode(buffer_bytes(&out), &g), hashes == 64 ? OK : ERR_TOO_LARGE);
	}
	buffer_free(&out);
}

static int read_file(const char *text)
{
	struct buffer out = BUFFER_INIT;
	int err = fork_file_read(bytes_str(text), &out);

	buffer_free(&out);
	return err;
}

static void file_form(void **state)
{
	struct buffer file = BUFFER_INIT, back = BUFFER_INIT;
	static uint8_t data[FORK_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t len = 1; len <= FORK_MAX; len = len < 200 ? len + 1 : len * 2) {
		size_t body = (len + 2) / 3 * 4, lines = (len + 56) / 57;

		buffer_reset(&file);
		buffer_reset(&back);
		assert_int_equal(fork_file_write(&file, bytes_of(data, len)), OK);
		assert_int_equal(file.len, strlen("convene fork proof v1\n") + body + lines);
		assert_int_equal(fork_file_read(buffer_bytes(&file), &back), OK);
		assert_int_equal(back.len, len);
		assert_memory_equal(back.data, data, len);
	}
	assert_int_equal(fork_file_write(&file, bytes_of(data, FORK_MAX + 1)), ERR_TOO_LARGE);
	assert_int_equal(fork_file_write(&file, bytes_of(data, 0)), ERR_INVALID);
	buffer_free(&file);
	buffer_free(&back);

#define LINE "convene fork proof v1\n"
#define FULL "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	assert_int_equal(read_file(LINE "AAAA\n"), OK);
	assert_int_equal(read_file(LINE FULL "\n"), OK);
	assert_int_equal(read_file(LINE FULL "\nAA==\n"), OK);
	assert_int_equal(read_file(""), ERR_MALFORMED);
	assert_int_equal(read_file(LINE), ERR_MALFORMED);
	assert_int_equal(read_file("convene fork proof v2\nAAAA\n"), ERR_MALFORMED);
	assert_int_equal(read_file(LINE "\n"), ERR_MALFORMED);
	assert_int_equal(read_file(LINE "AAAA"), ERR_MALFORMED);
	assert_int_equal(read_file(LINE "AAAA\nAAAA\n"), ERR_MALFORMED);
	assert_int_equal(read_file(LINE FULL "\n\n"), ERR_MALFORMED);
	assert_int_equal(read_file(LINE FULL "AAAA\n"), ERR_MALFORMED);
	assert_int_equal(read_file(LINE "AAA\n"), ERR_MALFORMED);
	assert_int_equal(read_file(LINE "AA=A\n"), ERR_MALFORMED);
	assert_int_equal(read_file(LINE "AB==\n"), ERR_NOT_CANONICAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_heads_prove_a_fork),
	    cmocka_unit_test(one_history_is_no_fork),
	    cmocka_unit_test(a_range_that_does_not_fit_proves_a_fork),
	    cmocka_unit_test(heads_must_be_signed),
	    cmocka_unit_test(foreign_signatures_are_left_out),
	    cmocka_unit_test(encoded_form),
	    cmocka_unit_test(file_form),
	};

	return crypto_start() == OK ? cmocka_run_group_tests(tests, group_setup, group_teardown)
				    : 1;
}
