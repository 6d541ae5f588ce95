/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes in on a connection: heads, bodies, and whose turn it is. */
#include "base/clock.h"
#include "daemon/web/http_inside.h"

#define HEAD_MS 10000       /* from the first byte of a head to its last */
#define HELD_MAX (64 << 20) /* bytes of bodies and of copied answers, all together */

const struct head *exchange_head(const struct exchange *x)
{
	return &x->head;
}

struct bytes exchange_body(const struct exchange *x)
{
	return buffer_bytes(&x->body);
}

void exchange_body_drop(struct exchange *x)
{
	buffer_free(&x->body);
	exchange_hold(x, 0);
}

bool exchange_asks(struct exchange *x, unsigned max)
{
	if (!x->one)
		return true;
	x->asking = crowd_asks(x->one, max);
	return x->asking;
}

void exchange_later(struct exchange *x, void (*gone)(void *ctx), void *ctx)
{
	x->gone = gone;
	x->gone_ctx = ctx;
}

void exchange_handle(struct exchange *x, int status)
{
	x->state = BUSY;
	x->deadline = 0;
	if (status) {
		/* Where it ends is not known, so nothing after it can be. */
		x->last = x->linger = true;
	}
	x->http->handler(x->http->ctx, x, status);
}

/* How long a head it is that begins the input; 0: not whole. */
static size_t head_length(struct exchange *x, struct evbuffer *in)
{
	size_t len = evbuffer_get_length(in);
	struct evbuffer_ptr from, at;

	evbuffer_ptr_set(in, &from, x->scanned > 3 ? x->scanned - 3 : 0, EVBUFFER_PTR_SET);
	at = evbuffer_search(in, "\r\n\r\n", 4, &from);
	x->scanned = len;
	return at.pos < 0 ? 0 : (size_t)at.pos + 4;
}

/* The head is too long: because of what is asked for, or of fields. */
static int too_long(struct evbuffer *in)
{
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n", 2, NULL);

	return end.pos < 0 || end.pos > TARGET_MAX + 32 ? 414 : 431;
}

static void take_head(struct exchange *x)
{
	struct evbuffer *in = bufferevent_get_input(x->bev);
	uint8_t *to;
	size_t len;
	int status;

	if (evbuffer_get_length(in) == 0)
		return;
	if (!x->begun) {
		x->begun = true;
		x->since = clock_mono_ms();
		x->deadline = x->since + HEAD_MS;
	}
	len = head_length(x, in);
	if (len > HEAD_MAX || (len == 0 && evbuffer_get_length(in) > HEAD_MAX)) {
		http_head_clear(&x->head);
		exchange_handle(x, too_long(in));
		return;
	}
	if (len == 0)
		return;
	buffer_reset(&x->text);
	to = buffer_reserve(&x->text, len + 1);
	if (!to || evbuffer_remove(in, to, len) != (int)len) {
		exchange_end(x);
		return;
	}
	to[len] = '\0';
	buffer_reset(&x->body);
	status = http_head_parse(&x->head, (char *)to, len);
	if (status) {
		exchange_handle(x, status);
		return;
	}
	if (x->head.method == METHOD_POST && !x->head.has_length) {
		exchange_handle(x, 411);
	} else if (x->head.length > x->http->limits.body) {
		exchange_handle(x, 413);
	} else if (x->head.length > 0 && (status = x->http->wants(x->http->ctx, &x->head)) != 0) {
		const char *language = x->head.accept_language;

		http_head_clear(&x->head);
		x->head.accept_language = language;
		exchange_handle(x, status);
	} else if (x->head.length > 0) {
		exchange_pace(x, BODY);
		if (x->head.expects && evbuffer_get_length(in) == 0)
			bufferevent_write(x->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	} else {
		exchange_handle(x, 0);
	}
}

static void take_body(struct exchange *x)
{
	struct evbuffer *in = bufferevent_get_input(x->bev);
	size_t have = evbuffer_get_length(in), want = (size_t)x->head.length - x->body.len;
	size_t n = have < want ? have : want;
	uint8_t *to = buffer_reserve(&x->body, n);

	if (!to || evbuffer_remove(in, to, n) != (int)n) {
		exchange_end(x);
		return;
	}
	x->body.len += n;
	exchange_hold(x, x->body.cap);
	if (x->http->held > HELD_MAX && !http_slowest_end(x->http, true, false))
		exchange_handle(x, 503);
	else if (n == want)
		exchange_handle(x, 0);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	struct exchange *x = ctx;

	(void)fd;
	(void)what;
	if (x->state == READING)
		exchange_serve(x);
}

/* After the others have had their turn. */
static bool serve_again(struct exchange *x)
{
	struct timeval now = {0, 0};

	if (!x->again)
		x->again = event_new(x->http->base, -1, 0, on_again, x);
	return x->again && event_add(x->again, &now) == 0;
}

void exchange_serve(struct exchange *x)
{
	struct evbuffer *in = bufferevent_get_input(x->bev);
	unsigned answers = x->answers;
	enum exchange_state before;
	size_t len;

	x->inside = true;
	do {
		before = x->state;
		len = evbuffer_get_length(in);
		if (x->state == READING)
			take_head(x);
		else if (x->state == BODY)
			take_body(x);
		else if (x->state == LINGER || (x->state == STREAM && len > 0))
			evbuffer_drain(in, len);
		else
			break;
	} while (!x->ended && x->answers == answers && evbuffer_get_length(in) > 0 &&
		 (x->state != before || evbuffer_get_length(in) != len) &&
		 (x->state == READING || x->state == BODY));
	if (!x->ended && x->state == READING) {
		if (x->answers != answers && evbuffer_get_length(in) > 0)
			x->ended = !serve_again(x);
		else
			x->ended = x->half;
	}
	exchange_leave(x);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	(void)bev;
	exchange_serve(ctx);
}

static void on_write(struct bufferevent *bev, void *ctx)
{
	struct exchange *x = ctx;

	(void)bev;
	x->inside = true;
	if (x->state == STREAM)
		x->deadline = 0;
	else if (x->state == WRITING)
		exchange_sent(x);
	if (exchange_leave(x) && x->state == READING)
		exchange_serve(x);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct exchange *x = ctx;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED)
		return;
	/* Who has sent all may still read: `printf | nc` does it. */
	if ((what & BEV_EVENT_EOF) && x->plain && !x->gone &&
	    (x->state == WRITING || x->state == BUSY ||
		(x->again && event_pending(x->again, EV_TIMEOUT, NULL)))) {
		x->half = true;
		bufferevent_disable(bev, EV_READ);
		return;
	}
	exchange_end(x);
}

void exchange_start(struct exchange *x)
{
	exchange_idle(x);
	bufferevent_setwatermark(x->bev, EV_READ, 0, HEAD_MAX + 4096);
	bufferevent_setcb(x->bev, on_read, on_write, on_event, x);
	bufferevent_enable(x->bev, EV_READ | EV_WRITE);
}
