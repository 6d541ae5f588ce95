/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl bundle import: the file is read through once and every frame of it checked, then given
 * to the daemon as by a peer (SPEC.md 9.7). The daemon asks for what it lacks, so that nothing has
 * to be remembered here: an import that was cut off is run again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "client/archive/frontier_text.h"
#include "client/bundle_import.h"

#define READ_LEN (256 * 1024)
#define IDLE_MS 150    /* without a frame: look whether it is over */
#define TURN_MS 1000   /* look at least so often */
#define STALL_MS 30000 /* nothing has moved for so long */

static int credential_check(
    void *ctx, struct bytes name, struct bytes message, struct verifier *key, struct binding *b)
{
	const struct importing *x = ctx;
	struct credential c;
	int err = credential_open(&c, x->charter->forum, name, message);

	if (!err) {
		*key = c.log;
		*b = c.binding;
	}
	credential_clear(&c);
	return err;
}

/* ---- reading the file ---- */

/* The daemon's logs are known, whatever has become of their credentials in the file. */
static int logs_know(struct importing *x, struct trouble *t)
{
	struct client *client = NULL;
	struct frames logs = {NULL, 0};
	int err = ctl_client(&x->ctl, &client, t);

	if (!err)
		err = client_logs(client, &logs, t);
	for (size_t i = 0; !err && i < logs.count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)logs.list[i];

		for (size_t k = 0; !err && k < m->n_logs; k++) {
			err = m->logs[k]->size == 0
				  ? OK
				  : bundle_index_know(&x->index, bytes_of_pb(m->logs[k]->name),
					bytes_of_pb(m->logs[k]->credential));
			if (err)
				trouble_set(t, err, "the daemon's list of logs can't be read");
		}
	}
	frames_free(&logs);
	client_close(client);
	return err;
}

static int piece_failed(const struct importing *x, int err, struct trouble *t)
{
	switch (err) {
	case ERR_MALFORMED:
		trouble_set(t, ERR_TEXT, "%.300s is not a bundle", x->path);
		trouble_hint(t, "A bundle begins with the line `convene bundle v1`.");
		break;
	case ERR_OTHER_FORUM:
		trouble_set(t, err,
		    "%.300s is a bundle of another forum than this node's; nothing of it was taken",
		    x->path);
		break;
	case ERR_NOMEM:
		return no_memory(t);
	default:
		trouble_set(t, err, "%.300s can't be read: %s", x->path, error_text(err));
	}
	return t->err;
}

static int scan(struct importing *x, struct trouble *t)
{
	struct bundle_reader *r = bundle_reader_new();
	uint8_t *room = malloc(READ_LEN);
	struct bundle_piece p = {.kind = BUNDLE_FRAME};
	uint64_t told = 0;
	int err = r && room ? OK : ERR_NOMEM;

	while (!err && p.kind != BUNDLE_END) {
		err = bundle_reader_next(r, &p);
		if (err == ERR_TRUNCATED) {
			size_t n = fread(room, 1, READ_LEN, x->file);

			if (n == 0 && ferror(x->file)) {
				err = trouble_errno(t, "%.300s can't be read", x->path);
				goto out;
			}
			p.kind = BUNDLE_FRAME;
			err = bundle_reader_feed(r, bytes_of(room, n));
			continue;
		}
		if (!err)
			err = bundle_index_take(&x->index, &p);
		if (x->tell && !err && p.offset - told > (uint64_t)(4 << 20)) {
			told = p.offset;
			fprintf(stderr, "\rReading: %" PRIu64 "%%", told * 100 / x->file_size);
			fflush(stderr);
		}
	}
	if (x->tell && told > 0)
		fprintf(stderr, "\r\033[K");
	if (err)
		piece_failed(x, err, t);
out:
	free(room);
	bundle_reader_free(r);
	return err ? t->err : OK;
}

static int file_open(struct importing *x, struct trouble *t)
{
	struct stat st;

	x->file = fopen(x->path, "rbe");
	if (!x->file)
		return trouble_errno(t, "%.300s can't be read", x->path);
	if (fstat(fileno(x->file), &st) != 0 || !S_ISREG(st.st_mode)) {
		trouble_set(t, ERR_INVALID, "%.300s is no file", x->path);
		trouble_hint(t, "A bundle is read more than once; copy it into a file first.");
		return t->err;
	}
	x->file_size = (uint64_t)st.st_size + 1;
	return OK;
}

/* ---- giving it to the daemon ---- */

/* Something that changes as long as anything moves. */
static uint64_t movement(const struct importing *x)
{
	const json_t *logs = json_object_get(x->status, "logs");
	struct bundle_offer_counts n = {0, 0, false, false};
	uint64_t sum = 0;

	if (x->link && x->index.log_count > 0)
		bundle_offer_counts(bundle_link_offer(x->link), 0, &n);
	for (size_t i = 0; i < json_array_size(logs); i++) {
		const json_t *log = json_array_get(logs, i);

		sum += 3 * number_at(log, "size") + number_at(log, "folded") -
		       number_at(log, "contents_missing");
	}
	return sum + n.bytes;
}

