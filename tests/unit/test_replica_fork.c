/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/log/replica: telling another history from ours, proving it, and being cut back. */
#include "replica_fixture.h"

#include "log/fork.h"

#define PARTED 300

/* A replica that holds `held` entries under a note of `note_size`. */
static struct node *holding(struct history *h, size_t held, uint64_t note_size)
{
	struct node *n = node_new();

	take(n, h, held, note_size);
	return n;
}

static void proof_check(struct buffer *proof)
{
	struct fork_proof f;

	assert_int_equal(fork_proof_decode(buffer_bytes(proof), &f), OK);
	assert_int_equal(fork_proof_check(f.smaller, f.larger, f.has_root ? &f.root : NULL, f.proof,
			     f.count, &verifier),
	    OK);
	assert_in_range(proof->len, 1, 4096);
	buffer_free(proof);
}

/* ---- consistency ---- */

static void test_consistency(void **state)
{
	static const size_t helds[] = {1, 2, 7, 255, 256, 257, 300, 511, 512, 600};
	struct history *h = history_plain(HISTORY);
	struct tree_hash proof[64];
	uint8_t root[HASH_LEN], expected[HASH_LEN], top[HASH_LEN];
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof helds / sizeof *helds; i++) {
		for (uint64_t note = helds[i]; note <= HISTORY; note += 1 + note / 3) {
			struct node *n = holding(h, helds[i], note);

			history_root(h, note, top);
			for (uint64_t size = 1; size <= helds[i]; size += 1 + size / 5) {
				assert_int_equal(replica_root_at(n->replica, size, expected), OK);
				assert_int_equal(
				    replica_consistency(n->replica, size, root, proof, &count), OK);
				assert_memory_equal(root, expected, HASH_LEN);
				history_root(h, size, expected);
				assert_memory_equal(root, expected, HASH_LEN);
				assert_int_equal(
				    consistency_verify(size, note, proof, count, root, top), OK);
			}
			assert_int_equal(replica_root_at(n->replica, 0, root), ERR_RANGE);
			assert_int_equal(
			    replica_root_at(n->replica, helds[i] + 1, root), ERR_RANGE);
			assert_int_equal(
			    replica_consistency(n->replica, helds[i] + 1, root, proof, &count),
			    ERR_RANGE);
			node_free(n);
		}
	}
	history_free(h);
}

/* ---- forks ---- */

/* What `theirs` says of its history from the size of our note, as a CHECKPOINT does. */
static int judge(struct node *ours, struct node *theirs, struct buffer *proof)
{
	struct tree_hash hashes[64];
	uint8_t root[HASH_LEN];
	size_t count = 0;
	bool known = replica_note_size(ours->replica) < replica_note_size(theirs->replica) &&
		     replica_consistency(theirs->replica, replica_note_size(ours->replica), root,
			 hashes, &count) == OK;

	return replica_fork_note(ours->replica, replica_note(theirs->replica), known ? root : NULL,
	    hashes, count, proof);
}

static void test_notes(void **state)
{
	struct history *h = history_plain(HISTORY),
		       *other = history_new(9, HISTORY, PARTED, GOOD, 0);
	static const size_t sizes[] = {
	    1, 128, 299, 300, 301, 302, 400, 512, 513, 699, 700}; /* equal below 301 */
	const size_t n = sizeof sizes / sizeof *sizes;
	struct buffer proof = BUFFER_INIT;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			struct node *a = holding(h, sizes[i], sizes[i]),
				    *b = holding(other, sizes[k], sizes[k]);
			bool parted = sizes[i] > PARTED && sizes[k] > PARTED;

			assert_int_equal(judge(a, b, &proof), parted ? OK : ERR_NOTFOUND);
			if (parted)
				proof_check(&proof);
			assert_int_equal(proof.len, 0);
			node_free(a);
			node_free(b);
		}
	}
	history_free(h);
	history_free(other);
}

static void test_notes_ahead(void **state)
{
	struct history *h = history_plain(HISTORY),
		       *other = history_new(9, HISTORY, PARTED, GOOD, 0);
	struct node *a = holding(h, 310, 600), *b = holding(other, 350, 700), *c;
	struct buffer proof = BUFFER_INIT;

	(void)state;
	/* Neither holds what the other's note is of: it can't be told, though it is so. */
	assert_int_equal(judge(a, b, &proof), ERR_RANGE);
	assert_int_equal(judge(b, a, &proof), ERR_RANGE);
	/* Two notes of one size say it, whatever is held. */
	c = holding(other, 5, 600);
	assert_int_equal(judge(a, c, &proof), OK);
	proof_check(&proof);
	node_free(c);
	/* And one whose note we hold, under a note that is larger than what we hold. */
	c = holding(other, 305, 305);
	assert_int_equal(judge(a, c, &proof), OK);
	proof_check(&proof);
	assert_int_equal(judge(c, a, &proof), OK);
	proof_check(&proof);
	node_free(c);
	node_free(a);
	node_free(b);
	history_free(h);
	history_free(other);
}

