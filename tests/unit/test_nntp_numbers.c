/* SPDX-License-Identifier: BSD-2-Clause */
/* Article numbers, which stay for ever, and names of groups, which are the same everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "daemon/nntp/groups.h"
#include "daemon/nntp/names.h"
#include "daemon/nntp/numbers.h"

static char path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/convene-numbers.%d", (int)getpid());
	unlink(path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static const uint8_t *id_of(uint32_t n)
{
	static uint8_t ids[4][ID_LEN];
	static unsigned at;
	uint8_t *id = ids[at++ % 4];

	memset(id, 0x11, ID_LEN);
	put_u32(id + 12, n * 2654435761u);
	put_u32(id + 20, n);
	return id;
}

static struct numbers *begin(void)
{
	struct numbers *n;

	assert_int_equal(numbers_open(&n, path), OK);
	return n;
}

static void add(struct numbers *n, uint32_t group, uint32_t id, uint64_t now)
{
	assert_int_equal(numbers_add(n, group, id_of(id), now), OK);
}

static void check_number(struct numbers *n, uint32_t id, uint32_t group, uint32_t number)
{
	uint32_t g, k;

	assert_true(numbers_find(n, id_of(id), &g, &k));
	assert_int_equal(g, group);
	assert_int_equal(k, number);
	assert_memory_equal(numbers_id(n, group, number), id_of(id), ID_LEN);
}

/* Given once, in the order in which they were asked for; what isn't committed doesn't count. */
static void test_given(void **state)
{
	struct numbers *n = begin(), *other;
	uint32_t group;

	(void)state;
	assert_int_equal(numbers_open(&other, path), ERR_BUSY);
	assert_int_equal(numbers_groups(n), 0);
	assert_int_equal(numbers_add_group(n, id_of(1000), 5000, &group), OK);
	assert_int_equal(group, 0);
	add(n, 0, 1, 5000);
	assert_int_equal(numbers_groups(n), 0);
	assert_int_equal(numbers_commit(n), OK);
	assert_int_equal(numbers_groups(n), 1);
	assert_int_equal(numbers_high(n, 0), 1);
	assert_int_equal(numbers_add_group(n, id_of(1001), 6000, &group), OK);
	for (uint32_t i = 2; i < 5000; i++)
		add(n, i % 2, i, 6000 + i);
	add(n, 0, 1, 20000); /* moved: a new number, in whatever group */
	assert_int_equal(numbers_high(n, 0), 1);
	assert_int_equal(numbers_commit(n), OK);
	numbers_close(n);
	n = begin();
	assert_int_equal(numbers_groups(n), 2);
	assert_int_equal(numbers_high(n, 0), 2501);
	assert_int_equal(numbers_high(n, 1), 2499);
	check_number(n, 2, 0, 2);
	check_number(n, 3, 1, 1);
	check_number(n, 4999, 1, 2499);
	check_number(n, 1, 0, 2501);
	assert_memory_equal(numbers_id(n, 0, 1), id_of(1), ID_LEN);
	assert_memory_equal(numbers_topic(n, 1), id_of(1001), ID_LEN);
	assert_int_equal(numbers_group_time(n, 1), 6000);
	assert_true(numbers_group_find(n, id_of(1001), &group) && group == 1);
	assert_false(numbers_group_find(n, id_of(1), &group));
	assert_false(numbers_find(n, id_of(9999), &group, &group));
	/* By time. */
	assert_int_equal(numbers_since(n, 1, 0), 1);
	assert_int_equal(numbers_since(n, 1, 6003), 1);
	assert_int_equal(numbers_since(n, 1, 6004), 2);
	assert_int_equal(numbers_since(n, 1, 99999), 2500);
	/* A clock that was set back. */
	add(n, 1, 70000, 10);
	assert_int_equal(numbers_commit(n), OK);
	assert_int_equal(numbers_time(n, 1, 2500), 20000);
	numbers_close(n);
}

static void cut(off_t len)
{
	assert_int_equal(truncate(path, len), 0);
}

/* Whatever a crash leaves of what wasn't committed, the rest is there. */
static void test_torn(void **state)
{
	struct stat st;
	struct numbers *n;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	for (off_t less = 1; less < 100; less += 7) {
		off_t whole = (st.st_size - less) / 48;

		cut(st.st_size - less);
		n = begin();
		assert_int_equal(numbers_high(n, 0) + numbers_high(n, 1), whole - 3);
		numbers_close(n);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, whole * 48);
	}
	/* A hole, and behind it what was to follow. */
	cut(st.st_size + 48 * 3);
	n = begin();
	add(n, 1, 80000, 30000);
	assert_int_equal(numbers_commit(n), OK);
	check_number(n, 80000, 1, numbers_high(n, 1));
	numbers_close(n);
	n = begin();
	check_number(n, 80000, 1, numbers_high(n, 1));
	numbers_close(n);
	/* Something else. */
	FILE *f = fopen(path, "r+");
	assert_non_null(f);
	fputs("what is this", f);
	fclose(f);
	assert_int_equal(numbers_open(&n, path), ERR_SCHEMA);
	cut(0);
	n = begin();
	assert_int_equal(numbers_groups(n), 0);
	numbers_close(n);
}

