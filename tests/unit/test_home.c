/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "client/home.h"
#include "client/output.h"

static struct home home;
static char folder[] = "/tmp/test_home.XXXXXX";

static int parse(const char *text, unsigned *line)
{
	struct home h;

	memset(&h, 0, sizeof h);
	return home_parse(&h, bytes_str(text), line);
}

static void test_round_trip(void **state)
{
	struct buffer text = BUFFER_INIT, second = BUFFER_INIT;
	struct home again;
	unsigned line;

	(void)state;
	home_format(&text, &home);
	memset(&again, 0, sizeof again);
	assert_int_equal(home_parse(&again, buffer_bytes(&text), &line), OK);
	home_format(&second, &again);
	assert_string_equal(buffer_str(&second), buffer_str(&text));
	/* Without its last line, or any half of one, it isn't whole. */
	for (size_t cut = 0; cut < text.len; cut++)
		assert_int_not_equal(home_parse(&again, bytes_of(text.data, cut), &line), OK);
	/* What a later version adds is left alone. */
	buffer_add_str(&text, "colour: blue\n");
	assert_int_equal(home_parse(&again, buffer_bytes(&text), &line), OK);
	buffer_free(&text);
	buffer_free(&second);
}

static void test_lines(void **state)
{
	unsigned line;

	(void)state;
	assert_int_equal(parse("", &line), ERR_MALFORMED);
	assert_int_equal(parse("convene node v2\n", &line), ERR_VERSION);
	assert_int_equal(parse("convene node v1\naddress:x\n", &line), ERR_MALFORMED);
	assert_int_equal(line, 2);
	assert_int_equal(
	    parse("convene node v1\naddress: x:1\nstate: happy\n", &line), ERR_MALFORMED);
	assert_int_equal(line, 3);
	assert_int_equal(
	    parse("convene node v1\naddress: x:1\nforum: ABCD\n", &line), ERR_MALFORMED);
	assert_int_equal(parse("convene node v1\n: x\n", &line), ERR_MALFORMED);
}

static void test_folder(void **state)
{
	char path[128], other[160];
	struct trouble t;
	struct stat st;
	struct home h, second;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/a/b", folder);
	setenv("CONVENE_HOME", path, 1);
	assert_int_equal(home_open(&h, &t), ERR_IO);
	assert_int_equal(exit_of(&t), EXIT_LOCAL);
	assert_int_equal(home_find(&h, &t), OK);
	assert_string_equal(h.path, path);
	memcpy(home.path, h.path, sizeof h.path);
	home.lock = -1;
	assert_int_equal(home_save(&home, &t), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(home_open(&h, &t), OK);
	assert_string_equal(h.handle, "alice");
	assert_int_equal(home_open(&second, &t), OK);
	assert_int_equal(home_lock(&h, true, &t), OK);
	assert_int_equal(home_lock(&second, false, &t), ERR_BUSY);
	home_close(&h);
	assert_int_equal(home_lock(&second, false, &t), OK);
	home_close(&second);
	/* Others may look in: not with a key inside. */
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(home_save(&home, &t), ERR_IO);
	assert_non_null(strstr(t.hint, "chmod 700"));
	snprintf(other, sizeof other, "rm -rf '%s'", folder);
	assert_int_equal(system(other), 0);
}

static void test_key(void **state)
{
	char path[128], file[160], command[160];
	struct key key, again;
	struct trouble t;
	struct home h;
	FILE *f;

	(void)state;
	strcpy(folder, "/tmp/test_home.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/home", folder);
	setenv("CONVENE_HOME", path, 1);
	assert_int_equal(home_find(&h, &t), OK);
	assert_int_equal(home_key_make(&h, false, &key, &t), OK);
	assert_int_equal(home_key_make(&h, false, &again, &t), ERR_EXISTS);
	assert_int_equal(home_key(&h, &again, &t), OK);
	assert_memory_equal(again.public, key.public, KEY_LEN);
	snprintf(file, sizeof file, "%s/device.key", path);
	unlink(file);
	snprintf(file, sizeof file, "%s/passphrase", folder);
	f = fopen(file, "w");
	fputs("correct horse\nsecond line\n", f);
	fclose(f);
	setenv("CONVENE_PASSPHRASE_FILE", file, 1);
	assert_int_equal(home_key_make(&h, true, &key, &t), OK);
	assert_int_equal(home_key(&h, &again, &t), OK);
	assert_memory_equal(again.public, key.public, KEY_LEN);
	f = fopen(file, "w");
	fputs("wrong horse\n", f);
	fclose(f);
	assert_int_equal(home_key(&h, &again, &t), ERR_PASSPHRASE);
	assert_int_equal(exit_of(&t), EXIT_LOCAL);
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	uint8_t seed[32] = {5};
	struct key key;

	(void)state;
	assert_int_equal(crypto_start(), OK);
	key_from_seed(&key, seed);
	strcpy(home.node.address, "relay.isoc.example:7654");
	strcpy(home.node.organisation, "isoc.example");
	memcpy(home.node.root_key, key.public, KEY_LEN);
	memset(home.node.forum, 0xf0, HASH_LEN);
	home.node.serial = 4;
	strcpy(home.log_name, "isoc.example/00112233445566778899aabbccddeeff/1");
	memset(home.identity, 0x1d, IDENTITY_LEN);
	strcpy(home.handle, "alice");
	home.state = HOME_ENROLLED;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_folder),
	    cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
