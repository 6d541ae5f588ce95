/* SPDX-License-Identifier: BSD-2-Clause */
/* The index against a naive one, through commits, merges, drops and new starts; and killed in front
 * of every call that changes a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "search/fold.h"
#include "search/index.h"

#define WORDS 40
#define DOCS 60

static char root[] = "/tmp/convene-search.XXXXXX";

/* ---- killing ---- */

static int calls_left = -1;   /* then the process ends; below 0: never */
static int unlinks_left = -1; /* then one fails; below 0: none */
static int syncs_left = -1;

static bool fails(int *left)
{
	if (*left < 0 || (*left)-- > 0)
		return false;
	errno = EIO;
	return true;
}

static void step(void)
{
	if (calls_left >= 0 && calls_left-- == 0)
		_exit(9);
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	step();
	return __real_write(fd, data, len);
}
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
	step();
	return __real_rename(from, to);
}
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
	step();
	return fails(&unlinks_left) ? -1 : __real_unlink(path);
}
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	step();
	return fails(&syncs_left) ? -1 : __real_fdatasync(fd);
}

/* ---- a model ---- */

struct model {
	uint64_t arrivals[DOCS];
	bool has[DOCS][WORDS];
	bool there[DOCS], missing[DOCS];
	uint64_t position;
};

static void word_of(char out[static 8], int word)
{
	snprintf(out, 8, "w%d", word);
}

static void doc_add(struct search_writer *w, struct model *m, int doc)
{
	struct item_row row = {.arrival = m->arrivals[doc], .time = 1000 + (uint64_t)doc};
	struct buffer text = BUFFER_INIT;
	struct search_doc d = {.row = &row};
	char word[8];

	for (int i = 0; i < WORDS; i++) {
		word_of(word, i);
		if (m->has[doc][i])
			buffer_printf(&text, "%s ", word);
	}
	d.text = buffer_bytes(&text);
	assert_int_equal(search_writer_add(w, &d), OK);
	buffer_free(&text);
}

static bool index_has(const struct search_index *x, uint32_t term, uint64_t arrival)
{
	for (size_t i = 0; i < x->count; i++) {
		struct doc_set docs = {{0}};

		if (x->segments[i].part != arrival >> PART_BITS)
			continue;
		segment_find(&x->segments[i].segment, term, &docs);
		if (set_has(&docs, arrival & (PART_DOCS - 1)))
			return true;
	}
	return false;
}

/* Nothing is missing in it, and nothing too much. */
static void compare(const struct search_index *x, const struct model *m)
{
	char word[8];

	assert_int_equal(x->position, m->position);
	for (int doc = 0; doc < DOCS; doc++) {
		assert_int_equal(index_has(x, TERM_ALL, m->arrivals[doc]), m->there[doc]);
		for (int i = 0; i < WORDS; i++) {
			word_of(word, i);
			assert_int_equal(index_has(x, search_term(ABOUT_WORD, bytes_str(word)),
					     m->arrivals[doc]),
			    m->there[doc] && m->has[doc][i]);
		}
	}
	for (size_t i = 0; i + 1 < x->count; i++)
		assert_true(x->segments[i].part >= x->segments[i + 1].part);
}

