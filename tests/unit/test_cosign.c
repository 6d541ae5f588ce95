/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/signer, for the logs of others: who is a member follows from root keys' signatures alone,
 * and no two cosignatures are ever made over heads that can't belong to one history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "signer_fixture.h"

#define SECONDS UINT64_C(1790000123)
#define PAIR_LEN 1024
#define MAGIC "convene cosigned 1\n"

static struct place place;
static struct org n1, n2, n3, n4;

static int setup(void **state)
{
	(void)state;
	place_make(&place);
	org_make(&n1, 1, 1, 0, place.forum);
	org_make(&n2, 2, 1, 0, place.forum);
	org_make(&n3, 3, 1, 0, place.forum);
	org_make(&n4, 4, 1, 0, place.forum);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	org_free(&n1);
	org_free(&n2);
	org_free(&n3);
	org_free(&n4);
	place_clear(&place);
	return access(place.folder, F_OK) == 0;
}

static int introduce_to(struct core *c, const struct org *o, uint64_t *size)
{
	const struct head *head = NULL;
	int err = core_introduce(c, bytes_str(o->log_name), buffer_bytes(&o->node), &head);

	if (!err && size)
		*size = head->size;
	return err;
}

static int introduce(struct core *c, const struct org *o)
{
	return introduce_to(c, o, NULL);
}

static int admit(struct core *c, const struct org *by, const struct org *whom)
{
	struct buffer message = BUFFER_INIT;
	int err;

	admit_make(&message, by, whom);
	err = core_admit(c, by->binding.digest, buffer_bytes(&message));
	buffer_free(&message);
	return err;
}

/* What comes back must be our cosignature of this very note. */
static void line_check(struct bytes note, struct bytes line, uint64_t seconds)
{
	struct buffer whole = BUFFER_INIT;
	struct verifier cosigner;
	struct note n;
	uint64_t time;

	buffer_add(&whole, note.data, note.len);
	buffer_add(&whole, line.data, line.len);
	assert_int_equal(verifier_make(&cosigner, bytes_str("n0.example/cosigner"),
			     VERIFIER_COSIGNATURE, place.own.cosigner.public),
	    OK);
	assert_int_equal(note_parse(&n, buffer_bytes(&whole)), OK);
	assert_int_equal(n.count, 2);
	assert_int_equal(note_verify(&n, &cosigner, &time), OK);
	assert_int_equal(time, seconds);
	buffer_free(&whole);
}

static int cosign_note(
    struct core *c, struct bytes note, const struct tree_hash *proof, size_t count)
{
	struct buffer line = BUFFER_INIT;
	int err = core_cosign(c, note, proof, count, SECONDS, &line);

	if (err)
		assert_int_equal(line.len, 0);
	else
		line_check(note, buffer_bytes(&line), SECONDS);
	buffer_free(&line);
	return err;
}

/* History h at a size, with its proof from `from`. */
static int cosign(struct core *c, const struct org *o, uint64_t h, uint64_t from, uint64_t size)
{
	struct buffer note = BUFFER_INIT;
	struct tree_hash proof[64];
	int err;

	note_make(&note, o, h, size);
	err = cosign_note(
	    c, buffer_bytes(&note), proof, from <= size ? proof_of(h, from, size, proof) : 0);
	buffer_free(&note);
	return err;
}

/* ---- members ---- */

static void test_founders(void **state)
{
	struct core *c = place_ready(&place);

	(void)state;
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(introduce(c, &n1), OK); /* again */
	assert_int_equal(introduce(c, &n2), OK);
	assert_int_equal(introduce(c, &place.own), OK);
	assert_int_equal(introduce(c, &n3), ERR_NOT_MEMBER);
	core_free(c);
}

