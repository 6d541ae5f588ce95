/* SPDX-License-Identifier: BSD-2-Clause */
/* words STORE FOLDER < QUESTIONS: the texts of a store in our index and in SQLite's FTS5, each made
 * from nothing in a folder: of how many bytes it is, what CPU it took, and how long the questions
 * take, one on a line. The 25 newest that are found are read from the store in either case. For
 * FTS5 a question's words and phrases become strings of its own, and it keeps no copy of the texts.
 *
 * One line for each of them: name, bytes over the texts' bytes, the same after `optimize`, CPU µs
 * of a text, and of `optimize` for a text, then of a question median, 95th percentile, most and CPU
 * in µs, and how many texts were found for all. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "msg/content.h"
#include "search/fold.h"
#include "search/index.h"
#include "search/query.h"
#include "search/search.h"
#include "store/sqlite.h"
#include "tests/bench/quantile.h"

enum { RESULTS = 25, BATCH = 4096, QUESTIONS_MAX = 4096, STRETCH = 256 };

struct text {
	struct item_row row;
	char lang[36];
	struct buffer searched;
};

static struct bench {
	struct store *s;
	struct text *texts;
	size_t count, cap;
	uint64_t bytes;
	char *questions[QUESTIONS_MAX];
	size_t question_count;
	size_t found, of_this;
} bench;

static void check(int err, const char *what)
{
	if (err == OK)
		return;
	fprintf(stderr, "words: %s: %s\n", what, error_text(err));
	exit(1);
}

static void check_sql(int rc, sqlite3 *db, const char *what)
{
	if (rc == SQLITE_OK)
		return;
	fprintf(stderr, "words: %s: %s\n", what, sqlite3_errmsg(db));
	exit(1);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the texts ---- */

/* As a search or a listing reads one. */
static int row_read(const struct item_row *row, struct buffer *encoded, struct content *c)
{
	const struct item_ref *f = &row->amendment;
	int err;

	encoded->len = 0;
	if (row->erasure.present)
		return ERR_NOTFOUND;
	err = f->present
		  ? bench.s->ops->content_get(bench.s, f->log_no, f->index, f->id, NULL, encoded)
		  : bench.s->ops->content_get(
			bench.s, row->log_no, row->index, row->id, NULL, encoded);
	return err ? err : content_parse(buffer_bytes(encoded), c);
}

static int row_keep(void *ctx, const struct item_row *row, struct bytes lang)
{
	struct buffer *encoded = ctx;
	struct content c;
	struct text *t;

	if (row_read(row, encoded, &c) != OK)
		return OK;
	if (bench.count == bench.cap) {
		bench.cap = bench.cap ? 2 * bench.cap : 1024;
		bench.texts = realloc(bench.texts, bench.cap * sizeof *bench.texts);
		check(bench.texts ? OK : ERR_NOMEM, "texts");
	}
	t = &bench.texts[bench.count++];
	*t = (struct text){.row = *row};
	snprintf(t->lang, sizeof t->lang, "%.*s", (int)lang.len, (const char *)lang.data);
	check(content_searched(&t->searched, &c), "a text");
	bench.bytes += t->searched.len;
	content_clear(&c);
	return OK;
}

struct stretch {
	uint64_t arrivals[STRETCH], last;
	size_t count, shown;
};

static int arrival_add(void *ctx, uint64_t arrival, const uint8_t id[static ID_LEN], uint64_t shown)
{
	struct stretch *x = ctx;

	(void)id;
	x->last = arrival;
	x->count++;
	if (shown == arrival)
		x->arrivals[x->shown++] = arrival;
	return OK;
}

static void texts_read(void)
{
	struct buffer encoded = BUFFER_INIT;
	struct stretch x = {.last = 0};

	do {
		x.count = x.shown = 0;
		check(query_changes(bench.s, x.last, STRETCH, arrival_add, &x), "arrivals");
		for (size_t i = 0; i < x.shown; i++)
			check(query_shown(bench.s, x.arrivals[i], row_keep, &encoded), "a row");
	} while (x.count == STRETCH);
	buffer_free(&encoded);
}

