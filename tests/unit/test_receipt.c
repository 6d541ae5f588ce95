/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/member/receipt: what proves to whoever has the charter that an entry is anchored, and that
 * nothing less does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "log/checkpoint.h"
#include "member/anchor.h"
#include "member/receipt.h"
#include "member_fixture.h"

#define ORGS 5 /* a, b and c are founders */
#define SIZE 7
#define SECONDS 1790000123

struct org {
	char name[16], log_name[VERIFIER_NAME_MAX + 1];
	struct key root, log, cosigner;
	struct binding binding;
	struct buffer node;
};

static struct org orgs[ORGS];
static struct verifier founders[3];
static struct charter charter;
static struct tree *tree;
static struct buffer entries[SIZE];

static void org_key(struct org *o, uint8_t seed, uint8_t cosigner, uint64_t serial)
{
	struct node_body body = fixture_node(
	    o->name, serial, (uint8_t)(seed + 1), (uint8_t)(seed + 2), cosigner);

	o->cosigner = fixture_key(cosigner);
	buffer_reset(&o->node);
	assert_int_equal(credential_make(&o->node, o->log_name, charter.forum, o->name, 1, &o->root,
			     &body, serial, FIXTURE_TIME),
	    OK);
}

static int setup(void **state)
{
	(void)state;
	fixture_charter(&charter, founders, 3, 2);
	charter.anchor = 2;
	for (unsigned i = 0; i < ORGS; i++) {
		struct org *o = &orgs[i];
		uint8_t seed = (uint8_t)(10 * i + 1);

		snprintf(o->name, sizeof o->name, "%c.example", (char)('a' + i));
		o->root = fixture_key(seed);
		o->log = fixture_key((uint8_t)(seed + 1));
		org_key(o, seed, (uint8_t)(seed + 3), 1);
		assert_int_equal(
		    binding_make(&o->binding, charter.forum, bytes_str(o->log_name)), OK);
		if (i < 3)
			assert_int_equal(verifier_make(&founders[i], bytes_str(o->name),
					     VERIFIER_ED25519, o->root.public),
			    OK);
	}
	tree = tree_new();
	for (unsigned i = 0; i < SIZE; i++) {
		struct header h = {
		    .version = 1, .sequence = 2 + i, .kind = 99, .time = FIXTURE_TIME};
		struct tree_hash leaf;

		memcpy(h.signer, orgs[0].root.public, KEY_LEN);
		assert_int_equal(
		    message_sign(&entries[i], &orgs[0].binding, &h, &orgs[0].root), OK);
		leaf_hash(&leaf, buffer_bytes(&entries[i]));
		assert_int_equal(tree_append(tree, &leaf), OK);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ORGS; i++)
		buffer_free(&orgs[i].node);
	for (unsigned i = 0; i < SIZE; i++)
		buffer_free(&entries[i]);
	tree_free(tree);
	return 0;
}

/* ---- making ---- */

struct making {
	struct receipt_paper papers[16];
	struct buffer messages[16];
	size_t paper_count;
	struct buffer proofs[4];
	size_t proof_count;
};

static void paper(struct making *m, const struct org *o, const struct buffer *message)
{
	struct buffer *copy = &m->messages[m->paper_count];

	buffer_add(copy, message->data, message->len);
	m->papers[m->paper_count++] = (struct receipt_paper){
	    bytes_str(o->log_name), buffer_bytes(copy)};
}

static void admits(struct making *m, const struct org *by, const struct org *whom)
{
	struct admit_body body = {.name = bytes_str(whom->name)};
	struct header h = {.version = 1, .sequence = 9, .kind = KIND_ADMIT, .time = FIXTURE_TIME};
	struct buffer encoded = BUFFER_INIT, message = BUFFER_INIT;

	memcpy(body.root_key, whom->root.public, KEY_LEN);
	assert_int_equal(admit_body_encode(&encoded, &body), OK);
	h.body = buffer_bytes(&encoded);
	memcpy(h.signer, by->root.public, KEY_LEN);
	assert_int_equal(message_sign(&message, &by->binding, &h, &by->root), OK);
	paper(m, by, &message);
	buffer_free(&encoded);
	buffer_free(&message);
}

/* A proof of an entry of a's log under its head of a size, cosigned by those whose letters stand in
 * `who`. */
