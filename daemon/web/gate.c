/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "msg/frame.h"
#include "net/channel.h"

#define LINES_MAX 16          /* connections to the relay */
#define QUEUE_MAX 256         /* requests that have none yet, of each kind */
#define BYTES_MAX (16u << 20) /* of their frames */
#define AT_ONCE 16384         /* bytes of a frame that go without a turn of the loop */
#define ASK_MS 20000          /* from asking to the answer */
#define SILENCE_MS 60000      /* between two complaints about the relay in the log */

struct gate_request {
	struct gate *gate;
	struct queue *queue;       /* that it waits in */
	struct gate_request *next; /* there */
	struct line *line;         /* NULL: it waits */
	struct event *timer;
	struct buffer frame;
	void (*done)(void *ctx, int err, uint8_t type, struct bytes payload);
	void *ctx;
};

/* A connection to the relay. */
struct line {
	struct gate *gate;
	struct line *next;
	struct channel *channel;
	struct gate_request *request; /* NULL: none, or it was forgotten */
	uint32_t stream;              /* of the newest request; 0: none was sent */
	bool greeted;
	bool owes; /* the answer to a request that was forgotten: not to be used before */
};

struct queue {
	struct gate_request *first, **last;
	size_t count;
};

struct gate {
	struct gate_setup setup;
	struct net net;
	char address[300];
	struct line *lines;
	size_t line_count, line_max;
	/* What is written goes before what is read, of which anybody may ask for any amount. */
	struct queue writing, reading;
	size_t bytes; /* that wait */
	uint64_t complained;
	bool ending;
};

static void go_on(struct gate *g);

/* ---- requests ---- */

static void request_free(struct gate_request *q)
{
	if (q->timer)
		event_free(q->timer);
	buffer_free(&q->frame);
	free(q);
}

/* Out of wherever it is. */
static void request_unlink(struct gate_request *q)
{
	struct gate *g = q->gate;

	if (q->line) {
		q->line->request = NULL;
		q->line = NULL;
		return;
	}
	for (struct gate_request **at = &q->queue->first; *at; at = &(*at)->next) {
		if (*at != q)
			continue;
		*at = q->next;
		if (q->queue->last == &q->next)
			q->queue->last = at;
		q->queue->count--;
		g->bytes -= q->frame.len;
		return;
	}
}

static struct gate_request *next_of(const struct gate *g)
{
	return g->writing.first ? g->writing.first : g->reading.first;
}

static void request_done(struct gate_request *q, int err, uint8_t type, struct bytes payload)
{
	request_unlink(q);
	q->done(q->ctx, err, type, payload);
	request_free(q);
}

static void on_timeout(evutil_socket_t fd, short what, void *ctx)
{
	struct gate_request *q = ctx;

	(void)fd;
	(void)what;
	if (q->line)
		q->line->owes = true;
	request_done(q, ERR_TIMEOUT, 0, bytes_of(NULL, 0));
}

bool gate_passes(uint8_t type, size_t payload)
{
	switch (type) {
	case FRAME_SUBMIT:
	case FRAME_REDEEM:
	case FRAME_SIGNER_GET:
	case FRAME_PROOF_GET:
	case FRAME_CHARTER_GET:
	case FRAME_THREAD_GET:
		return payload <= frame_limit(type);
	default:
		return false;
	}
}

/* ---- connections ---- */

static void complain(struct gate *g, const char *text)
{
	uint64_t now = clock_mono_ms();

	if (g->complained && now - g->complained < SILENCE_MS)
		return;
	g->complained = now;
	log_warning("web: no way to the relay for what is written in browsers: %s", text);
}

static void on_open(void *ctx, struct channel *ch)
{
	Convene__Hello hello = CONVENE__HELLO__INIT;
	struct line *l = ctx;
	uint8_t pin[HASH_LEN];

	if (channel_pin(ch, pin) != OK || !credential_has_pin(l->gate->setup.credential, pin)) {
		channel_fail(ch, ERR_WRONG_TLS, "this is not our own node");
		return;
	}
	hello.version_min = PROTOCOL_VERSION_MIN;
	hello.version_max = PROTOCOL_VERSION_MAX;
	hello.role = CONVENE__ROLE__CLIENT;
	hello.forum = pb_of(bytes_of(l->gate->setup.credential->binding.forum, HASH_LEN));
	hello.software = pb_of(bytes_str("convened-web " PACKAGE_VERSION));
	channel_send(ch, FRAME_HELLO, 0, &hello.base);
}

static void on_frame(void *ctx, struct channel *ch, const struct frame *frame)
{
	struct line *l = ctx;

	if (!l->greeted) {
		/* Whose it is, TLS has shown. */
		if (frame->type == FRAME_HELLO) {
			l->greeted = true;
			channel_greeted(ch);
			go_on(l->gate);
		}
		return;
	}
	/* One on stream 0 is about the whole connection, which had this request alone. */
	if (frame->stream != l->stream && !(frame->type == FRAME_ERROR && frame->stream == 0))
		return;
	/* … and is closed behind it: nothing else may be sent there. */
	l->owes = frame->stream == 0;
	if (l->request)
		request_done(l->request, OK, frame->type, frame->payload);
	go_on(l->gate);
}