static void test_notes_hostile(void **state)
{
	struct history *h = history_plain(HISTORY),
		       *other = history_new(9, HISTORY, PARTED, GOOD, 0);
	struct node *a = holding(h, 400, 400), *b = holding(other, 500, 500);
	struct buffer proof = BUFFER_INIT, note = BUFFER_INIT;
	struct tree_hash hashes[64];
	uint8_t root[HASH_LEN];
	size_t count;

	(void)state;
	assert_int_equal(replica_consistency(b->replica, 400, root, hashes, &count), OK);
	root[5] ^= 1;
	assert_int_equal(
	    replica_fork_note(a->replica, replica_note(b->replica), root, hashes, count, &proof),
	    ERR_PROOF);
	root[5] ^= 1;
	assert_int_equal(replica_fork_note(
			     a->replica, replica_note(b->replica), root, hashes, count - 1, &proof),
	    ERR_PROOF);
	assert_int_equal(
	    replica_fork_note(a->replica, replica_note(b->replica), NULL, NULL, 0, &proof),
	    ERR_RANGE);
	history_note(other, 390, &other_key, &note);
	assert_int_not_equal(
	    replica_fork_note(a->replica, buffer_bytes(&note), NULL, NULL, 0, &proof), OK);
	assert_int_equal(proof.len, 0);
	buffer_free(&note);
	node_free(a);
	node_free(b);
	history_free(h);
	history_free(other);
}

static void test_data(void **state)
{
	struct history *h = history_plain(HISTORY),
		       *other = history_new(9, HISTORY, PARTED, GOOD, 0);
	struct buffer proof = BUFFER_INIT;

	(void)state;
	for (size_t held = 301; held < 560; held += 1 + held / 9) {
		struct node *n = holding(h, held, held);

		for (uint64_t note = held + 1; note <= HISTORY; note += 1 + note / 5) {
			uint64_t firsts[] = {held, held - 1, 250};

			for (size_t i = 0; i < 3; i++) {
				enum replica_outcome outcome;
				struct replica_batch *batch;
				struct data d;

				data_make(
				    &d, other, firsts[i], (size_t)(held + 1 - firsts[i]), note);
				assert_int_equal(stage(n, &d, &outcome, &batch), OK);
				assert_int_equal(outcome, REPLICA_FORKED);
				assert_int_equal(
				    replica_fork_data(n->replica, d.first, buffer_bytes(&d.leaves),
					buffer_bytes(&d.note), buffer_bytes(&d.proof), &proof),
				    OK);
				proof_check(&proof);
				data_free(&d);
			}
		}
		node_free(n);
	}
	history_free(h);
	history_free(other);
}

/* ---- cutting ---- */

/* What the store does. */
static void rows_cut(struct node *n, const struct replica_cut *cut)
{
	n->size = cut->size;
	n->entries.len = n->at[cut->size];
	n->block_count = cut->size / TREE_BLOCK;
	memcpy(n->root, cut->root, HASH_LEN);
	memcpy(n->right, cut->right, cut->right_count * sizeof *cut->right);
	n->right_count = cut->right_count;
	if (cut->size == 0)
		buffer_reset(&n->note);
}

static void test_cut(void **state)
{
	static const size_t helds[] = {310, 512, 600};
	struct history *h = history_plain(HISTORY),
		       *other = history_new(9, HISTORY, PARTED, GOOD, 0);
	struct replica_cut *cut = malloc(sizeof *cut);
	struct replica_batch *batch;
	uint8_t root[HASH_LEN];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (uint64_t size = 0; size <= PARTED; size += 1 + size / 4) {
			struct node *n = holding(other, helds[i], size % 2 ? 700 : helds[i]);

			assert_int_equal(
			    replica_cut_plan(n->replica, helds[i] + 1, cut), ERR_RANGE);
			assert_int_equal(replica_cut_plan(n->replica, size, cut), OK);
			rows_cut(n, cut);
			assert_int_equal(replica_cut(n->replica, cut), OK);
			for (unsigned k = 0; k < 2; k++) {
				assert_int_equal(replica_held(n->replica), size);
				assert_int_equal(replica_staged(n->replica), size);
				if (size > 0) {
					history_root(h, size, root);
					assert_memory_equal(
					    replica_held_root(n->replica), root, HASH_LEN);
				}
				/* Under the note of the history that was left. */
				prove_some(n, other, 5);
				assert_int_equal(node_load(n), OK);
			}
			/* And on it goes with the other one. */
			assert_int_equal(
			    offer(n, h, size, (size_t)(PARTED + 20 - size), 700, &batch),
			    REPLICA_STAGED);
			commit(n, batch);
			prove_some(n, h, 5);
			node_free(n);
		}
	}
	free(cut);
	history_free(h);
	history_free(other);
}

static void test_cut_refused(void **state)
{
	struct history *h = history_plain(HISTORY);
	struct replica_cut *cut = malloc(sizeof *cut);
	struct node *n = holding(h, 400, 400);
	const struct replica_batch *b;

	(void)state;
	assert_int_equal(replica_cut_plan(n->replica, 300, cut), OK);
	b = stage_some(n, h, 5, 600);
	assert_int_equal(replica_cut(n->replica, cut), ERR_BUSY);
	commit(n, b);
	assert_int_equal(replica_cut(n->replica, cut), ERR_STALE);
	assert_int_equal(replica_held(n->replica), 405);
	prove_some(n, h, 5);
	free(cut);
	node_free(n);
	history_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_consistency),
	    cmocka_unit_test(test_notes),
	    cmocka_unit_test(test_notes_ahead),
	    cmocka_unit_test(test_notes_hostile),
	    cmocka_unit_test(test_data),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_cut_refused),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
