/* SPDX-License-Identifier: BSD-2-Clause */
/* Drafts: written whole or not at all, found again wherever writing was interrupted. */
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
#include "client/drafts.h"

static char home[64];

static void set(struct buffer *b, const char *text)
{
	buffer_reset(b);
	buffer_add_str(b, text);
}

static void fill(struct writing *w)
{
	writing_init(w, ACT_REPLY, home);
	set(&w->to, "46ef954900000000000000000000000000000000000000000000000000000000");
	set(&w->about, "A first draft: \xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a");
	set(&w->subject, "Re: all of it");
	set(&w->lang, "zh-Hant");
	w->raw = true;
	w->parts = PARTS_KEEP;
	set(&w->attach, "/srv/a b.pdf:application/pdf\n/tmp/x: y\n");
	set(&w->text, "kind: amend\n\n> quoted\n\nI agree.\n\xff");
	w->sequence = SEQUENCE_MAX;
	memset(w->id, 0xa5, ID_LEN);
}

static void same(const struct writing *a, const struct writing *b)
{
	assert_int_equal(a->act, b->act);
	assert_true(bytes_equal(buffer_bytes(&a->to), buffer_bytes(&b->to)));
	assert_true(bytes_equal(buffer_bytes(&a->about), buffer_bytes(&b->about)));
	assert_true(bytes_equal(buffer_bytes(&a->subject), buffer_bytes(&b->subject)));
	assert_true(bytes_equal(buffer_bytes(&a->lang), buffer_bytes(&b->lang)));
	assert_true(bytes_equal(buffer_bytes(&a->attach), buffer_bytes(&b->attach)));
	assert_true(bytes_equal(buffer_bytes(&a->text), buffer_bytes(&b->text)));
	assert_int_equal(a->raw, b->raw);
	assert_int_equal(a->parts, b->parts);
	assert_true(a->sequence == b->sequence);
	assert_memory_equal(a->id, b->id, ID_LEN);
}

static void test_text(void **state)
{
	static const char *const bad[] = {"", "convene draft v1\n", "convene draft v1\n\ntext",
	    "convene draft v2\nkind: post\n\ntext", "convene draft v1\nkind: letter\n\n",
	    "convene draft v1\nkind: post\nto:x\n\n", "convene draft v1\nkind: post\nto: \n\n",
	    "convene draft v1\nkind: post\nto: a\nto: b\n\n",
	    "convene draft v1\nkind: post\nfrom: a\n\n",
	    "convene draft v1\nkind: post\nraw: no\n\n",
	    "convene draft v1\nkind: post\nsigned: 0 00\n\n",
	    "convene draft v1\nkind: post\nsigned: 1 00\n\n"};
	struct buffer text = BUFFER_INIT;
	struct writing w, again;
	unsigned line;
	size_t head;

	(void)state;
	fill(&w);
	writing_format(&text, &w);
	writing_init(&again, ACT_POST, home);
	assert_int_equal(writing_parse(&again, buffer_bytes(&text), &line), OK);
	same(&w, &again);
	writing_free(&again);
	/* Torn: within the headers nothing is taken for a draft, behind them a shorter text. */
	head = (size_t)(strstr(buffer_str(&text), "\n\n") + 2 - buffer_str(&text));
	for (size_t cut = 0; cut < text.len; cut++) {
		writing_init(&again, ACT_POST, home);
		assert_int_equal(writing_parse(&again, bytes_of(text.data, cut), &line),
		    cut < head ? ERR_MALFORMED : OK);
		if (cut >= head)
			assert_int_equal(again.text.len, cut - head);
		writing_free(&again);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		writing_init(&again, ACT_POST, home);
		assert_int_equal(writing_parse(&again, bytes_str(bad[i]), &line), ERR_MALFORMED);
		writing_free(&again);
	}
	writing_free(&w);
	buffer_free(&text);
}

