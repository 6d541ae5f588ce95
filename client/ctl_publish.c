/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl publish: logs as files, for a web server or an object store (SPEC.md 9.8). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "client/ctl_store.h"
#include "client/publish.h"

#define POLL_MS 500

struct publishing {
	struct ctl ctl;
	const struct invocation *in;
	struct charter *charter;
	const char *names[OPTIONS_GIVEN_MAX + 1];
	struct store *store;
	struct publication *to;
	struct publisher *publisher;
	struct publish_counts counts;
	uint64_t told; /* bytes */
	json_t *troubles;
};

/* ---- what is said ---- */

static void trouble_say(void *ctx, const char *log, const struct trouble *t)
{
	struct publishing *x = ctx;

	if (x->in->json) {
		json_t *o = json_object();

		json_put(o, "log", json_bytes(bytes_str(log)));
		json_put(o, "trouble", json_trouble(t));
		json_array_append_new(x->troubles, o);
	} else {
		complain(CTL_NAME, t);
	}
}

static void part(struct buffer *out, uint64_t n, const char *one, const char *many)
{
	if (n > 0)
		buffer_printf(
		    out, "%s%" PRIu64 " %s", out->len ? ", " : "", n, n == 1 ? one : many);
}

static void line_say(uint64_t n, const char *one, const char *many)
{
	if (n > 0)
		printf("%" PRIu64 " %s.\n", n, n == 1 ? one : many);
}

/* One that was cut back, having ended, has no head that is held whole. */
static void behind_say(const struct publish_counts *n)
{
	if (n->behind == 0)
		return;
	print_sentence(0,
	    "%" PRIu64 " log%s not held here up to the newest checkpoint, and stay%s as it was: "
	    "%s%s. It waits until that is here; one that has ended and was cut back stays so.",
	    n->behind, n->behind == 1 ? " is" : "s are", n->behind == 1 ? "s" : "", n->waits,
	    n->behind == 1 ? "" : " is the first");
}

static void json_say(struct publishing *x, uint64_t bytes)
{
	const struct publish_counts *n = &x->counts;
	json_t *o = json_object();

	json_put(o, "dir", json_bytes(bytes_str(publication_path(x->to))));
	json_put(o, "logs", json_integer((json_int_t)n->logs));
	json_put(o, "entries", json_integer((json_int_t)n->entries));
	json_put(o, "tiles", json_integer((json_int_t)n->tiles));
	json_put(o, "contents", json_integer((json_int_t)n->contents));
	json_put(o, "erased", json_integer((json_int_t)n->erased));
	json_put(o, "bytes", json_integer((json_int_t)bytes));
	json_put(o, "missing", json_integer((json_int_t)n->missing));
	json_put(o, "behind", json_integer((json_int_t)n->behind));
	json_put(o, "troubles", x->troubles);
	x->troubles = json_array();
	json_print_line(o);
}

static void say(struct publishing *x, bool first)
{
	uint64_t bytes = publication_written(x->to) - x->told;
	const struct publish_counts *n = &x->counts;
	struct buffer what = BUFFER_INIT;
	char size[16];

	x->told += bytes;
	if (!first && n->entries + n->contents + n->erased == 0 &&
	    json_array_size(x->troubles) == 0)
		return;
	if (x->in->json) {
		json_say(x, bytes);
		fflush(stdout);
		return;
	}
	part(&what, n->entries, "new entry", "new entries");
	part(&what, n->tiles, "tile", "tiles");
	part(&what, n->contents, "content", "contents");
	part(&what, n->erased, "erased content removed", "erased contents removed");
	printf("%" PRIu64 " log%s in %s: %s", n->logs, n->logs == 1 ? "" : "s",
	    publication_path(x->to), what.len ? buffer_str(&what) : "nothing is new");
	if (bytes > 0)
		printf("; %s written", size_text(size, bytes));
	printf(".\n");
	if (first) {
		line_say(n->missing, "content is not at this node yet",
		    "contents are not at this node yet");
		behind_say(n);
	}
	fflush(stdout);
	buffer_free(&what);
}

/* ---- the work ---- */

/* The charter as it is: who reads the logs judges by it who is a member. */
static int charter_put(struct publishing *x, struct trouble *t)
{
	struct buffer note = BUFFER_INIT, old = BUFFER_INIT;
	struct trouble ignored;
	int err = file_load(&note, x->ctl.conf->node.charter, NOTE_MAX, t);

	if (!err && (publication_get(x->to, "charter", NOTE_MAX, &old, &ignored) != OK ||
			!bytes_equal(buffer_bytes(&note), buffer_bytes(&old))))
		err = publication_put(x->to, "charter", buffer_bytes(&note), true, t);
	buffer_free(&note);
	buffer_free(&old);
	return err;
}

static int open_all(struct publishing *x, struct trouble *t)
{
	int pos = 0, err = ctl_charter(&x->ctl, &x->charter, t);

	for (size_t i = 0; (x->names[i] = option_next(x->in, "log", &pos)) != NULL;)
		i++;
	if (!err)
		err = node_store(&x->ctl, &x->store, t);
	if (!err)
		err = publication_open(&x->to, x->in->operands[0], x->charter->forum, t);
	if (!err)
		err = charter_put(x, t);
	if (err)
		return err;
	x->publisher = publisher_new(x->store, x->to, x->charter->forum, x->names, trouble_say, x);
	return x->publisher ? OK : no_memory(t);
}

/* A daemon that is just starting may hold the store for a moment. */
static int pass(struct publishing *x, bool follow, struct trouble *t)
{
	int err = publisher_run(x->publisher, &x->counts, t);

	return follow && err == ERR_BUSY ? OK : err;
}

static int follow(struct publishing *x, struct trouble *t)
{
	const struct timespec pause = {0, POLL_MS * 1000000L};
	bool changed;
	int err;

	for (;;) {
		nanosleep(&pause, NULL);
		err = publisher_changed(x->publisher, &changed, t);
		if (err == ERR_BUSY)
			continue;
		if (!err && changed) {
			err = pass(x, true, t);
			if (!err)
				say(x, false);
		}
		if (err)
			return err;
	}
}

int ctl_publish(const struct invocation *in)
{
	struct publishing *x = calloc(1, sizeof *x);
	struct trouble t;
	int code, err;

	if (!x)
		out_of_memory();
	x->in = in;
	code = ctl_open(&x->ctl, in);
	if (code) {
		free(x);
		return code;
	}
	x->troubles = json_array();
	err = open_all(x, &t);
	if (!err)
		err = pass(x, option_given(in, "follow"), &t);
	if (!err) {
		say(x, true);
		code = x->counts.troubles > 0 ? EXIT_UNVERIFIED : EXIT_DONE;
	}
	if (!err && option_given(in, "follow"))
		err = follow(x, &t);
	if (err)
		code = ctl_fail(in, &t);
	publisher_free(x->publisher);
	publication_close(x->to);
	if (x->store)
		store_close(x->store);
	charter_free(x->charter);
	json_decref(x->troubles);
	code = ctl_close(&x->ctl, code);
	free(x);
	return code;
}
