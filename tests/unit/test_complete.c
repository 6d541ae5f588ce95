/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tables of commands let stand next on a command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/complete.h"

static const struct option_spec everywhere[] = {
    {"config", 'c', "FILE", "the configuration"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec write_options[] = {
    {"attach", 'a', "FILE[:TYPE]", "send along"},
    {"into", 0, "FOLDER", "where to"},
    {"loud", 'l', NULL, "say more"},
    {"why", 'w', "lost|stolen", "the reason"},
    {NULL, 0, NULL, NULL},
};

static const struct command commands[] = {
    {"write", "TOPIC", 1, 1, "write something", NULL, write_options, NULL},
    {"writ", "", 0, 0, "nearly the same name", NULL, NULL, NULL},
    {"charter show", "[FILE]", 0, 1, "show it", NULL, NULL, NULL},
    {"charter sign", "BLOCK...", 1, -1, "sign it", NULL, NULL, NULL},
    {"put", "mbox|mail FOLDER", 2, 2, "two operands", NULL, NULL, NULL},
    {"read", "[THREAD|POST]...", 0, -1, "one and more", NULL, NULL, NULL},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};

static char asked[200]; /* the kinds, in order */
static const char *given_word, *given_meaning;

static void offer(struct candidates *c, const char *kind)
{
	snprintf(asked + strlen(asked), sizeof asked - strlen(asked), "%s ", kind);
	if (given_word)
		candidate_add(c, given_word, bytes_str(given_meaning));
}

static const struct program program = {
    .name = "prog",
    .purpose = "test",
    .commands = commands,
    .options = everywhere,
    .offer = offer,
};

/* `line`: words with a space between each; one at the end is an empty word. */
static void gives(const char *line, const char *expected)
{
	struct buffer out = BUFFER_INIT;
	char *text = strdup(line), *words[20], *p = text;
	int count = 0;

	asked[0] = '\0';
	for (;; p++) {
		words[count++] = p;
		p = strchr(p, ' ');
		if (!p)
			break;
		*p = '\0';
	}
	complete(&out, &program, count, words);
	assert_string_equal(buffer_str(&out), expected);
	buffer_free(&out);
	free(text);
}

#define CHARTER "charter\tshow, sign\n"
#define OPTIONS_EVERYWHERE                                                                     \
	"--config\tthe configuration\n--json\tanswer as JSON, for programs\n--help\tsay what " \
	"this "                                                                                \
	"command takes\n"
#define OPTIONS_WRITE                                                           \
	"--attach\tsend along\n--into\twhere to\n--loud\tsay more\n--why\tthe " \
	"reason\n" OPTIONS_EVERYWHERE

static void test_commands(void **state)
{
	(void)state;
	gives("", "write\twrite something\nwrit\tnearly the same name\n" CHARTER
		  "put\ttwo operands\nread\tone and more\nhelp\tsay what a command takes\n");
	gives("wr", "write\twrite something\nwrit\tnearly the same name\n");
	gives("write", "write\twrite something\n");
	gives("ch", CHARTER);
	gives("charter ", "show\tshow it\nsign\tsign it\n");
	gives("charter si", "sign\tsign it\n");
	gives("charter x ", "");
	gives("nonsense ", "");
	gives("-c x ch", CHARTER);
	gives("--config x ch", CHARTER);
	gives("--conf x ch", CHARTER);
	gives("--config=x ch", CHARTER);
	gives("-cx ch", CHARTER);
	gives("help ch", CHARTER);
	gives("help charter s", "show\tshow it\nsign\tsign it\n");
	gives("help write ", "");
}

static void test_options(void **state)
{
	(void)state;
	gives("-", OPTIONS_EVERYWHERE "--version\tsay which version this is\n");
	gives("write -", OPTIONS_WRITE);
	gives("write --l", "--loud\tsay more\n");
	gives("write x --lo", "--loud\tsay more\n");
	gives("--he", "--help\tsay what this command takes\n");
	gives("write -- -", "");
	/* Where nothing else may stand. */
	gives("writ ", OPTIONS_EVERYWHERE);
	gives("write x ", OPTIONS_WRITE);
	gives("write x y", "");
}

static void test_values(void **state)
{
	(void)state;
	gives("write --why ", "lost\t\nstolen\t\n");
	gives("write --why s", "stolen\t\n");
	gives("write -w s", "stolen\t\n");
	gives("write -lw s", "stolen\t\n");
	gives("write --why=", "--why=lost\t\n--why=stolen\t\n");
	gives("write --why=l", "--why=lost\t\n");
	gives("write --attach ", ":files\n");
	gives("write --attach=x", ":files\n");
	gives("write --into ", ":folders\n");
	gives("-c ", ":files\n");
	/* What looks like an option is the value. */
	gives("write --attach --why l", "");
	gives("write --loud=", "");
	gives("write --what=", "");
}

static void test_operands(void **state)
{
	(void)state;
	gives("write x", "");
	assert_string_equal(asked, "TOPIC ");
	gives("write --loud x", "");
	assert_string_equal(asked, "TOPIC ");
	gives("write -- x", "");
	assert_string_equal(asked, "TOPIC ");
	gives("read x y ", "");
	assert_string_equal(asked, "THREAD POST ");
	gives("charter show ", ":files\n");
	gives("charter sign a b ", ":files\n");
	gives("put ", "mbox\t\nmail\t\n");
	gives("put mbox ", ":folders\n");
	gives("put mbox x ", OPTIONS_EVERYWHERE);
}

static void test_offers(void **state)
{
	(void)state;
	given_word = "12ab34cd";
	given_meaning = "a \"title\" with $(things)";
	gives("write ", "12ab34cd\ta \"title\" with $(things)\n");
	gives("write 12a", "12ab34cd\ta \"title\" with $(things)\n");
	gives("write 13", "");
	/* Once, though two kinds have it. */
	gives("read ", "12ab34cd\ta \"title\" with $(things)\n");
	given_meaning = "\x1b]0;x\x07two\nlines\tand \xe2\x80\xae"
			"turned\xff";
	gives("write ", "12ab34cd\t\xef\xbf\xbd]0;x\xef\xbf\xbdtwo\xef\xbf\xbdlines "
			"and turned\xef\xbf\xbd\n");
	given_meaning =
	    "日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語";
	gives("write ",
	    "12ab34cd\t日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語"
	    "日本…\n");
	/* No word is ever anything but a word. */
	given_meaning = "";
	for (const char *const *bad = (const char *const[]){"$(x)", "a b", "a;b", "`x`", "'", "\"",
		 "a\nb", "a\tb", "*", "~", "\\", ":files", "", "é", NULL};
	     *bad; bad++) {
		given_word = *bad;
		gives("write x", "");
		gives("read ", "");
	}
	given_word = NULL;
}

static void test_many(void **state)
{
	struct buffer out = BUFFER_INIT;
	char *words[200], x[] = "x";

	(void)state;
	complete(&out, &program, 0, NULL);
	assert_true(out.len > 0);
	buffer_reset(&out);
	for (int i = 0; i < 200; i++)
		words[i] = x;
	complete(&out, &program, 200, words);
	assert_int_equal(out.len, 0);
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_commands),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_operands),
	    cmocka_unit_test(test_offers),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