static void questions_read(void)
{
	char line[1024];

	while (bench.question_count < QUESTIONS_MAX && fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			bench.questions[bench.question_count++] = strdup(line);
	}
}

/* ---- asking ---- */

struct made {
	const char *name;
	double bytes, optimized, cpu, optimizing;
};

static void tell(const struct made *m, void (*ask)(void *ctx, const char *question), void *ctx)
{
	static double took[QUESTIONS_MAX];
	double cpu = 0;
	size_t n = bench.question_count;

	bench.found = 0;
	for (size_t i = 0; i < n && i < 20; i++)
		ask(ctx, bench.questions[i]);
	bench.found = 0;
	for (size_t i = 0; i < n; i++) {
		double began = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_THREAD_CPUTIME_ID);

		bench.of_this = 0;
		ask(ctx, bench.questions[i]);
		took[i] = (seconds(CLOCK_MONOTONIC) - began) * 1e6;
		cpu += (seconds(CLOCK_THREAD_CPUTIME_ID) - used) * 1e6;
	}
	printf("%s %.3f %.3f %.1f %.1f", m->name, m->bytes / (double)bench.bytes,
	    m->optimized / (double)bench.bytes, m->cpu * 1e6 / (double)bench.count,
	    m->optimizing * 1e6 / (double)bench.count);
	if (n > 0)
		printf(" %.0f %.0f %.0f %.0f %zu", quantile(took, n, 0.5), quantile(took, n, 0.95),
		    quantile(took, n, 1), cpu / (double)n, bench.found);
	printf("\n");
	fflush(stdout);
}

/* ---- our index ---- */

static int result(void *ctx, const struct search_found *f)
{
	(void)ctx;
	(void)f;
	bench.found++;
	return ++bench.of_this == RESULTS ? ERR_EXISTS : OK;
}

static void ask_ours(void *ctx, const char *question)
{
	struct search_ask ask = {.before = UINT64_MAX, .ms = 60000, .found = result};
	struct search_query *q;
	uint64_t next;
	int err;

	if (search_parse(&q, bytes_str(question), NULL) != OK)
		return;
	err = search_run(ctx, bench.s, q, &ask, &next);
	check(err == ERR_EXISTS ? OK : err, question);
	search_query_free(q);
}

static void ours(const char *folder)
{
	struct made m = {.name = "ours"};
	struct buffer folded = BUFFER_INIT;
	struct search_writer *w;
	struct search_state state;
	struct search *search;
	char path[4096];
	double began;

	snprintf(path, sizeof path, "%s/search", folder);
	check(search_writer_open(&w, path, NULL), path);
	began = seconds(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < bench.count; i++) {
		const struct text *t = &bench.texts[i];
		struct search_doc doc = {.row = &t->row, .lang = bytes_str(t->lang)};

		buffer_reset(&folded);
		check(search_fold(&folded, buffer_bytes(&t->searched)), "folding");
		doc.text = buffer_bytes(&folded);
		check(search_writer_add(w, &doc), "adding");
		if (search_writer_full(w) || i + 1 == bench.count)
			check(search_commit(w, t->row.arrival, t->row.id, false), "committing");
	}
	m.cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - began;
	index_state(search_writer_index(w), &state);
	m.bytes = m.optimized = (double)state.bytes;
	search_writer_close(w);
	buffer_free(&folded);
	check(search_open(&search, path), path);
	tell(&m, ask_ours, search);
	search_close(search);
	check(search_remove(path), path);
}

/* ---- FTS5 ---- */

struct fts {
	sqlite3 *db;
	sqlite3_stmt *find;
	struct buffer encoded;
};

static int row_show(void *ctx, const struct item_row *row, struct bytes lang)
{
	struct content c;

	(void)lang;
	if (row_read(row, ctx, &c) == OK) {
		bench.found++;
		content_clear(&c);
	}
	return OK;
}

/* Words and phrases as strings of FTS5's own language, all of which must occur. */
static void strings_of(struct buffer *out, const char *question)
{
	while (*question) {
		bool phrase = *question == '"';
		size_t len;

		question += phrase;
		len = strcspn(question, phrase ? "\"" : " ");
		buffer_printf(out, " \"%.*s\"", (int)len, question);
		question += len;
		question += strspn(question, "\" ");
	}
}