static void test_admitted(void **state)
{
	struct core *c = place_ready(&place);

	(void)state;
	assert_int_equal(admit(c, &n1, &n3), ERR_NOTFOUND);
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(introduce(c, &n2), OK);
	/* Two are needed, and the same one twice is one. */
	assert_int_equal(admit(c, &n1, &n3), OK);
	assert_int_equal(admit(c, &n1, &n3), OK);
	assert_int_equal(introduce(c, &n3), ERR_NOT_MEMBER);
	/* Nobody admits themselves. */
	assert_int_equal(admit(c, &n1, &n1), ERR_INVALID);
	assert_int_equal(admit(c, &n2, &n3), OK);
	assert_int_equal(introduce(c, &n3), OK);
	/* Who was admitted admits. */
	assert_int_equal(admit(c, &n1, &n4), OK);
	assert_int_equal(introduce(c, &n4), ERR_NOT_MEMBER);
	assert_int_equal(admit(c, &n3, &n4), OK);
	assert_int_equal(introduce(c, &n4), OK);
	assert_int_equal(cosign(c, &n4, 0, 0, 3), OK);
	core_free(c);
	/* A new process knows nobody but the founders. */
	c = place_ready(&place);
	assert_int_equal(introduce(c, &n4), ERR_NOT_MEMBER);
	assert_int_equal(cosign(c, &n4, 0, 3, 4), ERR_NOTFOUND);
	core_free(c);
}

/* An ADMIT that is not what it says. */
static void test_admits_refused(void **state)
{
	struct core *c = place_ready(&place);
	struct buffer m = BUFFER_INIT;
	uint8_t other_forum[HASH_LEN];
	struct org elsewhere;

	(void)state;
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(introduce(c, &n2), OK);
	admit_make(&m, &n1, &n3);
	/* In another's log. */
	assert_int_equal(core_admit(c, n2.binding.digest, buffer_bytes(&m)), ERR_WRONG_ROOT);
	/* Changed. */
	for (size_t i = 0; i < m.len; i++) {
		m.data[i] ^= 1;
		assert_int_not_equal(core_admit(c, n1.binding.digest, buffer_bytes(&m)), OK);
		m.data[i] ^= 1;
	}
	for (size_t len = 0; len < m.len; len++)
		assert_int_not_equal(core_admit(c, n1.binding.digest, bytes_of(m.data, len)), OK);
	/* From another forum. */
	memset(other_forum, 3, HASH_LEN);
	org_make(&elsewhere, 1, 1, 0, other_forum);
	buffer_reset(&m);
	admit_make(&m, &elsewhere, &n3);
	assert_int_equal(core_admit(c, n1.binding.digest, buffer_bytes(&m)), ERR_SIGNATURE);
	org_free(&elsewhere);
	/* Of the registrar, who may not; of another kind. */
	assert_int_equal(
	    core_admit(c, n1.binding.digest, buffer_bytes(&n1.node)), ERR_UNKNOWN_KIND);
	assert_int_equal(admit(c, &n2, &n3), OK);
	assert_int_equal(introduce(c, &n3), ERR_NOT_MEMBER);
	buffer_free(&m);
	core_free(c);
}

static void test_admits_bounded(void **state)
{
	struct core *c = place_ready(&place);
	struct org whom = n3;

	(void)state;
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(introduce(c, &n2), OK);
	for (unsigned i = 0; i < CORE_ADMITS_PER_LOG; i++) {
		snprintf(whom.name, sizeof whom.name, "m%u.example", i);
		assert_int_equal(admit(c, &n1, &whom), OK);
	}
	assert_int_equal(admit(c, &n1, &n4), ERR_QUOTA);
	assert_int_equal(admit(c, &n1, &whom), OK); /* is in */
	assert_int_equal(admit(c, &n2, &n4), OK);   /* others may still */
	core_free(c);
}

static void test_credentials_refused(void **state)
{
	struct core *c = place_ready(&place);
	struct buffer m = BUFFER_INIT;
	const struct head *head;
	uint8_t other_forum[HASH_LEN];
	struct org other;

	(void)state;
	memset(other_forum, 3, HASH_LEN);
	org_make(&other, 1, 1, 0, other_forum);
	assert_int_equal(introduce(c, &other), ERR_OTHER_FORUM);
	org_free(&other);
	assert_int_equal(core_introduce(c, bytes_str(n2.log_name), buffer_bytes(&n1.node), &head),
	    ERR_OTHER_FORUM);
	buffer_add(&m, n1.node.data, n1.node.len);
	for (size_t i = 0; i < m.len; i++) {
		m.data[i] ^= 1;
		assert_int_not_equal(
		    core_introduce(c, bytes_str(n1.log_name), buffer_bytes(&m), &head), OK);
		m.data[i] ^= 1;
	}
	assert_int_equal(core_introduce(c, bytes_str(n1.log_name), buffer_bytes(&m), &head), OK);
	/* Another first log of the same organisation. */
	org_make(&other, 1, 1, 1, place.forum);
	assert_int_equal(introduce(c, &other), ERR_FORK);
	org_free(&other);
	/* Successors, so many. */
	for (uint64_t number = 2; number <= CORE_LOGS_PER_ORG + 1; number++) {
		org_make(&other, 1, number, (uint8_t)(number % 4), place.forum);
		assert_int_equal(
		    introduce(c, &other), number <= CORE_LOGS_PER_ORG ? OK : ERR_QUOTA);
		org_free(&other);
	}
	assert_int_equal(introduce(c, &n2), OK);
	buffer_free(&m);
	core_free(c);
}

