/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths to pages, answers that are kept, and counting connections. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "daemon/web/cache.h"
#include "daemon/web/crowd.h"
#include "daemon/web/route.h"
#include "daemon/web/share.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- routes ---- */

static void expect(const char *path, page_fn *page, const char *rest, size_t digits)
{
	struct found f;

	route_find(&f, path);
	if (!f.route || f.route->page != page)
		print_error("%s leads elsewhere\n", path);
	assert_non_null(f.route);
	assert_ptr_equal(f.route->page, page);
	assert_string_equal(f.rest, rest);
	assert_int_equal(f.digits, digits);
	assert_false(f.crooked);
}

static void test_routes(void **state)
{
	static const char *const none[] = {"", "topic", "/topics", "/topic", "/topic/",
	    "/topic/abc", "/topic/0123456", ("/topic/" ID "0"), ("/topic/" ID "/x"),
	    "/topic/xyzxyzxyz", ("/m/" ID "/"), ("/m/" ID "/rawx"), ("/m/" ID "/part/"), "/by/",
	    "///", "/static/", ("/de/topic/" ID), "/a", "/AR/about", "/ara/about", "/about/x",
	    "/m/../about"};
	struct found f;

	(void)state;
	expect("/", page_front, "", 0);
	expect("/topic/" ID, page_topic, "", 64);
	expect("/topic/" ID "/feed", feed_topic, "feed", 64);
	expect("/thread/" ID, page_thread, "", 64);
	expect("/m/01234567", page_message, "", 8);
	expect("/m/" ID "/raw", page_raw, "raw", 64);
	expect("/m/" ID "/content", page_raw, "content", 64);
	expect("/m/" ID "/part/1/a/b é", page_part, "1/a/b é", 64);
	expect("/by/isoc.example/00ff", page_author, "isoc.example/00ff", 0);
	expect("/by/isoc.example/00ff/feed", feed_author, "isoc.example/00ff", 0);
	expect("/since/2026-11-20", page_since, "2026-11-20", 0);
	expect("/you", page_keys, "", 0);
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		if (strcmp(none[i], "/m/" ID "/") == 0)
			continue;
		route_find(&f, none[i]);
		if (f.route)
			print_error("%s leads somewhere\n", none[i]);
		assert_null(f.route);
	}
	route_find(&f, "/ar/thread/" ID);
	assert_true(f.chosen && f.language == LANGUAGE_AR && f.route->page == page_thread);
	assert_string_equal(f.path, "/thread/" ID);
	assert_int_equal(f.id[0], 0x01);
	route_find(&f, "/thread/" ID);
	assert_false(f.chosen);
}

/* What is meant but not so written: where it is. */
static void test_straight(void **state)
{
	static const char *const table[][2] = {{"/about/", "/about"}, {"/ru", "/ru/"},
	    {"/m/01234567/", "/m/01234567"}, {"/zh/m/0123ABCD/raw", "/zh/m/0123abcd/raw"},
	    {"/topic/0123ABCD", "/topic/0123abcd"}};
	struct found f;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		route_find(&f, table[i][0]);
		assert_non_null(f.route);
		assert_true(f.crooked);
		assert_string_equal(f.straight, table[i][1]);
	}
}

/* What no page knows makes no page of its own, in whatever order. */
static void test_query(void **state)
{
	static const char *const table[][3] = {
	    {"/search", "utm=1&before=7&q=a%20b&q=c&q", "q=a%20b&before=7"},
	    {"/m/" ID, "page=2&x=y", ""}, {"/thread/" ID, "&&page=&page=3&pages=4", "page=3"},
	    {"/write", "amend=1&topic=2", "topic=2&amend=1"}, {"/about", "q", ""}};
	char out[QUERY_MAX], text[QUERY_MAX + 20];
	struct found f;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		route_find(&f, table[i][0]);
		assert_true(route_query(out, f.route, table[i][1]));
		assert_string_equal(out, table[i][2]);
	}
	route_find(&f, "/search");
	for (size_t len = QUERY_MAX - 3; len < QUERY_MAX + 10; len++) {
		memset(text, 'a', len);
		memcpy(text, "q=", 2);
		text[len] = '\0';
		assert_int_equal(route_query(out, f.route, text), len < QUERY_MAX);
	}
}

/* ---- the cache ---- */

static const struct cached *put(struct cache *c, const char *key, uint64_t state, size_t len)
{
	char *body = malloc(len + 1);
	const struct cached *made;

	memset(body, key[0], len);
	made = cache_add(
	    c, bytes_str(key), state, 200, "\"t\"", bytes_str("A: b\r\n"), bytes_of(body, len));
	assert_non_null(made);
	free(body);
	return made;
}