static size_t files_in(const char *folder)
{
	DIR *dir = opendir(folder);
	size_t count = 0;

	while (dir && readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static void compare_read(const char *folder, const struct model *m)
{
	struct search_index x;

	assert_int_equal(index_load(&x, folder, NULL, true), OK);
	compare(&x, m);
	assert_int_equal(files_in(folder), x.count + 1);
	index_free(&x);
}

static void model_start(struct model *m)
{
	memset(m, 0, sizeof *m);
	for (uint64_t i = 0; i < DOCS; i++)
		m->arrivals[i] = i < 40 ? i * 3 + 1 : (i % 5 + 1) * PART_DOCS - 2 + i % 4;
	for (int i = 0; i < DOCS; i++)
		for (int j = 0; j < i; j++)
			if (m->arrivals[j] == m->arrivals[i])
				m->arrivals[i] = 1000 + (uint64_t)i;
}

static void words_draw(struct model *m, int doc)
{
	for (int i = 0; i < WORDS; i++)
		m->has[doc][i] = rand() % (i + 1) == 0;
}

static void change(struct search_writer *w, struct model *m)
{
	int doc = rand() % DOCS;

	if (m->there[doc])
		assert_int_equal(search_writer_drop(w, m->arrivals[doc]), OK);
	m->there[doc] = rand() % 4 != 0;
	if (m->there[doc]) {
		words_draw(m, doc);
		doc_add(w, m, doc);
	}
}

static void test_random(void **state)
{
	const char *given = getenv("CONVENE_SEED");
	unsigned seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);
	static struct model m;
	struct search_writer *w;
	uint8_t id[ID_LEN] = {7};
	char folder[64];
	bool anew;

	(void)state;
	print_message("CONVENE_SEED=%u\n", seed);
	srand(seed);
	snprintf(folder, sizeof folder, "%s/random", root);
	assert_int_equal(search_writer_open(&w, folder, &anew), OK);
	assert_true(anew);
	model_start(&m);
	for (int round = 0; round < 150; round++) {
		for (int i = rand() % 6; i >= 0; i--)
			change(w, &m);
		m.position += (uint64_t)rand() % 3;
		assert_int_equal(search_commit(w, m.position, id, rand() % 3 == 0), OK);
		compare(search_writer_index(w), &m);
		compare_read(folder, &m);
		if (rand() % 10 == 0) {
			search_writer_close(w);
			assert_int_equal(search_writer_open(&w, folder, &anew), OK);
			assert_false(anew);
			compare(search_writer_index(w), &m);
		}
		assert_true(search_writer_index(w)->count <= 30);
	}
	assert_int_equal(search_writer_reset(w), OK);
	assert_int_equal(search_writer_index(w)->count, 0);
	assert_int_equal(files_in(folder), 1);
	search_writer_close(w);
}

/* Many documents that come one by one stay few segments. */
static void test_trickle(void **state)
{
	struct search_writer *w;
	uint8_t id[ID_LEN] = {0};
	char folder[64], text[32];
	struct item_row row = {.time = 1};
	size_t most = 0;

	(void)state;
	snprintf(folder, sizeof folder, "%s/trickle", root);
	assert_int_equal(search_writer_open(&w, folder, NULL), OK);
	for (uint64_t i = 1; i <= 500; i++) {
		struct search_doc d = {.row = &row};

		row.arrival = i;
		snprintf(text, sizeof text, "common x%u", (unsigned)i);
		d.text = bytes_str(text);
		assert_int_equal(search_writer_add(w, &d), OK);
		assert_int_equal(search_commit(w, i, id, false), OK);
		if (search_writer_index(w)->count > most)
			most = search_writer_index(w)->count;
	}
	assert_true(most <= 10);
	struct doc_set docs = {{0}};
	for (size_t i = 0; i < search_writer_index(w)->count; i++)
		segment_find(&search_writer_index(w)->segments[i].segment,
		    search_term(ABOUT_WORD, bytes_str("common")), &docs);
	assert_int_equal(set_count(&docs), 500);
	search_writer_close(w);
}

static void copy_folder(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof command, "rm -rf %s && cp -r %s %s", to, from, to);
	assert_int_equal(system(command), 0);
}

static const int chosen[] = {0, 1, 2, 41, 42, 44, 50, 57};