/* ---- cosigning ---- */

static void stands_at(struct core *c, const struct org *o, uint64_t size)
{
	static const struct tree_hash junk[3];
	struct buffer note = BUFFER_INIT;
	uint64_t known = 0;

	assert_int_equal(introduce_to(c, o, &known), OK);
	assert_int_equal(known, size);
	assert_int_equal(cosign(c, o, 0, size, size), OK); /* the same again */
	assert_int_equal(cosign(c, o, 0, 0, size + 1), ERR_PROOF);
	assert_int_equal(cosign(c, o, 0, size - 1, size + 1), ERR_PROOF);
	if (size > 1)
		assert_int_equal(cosign(c, o, 0, size, size - 1), ERR_STALE);
	if (size > 5) {
		assert_int_equal(cosign(c, o, 1, size, size), ERR_FORK);
		assert_int_equal(cosign(c, o, 1, size, size + 3), ERR_PROOF);
		assert_int_equal(cosign(c, o, 1, size, 5), ERR_STALE); /* the common part, even */
	}
	note_make(&note, o, 0, size + 2);
	assert_int_equal(cosign_note(c, buffer_bytes(&note), junk, 3), ERR_PROOF);
	buffer_free(&note);
	assert_int_equal(introduce_to(c, o, &known), OK);
	assert_int_equal(known, size);
}

static void test_rule(void **state)
{
	struct core *c = place_ready(&place);
	struct tree_hash proof[64];
	struct buffer note = BUFFER_INIT;
	struct stat st;

	(void)state;
	assert_int_equal(cosign(c, &n1, 0, 0, 3), ERR_NOTFOUND);
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(cosign(c, &n2, 0, 0, 3), ERR_NOTFOUND);
	/* From nothing, with nothing to prove. */
	note_make(&note, &n1, 0, 9);
	assert_int_equal(
	    cosign_note(c, buffer_bytes(&note), proof, proof_of(0, 3, 9, proof)), ERR_PROOF);
	buffer_free(&note);
	assert_int_equal(cosign(c, &n1, 0, 0, 9), OK);
	stands_at(c, &n1, 9);
	assert_int_equal(cosign(c, &n1, 0, 9, 10), OK);
	assert_int_equal(cosign(c, &n1, 0, 10, 200), OK);
	stands_at(c, &n1, 200);
	/* Another's log has its own. */
	assert_int_equal(introduce(c, &n2), OK);
	assert_int_equal(cosign(c, &n2, 1, 0, 100), OK);
	stands_at(c, &n1, 200);
	core_free(c);
	assert_int_equal(stat(place.cosigned, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 2 * PAIR_LEN);
}

/* Any two heads: both are cosigned if, and only if, the second extends the first. */
static void test_any_two(void **state)
{
	(void)state;
	for (uint64_t size = 3; size < 60; size += 8) {
		for (uint64_t next = 3; next < 70; next += 5) {
			uint64_t h = 1 + (size + next) % 2;
			bool apart = size > history_leaves_at[h];
			struct core *c = place_ready(&place);

			assert_int_equal(introduce(c, &n1), OK);
			assert_int_equal(cosign(c, &n1, 0, 0, size), OK);
			assert_int_equal(cosign(c, &n1, h, size, next), next < size ? ERR_STALE
									: apart && next == size
									    ? ERR_FORK
									: apart ? ERR_PROOF
										: OK);
			core_free(c);
			unlink(place.cosigned);
		}
	}
}

static void test_notes_refused(void **state)
{
	struct core *c = place_ready(&place);
	struct buffer note = BUFFER_INIT;
	struct org thief = n1;

	(void)state;
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(introduce(c, &place.own), OK);
	/* By another key, in its name. */
	thief.log = n2.log;
	assert_int_equal(cosign(c, &thief, 0, 0, 3), ERR_UNSIGNED);
	/* Our own: it never counts. */
	assert_int_equal(cosign(c, &place.own, 0, 0, 3), ERR_REFUSED);
	note_make(&note, &n1, 0, 7);
	for (size_t i = 0; i < note.len; i++) {
		note.data[i] ^= 1;
		assert_int_not_equal(cosign_note(c, buffer_bytes(&note), NULL, 0), OK);
		note.data[i] ^= 1;
	}
	for (size_t len = 0; len < note.len; len += 3)
		assert_int_not_equal(cosign_note(c, bytes_of(note.data, len), NULL, 0), OK);
	while (note.len <= CORE_NOTE_MAX)
		buffer_add_str(&note, "\xe2\x80\x94 x AAAAAAAA\n");
	assert_int_equal(cosign_note(c, buffer_bytes(&note), NULL, 0), ERR_TOO_LARGE);
	/* None of it was remembered. */
	assert_int_equal(cosign(c, &n1, 1, 0, 3), OK);
	buffer_free(&note);
	core_free(c);
}

/* ---- across restarts ---- */

static void test_restart(void **state)
{
	uint64_t size = 1;

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		struct core *c = place_ready(&place);
		uint64_t known;

		assert_int_equal(introduce_to(c, &n1, &known), OK);
		assert_int_equal(known, i == 0 ? 0 : size);
		if (i > 0)
			stands_at(c, &n1, size);
		assert_int_equal(cosign(c, &n1, 0, known, size + i), OK);
		size += i;
		core_free(c);
	}
}