/* A full disk: what couldn't be written was never given, and is given again. */
static void test_full(void **state)
{
	struct rlimit was, none = {48 * 4, RLIM_INFINITY};
	struct numbers *n = begin();
	uint32_t group;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none.rlim_max = was.rlim_max;
	assert_int_equal(numbers_add_group(n, id_of(1), 1, &group), OK);
	add(n, 0, 2, 1);
	assert_int_equal(numbers_commit(n), OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	add(n, 0, 3, 1);
	add(n, 0, 4, 1);
	assert_int_equal(numbers_add_group(n, id_of(5), 1, &group), OK);
	assert_int_not_equal(numbers_commit(n), OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(numbers_high(n, 0), 1);
	assert_int_equal(numbers_groups(n), 1);
	assert_false(numbers_find(n, id_of(3), &group, &group));
	check_number(n, 2, 0, 1);
	add(n, 0, 4, 1);
	assert_int_equal(numbers_commit(n), OK);
	numbers_close(n);
	n = begin();
	assert_int_equal(numbers_high(n, 0), 2);
	check_number(n, 4, 0, 2);
	assert_int_equal(numbers_groups(n), 1);
	numbers_close(n);
}

static void check_slug(const char *text, size_t max, const char *wanted)
{
	struct buffer out = BUFFER_INIT;

	text_slug(&out, bytes_str(text), max);
	assert_string_equal(buffer_str(&out), wanted);
	buffer_free(&out);
}

static void test_slugs(void **state)
{
	(void)state;
	check_slug("Roadmap for the next meeting", 40, "roadmap-for-the-next-meeting");
	check_slug("Roadmap for the next meeting", 15, "roadmap-for-the");
	check_slug("Roadmap for the next meeting", 14, "roadmap-for");
	check_slug("Donaudampfschifffahrt", 5, "donau");
	check_slug("  -- What's  next? (2026) --", 40, "whats-next-2026");
	check_slug("Café, NAÏVE, Łódź, Straße, Ærø, İstanbul, Đà Nẵng", 80,
	    "cafe-naive-lodz-strasse-aero-istanbul-da-nang");
	check_slug("re\xcc\x81sume\xcc\x81", 40, "resume"); /* not composed */
	check_slug("治理的讨论", 40, "");
	check_slug("Обсуждение 5G", 40, "5g");
	check_slug("نقاش", 40, "");
	check_slug("\xff\xfe a \xc3", 40, "a");
	check_slug("", 40, "");
}

static void test_names(void **state)
{
	char prefix[NEWS_NAME_MAX + 1], name[NEWS_NAME_MAX + 1];
	uint8_t id[GROUP_ID_LEN],
	    topic[ID_LEN] = {0xda, 0x61, 0xdd, 0x70, 0x33, 0xaa, 0x1b, 0x2c, 9};

	(void)state;
	groups_prefix(prefix, "Agora");
	assert_string_equal(prefix, "agora");
	group_name(name, prefix, bytes_str("Roadmap for the next meeting"), topic);
	assert_string_equal(name, "agora.roadmap-for-the-next-meeting-da61dd7033aa1b2c");
	assert_true(group_name_read(bytes_str(name), prefix, id));
	assert_memory_equal(id, topic, GROUP_ID_LEN);
	group_name(name, prefix, bytes_str("会议"), topic);
	assert_string_equal(name, "agora.topic-da61dd7033aa1b2c");
	assert_true(group_name_read(bytes_str("agora.any-words-da61dd7033aa1b2c"), prefix, id));
	static const char *const bad[] = {"agora.topic-da61dd7033aa1b2",
	    "agora.topic_da61dd7033aa1b2c", "agora.-da61dd7033aa1b2C",
	    "other.topic-da61dd7033aa1b2c", "agora", "", "agora.da61dd7033aa1b2c",
	    "agora.top\nic-da61dd7033aa1b2c"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(group_name_read(bytes_str(bad[i]), prefix, id));
	groups_prefix(prefix, "Control");
	assert_string_equal(prefix, "control-forum");
	groups_prefix(prefix, "论坛");
	assert_string_equal(prefix, "forum");
	groups_prefix(prefix, "The forum of everybody who takes part, everywhere");
	assert_true(strlen(prefix) <= 24);
	char longest[2000];
	memset(longest, 'w', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	groups_prefix(prefix, longest);
	group_name(name, prefix, bytes_str(longest), topic);
	assert_true(strlen(name) < 90);
}

static void test_ids(void **state)
{
	struct names *n = names_new();
	char id[32];
	uint32_t group, number;

	(void)state;
	assert_non_null(n);
	for (uint32_t i = 0; i < 10000; i++) {
		snprintf(id, sizeof id, "%u@example", i);
		assert_int_equal(names_add(n, bytes_str(id), i % 7, i), OK);
	}
	assert_int_equal(names_add(n, bytes_str("17@example"), 99, 99), OK); /* the first counts */
	for (uint32_t i = 0; i < 10000; i++) {
		snprintf(id, sizeof id, "%u@example", i);
		assert_true(names_find(n, bytes_str(id), &group, &number));
		assert_int_equal(group, i % 7);
		assert_int_equal(number, i);
	}
	assert_false(names_find(n, bytes_str("10000@example"), &group, &number));
	names_free(n);
	names_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_given),
	    cmocka_unit_test(test_torn),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_slugs),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