static bool has(struct cache *c, const char *key, uint64_t state)
{
	const struct cached *found = cache_find(c, bytes_str(key), state);

	if (found) {
		assert_int_equal(found->body.data[0], key[0]);
		assert_string_equal(found->tag, "\"t\"");
		assert_int_equal(found->fields.len, 6);
		cache_give_back((void *)(uintptr_t)found);
	}
	return found != NULL;
}

static void test_cache(void **state)
{
	const struct cached *held;
	struct cache *c;
	char key[20];

	(void)state;
	assert_int_equal(cache_new(&c, 100000), OK);
	assert_false(has(c, "a", 1));
	held = put(c, "a", 1, 1000);
	assert_true(has(c, "a", 1));
	/* Another state of the store: not that any more. */
	assert_false(has(c, "a", 2));
	cache_give_back((void *)(uintptr_t)put(c, "a", 2, 1000));
	assert_true(has(c, "a", 2));
	assert_false(has(c, "a", 1));
	/* Whoever has it keeps it. */
	assert_int_equal(held->body.data[999], 'a');
	cache_give_back((void *)(uintptr_t)held);
	/* Never more than it may; what was used last stays. */
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "key %d", i);
		cache_give_back((void *)(uintptr_t)put(c, key, 2, 900));
		assert_true(cache_bytes(c) <= 100000);
		assert_true(has(c, "a", 2));
	}
	assert_true(has(c, "key 999", 2));
	assert_false(has(c, "key 0", 2));
	/* What is asked for by nobody again drives out none. */
	assert_int_equal(cache_loose(), 0);
	held = put(c, "passing", 0, 5000);
	assert_false(has(c, "passing", 0));
	assert_true(has(c, "key 999", 2));
	assert_true(cache_loose() > 5000 && cache_loose() < 6000);
	cache_give_back((void *)(uintptr_t)held);
	assert_int_equal(cache_loose(), 0);
	/* One that would drive out all others is made and not kept. */
	cache_give_back((void *)(uintptr_t)put(c, "large", 2, 50000));
	assert_false(has(c, "large", 2));
	assert_true(has(c, "a", 2));
	held = put(c, "b", 2, 100);
	cache_resize(c, 0);
	assert_int_equal(cache_bytes(c), 0);
	assert_false(has(c, "a", 2));
	cache_free(c);
	assert_int_equal(held->body.len, 100);
	assert_true(cache_loose() > 100);
	cache_give_back((void *)(uintptr_t)held);
	assert_int_equal(cache_loose(), 0);
}

/* ---- the crowd ---- */

static struct crowd_one *enter(struct crowd *c, const char *address, unsigned max)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return crowd_enter(c, (struct sockaddr *)&v4, max);
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return crowd_enter(c, (struct sockaddr *)&v6, max);
}

static void test_crowd(void **state)
{
	struct crowd *c = crowd_new();
	struct crowd_one *one;

	(void)state;
	assert_non_null(c);
	one = enter(c, "192.0.2.1", 2);
	assert_non_null(one);
	assert_ptr_equal(enter(c, "::ffff:192.0.2.1", 2), one);
	assert_null(enter(c, "192.0.2.1", 2));
	assert_non_null(enter(c, "192.0.2.2", 2));
	crowd_leave(c, one);
	assert_non_null(enter(c, "192.0.2.1", 2));
	/* A /64 is one: whoever has it has all of its addresses. */
	assert_non_null(enter(c, "2001:db8:0:1::1", 1));
	assert_null(enter(c, "2001:db8:0:1:ffff::2", 1));
	assert_non_null(enter(c, "2001:db8:0:2::1", 1));
	assert_null(enter(c, "192.0.2.9", 0));
	for (int i = 0; i < 20000; i++) {
		char address[20];

		snprintf(address, sizeof address, "10.%d.%d.%d", i / 10000, i / 100 % 100, i % 100);
		assert_non_null(enter(c, address, 1));
	}
	crowd_free(c);
}

/* ---- a share of the time ---- */

static void test_share(void **state)
{
	struct share s = {.percent = 40};
	uint64_t now = 12345, used = 0, end;

	(void)state;
	/* Who always wants gets no more than that, in pieces of 400 ms. */
	for (end = now + 100000000; now < end; now += 1000) {
		if (share_may(&s, now)) {
			share_took(&s, 400000);
			now += 400000;
			used += 400000;
		}
	}
	assert_true(used >= 39000000 && used <= 42000000);
	/* One that took very long is paid back within some seconds. */
	assert_true(share_may(&s, now += 5000000));
	share_took(&s, UINT64_MAX);
	assert_false(share_may(&s, now += 2000000));
	assert_true(share_may(&s, now += 1000000));
	/* A day of rest is worth a second. */
	assert_true(share_may(&s, now += 86400000000));
	share_took(&s, 1000000);
	assert_false(share_may(&s, now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_routes),
	    cmocka_unit_test(test_straight),
	    cmocka_unit_test(test_query),
	    cmocka_unit_test(test_cache),
	    cmocka_unit_test(test_crowd),
	    cmocka_unit_test(test_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
