/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/vectors/v1.json: it is what its generator makes, and what the libraries read, verify and
 * compute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/pack.h"
#include "log/checkpoint.h"
#include "log/tree.h"
#include "msg/body.h"
#include "msg/content.h"
#include "msg/message.h"
#include "tests/vectors/vectors.h"

#define LEAVES_MAX 64

static json_t *vectors;
static char *text;
static uint8_t forum[HASH_LEN];
static struct binding binding;

static const char *str(const json_t *from, const char *name)
{
	const char *s = json_string_value(json_object_get(from, name));
	assert_non_null(s);
	return s;
}

/* Bytes of a hexadecimal text; free() the data. */
static struct bytes hex(const json_t *value)
{
	const char *s = json_string_value(value);
	assert_non_null(s);
	size_t len = strlen(s) / 2;
	uint8_t *data = malloc(len + 1);
	assert_non_null(data);
	assert_int_equal(hex_decode(data, len, s, strlen(s)), OK);
	return bytes_of(data, len);
}

static void bytes_free(struct bytes b)
{
	free((void *)(uintptr_t)b.data);
}

static void hex_into(uint8_t *out, size_t len, const json_t *from, const char *name)
{
	struct bytes b = hex(json_object_get(from, name));
	assert_int_equal(b.len, len);
	memcpy(out, b.data, len);
	bytes_free(b);
}

static void key_of(struct key *key, const char *role)
{
	uint8_t seed[32], public[KEY_LEN];
	const json_t *one = json_object_get(json_object_get(vectors, "keys"), role);
	hex_into(seed, sizeof(seed), one, "seed");
	hex_into(public, sizeof(public), one, "public");
	key_from_seed(key, seed);
	assert_memory_equal(key->public, public, KEY_LEN);
}

static int setup(void **state)
{
	(void)state;
	char path[4096];
	const char *srcdir = getenv("srcdir");
	snprintf(path, sizeof(path), "%s/tests/vectors/v1.json", srcdir != NULL ? srcdir : ".");
	json_error_t error;
	vectors = json_load_file(path, 0, &error);
	FILE *f = fopen(path, "r");
	if (vectors == NULL || f == NULL || crypto_start() != OK) {
		fprintf(stderr, "%s: %s\n", path, error.text);
		return -1;
	}
	enum { ROOM = 1 << 20 };
	text = calloc(1, ROOM);
	if (text == NULL || fread(text, 1, ROOM - 1, f) == 0)
		return -1;
	fclose(f);
	hex_into(forum, sizeof(forum), json_object_get(vectors, "charter"), "forum");
	return binding_make(
	    &binding, forum, bytes_str(str(json_object_get(vectors, "log"), "name")));
}

static int teardown(void **state)
{
	(void)state;
	json_decref(vectors);
	free(text);
	return 0;
}

static void test_generated(void **state)
{
	(void)state;
	char *again = vectors_make();
	assert_string_equal(again, text);
	free(again);
}