/* What a child does to an index: it adds, drops, and commits. */
static void work(const char *folder, const struct model *before, struct model *after, int kill_at)
{
	struct search_writer *w;
	uint8_t id[ID_LEN] = {1};

	*after = *before;
	calls_left = kill_at;
	if (search_writer_open(&w, folder, NULL) != OK)
		_exit(8);
	for (size_t k = 0; k < sizeof chosen / sizeof *chosen; k++) {
		int doc = chosen[k];

		if (after->there[doc])
			search_writer_drop(w, after->arrivals[doc]);
		after->there[doc] = doc % 2 == 0;
		for (int i = 0; i < WORDS; i++)
			after->has[doc][i] = (i + doc) % 3 == 0;
		if (after->there[doc])
			doc_add(w, after, doc);
	}
	search_writer_missing(w, 77, true);
	after->position = 99;
	if (search_commit(w, 99, id, true) != OK)
		_exit(7);
	search_writer_close(w);
}

static void test_killed(void **state)
{
	static struct model before, after;
	char base[64], folder[64];
	struct search_writer *w;
	uint8_t id[ID_LEN] = {0};
	int steps = 0, status = 0;
	bool olds = false, news = false;

	(void)state;
	srand(1);
	snprintf(base, sizeof base, "%s/base", root);
	snprintf(folder, sizeof folder, "%s/killed", root);
	assert_int_equal(search_writer_open(&w, base, NULL), OK);
	model_start(&before);
	for (int doc = 0; doc < DOCS; doc += 1 + doc % 2) {
		before.there[doc] = true;
		words_draw(&before, doc);
		doc_add(w, &before, doc);
		if (doc % 9 == 0)
			assert_int_equal(search_commit(w, 50, id, false), OK);
	}
	assert_int_equal(search_commit(w, 50, id, false), OK);
	before.position = 50;
	search_writer_close(w);
	for (;; steps++) {
		pid_t pid;
		bool anew;

		copy_folder(base, folder);
		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			work(folder, &before, &after, steps);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(
		    WIFEXITED(status) && (WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0));
		/* It is as it was, or as it was to be, and nothing else is left. */
		assert_int_equal(search_writer_open(&w, folder, &anew), OK);
		assert_false(anew);
		if (search_writer_index(w)->position == 99) {
			struct model m;

			news = true;
			memcpy(&m, &before, sizeof m);
			m.position = 99;
			for (size_t k = 0; k < sizeof chosen / sizeof *chosen; k++) {
				int doc = chosen[k];

				m.there[doc] = doc % 2 == 0;
				for (int i = 0; i < WORDS; i++)
					m.has[doc][i] = (i + doc) % 3 == 0;
			}
			compare(search_writer_index(w), &m);
			assert_int_equal(search_writer_index(w)->missing_count, 1);
			search_writer_close(w);
			compare_read(folder, &m);
		} else {
			olds = true;
			compare(search_writer_index(w), &before);
			search_writer_close(w);
			compare_read(folder, &before);
		}
		if (WEXITSTATUS(status) == 0)
			break;
	}
	print_message("%d steps\n", steps);
	assert_true(steps > 20 && olds && news);
}

/* A file that couldn't be removed, or made zero for certain, is not forgotten: as long as it is
 * there nothing is said to be erased. */
static void test_stays(void **state)
{
	int *const left[] = {&unlinks_left, &syncs_left};
	uint8_t id[ID_LEN] = {1};
	static struct model m;
	struct search_writer *w;
	char folder[64];

	(void)state;
	for (size_t which = 0; which < 2; which++) {
		int nth = 0, erased = 0, unsaid = 0;

		for (bool failed = true; failed; nth++) {
			struct model after;
			int err;

			snprintf(folder, sizeof folder, "%s/stays%zu.%d", root, which, nth);
			assert_int_equal(search_writer_open(&w, folder, NULL), OK);
			model_start(&m);
			for (int doc = 0; doc < DOCS; doc++) {
				m.there[doc] = true;
				words_draw(&m, doc);
				doc_add(w, &m, doc);
			}
			m.position = 5;
			assert_int_equal(search_commit(w, 5, id, false), OK);
			after = m;
			after.there[3] = after.there[45] = false;
			assert_int_equal(search_writer_drop(w, m.arrivals[3]), OK);
			assert_int_equal(search_writer_drop(w, m.arrivals[45]), OK);
			*left[which] = nth;
			err = search_commit(w, 5, id, true);
			failed = *left[which] < 0;
			*left[which] = -1;
			assert_true(failed ? err != OK : err == OK);
			unsaid += err != OK;
			erased += err != OK &&
				  !index_has(search_writer_index(w), TERM_ALL, m.arrivals[3]);
			/* Asked for again, with nothing new where the first time did half of it. */
			if (index_has(search_writer_index(w), TERM_ALL, m.arrivals[3])) {
				assert_int_equal(search_writer_drop(w, m.arrivals[3]), OK);
				assert_int_equal(search_writer_drop(w, m.arrivals[45]), OK);
			}
			assert_int_equal(search_commit(w, 5, id, true), OK);
			compare_read(folder, &after);
			search_writer_close(w);
		}
		assert_true(unsaid > 0 && erased > 0);
	}
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : UINT64_MAX;
}

