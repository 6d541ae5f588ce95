/* SPDX-License-Identifier: BSD-2-Clause */
/* kill -9 in the middle of writing, twenty times over one store: it opens, and all that was
 * acknowledged is there. */
#include "store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { ROUNDS = 20, HISTORY = 5 };

/* What the child says after each commit. */
struct ack {
	uint64_t size;  /* entries in the log */
	uint64_t inbox; /* the highest number given */
};

static uint64_t log_size(struct store *s, uint8_t root[static HASH_LEN])
{
	struct seen_log seen;
	assert_ok(s->ops->log_get(s, 1, see_log, &seen));
	memcpy(root, seen.log.root, HASH_LEN);
	return seen.log.size;
}

static struct bytes inbox_message(uint64_t n, uint8_t room[static 300])
{
	return made_leaf(HISTORY + 1, n, room);
}

struct sealing {
	struct buffer leaves;
	size_t count;
};

static int take(void *ctx, const struct store_inbox *row)
{
	struct sealing *sealing = ctx;
	add_leaf(&sealing->leaves, row->message);
	sealing->count++;
	return OK;
}

/* In the child, which has no test of its own to fail. */
static void must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, error_name(err));
	_exit(1);
}

#define MUST(expr) must(expr, #expr)

/* Log 1 grows by plain batches with contents, log 2 from the inbox; now and then merge and cut. */
static void write_for_ever(const char *path, unsigned round, int out)
{
	struct store *s;
	uint8_t room[300], salt[SALT_LEN] = {1};
	uint64_t size, size2, no;
	struct ack ack = {0, 0};
	struct seen_log seen;

	MUST(store_open(&s, &store_sqlite, path, 0));
	MUST(s->ops->log_get(s, 1, see_log, &seen));
	size = seen.log.size;
	MUST(s->ops->log_get(s, 2, see_log, &seen));
	size2 = seen.log.size;
	for (uint64_t step = 0;; step++) {
		size_t count = mix(step ^ size) % 90 + 1;
		MUST(s->ops->begin(s));
		MUST(append_made(s, 1, HISTORY, size, count));
		MUST(s->ops->content_put(
		    s, 1, size, made_id(size).bytes, salt, bytes_str("content")));
		struct id id = made_id((uint64_t)round << 32 | step);
		MUST(s->ops->inbox_add(
		    s, id.bytes, inbox_message(step, room), salt, bytes_str("text"), &no));
		if (step % 7 == 3)
			MUST(s->ops->merge(s, 1));
		if (step % 5 == 4) {
			struct sealing sealing = {BUFFER_INIT, 0};
			struct batch b;
			MUST(s->ops->inbox_each(s, 0, 3, take, &sealing));
			batch_make(&b, 2, HISTORY, size2, sealing.count);
			b.a.leaves = buffer_bytes(&sealing.leaves);
			b.a.from_inbox = true;
			MUST(s->ops->append(s, &b.a));
			size2 = b.a.size;
			buffer_free(&b.leaves);
			buffer_free(&sealing.leaves);
		}
		MUST(s->ops->commit(s));
		size += count;
		ack = (struct ack){size, no};
		if (write(out, &ack, sizeof(ack)) != sizeof(ack))
			_exit(1);
	}
}

/* Run a child for some milliseconds; the last that it acknowledged. */
static struct ack run_and_kill(const char *path, unsigned round, unsigned ms)
{
	struct timespec wait = {0, (long)ms * 1000000};
	struct ack ack = {0, 0}, next;
	int ends[2], status;

	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		write_for_ever(path, round, ends[1]);
	}
	close(ends[1]);
	/* The clock starts when the child has committed once. */
	assert_int_equal(read(ends[0], &ack, sizeof(ack)), sizeof(ack));
	nanosleep(&wait, NULL);
	kill(pid, SIGKILL);
	while (read(ends[0], &next, sizeof(next)) == sizeof(next))
		ack = next;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return ack;
}

static int last_inbox(void *ctx, const struct store_inbox *row)
{
	uint64_t *last = ctx;
	assert_true(row->no > *last);
	*last = row->no;
	return OK;
}

static void check(struct store *s, const struct ack *ack)
{
	uint8_t root[HASH_LEN];
	uint64_t size = log_size(s, root), last = 0, waiting;
	struct seen_log seen;
	struct batch b;

	assert_true(size >= ack->size);
	assert_leaves(s, 1, HISTORY, 0, size);
	batch_make(&b, 1, HISTORY, size, 1);
	fill(b.a.root, HASH_LEN, (uint64_t)HISTORY << 32 ^ size);
	assert_memory_equal(root, b.a.root, HASH_LEN);
	buffer_free(&b.leaves);

	/* Every number that was given is in the inbox or became an entry. */
	assert_ok(s->ops->inbox_each(s, 0, SIZE_MAX, last_inbox, &last));
	assert_ok(s->ops->inbox_count(s, &waiting));
	assert_ok(s->ops->log_get(s, 2, see_log, &seen));
	assert_true(last >= ack->inbox);
	assert_int_equal(seen.log.size + waiting, last);
	/* Nothing below the database is damaged. */
	sqlite3_stmt *st = NULL;
	struct sqlite_store *in = (struct sqlite_store *)s;
	assert_ok(sqlite_prepare(in, &st, "PRAGMA integrity_check"));
	assert_int_equal(sqlite_row(in, st), 1);
	assert_string_equal(sqlite3_column_text(st, 0), "ok");
	sqlite3_finalize(st);
}

static void test_kill(void **state)
{
	struct fixture f;
	struct ack ack;

	(void)state;
	fixture_make(&f, &store_sqlite);
	assert_ok(f.s->ops->begin(f.s));
	add_log(f.s, 1);
	add_log(f.s, 2);
	assert_ok(f.s->ops->commit(f.s));
	store_close(f.s);
	for (unsigned round = 0; round < ROUNDS; round++) {
		ack = run_and_kill(f.path, round, (unsigned)(mix(round) % 40));
		assert_ok(store_open(&f.s, &store_sqlite, f.path, 0));
		check(f.s, &ack);
		/* Small enough to stay quick. */
		if (ack.size > 4000) {
			uint8_t root[HASH_LEN];
			fill(root, HASH_LEN, (uint64_t)HISTORY << 32 ^ 1000);
			assert_ok(f.s->ops->begin(f.s));
			assert_ok(f.s->ops->truncate(f.s, 1, 1000, root, bytes_str("")));
			assert_ok(f.s->ops->commit(f.s));
		}
		store_close(f.s);
	}
	f.s = NULL;
	fixture_drop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