static void test_charter_and_log(void **state)
{
	(void)state;
	const json_t *charter = json_object_get(vectors, "charter"),
		     *log = json_object_get(vectors, "log");
	struct bytes bytes = bytes_str(str(charter, "note"));
	struct note note;
	struct verifier root, named;
	uint8_t hash[HASH_LEN], digest[DIGEST_LEN];
	assert_int_equal(note_parse(&note, bytes), OK);
	assert_true(bytes_equal(note.text, bytes_str(str(charter, "text"))));
	hash_of(hash, note.text.data, note.text.len);
	assert_memory_equal(hash, forum, HASH_LEN);
	const json_t *keys = json_object_get(vectors, "keys");
	assert_int_equal(
	    verifier_parse(&root, bytes_str(str(json_object_get(keys, "root"), "verifier_key"))),
	    OK);
	assert_int_equal(note_verify(&note, &root, NULL), OK);

	char name[VERIFIER_NAME_MAX + 1];
	struct key root_key, log_key;
	key_of(&root_key, "root");
	key_of(&log_key, "log");
	assert_int_equal(
	    log_name_make(name, forum, root_key.public, log_key.public, bytes_str(root.name), 1),
	    OK);
	assert_string_equal(name, str(log, "name"));
	hex_into(digest, sizeof(digest), log, "digest");
	assert_memory_equal(digest, binding.digest, DIGEST_LEN);
	assert_int_equal(verifier_parse(&named, bytes_str(str(log, "verifier_key"))), OK);
	assert_string_equal(named.name, name);
	assert_memory_equal(named.public, log_key.public, KEY_LEN);

	const char *domain;
	json_t *value;
	json_object_foreach(json_object_get(vectors, "bindings"), domain, value)
	{
		struct buffer b = BUFFER_INIT;
		struct bytes want = hex(value);
		binding_add(&b, &binding, domain);
		assert_true(bytes_equal(buffer_bytes(&b), want));
		bytes_free(want);
		buffer_free(&b);
	}
}

/* The header's field of this name is there, or absent, as the vectors have it. */
static void check_number(const json_t *fields, const char *name, uint64_t value)
{
	assert_true((uint64_t)json_integer_value(json_object_get(fields, name)) == value);
}

static void check_ref(const json_t *fields, const char *name, const struct ref *ref)
{
	json_t *value = json_object_get(fields, name);
	assert_int_equal(value != NULL, ref->present);
	if (value == NULL)
		return;
	struct bytes want = hex(value);
	assert_int_equal(want.len, DIGEST_LEN + ID_LEN);
	assert_memory_equal(want.data, ref->log, DIGEST_LEN);
	assert_memory_equal(want.data + DIGEST_LEN, ref->id, ID_LEN);
	bytes_free(want);
}

static void check_content(const json_t *one, const struct header *h)
{
	uint8_t salt[SALT_LEN], hash[HASH_LEN];
	struct content c;
	hex_into(salt, sizeof(salt), one, "salt");
	struct bytes content = hex(json_object_get(one, "content"));
	struct bytes committed = hex(json_object_get(one, "committed"));
	assert_int_equal(content_check(h, &binding, salt, content), OK);
	hash_of(hash, committed.data, committed.len);
	assert_memory_equal(hash, h->commitment, HASH_LEN);
	assert_int_equal(content_parse(content, &c), OK);
	assert_int_equal(c.profile.present, h->kind == KIND_ENROL);
	content_clear(&c);
	bytes_free(content);
	bytes_free(committed);
}

static void check_body(const struct header *h)
{
	struct node_body node;
	struct admit_body admit;
	struct enrol_body enrol;
	struct revoke_body revoke;
	struct target_body target;
	switch (h->kind) {
	case KIND_NODE:
		assert_int_equal(node_body_parse(h->body, &node), OK);
		break;
	case KIND_ADMIT:
		assert_int_equal(admit_body_parse(h->body, &admit), OK);
		break;
	case KIND_ENROL:
		assert_int_equal(enrol_body_parse(h->body, &enrol), OK);
		assert_int_equal(
		    device_verify(enrol.device_signature, DEVICE_DOMAIN, &binding, enrol.identity,
			enrol.device_key, enrol.custody, enrol.device_key),
		    OK);
		break;
	case KIND_REVOKE:
		assert_int_equal(revoke_body_parse(h->body, &revoke), OK);
		break;
	case KIND_AMEND:
		assert_int_equal(amend_body_parse(h->body, &target), OK);
		break;
	case KIND_ERASE:
		assert_int_equal(erase_body_parse(h->body, &target), OK);
		break;
	default:
		assert_int_equal(h->body.len, 0);
		break;
	}
}

