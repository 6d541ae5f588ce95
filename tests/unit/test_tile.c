/* SPDX-License-Identifier: BSD-2-Clause */
/* Tiles: their names, which of them a size has, what is in them, and a log that others published.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "log/tile.h"

#define LARGEST 70000

static struct tree_hash *leaves;
static struct tree *tree;

static int grow(void **state)
{
	(void)state;
	leaves = calloc(LARGEST, sizeof *leaves);
	tree = tree_new();
	if (!leaves || !tree)
		return -1;
	for (uint32_t i = 0; i < LARGEST; i++) {
		uint8_t leaf[4];

		put_u32(leaf, i);
		leaf_hash(&leaves[i], bytes_of(leaf, sizeof leaf));
		if (tree_append(tree, &leaves[i]) != OK)
			return -1;
	}
	return 0;
}

static int drop(void **state)
{
	(void)state;
	tree_free(tree);
	free(leaves);
	return 0;
}

static int fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	if (ctx)
		++*(unsigned *)ctx;
	memcpy(out, &leaves[first], count * sizeof *out);
	return OK;
}

static int fetch_wrong(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	fetch(ctx, first, count, out);
	out[count - 1].bytes[31] ^= 1;
	return OK;
}

static void assert_path(unsigned level, uint64_t n, unsigned width, bool entries, const char *want)
{
	const struct tile t = {level, n, width};
	char path[TILE_PATH_MAX];

	assert_int_equal(tile_path(path, &t, entries), strlen(want));
	assert_string_equal(path, want);
}

static void paths(void **state)
{
	(void)state;
	assert_path(0, 0, 256, false, "tile/0/000");
	assert_path(0, 0, 256, true, "tile/entries/000");
	assert_path(1, 999, 1, false, "tile/1/999.p/1");
	assert_path(0, 1000, 255, true, "tile/entries/x001/000.p/255");
	assert_path(7, 1234067, 256, false, "tile/7/x001/x234/067");
	assert_path(0, (UINT64_C(1) << 55) - 1, 255, true,
	    "tile/entries/x036/x028/x797/x018/x963/967.p/255");
}

/* Tiles from a to b, in one string. */
static const char *tiles(uint64_t a, uint64_t b)
{
	static char all[1024];
	struct tile t = {0, 0, 0};
	size_t at = 0;

	all[0] = '\0';
	while (tile_next(&t, a, b)) {
		char path[TILE_PATH_MAX];

		tile_path(path, &t, false);
		at += (size_t)snprintf(all + at, sizeof all - at, "%s ", path + 5);
	}
	return all;
}

static void next(void **state)
{
	struct tile t = {0, 0, 0};
	unsigned count[3] = {0}, width[3] = {0};

	(void)state;
	assert_string_equal(tiles(0, 0), "");
	assert_string_equal(tiles(5, 5), "");
	assert_string_equal(tiles(0, 1), "0/000.p/1 ");
	assert_string_equal(tiles(1, 255), "0/000.p/255 ");
	assert_string_equal(tiles(0, 256), "0/000 1/000.p/1 ");
	assert_string_equal(tiles(255, 256), "0/000 1/000.p/1 ");
	assert_string_equal(tiles(256, 257), "0/001.p/1 ");
	assert_string_equal(tiles(300, 513), "0/001 0/002.p/1 1/000.p/2 ");
	assert_string_equal(tiles(65535, 65537), "0/255 0/256.p/1 1/000 2/000.p/1 ");
	assert_string_equal(tiles(UINT64_C(1) << 62, (UINT64_C(1) << 62) + 1),
	    "0/x018/x014/x398/x509/x481/984.p/1 ");
	/* The specification's example. */
	while (tile_next(&t, 0, 70000)) {
		assert_true(t.level < 3 && t.n == count[t.level]);
		count[t.level]++;
		width[t.level] = t.width;
	}
	assert_int_equal(count[0], 274);
	assert_int_equal(width[0], 112);
	assert_int_equal(count[1], 2);
	assert_int_equal(width[1], 17);
	assert_int_equal(count[2], 1);
	assert_int_equal(width[2], 1);
}