static void proof(struct making *m, uint64_t index, uint64_t size, const char *who)
{
	struct checkpoint c;
	struct buffer note = BUFFER_INIT;
	struct tree_hash hashes[64];
	struct note parsed;
	size_t count;

	memset(&c, 0, sizeof c);
	strcpy(c.origin, orgs[0].log_name);
	c.size = size;
	assert_int_equal(tree_root_at(tree, size, NULL, NULL, c.root), OK);
	assert_int_equal(checkpoint_sign(&note, &c, &orgs[0].log), OK);
	for (; *who; who++) {
		const struct org *o = &orgs[*who - 'a'];
		char name[64];

		snprintf(name, sizeof name, "%s/cosigner", o->name);
		assert_int_equal(note_parse(&parsed, buffer_bytes(&note)), OK);
		assert_int_equal(
		    note_cosign(&note, parsed.text, bytes_str(name), &o->cosigner, SECONDS), OK);
	}
	assert_int_equal(tree_prove_inclusion(tree, index, size, NULL, NULL, hashes, &count), OK);
	assert_int_equal(tlog_proof_write(&m->proofs[m->proof_count++], index, hashes, count,
			     buffer_bytes(&note)),
	    OK);
	buffer_free(&note);
}

static void text_of(const struct making *m, uint64_t index, struct buffer *out)
{
	struct bytes proofs[4];

	for (size_t i = 0; i < m->proof_count; i++)
		proofs[i] = buffer_bytes(&m->proofs[i]);
	assert_int_equal(receipt_write(out, charter.forum, buffer_bytes(&entries[index]), m->papers,
			     m->paper_count, proofs, m->proof_count),
	    OK);
}

static void making_free(struct making *m)
{
	for (size_t i = 0; i < m->paper_count; i++)
		buffer_free(&m->messages[i]);
	for (size_t i = 0; i < m->proof_count; i++)
		buffer_free(&m->proofs[i]);
}

/* NODEs of these, by letter. */
static void nodes(struct making *m, const char *who)
{
	for (; *who; who++)
		paper(m, &orgs[*who - 'a'], &orgs[*who - 'a'].node);
}

/* What becomes of it; `names` of those who have cosigned. */
static int judge(const struct making *m, uint64_t index, char names[static 64])
{
	struct buffer text = BUFFER_INIT;
	struct receipt *r;
	char why[200];
	int err;

	text_of(m, index, &text);
	err = receipt_verify(&r, buffer_bytes(&text), &charter, why);
	for (size_t i = 0; i < r->count; i++)
		names[i] = r->cosigners[i].organisation[0];
	names[r->count] = '\0';
	assert_true((err == OK) == (why[0] == '\0'));
	if (!err) {
		uint8_t id[ID_LEN];

		message_id(id, buffer_bytes(&entries[index]), &orgs[0].binding);
		assert_memory_equal(r->id, id, ID_LEN);
		assert_int_equal(r->index, index);
		assert_int_equal(r->signature, OK);
		assert_string_equal(r->organisation, "a.example");
		assert_true(r->founder);
		assert_int_equal(r->cosigners[0].seconds, SECONDS);
	}
	receipt_free(r);
	buffer_free(&text);
	return err;
}

#define expect(m, index, err, who)                              \
	do {                                                    \
		char names_[64];                                \
		assert_int_equal(judge(m, index, names_), err); \
		assert_string_equal(names_, who);               \
		making_free(m);                                 \
		memset(m, 0, sizeof *(m));                      \
	} while (0)

/* ---- tests ---- */

static void test_good(void **state)
{
	struct making m = {.paper_count = 0};

	(void)state;
	nodes(&m, "abc");
	proof(&m, 3, 7, "bc");
	expect(&m, 3, OK, "bc");
	/* Two heads, of which each has one; and papers in any order. */
	nodes(&m, "cab");
	proof(&m, 3, 7, "b");
	proof(&m, 3, 5, "c");
	expect(&m, 3, OK, "bc");
}

