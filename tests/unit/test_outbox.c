/* SPDX-License-Identifier: BSD-2-Clause */
/* The outbox: nothing lost, nothing doubled, sequences only ever rising, wherever we crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "client/outbox.h"

static char home[64];
static struct key key;
static struct binding binding;

/* A submission with this sequence; `text` its content. */
static int put_with(struct outbox *o, uint64_t sequence, uint64_t signed_sequence, const char *text,
    struct trouble *t)
{
	Convene__Submission submission = CONVENE__SUBMISSION__INIT, *list = &submission;
	Convene__Submit submit = CONVENE__SUBMIT__INIT;
	struct header h = {.version = 1,
	    .sequence = signed_sequence,
	    .kind = KIND_TOPIC,
	    .time = 1,
	    .has_commitment = true,
	    .bucket = bucket_of(strlen(text))};
	struct buffer message = BUFFER_INIT;
	uint8_t salt[SALT_LEN] = {1};
	int err;

	memcpy(h.signer, key.public, KEY_LEN);
	commitment_make(h.commitment, &binding, key.public, salt, bytes_str(text));
	assert_int_equal(message_sign(&message, &binding, &h, &key), OK);
	submission.message = pb_of(buffer_bytes(&message));
	submission.salt = pb_of(bytes_of(salt, SALT_LEN));
	submission.content = pb_of(bytes_str(text));
	submit.forum = pb_of(bytes_of(binding.forum, HASH_LEN));
	submit.log = pb_of(bytes_str(binding.log_name));
	submit.submissions = &list;
	submit.n_submissions = 1;
	err = outbox_put(o, sequence, &submit, t);
	buffer_free(&message);
	return err;
}

static void put(struct outbox *o, uint64_t sequence)
{
	struct trouble t;

	assert_int_equal(put_with(o, sequence, sequence, "text", &t), OK);
	assert_int_equal(o->sequence, sequence);
}

static void open_it(struct outbox *o)
{
	struct trouble t;

	assert_int_equal(outbox_open(o, home, &t), OK);
}

static size_t count(const struct outbox *o, enum outbox_box box)
{
	struct trouble t;
	uint64_t *list;
	size_t n;

	assert_int_equal(outbox_list(o, box, &list, &n, &t), OK);
	for (size_t i = 1; i < n; i++)
		assert_true(list[i - 1] < list[i]);
	free(list);
	return n;
}

static void test_new(void **state)
{
	struct trouble t;
	struct outbox o;

	(void)state;
	open_it(&o);
	assert_true(o.lost);
	assert_int_equal(o.sequence, 0);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	open_it(&o);
	assert_false(o.lost);
	assert_int_equal(count(&o, BOX_WAITING), 0);
}

static void test_exact_bytes(void **state)
{
	Convene__Submit *m;
	struct trouble t;
	struct outbox o;
	struct header h;

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	put(&o, 1);
	assert_int_equal(outbox_get(&o, BOX_WAITING, 1, &m, &t), OK);
	assert_true(bytes_equal(bytes_of_pb(m->log), bytes_str(binding.log_name)));
	assert_int_equal(message_parse(bytes_of_pb(m->submissions[0]->message), &h), OK);
	assert_int_equal(
	    message_verify(bytes_of_pb(m->submissions[0]->message), &binding, key.public), OK);
	assert_int_equal(content_check(&h, &binding, m->submissions[0]->salt.data,
			     bytes_of_pb(m->submissions[0]->content)),
	    OK);
	message_free(&m->base);
	assert_int_equal(outbox_get(&o, BOX_SENT, 1, &m, &t), ERR_NOTFOUND);
}

static void test_sequence_rises(void **state)
{
	struct trouble t;
	struct outbox o;

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	put(&o, 5);
	assert_int_equal(put_with(&o, 5, 5, "text", &t), ERR_INVALID);
	assert_int_equal(put_with(&o, 4, 4, "text", &t), ERR_INVALID);
	assert_int_equal(put_with(&o, SEQUENCE_MAX + 1, 6, "text", &t), ERR_INVALID);
	/* The state was never written since: the name of what waits tells. */
	open_it(&o);
	assert_int_equal(o.sequence, 5);
	put(&o, 9);
	assert_int_equal(outbox_move(&o, 5, BOX_WAITING, BOX_SENT, &t), OK);
	assert_int_equal(outbox_move(&o, 9, BOX_WAITING, BOX_NONE, &t), OK);
	/* Gone, and still known. */
	open_it(&o);
	assert_int_equal(o.sequence, 9);
	assert_int_equal(count(&o, BOX_WAITING), 0);
	assert_int_equal(count(&o, BOX_SENT), 1);
	assert_int_equal(outbox_move(&o, 5, BOX_SENT, BOX_NONE, &t), OK);
	open_it(&o);
	assert_int_equal(o.sequence, 9);
}

