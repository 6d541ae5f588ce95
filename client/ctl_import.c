/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl import: an archive into a topic, signed by a participant of the node. What is done is
 * client/archive's; here stand the command line, the order of the steps, and what is told. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/archive/import.h"
#include "client/archive/learn.h"
#include "client/ctl.h"
#include "client/ctl_import_tell.h"
#include "client/session.h"

#define LOCK_TRIES 60 /* at 50 ms */
#define PATIENCE_S 60
#define PATIENCE_MAX_S 604800
#define LIMIT_DEFAULT 1048576 /* of a charter that says nothing else (SPEC.md 3.1) */
#define SEALED_MS 5000        /* to wait in the end for what was posted to be shown */

struct job {
	const struct invocation *in;
	struct ctl ctl;
	bool configured, dry;
	struct reading_terms terms;
	struct bytes lang;
	uint64_t patience_ms;
	FILE *report;
	struct import_teller teller;

	struct session session; /* home, lock; the client is the node's */
	struct import_node node;
	struct key key;
	struct outbox outbox;
	struct ref topic;
	struct journal *journal;
	struct submitter *submitter;

	struct source *source;
	struct reading *reading;
	struct import *import;
	uint64_t began, ended;
};

/* ---- the command line ---- */

static int date_parse(const char *text, int64_t *out, struct trouble *t)
{
	struct tm tm = {.tm_mday = 0};
	const char *end = strptime(text, "%Y-%m-%d", &tm);

	if (end && *end == ' ')
		end = strptime(end + 1, "%H:%M", &tm);
	if (end && *end == '\0') {
		*out = (int64_t)timegm(&tm) * 1000;
		return OK;
	}
	trouble_set(t, ERR_INVALID, "%.60s is no date", text);
	trouble_hint(t, "As 2014-03-31, or \"2014-03-31 18:30\", in UTC.");
	return t->err;
}

static int options_take(struct job *j, enum source_form form, struct trouble *t)
{
	const char *lang = option_value(j->in, "lang"), *patience = option_value(j->in, "patience"),
		   *date = form == SOURCE_TEXT ? option_value(j->in, "date") : NULL,
		   *report = option_value(j->in, "report");
	uint64_t seconds = PATIENCE_S;
	int err = OK;

	j->dry = option_given(j->in, "dry-run");
	j->terms = (struct reading_terms){.form = form,
	    .charset = option_value(j->in, "charset"),
	    .name = option_value(j->in, "source"),
	    .author = form == SOURCE_TEXT ? option_value(j->in, "author") : NULL,
	    .date = INT64_MIN,
	    .limit = LIMIT_DEFAULT};
	if (!j->dry && !option_given(j->in, "topic")) {
		trouble_set(t, ERR_INVALID, "--topic says where it goes, and is missing");
		trouble_hint(t,
		    "`convene topics` lists them; `convene topic TITLE` opens one. With "
		    "--dry-run nothing goes anywhere.");
		return t->err;
	}
	if (lang && !lang_valid(bytes_str(lang))) {
		trouble_set(t, ERR_INVALID, "%.60s is no language tag", lang);
		trouble_hint(t, "As en, fr-CA, zh-Hant, ar (BCP 47).");
		return t->err;
	}
	if (lang)
		j->lang = bytes_str(lang);
	if ((j->terms.name && !text_is_utf8(bytes_str(j->terms.name))) ||
	    (j->terms.author && !text_is_utf8(bytes_str(j->terms.author))))
		return trouble_set(t, ERR_TEXT, "--source and --author must be UTF-8");
	if (patience && decimal_parse(&seconds, patience, strlen(patience), PATIENCE_MAX_S) != OK) {
		trouble_set(t, ERR_INVALID, "%.60s is no number of seconds", patience);
		trouble_hint(t, "A week at most: %d.", PATIENCE_MAX_S);
		return t->err;
	}
	j->patience_ms = seconds * 1000;
	if (date)
		err = date_parse(date, &j->terms.date, t);
	if (!err && date && j->terms.date > (int64_t)clock_wall_ms()) {
		err = trouble_set(t, ERR_INVALID, "%.60s lies in the future", date);
		trouble_hint(t, "A text is dated when it was written.");
	}
	if (!err && report && !(j->report = fopen(report, "we")))
		err = trouble_errno(t, "%.300s can't be written", report);
	return err;
}

/* ---- who signs, and where it goes ---- */

static int home_take(struct job *j, struct trouble *t)
{
	const char *dir = option_value(j->in, "home");
	struct home *h = &j->session.home;
	int err, tries = 0;

	if (dir && setenv("CONVENE_HOME", dir, 1) != 0)
		return trouble_errno(t, "the home can't be set");
	h->lock = -1;
	err = home_open(h, t);
	if (err) {
		if (t->hint[0])
			trouble_hint(t, "An archive is signed by a participant: let one join with "
					"`convene join`, and name its home with --home.");
		return err;
	}
	if (h->state != HOME_ENROLLED) {
		trouble_set(
		    t, ERR_REFUSED, "the participant of %.200s is not enrolled yet", h->path);
		trouble_hint(t, "`convene whoami` says how far that is.");
		return t->err;
	}
	/* A `convene` that only reads holds it for a moment. */
	while ((err = home_lock(h, false, t)) == ERR_BUSY && tries++ < LOCK_TRIES)
		nanosleep(&(struct timespec){0, 50 * 1000 * 1000}, NULL);
	if (err == ERR_BUSY)
		trouble_hint(t, "Try again when it has ended, or sign with another home.");
	return err ? err : home_key(h, &j->key, t);
}

