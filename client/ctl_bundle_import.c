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
#include "client/bundle_file.h"
#include "client/ctl.h"

#define CLIENT_TIMEOUT_MS 60000
#define READ_LEN (256 * 1024)
#define IDLE_MS 150    /* without a frame: look whether it is over */
#define TURN_MS 1000   /* look at least so often */
#define STALL_MS 30000 /* nothing has moved for so long */
#define SHOW_AGAIN 3   /* times, of a log that a member may have */

struct outcome {
	uint64_t held, size; /* at the node, before and after */
	uint64_t waiting;    /* contents that the node still wants of us */
	unsigned shown_again;
	bool known, settled;
	const char *why; /* it takes no more of this log; NULL: it does */
};

struct importing {
	struct ctl ctl;
	const struct invocation *in;
	const char *path;
	struct charter *charter;
	FILE *file;
	uint64_t file_size;
	struct bundle_index index;
	struct outcome *outcomes; /* by log of the index */
	struct bundle_link *link;
	json_t *status;
	bool tell;
};

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
	int err = client_open_local(&client, x->ctl.conf->node.control, CLIENT_TIMEOUT_MS, t);

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

/* ---- how far the node is ---- */

static int status_get(struct importing *x, struct trouble *t)
{
	static const char *const argv[] = {"status"};

	json_decref(x->status);
	x->status = NULL;
	return daemon_call(&x->ctl, 1, argv, bytes_of(NULL, 0), &x->status, t);
}

static const json_t *log_status(const struct importing *x, const char *name)
{
	const json_t *logs = json_object_get(x->status, "logs");

	for (size_t i = 0; i < json_array_size(logs); i++) {
		const json_t *log = json_array_get(logs, i);

		if (bytes_equal(text_at(log, "name"), bytes_str(name)))
			return log;
	}
	return NULL;
}

static bool all_folded(const struct importing *x)
{
	const json_t *logs = json_object_get(x->status, "logs");
	bool folded = true;

	for (size_t i = 0; i < json_array_size(logs); i++) {
		const json_t *log = json_array_get(logs, i);

		folded &= number_at(log, "folded") >= number_at(log, "size") ||
			  bytes_equal(text_at(log, "state"), bytes_str("disputed"));
	}
	return folded;
}

static bool is_member(const struct importing *x, const struct bundle_log *l)
{
	const json_t *members = json_object_get(x->status, "members");
	struct credential c;
	struct verifier root;
	char id[2 * sizeof root.id + 1];
	bool found = false;

	if (credential_open(&c, x->charter->forum, bytes_str(l->binding.log_name),
		buffer_bytes(&l->credential)) == OK &&
	    verifier_make(&root, bytes_str(c.organisation), VERIFIER_ED25519, c.root_key) == OK) {
		hex_encode(id, root.id, sizeof root.id);
		for (size_t i = 0; i < json_array_size(members); i++) {
			const json_t *m = json_array_get(members, i);

			found |= bytes_equal(text_at(m, "name"), bytes_str(c.organisation)) &&
				 bytes_equal(text_at(m, "key_id"), bytes_str(id));
		}
	}
	credential_clear(&c);
	return found;
}

/* A log that the node doesn't have (yet). */
static int absent_look(struct importing *x, size_t i, struct trouble *t)
{
	struct outcome *o = &x->outcomes[i];
	uint64_t reach;
	int err;

	o->why = NULL;
	o->settled = false;
	if (!bundle_reach(&x->index.logs[i], 0, &reach, NULL)) {
		o->settled = true;
		o->why = "the bundle lacks its beginning, and the node holds nothing of it";
		return OK;
	}
	if (!is_member(x, &x->index.logs[i])) {
		/* An admission may still be on its way into the views. */
		o->settled = all_folded(x);
		o->why = "its organisation is not a member of the forum";
		return OK;
	}
	if (o->shown_again == SHOW_AGAIN) {
		o->settled = true;
		o->why = "the node does not take it up: its organisation is not among those that "
			 "the configuration carries, or it follows a log that is not here";
		return OK;
	}
	o->shown_again++;
	err = bundle_offer_show(bundle_link_offer(x->link));
	return err ? trouble_set(t, err, "the bundle can't be shown to the daemon") : OK;
}