/* Whatever steps a log was published in, its last size has all its tiles. */
static void steps(void **state)
{
	const uint64_t sizes[] = {0, 1, 100, 256, 257, 511, 512, 700, 65535, 65536, 66000, LARGEST};
	const size_t n = sizeof sizes / sizeof sizes[0];

	(void)state;
	for (size_t i = 1; i < n; i++) {
		struct tile want = {0, 0, 0};

		while (tile_next(&want, 0, sizes[i])) {
			bool found = false;

			for (size_t k = 0; k < i && !found; k++) {
				struct tile t = {0, 0, 0};

				while (!found && tile_next(&t, sizes[k], sizes[k + 1]))
					found = t.level == want.level && t.n == want.n &&
						t.width == want.width;
			}
			if (!found)
				fail_msg("size %d: level %u, tile %d of width %u", (int)sizes[i],
				    want.level, (int)want.n, want.width);
		}
	}
}

/* Every hash against the root of the entries that it stands for. */
static void hashes(void **state)
{
	struct tree_hash out[TILE_WIDTH];
	struct tile t = {0, 0, 0};
	unsigned fetched = 0;

	(void)state;
	while (tile_next(&t, 0, LARGEST)) {
		assert_int_equal(tile_hashes(tree, &t, fetch, &fetched, out), OK);
		if (t.level == 0) {
			assert_memory_equal(
			    out, &leaves[t.n * 256], t.width * sizeof(struct tree_hash));
			continue;
		}
		for (unsigned i = 0; i < t.width; i += t.level == 1 ? 37 : 1) {
			uint64_t span = t.level == 1 ? 256 : 65536;
			struct tree *part = tree_new();
			uint8_t root[HASH_LEN];

			assert_non_null(part);
			for (uint64_t e = 0; e < span; e++)
				assert_int_equal(
				    tree_append(part, &leaves[(t.n * 256 + i) * span + e]), OK);
			tree_root(part, root);
			assert_memory_equal(out[i].bytes, root, HASH_LEN);
			tree_free(part);
		}
	}
	assert_int_equal(fetched, 273);
}

static void refused(void **state)
{
	struct tree_hash out[TILE_WIDTH];
	const struct tile full = {0, 1, 256}, part = {0, 1, 44}, last = {0, 273, 112};
	const struct tile beyond[] = {{0, 273, 113}, {0, 274, 1}, {1, 1, 18}, {2, 0, 2}, {3, 0, 1},
	    {8, 0, 1}, {0, UINT64_MAX / 256, 1}, {0, 0, 0}, {0, 0, 257}};

	(void)state;
	for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++)
		assert_int_equal(tile_hashes(tree, &beyond[i], fetch, NULL, out), ERR_RANGE);
	assert_int_equal(tile_hashes(tree, &full, NULL, NULL, out), ERR_NOTFOUND);
	assert_int_equal(tile_hashes(tree, &full, fetch_wrong, NULL, out), ERR_STORE);
	assert_int_equal(tile_hashes(tree, &last, NULL, NULL, out), OK);
	/* A partial tile of an earlier size. */
	assert_int_equal(tile_hashes(tree, &part, fetch, NULL, out), OK);
	assert_memory_equal(out, &leaves[256], 44 * sizeof out[0]);
}

/* ---- logs that others published ---- */

#define TESSERA "transparency-dev_tessera/testdata/log"
#define SUNLIGHT                                                     \
	"FiloSottile_sunlight/cmd/skylight/testdata/witness/mirror/" \
	"000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706"

static struct bytes corpus_file(const char *folder, const char *rest)
{
	const char *corpus = getenv("CONVENE_CORPUS");
	enum { ROOM = 65536 };
	char path[4096];
	uint8_t *data;
	size_t len;
	FILE *file;

