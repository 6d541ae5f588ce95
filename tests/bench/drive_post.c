/* SPDX-License-Identifier: BSD-2-Clause */
/* The posts that were signed are sent, in one of three ways; what comes back decides when the next
 * one goes. One run at a time. */
#include <string.h>

#include "base/error.h"
#include "tests/bench/drive.h"

#define STILL_SECONDS 20 /* WATCH waits 10 for a text */
#define PAUSE_MIN_MS 5   /* between posts that are sent one by one: unlike any timer's beat */
#define PAUSE_MAX_MS 50

enum way { SEND, PACE, FAN };

static enum way way;
static struct node *target; /* where they are shown */
static size_t window, sent, accepted, shown, deliveries, drops_left, drop_every;
static double rate;
static uint64_t began, moved; /* moved: when anything last came */
static struct event *timer;
static bool done;

static struct bytes stored(size_t at, uint32_t len)
{
	return bytes_of(drive.arena.data + at, len);
}

static void post_send(size_t i)
{
	struct post *p = &drive.posts[i];

	p->sent = now_ns();
	if (p->due == 0)
		p->due = p->sent;
	submission_send(p->by, (uint32_t)i + 1, stored(p->message, p->message_len), p->salt,
	    stored(p->content, p->content_len));
	sent++;
}

/* ---- answers ---- */

static void answer_check(struct conn *c, const struct frame *frame)
{
	const Convene__Submitted *m;
	ProtobufCMessage *any;

	if (frame->type != FRAME_SUBMITTED || frame->stream == 0 ||
	    frame->stream > drive.post_count ||
	    message_unpack(&any, frame_descriptor(FRAME_SUBMITTED), frame->payload) != OK)
		conn_surprise(c, frame);
	m = (const Convene__Submitted *)any;
	if (m->n_outcomes != 1 || m->outcomes[0]->status == CONVENE__STATUS__REFUSED)
		die("a post was refused: %.*s", m->n_outcomes ? (int)m->outcomes[0]->text.len : 0,
		    m->n_outcomes ? (const char *)m->outcomes[0]->text.data : "");
	message_free(any);
}

static void post_frame(struct conn *c, const struct frame *frame)
{
	size_t i = frame->stream - 1, next = i + window * drive.client_count;

	answer_check(c, frame);
	if (drive.posts[i].accepted)
		die("a post was answered twice");
	drive.posts[i].accepted = moved = now_ns();
	accepted++;
	if (way != SEND)
		return;
	if (next < drive.post_count)
		post_send(next);
	done = accepted == drive.post_count;
}

/* Whoever it is, in the midst of what others are sent. */
static void fan_drop(void)
{
	uint32_t random;

	if (drops_left == 0 || ++deliveries % drop_every != 0)
		return;
	random_fill(&random, sizeof random);
	drops_left -= watch_drop(target->watchers[random % target->watcher_count]);
}

static void timer_to(uint64_t at)
{
	uint64_t now = now_ns(), us = at > now ? (at - now) / 1000 : 0;
	struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	event_add(timer, &tv);
}

static void one_later(void)
{
	uint32_t random;
	uint64_t pause;

	random_fill(&random, sizeof random);
	pause = PAUSE_MIN_MS * 1000000 + random % ((PAUSE_MAX_MS - PAUSE_MIN_MS) * 1000000);
	drive.posts[sent].due = now_ns() + pause;
	timer_to(drive.posts[sent].due);
}

void post_shown(struct post *p, struct watcher *w)
{
	if (w->conn.node != target)
		return;
	moved = now_ns();
	p->watchers++;
	fan_drop();
	if (way == FAN && p->watchers < target->watcher_count)
		return;
	if (p->shown == 0) {
		p->shown = moved;
		shown++;
	}
	done = way != SEND && shown == drive.post_count;
	if (way == PACE && rate <= 0 && sent < drive.post_count && shown == sent)
		one_later();
	while (way == FAN && sent < drive.post_count && sent - shown < window)
		post_send(sent);
}

/* ---- a run ---- */

/* All that are due; a post is late by what this process takes for it, and that counts. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	uint64_t now = now_ns();

	(void)fd;
	(void)what;
	(void)arg;
	while (sent < drive.post_count && drive.posts[sent].due <= now) {
		post_send(sent);
		if (rate <= 0)
			return;
	}
	if (sent < drive.post_count)
		timer_to(drive.posts[sent].due);
}

static void run_begin(struct run *run, enum way how, struct node *node, size_t width)
{
	for (size_t i = 0; i < drive.client_count; i++)
		drive.posted_at->people[i]->conn.frame = post_frame;
	if (how != SEND && (!node || node->watcher_count == 0))
		die("nobody watches there");
	if (drive.post_count == 0 || drive.posts[0].sent)
		die("there is nothing signed that was not sent");
	way = how;
	target = node;
	window = width;
	sent = accepted = shown = deliveries = drops_left = 0;
	done = false;
	run->cpu = cpu_ns();
	began = moved = run->began = now_ns();
}

/* What does not come is told as lost, after a while in which nothing came. */
static void run_end(struct run *run)
{
	while (!done && now_ns() - moved < (uint64_t)STILL_SECONDS * 1000000000)
		loop_some(&done);
	if (accepted < drive.post_count && !done)
		die("%zu of %zu posts were not answered", drive.post_count - accepted,
		    drive.post_count);
	run->ended = done ? now_ns() : moved;
	run->cpu = cpu_ns() - run->cpu;
}

void posts_send(struct run *run, size_t width)
{
	size_t first = width * drive.client_count;

	run_begin(run, SEND, NULL, width);
	for (size_t i = 0; i < first && i < drive.post_count; i++)
		post_send(i);
	run_end(run);
}

void posts_pace(struct run *run, struct node *node, double per_second)
{
	run_begin(run, PACE, node, 1);
	rate = per_second;
	if (!timer)
		timer = event_new(drive.base, -1, 0, on_timer, NULL);
	if (!timer)
		die("out of memory");
	for (size_t i = 0; rate > 0 && i < drive.post_count; i++)
		drive.posts[i].due = began + (uint64_t)((double)i * 1e9 / rate);
	if (rate > 0)
		timer_to(began);
	else
		one_later();
	run_end(run);
}

void posts_fan(struct run *run, struct node *node, size_t width, size_t drops)
{
	run_begin(run, FAN, node, width);
	drops_left = drops;
	drop_every = drive.post_count * node->watcher_count / (drops + 1);
	if (drop_every == 0)
		die("fewer deliveries than connections to cut");
	while (sent < drive.post_count && sent < window)
		post_send(sent);
	run_end(run);
}