static void test_lost_state(void **state)
{
	char path[128];
	struct trouble t;
	struct outbox o;

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	put(&o, 3);
	snprintf(path, sizeof path, "%s/outbox/state", home);
	assert_int_equal(unlink(path), 0);
	open_it(&o);
	assert_true(o.lost);
	assert_int_equal(o.sequence, 3); /* at least */
}

static void test_crash_leftovers(void **state)
{
	static const char *const names[] = {".0000000000000007.message.new",
	    "0000000000000008.message~", "7.message", "000000000000000x.message",
	    "9999999999999999.message", "0000000000000000.message", ".state.new"};
	char path[160];
	struct trouble t;
	struct outbox o;

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	put(&o, 1);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		FILE *f;

		snprintf(path, sizeof path, "%s/outbox/%s", home, names[i]);
		f = fopen(path, "w");
		assert_non_null(f);
		fputs("half", f);
		fclose(f);
	}
	open_it(&o);
	assert_int_equal(o.sequence, 1);
	assert_int_equal(count(&o, BOX_WAITING), 1);
	put(&o, 7); /* over what a crash left */
	assert_int_equal(count(&o, BOX_WAITING), 2);
}

static void test_damage(void **state)
{
	Convene__Submit *m;
	char path[128];
	struct trouble t;
	struct outbox o;
	FILE *f;

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	assert_int_equal(put_with(&o, 1, 2, "text", &t), OK); /* the name lies about the sequence */
	assert_int_equal(outbox_get(&o, BOX_WAITING, 1, &m, &t), ERR_IO);
	put(&o, 2);
	snprintf(path, sizeof path, "%s/outbox/0000000000000002.message", home);
	assert_int_equal(truncate(path, 20), 0);
	assert_int_equal(outbox_get(&o, BOX_WAITING, 2, &m, &t), ERR_IO);
	assert_null(m);
	snprintf(path, sizeof path, "%s/outbox/state", home);
	f = fopen(path, "w");
	fputs("convene outbox v1\nsequence: 12\nsealed: 3\n", f);
	fclose(f);
	assert_int_equal(outbox_open(&o, home, &t), ERR_IO);
	assert_true(t.hint[0] != '\0');
}

static void test_state_text(void **state)
{
	static const char *const bad[] = {"", "convene outbox v1\n",
	    "convene outbox v2\nsequence: 1\n", "convene outbox v1\nsequence: 01\n",
	    "convene outbox v1\nsequence: 1", "convene outbox v1\nsequence: 9007199254740992\n",
	    "convene outbox v1\nsequence: 1\n\n",
	    "convene outbox v1\nsequence: 1\nsealed: 1 2 00\n",
	    "convene outbox v1\nsequence: 1\nsealed: 1\n"};
	struct outbox o = {.sequence = SEQUENCE_MAX, .sealed = 77, .sealed_index = UINT64_MAX},
		      again;
	struct buffer text = BUFFER_INIT;

	(void)state;
	memset(o.sealed_id, 0xab, ID_LEN);
	outbox_state_format(&text, &o);
	memset(&again, 0, sizeof again);
	assert_int_equal(outbox_state_parse(&again, buffer_bytes(&text)), OK);
	assert_true(again.sequence == SEQUENCE_MAX && again.sealed == 77 &&
		    again.sealed_index == UINT64_MAX);
	assert_memory_equal(again.sealed_id, o.sealed_id, ID_LEN);
	for (size_t cut = 0; cut < text.len; cut++) {
		int err = outbox_state_parse(&again, bytes_of(text.data, cut));

		/* Cut behind the first line it is a whole state, without a seal. */
		assert_int_equal(
		    err, text.data[cut - (cut > 0)] == '\n' && cut > 20 ? OK : ERR_MALFORMED);
	}
	buffer_free(&text);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(outbox_state_parse(&again, bytes_str(bad[i])), ERR_MALFORMED);
}

static void test_modes(void **state)
{
	char path[128];
	struct trouble t;
	struct outbox o;
	struct stat st;

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	put(&o, 1);
	snprintf(path, sizeof path, "%s/outbox/0000000000000001.message", home);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(path, sizeof path, "%s/outbox", home);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(outbox_open(&o, home, &t), ERR_IO);
	assert_int_equal(chmod(path, 0700), 0);
}

static int setup(void **state)
{
	uint8_t seed[32] = {3}, forum[HASH_LEN] = {9};

	(void)state;
	assert_int_equal(crypto_start(), OK);
	key_from_seed(&key, seed);
	assert_int_equal(binding_make(&binding, forum,
			     bytes_str("isoc.example/00112233445566778899aabbccddeeff/1")),
	    OK);
	strcpy(home, "/tmp/test_outbox.XXXXXX");
	return mkdtemp(home) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", home);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_new, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_exact_bytes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_sequence_rises, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lost_state, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_crash_leftovers, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_state_text, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
