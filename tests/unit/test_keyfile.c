/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "crypto/keyfile.h"

static char folder[] = "/tmp/test_keyfile.XXXXXX";
static char path[sizeof folder + 16];
static struct key key;

static void assert_key(const struct key *got)
{
	assert_memory_equal(got, &key, sizeof key);
}

static size_t names_in_folder(void)
{
	size_t count = 0;
	DIR *d = opendir(folder);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		count += e->d_name[0] != '.';
	closedir(d);
	return count;
}

static size_t file_read(char out[static KEYFILE_MAX])
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t len = fread(out, 1, KEYFILE_MAX, f);
	fclose(f);
	return len;
}

static void file_write(const char *data, size_t len)
{
	unlink(path);
	mode_t old = umask(077);
	FILE *f = fopen(path, "wb");
	umask(old);
	assert_non_null(f);
	fwrite(data, 1, len, f);
	fclose(f);
}

static void test_clear(void **state)
{
	(void)state;
	struct key got;
	struct stat st;
	mode_t old = umask(0);
	assert_int_equal(keyfile_save(path, "log", &key, NULL), OK);
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(names_in_folder(), 1);
	assert_int_equal(keyfile_load(path, "log", &got, NULL), OK);
	assert_key(&got);
	memset(&got, 0, sizeof got);
	assert_int_equal(keyfile_load(path, NULL, &got, "needless"), OK);
	assert_key(&got);
	assert_int_equal(keyfile_load(path, "root", &got, NULL), ERR_KEY);
}

static void test_passphrase(void **state)
{
	(void)state;
	struct key got;
	char text[KEYFILE_MAX];
	assert_int_equal(keyfile_save(path, "root", &key, ""), ERR_PASSPHRASE);
	assert_int_equal(keyfile_save(path, "root", &key, "correct horse"), OK);
	assert_int_equal(keyfile_load(path, "root", &got, NULL), ERR_PASSPHRASE);
	assert_int_equal(keyfile_load(path, "root", &got, "correct hors"), ERR_PASSPHRASE);
	assert_int_equal(keyfile_load(path, "log", &got, "correct horse"), ERR_KEY);
	assert_int_equal(keyfile_load(path, "root", &got, "correct horse"), OK);
	assert_key(&got);

	/* Another role on the outside, or less work: the seal notices. */
	size_t len = file_read(text);
	char *at = memmem(text, len, "root", 4);
	memcpy(at, "boot", 4);
	file_write(text, len);
	assert_int_equal(keyfile_load(path, "boot", &got, "correct horse"), ERR_PASSPHRASE);
	memcpy(at, "root", 4);
	at = memmem(text, len, "268435456", 9);
	assert_non_null(at);
	memcpy(at, "168435456", 9);
	file_write(text, len);
	assert_int_equal(keyfile_load(path, "root", &got, "correct horse"), ERR_PASSPHRASE);
}

static void test_never_overwrites(void **state)
{
	(void)state;
	struct key other, got;
	key_generate(&other);
	assert_int_equal(keyfile_save(path, "log", &key, NULL), OK);
	assert_int_equal(keyfile_save(path, "log", &other, NULL), ERR_EXISTS);
	assert_int_equal(keyfile_load(path, "log", &got, NULL), OK);
	assert_key(&got);
	assert_int_equal(names_in_folder(), 1);

	/* Nor follows a link to where nothing is. */
	unlink(path);
	assert_int_equal(symlink("/nonexistent/target", path), 0);
	assert_int_equal(keyfile_save(path, "log", &key, NULL), ERR_EXISTS);
}

static pthread_barrier_t barrier;

static void *save_one(void *arg)
{
	struct key *mine = arg;
	pthread_barrier_wait(&barrier);
	int err = keyfile_save(path, "log", mine, NULL);
	if (err != OK)
		key_wipe(mine);
	return err == OK || err == ERR_EXISTS ? mine : NULL;
}

