/* SPDX-License-Identifier: BSD-2-Clause */
/* The states of a connection:
 *
 *   READING   for a head; nothing of one has come yet, or a part
 *   BODY      the head says there is one
 *   BUSY      the handler has it
 *   WRITING   the answer is going out; then READING, or the end
 *   STREAM    an answer without an end
 *   LINGER    all is said; what the other side still sends is thrown away, since closing on it
 *             would destroy the answer on its way
 *
 * Each has a deadline, measured from its beginning and not from the last byte, and for what takes
 * as long as its bytes need, a pace; a single timer looks at all of them. Where there is no room
 * for somebody new, the slowest go. Within a callback a connection that fails is only marked
 * (`ended`), and freed on the way out: the callers above still hold it. */
#include "daemon/web/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/web/crowd.h"

#define TICK_MS 500
#define IDLE_MS 60000        /* between two requests */
#define IDLE_CROWDED_MS 3000 /* when three of four connections are in use */
#define HEAD_MS 10000        /* from the first byte of a head to its last */
#define BODY_MS 20000        /* in each such time a body has to grow by as much as … */
#define WRITE_MS 30000       /* and an answer to become less, or the rest of it to go … */
#define PACE_MIN 1000        /* … bytes a second make */
#define SLOW_MS 5000         /* who is at one thing for so long, … */
#define SLOW_PACE 8192       /* … by fewer bytes a second, makes way */
#define HELD_MAX (64 << 20)  /* bytes of bodies and of copied answers, all together */
#define KEPT_MAX 4096        /* room that stays with a connection between two requests */
#define STREAM_BACKLOG 65536
#define LINGER_MS 2000
#define SEND_ROOM                                                                            \
	131072 /* of a socket, doubled by the system; else readers who take nothing fill its \
		  memory */
#define LISTENERS_MAX 64

enum state { READING, BODY, BUSY, WRITING, STREAM, LINGER };

struct exchange {
	struct http *http;
	struct exchange *prev, *next;
	struct bufferevent *bev;
	struct crowd_one *one; /* NULL: not counted */
	bool plain;
	enum state state;
	uint64_t deadline; /* mono ms; 0: none */
	struct head head;
	struct buffer text; /* that `head` points into */
	struct buffer body;
	size_t scanned; /* of the input, without an end of a head */
	bool begun;     /* some of the head has come */
	bool last;      /* no further request after this one */
	bool linger;    /* … and the other side doesn't expect that */
	bool inside;    /* a callback of ours is at it */
	bool ended;     /* to be freed on the way out */
	bool half;      /* the other side will send no more */
	bool asking;    /* counted in `one` */
	unsigned answers;
	struct event *again;    /* to go on with what has come; NULL: never was needed */
	uint64_t since;         /* mono ms: the state began */
	uint64_t whole;         /* bytes that BODY or WRITING began with */
	uint64_t mark_at, mark; /* what was left of them when it was last looked */
	uint64_t pace;          /* bytes a second, since it began */
	size_t held;            /* of HELD_MAX */
	void (*gone)(void *ctx);
	void *gone_ctx;
};

struct listening {
	struct http *http;
	struct evconnlistener *listener;
	struct web_tls *tls;
};

struct http {
	struct event_base *base;
	struct http_limits limits;
	http_handler *handler;
	http_body *wants;
	void *ctx;
	struct listening listening[LISTENERS_MAX];
	size_t listening_count;
	struct exchange *first; /* the newest connection */
	size_t count;
	size_t held; /* by all of them */
	struct crowd *crowd;
	struct event *tick;
	bool finishing;
	bool paused; /* accepting, for want of something */
	time_t date_at;
	char date[40];
};

static void serve(struct exchange *x);

/* ---- the end of a connection ---- */

static void resume(struct http *h)
{
	h->paused = false;
	for (size_t i = 0; i < h->listening_count && !h->finishing; i++)
		evconnlistener_enable(h->listening[i].listener);
}

static void asked_end(struct exchange *x)
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
	asked_end(x);
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

static void conn_end(struct exchange *x)
{
	if (x->inside)
		x->ended = true;
	else
		exchange_free(x);
}

/* On the way out of a callback; false: there is no connection any more. */
static bool leave(struct exchange *x)
{
	bool ended = x->ended;

	x->inside = false;
	if (ended)
		exchange_free(x);
	return !ended;
}

static void hold(struct exchange *x, size_t bytes)
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

static void pace_begin(struct exchange *x, enum state state)
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

/* End the slowest of those that have been at it for a while. */
static bool slowest_end(struct http *h, bool body_only, bool writing_only)
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
	return slowest_end(h, false, true);
}

static void begin_reading(struct exchange *x)
{
	x->state = READING;
	x->pace = 0;
	x->scanned = 0;
	x->begun = false;
	x->deadline = clock_mono_ms() + IDLE_MS;
}