/* An index is taken away with all that is in its folder, or that is told. */
static void test_removed(void **state)
{
	char base[64], folder[64], name[128], out[64];
	uint8_t data[8];
	struct search_index x;
	DIR *dir;

	(void)state;
	snprintf(base, sizeof base, "%s/base", root);
	snprintf(folder, sizeof folder, "%s/removed", root);
	snprintf(out, sizeof out, "%s/held", root);
	assert_int_equal(search_remove(folder), OK); /* nothing there */
	copy_folder(base, folder);
	assert_int_equal(index_load(&x, folder, NULL, true), OK);
	index_path(name, sizeof name, folder, x.segments[0].no);
	assert_int_equal(link(name, out), 0);
	unlinks_left = 1;
	assert_int_equal(search_remove(folder), ERR_IO);
	unlinks_left = -1;
	syncs_left = 0;
	dir = opendir(folder);
	assert_non_null(dir);
	closedir(dir);
	assert_int_equal(search_remove(folder), ERR_IO);
	syncs_left = -1;
	assert_int_equal(search_remove(folder), OK);
	assert_null(opendir(folder));
	/* Whoever still has a file open sees nothing. */
	assert_false(segment_whole(&x.segments[0].segment));
	index_free(&x);
	assert_true(size_of(out) > 0);
	FILE *f = fopen(out, "rb");
	assert_int_equal(fread(data, 1, sizeof data, f), sizeof data);
	fclose(f);
	assert_int_equal(get_u64(data), 0);
	/* A folder that can't be looked into is not one that isn't there. */
	f = fopen(folder, "w");
	fclose(f);
	assert_int_equal(search_remove(folder), ERR_IO);
}