static void test_messages(void **state)
{
	(void)state;
	size_t i;
	json_t *one;
	bool seen[KIND_LAST_KNOWN + 1] = {false};
	json_array_foreach(json_object_get(vectors, "messages"), i, one)
	{
		struct bytes header = hex(json_object_get(one, "header")),
			     sig = hex(json_object_get(one, "signature"));
		struct bytes input = hex(json_object_get(one, "signed"));
		struct buffer m = BUFFER_INIT;
		struct header h;
		uint8_t id[ID_LEN], want[ID_LEN];
		struct tree_hash leaf;
		buffer_add(&m, header.data, header.len);
		buffer_add(&m, sig.data, sig.len);
		assert_int_equal(message_parse(buffer_bytes(&m), &h), OK);
		assert_int_equal(message_verify(buffer_bytes(&m), &binding, h.signer), OK);
		assert_int_equal(key_verify(h.signer, sig.data, input), OK);
		message_id(id, buffer_bytes(&m), &binding);
		hex_into(want, sizeof(want), one, "id");
		assert_memory_equal(id, want, ID_LEN);
		leaf_hash(&leaf, buffer_bytes(&m));
		hex_into(want, sizeof(want), one, "leaf_hash");
		assert_memory_equal(leaf.bytes, want, HASH_LEN);

		const json_t *fields = json_object_get(one, "fields");
		check_number(fields, "version", 1);
		check_number(fields, "sequence", h.sequence);
		check_number(fields, "kind", h.kind);
		check_number(fields, "time", h.time);
		check_number(fields, "bucket", h.bucket);
		check_number(fields, "topic_index", h.topic.index);
		check_number(fields, "parent_index", h.parent.index);
		check_ref(fields, "topic", &h.topic);
		check_ref(fields, "parent", &h.parent);
		assert_int_equal(json_object_get(one, "content") != NULL, h.has_commitment);
		if (h.has_commitment)
			check_content(one, &h);
		check_body(&h);
		assert_true(h.kind <= KIND_LAST_KNOWN);
		seen[h.kind] = true;
		bytes_free(header);
		bytes_free(sig);
		bytes_free(input);
		buffer_free(&m);
	}
	for (uint32_t kind = 1; kind <= KIND_LAST_KNOWN; kind++)
		assert_true(seen[kind]);
}

static size_t leaves_of(struct tree_hash *out)
{
	size_t i;
	json_t *one, *messages = json_object_get(vectors, "messages");
	assert_in_range(json_array_size(messages), 1, LEAVES_MAX);
	json_array_foreach(messages, i, one) hex_into(out[i].bytes, HASH_LEN, one, "leaf_hash");
	return i;
}

static int fetch(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	memcpy(out, (const struct tree_hash *)ctx + first, count * sizeof(*out));
	return OK;
}

static void test_tree(void **state)
{
	(void)state;
	struct tree_hash leaves[LEAVES_MAX], proof[TREE_PROOF_MAX];
	uint8_t root[HASH_LEN], want[HASH_LEN];
	size_t count = leaves_of(leaves), hashes, i;
	struct tree *tree = tree_new();
	assert_non_null(tree);
	for (size_t size = 1; size <= count; size++) {
		char name[24];
		snprintf(name, sizeof(name), "%zu", size);
		assert_int_equal(tree_append(tree, &leaves[size - 1]), OK);
		tree_root(tree, root);
		hex_into(want, sizeof(want), json_object_get(vectors, "roots"), name);
		assert_memory_equal(root, want, HASH_LEN);
	}

	const json_t *range = json_object_get(vectors, "range_proof");
	uint64_t first = (uint64_t)json_integer_value(json_object_get(range, "first"));
	uint64_t end = (uint64_t)json_integer_value(json_object_get(range, "end"));
	check_number(range, "size", count);
	json_t *value, *list = json_object_get(range, "hashes");
	assert_int_equal(
	    tree_prove_range(tree, first, end, count, NULL, 0, fetch, leaves, proof, &hashes), OK);
	assert_int_equal(hashes, json_array_size(list));
	json_array_foreach(list, i, value)
	{
		struct bytes b = hex(value);
		assert_memory_equal(proof[i].bytes, b.data, HASH_LEN);
		bytes_free(b);
	}
	assert_int_equal(
	    range_verify(first, leaves + first, (size_t)(end - first), count, proof, hashes, root),
	    OK);
	tree_free(tree);
}

