/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl export: everything shown at a frontier, the same bytes on every node that holds it.
 *
 * All contents are fetched before the first byte is written: either the whole export is there in
 * the end, or nothing and a reason. */
#include <inttypes.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/archive/extract.h"
#include "client/ctl.h"
#include "client/new_file.h"
#include "client/session.h"

#define OUT_MAX (256 * 1024)

struct exporting {
	struct ctl ctl;
	const struct invocation *in;
	bool mbox;
	struct charter *charter;
	struct client *client;
	struct frontier frontier;
	bool has_topic;
	uint8_t topic[ID_LEN];
	uint64_t waiting; /* for a place in the node's log, when the frontier was taken */
	struct extract *extract;
	FILE *to; /* standard output, or that of `file` */
	struct new_file file;
};

/* ---- the frontier ---- */

static int frontier_now(struct frontier *f, const struct frames *logs, struct trouble *t)
{
	for (size_t i = 0; i < logs->count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)logs->list[i];

		for (size_t j = 0; j < m->n_logs; j++) {
			const Convene__LogInfo *l = m->logs[j];
			int err = l->root.len == HASH_LEN ? OK : ERR_MALFORMED;

			if (l->size == 0)
				continue;
			if (!err)
				err = frontier_add(f, bytes_of_pb(l->name), l->size, l->root.data);
			if (err)
				return trouble_set(
				    t, err, "the daemon's list of logs can't be read");
		}
	}
	frontier_sort(f);
	return OK;
}

/* The first log of the frontier that the node holds and whose views are behind, or NULL. */
static const Convene__LogInfo *lagging(const struct frontier *f, const struct frames *logs)
{
	for (size_t i = 0; i < logs->count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)logs->list[i];

		for (size_t j = 0; j < m->n_logs; j++) {
			const Convene__LogInfo *l = m->logs[j];
			char name[VERIFIER_NAME_MAX + 1] = "";
			const struct frontier_log *at;

			if (l->name.len <= VERIFIER_NAME_MAX)
				memcpy(name, l->name.data, l->name.len);
			at = frontier_find(f, name);
			if (at && views_behind(l, at->size))
				return l;
		}
	}
	return NULL;
}

/* What a node has taken and not sealed stands in no frontier. Whoever has just posted would miss it
 * without a word. */
static int waiting_ask(struct exporting *x, struct trouble *t)
{
	static const char *const argv[] = {"status"};
	json_t *status;
	int err = daemon_call(&x->ctl, 1, argv, bytes_of(NULL, 0), &status, t);

	if (err)
		return err;
	x->waiting = number_at(status, "inbox");
	json_decref(status);
	return OK;
}

static int frontier_find_out(struct exporting *x, struct trouble *t)
{
	const char *at = option_value(x->in, "at");
	uint64_t begun = clock_mono_ms();
	int err = at ? frontier_load(&x->frontier, at, "export mbox", t) : waiting_ask(x, t);
	bool known = at != NULL, again = true;

	while (!err && again) {
		struct frames logs = {NULL, 0};
		const Convene__LogInfo *l;

		err = client_logs(x->client, &logs, t);
		if (!err && !known)
			err = frontier_now(&x->frontier, &logs, t);
		known = true;
		l = err ? NULL : lagging(&x->frontier, &logs);
		again = l != NULL;
		if (l)
			err = views_wait(l, begun, t);
		frames_free(&logs);
	}
	return err;
}

/* ---- the output ---- */

static bool to_stdout(const struct invocation *in)
{
	const char *path = option_value(in, "output");

	return !path || strcmp(path, "-") == 0;
}

static int output_open(struct exporting *x, struct trouble *t)
{
	const char *path = option_value(x->in, "output");
	int err;

	if (to_stdout(x->in)) {
		x->to = stdout;
		return OK;
	}
	err = new_file_open(&x->file, path, t);
	if (err && !new_file_may(path))
		trouble_hint(t, "Without --output it goes to standard output.");
	x->to = x->file.to;
	return err;
}

/* Say it here: at the end of the program its reason isn't known any more. */
static int stdout_lost(struct trouble *t)
{
	int err = trouble_errno(t, "the export can't be written to standard output");

	__fpurge(stdout);
	clearerr(stdout);
	return err;
}