/* A reader takes over what is the same, and not what has the same number only. */
static void test_numbers(void **state)
{
	char base[64], folder[64], path[128];
	struct search_index x, y;
	struct search_writer *w;
	static struct model m;
	uint8_t id[ID_LEN] = {1};
	const uint8_t *map;
	uint64_t no;

	(void)state;
	snprintf(base, sizeof base, "%s/base", root);
	snprintf(folder, sizeof folder, "%s/numbers", root);
	copy_folder(base, folder);
	assert_int_equal(index_load(&x, folder, NULL, false), OK);
	map = x.segments[0].segment.map;
	assert_int_equal(index_load(&y, folder, &x, false), OK);
	assert_ptr_equal(y.segments[0].segment.map, map);
	y.segments[0].sum ^= 1;
	assert_int_equal(index_load(&x, folder, &y, false), OK);
	assert_ptr_not_equal(x.segments[0].segment.map, map);
	no = x.segments[0].no;
	index_free(&x);
	index_path(path, sizeof path, folder, 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(search_writer_open(&w, folder, NULL), OK);
	model_start(&m);
	m.there[0] = m.has[0][0] = true;
	doc_add(w, &m, 0);
	assert_int_equal(search_commit(w, 1, id, false), OK);
	assert_true(search_writer_index(w)->segments[0].no > no);
	search_writer_close(w);
}

/* However often a text says one thing, it takes no more memory than once. */
static void test_repeated(void **state)
{
	struct item_row row = {.arrival = 5, .time = 1};
	struct buffer text = BUFFER_INIT, folded = BUFFER_INIT;
	struct search_doc d = {.row = &row};
	struct search_writer *w;
	uint8_t id[ID_LEN] = {1};
	char folder[64];

	(void)state;
	snprintf(folder, sizeof folder, "%s/repeated", root);
	assert_int_equal(search_writer_open(&w, folder, NULL), OK);
	while (text.len < (1 << 20))
		buffer_add_str(&text, "\xe3\x8c\x96"); /* six kana */
	assert_int_equal(search_fold(&folded, buffer_bytes(&text)), OK);
	d.text = buffer_bytes(&folded);
	assert_int_equal(search_writer_add(w, &d), OK);
	assert_false(search_writer_full(w));
	buffer_reset(&folded);
	buffer_reset(&text);
	for (uint32_t i = 0; i < 1 << 20; i++)
		buffer_printf(&text, "x%x ", (unsigned)i);
	d.text = buffer_bytes(&text);
	row.arrival = 6;
	assert_int_equal(search_writer_add(w, &d), OK);
	assert_true(search_writer_full(w));
	assert_int_equal(search_commit(w, 6, id, false), OK);
	assert_true(
	    index_has(search_writer_index(w), search_term(ABOUT_WORD, bytes_str("x3ffff")), 6));
	assert_true(index_has(
	    search_writer_index(w), search_term(ABOUT_WORD, bytes_str("\xe3\x83\xad")), 5));
	search_writer_close(w);
	buffer_free(&text);
	buffer_free(&folded);
}

/* Any byte that is not what it was is noticed at the start; reading it does no harm. */
static void test_damaged(void **state)
{
	char base[64], folder[64], path[400];
	struct search_writer *w;
	DIR *dir;
	struct dirent *e;

	(void)state;
	snprintf(base, sizeof base, "%s/base", root);
	snprintf(folder, sizeof folder, "%s/damaged", root);
	for (int round = 0; round < 60; round++) {
		struct search_index x;
		bool anew;
		uint8_t was[2] = {0, 0}, is[2];
		bool changed;
		long size, at;
		FILE *f;
		int n = rand() % 3;

		copy_folder(base, folder);
		dir = opendir(folder);
		while ((e = readdir(dir)) && (e->d_name[0] == '.' || n-- > 0))
			;
		assert_non_null(e);
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		closedir(dir);
		f = fopen(path, "r+b");
		fseek(f, 0, SEEK_END);
		size = ftell(f);
		at = rand() % size;
		is[0] = rand() % 2 ? 0xff : 0x5a;
		is[1] = (uint8_t)rand();
		fseek(f, at, SEEK_SET);
		changed = fread(was, 1, 2, f) < 2 || memcmp(was, is, 2) != 0;
		fseek(f, at, SEEK_SET);
		assert_int_equal(fwrite(is, 1, 2, f), 2);
		fclose(f);
		/* As a reader, who checks nothing. */
		if (index_load(&x, folder, NULL, false) == OK) {
			for (uint32_t term = 0; term < 5000; term++)
				index_has(&x, term * 3001 % (1u << TERM_BITS), term);
			for (size_t i = 0; i < x.count; i++) {
				struct cursor c;

				for (cursor_start(&c, &x.segments[i].segment); !c.done;
				     cursor_next(&c))
					;
			}
			index_free(&x);
		}
		assert_int_equal(search_writer_open(&w, folder, &anew), OK);
		assert_int_equal(anew, changed);
		search_writer_close(w);
	}
}

static int clean(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_trickle),
	    cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_stays),
	    cmocka_unit_test(test_removed),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_repeated),
	};

	if (!mkdtemp(root))
		return 1;
	return cmocka_run_group_tests(tests, NULL, clean);
}
