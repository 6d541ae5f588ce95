/* SPDX-License-Identifier: BSD-2-Clause */
/* Published vectors for Merkle trees: the eight leaves of RFC 6962's first implementation, and the
 * probes of transparency-dev/merkle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>

#include "base/encode.h"
#include "base/error.h"
#include "log/tree.h"

static char *corpus_path(const char *rest)
{
	const char *corpus = getenv("CONVENE_CORPUS");
	char *path = NULL;

	if (corpus)
		assert_true(
		    asprintf(&path, "%s/vectors/transparency-dev_merkle/%s", corpus, rest) > 0);
	return path;
}

static void eight_leaves(void **state)
{
	char *path = corpus_path("rfc6962-8leaf.json");
	json_t *file = path ? json_load_file(path, 0, NULL) : NULL;
	struct tree *tree = tree_new();
	const json_t *inputs, *hashes, *roots;
	uint8_t input[64], want[HASH_LEN], got[HASH_LEN];

	(void)state;
	free(path);
	if (!file) {
		tree_free(tree);
		skip();
	}
	inputs = json_object_get(file, "leaf_inputs_hex");
	hashes = json_object_get(file, "leaf_hashes_hex");
	roots = json_object_get(file, "roots_by_size_hex");
	assert_int_equal(json_array_size(inputs), 8);
	assert_int_equal(json_array_size(hashes), 8);
	assert_int_equal(json_array_size(roots), 9);
	for (size_t i = 0;; i++) {
		const char *text = json_string_value(json_array_get(roots, i));
		struct tree_hash leaf;

		assert_int_equal(hex_decode(want, HASH_LEN, text, strlen(text)), OK);
		tree_root(tree, got);
		assert_memory_equal(got, want, HASH_LEN);
		if (i == 8)
			break;
		text = json_string_value(json_array_get(inputs, i));
		assert_int_equal(hex_decode(input, strlen(text) / 2, text, strlen(text)), OK);
		leaf_hash(&leaf, bytes_of(input, strlen(text) / 2));
		text = json_string_value(json_array_get(hashes, i));
		assert_int_equal(hex_decode(want, HASH_LEN, text, strlen(text)), OK);
		assert_memory_equal(leaf.bytes, want, HASH_LEN);
		assert_int_equal(tree_append(tree, &leaf), OK);
	}
	tree_free(tree);
	json_decref(file);
	print_message("# vectors: transparency-dev_merkle/rfc6962-8leaf.json: 8 leaves, 9 roots\n");
}

/* A probe's hash. False when it has another length than hashes have, which our interface can't
 * express: such a probe must be one that wants an error. */
static bool probe_hash(const json_t *text, struct tree_hash *out)
{
	uint8_t bytes[256];
	size_t len = sizeof bytes;
	const char *s = json_string_value(text);

	assert_non_null(s);
	assert_int_equal(base64_decode(bytes, &len, s, strlen(s)), OK);
	if (len != HASH_LEN)
		return false;
	memcpy(out->bytes, bytes, HASH_LEN);
	return true;
}

/* The exception is a root that is the same short text on both sides: its hash will do for it. */
static void probe_root(const json_t *text, struct tree_hash *out)
{
	const char *s = json_string_value(text);

	assert_non_null(s);
	if (!probe_hash(text, out))
		hash_of(out->bytes, s, strlen(s));
}

static bool probe_proof(const json_t *list, struct tree_hash out[static 64], size_t *count)
{
	*count = json_array_size(list);
	assert_true(*count <= 64);
	for (size_t i = 0; i < *count; i++)
		if (!probe_hash(json_array_get(list, i), &out[i]))
			return false;
	return true;
}

/* Read as a real one, because 2^64 - 1 occurs; all others are small. */
static uint64_t number(const json_t *probe, const char *name)
{
	const json_t *value = json_object_get(probe, name);

	assert_true(json_is_real(value));
	return json_real_value(value) < 0x1p64 ? (uint64_t)json_real_value(value) : UINT64_MAX;
}

static int inclusion_probe(const json_t *probe)
{
	struct tree_hash root, leaf, proof[64];
	size_t count;

	if (!probe_hash(json_object_get(probe, "root"), &root) ||
	    !probe_hash(json_object_get(probe, "leafHash"), &leaf) ||
	    !probe_proof(json_object_get(probe, "proof"), proof, &count))
		return ERR_PROOF;
	return inclusion_verify(
	    number(probe, "leafIdx"), number(probe, "treeSize"), &leaf, proof, count, root.bytes);
}