static int output_close(struct exporting *x, struct trouble *t)
{
	if (x->to != stdout)
		return new_file_close(&x->file, t);
	return fflush(stdout) == 0 ? OK : stdout_lost(t);
}

/* ---- exporting ---- */

static int topic_find(struct exporting *x, struct trouble *t)
{
	const char *text = option_value(x->in, "topic");
	struct frames topics = {NULL, 0};
	const Convene__Topic *topic;
	int err;

	if (!text)
		return OK;
	err = client_topics(x->client, &topics, t);
	if (!err)
		err = find_topic(&topics, text, &topic, t);
	if (!err) {
		memcpy(x->topic, topic->id.data, ID_LEN);
		x->has_topic = true;
	}
	frames_free(&topics);
	return err;
}

static void progress(void *ctx, uint64_t done, uint64_t all)
{
	(void)ctx;
	fprintf(stderr, "\rreading: %" PRIu64 " of %" PRIu64 " posts%s", done, all,
	    done == all ? "\r\033[K" : "");
	fflush(stderr);
}

static int gather(struct exporting *x, struct trouble *t)
{
	const char *output = option_value(x->in, "output"), *tmp = getenv("TMPDIR");
	bool tell = !x->in->json && isatty(STDERR_FILENO) == 1;
	char folder[PATH_LEN];
	struct extract_counts n;
	int err = !to_stdout(x->in)
		      ? path_folder(folder, output, t)
		      : (snprintf(folder, sizeof folder, "%s", tmp && *tmp ? tmp : "/tmp"), OK);

	if (!err)
		err = extract_open(&x->extract, x->client, x->charter, &x->frontier, folder, t);
	if (!err && x->has_topic)
		err = extract_topic(x->extract, x->topic, t);
	if (!err)
		err = extract_contents(x->extract, tell ? progress : NULL, NULL, t);
	if (err == ERR_IO && !t->hint[0] && output)
		trouble_hint(t,
		    "All that is exported is kept in %.200s meanwhile, without a name: beside "
		    "the file itself it needs as much room again there.",
		    folder);
	else if (err == ERR_IO && !t->hint[0])
		trouble_hint(t,
		    "All that is exported is kept in %.200s meanwhile, without a name; the "
		    "environment's TMPDIR may name another folder.",
		    folder);
	if (err)
		return err;
	extract_counts(x->extract, &n);
	if (n.missing > 0 && !option_given(x->in, "partial")) {
		trouble_set(t, ERR_NOTFOUND,
		    "%" PRIu64 " content%s not at this node yet, and nothing was exported",
		    n.missing, n.missing == 1 ? " is" : "s are");
		trouble_hint(t, "Try again when they have come (`convenectl status` counts them), "
				"or export with --partial.");
		return t->err;
	}
	return OK;
}

static int flush(struct exporting *x, struct buffer *out, struct trouble *t)
{
	size_t n = fwrite(out->data, 1, out->len, x->to);
	int err = n == out->len     ? OK
		  : x->to == stdout ? stdout_lost(t)
				    : trouble_errno(t, "%.300s can't be written", x->file.path);

	buffer_reset(out);
	return err;
}

enum extract_part { EXTRACT_ALL, EXTRACT_TOPICS, EXTRACT_POSTS };

static int posts_write(
    struct exporting *x, enum extract_part part, struct buffer *out, struct trouble *t)
{
	int err = OK;

	for (size_t i = 0; !err && i < extract_size(x->extract); i++) {
		const struct mail_post *p;

		if (part != EXTRACT_ALL &&
		    extract_is_topic(x->extract, i) != (part == EXTRACT_TOPICS))
			continue;
		err = extract_post(x->extract, i, &p, t);
		if (err || !p)
			continue;
		if (x->mbox)
			export_mail(out, p);
		if (out->failed || (!x->mbox && export_line(out, p) != OK))
			err = no_memory(t);
		else if (out->len > OUT_MAX)
			err = flush(x, out, t);
	}
	return err;
}

static int write_out(struct exporting *x, struct trouble *t)
{
	struct buffer out = BUFFER_INIT;
	int err = x->mbox ? OK
			  : export_first_line(
				&out, x->charter, &x->frontier, x->has_topic ? x->topic : NULL);

	if (err)
		no_memory(t);
	if (!err && x->mbox) {
		err = posts_write(x, EXTRACT_ALL, &out, t);
	} else if (!err) {
		/* In JSON, topics come before what stands in them. */
		err = posts_write(x, EXTRACT_TOPICS, &out, t);
		if (!err)
			err = posts_write(x, EXTRACT_POSTS, &out, t);
	}
	if (!err && out.len > 0)
		err = flush(x, &out, t);
	buffer_free(&out);
	return err;
}