/* Two first logs of one organisation, each told to another process. */
static void test_rival(void **state)
{
	struct core *c = place_ready(&place);
	struct org rival, next;

	(void)state;
	org_make(&rival, 1, 1, 1, place.forum);
	org_make(&next, 1, 2, 0, place.forum);
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(cosign(c, &n1, 0, 0, 3), OK);
	core_free(c);
	c = place_ready(&place);
	assert_int_equal(introduce(c, &rival), OK);
	assert_int_equal(cosign(c, &rival, 0, 0, 3), ERR_FORK);
	assert_int_equal(introduce(c, &next), OK);
	assert_int_equal(cosign(c, &next, 0, 0, 3), OK);
	core_free(c);
	org_free(&rival);
	org_free(&next);
}

/* ---- the file ---- */

static int opens(void)
{
	struct core *c = place_opened(&place);
	char why[512] = "";
	int err = core_lock(c, place.lock, place.cosigned, why);

	if (err)
		assert_non_null(strstr(why, place.cosigned));
	core_free(c);
	return err;
}

/* The power goes while a record is being written: any part of it, over what was there. */
static void test_torn_write(void **state)
{
	uint8_t before[3 * PAIR_LEN] = {0}, after[3 * PAIR_LEN], torn[3 * PAIR_LEN];
	const struct org *of[] = {&n1, &n2, &n1, &n2, &n1, &n1};
	uint64_t was[2] = {0, 0};
	size_t had = 0;

	(void)state;
	for (uint64_t step = 0; step < 6; step++) {
		const struct org *o = of[step];
		uint64_t *last = &was[o == &n2], size = 10 + step;
		struct core *c = place_ready(&place);
		size_t has, first = 0, end;

		assert_int_equal(introduce(c, o), OK);
		assert_int_equal(cosign(c, o, 0, *last, size), OK);
		core_free(c);
		memset(after, 0, sizeof after);
		has = bytes_read(place.cosigned, after, sizeof after);
		while (first < has && before[first] == after[first])
			first++;
		for (end = has; before[end - 1] == after[end - 1];)
			end--;
		/* A log's first write is its pair; later ones are one record. */
		assert_true(end - first <= (*last ? PAIR_LEN / 2 : PAIR_LEN));
		for (size_t at = first; at <= end; at += 11) {
			uint64_t known;

			memcpy(torn, before, sizeof torn);
			memcpy(torn + first, after + first, at - first);
			bytes_write(place.cosigned, torn, at > had ? at : had);
			c = place_ready(&place);
			assert_int_equal(introduce_to(c, o, &known), OK);
			assert_true(known == *last || known == size);
			if (o == &n2 && was[0] > 0) {
				assert_int_equal(introduce_to(c, &n1, &known), OK);
				assert_int_equal(known, was[0]);
			}
			core_free(c);
		}
		bytes_write(place.cosigned, after, has);
		memcpy(before, after, sizeof before);
		had = has;
		*last = size;
	}
}