static int topic_take(struct job *j, struct trouble *t)
{
	struct frames topics = {NULL, 0};
	const Convene__Topic *topic;
	int err = client_topics(j->node.client, &topics, t);

	if (!err) {
		err = find_topic(&topics, option_value(j->in, "topic"), &topic, t);
		if (err == ERR_NOTFOUND)
			trouble_hint(t, "`convene topics` lists them; `convene topic TITLE` opens "
					"one.");
	}
	if (!err) {
		j->topic = (struct ref){.present = true, .index = topic->index};
		memcpy(j->topic.log, topic->log.data, DIGEST_LEN);
		memcpy(j->topic.id, topic->id.data, ID_LEN);
	}
	frames_free(&topics);
	return err;
}

/* What waits in the outbox has lower sequences than all that follows: it goes first, or never. */
static int outbox_take(struct job *j, struct trouble *t)
{
	struct outcomes done = {NULL, 0};
	uint64_t *list = NULL;
	size_t count = 0;
	int err;

	j->session.in = j->in;
	j->session.client = j->node.client;
	memcpy(j->session.home.log_name, j->node.binding.log_name, sizeof j->session.home.log_name);
	err = session_outbox(&j->session, &j->outbox, t);
	if (!err)
		err = outbox_list(&j->outbox, BOX_WAITING, &list, &count, t);
	if (!err && count > 0)
		err = outbox_flush(&j->session, &j->outbox, 0, &done, t);
	for (size_t i = 0; !err && i < done.count; i++) {
		if (done.list[i].status != CONVENE__STATUS__REFUSED || !done.list[i].kept)
			continue;
		err = trouble_set(t, ERR_REFUSED,
		    "a message that waits in the outbox of %.150s can't be sent first: %s",
		    j->session.home.path, done.list[i].text);
		trouble_hint(t, "`convene outbox` shows it, and sends it or drops it.");
	}
	free(list);
	outcomes_free(&done);
	j->session.client = NULL;
	return err;
}

/* All that can be wrong before anything is read. */
static int ends_check(struct job *j, struct trouble *t)
{
	uint64_t sequence = 0;
	int err = home_take(j, t);

	if (err)
		return err;
	j->node.home = &j->session.home;
	if (!option_given(j->in, "remote"))
		j->node.socket = j->ctl.conf->node.control;
	err = import_node_open(&j->node, t);
	if (!err)
		err = topic_take(j, t);
	if (!err)
		err = import_node_sequence(&j->node, j->key.public, &sequence, t);
	if (!err)
		err = import_node_limit(&j->node, &j->terms.limit, t);
	if (!err)
		err = outbox_take(j, t);
	if (!err && sequence > j->outbox.sequence)
		j->outbox.sequence = sequence;
	/* Reading takes long, and says nothing to the node. */
	import_node_close(&j->node);
	return err;
}

/* A rehearsal takes the forum's limit from a node's own charter, if it is told of one. */
static void limit_rehearse(struct job *j)
{
	struct charter *charter;
	struct trouble t;

	if (j->configured && ctl_charter(&j->ctl, &charter, &t) == OK) {
		j->terms.limit = charter->content_limit;
		charter_free(charter);
	}
}

/* ---- the steps ---- */

/* A node that was there a moment ago may only be starting again. */
static int node_reach(struct job *j, uint64_t deadline, struct trouble *t)
{
	const struct timespec pause = {0, 250000000};
	int err;

	import_node_close(&j->node);
	while ((err = import_node_open(&j->node, t)) == ERR_CLOSED && clock_mono_ms() < deadline) {
		import_tell_waiting(&j->teller, "the node can't be reached; waiting for it");
		nanosleep(&pause, NULL);
	}
	return err;
}

/* What the topic has that the journal doesn't know of. */
static int topic_learn(struct job *j, struct trouble *t)
{
	uint64_t deadline = clock_mono_ms() + j->patience_ms, cursor;

	for (;;) {
		int err = journal_topic(j->journal, j->topic.id, &cursor, t);

		if (!err && cursor == 0)
			err = import_node_settled(&j->node, j->patience_ms, t);
		if (!err)
			err = learn_topic(j->journal, &j->node, j->key.public, j->topic.id, cursor,
			    import_tell_learning, &j->teller, t);
		if (err == ERR_CLOSED && clock_mono_ms() < deadline)
			err = node_reach(j, deadline, t);
		else
			return err;
		if (err)
			return err;
	}
}

/* Whoever looks next shall find the posts, and export them: what the node has taken it seals within
 * a second. It has them safe by now, so if it can't be asked, or is slow, that is no failure. */
