/* SPDX-License-Identifier: BSD-2-Clause */
/* convene follow.
 *
 * The number of the last arrival that was shown is the only state: whatever happens to the
 * connection, the node is asked for what came after it. It moves when an item was written, whole,
 * so that nothing is lost or shown twice; a signal waits for that. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "client/cmd.h"
#include "client/session.h"
#include "client/show.h"

#define RETRY_S_MAX 60
#define STEADY_MS 60000 /* a connection that held so long was a good one */

struct follow {
	struct session s;
	uint64_t after;
	const Convene__Topic *topic; /* NULL: all */
};

static void interrupts_hold(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* What an item belongs to: nobody sees that from where it stands, as in a thread. */
static const char *place_of(char out[static 64], const struct follow *f, const struct shown *s)
{
	const Convene__Item *item = s->item;
	const struct ref *parent = &s->header.parent;
	char id[9], thread[9];

	if (!s->parsed || s->header.kind != KIND_POST)
		return NULL;
	if (parent->present && item->thread.len == ID_LEN &&
	    memcmp(parent->id, item->thread.data, ID_LEN) != 0)
		snprintf(out, 64, "answers %s in thread %s", id_short(id, parent->id),
		    id_short(thread, item->thread.data));
	else if (parent->present)
		snprintf(out, 64, "answers %s", id_short(id, parent->id));
	else if (!f->topic && s->header.topic.present)
		snprintf(out, 64, "begins a thread in topic %s", id_short(id, s->header.topic.id));
	else
		return NULL;
	return out;
}

static void item_print(const struct follow *f, const struct shown *shown)
{
	char place[64];

	if (f->s.in->json) {
		json_print_line(shown_json(shown));
		return;
	}
	shown_print(shown, 0, bytes_of(NULL, 0), place_of(place, f, shown));
	printf("\n");
}

static int items_show(struct follow *f, const Convene__Items *m, struct trouble *t)
{
	for (size_t i = 0; i < m->n_items; i++) {
		struct shown shown;

		shown_open(&shown, m->items[i], f->s.home.node.forum, f->s.client);
		if (shown.state == CONVENE__CONTENT_STATE__CONTENT_LARGE &&
		    !client_alive(f->s.client)) {
			/* It comes again, whole. */
			shown_clear(&shown);
			return trouble_set(
			    t, ERR_CLOSED, "the connection was lost within a large text");
		}
		interrupts_hold(true);
		item_print(f, &shown);
		fflush(stdout);
		interrupts_hold(false);
		if (m->items[i]->arrival > f->after)
			f->after = m->items[i]->arrival;
		shown_clear(&shown);
	}
	return OK;
}

/* Watch until the connection ends. */
static int watch(struct follow *f, struct trouble *t)
{
	Convene__Watch request = CONVENE__WATCH__INIT;
	ProtobufCMessage *m;
	uint32_t stream;
	int err;

	request.after = f->after;
	if (f->topic)
		request.topic = f->topic->id;
	err = client_send(f->s.client, FRAME_WATCH, &request.base, &stream, t);
	while (!err && !ferror(stdout)) {
		err = client_next(f->s.client, stream, FRAME_ITEMS, 0, &m, t);
		if (err)
			break;
		err = items_show(f, (const Convene__Items *)m, t);
		message_free(m);
	}
	return err;
}

static int number_take(void *ctx, const Convene__Items *items)
{
	if (items->last)
		*(uint64_t *)ctx = items->arrival;
	return OK;
}

static bool passes(const struct trouble *t)
{
	return exit_of(t) == EXIT_UNREACHABLE || t->code == CONVENE__CODE__BUSY;
}

/* Come again, and again, until the node answers. */
static int reconnect(struct follow *f, unsigned *pause, struct trouble *t)
{
	const char *name = f->s.in->program->name;
	int err;

	trouble_hint(t, "It is tried again until the node answers; Ctrl-C ends that.");
	complain(name, t);
	do {
		session_disconnect(&f->s);
		sleep(*pause);
		*pause = *pause * 2 < RETRY_S_MAX ? *pause * 2 : RETRY_S_MAX;
		err = session_connect(&f->s, t);
	} while (err && passes(t));
	if (!err && isatty(STDERR_FILENO) == 1)
		fprintf(stderr, "%s: connected again.\n", name);
	return err;
}

static int follow_run(struct follow *f, struct trouble *t)
{
	unsigned pause = 1;
	int err;

	for (;;) {
		uint64_t before = f->after, began = clock_mono_ms();

		err = watch(f, t);
		if (!err || !passes(t))
			return err;
		if (f->after != before || clock_mono_ms() - began > STEADY_MS)
			pause = 1;
		err = reconnect(f, &pause, t);
		if (err)
			return err;
	}
}

int cmd_follow(const struct invocation *in)
{
	const char *since = option_value(in, "after");
	struct frames topics = {NULL, 0};
	struct follow f = {.after = 0};
	struct trouble t;
	int code, err;

	if (since && decimal_parse(&f.after, since, strlen(since), UINT64_MAX) != OK)
		return complain_usage(in->program->name, in->command->name,
		    "--after wants an arrival number, not %s", since);
	err = session_open(&f.s, in, true, &t);
	if (!err && in->count > 0) {
		err = client_topics(f.s.client, &topics, &t);
		if (!err)
			err = find_topic(&topics, in->operands[0], &f.topic, &t);
	}
	/* Where the node stands: a connection that is lost before anything comes must not cost what
	 * comes meanwhile. */
	if (!err && (!since || f.after == UINT64_MAX))
		err = client_arrivals(f.s.client, UINT64_MAX, f.topic ? f.topic->id.data : NULL,
		    number_take, &f.after, &t);
	if (!err && !in->json && output_terminal())
		printf("Waiting for what comes; Ctrl-C ends it.\n\n");
	fflush(stdout);
	if (!err)
		err = follow_run(&f, &t);
	code = err ? session_complain(in, &t) : EXIT_DONE;
	frames_free(&topics);
	session_close(&f.s);
	return code;
}