/* ---- what came of it ---- */

static void say(const struct exporting *x, const struct extract_counts *n, const char *hash)
{
	if (x->in->json) {
		json_t *o = json_object();

		json_put(o, "posts", json_integer((json_int_t)n->posts));
		json_put(o, "topics", json_integer((json_int_t)n->topics));
		json_put(o, "frontier", json_string(hash));
		json_put(o, "missing", json_integer((json_int_t)n->missing));
		json_put(o, "bad", json_integer((json_int_t)n->bad));
		json_put(o, "unreadable", json_integer((json_int_t)n->unreadable));
		json_put(o, "erased_since", json_integer((json_int_t)n->erased_since));
		json_put(o, "invalid", json_integer((json_int_t)n->invalid));
		json_put(o, "waiting", json_integer((json_int_t)x->waiting));
		json_print(o);
		return;
	}
	fprintf(stderr, "%" PRIu64 " post%s and %" PRIu64 " topic%s, at the frontier %.16s.\n",
	    n->posts, n->posts == 1 ? "" : "s", n->topics, n->topics == 1 ? "" : "s", hash);
	count_say(stderr, x->waiting,
	    "message that this node has taken was not in its log yet, and is left out",
	    "messages that this node has taken were not in its log yet, and are left out");
	count_say(stderr, n->erased_since, "was erased since, and is exported as erased",
	    "were erased since, and are exported as erased");
	count_say(stderr, n->missing, "content is not at this node yet, and missing in the export",
	    "contents are not at this node yet, and missing in the export");
	count_say(stderr, n->unreadable,
	    "has a content that can't be shown, and is exported without it",
	    "have contents that can't be shown, and are exported without them");
	count_say(stderr, n->invalid, "entry of the logs is not valid, and shown by nobody",
	    "entries of the logs are not valid, and shown by nobody");
	count_say(stderr, n->bad,
	    "is LEFT OUT: what the daemon holds as its text is not what was signed",
	    "are LEFT OUT: what the daemon holds as their texts is not what was signed");
}

static int export_run(struct exporting *x, struct trouble *t)
{
	int err = ctl_charter(&x->ctl, &x->charter, t);

	if (!err)
		err = ctl_client(&x->ctl, &x->client, t);
	if (!err)
		err = frontier_find_out(x, t);
	if (!err)
		err = topic_find(x, t);
	if (!err)
		err = gather(x, t);
	if (!err)
		err = output_open(x, t);
	if (!err)
		err = write_out(x, t);
	if (!err)
		err = output_close(x, t);
	return err ? err : frontier_store(&x->frontier, x->in, t);
}

static int export_as(const struct invocation *in, bool mbox)
{
	struct exporting x = {.in = in, .mbox = mbox};
	struct extract_counts n = {0};
	char hex[2 * HASH_LEN + 1];
	struct trouble t;
	int code, err;

	if (to_stdout(in) && in->json)
		return complain_usage(in->program->name, in->command->name,
		    "--json tells what came of it on standard output, and so wants --output FILE");
	if (to_stdout(in) && output_terminal())
		return complain_usage(in->program->name, in->command->name,
		    "an export is not for a terminal: give --output FILE, or a pipe");
	code = ctl_open(&x.ctl, in);
	if (code)
		return code;
	err = export_run(&x, &t);
	if (!err)
		err = frontier_hex(&x.frontier, hex, &t);
	if (err) {
		code = ctl_fail(in, &t);
	} else {
		extract_counts(x.extract, &n);
		say(&x, &n, hex);
		code = n.bad > 0 ? EXIT_UNVERIFIED : EXIT_DONE;
	}
	new_file_drop(&x.file);
	extract_free(x.extract);
	frontier_free(&x.frontier);
	client_close(x.client);
	charter_free(x.charter);
	return ctl_close(&x.ctl, code);
}

int ctl_export_mbox(const struct invocation *in)
{
	return export_as(in, true);
}

int ctl_export_ndjson(const struct invocation *in)
{
	return export_as(in, false);
}