/* How many contents of a log the bundle has and the node lacks. */
static int waiting_count(struct importing *x, size_t log, uint64_t *out, struct trouble *t)
{
	const struct bundle_log *l = &x->index.logs[log];
	char digest[2 * DIGEST_LEN + 1], from[24];
	const char *argv[] = {"missing", digest, from};
	uint64_t at = 0;
	bool more = true;
	int err = OK;

	hex_encode(digest, l->binding.digest, DIGEST_LEN);
	*out = 0;
	while (!err && more) {
		json_t *answer = NULL, *list;

		snprintf(from, sizeof from, "%" PRIu64, at);
		err = daemon_call(&x->ctl, 3, argv, bytes_of(NULL, 0), &answer, t);
		list = json_object_get(answer, "missing");
		more = !err && json_is_true(json_object_get(answer, "more"));
		for (size_t i = 0; i < json_array_size(list); i++) {
			json_int_t n = json_integer_value(json_array_get(list, i));
			const struct bundle_range *r;

			at = (uint64_t)n + 1;
			r = n < 0 ? NULL : bundle_range_of(l, (uint64_t)n);
			*out += r && r->contents && r->contents[(uint64_t)n - r->first] != 0;
		}
		more &= json_array_size(list) > 0;
		json_decref(answer);
	}
	return err;
}

