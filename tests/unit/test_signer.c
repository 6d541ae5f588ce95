/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/signer: whatever happens to the process or to its lock file, no two checkpoints are ever
 * signed that can't belong to one history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/keyfile.h"
#include "daemon/signer/signer.h"
#include "member_fixture.h"

#define LOCK_LEN 1024 /* two records */
#define ORG "n0.example"

static char folder[64], keys[80], lock[96];
static struct credential credential, foreign;
static uint8_t forum[HASH_LEN];

/* ---- what each test begins with ---- */

static void credential_of(struct credential *out, uint8_t seed, uint64_t number)
{
	struct node_body body = fixture_node(ORG, number, seed, 3, 4);
	struct key root = fixture_key(1);
	char log_name[VERIFIER_NAME_MAX + 1];
	struct buffer message = BUFFER_INIT;

	assert_int_equal(
	    credential_make(&message, log_name, forum, ORG, 1, &root, &body, 1, FIXTURE_TIME), OK);
	assert_int_equal(
	    credential_open(out, forum, bytes_str(log_name), buffer_bytes(&message)), OK);
	buffer_free(&message);
}

static void key_put(const char *role, const char *file, uint8_t seed)
{
	struct key key = fixture_key(seed);
	char path[120];

	snprintf(path, sizeof path, "%s/%s.key", keys, file);
	unlink(path);
	assert_int_equal(keyfile_save(path, role, &key, NULL), OK);
}

static void keys_put(void)
{
	key_put("log", "log", 2);
	key_put("registrar", "registrar", 3);
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_signer.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(keys, sizeof keys, "%s/keys", folder);
	snprintf(lock, sizeof lock, "%s/signer.lock", folder);
	if (mkdir(keys, 0700) != 0)
		return -1;
	keys_put();
	return 0;
}

static int teardown(void **state)
{
	char path[120];

	(void)state;
	unlink(lock);
	snprintf(path, sizeof path, "%s/log.key", keys);
	unlink(path);
	snprintf(path, sizeof path, "%s/registrar.key", keys);
	unlink(path);
	rmdir(keys);
	return rmdir(folder);
}

static struct signer *opened(void)
{
	struct signer *s;
	char why[512] = "";

	assert_int_equal(signer_open(&s, keys, &credential, NULL, why), OK);
	assert_non_null(s);
	return s;
}

static int locked(struct signer **s)
{
	char why[512] = "";
	int err;

	*s = opened();
	err = signer_lock(*s, lock, why);
	if (err) {
		/* The operator is told which file. */
		assert_non_null(strstr(why, lock));
		signer_free(*s);
		*s = NULL;
	}
	return err;
}

static struct signer *ready(void)
{
	struct signer *s;

	assert_int_equal(locked(&s), OK);
	return s;
}

/* The root of our test history at a size; `fork` tells others. */
static void root_of(uint64_t size, uint64_t fork, uint8_t out[static HASH_LEN])
{
	uint64_t both[2] = {size, fork};

	hash_of(out, both, sizeof both);
}

/* Sign, or nothing comes out. */
static int sign(struct signer *s, uint64_t size, uint64_t fork)
{
	struct buffer note = BUFFER_INIT;
	struct checkpoint c;
	uint8_t root[HASH_LEN];
	int err;

	root_of(size, fork, root);
	err = signer_checkpoint(s, size, root, &note);
	if (err) {
		assert_int_equal(note.len, 0);
	} else {
		assert_int_equal(checkpoint_open(buffer_bytes(&note), &credential.log, &c), OK);
		assert_int_equal(c.size, size);
		assert_memory_equal(c.root, root, HASH_LEN);
	}
	buffer_free(&note);
	return err;
}

static uint64_t head_of(const struct signer *s)
{
	uint8_t root[HASH_LEN], expected[HASH_LEN];
	uint64_t size;

	signer_head(s, &size, root);
	if (size > 0) {
		root_of(size, 0, expected);
		assert_memory_equal(root, expected, HASH_LEN);
	}
	return size;
}

/* At this head, and nothing below or beside it. */
static void stands_at(struct signer *s, uint64_t size)
{
	assert_int_equal(head_of(s), size);
	assert_int_equal(sign(s, 0, 0), ERR_FORK);
	if (size > 0) {
		assert_int_equal(sign(s, size, 1), ERR_FORK);
		assert_int_equal(sign(s, size - 1, 0), ERR_FORK);
		assert_int_equal(sign(s, 1, size == 1), ERR_FORK);
		assert_int_equal(sign(s, size, 0), OK); /* the same again adds nothing */
	}
	assert_int_equal(head_of(s), size);
}

