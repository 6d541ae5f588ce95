/* SPDX-License-Identifier: BSD-2-Clause */
/* The head of a request: what is taken, and what is refused because two programs could understand
 * it differently. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/web/head.h"

static char room[HEAD_MAX + 100];

static int parse_bytes(struct head *h, const char *text, size_t len)
{
	memcpy(room, text, len);
	room[len] = '\0';
	return http_head_parse(h, room, len);
}

static int parse(struct head *h, const char *text)
{
	return parse_bytes(h, text, strlen(text));
}

static void test_whole(void **state)
{
	struct head h;

	(void)state;
	assert_int_equal(
	    parse(&h,
		"GET /topic/ab%20c?page=2&q=a+b HTTP/1.1\r\nHost: forum.example\r\n"
		"Accept-Encoding:gzip, br \t\r\nAccept-Language: \tar\r\nIf-None-Match: \"x\"\r\n"
		"LAST-EVENT-ID: 12\r\nConnection: keep-alive\r\nX-Empty:\r\n\r\n"),
	    0);
	assert_int_equal(h.method, METHOD_GET);
	assert_string_equal(h.path, "/topic/ab%20c");
	assert_string_equal(h.query, "page=2&q=a+b");
	assert_string_equal(h.accept_encoding, "gzip, br");
	assert_string_equal(h.accept_language, "ar");
	assert_string_equal(h.if_none_match, "\"x\"");
	assert_string_equal(h.last_event_id, "12");
	assert_false(h.close);
	assert_int_equal(h.length, 0);
	assert_int_equal(parse(&h, "POST /gate HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n"
				   "Expect: 100-Continue\r\nConnection: x, Close\r\n\r\n"),
	    0);
	assert_int_equal(h.method, METHOD_POST);
	assert_true(h.has_length && h.length == 12 && h.expects && h.close);
	assert_string_equal(h.query, "");
	assert_int_equal(parse(&h, "HEAD / HTTP/1.0\r\n\r\n"), 0);
	assert_true(h.method == METHOD_HEAD && h.close);
	assert_int_equal(parse(&h, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 0);
	assert_false(h.close);
	assert_int_equal(parse(&h, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
	assert_int_equal(h.method, METHOD_OTHER);
	/* As a proxy is asked; the host is not our matter. */
	assert_int_equal(parse(&h, "GET HTTPS://a.example/b?c HTTP/1.1\r\nHost: d\r\n\r\n"), 0);
	assert_string_equal(h.path, "/b");
	assert_string_equal(h.query, "c");
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST /gate HTTP/1.1\r\nHost: a\r\n"