static void ask_fts(void *ctx, const char *question)
{
	struct fts *f = ctx;
	struct buffer text = BUFFER_INIT;
	int rc;

	strings_of(&text, question);
	sqlite3_bind_text(f->find, 1, buffer_str(&text), -1, SQLITE_TRANSIENT);
	while ((rc = sqlite3_step(f->find)) == SQLITE_ROW)
		check(query_shown(bench.s, (uint64_t)sqlite3_column_int64(f->find, 0), row_show,
			  &f->encoded),
		    "a row");
	check_sql(rc == SQLITE_DONE ? SQLITE_OK : rc, f->db, question);
	sqlite3_reset(f->find);
	buffer_free(&text);
}

static void sql(sqlite3 *db, const char *text)
{
	check_sql(sqlite3_exec(db, text, NULL, NULL, NULL), db, text);
}

static double file_size(sqlite3 *db, const char *path)
{
	struct stat st;

	sql(db, "PRAGMA wal_checkpoint(TRUNCATE)");
	return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static void fts(const char *folder, const char *name, const char *table)
{
	struct made m = {.name = name};
	struct fts f = {.encoded = BUFFER_INIT};
	sqlite3_stmt *add;
	char path[4096];
	double began;

	snprintf(path, sizeof path, "%s/%s.db", folder, name);
	check_sql(sqlite3_open(path, &f.db), f.db, path);
	/* Ours is not made durable either, but where something is erased. */
	sql(f.db,
	    "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536");
	sql(f.db, table);
	check_sql(sqlite3_prepare_v2(
		      f.db, "INSERT INTO texts (rowid, text) VALUES (?, ?)", -1, &add, NULL),
	    f.db, table);
	began = seconds(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < bench.count; i++) {
		const struct text *t = &bench.texts[i];

		if (i % BATCH == 0)
			sql(f.db, "BEGIN");
		sqlite3_bind_int64(add, 1, (sqlite3_int64)t->row.arrival);
		sqlite3_bind_text(
		    add, 2, (const char *)t->searched.data, (int)t->searched.len, SQLITE_STATIC);
		if (sqlite3_step(add) != SQLITE_DONE)
			check_sql(SQLITE_ERROR, f.db, "adding");
		sqlite3_reset(add);
		if (i % BATCH == BATCH - 1 || i + 1 == bench.count)
			sql(f.db, "COMMIT");
	}
	m.cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - began;
	sqlite3_finalize(add);
	m.bytes = file_size(f.db, path);
	check_sql(sqlite3_prepare_v2(f.db,
		      "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rowid DESC LIMIT 25",
		      -1, &f.find, NULL),
	    f.db, "asking");
	began = seconds(CLOCK_THREAD_CPUTIME_ID);
	sql(f.db, "INSERT INTO texts (texts) VALUES ('optimize'); VACUUM");
	m.optimizing = seconds(CLOCK_THREAD_CPUTIME_ID) - began;
	m.optimized = file_size(f.db, path);
	tell(&m, ask_fts, &f);
	sqlite3_finalize(f.find);
	sqlite3_close(f.db);
	buffer_free(&f.encoded);
	unlink(path);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: words STORE FOLDER < QUESTIONS\n");
		return 2;
	}
	check(store_open(&bench.s, &store_sqlite, argv[1], STORE_READ_ONLY), argv[1]);
	questions_read();
	texts_read();
	fprintf(stderr, "%zu texts of %.1f MB, %zu questions\n", bench.count,
	    (double)bench.bytes / 1e6, bench.question_count);
	ours(argv[2]);
	fts(argv[2], "unicode61",
	    "CREATE VIRTUAL TABLE texts USING fts5 (text, content = '', tokenize = 'unicode61')");
	fts(argv[2], "trigram",
	    "CREATE VIRTUAL TABLE texts USING fts5 (text, content = '', tokenize = 'trigram')");
	for (size_t i = 0; i < bench.count; i++)
		buffer_free(&bench.texts[i].searched);
	for (size_t i = 0; i < bench.question_count; i++)
		free(bench.questions[i]);
	free(bench.texts);
	store_close(bench.s);
	return 0;
}