static void on_closed(void *ctx, struct channel *ch, int err, const char *text)
{
	struct line *l = ctx, **at = &l->gate->lines;
	struct gate *g = l->gate;
	bool greeted = l->greeted;

	(void)ch;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	g->line_count--;
	if (err && !g->ending)
		complain(g, text);
	if (l->request)
		request_done(l->request, ERR_CLOSED, 0, bytes_of(NULL, 0));
	free(l);
	if (g->ending)
		return;
	/* One that could not even begin tells how it would go with the others. */
	while (!greeted && next_of(g) && g->line_count == 0)
		request_done(next_of(g), ERR_CLOSED, 0, bytes_of(NULL, 0));
	go_on(g);
}

static void on_writable(void *ctx, struct channel *ch)
{
	(void)ctx;
	(void)ch;
}

static const struct channel_events events = {
    .open = on_open, .frame = on_frame, .writable = on_writable, .closed = on_closed};

static bool line_add(struct gate *g)
{
	struct line *l = calloc(1, sizeof *l);

	if (!l)
		return false;
	l->gate = g;
	l->next = g->lines;
	g->lines = l;
	g->line_count++;
	l->channel = channel_connect(&g->net, g->address, &events, l);
	if (l->channel)
		return true;
	g->lines = l->next;
	g->line_count--;
	free(l);
	return false;
}

static void sent(const void *data, size_t len, void *ctx)
{
	(void)data; /* perhaps only its end */
	(void)len;
	free(ctx);
}

static void line_use(struct line *l, struct gate_request *q)
{
	uint8_t *whole;

	request_unlink(q);
	l->stream = l->stream % 0x7fffffff + 1;
	put_u32(q->frame.data + 5, l->stream);
	/* The channel may need it longer than we do. */
	whole = q->frame.data;
	l->request = q;
	q->line = l;
	channel_send_frame(
	    l->channel, bytes_of(whole, q->frame.len), q->frame.len < AT_ONCE, sent, whole);
	q->frame = (struct buffer)BUFFER_INIT;
}

/* Give those that wait a connection, as far as there are any. */
static void go_on(struct gate *g)
{
	size_t coming = 0;

	for (struct line *l = g->lines; l && next_of(g); l = l->next) {
		coming += !l->greeted;
		if (l->greeted && !l->request && !l->owes && !channel_closing(l->channel))
			line_use(l, next_of(g));
	}
	while (g->writing.count + g->reading.count > coming && g->line_count < g->line_max &&
	       line_add(g))
		coming++;
}

/* ---- asking ---- */

struct gate_request *gate_ask(struct gate *g, uint8_t type, struct bytes payload,
    void (*done)(void *ctx, int err, uint8_t type, struct bytes payload), void *ctx)
{
	struct timeval tv = {ASK_MS / 1000, ASK_MS % 1000 * 1000};
	struct queue *queue = type == FRAME_SUBMIT || type == FRAME_REDEEM ? &g->writing
									   : &g->reading;
	struct gate_request *q;

	if (queue->count >= QUEUE_MAX || g->bytes + payload.len > BYTES_MAX) {
		done(ctx, ERR_BUSY, 0, bytes_of(NULL, 0));
		return NULL;
	}
	q = calloc(1, sizeof *q);
	if (!q)
		return NULL;
	q->gate = g;
	q->done = done;
	q->ctx = ctx;
	q->timer = event_new(g->setup.base, -1, 0, on_timeout, q);
	if (!q->timer || event_add(q->timer, &tv) != 0 ||
	    frame_add_raw(&q->frame, type, 1, payload) != OK) {
		request_free(q);
		return NULL;
	}
	q->queue = queue;
	*queue->last = q;
	queue->last = &q->next;
	queue->count++;
	g->bytes += q->frame.len;
	go_on(g);
	return q;
}

void gate_forget(struct gate_request *q)
{
	if (q->line)
		q->line->owes = true;
	request_unlink(q);
	request_free(q);
}

/* ---- the whole ---- */

/* To the relay all of this is one address; half of what that may have is left to others. */
void gate_conf(struct gate *g, const struct conf *conf)
{
	size_t share = conf->limits.clients_per_address / 2 / g->setup.processes;

	g->setup.conf = conf;
	g->line_max = share < 1 ? 1 : share < LINES_MAX ? share : LINES_MAX;
}

/* Where our relay listens, as seen from this machine. */
static void address_of(char out[static 300], const struct conf_address *a)
{
	const char *host = strcmp(a->host, "::") == 0        ? "::1"
			   : strcmp(a->host, "0.0.0.0") == 0 ? "127.0.0.1"
							     : a->host;

	snprintf(out, 300, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)a->port);
}

int gate_new(struct gate **out, const struct gate_setup *setup)
{
	struct gate *g = *out = calloc(1, sizeof *g);
	int err;

	if (!g)
		return ERR_NOMEM;
	g->setup = *setup;
	g->writing.last = &g->writing.first;
	g->reading.last = &g->reading.first;
	gate_conf(g, setup->conf);
	address_of(g->address, &setup->conf->node.listen[0]);
	g->net = (struct net){.base = setup->base, NET_DEFAULTS};
	err = tls_new(&g->net.tls, NULL, "");
	if (err) {
		free(g);
		*out = NULL;
	}
	return err;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	g->ending = true;
	while (next_of(g))
		request_done(next_of(g), ERR_CLOSED, 0, bytes_of(NULL, 0));
	while (g->lines)
		channel_drop(g->lines->channel);
	tls_free(g->net.tls);
	free(g);
}