static int consistency_probe(const json_t *probe)
{
	struct tree_hash one, two, proof[64];
	size_t count;

	probe_root(json_object_get(probe, "root1"), &one);
	probe_root(json_object_get(probe, "root2"), &two);
	if (!probe_proof(json_object_get(probe, "proof"), proof, &count))
		return ERR_PROOF;
	return consistency_verify(
	    number(probe, "size1"), number(probe, "size2"), proof, count, one.bytes, two.bytes);
}

/* A subtree [start, end) of a Merkle tree certificate's log: start is a multiple of the least power
 * of two that is not below its width. Our protocol has none, but where one begins at 0, or is a
 * single entry, its proofs are RFC 6962's. */
static bool is_subtree(uint64_t start, uint64_t end)
{
	uint64_t span = 1;

	if (start >= end)
		return false;
	while (span < end - start)
		span *= 2;
	return start % span == 0;
}

static int subtree_inclusion_probe(const json_t *probe)
{
	uint64_t index = number(probe, "leafIdx"), start = number(probe, "start");
	uint64_t end = number(probe, "end");
	struct tree_hash root, leaf, proof[64];
	size_t count;

	if (!is_subtree(start, end) || index < start ||
	    !probe_hash(json_object_get(probe, "root"), &root) ||
	    !probe_hash(json_object_get(probe, "leafHash"), &leaf) ||
	    !probe_proof(json_object_get(probe, "proof"), proof, &count))
		return ERR_PROOF;
	return inclusion_verify(index - start, end - start, &leaf, proof, count, root.bytes);
}

static int subtree_consistency_probe(const json_t *probe)
{
	uint64_t start = number(probe, "start"), end = number(probe, "end");
	uint64_t size = number(probe, "size");
	struct tree_hash one, two, proof[64];
	size_t count;

	probe_root(json_object_get(probe, "root1"), &one);
	probe_root(json_object_get(probe, "root2"), &two);
	if (!probe_proof(json_object_get(probe, "proof"), proof, &count))
		return ERR_PROOF;
	/* Of nothing there is nothing to prove: a rule of theirs, above the proofs. */
	if (start == end) {
		uint8_t nothing[HASH_LEN];

		hash_of(nothing, "", 0);
		return count == 0 && memcmp(one.bytes, nothing, HASH_LEN) == 0 ? OK : ERR_PROOF;
	}
	if (!is_subtree(start, end))
		return ERR_PROOF;
	if (start == 0)
		return consistency_verify(end, size, proof, count, one.bytes, two.bytes);
	if (end - start == 1)
		return inclusion_verify(start, size, &one, proof, count, two.bytes);
	fail_msg("a subtree [%d, %d) that nothing here can verify", (int)start, (int)end);
	return ERR_PROOF;
}

/* Run every .json below `folder`; counts them and those that verify. */
static void probe_folder(
    const char *folder, int (*probe)(const json_t *), size_t *count, size_t *good)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		char *path;

		if (entry->d_name[0] == '.')
			continue;
		assert_true(asprintf(&path, "%s/%s", folder, entry->d_name) > 0);
		if (len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0) {
			json_t *file = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL);
			bool want = json_is_false(json_object_get(file, "wantErr"));

			assert_non_null(file);
			if ((probe(file) == OK) != want)
				fail_msg("%s: expected %s", path, want ? "OK" : "an error");
			++*count;
			*good += want;
			json_decref(file);
		} else {
			probe_folder(path, probe, count, good);
		}
		free(path);
	}
	closedir(dir);
}

static void run_probes(const char *name, size_t all, int (*probe)(const json_t *))
{
	char *path = corpus_path(name);
	DIR *dir = path ? opendir(path) : NULL;
	size_t count = 0, good = 0;

	if (!dir) {
		free(path);
		skip();
	}
	closedir(dir);
	probe_folder(path, probe, &count, &good);
	free(path);
	assert_int_equal(count, all);
	assert_true(good > 3);
	print_message("# vectors: transparency-dev_merkle/%s: %zu read, %zu of them good\n", name,
	    count, good);
}

static void inclusion_probes(void **state)
{
	(void)state;
	run_probes("testdata/inclusion", 98, inclusion_probe);
}

static void consistency_probes(void **state)
{
	(void)state;
	run_probes("testdata/consistency", 98, consistency_probe);
}

static void subtree_inclusion_probes(void **state)
{
	(void)state;
	run_probes("testdata/subtreeinclusion", 204, subtree_inclusion_probe);
}

static void subtree_consistency_probes(void **state)
{
	(void)state;
	run_probes("testdata/subtreeconsistency", 118, subtree_consistency_probe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(eight_leaves),
	    cmocka_unit_test(inclusion_probes),
	    cmocka_unit_test(consistency_probes),
	    cmocka_unit_test(subtree_inclusion_probes),
	    cmocka_unit_test(subtree_consistency_probes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