static void test_kept(void **state)
{
	struct writing w, again;
	char path[128];
	struct trouble t;
	struct stat st;
	uint64_t *list;
	size_t count;

	(void)state;
	assert_int_equal(drafts_list(home, &list, &count, &t), OK);
	assert_int_equal(count, 0);
	fill(&w);
	assert_int_equal(writing_save(&w, &t), OK);
	assert_int_equal(w.number, 1);
	snprintf(path, sizeof path, "%s/drafts/1", home);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Somebody is at it. */
	assert_int_equal(writing_load(&again, home, 1, true, &t), ERR_BUSY);
	writing_free(&again);
	assert_int_equal(draft_remove(home, 1, &t), ERR_BUSY);
	assert_int_equal(writing_load(&again, home, 1, false, &t), OK);
	same(&w, &again);
	assert_true(again.saved > 0);
	writing_free(&again);
	set(&w.text, "Other words.");
	assert_int_equal(writing_save(&w, &t), OK);
	writing_free(&w);
	assert_int_equal(writing_load(&again, home, 1, true, &t), OK);
	assert_string_equal(buffer_str(&again.text), "Other words.");
	/* A second one gets a number of its own, also while the first is locked. */
	fill(&w);
	assert_int_equal(writing_save(&w, &t), OK);
	assert_int_equal(w.number, 2);
	assert_int_equal(drafts_list(home, &list, &count, &t), OK);
	assert_int_equal(count, 2);
	free(list);
	assert_int_equal(writing_drop(&again, &t), OK);
	assert_int_equal(writing_drop(&again, &t), OK);
	writing_free(&again);
	writing_free(&w);
	assert_int_equal(writing_load(&again, home, 1, true, &t), ERR_NOTFOUND);
	writing_free(&again);
	assert_int_equal(draft_remove(home, 2, &t), OK);
	assert_int_equal(draft_remove(home, 2, &t), ERR_NOTFOUND);
	assert_int_equal(drafts_list(home, &list, &count, &t), OK);
	assert_int_equal(count, 0);
	/* A header that would begin another one. */
	fill(&w);
	set(&w.about, "a\nto: b");
	assert_int_equal(writing_save(&w, &t), ERR_INVALID);
	assert_int_equal(w.number, 0);
	writing_free(&w);
}

static void file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/drafts/%s", home, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_interrupted(void **state)
{
	struct writing w, again;
	char path[128];
	struct trouble t;
	uint64_t *list;
	size_t count;

	(void)state;
	fill(&w);
	assert_int_equal(writing_save(&w, &t), OK);
	writing_free(&w);
	/* Killed while the editor was open, and what a kill leaves behind. */
	file("1.txt", "Half a thou");
	file(".1.new", "convene dr");
	file("01", "x");
	file("1~", "x");
	file("0", "x");
	assert_int_equal(drafts_list(home, &list, &count, &t), OK);
	assert_int_equal(count, 1);
	free(list);
	assert_int_equal(writing_load(&again, home, 1, true, &t), OK);
	assert_string_equal(buffer_str(&again.text), "Half a thou");
	assert_int_equal(writing_save(&again, &t), OK);
	writing_free(&again);
	snprintf(path, sizeof path, "%s/drafts/1.txt", home);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(writing_load(&again, home, 1, false, &t), OK);
	assert_string_equal(buffer_str(&again.text), "Half a thou");
	writing_free(&again);
	/* One that can't be read stands in nobody's way, and can be removed. */
	file("2", "convene dr");
	assert_int_equal(writing_load(&again, home, 2, true, &t), ERR_IO);
	assert_true(t.hint[0] != '\0');
	writing_free(&again);
	fill(&w);
	assert_int_equal(writing_save(&w, &t), OK);
	assert_int_equal(w.number, 3);
	writing_free(&w);
	assert_int_equal(draft_remove(home, 2, &t), OK);
}

static void test_editor(void **state)
{
	struct writing w, again;
	struct trouble t;

	(void)state;
	unsetenv("VISUAL");
	fill(&w);
	assert_int_equal(writing_save(&w, &t), OK);
	setenv("EDITOR", "sh -c 'echo more >> \"$0\"'", 1);
	assert_int_equal(writing_edit(&w, &t), OK);
	assert_non_null(strstr(buffer_str(&w.text), "I agree.\n\xff"
						    "more\n"));
	/* An editor that fails leaves what it wrote; one that removes the file, what was there. */
	setenv("EDITOR", "sh -c 'echo last > \"$0\"; exit 3'", 1);
	assert_int_equal(writing_edit(&w, &t), ERR_IO);
	assert_string_equal(buffer_str(&w.text), "last\n");
	setenv("EDITOR", "rm", 1);
	assert_int_equal(writing_edit(&w, &t), OK);
	setenv("EDITOR", "/nonexistent/editor 2>&-", 1);
	assert_int_equal(writing_edit(&w, &t), ERR_IO);
	assert_int_equal(writing_load(&again, home, 1, false, &t), OK);
	assert_string_equal(buffer_str(&again.text), "last\n");
	writing_free(&again);
	writing_free(&w);
}

static int setup(void **state)
{
	(void)state;
	strcpy(home, "/tmp/test_drafts.XXXXXX");
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
	    cmocka_unit_test_setup_teardown(test_text, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_interrupted, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_editor, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
