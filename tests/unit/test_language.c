/* SPDX-License-Identifier: BSD-2-Clause */
/* The interface's languages, with the catalogues of this build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/language.h"
#include "base/text.h"

static const struct {
	const char *field;
	enum language l;
} fields[] = {
    {NULL, LANGUAGE_EN},
    {"", LANGUAGE_EN},
    {"ar", LANGUAGE_AR},
    {"AR-eg", LANGUAGE_AR},
    {"de", LANGUAGE_EN},
    {"de, fr;q=0.3", LANGUAGE_FR},
    {"fr;q=0.8, es;q=0.9", LANGUAGE_ES},
    {"fr;q=0.8,es;q=0.8", LANGUAGE_FR},
    {"pt-BR,pt;q=0.9,en;q=0.8", LANGUAGE_PT},
    {"en;q=0.1, ru ; q=0.999 , zh;q=1.000", LANGUAGE_ZH},
    {"en;q=0.1,\tru\t;\tQ=0.2", LANGUAGE_RU},
    {"*", LANGUAGE_EN},
    {"*;q=0.5, en;q=0", LANGUAGE_AR},
    {"fr;q=0.4, *;q=0.9", LANGUAGE_EN},
    {"en;q=0, fr;q=0", LANGUAGE_EN},
    {"fr;q=0, es;q=0.001", LANGUAGE_ES},
    {"zh-Hant-TW", LANGUAGE_ZH},
    /* what is malformed counts for nothing */
    {"fr;q=2, es;q=0.1", LANGUAGE_ES},
    {"fr;q=1.001, es;q=0.1", LANGUAGE_ES},
    {"fr;q=.9, es;q=0.1", LANGUAGE_ES},
    {"fr;q=0.1234, es;q=0.1", LANGUAGE_ES},
    {"fr;q=-1, es;q=0.1", LANGUAGE_ES},
    {"fr;q=, es;q=0.1", LANGUAGE_ES},
    {"fr;q, es;q=0.1", LANGUAGE_ES},
    {"fr; level=1, es;q=0.1", LANGUAGE_ES},
    {"fr;q=0.9;q=0.9, es;q=0.1", LANGUAGE_ES},
    {"fr_FR, es;q=0.1", LANGUAGE_ES},
    {"fr-, es;q=0.1", LANGUAGE_ES},
    {"fr-abcdefghi, es;q=0.1", LANGUAGE_ES},
    {"fra, es;q=0.1", LANGUAGE_ES},
    {"f, es;q=0.1", LANGUAGE_ES},
    {",,;,=, es;q=0.1", LANGUAGE_ES},
    {";q=1", LANGUAGE_EN},
    {"\xd8\xb9, ar", LANGUAGE_AR},
};

static void test_accepted(void **state)
{
	char many[4096] = "";

	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (language_accepted(fields[i].field) != fields[i].l)
			fail_msg("%s: %s", fields[i].field ? fields[i].field : "NULL",
			    language_tag(language_accepted(fields[i].field)));
	/* No more ranges than are looked at, and no longer field. */
	for (int i = 0; i < 64; i++)
		strcat(many, "de,");
	strcat(many, "ar");
	assert_int_equal(language_accepted(many), LANGUAGE_EN);
	assert_int_equal(language_accepted(many + 3), LANGUAGE_AR);
	memset(many, ' ', 1100);
	memcpy(many, "ar", 2);
	many[1024] = '\0';
	assert_int_equal(language_accepted(many), LANGUAGE_AR);
	many[1024] = ' ';
	many[1025] = '\0';
	assert_int_equal(language_accepted(many), LANGUAGE_EN);
}

static void test_tags(void **state)
{
	(void)state;
	for (unsigned l = 0; l < LANGUAGES; l++) {
		const char *tag = language_tag((enum language)l);

		assert_int_equal(language_by_tag(tag, strlen(tag)), l);
		assert_true(text_is_rtl(bytes_str(language_name((enum language)l))) ==
			    language_rtl((enum language)l));
	}
	assert_int_equal(language_by_tag("pt-BR", 5), LANGUAGE_PT);
	assert_int_equal(language_by_tag("ptx", 3), LANGUAGES);
	assert_int_equal(language_by_tag("pt-BR", 3), LANGUAGES);
	assert_int_equal(language_by_tag("p", 1), LANGUAGES);
	assert_int_equal(language_by_tag("", 0), LANGUAGES);
	assert_int_equal(language_by_tag("pt\0BR", 5), LANGUAGES);
}