	snprintf(
	    path, sizeof path, "%s/vectors/%s/%s", corpus ? corpus : "../shared", folder, rest);
	file = fopen(path, "rb");
	if (!file)
		return bytes_of(NULL, 0);
	data = malloc(ROOM);
	assert_non_null(data);
	len = fread(data, 1, ROOM, file);
	fclose(file);
	return bytes_of(data, len);
}

/* 15 entries, each size with its partial tile and bundle. */
static void tessera(void **state)
{
	struct bytes leaf, whole = corpus_file(TESSERA, "tile/entries/000.p/15");
	struct tree *grown = tree_new();
	size_t pos = 0, files = 0;

	(void)state;
	if (!whole.data) {
		tree_free(grown);
		skip();
	}
	for (uint64_t size = 1; leaves_next(whole, &pos, &leaf) == OK; size++) {
		struct tree_hash hash, out[TILE_WIDTH];
		struct tile t = {0, 0, 0};

		leaf_hash(&hash, leaf);
		assert_int_equal(tree_append(grown, &hash), OK);
		while (tile_next(&t, size - 1, size)) {
			char path[TILE_PATH_MAX];
			struct bytes file;

			assert_int_equal(tile_hashes(grown, &t, NULL, NULL, out), OK);
			tile_path(path, &t, false);
			file = corpus_file(TESSERA, path);
			assert_true(bytes_equal(file, bytes_of(out, t.width * sizeof out[0])));
			free((void *)(uintptr_t)file.data);
			tile_path(path, &t, true);
			file = corpus_file(TESSERA, path);
			assert_true(bytes_equal(file, bytes_of(whole.data, pos)));
			free((void *)(uintptr_t)file.data);
			files += 2;
		}
	}
	assert_int_equal(tree_size(grown), 15);
	print_message(
	    "# vectors: " TESSERA "/tile: %zu tiles and bundles are the same bytes\n", files);
	free((void *)(uintptr_t)whole.data);
	tree_free(grown);
}

/* 300 entries: one tile is full, and has one above it. */
static void sunlight(void **state)
{
	struct bytes note = corpus_file(SUNLIGHT, "checkpoint");
	struct tree *grown = tree_new();
	struct tree_hash read[300], out[TILE_WIDTH];
	struct tile t = {0, 0, 0};
	uint8_t root[HASH_LEN];
	struct checkpoint c;
	struct note parsed;
	size_t files = 0;

	(void)state;
	if (!note.data) {
		tree_free(grown);
		skip();
	}
	while (tile_next(&t, 0, 300)) {
		char path[TILE_PATH_MAX];
		struct bytes file;

		tile_path(path, &t, false);
		file = corpus_file(SUNLIGHT, path);
		assert_int_equal(file.len, t.width * sizeof out[0]);
		if (t.level == 0) {
			memcpy(&read[256 * t.n], file.data, file.len);
			for (unsigned i = 0; i < t.width; i++)
				assert_int_equal(tree_append(grown, &read[256 * t.n + i]), OK);
		} else {
			assert_int_equal(tile_hashes(grown, &t, NULL, NULL, out), OK);
			assert_memory_equal(out, file.data, file.len);
		}
		free((void *)(uintptr_t)file.data);
		files++;
	}
	assert_int_equal(note_parse(&parsed, note), OK);
	assert_int_equal(checkpoint_parse(parsed.text, &c), OK);
	assert_int_equal(c.size, 300);
	tree_root(grown, root);
	assert_memory_equal(c.root, root, HASH_LEN);
	print_message(
	    "# vectors: " SUNLIGHT "/tile: %zu tiles have the root of its checkpoint\n", files);
	free((void *)(uintptr_t)note.data);
	tree_free(grown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths),
	    cmocka_unit_test(next),
	    cmocka_unit_test(steps),
	    cmocka_unit_test(hashes),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(tessera),
	    cmocka_unit_test(sunlight),
	};

	return cmocka_run_group_tests(tests, grow, drop);
}
