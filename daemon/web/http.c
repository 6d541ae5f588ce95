/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections: how they begin and end, their deadlines and their pace. */
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/web/http_inside.h"

#define TICK_MS 500
#define IDLE_MS 60000        /* between two requests */
#define IDLE_CROWDED_MS 3000 /* when three of four connections are in use */
#define BODY_MS 20000        /* in each such time a body has to grow by as much as … */
#define PACE_MIN 1000        /* … bytes a second make; and an answer to go in WRITE_MS */
#define SLOW_MS 5000         /* who is at one thing for so long, … */
#define SLOW_PACE 8192       /* … by fewer bytes a second, makes way */
#define SEND_ROOM                                                                            \
	131072 /* of a socket, doubled by the system; else readers who take nothing fill its \
		  memory */

/* ---- the end of a connection ---- */

static void resume(struct http *h)
{
	h->paused = false;
	for (size_t i = 0; i < h->listening_count && !h->finishing; i++)
		evconnlistener_enable(h->listening[i].listener);
}

void exchange_answered(struct exchange *x)
{
	if (x->asking)
		crowd_answered(x->one);
	x->asking = false;
}

static void exchange_free(struct exchange *x)
{
	struct http *h = x->http;
	void (*gone)(void *ctx) = x->gone;

	x->gone = NULL;
	if (gone)
		gone(x->gone_ctx);
	if (x->prev)
		x->prev->next = x->next;
	else
		h->first = x->next;
	if (x->next)
		x->next->prev = x->prev;
	h->count--;
	h->held -= x->held;
	exchange_answered(x);
	if (x->again)
		event_free(x->again);
	if (x->one)
		crowd_leave(h->crowd, x->one);
	bufferevent_free(x->bev);
	buffer_free(&x->text);
	buffer_free(&x->body);
	free(x);
	if (h->paused)
		resume(h);
	if (h->finishing && h->count == 0)
		event_base_loopbreak(h->base);
}

void exchange_end(struct exchange *x)
{
	if (x->inside)
		x->ended = true;
	else
		exchange_free(x);
}

bool exchange_leave(struct exchange *x)
{
	bool ended = x->ended;

	x->inside = false;
	if (ended)
		exchange_free(x);
	return !ended;
}

void exchange_hold(struct exchange *x, size_t bytes)
{
	x->http->held += bytes - x->held;
	x->held = bytes;
}

/* ---- the pace ---- */

/* Of a body what hasn't come; of an answer what the other side hasn't acknowledged. */
static uint64_t left_of(const struct exchange *x)
{
	int queued = 0;

	if (x->state == BODY)
		return x->head.length - x->body.len;
	if (ioctl(bufferevent_getfd(x->bev), SIOCOUTQ, &queued) != 0 || queued < 0)
		queued = 0;
	return evbuffer_get_length(bufferevent_get_output(x->bev)) + (uint64_t)queued;
}

void exchange_pace(struct exchange *x, enum exchange_state state)
{
	x->state = state;
	x->deadline = 0;
	x->since = x->mark_at = clock_mono_ms();
	x->whole = x->mark = left_of(x);
	x->pace = 0;
}

/* Not from what was promised: a large length would buy a long time for a single byte. */
static bool pace_kept(struct exchange *x, uint64_t now)
{
	uint64_t left = left_of(x), span = x->state == BODY ? BODY_MS : WRITE_MS;
	uint64_t need = span * PACE_MIN / 1000, age = now - x->since;

	x->pace = age > 0 && left < x->whole ? (x->whole - left) * 1000 / age : 0;
	if (now - x->mark_at < span)
		return true;
	if (need > x->mark)
		need = x->mark;
	if (left > x->mark || x->mark - left < need)
		return false;
	x->mark = left;
	x->mark_at = now;
	return true;
}

bool http_slowest_end(struct http *h, bool body_only, bool writing_only)
{
	struct exchange *slowest = NULL;
	uint64_t now = clock_mono_ms();

	for (struct exchange *x = h->first; x; x = x->next) {
		bool counts = x->state == BODY ? !writing_only
			      : x->state == WRITING
				  ? !body_only
				  : x->state == READING && x->begun && !body_only && !writing_only;

		if (counts && !x->inside && now - x->since > SLOW_MS && x->pace < SLOW_PACE &&
		    (!slowest || x->pace < slowest->pace ||
			(x->pace == slowest->pace && x->since < slowest->since)))
			slowest = x;
	}
	if (slowest)
		exchange_free(slowest);
	return slowest != NULL;
}

bool http_make_way(struct http *h)
{
	return http_slowest_end(h, false, true);
}

void exchange_idle(struct exchange *x)
{
	x->state = READING;
	x->pace = 0;
	x->scanned = 0;
	x->begun = false;
	x->deadline = clock_mono_ms() + IDLE_MS;
}
/* ---- connections ---- */

/* Some room for somebody new: the one that has been idle for longest, or else is slowest. */
static bool make_room(struct http *h)
{
	struct exchange *oldest = NULL;

	for (struct exchange *x = h->first; x; x = x->next)
		if (x->state == READING && !x->begun && (!oldest || x->deadline < oldest->deadline))
			oldest = x;
	if (!oldest)
		return http_slowest_end(h, false, false);
	exchange_free(oldest);
	return true;
}