/* Of several at once, one wins, and what it was told is true. */
static void test_race(void **state)
{
	(void)state;
	struct key keys[8], got;
	pthread_t threads[8];
	pthread_barrier_init(&barrier, NULL, 8);
	for (int i = 0; i < 8; i++) {
		key_generate(&keys[i]);
		assert_int_equal(pthread_create(&threads[i], NULL, save_one, &keys[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		void *result;
		pthread_join(threads[i], &result);
		assert_non_null(result);
	}
	pthread_barrier_destroy(&barrier);
	assert_int_equal(keyfile_load(path, "log", &got, NULL), OK);
	int winners = 0;
	for (int i = 0; i < 8; i++) {
		static const struct key wiped;
		if (memcmp(&keys[i], &wiped, sizeof wiped) == 0)
			continue;
		winners++;
		assert_memory_equal(&got, &keys[i], sizeof got);
	}
	assert_int_equal(winners, 1);
	assert_int_equal(names_in_folder(), 1);
}

static void test_refusals(void **state)
{
	(void)state;
	struct key got;
	static const mode_t modes[] = {0640, 0604, 0610, 0601, 0620, 0602, 0660, 0644};
	assert_int_equal(keyfile_load(path, NULL, &got, NULL), ERR_NOTFOUND);
	assert_int_equal(keyfile_save(path, "log", &key, NULL), OK);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		chmod(path, modes[i]);
		assert_int_equal(keyfile_load(path, NULL, &got, NULL), ERR_REFUSED);
	}
	chmod(path, 0400);
	assert_int_equal(keyfile_load(path, NULL, &got, NULL), OK);
	unlink(path);
	mkfifo(path, 0600);
	assert_int_equal(keyfile_load(path, NULL, &got, NULL), ERR_REFUSED);
	unlink(path);
	mkdir(path, 0700);
	assert_int_equal(keyfile_load(path, NULL, &got, NULL), ERR_REFUSED);
	rmdir(path);

	assert_int_equal(keyfile_save("/nonexistent/key", "log", &key, NULL), ERR_IO);
	assert_int_equal(keyfile_save(path, "", &key, NULL), ERR_INVALID);
	assert_int_equal(keyfile_save(path, "a b", &key, NULL), ERR_INVALID);
	assert_int_equal(keyfile_save(path, "abcdefghijklmnopq", &key, NULL), ERR_INVALID);
	assert_int_equal(names_in_folder(), 0);
	assert_int_equal(keyfile_save(path, "abcdefghijklmnop", &key, NULL), OK);
}

/* A file cut anywhere, lengthened, or with any bit turned gives no key, least of all another one.
 */
static void test_damaged(void **state)
{
	(void)state;
	struct key got;
	char text[KEYFILE_MAX + 1];
	assert_int_equal(keyfile_save(path, "device", &key, NULL), OK);
	size_t len = file_read(text);
	for (size_t cut = 0; cut < len; cut++) {
		file_write(text, cut);
		assert_int_equal(keyfile_load(path, NULL, &got, NULL), ERR_MALFORMED);
	}
	for (size_t bit = 0; bit < 8 * len; bit++) {
		text[bit / 8] ^= (char)(1 << bit % 8);
		file_write(text, len);
		if (keyfile_load(path, "device", &got, NULL) == OK)
			fail_msg("bit %zu of\n%.*s", bit, (int)len, text);
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
	memset(text + len, '\n', sizeof text - len);
	file_write(text, len + 1);
	assert_int_equal(keyfile_load(path, NULL, &got, NULL), ERR_MALFORMED);
	file_write(text, sizeof text);
	assert_int_equal(keyfile_load(path, NULL, &got, NULL), ERR_MALFORMED);
	file_write(text, len);
	assert_int_equal(keyfile_load(path, "device", &got, NULL), OK);
	assert_key(&got);
}

#define HEAD "convene key v1\nrole: root\npublic: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define SALT "salt: AAAAAAAAAAAAAAAAAAAAAA==\n"
#define TAIL                                        \
	"nonce: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" \
	"sealed: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int err;
	} cases[] = {
	    {HEAD "seed: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", OK},
	    {HEAD "seed: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n", ERR_MALFORMED},
	    {HEAD "seed: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", ERR_MALFORMED},
	    {HEAD "seed: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", ERR_MALFORMED},
	    {HEAD "seed: AAAA\xff"
		  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		ERR_MALFORMED},
	    {HEAD "seed: AAAA\x80"
		  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		ERR_MALFORMED},
	    {HEAD "seed: AAAA/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", OK},
	    {HEAD "seed: AAAA\n" SALT "passes: 3\nmemory: 8192\n" TAIL, ERR_MALFORMED},
	    {HEAD SALT "passes: 3\nmemory: 268435456\n" TAIL, OK},
	    {HEAD SALT "passes: 1\nmemory: 8192\n" TAIL, OK},
	    {HEAD SALT "passes: 64\nmemory: 1073741824\n" TAIL, OK},
	    {HEAD SALT "passes: 0\nmemory: 8192\n" TAIL, ERR_MALFORMED},
	    {HEAD SALT "passes: 65\nmemory: 8192\n" TAIL, ERR_MALFORMED},
	    {HEAD SALT "passes: 3\nmemory: 8191\n" TAIL, ERR_MALFORMED},
	    {HEAD SALT "passes: 3\nmemory: 1073741825\n" TAIL, ERR_MALFORMED},
	    {HEAD SALT "passes: 03\nmemory: 8192\n" TAIL, ERR_MALFORMED},
	    {HEAD SALT "passes: 3\nmemory: 8192\n" TAIL "\n", ERR_MALFORMED},
	    {"convene key v2\n", ERR_MALFORMED},
	    {"", ERR_MALFORMED},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct keyfile file;
		struct buffer out = BUFFER_INIT;
		assert_int_equal(keyfile_parse(&file, bytes_str(cases[i].text)), cases[i].err);
		if (cases[i].err == OK) {
			keyfile_format(&out, &file);
			assert_string_equal(buffer_str(&out), cases[i].text);
		}
		buffer_free(&out);
	}
	struct keyfile file;
	assert_int_equal(keyfile_parse(&file, bytes_of(NULL, 0)), ERR_MALFORMED);
}

static int clean(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static int start(void **state)
{
	(void)state;
	if (crypto_start() != OK || mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/key", folder);
	key_generate(&key);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_clear, clean),
	    cmocka_unit_test_teardown(test_passphrase, clean),
	    cmocka_unit_test_teardown(test_never_overwrites, clean),
	    cmocka_unit_test_teardown(test_race, clean),
	    cmocka_unit_test_teardown(test_refusals, clean),
	    cmocka_unit_test_teardown(test_damaged, clean),
	    cmocka_unit_test(test_parse),
	};
	return cmocka_run_group_tests(tests, start, end);
}