static int log_look(struct importing *x, size_t i, struct trouble *t)
{
	const struct bundle_log *l = &x->index.logs[i];
	const json_t *log = log_status(x, l->binding.log_name);
	struct outcome *o = &x->outcomes[i];
	struct bytes state = text_at(log, "state");
	uint64_t reach;
	int err = OK;

	if (l->range_count == 0) {
		o->settled = true;
		return OK;
	}
	if (!log)
		return absent_look(x, i, t);
	o->known = true;
	o->size = number_at(log, "size");
	o->waiting = 0;
	o->settled = true;
	o->why = NULL;
	if (json_is_true(json_object_get(log, "own"))) {
		if (bundle_entries(l, o->size, UINT64_MAX) > 0)
			o->why = "it is this node's own log, and the bundle has more of it than "
				 "the node: see `convenectl status`";
		return OK;
	}
	if (json_is_false(json_object_get(log, "carried")))
		o->why = "the configuration does not carry its organisation";
	else if (bytes_equal(state, bytes_str("broken")))
		o->why = "the log has ended";
	else if (!bytes_equal(state, bytes_str("live")))
		o->why = "the bundle shows another history of it than the node holds";
	if (o->why)
		return OK;
	o->settled = !bundle_reach(l, o->size, &reach, NULL) || reach <= o->size;
	if (o->settled && l->contents > 0 && number_at(log, "contents_missing") > 0)
		err = waiting_count(x, i, &o->waiting, t);
	o->settled &= o->waiting == 0;
	return err;
}

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
			err = status_get(x, t);
		if (err)
			break;
		settled = true;
		for (size_t i = 0; !err && i < x->index.log_count; i++) {
			err = log_look(x, i, t);
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

/* ---- what came of it ---- */

struct tally {
	uint64_t entries_new, entries_there, entries_rest;
	uint64_t contents_new, contents_there, contents_rest;
};

static void tally(const struct importing *x, size_t i, struct tally *n)
{
	const struct bundle_log *l = &x->index.logs[i];
	const struct outcome *o = &x->outcomes[i];
	struct bundle_offer_counts sent = {0, 0, false, false};

	*n = (struct tally){0, 0, 0, 0, 0, 0};
	bundle_offer_counts(bundle_link_offer(x->link), i, &sent);
	n->entries_there = bundle_entries(l, 0, o->held);
	n->entries_new = o->size > o->held ? bundle_entries(l, o->held, o->size) : 0;
	n->entries_rest = bundle_entries(l, o->size, UINT64_MAX);
	for (size_t k = 0; k < l->range_count; k++) {
		const struct bundle_range *r = &l->ranges[k];

		for (uint32_t e = 0; r->contents && e < r->count; e++)
			n->contents_rest += r->contents[e] != 0 && r->first + e >= o->size;
	}
	n->contents_rest += o->waiting;
	n->contents_new = sent.contents > o->waiting ? sent.contents - o->waiting : 0;
	if (n->contents_new > l->contents - n->contents_rest)
		n->contents_new = l->contents - n->contents_rest;
	n->contents_there = l->contents - n->contents_rest - n->contents_new;
}

static const char *plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

static void flaw_where(const struct importing *x, const struct bundle_flaw *f, struct buffer *out)
{
	if (f->length > 0)
		buffer_printf(
		    out, "bytes %" PRIu64 " to %" PRIu64, f->offset, f->offset + f->length - 1);
	else
		buffer_printf(out, "byte %" PRIu64, f->offset);
	(void)x;
}

static void flaw_say(const struct importing *x, const struct bundle_flaw *f)
{
	const char *name = f->lost == BUNDLE_LOST_UNKNOWN ? ""
							  : x->index.logs[f->log].binding.log_name;
	struct buffer where = BUFFER_INIT;

	flaw_where(x, f, &where);
	if (f->err == ERR_TRUNCATED && f->length == 0)
		printf("The file ends too early, at %s", buffer_str(&where));
	else if (f->err == ERR_TRUNCATED && f->lost != BUNDLE_LOST_CONTENTS)
		printf(
		    "The file is cut off: %s are the beginning of something", buffer_str(&where));
	else
		printf("Damaged, %s (%s)", buffer_str(&where),
		    f->err == ERR_MALFORMED ? "this is no frame" : error_text(f->err));
	buffer_free(&where);
	if (f->lost == BUNDLE_LOST_ENTRIES && f->end == f->first + 1)
		printf(": entry %" PRIu64 " of %s is not in the bundle.\n", f->first, name);
	else if (f->lost == BUNDLE_LOST_ENTRIES)
		printf(": entries %" PRIu64 " to %" PRIu64 " of %s are not in the bundle.\n",
		    f->first, f->end - 1, name);
	else if (f->lost == BUNDLE_LOST_CONTENTS && f->end == f->first + 1)
		printf(": the content of entry %" PRIu64 " of %s.\n", f->first, name);
	else if (f->lost == BUNDLE_LOST_CONTENTS)
		printf(": among the contents of entries %" PRIu64 " to %" PRIu64 " of %s.\n",
		    f->first, f->end - 1, name);
	else
		printf(".\n");
}

static void log_say(const struct importing *x, size_t i)
{
	const struct bundle_log *l = &x->index.logs[i];
	const struct outcome *o = &x->outcomes[i];
	struct tally n;

	tally(x, i, &n);
	printf("%s: ", l->binding.log_name);
	if (o->why && n.entries_new == 0 && !o->known) {
		printf("REFUSED, with its %" PRIu64 " %s: %s.\n", n.entries_rest,
		    plural(n.entries_rest, "entry", "entries"), o->why);
		return;
	}
	printf("%" PRIu64 " %s new, %" PRIu64 " %s there", n.entries_new,
	    plural(n.entries_new, "entry is", "entries are"), n.entries_there,
	    plural(n.entries_there, "was", "were"));
	if (l->contents > 0)
		printf("; %" PRIu64 " %s new, %" PRIu64 " %s there or erased", n.contents_new,
		    plural(n.contents_new, "content is", "contents are"), n.contents_there,
		    plural(n.contents_there, "was", "were"));
	printf(".\n");
	if (o->why && n.entries_rest > 0)
		printf("  NOT TAKEN: %" PRIu64 " more %s: %s.\n", n.entries_rest,
		    plural(n.entries_rest, "entry", "entries"), o->why);
	else if (n.entries_rest > 0 && !bundle_range_of(l, o->size))
		printf("  NOT TAKEN: %" PRIu64 " more %s, since entry %" PRIu64
		       " is not in the bundle, and the node lacks it.\n",
		    n.entries_rest, plural(n.entries_rest, "entry", "entries"), o->size);
	else if (n.entries_rest > 0)
		printf("  NOT TAKEN: %" PRIu64 " more %s: the node did not go on. Its log says "
		       "why.\n",
		    n.entries_rest, plural(n.entries_rest, "entry", "entries"));
	if (o->waiting > 0)
		printf("  NOT TAKEN: %" PRIu64 " %s: the node did not go on. Its log says why.\n",
		    o->waiting, plural(o->waiting, "content", "contents"));
}

static bool log_good(const struct importing *x, size_t i)
{
	struct tally n;

	tally(x, i, &n);
	return n.entries_rest == 0 && n.contents_rest == 0;
}

static json_t *log_json(const struct importing *x, size_t i)
{
	const struct bundle_log *l = &x->index.logs[i];
	const struct outcome *o = &x->outcomes[i];
	json_t *log = json_object();
	struct tally n;

	tally(x, i, &n);
	json_put(log, "name", json_string(l->binding.log_name));
	json_put(log, "entries",
	    json_pack("{s:I, s:I, s:I}", "new", (json_int_t)n.entries_new, "there",
		(json_int_t)n.entries_there, "not_taken", (json_int_t)n.entries_rest));
	json_put(log, "contents",
	    json_pack("{s:I, s:I, s:I}", "new", (json_int_t)n.contents_new, "there",
		(json_int_t)n.contents_there, "not_taken", (json_int_t)n.contents_rest));
	json_put(log, "size", json_integer((json_int_t)o->size));
	json_put(log, "refused", o->why && n.entries_rest > 0 ? json_string(o->why) : json_null());
	return log;
}

static json_t *flaw_json(const struct importing *x, const struct bundle_flaw *f)
{
	static const char *const lost[] = {"unknown", "entries", "contents"};
	json_t *o = json_object();

	json_put(o, "offset", json_integer((json_int_t)f->offset));
	json_put(o, "length", json_integer((json_int_t)f->length));
	json_put(o, "error", json_string(error_name(f->err)));
	json_put(o, "lost", json_string(lost[f->lost]));
	if (f->lost == BUNDLE_LOST_UNKNOWN)
		return o;
	json_put(o, "log", json_string(x->index.logs[f->log].binding.log_name));
	json_put(o, "first", json_integer((json_int_t)f->first));
	json_put(o, "end", json_integer((json_int_t)f->end));
	return o;
}

static int say(const struct importing *x)
{
	json_t *o = x->in->json ? json_object() : NULL, *logs = json_array(), *flaws = json_array();
	struct bytes frontier = text_at(x->status, "frontier");
	size_t unread = bundle_index_unread(&x->index);
	bool good = true;

	for (size_t i = 0; i < x->index.log_count; i++) {
		if (x->index.logs[i].range_count == 0)
			continue;
		good &= log_good(x, i);
		if (o)
			json_array_append_new(logs, log_json(x, i));
		else
			log_say(x, i);
	}
	for (size_t i = 0; i < x->index.flaw_count; i++) {
		if (o)
			json_array_append_new(flaws, flaw_json(x, &x->index.flaws[i]));
		else
			flaw_say(x, &x->index.flaws[i]);
	}
	if (o) {
		json_put(o, "logs", json_incref(logs));
		json_put(o, "damaged", json_incref(flaws));
		json_put(o, "damaged_more", json_integer((json_int_t)x->index.flaws_more));
		json_put(o, "unread_logs", json_integer((json_int_t)unread));
		json_put(o, "frontier", json_bytes(frontier));
		json_put(
		    o, "complete", json_boolean(good && unread == 0 && x->index.flaw_count == 0));
		json_print(o);
	} else {
		if (x->index.flaws_more > 0)
			printf("%" PRIu64 " more places are damaged.\n", x->index.flaws_more);
		if (unread > 0)
			printf("Of %zu %s that the bundle speaks of, nothing could be read.\n",
			    unread, plural(unread, "log", "logs"));
		printf("The node's frontier is %.16s.\n", (const char *)frontier.data);
		if (x->index.flaw_count > 0)
			printf("What is whole was taken. Import another copy of the bundle for "
			       "the rest.\n");
	}
	json_decref(logs);
	json_decref(flaws);
	return x->index.flaw_count > 0 || unread > 0 ? EXIT_UNVERIFIED
	       : good                                ? EXIT_DONE
						     : EXIT_REFUSED;
}

/* What the node holds now, for the next `bundle export --since`. */
static int frontier_store(const struct importing *x, struct trouble *t)
{
	const char *path = option_value(x->in, "frontier");
	const json_t *logs = json_object_get(x->status, "logs");
	struct frontier f = {NULL, 0};
	struct buffer text = BUFFER_INIT;
	int err = OK;

	for (size_t i = 0; path && !err && i < json_array_size(logs); i++) {
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
	if (path && !err) {
		frontier_sort(&f);
		frontier_format(&text, &f);
		err = text.failed ? no_memory(t) : file_replace(path, buffer_bytes(&text), t);
	}
	frontier_free(&f);
	buffer_free(&text);
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
		const json_t *log = log_status(x, x->index.logs[i].binding.log_name);

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
		err = status_get(x, t);
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
	return err ? err : frontier_store(x, t);
}

int ctl_bundle_import(const struct invocation *in)
{
	struct importing x = {.in = in, .path = in->operands[0]};
	struct trouble t;
	int code = ctl_open(&x.ctl, in);

	if (code)
		return code;
	x.tell = !in->json && isatty(STDERR_FILENO) == 1;
	code = import_run(&x, &t) ? ctl_fail(in, &t) : say(&x);
	bundle_link_close(x.link);
	bundle_index_free(&x.index);
	free(x.outcomes);
	json_decref(x.status);
	if (x.file)
		fclose(x.file);
	charter_free(x.charter);
	return ctl_close(&x.ctl, code);
}