static void sealed_wait(struct job *j)
{
	struct import_report r;
	struct trouble t;

	j->ended = clock_mono_ms();
	import_report(j->import, &r);
	if (!j->node.socket || r.imported == 0 ||
	    import_node_settled(&j->node, SEALED_MS, &t) != ERR_TIMEOUT || j->in->json)
		return;
	import_tell_clear(&j->teller);
	fprintf(stderr, CTL_NAME ": the node has all of it, but is still busy putting it into its "
				 "log; `convenectl status` says how far it is.\n");
}

static int posting_run(struct job *j, struct trouble *t)
{
	uint64_t left = 0;
	int err = node_reach(j, clock_mono_ms() + j->patience_ms, t);

	if (!err)
		err = journal_open(
		    &j->journal, j->session.home.path, j->key.public, j->node.binding.log_name, t);
	if (!err)
		err = submitter_new(&j->submitter, &j->node, j->journal, &j->key,
		    j->outbox.sequence, j->patience_ms, &import_submit_events, j->import, t);
	if (!err)
		err = submit_waiting(j->submitter, &left, t);
	if (!err)
		err = topic_learn(j, t);
	if (!err)
		err = import_order(j->import, j->journal, t);
	if (!err)
		err = import_post(j->import, j->submitter, &j->topic, j->lang, t);
	if (j->submitter && submit_sequence(j->submitter) > j->outbox.sequence) {
		struct trouble unsaved;

		/* The journal has it as well: a failure here is worth no word. */
		j->outbox.sequence = submit_sequence(j->submitter);
		outbox_state_save(&j->outbox, &unsaved);
	}
	if (!err)
		sealed_wait(j);
	return err;
}

static int job_run(struct job *j, enum source_form form, struct trouble *t)
{
	int err = source_open(&j->source, form, j->in->operands, j->in->count, t);

	if (!err && !j->dry)
		err = ends_check(j, t);
	else if (!err)
		limit_rehearse(j);
	if (!err)
		err = reading_new(&j->reading, &j->terms, t);
	if (!err)
		err = import_new(
		    &j->import, j->source, j->reading, &import_teller_events, &j->teller, t);
	if (!err)
		err = import_scan(j->import, t);
	if (err)
		return err;
	import_tell_leftovers(&j->teller, j->source);
	if (!j->dry)
		return posting_run(j, t);
	err = import_order(j->import, NULL, t);
	return err ? err : import_post(j->import, NULL, NULL, j->lang, t);
}

static int job_tell(struct job *j, int err, const struct trouble *t)
{
	uint64_t ended = j->ended ? j->ended : clock_mono_ms();
	struct import_report r = {.mails = 0};
	int code;

	import_tell_clear(&j->teller);
	if (j->import)
		import_report(j->import, &r);
	if (err) {
		code = ctl_fail(j->in, t);
		if (r.imported > 0 && !j->in->json)
			fprintf(stderr,
			    "Before that %" PRIu64 " of %" PRIu64 " mails were imported.\n",
			    r.imported, r.mails);
		return code;
	}
	import_tell_report(&j->teller, &r, (double)(ended - j->began) / 1000);
	return r.refused > 0 || r.mails == 0 ? EXIT_INPUT : EXIT_DONE;
}

static int import_command(const struct invocation *in, enum source_form form)
{
	struct job j = {.in = in, .began = clock_mono_ms(), .session = {.home = {.lock = -1}}};
	bool wanted = option_given(in, "config") ||
		      (!option_given(in, "dry-run") && !option_given(in, "remote"));
	struct trouble t = {.err = OK};
	int err, code = wanted ? ctl_open(&j.ctl, in) : EXIT_DONE;

	if (code)
		return code;
	j.configured = wanted;
	err = options_take(&j, form, &t);
	j.teller = (struct import_teller){
	    .json = in->json, .dry = j.dry, .form = form, .file = j.report};
	import_teller_begin(&j.teller);
	import_tell_signals(&j.teller);
	if (!err)
		err = job_run(&j, form, &t);
	code = job_tell(&j, err, &t);
	if (j.report) {
		bool lost = ferror(j.report) != 0;

		errno = 0;
		lost |= fclose(j.report) != 0;
		if (lost)
			fprintf(stderr, CTL_NAME ": the file of --report can't be written%s%s.\n",
			    errno ? ": " : "", errno ? strerror(errno) : "");
		if (lost && (code == EXIT_DONE || code == EXIT_INPUT))
			code = EXIT_LOCAL;
	}
	import_free(j.import);
	reading_free(j.reading);
	source_free(j.source);
	submitter_free(j.submitter);
	journal_close(j.journal);
	import_node_close(&j.node);
	home_close(&j.session.home);
	key_wipe(&j.key);
	import_teller_end(&j.teller);
	return j.configured ? ctl_close(&j.ctl, code) : code;
}

int ctl_import_mbox(const struct invocation *in)
{
	return import_command(in, SOURCE_MBOX);
}

int ctl_import_mail(const struct invocation *in)
{
	return import_command(in, SOURCE_MAIL);
}

int ctl_import_text(const struct invocation *in)
{
	return import_command(in, SOURCE_TEXT);
}
