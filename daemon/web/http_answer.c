/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes out on a connection: answers, and answers without an end. */
#include <event2/bufferevent_ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "daemon/web/http_inside.h"

#define KEPT_MAX 4096 /* room that stays with a connection between two requests */
#define STREAM_BACKLOG 65536
#define LINGER_MS 2000

void exchange_sent(struct exchange *x)
{
	exchange_hold(x, 0);
	if (!x->last && !x->http->finishing) {
		exchange_idle(x);
		return;
	}
	if (!x->linger) {
		exchange_end(x);
		return;
	}
	x->state = LINGER;
	x->deadline = clock_mono_ms() + LINGER_MS;
	if (!x->plain)
		SSL_shutdown(bufferevent_openssl_get_ssl(x->bev));
	shutdown(bufferevent_getfd(x->bev), SHUT_WR);
}

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
	exchange_answered(x);
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
	exchange_hold(x, a->release ? 0 : part.len);
	x->ended |= !ok;
	exchange_pace(x, WRITING);
	/* Who answers later isn't in exchange_serve(), which would go on with the next request. */
	if (ok && evbuffer_get_length(out) == 0)
		exchange_sent(x);
	if (outermost && exchange_leave(x) && x->state == READING)
		exchange_serve(x);
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
		exchange_end(x);
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