static void test_too_few(void **state)
{
	struct making m = {.paper_count = 0};

	(void)state;
	nodes(&m, "abc");
	proof(&m, 3, 7, "b");
	expect(&m, 3, ERR_NOT_COMPLETE, "b");
	/* The origin's own, one twice, and one whose key nothing shows. */
	nodes(&m, "abc");
	proof(&m, 3, 7, "ab");
	expect(&m, 3, ERR_NOT_COMPLETE, "b");
	nodes(&m, "abc");
	proof(&m, 3, 7, "b");
	proof(&m, 3, 6, "b");
	expect(&m, 3, ERR_NOT_COMPLETE, "b");
	nodes(&m, "ab");
	proof(&m, 3, 7, "bc");
	expect(&m, 3, ERR_NOT_COMPLETE, "b");
	/* A stranger. */
	nodes(&m, "abd");
	proof(&m, 3, 7, "bd");
	expect(&m, 3, ERR_NOT_COMPLETE, "b");
	charter.anchor = 0;
	nodes(&m, "abc");
	proof(&m, 3, 7, "bc");
	expect(&m, 3, ERR_NOT_COMPLETE, "");
	charter.anchor = 2;
}

static void test_admitted(void **state)
{
	struct making m = {.paper_count = 0};

	(void)state;
	nodes(&m, "abd");
	admits(&m, &orgs[1], &orgs[3]);
	proof(&m, 3, 7, "bd");
	expect(&m, 3, ERR_NOT_COMPLETE, "b");
	nodes(&m, "abd");
	admits(&m, &orgs[1], &orgs[3]);
	admits(&m, &orgs[0], &orgs[3]);
	proof(&m, 3, 7, "bd");
	expect(&m, 3, OK, "bd");
	/* By one who was admitted, whatever comes first. */
	nodes(&m, "ea");
	admits(&m, &orgs[3], &orgs[4]);
	admits(&m, &orgs[1], &orgs[4]);
	nodes(&m, "db");
	admits(&m, &orgs[0], &orgs[3]);
	admits(&m, &orgs[1], &orgs[3]);
	proof(&m, 3, 7, "de");
	expect(&m, 3, OK, "de");
}

static void test_rotated(void **state)
{
	struct making m = {.paper_count = 0};
	struct key old = orgs[1].cosigner;

	(void)state;
	nodes(&m, "abc");
	org_key(&orgs[1], 11, 200, 2);
	nodes(&m, "b");
	orgs[1].cosigner = old;
	proof(&m, 3, 7, "bc");
	expect(&m, 3, OK, "bc");
	nodes(&m, "abc"); /* the newer one alone does not show the old key */
	proof(&m, 3, 7, "bc");
	expect(&m, 3, ERR_NOT_COMPLETE, "c");
	org_key(&orgs[1], 11, 14, 1);
}

/* A key id has four bytes: these two seeds make one for b.example's cosigner. */
static void test_same_id(void **state)
{
	static const uint32_t seeds[2] = {53968, 124021};
	struct making m = {.paper_count = 0};
	struct org *b = &orgs[1];
	struct buffer nodes_of[2] = {BUFFER_INIT, BUFFER_INIT};
	struct key keys[2];
	uint8_t ids[2][4];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t seed[32] = {
		    (uint8_t)seeds[i], (uint8_t)(seeds[i] >> 8), (uint8_t)(seeds[i] >> 16)};
		struct node_body body = fixture_node(b->name, 2 + i, 12, 13, 14);

		key_from_seed(&keys[i], seed);
		assert_int_equal(verifier_make(&body.cosigner, bytes_str("b.example/cosigner"),
				     VERIFIER_COSIGNATURE, keys[i].public),
		    OK);
		memcpy(ids[i], body.cosigner.id, 4);
		assert_int_equal(credential_make(&nodes_of[i], b->log_name, charter.forum, b->name,
				     1, &b->root, &body, 2 + i, FIXTURE_TIME),
		    OK);
	}
	assert_memory_equal(ids[0], ids[1], 4);
	for (size_t i = 0; i < 2; i++) {
		b->cosigner = keys[i];
		nodes(&m, "ac");
		paper(&m, b, &nodes_of[0]);
		paper(&m, b, &nodes_of[1]);
		proof(&m, 3, 7, "bc");
		expect(&m, 3, OK, "bc");
	}
	/* One that none of them has made is none. */
	nodes(&m, "ac");
	paper(&m, b, &nodes_of[0]);
	proof(&m, 3, 7, "bc");
	expect(&m, 3, ERR_SIGNATURE, "");
	org_key(b, 11, 14, 1);
	buffer_free(&nodes_of[0]);
	buffer_free(&nodes_of[1]);
}

/* A root key does not admit itself, under whatever name. */
static void test_itself(void **state)
{
	struct making m = {.paper_count = 0};
	struct org twin = orgs[1];

	(void)state;
	strcpy(twin.name, "f.example");
	nodes(&m, "abc");
	admits(&m, &orgs[1], &twin);
	proof(&m, 3, 7, "bc");
	expect(&m, 3, ERR_KEY, "");
}