static void progress(const struct importing *x)
{
	uint64_t done = 0, all = 0;

	for (size_t i = 0; i < x->index.log_count; i++) {
		const struct bundle_log *l = &x->index.logs[i];

		all += bundle_entries(l, 0, UINT64_MAX);
		done += bundle_entries(l, 0, x->outcomes[i].size);
	}
	if (x->tell) {
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " entries", done, all);
		fflush(stderr);
	}
}

static int give(struct importing *x, struct trouble *t)
{
	uint64_t moved = 0, deadline = clock_mono_ms() + STALL_MS;
	bool settled = false;
	int err = OK;

	while (!err && !settled) {
		err = bundle_link_turn(x->link, IDLE_MS, TURN_MS, t);
		if (!err)
			err = bundle_status(x, t);
		if (err)
			break;
		settled = true;
		for (size_t i = 0; !err && i < x->index.log_count; i++) {
			err = bundle_look(x, i, t);
			settled &= x->outcomes[i].settled;
		}
		if (movement(x) != moved) {
			moved = movement(x);
			deadline = clock_mono_ms() + STALL_MS;
		} else if (!settled && clock_mono_ms() > deadline) {
			break; /* what is missing is told */
		}
		progress(x);
	}
	if (x->tell)
		fprintf(stderr, "\r\033[K");
	return err;
}

/* What the node holds now, for the next `bundle export --since`. */
static int frontier_held(const struct importing *x, struct trouble *t)
{
	bool wanted = option_given(x->in, "frontier");
	const json_t *logs = json_object_get(x->status, "logs");
	struct frontier f = {NULL, 0};
	int err = OK;

	for (size_t i = 0; wanted && !err && i < json_array_size(logs); i++) {
		const json_t *log = json_array_get(logs, i);
		struct bytes hex = text_at(log, "root");
		uint8_t root[HASH_LEN];

		if (number_at(log, "size") == 0)
			continue;
		err = hex_decode(root, HASH_LEN, (const char *)hex.data, hex.len);
		if (!err)
			err = frontier_add(&f, text_at(log, "name"), number_at(log, "size"), root);
		if (err)
			trouble_set(t, err, "the daemon's report can't be read");
	}
	frontier_sort(&f);
	if (!err)
		err = frontier_store(&f, x->in, t);
	frontier_free(&f);
	return err;
}

/* ---- all of it ---- */

static int begin(struct importing *x, struct trouble *t)
{
	struct bundle_offer *offer;
	int err;

	x->outcomes = calloc(x->index.log_count + 1, sizeof *x->outcomes);
	if (!x->outcomes)
		return no_memory(t);
	err = bundle_link_open(&x->link, x->ctl.conf->node.control, &x->index, x->file, t);
	if (err)
		return err;
	offer = bundle_link_offer(x->link);
	for (size_t i = 0; i < x->index.log_count; i++) {
		const json_t *log = bundle_log_status(x, x->index.logs[i].binding.log_name);

		x->outcomes[i].held = x->outcomes[i].size = number_at(log, "size");
		bundle_offer_held(offer, i, x->outcomes[i].held);
	}
	return OK;
}

static int import_run(struct importing *x, struct trouble *t)
{
	char forum[65];
	int err = ctl_charter(&x->ctl, &x->charter, t);

	if (!err)
		err = file_open(x, t);
	if (!err)
		err = bundle_status(x, t);
	if (!err && !bytes_equal(text_at(x->status, "forum"),
			bytes_str(forum_text(forum, x->charter->forum))))
		err = trouble_set(t, ERR_OTHER_FORUM,
		    "the daemon runs with another charter than the configuration names");
	if (!err) {
		bundle_index_init(
		    &x->index, &(struct bundle_index_io){x, credential_check}, x->charter->forum);
		err = logs_know(x, t);
	}
	if (!err)
		err = scan(x, t);
	if (!err)
		err = begin(x, t);
	if (!err)
		err = give(x, t);
	return err ? err : frontier_held(x, t);
}

int ctl_bundle_import(const struct invocation *in)
{
	struct importing x = {.in = in, .path = in->operands[0]};
	struct trouble t;
	int code = ctl_open(&x.ctl, in);

	if (code)
		return code;
	x.tell = !in->json && isatty(STDERR_FILENO) == 1;
	code = import_run(&x, &t) ? ctl_fail(in, &t) : bundle_say(&x);
	bundle_link_close(x.link);
	bundle_index_free(&x.index);
	free(x.outcomes);
	json_decref(x.status);
	if (x.file)
		fclose(x.file);
	charter_free(x.charter);
	return ctl_close(&x.ctl, code);
}
