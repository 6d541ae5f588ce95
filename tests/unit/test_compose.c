/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "client/compose.h"

static void test_utf8_broken(void **state)
{
	static const struct {
		const char *text;
		size_t at;
	} cases[] = {
	    {"", 0},
	    {"plain", 5},
	    {"caf\xc3\xa9", 5},
	    {"caf\xc3", 3},
	    {"\x80", 0},
	    {"a\xc0\xaf", 1},
	    {"a\xe0\x80\xaf", 1},
	    {"\xed\xa0\x80", 0},
	    {"\xed\x9f\xbf", 3},
	    {"\xf0\x8f\xbf\xbf", 0},
	    {"\xf4\x8f\xbf\xbf", 4},
	    {"\xf4\x90\x80\x80", 0},
	    {"\xf5\x80\x80\x80", 0},
	    {"ab\xe2\x82", 2},
	    {"ab\xe2\x82\xac"
	     "c\xff",
		6},
	    {"\xf0\x9f\x98\x80", 4},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(utf8_broken(bytes_str(cases[i].text)), cases[i].at);
	/* The same verdict as the library's, for whatever bytes. */
	srand(1);
	for (int n = 0; n < 20000; n++) {
		uint8_t b[6];

		for (size_t i = 0; i < sizeof b; i++)
			b[i] = (uint8_t)(rand() % 3 ? 0x80 + rand() % 0x80 : rand());
		assert_int_equal(utf8_broken(bytes_of(b, sizeof b)) == sizeof b,
		    text_is_utf8(bytes_of(b, sizeof b)));
	}
}

static void test_typed(void **state)
{
	struct buffer out = BUFFER_INIT;
	struct trouble t;

	(void)state;
	assert_int_equal(typed_add(&out, bytes_str("cafe\xcc\x81"), "it", false, &t), OK);
	assert_string_equal(buffer_str(&out), "caf\xc3\xa9");
	buffer_reset(&out);
	assert_int_equal(typed_add(&out, bytes_str("cafe\xcc\x81"), "it", true, &t), OK);
	assert_string_equal(buffer_str(&out), "cafe\xcc\x81");
	buffer_reset(&out);
	assert_int_equal(typed_add(&out, bytes_str("four\xff"), "the letter", true, &t), ERR_TEXT);
	assert_non_null(strstr(t.text, "the letter is not UTF-8: byte 4"));
	assert_int_equal(typed_add(&out, bytes_of("a\0b", 3), "it", false, &t), ERR_TEXT);
	assert_int_equal(out.len, 0);
	buffer_free(&out);
}

static void test_media_types(void **state)
{
	static const char *const good[] = {"text/plain", "application/vnd.oasis.opendocument.text",
	    "text/plain; charset=utf-8", "image/svg+xml"};
	static const char *const bad[] = {"", "text", "/plain", "text/", "text/plain charset",
	    "text/pl\x1b[31main", "te xt/plain", "text/plain;\n"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(media_type_valid(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(media_type_valid(bad[i]));
	assert_string_equal(media_type_of("report.PDF"), "application/pdf");
	assert_string_equal(media_type_of("report"), "application/octet-stream");
}

static void name_is(const char *in, const char *out)
{
	struct buffer b = BUFFER_INIT;

	attachment_name(&b, bytes_str(in));
	assert_string_equal(buffer_str(&b), out);
	buffer_free(&b);
}

static void test_names(void **state)
{
	char longer[600], cut[201];

	(void)state;
	name_is("report.pdf", "report.pdf");
	name_is("../../etc/passwd", "_.._etc_passwd");
	name_is("/etc/passwd", "_etc_passwd");
	name_is("...", "attachment");
	name_is("", "attachment");
	name_is(".bashrc", "bashrc");
	name_is("C:\\x", "C__x");
	name_is("a\nb\x1b[2J", "a\xef\xbf\xbd"
			       "b\xef\xbf\xbd[2J");
	name_is("na\xc3\xafve.pdf", "na\xc3\xafve.pdf");
	/* RLO: would show "exe.pdf" reversed. */
	name_is("x\xe2\x80\xae"
		"fdp.exe",
	    "x_fdp.exe_");
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	memset(cut, 'a', 200);
	cut[200] = '\0';
	name_is(longer, cut);
}

static void test_attachments(void **state)
{
	char folder[] = "/tmp/test_compose.XXXXXX", path[64], spec[128];
	struct attachments a = {NULL, NULL, 0};
	struct trouble t;
	FILE *f;

	(void)state;
	mallopt(M_PERTURB, 0x5a); /* what is not set shows */
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/note:a.txt", folder);
	f = fopen(path, "w");
	fputs("bytes", f);
	fclose(f);
	/* The colon belongs to the name of a file that is there. */
	assert_int_equal(attachment_add(&a, path, &t), OK);
	snprintf(spec, sizeof spec, "%s:text/x-note", path);
	assert_int_equal(attachment_add(&a, spec, &t), OK);
	snprintf(spec, sizeof spec, "%s:nonsense", path);
	assert_int_equal(attachment_add(&a, spec, &t), ERR_IO);
	assert_int_equal(a.count, 2);
	assert_true(bytes_equal(a.list[0].name, bytes_str("note:a.txt")));
	assert_true(bytes_equal(a.list[0].media_type, bytes_str("text/plain")));
	assert_true(bytes_equal(a.list[1].media_type, bytes_str("text/x-note")));
	assert_true(bytes_equal(a.list[1].data, bytes_str("bytes")));
	assert_int_equal(a.list[0].omitted, 0);
	assert_int_equal(a.list[1].omitted, 0);
	mallopt(M_PERTURB, 0);
	attachments_free(&a);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_utf8_broken),
	    cmocka_unit_test(test_typed),
	    cmocka_unit_test(test_media_types),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_attachments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