static void test_names(void **state)
{
	static char names[2][ORG_NAME_MAX + 1] = {"b.example", "d.example"};
	struct making m = {.paper_count = 0};

	(void)state;
	charter.anchor_names = names;
	charter.anchor_name_count = 2;
	nodes(&m, "abc");
	proof(&m, 3, 7, "bc");
	expect(&m, 3, ERR_NOT_COMPLETE, "b");
	nodes(&m, "abd");
	admits(&m, &orgs[1], &orgs[3]);
	admits(&m, &orgs[0], &orgs[3]);
	proof(&m, 3, 7, "bd");
	expect(&m, 3, OK, "bd");
	charter.anchor_names = NULL;
	charter.anchor_name_count = 0;
}

static void test_wrong(void **state)
{
	struct making m = {.paper_count = 0};

	(void)state;
	nodes(&m, "abc"); /* another entry than the proof's */
	proof(&m, 3, 7, "bc");
	expect(&m, 4, ERR_PROOF, "");
	nodes(&m, "abc"); /* proofs of two entries */
	proof(&m, 3, 7, "b");
	proof(&m, 4, 7, "c");
	expect(&m, 3, ERR_PROOF, "b");
	nodes(&m, "bc"); /* nothing shows whose log it is */
	proof(&m, 3, 7, "bc");
	expect(&m, 3, ERR_NOTFOUND, "");
	nodes(&m, "abc");
	expect(&m, 3, ERR_MALFORMED, "");
	charter.forum[0] ^= 1;
	nodes(&m, "abc");
	proof(&m, 3, 7, "bc");
	charter.forum[0] ^= 1;
	charter.forum[1] ^= 1;
	expect(&m, 3, ERR_OTHER_FORUM, ""); /* its papers are of another forum */
	charter.forum[1] ^= 1;
}

static void test_other_forum(void **state)
{
	struct making m = {.paper_count = 0};
	struct buffer text = BUFFER_INIT;
	struct receipt *r;
	char why[200];

	(void)state;
	nodes(&m, "abc");
	proof(&m, 3, 7, "bc");
	text_of(&m, 3, &text);
	charter.forum[0] ^= 1;
	assert_int_equal(receipt_verify(&r, buffer_bytes(&text), &charter, why), ERR_OTHER_FORUM);
	charter.forum[0] ^= 1;
	receipt_free(r);
	buffer_free(&text);
	making_free(&m);
}

static void no_byte_else(const struct making *m, size_t step)
{
	struct buffer text = BUFFER_INIT;
	struct receipt *r;
	char why[200];

	text_of(m, 3, &text);
	for (size_t i = 0; i < text.len; i += step) {
		text.data[i] ^= (uint8_t)(1u << i % 8);
		if (receipt_verify(&r, buffer_bytes(&text), &charter, why) == OK)
			fail_msg("byte %zu may be another", i);
		receipt_free(r);
		text.data[i] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t len = 0; len < text.len; len += 1 + len / 50) {
		if (receipt_verify(&r, bytes_of(text.data, len), &charter, why) == OK)
			fail_msg("%zu bytes are enough", len);
		receipt_free(r);
	}
	assert_int_equal(receipt_verify(&r, buffer_bytes(&text), &charter, why), OK);
	receipt_free(r);
	print_message("# %zu bytes\n", text.len);
	buffer_free(&text);
}

/* No byte of it may be another, and none may be missing. */
static void test_every_byte(void **state)
{
	struct making m = {.paper_count = 0};

	(void)state;
	nodes(&m, "abc");
	proof(&m, 3, 7, "bc");
	no_byte_else(&m, 1);
	making_free(&m);
	m = (struct making){.paper_count = 0};
	nodes(&m, "abd");
	admits(&m, &orgs[1], &orgs[3]);
	admits(&m, &orgs[0], &orgs[3]);
	proof(&m, 3, 7, "b");
	proof(&m, 3, 5, "d");
	no_byte_else(&m, 11);
	making_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_too_few),
	    cmocka_unit_test(test_admitted),
	    cmocka_unit_test(test_rotated),
	    cmocka_unit_test(test_same_id),
	    cmocka_unit_test(test_itself),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_wrong),
	    cmocka_unit_test(test_other_forum),
	    cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