static void test_damaged(void **state)
{
	uint8_t good[2 * PAIR_LEN], bad[2 * PAIR_LEN];
	struct core *c = place_ready(&place);
	uint64_t known;

	(void)state;
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(introduce(c, &n2), OK);
	assert_int_equal(cosign(c, &n1, 0, 0, 9), OK);
	assert_int_equal(cosign(c, &n1, 0, 9, 10), OK);
	assert_int_equal(cosign(c, &n2, 0, 0, 9), OK);
	core_free(c);
	assert_int_equal(bytes_read(place.cosigned, good, sizeof good), sizeof good);
	for (size_t i = 0; i < PAIR_LEN / 2; i += 3) {
		memcpy(bad, good, sizeof bad);
		bad[i] ^= 4;
		bad[PAIR_LEN / 2 + (i * 5) % (PAIR_LEN / 2)] ^= 1;
		bytes_write(place.cosigned, bad, sizeof bad);
		assert_int_equal(opens(), ERR_MALFORMED);
	}
	/* One log twice. */
	memcpy(bad, good, PAIR_LEN);
	memcpy(bad + PAIR_LEN, good, PAIR_LEN);
	bytes_write(place.cosigned, bad, sizeof bad);
	assert_int_equal(opens(), ERR_MALFORMED);
	/* Two logs in one pair. */
	memcpy(bad, good, sizeof bad);
	memcpy(bad, good + PAIR_LEN, PAIR_LEN / 2);
	bytes_write(place.cosigned, bad, sizeof bad);
	assert_int_equal(opens(), ERR_MALFORMED);
	/* Of a log that is there twice, so to speak, either half is enough. */
	memcpy(bad, good, sizeof bad);
	bad[PAIR_LEN + 77] ^= 1;
	bytes_write(place.cosigned, bad, sizeof bad);
	c = place_ready(&place);
	assert_int_equal(introduce_to(c, &n2, &known), OK);
	assert_int_equal(known, 9);
	core_free(c);
}

/* What a crash can't have left is no missing pair. */
static void test_damaged_last(void **state)
{
	uint8_t good[2 * PAIR_LEN], bad[2 * PAIR_LEN];
	struct core *c = place_ready(&place);

	(void)state;
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(introduce(c, &n2), OK);
	assert_int_equal(cosign(c, &n1, 0, 0, 9), OK);
	assert_int_equal(cosign(c, &n2, 0, 0, 9), OK);
	core_free(c);
	assert_int_equal(bytes_read(place.cosigned, good, sizeof good), sizeof good);
	random_fill(bad, PAIR_LEN);
	bytes_write(place.cosigned, bad, PAIR_LEN);
	assert_int_equal(opens(), ERR_MALFORMED);
	for (size_t i = 0; i < 292; i += 7) {
		memcpy(bad, good, sizeof bad);
		bad[PAIR_LEN + i] ^= 4;
		bad[PAIR_LEN + PAIR_LEN / 2 + i] ^= 4;
		bytes_write(place.cosigned, bad, sizeof bad);
		assert_int_equal(opens(), ERR_MALFORMED);
	}
}

static void cosigner_replace(uint8_t seed)
{
	struct node_body body = fixture_node(place.own.name, 1, 2, 3, seed);

	body.serial = 2;
	buffer_reset(&place.own.node);
	assert_int_equal(credential_make(&place.own.node, place.own.log_name, place.forum,
			     place.own.name, 1, &place.own.root, &body, 2, FIXTURE_TIME),
	    OK);
	key_put(&place, "cosigner", "cosigner", seed);
	place.own.cosigner = fixture_key(seed);
}

static void vouches(bool used, bool does)
{
	struct core_setup s = place_setup(&place);
	struct core *c;
	char why[512];
	bool pinned;

	s.used = used;
	assert_int_equal(core_open(&c, &s, &pinned, why), OK);
	assert_int_equal(core_lock(c, place.lock, place.cosigned, why), OK);
	assert_int_equal(core_vouches(c), does);
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(cosign(c, &n1, 1, 0, 9), does ? OK : ERR_HALTED);
	core_free(c);
}