static void test_refused(void **state)
{
	static const struct {
		int status;
		const char *text;
	} table[] = {
	    {400, "GET / HTTP/1.1\r\n\r\n"},          /* no host */
	    {400, GET "Host: b\r\n\r\n"},             /* two */
	    {400, "GET / HTTP/1.1\nHost: a\r\n\r\n"}, /* lines that end otherwise */
	    {400, GET "X: a\nContent-Length: 5\r\n\r\n"},
	    {400, GET "X: a\rY: b\r\n\r\n"},
	    {400, GET "X: a\r\n folded\r\n\r\n"},
	    {400, GET "Content-Length : 0\r\n\r\n"},
	    {400, GET " X: a\r\n\r\n"},
	    {400, GET "nonsense\r\n\r\n"},
	    {400, GET ": a\r\n\r\n"},
	    {400, GET "X\x01: a\r\n\r\n"},
	    {400, GET "X: a\x01\r\n\r\n"},
	    {400, GET "X: a\x7f\r\n\r\n"},
	    {400, GET "Content-Length: 5\r\n\r\n"}, /* a body where none is */
	    {400, POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"},
	    {400, POST "Content-Length: 5, 5\r\n\r\n"},
	    {400, POST "Content-Length: +5\r\n\r\n"},
	    {400, POST "Content-Length: -5\r\n\r\n"},
	    {400, POST "Content-Length: 0x5\r\n\r\n"},
	    {400, POST "Content-Length: 05\r\n\r\n"},
	    {400, POST "Content-Length: \r\n\r\n"},
	    {400, POST "Content-Length: 99999999999999999999\r\n\r\n"},
	    {400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
	    {501, POST "Transfer-Encoding: chunked\r\n\r\n"},
	    {501, POST "Transfer-Encoding: \r\n\r\n"},
	    {501, GET "Transfer-Encoding: xchunked\r\n\r\n"},
	    {417, POST "Content-Length: 5\r\nExpect: tea\r\n\r\n"},
	    {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET / b HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET /\r\n\r\n"},
	    {400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
	    {400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"},
	    {505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
	    {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
	    {505, "PRI / HTTP/3.0\r\n\r\n"},
	    {400, "\r\n\r\n"},
	};
	static const char nul[] = GET "X: a\0b\r\n\r\n";
	struct head h;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		int status = parse(&h, table[i].text);

		if (status != table[i].status)
			print_error("%d for:\n%s", status, table[i].text);
		assert_int_equal(status, table[i].status);
		assert_string_equal(h.path, "");
		assert_true(h.close);
	}
	assert_int_equal(parse_bytes(&h, nul, sizeof nul - 1), 400);
	/* In which language it is refused is still known. */
	assert_int_equal(parse(&h, GET "Accept-Language: fr\r\nnonsense\r\n\r\n"), 400);
	assert_string_equal(h.accept_language, "fr");
}

static void test_limits(void **state)
{
	char *text = malloc(HEAD_MAX + 1);
	struct head h;
	int n;

	(void)state;
	for (size_t len = TARGET_MAX; len <= TARGET_MAX + 1; len++) {
		n = sprintf(text, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", (int)len - 1, 0);
		assert_true(n > 0);
		assert_int_equal(parse(&h, text), len > TARGET_MAX ? 414 : 0);
	}
	for (int fields = FIELDS_MAX; fields <= FIELDS_MAX + 1; fields++) {
		n = sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
		for (int i = 1; i < fields; i++)
			n += sprintf(text + n, "X: %d\r\n", i);
		strcpy(text + n, "\r\n");
		assert_int_equal(parse(&h, text), fields > FIELDS_MAX ? 431 : 0);
	}
	free(text);
}

static void test_decode(void **state)
{
	char good[] = "/a%2Fb%20%C3%A9%25",
	     bad[][8] = {"/%", "/%4", "/%4g", "/%00", "/%ff", "/%c3"};

	(void)state;
	assert_true(http_head_decode(good));
	assert_string_equal(good, "/a/b \xc3\xa9%");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(http_head_decode(bad[i]));
}

static void test_gzip(void **state)
{
	static const char *const yes[] = {"gzip", "GZIP", "br, gzip", "deflate,gzip;q=0.5", "*",
	    "gzip;q=1.0, *;q=0", "x-gzip", "br;q=0, gzip", "gzip ; q=0.001"};
	static const char *const no[] = {"", "br", "gzip;q=0", "gzip; q=0.000", "gzippy", "agzip",
	    "*;q=0", "identity", "gzip;q=0, *"};

	(void)state;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		assert_true(accepts_gzip(yes[i]));
	for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
		if (accepts_gzip(no[i]))
			print_error("%s\n", no[i]);
		assert_false(accepts_gzip(no[i]));
	}
}

static void test_tags(void **state)
{
	(void)state;
	assert_true(tag_matches("\"ab\"", "\"ab\""));
	assert_true(tag_matches("\"ab-gzip\"", "\"ab\""));
	assert_true(tag_matches("W/\"ab\"", "\"ab-gzip\""));
	assert_true(tag_matches("\"x\", \"y\" ,W/\"ab\"", "\"ab\""));
	assert_true(tag_matches("*", "\"ab\""));
	assert_false(tag_matches("", "\"ab\""));
	assert_false(tag_matches("ab", "\"ab\""));
	assert_false(tag_matches("\"a\"", "\"ab\""));
	assert_false(tag_matches("\"abc\"", "\"ab\""));
	assert_false(tag_matches("\"\"", "\"ab\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_decode),
	    cmocka_unit_test(test_gzip),
	    cmocka_unit_test(test_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