static void test_checkpoint(void **state)
{
	(void)state;
	struct verifier log, cosigner;
	struct checkpoint c;
	struct note note;
	uint8_t root[HASH_LEN], hash[HASH_LEN];
	uint64_t time;
	char size[24];
	const char *checkpoint = str(vectors, "checkpoint");
	assert_int_equal(
	    verifier_parse(&log, bytes_str(str(json_object_get(vectors, "log"), "verifier_key"))),
	    OK);
	assert_int_equal(checkpoint_open(bytes_str(checkpoint), &log, &c), OK);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)c.size);
	assert_int_equal(c.size, json_array_size(json_object_get(vectors, "messages")));
	hex_into(root, sizeof(root), json_object_get(vectors, "roots"), size);
	assert_memory_equal(c.root, root, HASH_LEN);

	/* The cosignature, put behind the log's own signature. */
	const json_t *cosignature = json_object_get(vectors, "cosignature");
	const json_t *key = json_object_get(json_object_get(vectors, "keys"), "cosigner");
	struct buffer both = BUFFER_INIT;
	buffer_add_str(&both, checkpoint);
	buffer_add_str(&both, str(cosignature, "line"));
	assert_int_equal(verifier_parse(&cosigner, bytes_str(str(key, "verifier_key"))), OK);
	assert_int_equal(note_parse(&note, buffer_bytes(&both)), OK);
	assert_int_equal(note_verify(&note, &cosigner, &time), OK);
	check_number(cosignature, "time", time);
	assert_int_equal(time, 1780000000);

	buffer_reset(&both);
	buffer_add(&both, "convene/v1/frontier", 20);
	buffer_add(&both, binding.digest, DIGEST_LEN);
	buffer_add_u64(&both, c.size);
	buffer_add(&both, c.root, HASH_LEN);
	hash_of(hash, both.data, both.len);
	hex_into(root, sizeof(root), vectors, "frontier");
	assert_memory_equal(hash, root, HASH_LEN);
	buffer_free(&both);
}

static int parse_header(const json_t *value)
{
	struct bytes header = hex(value);
	struct buffer m = BUFFER_INIT;
	struct header h;
	static const uint8_t signature[SIG_LEN];
	buffer_add(&m, header.data, header.len);
	buffer_add(&m, signature, sizeof(signature));
	int err = message_parse(buffer_bytes(&m), &h);
	buffer_free(&m);
	bytes_free(header);
	return err;
}

static void test_malformed(void **state)
{
	(void)state;
	size_t i;
	json_t *one;
	assert_int_equal(parse_header(json_object_get(vectors, "well_formed_header")), OK);
	json_array_foreach(json_object_get(vectors, "malformed_headers"), i, one)
	{
		int err = parse_header(json_object_get(one, "header"));
		assert_true(err == ERR_MALFORMED || err == ERR_NOT_CANONICAL);
	}
	assert_true(i > 8);
}

static void test_packed(void **state)
{
	struct unpacker *u = unpacker_new();
	struct buffer out = BUFFER_INIT;
	size_t i;
	json_t *one;

	(void)state;
	json_array_foreach(json_object_get(vectors, "packed"), i, one)
	{
		struct bytes packed = hex(json_object_get(one, "packed")),
			     data = bytes_str(str(one, "data"));

		buffer_reset(&out);
		assert_int_equal(unpacker_take(u, packed, data.len, &out), OK);
		assert_true(bytes_equal(buffer_bytes(&out), data));
		bytes_free(packed);
	}
	assert_int_equal(i, 3);
	unpacker_free(u);
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_generated),
	    cmocka_unit_test(test_charter_and_log),
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_checkpoint),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_packed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