static void answer_out(struct exchange *x)
{
	hold(x, 0);
	if (!x->last && !x->http->finishing) {
		begin_reading(x);
		return;
	}
	if (!x->linger) {
		conn_end(x);
		return;
	}
	x->state = LINGER;
	x->deadline = clock_mono_ms() + LINGER_MS;
	if (!x->plain)
		SSL_shutdown(bufferevent_openssl_get_ssl(x->bev));
	shutdown(bufferevent_getfd(x->bev), SHUT_WR);
}

/* ---- answers ---- */

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} table[] = {{200, "OK"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
	    {304, "Not Modified"}, {400, "Bad Request"}, {403, "Forbidden"}, {404, "Not Found"},
	    {405, "Method Not Allowed"}, {408, "Request Timeout"}, {410, "Gone"},
	    {411, "Length Required"}, {413, "Content Too Large"}, {414, "URI Too Long"},
	    {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
	    {421, "Misdirected Request"}, {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
	    {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
	    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"}};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].status == status)
			return table[i].reason;
	return "";
}

static const char *date_now(struct http *h)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != h->date_at) {
		gmtime_r(&now, &tm);
		/* Not strftime(): its names follow the language that a page is in. */
		static const char days[] = "SunMonTueWedThuFriSat",
				  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
		snprintf(h->date, sizeof h->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
		    days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon,
		    (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
		    (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
		h->date_at = now;
	}
	return h->date;
}

struct released {
	void (*release)(void *owner);
	void *owner;
};

static void on_released(const void *data, size_t len, void *arg)
{
	struct released *r = arg;

	(void)data;
	(void)len;
	r->release(r->owner);
	free(r);
}

/* Queue the body behind what is queued; it is given back in any case. */
static bool queue_body(struct evbuffer *out, struct bytes body, const struct http_answer *a)
{
	struct released *r;
	bool ok;

	if (!a->release)
		return evbuffer_add(out, body.data, body.len) == 0;
	r = body.len > 0 ? malloc(sizeof *r) : NULL;
	if (r) {
		*r = (struct released){a->release, a->owner};
		if (evbuffer_add_reference(out, body.data, body.len, on_released, r) == 0)
			return true;
		free(r);
	}
	ok = body.len == 0;
	a->release(a->owner);
	return ok;
}

/* What the socket takes at once goes without a turn of the loop. */
static size_t send_now(struct exchange *x, struct bytes head, struct bytes body)
{
	struct iovec parts[] = {
	    {(void *)(uintptr_t)head.data, head.len}, {(void *)(uintptr_t)body.data, body.len}};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = body.len > 0 ? 2 : 1};
	ssize_t n;

	if (!x->plain || evbuffer_get_length(bufferevent_get_output(x->bev)) > 0)
		return 0;
	n = sendmsg(bufferevent_getfd(x->bev), &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n > 0 ? (size_t)n : 0; /* an error shows again where it is handled */
}

static struct bytes rest_of(struct bytes b, size_t *sent)
{
	size_t n = *sent < b.len ? *sent : b.len;

	*sent -= n;
	return bytes_of(b.data + n, b.len - n);
}

/* What one request has needed the next won't, as a rule. */
static void room_give_back(struct buffer *b)
{
	if (b->cap > KEPT_MAX)
		buffer_free(b);
	else
		buffer_reset(b);
}

void exchange_answer(struct exchange *x, const struct http_answer *a)
{
	struct evbuffer *out = bufferevent_get_output(x->bev);
	struct buffer *head = &x->text; /* the request's is of no use any more */
	bool method_head = x->head.method == METHOD_HEAD, ok;
	bool outermost = !x->inside;
	struct bytes body = a->body, part;
	size_t sent;

	x->inside = true;
	x->gone = NULL;
	x->answers++;
	asked_end(x);
	if (method_head || a->status == 304)
		body.len = 0;
	x->last = x->last || x->head.close || x->http->finishing;
	buffer_reset(head);
	http_head_clear(&x->head);
	buffer_printf(head, "HTTP/1.1 %d %s\r\nDate: %s\r\n", a->status, http_reason(a->status),
	    date_now(x->http));
	if (a->status != 304)
		buffer_printf(head, "Content-Length: %zu\r\n", a->body.len);
	if (x->last)
		buffer_add_str(head, "Connection: close\r\n");
	buffer_add(head, a->fields.data, a->fields.len);
	buffer_add_str(head, "\r\n");
	sent = send_now(x, buffer_bytes(head), body);
	part = rest_of(buffer_bytes(head), &sent);
	ok = part.len == 0 || evbuffer_add(out, part.data, part.len) == 0;
	part = rest_of(body, &sent);
	ok = queue_body(out, part, a) && ok && !head->failed;
	room_give_back(&x->body);
	room_give_back(&x->text);
	hold(x, a->release ? 0 : part.len);
	x->ended |= !ok;
	pace_begin(x, WRITING);
	/* Who answers later isn't in serve(), which would go on with the next request. */
	if (ok && evbuffer_get_length(out) == 0)
		answer_out(x);
	if (outermost && leave(x) && x->state == READING)
		serve(x);
}

bool exchange_stream(struct exchange *x, struct bytes fields)
{
	buffer_reset(&x->text);
	http_head_clear(&x->head);
	x->last = true;
	x->state = STREAM;
	x->deadline = 0;
	buffer_printf(&x->text, "HTTP/1.1 200 OK\r\nDate: %s\r\nConnection: close\r\n%.*s\r\n",
	    date_now(x->http), (int)fields.len, (const char *)fields.data);
	return exchange_write(x, buffer_bytes(&x->text));
}

bool exchange_write(struct exchange *x, struct bytes data)
{
	struct evbuffer *out = bufferevent_get_output(x->bev);
	size_t sent = send_now(x, data, bytes_of(NULL, 0));
	struct bytes rest = rest_of(data, &sent);

	if (rest.len == 0)
		return true;
	if (evbuffer_get_length(out) + rest.len > STREAM_BACKLOG ||
	    evbuffer_add(out, rest.data, rest.len) != 0) {
		conn_end(x);
		return false;
	}
	if (x->deadline == 0)
		x->deadline = clock_mono_ms() + WRITE_MS;
	return true;
}

bool exchange_is_behind(const struct exchange *x)
{
	return evbuffer_get_length(bufferevent_get_output(x->bev)) > STREAM_BACKLOG / 2;
}

void exchange_end(struct exchange *x)
{
	conn_end(x);
}

/* ---- requests ---- */

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
	hold(x, 0);
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

static void handle(struct exchange *x, int status)
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
		handle(x, too_long(in));
		return;
	}
	if (len == 0)
		return;
	buffer_reset(&x->text);
	to = buffer_reserve(&x->text, len + 1);
	if (!to || evbuffer_remove(in, to, len) != (int)len) {
		conn_end(x);
		return;
	}
	to[len] = '\0';
	buffer_reset(&x->body);
	status = http_head_parse(&x->head, (char *)to, len);
	if (status) {
		handle(x, status);
		return;
	}
	if (x->head.method == METHOD_POST && !x->head.has_length) {
		handle(x, 411);
	} else if (x->head.length > x->http->limits.body) {
		handle(x, 413);
	} else if (x->head.length > 0 && (status = x->http->wants(x->http->ctx, &x->head)) != 0) {
		const char *language = x->head.accept_language;

		http_head_clear(&x->head);
		x->head.accept_language = language;
		handle(x, status);
	} else if (x->head.length > 0) {
		pace_begin(x, BODY);
		if (x->head.expects && evbuffer_get_length(in) == 0)
			bufferevent_write(x->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	} else {
		handle(x, 0);
	}
}

static void take_body(struct exchange *x)
{
	struct evbuffer *in = bufferevent_get_input(x->bev);
	size_t have = evbuffer_get_length(in), want = (size_t)x->head.length - x->body.len;
	size_t n = have < want ? have : want;
	uint8_t *to = buffer_reserve(&x->body, n);

	if (!to || evbuffer_remove(in, to, n) != (int)n) {
		conn_end(x);
		return;
	}
	x->body.len += n;
	hold(x, x->body.cap);
	if (x->http->held > HELD_MAX && !slowest_end(x->http, true, false))
		handle(x, 503);
	else if (n == want)
		handle(x, 0);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	struct exchange *x = ctx;

	(void)fd;
	(void)what;
	if (x->state == READING)
		serve(x);
}

/* After the others have had their turn. */
static bool serve_again(struct exchange *x)
{
	struct timeval now = {0, 0};

	if (!x->again)
		x->again = event_new(x->http->base, -1, 0, on_again, x);
	return x->again && event_add(x->again, &now) == 0;
}

/* Go on with what has come, up to one answer: some hundred requests fit into what comes at once. */
static void serve(struct exchange *x)
{
	struct evbuffer *in = bufferevent_get_input(x->bev);
	unsigned answers = x->answers;
	enum state before;
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
	leave(x);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	(void)bev;
	serve(ctx);
}

static void on_write(struct bufferevent *bev, void *ctx)
{
	struct exchange *x = ctx;

	(void)bev;
	x->inside = true;
	if (x->state == STREAM)
		x->deadline = 0;
	else if (x->state == WRITING)
		answer_out(x);
	if (leave(x) && x->state == READING)
		serve(x);
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
	conn_end(x);
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
		return slowest_end(h, false, false);
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
	begin_reading(x);
	bufferevent_setwatermark(x->bev, EV_READ, 0, HEAD_MAX + 4096);
	bufferevent_setcb(x->bev, on_read, on_write, on_event, x);
	bufferevent_enable(x->bev, EV_READ | EV_WRITE);
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
		handle(x, 408);
	} else if (x->state == BODY) {
		handle(x, 408);
	} else {
		x->ended = true;
	}
	leave(x);
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
			conn_end(x);
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