static void refuse(struct listening *l, int fd)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\n"
				   "Content-Length: 0\r\nConnection: close\r\n"
				   "Cache-Control: no-store\r\n\r\n";

	if (!l->tls && send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("a connection too many has gone already");
	close(fd);
}

static void on_accept(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int len, void *ctx)
{
	struct listening *l = ctx;
	struct http *h = l->http;
	struct crowd_one *one = NULL;
	struct exchange *x;
	SSL *ssl = NULL;
	int on = 1, room = SEND_ROOM;

	(void)listener;
	(void)len;
	if (h->count >= h->limits.connections && !make_room(h)) {
		refuse(l, fd);
		return;
	}
	if (l->tls && !(one = crowd_enter(h->crowd, from, h->limits.per_address))) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	x = calloc(1, sizeof *x);
	if (x && l->tls) {
		ssl = web_tls_session(l->tls);
		x->bev = ssl ? bufferevent_openssl_socket_new(h->base, fd, ssl,
				   BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
			     : NULL;
	} else if (x) {
		x->bev = bufferevent_socket_new(h->base, fd, BEV_OPT_CLOSE_ON_FREE);
	}
	if (!x || !x->bev) {
		if (ssl)
			SSL_free(ssl);
		close(fd);
		if (one)
			crowd_leave(h->crowd, one);
		free(x);
		return;
	}
	x->http = h;
	x->one = one;
	x->plain = !l->tls;
	http_head_clear(&x->head);
	x->next = h->first;
	if (h->first)
		h->first->prev = x;
	h->first = x;
	h->count++;
	exchange_start(x);
}

/* Out of descriptors or memory: what waits can wait until a connection ends. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
	struct listening *l = ctx;
	int err = errno;

	if (err == EAGAIN || err == EINTR || err == ECONNABORTED)
		return;
	log_warning("accept: %s", strerror(err));
	evconnlistener_disable(listener);
	l->http->paused = true;
}

/* ---- deadlines ---- */

static void overdue(struct exchange *x)
{
	x->inside = true;
	if (x->state == READING && x->begun) {
		http_head_clear(&x->head);
		exchange_handle(x, 408);
	} else if (x->state == BODY) {
		exchange_handle(x, 408);
	} else {
		x->ended = true;
	}
	exchange_leave(x);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct http *h = ctx;
	uint64_t now = clock_mono_ms();
	bool crowded = h->count > h->limits.connections / 4 * 3;

	(void)fd;
	(void)what;
	for (struct exchange *x = h->first, *next; x; x = next) {
		uint64_t at = x->deadline;

		next = x->next;
		if (x->state == READING && !x->begun && (crowded || h->finishing))
			at -= h->finishing ? IDLE_MS : IDLE_MS - IDLE_CROWDED_MS;
		if ((at > 0 && at <= now) ||
		    ((x->state == BODY || x->state == WRITING) && !pace_kept(x, now)))
			overdue(x);
	}
	if (h->paused)
		resume(h);
}

/* ---- the whole ---- */

int http_new(struct http **out, struct event_base *base, const struct http_limits *limits,
    http_handler *handler, http_body *wants, void *ctx)
{
	struct timeval tv = {TICK_MS / 1000, TICK_MS % 1000 * 1000};
	struct http *h = calloc(1, sizeof *h);

	*out = h;
	if (!h)
		return ERR_NOMEM;
	h->base = base;
	h->limits = *limits;
	h->handler = handler;
	h->wants = wants;
	h->ctx = ctx;
	h->crowd = crowd_new();
	h->tick = event_new(base, -1, EV_PERSIST, on_tick, h);
	if (!h->crowd || !h->tick || event_add(h->tick, &tv) != 0) {
		http_free(h);
		*out = NULL;
		return ERR_NOMEM;
	}
	return OK;
}

void http_limit(struct http *h, const struct http_limits *limits)
{
	h->limits = *limits;
}

int http_listen(struct http *h, int fd, struct web_tls *tls)
{
	struct listening *l = &h->listening[h->listening_count];

	if (h->listening_count == LISTENERS_MAX)
		return ERR_NOMEM;
	*l = (struct listening){.http = h, .tls = tls};
	l->listener = evconnlistener_new(h->base, on_accept, l, LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!l->listener)
		return ERR_NOMEM;
	evconnlistener_set_error_cb(l->listener, on_accept_error);
	h->listening_count++;
	return OK;
}

void http_finish(struct http *h)
{
	h->finishing = true;
	for (size_t i = 0; i < h->listening_count; i++)
		evconnlistener_disable(h->listening[i].listener);
	for (struct exchange *x = h->first, *next; x; x = next) {
		next = x->next;
		if (x->state == STREAM)
			exchange_end(x);
	}
	if (h->count == 0)
		event_base_loopbreak(h->base);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	h->finishing = true;
	while (h->first)
		exchange_free(h->first);
	for (size_t i = 0; i < h->listening_count; i++)
		evconnlistener_free(h->listening[i].listener);
	crowd_free(h->crowd);
	if (h->tick)
		event_free(h->tick);
	free(h);
}
