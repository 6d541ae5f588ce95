/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of imports: what a run that ends anywhere leaves for the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "client/archive/journal.h"
#include "crypto/ed25519.h"

#define LOG "example.org/0123456789abcdef0123456789abcdef/1"

static char folder[64];
static struct trouble t;
static const uint8_t signer[KEY_LEN] = {1}, topic[ID_LEN] = {2}, other_topic[ID_LEN] = {3};
static struct journal *journal;

static void begin(void)
{
	assert_int_equal(journal_begin(journal, &t), OK);
}

static void commit(void)
{
	assert_int_equal(journal_commit(journal, &t), OK);
}

/* What a kill leaves: what was committed. */
static void again(const uint8_t *device, const char *log, const uint8_t *id)
{
	uint64_t cursor;

	journal_close(journal);
	assert_int_equal(journal_open(&journal, folder, device, log, &t), OK);
	assert_int_equal(journal_topic(journal, id, &cursor, &t), OK);
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/convene-journal.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	journal = NULL;
	again(signer, LOG, topic);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	journal_close(journal);
	journal = NULL;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static const uint8_t *key_of(int n)
{
	static uint8_t keys[8][MAIL_KEY_LEN];
	static int at;
	uint8_t *key = keys[at++ % 8];

	memset(key, 0, MAIL_KEY_LEN);
	put_u32(key, (uint32_t)n);
	return key;
}

static struct ref post_of(int n)
{
	struct ref post = {.present = true, .log = {7}};

	put_u32(post.id, (uint32_t)n);
	return post;
}

static void sign(int n, uint64_t sequence)
{
	struct ref post = post_of(n);
	char text[32];

	snprintf(text, sizeof text, "submission %d", n);
	assert_int_equal(
	    journal_sign(journal, key_of(n), &post, sequence, bytes_str(text), &t), OK);
}

static bool has(int n)
{
	struct ref post, wanted = post_of(n);
	int err = journal_find(journal, key_of(n), &post, &t);

	if (err == ERR_NOTFOUND)
		return false;
	assert_int_equal(err, OK);
	assert_memory_equal(post.id, wanted.id, ID_LEN);
	assert_memory_equal(post.log, wanted.log, DIGEST_LEN);
	return true;
}

static int list(void *ctx, uint64_t sequence, struct bytes submission)
{
	char *out = ctx;
	size_t len = strlen(out);

	snprintf(out + len, 256 - len, "%llu=%.*s;", (unsigned long long)sequence,
	    (int)submission.len, (const char *)submission.data);
	return OK;
}

static const char *waiting(void)
{
	static char out[256];

	out[0] = '\0';
	assert_int_equal(journal_pending(journal, list, out, &t), OK);
	return out;
}

static uint64_t highest(void)
{
	uint64_t sequence;

	assert_int_equal(journal_sequence(folder, &sequence, &t), OK);
	return sequence;
}

static void test_nobody(void **state)
{
	uint64_t sequence = 1;

	(void)state;
	assert_int_equal(journal_sequence("/tmp/convene-no-such-folder", &sequence, &t), OK);
	assert_int_equal(sequence, 0);
	assert_int_equal(highest(), 0);
	assert_string_equal(waiting(), "");
	assert_false(has(1));
}

static void test_signed(void **state)
{
	(void)state;
	begin();
	sign(1, 5);
	sign(2, 6);
	again(signer, LOG, topic); /* before the commit: as if nothing had been */
	assert_string_equal(waiting(), "");
	assert_false(has(1));
	assert_int_equal(highest(), 0);

	begin();
	sign(1, 5);
	sign(2, 6);
	commit();
	again(signer, LOG, topic);
	assert_string_equal(waiting(), "5=submission 1;6=submission 2;");
	assert_true(has(1) && has(2));
	assert_int_equal(highest(), 6);

	begin();
	assert_int_equal(journal_settle(journal, 5, &t), OK);
	sign(3, 7);
	again(signer, LOG, topic); /* acknowledged, and the word is lost: sent again */
	assert_string_equal(waiting(), "5=submission 1;6=submission 2;");

	begin();
	assert_int_equal(journal_settle(journal, 5, &t), OK);
	sign(3, 7);
	commit();
	again(signer, LOG, topic);
	assert_string_equal(waiting(), "6=submission 2;7=submission 3;");
	assert_true(has(1) && has(2) && has(3));
	/* The other topic knows nothing of it. */
	again(signer, LOG, other_topic);
	assert_false(has(1));
	assert_string_equal(waiting(), "6=submission 2;7=submission 3;");
}

static void test_dropped(void **state)
{
	uint8_t heir[MAIL_KEY_LEN];

	(void)state;
	begin();
	for (int i = 1; i <= 4; i++)
		sign(i, 10 + (uint64_t)i);
	assert_int_equal(journal_absent_add(journal, key_of(90), key_of(1), &t), OK);
	assert_int_equal(journal_absent_add(journal, key_of(91), key_of(3), &t), OK);
	assert_int_equal(journal_absent_add(journal, key_of(90), key_of(3), &t), OK);
	commit();
	begin();
	assert_int_equal(journal_settle(journal, 11, &t), OK);
	assert_int_equal(journal_drop(journal, 13, &t), OK);
	commit();
	again(signer, LOG, topic);
	assert_string_equal(waiting(), "12=submission 2;");
	assert_true(has(1) && has(2));
	assert_false(has(3) || has(4));
	/* Numbers that were used stay used. */
	assert_int_equal(highest(), 14);
	assert_int_equal(journal_absent(journal, key_of(90), heir, &t), OK);
	assert_memory_equal(heir, key_of(1), MAIL_KEY_LEN);
	assert_int_equal(journal_absent(journal, key_of(91), heir, &t), ERR_NOTFOUND);
}

static void test_learnt(void **state)
{
	struct ref post = post_of(1), other = post_of(9), found;
	uint64_t cursor;

	(void)state;
	begin();
	sign(1, 1);
	commit();
	begin();
	post.index = 4711;
	assert_int_equal(journal_learn(journal, key_of(1), &post, &t), OK);
	assert_int_equal(journal_learn(journal, key_of(2), &other, &t), OK);
	other.index = 3;
	assert_int_equal(journal_learn(journal, key_of(1), &other, &t), OK);
	assert_int_equal(journal_cursor(journal, 33, &t), OK);
	commit();
	assert_int_equal(journal_find(journal, key_of(1), &found, &t), OK);
	assert_memory_equal(found.id, post.id, ID_LEN); /* the first one stays */
	assert_int_equal(found.index, 4711);
	assert_int_equal(journal_find(journal, key_of(2), &found, &t), OK);
	assert_memory_equal(found.id, other.id, ID_LEN);
	assert_int_equal(found.index, 0);
	assert_int_equal(journal_topic(journal, topic, &cursor, &t), OK);
	assert_int_equal(cursor, 33);
}

static void test_owner(void **state)
{
	static const uint8_t another[KEY_LEN] = {9};
	uint64_t cursor;

	(void)state;
	begin();
	sign(1, 1);
	assert_int_equal(journal_settle(journal, 1, &t), OK);
	sign(2, 2);
	assert_int_equal(journal_cursor(journal, 33, &t), OK);
	commit();
	again(signer, "example.org/0123456789abcdef0123456789abcdef/2", topic);
	/* What waited was signed for the log before; what had arrived there is there. */
	assert_string_equal(waiting(), "");
	assert_true(has(1));
	assert_false(has(2));
	assert_int_equal(highest(), 0);
	assert_int_equal(journal_topic(journal, topic, &cursor, &t), OK);
	assert_int_equal(cursor, 0);
	begin();
	sign(3, 5);
	commit();
	again(another, "example.org/0123456789abcdef0123456789abcdef/2", topic);
	assert_false(has(3));
	assert_int_equal(highest(), 0);
}

static void test_keys(void **state)
{
	struct content c = {.subject = bytes_str("s"),
	    .text = bytes_str("t"),
	    .imported = {.present = true, .source = bytes_str("a"), .date = 5}};
	uint8_t a[MAIL_KEY_LEN], b[MAIL_KEY_LEN];

	(void)state;
	assert_int_equal(mail_key_of_content(a, &c), OK);
	c.imported.source = bytes_str("another");
	assert_int_equal(mail_key_of_content(b, &c), OK);
	assert_memory_equal(a, b, MAIL_KEY_LEN);
	c.imported.date = 6;
	assert_int_equal(mail_key_of_content(b, &c), OK);
	assert_memory_not_equal(a, b, MAIL_KEY_LEN);
	mail_key_of_text(a, bytes_str("t"));
	mail_key_of_id(b, bytes_str("t"));
	assert_memory_not_equal(a, b, MAIL_KEY_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_signed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_dropped, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_learnt, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_owner, setup, teardown),
	    cmocka_unit_test(test_keys),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