/* A locale that is here, whether or not it is installed: the system's own by another name. */
static const char *installed;

char *__real_setlocale(int category, const char *name);
char *__wrap_setlocale(int category, const char *name);
char *__wrap_setlocale(int category, const char *name)
{
	if (installed && name && !*name)
		return __real_setlocale(category, "C.UTF-8") ? (char *)(uintptr_t)installed : NULL;
	return __real_setlocale(category, name);
}

/* Start again as with this environment. */
static void start(const char *lc_all, const char *lang, const char *language)
{
	char folder[4200];
	const char *build = getenv("builddir");
	char *absolute = realpath(build ? build : ".", NULL);

	assert_non_null(absolute);
	snprintf(folder, sizeof folder, "%s/po", absolute);
	free(absolute);
	setenv("CONVENE_LOCALEDIR", folder, 1);
	unsetenv("LC_MESSAGES");
	if (lc_all)
		setenv("LC_ALL", lc_all, 1);
	else
		unsetenv("LC_ALL");
	if (lang)
		setenv("LANG", lang, 1);
	else
		unsetenv("LANG");
	if (language)
		setenv("LANGUAGE", language, 1);
	else
		unsetenv("LANGUAGE");
	language_start();
}

static void test_environment(void **state)
{
	(void)state;
	start(NULL, NULL, NULL);
	assert_int_equal(language_now(), LANGUAGE_EN);
	start("C", "ar_EG.UTF-8", "fr");
	assert_int_equal(language_now(), LANGUAGE_EN);
	assert_string_equal(_("Topics"), "Topics");
	/* Whether or not this locale is installed. */
	start(NULL, "ar_EG.UTF-8", NULL);
	assert_int_equal(language_now(), LANGUAGE_AR);
	assert_string_equal(_("Topics"), "المواضيع");
	start(NULL, "C.UTF-8", "de:xx:fr_CA:es");
	assert_int_equal(language_now(), LANGUAGE_FR);
	assert_string_equal(_("Topics"), "Sujets");
	/* Of English there is no catalogue; gettext by itself would take the next. */
	installed = "fr_FR.UTF-8";
	start(NULL, installed, "es:fr");
	assert_string_equal(getenv("LANGUAGE"), "es:fr");
	assert_int_equal(language_now(), LANGUAGE_ES);
	assert_string_equal(_("Topics"), "Temas");
	start(NULL, installed, "en:fr");
	assert_int_equal(language_now(), LANGUAGE_EN);
	assert_string_equal(_("Topics"), "Topics");
	installed = NULL;
	start("pt_BR.UTF-8", "ar_EG.UTF-8", NULL);
	assert_int_equal(language_now(), LANGUAGE_PT);
	start(NULL, "de_DE.UTF-8", NULL);
	assert_int_equal(language_now(), LANGUAGE_EN);
	assert_string_equal(_("Topics"), "Topics");
}

static const char *count(char out[static 64], unsigned long n)
{
	snprintf(out, 64, ngettext("%lu message", "%lu messages", n), n);
	return out;
}

/* One request after the other, each in its language. */
static void test_use(void **state)
{
	static const char *const topics[LANGUAGES] = {
	    "Topics", "المواضيع", "Temas", "Sujets", "Tópicos", "Темы", "主题"};
	char text[64];

	(void)state;
	start("C", NULL, NULL);
	for (int i = 0; i < 100; i++) {
		enum language l = (enum language)(i * 5 % LANGUAGES);

		language_use(l);
		assert_int_equal(language_now(), l);
		assert_string_equal(_("Topics"), topics[l]);
	}
	language_use(LANGUAGE_EN);
	assert_string_equal(count(text, 1), "1 message");
	assert_string_equal(count(text, 2), "2 messages");
	language_use(LANGUAGE_RU);
	assert_string_equal(count(text, 1), "1 сообщение");
	assert_string_equal(count(text, 3), "3 сообщения");
	assert_string_equal(count(text, 11), "11 сообщений");
	assert_string_equal(count(text, 21), "21 сообщение");
	language_use(LANGUAGE_AR);
	assert_string_equal(count(text, 3), "3 رسائل");
	assert_string_equal(count(text, 11), "11 رسالة");
	language_use(LANGUAGE_ZH);
	assert_string_equal(count(text, 1), "1 条消息");
	/* What nobody translated stays as it is. */
	assert_string_equal(gettext("no such text"), "no such text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_accepted),
	    cmocka_unit_test(test_tags), cmocka_unit_test(test_environment),
	    cmocka_unit_test(test_use)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