/* The file is gone, and with it what was vouched for: the same key vouches for nothing any more,
 * another one does, and is remembered as ever. */
static void test_lost(void **state)
{
	struct buffer note = BUFFER_INIT;
	struct core *c = place_ready(&place);
	uint8_t root[HASH_LEN];
	uint64_t known;

	(void)state;
	assert_int_equal(introduce(c, &n1), OK);
	assert_int_equal(cosign(c, &n1, 0, 0, 9), OK);
	core_free(c);
	unlink(place.cosigned);
	vouches(true, false);
	vouches(false, false); /* it stays so */
	cosigner_replace(5);
	vouches(true, true);
	c = place_ready(&place);
	assert_int_equal(introduce_to(c, &n1, &known), OK);
	assert_int_equal(known, 9);
	assert_int_equal(cosign(c, &n1, 0, 9, 20), ERR_PROOF);
	/* The lock file alone tells that there has been one. */
	root_of(0, 3, root);
	assert_int_equal(core_checkpoint(c, 3, root, NULL, 0, &note), OK);
	core_free(c);
	unlink(place.cosigned);
	vouches(false, false);
	buffer_free(&note);
}

/* A node that begins has lost nothing. */
static void test_new(void **state)
{
	(void)state;
	vouches(false, true);
}

static void test_full_disk(void **state)
{
	struct rlimit was, r;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	for (rlim_t limit = 0; limit < PAIR_LEN; limit += 200) {
		struct core *c = place_ready(&place);
		uint64_t known;

		assert_int_equal(introduce(c, &n1), OK);
		r = was;
		r.rlim_cur = limit;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
		assert_int_equal(cosign(c, &n1, 1, 0, 9), ERR_IO);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		assert_int_equal(introduce_to(c, &n1, &known), OK);
		assert_int_equal(known, 0);
		core_free(c);
		/* A whole first record is remembered, though nothing was released for it. */
		c = place_ready(&place);
		assert_int_equal(introduce_to(c, &n1, &known), OK);
		assert_true(known == 0 || (known == 9 && limit >= 292));
		if (known == 0) {
			assert_int_equal(cosign(c, &n1, 0, 0, 8), OK);
			stands_at(c, &n1, 8);
		}
		core_free(c);
		unlink(place.cosigned);
	}
}

/* A record as heads.h describes it. */
static void record_put(uint8_t *out, const char *log_name, uint64_t size)
{
	uint8_t *at = out + strlen(MAGIC);

	memset(out, 0, PAIR_LEN / 2);
	memcpy(out, MAGIC, strlen(MAGIC));
	put_u64(at, 3);
	put_u64(at + 8, size);
	root_of(0, size, at + 16);
	strcpy((char *)at + 48, log_name);
	memcpy(at + 48 + 161, n2.root.public, KEY_LEN);
	at += 48 + 161 + KEY_LEN;
	hash_of(at, out, (size_t)(at - out));
}

static void test_bounded(void **state)
{
	uint8_t *file = calloc(HEADS_MAX, PAIR_LEN);
	struct core *c;
	uint64_t known;

	(void)state;
	for (size_t i = 0; i < HEADS_MAX; i++) {
		char name[VERIFIER_NAME_MAX + 1];

		snprintf(name, sizeof name, "a%zu.example/%032zx/1", i, i);
		record_put(
		    file + i * PAIR_LEN + (i % 2) * PAIR_LEN / 2, i == 77 ? n1.log_name : name, 20);
	}
	bytes_write(place.cosigned, file, (size_t)HEADS_MAX * PAIR_LEN);
	c = place_ready(&place);
	assert_int_equal(introduce_to(c, &n1, &known), OK);
	assert_int_equal(known, 20);
	assert_int_equal(cosign(c, &n1, 0, 20, 21), OK);
	assert_int_equal(introduce(c, &n2), OK);
	assert_int_equal(cosign(c, &n2, 0, 0, 21), ERR_QUOTA);
	core_free(c);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_founders, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_admitted, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_admits_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_admits_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_credentials_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rule, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_any_two, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_notes_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rival, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_torn_write, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged_last, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_new, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
	};
	int failed;

	if (crypto_start() != OK)
		return 1;
	histories_make();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	histories_free();
	return failed;
}