static void stands_after_restart(uint64_t size)
{
	struct signer *s = ready();

	stands_at(s, size);
	signer_free(s);
}

static size_t file_read(uint8_t out[static LOCK_LEN])
{
	int fd = open(lock, O_RDONLY);
	ssize_t n = read(fd, out, LOCK_LEN);

	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

static void file_write(const uint8_t *bytes, size_t len)
{
	int fd = open(lock, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

/* ---- the rule ---- */

static void test_rule(void **state)
{
	static const uint8_t zeros[HASH_LEN];
	struct signer *s = ready();
	struct buffer note = BUFFER_INIT;
	struct stat st;

	(void)state;
	stands_at(s, 0);
	assert_int_equal(signer_checkpoint(s, 0, zeros, &note), ERR_FORK);
	assert_int_equal(note.len, 0);
	assert_int_equal(sign(s, 1, 0), OK);
	stands_at(s, 1);
	assert_int_equal(sign(s, 2, 0), OK);
	assert_int_equal(sign(s, 700, 0), OK);
	stands_at(s, 700);
	assert_int_equal(sign(s, 701, 0), OK);
	assert_int_equal(sign(s, (UINT64_C(1) << 63) - 1, 0), OK);
	stands_at(s, (UINT64_C(1) << 63) - 1);
	signer_free(s);
	assert_int_equal(stat(lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, LOCK_LEN);
}

static void test_reopen(void **state)
{
	(void)state;
	stands_after_restart(0);
	for (uint64_t size = 1; size < 40; size += 1 + size % 3) {
		struct signer *s = ready();

		assert_int_equal(sign(s, size, 0), OK);
		signer_free(s);
		stands_after_restart(size);
	}
}

/* A note is appended; what stood before it stays. */
static void test_appends(void **state)
{
	struct signer *s = ready();
	struct buffer note = BUFFER_INIT, again = BUFFER_INIT;
	uint8_t root[HASH_LEN];

	(void)state;
	root_of(3, 0, root);
	buffer_add_str(&note, "before");
	assert_int_equal(signer_checkpoint(s, 3, root, &note), OK);
	assert_int_equal(signer_checkpoint(s, 3, root, &again), OK);
	assert_int_equal(note.len, 6 + again.len);
	assert_memory_equal(note.data, "before", 6);
	assert_memory_equal(note.data + 6, again.data, again.len);
	buffer_free(&note);
	buffer_free(&again);
	signer_free(s);
}

/* ---- crashes ---- */

/* In the child: sign on and on, and hand each note over a pipe as a relay would over a socket. */
static void sign_for_ever(int out)
{
	struct signer *s;
	char why[512];

	if (signer_open(&s, keys, &credential, NULL, why) != OK || signer_lock(s, lock, why) != OK)
		_exit(1);
	for (;;) {
		struct buffer note = BUFFER_INIT;
		uint8_t root[HASH_LEN];
		uint64_t size;

		signer_head(s, &size, root);
		size++;
		root_of(size, 0, root);
		if (signer_checkpoint(s, size, root, &note) != OK ||
		    write(out, &size, sizeof size) != sizeof size)
			_exit(2);
		buffer_free(&note);
	}
}

static void test_killed(void **state)
{
	uint64_t highest = 0, random = 88172645463325252u;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct timespec pause = {0, 0};
		int pipes[2], status;
		uint64_t size;
		struct signer *s;
		pid_t pid;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		pause.tv_nsec = (long)(random % (round % 4 ? 4000000 : 30000000));
		assert_int_equal(pipe(pipes), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			close(pipes[0]);
			sign_for_ever(pipes[1]);
		}
		close(pipes[1]);
		nanosleep(&pause, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		while (read(pipes[0], &size, sizeof size) == sizeof size)
			highest = size;
		close(pipes[0]);
		/* It died between remembering and releasing, or not: one step at most. */
		s = ready();
		assert_in_range(head_of(s), highest, highest + 1);
		highest = head_of(s);
		stands_at(s, highest);
		signer_free(s);
	}
	assert_true(highest > 10);
}

/* The power goes while a record is being written: any part of it, over what was there. */
static void test_torn_write(void **state)
{
	uint8_t before[LOCK_LEN] = {0}, after[LOCK_LEN], torn[LOCK_LEN];

	(void)state;
	for (uint64_t size = 1; size < 5; size++) {
		struct signer *s = ready();
		size_t at = size % 2 ? LOCK_LEN / 2 : 0;

		assert_int_equal(sign(s, size, 0), OK);
		signer_free(s);
		assert_int_equal(file_read(after), LOCK_LEN);
		/* One record stays as it was. */
		assert_memory_equal(
		    after + LOCK_LEN / 2 - at, before + LOCK_LEN / 2 - at, LOCK_LEN / 2);
		for (size_t len = 0; len < LOCK_LEN / 2; len += 7) {
			memcpy(torn, before, LOCK_LEN);
			memcpy(torn + at, after + at, len);
			/* The first of all also makes the file. */
			file_write(torn, size == 1 ? at + len : LOCK_LEN);
			s = ready();
			assert_true(head_of(s) == size - 1 || memcmp(torn, after, LOCK_LEN) == 0);
			assert_int_equal(sign(s, size, 0), OK);
			signer_free(s);
			stands_after_restart(size);
		}
		file_write(after, LOCK_LEN);
		memcpy(before, after, LOCK_LEN);
	}
}

/* ---- a lock file that can't be trusted ---- */

static void test_damaged(void **state)
{
	uint8_t good[LOCK_LEN], bad[LOCK_LEN];
	struct signer *s = ready();

	(void)state;
	for (uint64_t size = 1; size < 4; size++)
		assert_int_equal(sign(s, size, 0), OK);
	signer_free(s);
	assert_int_equal(file_read(good), LOCK_LEN);
	/* Both records, anywhere. */
	for (size_t i = 0; i < LOCK_LEN / 2; i += 3) {
		memcpy(bad, good, LOCK_LEN);
		bad[i] ^= 0x40;
		bad[LOCK_LEN / 2 + (i * 5) % (LOCK_LEN / 2)] ^= 1;
		file_write(bad, LOCK_LEN);
		assert_int_equal(locked(&s), ERR_MALFORMED);
	}
	/* The older one alone is what a torn write leaves. */
	memcpy(bad, good, LOCK_LEN);
	bad[100] ^= 1;
	file_write(bad, LOCK_LEN);
	stands_after_restart(3);
	/* Zeros, text, too short. */
	memset(bad, 0, LOCK_LEN);
	file_write(bad, LOCK_LEN);
	assert_int_equal(locked(&s), ERR_MALFORMED);
	memset(bad, 'x', LOCK_LEN);
	file_write(bad, LOCK_LEN);
	assert_int_equal(locked(&s), ERR_MALFORMED);
	for (size_t len = 1; len < LOCK_LEN; len += 11) {
		file_write(good, len);
		assert_int_equal(locked(&s), ERR_MALFORMED);
	}
	file_write(good, LOCK_LEN);
	stands_after_restart(3);
}

/* Another log's: of the same organisation, its next. */
static void test_foreign_lock(void **state)
{
	struct buffer note = BUFFER_INIT;
	struct signer *s;
	char why[512] = "";
	uint8_t root[HASH_LEN];

	(void)state;
	key_put("log", "log", 9);
	assert_int_equal(signer_open(&s, keys, &foreign, NULL, why), OK);
	assert_int_equal(signer_lock(s, lock, why), OK);
	root_of(5, 0, root);
	assert_int_equal(signer_checkpoint(s, 5, root, &note), OK);
	signer_free(s);
	buffer_free(&note);

	key_put("log", "log", 2);
	assert_int_equal(locked(&s), ERR_MALFORMED);
}

static void test_two_holders(void **state)
{
	struct signer *first = ready(), *second;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(locked(&second), ERR_BUSY);
	pid = fork();
	if (pid == 0) {
		struct signer *s;
		char why[512];

		_exit(signer_open(&s, keys, &credential, NULL, why) == OK &&
			      signer_lock(s, lock, why) == ERR_BUSY
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(sign(first, 1, 0), OK);
	signer_free(first);
	stands_after_restart(1);
}

static void test_no_place(void **state)
{
	struct signer *s = opened();
	char path[120], why[512] = "";

	(void)state;
	snprintf(path, sizeof path, "%s/absent/signer.lock", folder);
	assert_int_equal(signer_lock(s, path, why), ERR_IO);
	assert_non_null(strstr(why, path));
	signer_free(s);
	/* What another put there to point elsewhere. */
	snprintf(path, sizeof path, "%s/elsewhere", folder);
	assert_int_equal(symlink(path, lock), 0);
	assert_int_equal(locked(&s), ERR_IO);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- a disk that takes nothing more ---- */

static void limit_set(rlim_t limit)
{
	struct rlimit r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
	r.rlim_cur = limit;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

/* No signature without a record: also when half of it went to the disk. */
static void test_full_disk(void **state)
{
	static const rlim_t limits[] = {0, 100, 512, 600, 700};

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	for (uint64_t size = 0; size < 4; size++) {
		for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
			/* Where the next record goes. */
			bool fits = size % 2 == 1 && limits[i] >= LOCK_LEN / 2;
			struct signer *s = ready();

			limit_set(limits[i]);
			assert_int_equal(fits ? ERR_IO : sign(s, size + 1, 1), ERR_IO);
			limit_set(RLIM_INFINITY);
			stands_at(s, size);
			signer_free(s);
			stands_after_restart(size);
			s = ready();
			assert_int_equal(sign(s, size == 0 ? 1 : size, 0), OK);
			signer_free(s);
			if (size == 0)
				unlink(lock);
		}
		struct signer *s = ready();

		assert_int_equal(sign(s, size + 1, 0), OK);
		stands_at(s, size + 1);
		signer_free(s);
	}
}

/* ---- the registrar ---- */

static void test_registrar(void **state)
{
	struct signer *s = ready();
	struct key registrar = fixture_key(3);

	(void)state;
	assert_memory_equal(signer_registrar_key(s), registrar.public, KEY_LEN);
	for (uint32_t kind = 0; kind < 300; kind++) {
		struct header h = {.version = 1, .sequence = 7, .kind = kind, .time = FIXTURE_TIME},
			      parsed;
		struct buffer message = BUFFER_INIT;
		int err = signer_registrar(s, &h, &message);

		if (kind != KIND_ENROL && kind != KIND_REVOKE) {
			assert_int_equal(err, ERR_REFUSED);
			assert_int_equal(message.len, 0);
			continue;
		}
		assert_int_equal(err, OK);
		assert_int_equal(message_parse(buffer_bytes(&message), &parsed), OK);
		assert_int_equal(parsed.kind, kind);
		assert_memory_equal(parsed.signer, registrar.public, KEY_LEN);
		assert_int_equal(
		    message_verify(buffer_bytes(&message), &credential.binding, registrar.public),
		    OK);
		buffer_free(&message);
	}
	signer_free(s);
}

/* ---- the keys ---- */

static void refuses(int err, const char *file, const char *word)
{
	struct signer *s = (struct signer *)folder;
	char why[512] = "";

	assert_int_equal(signer_open(&s, keys, &credential, NULL, why), err);
	assert_null(s);
	assert_non_null(strstr(why, file));
	assert_non_null(strstr(why, word));
	keys_put();
	signer_free(opened());
}

static void test_keys(void **state)
{
	char path[120];

	(void)state;
	key_put("log", "log", 5);
	refuses(ERR_KEY, "log.key", "not the log key that the credential names");
	key_put("registrar", "registrar", 5);
	refuses(ERR_KEY, "registrar.key", "not the registrar key that the credential names");
	/* Mixed up. */
	key_put("registrar", "log", 3);
	refuses(ERR_KEY, "log.key", "");
	key_put("log", "registrar", 2);
	refuses(ERR_KEY, "registrar.key", "");
	snprintf(path, sizeof path, "%s/registrar.key", keys);
	unlink(path);
	refuses(ERR_NOTFOUND, "registrar.key", "");
	snprintf(path, sizeof path, "%s/log.key", keys);
	assert_int_equal(chmod(path, 0640), 0);
	refuses(ERR_REFUSED, "log.key", "chmod 600");
	assert_int_equal(truncate(path, 20), 0);
	refuses(ERR_MALFORMED, "log.key", "");
	signer_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_rule, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_appends, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_torn_write, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_foreign_lock, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_two_holders, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_registrar, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
	};
	int failed;

	if (crypto_start() != OK)
		return 1;
	memset(forum, 0xf0, sizeof forum);
	credential_of(&credential, 2, 1);
	credential_of(&foreign, 9, 2);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	credential_clear(&credential);
	credential_clear(&foreign);
	return failed;
}
