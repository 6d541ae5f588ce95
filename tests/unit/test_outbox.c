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

#define ID_TEXT "abababababababababababababababababababababababababababababababab"

static void test_state_text(void **state)
{
	static const char *const bad[] = {"", "convene outbox v1\n",
	    "convene outbox v2\nsequence: 1\n", "convene outbox v1\nsequence: 01\n",
	    "convene outbox v1\nsequence: 1", "convene outbox v1\nsequence: 9007199254740992\n",
	    "convene outbox v1\nsequence: 1\n\n",
	    "convene outbox v1\nsequence: 1\nsealed: 1 2 00\n",
	    "convene outbox v1\nsequence: 1\nsealed: 1\n",
	    "convene outbox v1\nsequence: 1\nsealed: 1 2 " ID_TEXT " \n",
	    "convene outbox v1\nsequence: 1\nsealed: 1 2 " ID_TEXT " 0\n",
	    "convene outbox v1\nsequence: 1\nsealed: 1 2 " ID_TEXT " 1 1\n"};
	struct outbox o = {.sequence = SEQUENCE_MAX,
			  .sealed = 77,
			  .sealed_index = UINT64_MAX,
			  .sealed_log = 12},
		      again;
	struct buffer text = BUFFER_INIT;

	(void)state;
	memset(o.sealed_id, 0xab, ID_LEN);
	outbox_state_format(&text, &o);
	memset(&again, 0, sizeof again);
	assert_int_equal(outbox_state_parse(&again, buffer_bytes(&text)), OK);
	assert_true(again.sequence == SEQUENCE_MAX && again.sealed == 77 &&
		    again.sealed_index == UINT64_MAX && again.sealed_log == 12);
	assert_memory_equal(again.sealed_id, o.sealed_id, ID_LEN);
	for (size_t cut = 0; cut < text.len; cut++) {
		int err = outbox_state_parse(&again, bytes_of(text.data, cut));

		/* Cut behind the first line it is a whole state, without a seal. */
		assert_int_equal(
		    err, text.data[cut - (cut > 0)] == '\n' && cut > 20 ? OK : ERR_MALFORMED);
	}
	buffer_free(&text);
	/* As it was written before the log stood there. */
	memset(&again, 0, sizeof again);
	assert_int_equal(outbox_state_parse(&again, bytes_str("convene outbox v1\nsequence: 9\n"
							      "sealed: 7 8 " ID_TEXT "\n")),
	    OK);
	assert_true(again.sealed == 7 && again.sealed_index == 8 && again.sealed_log == 0);
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

/* ---- wherever we end ---- */

/* Copy the folder as it is at this moment: what a kill at this moment would leave. */
static void snapshot(char to[static 64])
{
	char command[200];

	strcpy(to, "/tmp/test_outbox_at.XXXXXX");
	assert_non_null(mkdtemp(to));
	snprintf(command, sizeof command, "cp -a '%s/.' '%s'", home, to);
	assert_int_equal(system(command), 0);
}

static void snapshot_free(const char *path)
{
	char command[200];

	snprintf(command, sizeof command, "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

static void rename_in(const char *root, const char *from, const char *to)
{
	char a[200], b[200];

	snprintf(a, sizeof a, "%s/outbox/%s", root, from);
	snprintf(b, sizeof b, "%s/outbox/%s", root, to);
	assert_int_equal(rename(a, b), 0);
}

/* A message is in one box, whole; the next number is above all that were used. */
static void check_once(const char *root, uint64_t sequence, enum outbox_box wanted)
{
	int found = 0;
	struct trouble t;
	struct outbox o;

	assert_int_equal(outbox_open(&o, root, &t), OK);
	assert_false(o.lost);
	assert_true(o.sequence >= sequence);
	for (int box = 0; box < BOX_COUNT; box++) {
		Convene__Submit *m;

		if (outbox_get(&o, (enum outbox_box)box, sequence, &m, &t) == OK) {
			message_free(&m->base);
			assert_int_equal(box, wanted);
			found++;
		}
	}
	assert_int_equal(found, wanted == BOX_NONE ? 0 : 1);
}

static void test_crash_between(void **state)
{
	struct trouble t;
	struct outbox o;
	char at[64];

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	/* Before a message is renamed into its place it is not there, and its number is free. */
	put(&o, 1);
	snapshot(at);
	rename_in(at, "0000000000000001.message", ".0000000000000001.message.new");
	assert_int_equal(outbox_open(&o, at, &t), OK);
	assert_int_equal(o.sequence, 0);
	put(&o, 1);
	check_once(at, 1, BOX_WAITING);
	snapshot_free(at);
	open_it(&o);
	snapshot(at); /* kept, and nothing was sent */
	check_once(at, 1, BOX_WAITING);
	snapshot_free(at);
	/* The number is written down before the message moves: between the two it is sent again. */
	assert_int_equal(outbox_state_save(&o, &t), OK);
	snapshot(at);
	check_once(at, 1, BOX_WAITING);
	snapshot_free(at);
	assert_int_equal(outbox_move(&o, 1, BOX_WAITING, BOX_SENT, &t), OK);
	snapshot(at);
	check_once(at, 1, BOX_SENT);
	snapshot_free(at);
	/* The same towards the refused: the reason first, and alone it is nothing. */
	put(&o, 2);
	assert_int_equal(outbox_refuse(&o, 2, 7, "it is\ntoo \x1b[2Jlarge", &t), OK);
	snapshot(at);
	rename_in(at, "refused/0000000000000002.message", "0000000000000002.message");
	check_once(at, 2, BOX_WAITING);
	assert_int_equal(outbox_open(&o, at, &t), OK);
	assert_int_equal(outbox_refuse(&o, 2, 7, "again", &t), OK);
	check_once(at, 2, BOX_REFUSED);
	snapshot_free(at);
	open_it(&o);
	assert_int_equal(outbox_drop(&o, 2, &t), OK);
	open_it(&o);
	check_once(home, 2, BOX_NONE);
	assert_int_equal(o.sequence, 2);
}

static void test_reasons(void **state)
{
	char path[128], text[200];
	struct trouble t;
	struct outbox o;
	uint32_t code;
	FILE *f;

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	put(&o, 1);
	assert_int_equal(outbox_refuse(&o, 1, 7, "it is\ntoo \x1b[2Jlarge", &t), OK);
	assert_true(outbox_reason(&o, 1, &code, text));
	assert_int_equal(code, 7);
	assert_string_equal(text, "it is\xef\xbf\xbdtoo \xef\xbf\xbd[2Jlarge");
	assert_false(outbox_reason(&o, 2, &code, text));
	snprintf(path, sizeof path, "%s/outbox/refused/0000000000000001.reason", home);
	f = fopen(path, "w");
	fputs("7 torn", f);
	fclose(f);
	assert_false(outbox_reason(&o, 1, &code, text));
	assert_int_equal(outbox_drop(&o, 1, &t), OK);
	assert_int_not_equal(access(path, F_OK), 0);
}

static int count_one(void *ctx, const struct kept *k)
{
	size_t *n = ctx;

	assert_int_equal(k->header.sequence, k->sequence);
	assert_true(k->content.len > 0);
	++*n;
	return OK;
}

static void test_signed_anew(void **state)
{
	uint8_t a[ID_LEN] = {1}, b[ID_LEN] = {2}, c[ID_LEN] = {3}, d[ID_LEN] = {4}, id[ID_LEN];
	struct buffer gone = BUFFER_INIT;
	char path[128];
	struct trouble t;
	struct outbox o;
	size_t n = 0;

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	memcpy(id, a, ID_LEN);
	assert_int_equal(outbox_again_find(&o, id, &t), OK);
	assert_memory_equal(id, a, ID_LEN);
	/* An attempt that was interrupted before its message was kept, the next, and one upon it.
	 */
	assert_int_equal(outbox_again_note(&o, a, b, &t), OK);
	assert_int_equal(outbox_again_note(&o, a, c, &t), OK);
	assert_int_equal(outbox_again_note(&o, c, d, &t), OK);
	assert_int_equal(outbox_again_find(&o, id, &t), OK);
	assert_memory_equal(id, d, ID_LEN);
	/* What belongs to any of the old ones, or to a refused one, must not go out. */
	put(&o, 1);
	put(&o, 2);
	assert_int_equal(outbox_refuse(&o, 1, 0, "why", &t), OK);
	assert_int_equal(outbox_gone(&o, binding.forum, &gone, &t), OK);
	assert_int_equal(gone.len, 4 * ID_LEN);
	buffer_free(&gone);
	assert_int_equal(outbox_each(&o, BOX_WAITING, binding.forum, count_one, &n, &t), OK);
	assert_int_equal(n, 1);
	/* A circle, as only damage makes one, has an end. */
	assert_int_equal(outbox_again_note(&o, d, a, &t), OK);
	assert_int_equal(outbox_again_find(&o, id, &t), OK);
	snprintf(path, sizeof path, "%s/outbox/again", home);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(outbox_again_find(&o, id, &t), ERR_IO);
}

static void test_forgotten(void **state)
{
	uint8_t id[ID_LEN];
	Convene__Submit *m;
	struct trouble t;
	struct outbox o;

	(void)state;
	open_it(&o);
	assert_int_equal(outbox_state_save(&o, &t), OK);
	put(&o, 1);
	put(&o, 2);
	assert_int_equal(outbox_get(&o, BOX_WAITING, 1, &m, &t), OK);
	message_id(id, bytes_of_pb(m->submissions[0]->message), &binding);
	message_free(&m->base);
	assert_int_equal(outbox_move(&o, 1, BOX_WAITING, BOX_SENT, &t), OK);
	assert_int_equal(outbox_move(&o, 2, BOX_WAITING, BOX_SENT, &t), OK);
	assert_int_equal(outbox_forget(&o, binding.forum, id, &t), OK);
	assert_int_equal(count(&o, BOX_SENT), 1);
	assert_int_equal(outbox_forget(&o, binding.forum, id, &t), OK);
	check_once(home, 1, BOX_NONE);
	check_once(home, 2, BOX_SENT);
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
	    cmocka_unit_test_setup_teardown(test_crash_between, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reasons, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_signed_anew, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
