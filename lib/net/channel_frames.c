/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames, out and in; and whose turn it is to be read. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/channel_inside.h"

#define BUDGET_RETRY_MS 50
#define BUDGET_SHARE 4               /* one address gets this part of it */
#define TURN_MS 20                   /* what one connection may work at a time */
#define NODE_LOOKS 8                 /* frames of a node between looks at the clock */
#define RECORD_LEN (16 * 1024 - 256) /* with libevent's own head it has to fit 16 KiB */

void channel_send_raw(struct channel *ch, uint8_t type, struct bytes payload)
{
	buffer_reset(&ch->scratch);
	if (frame_add_raw(&ch->scratch, type, 0, payload) == OK)
		evbuffer_add(bufferevent_get_output(ch->bev), ch->scratch.data, ch->scratch.len);
	if (channel_backlog(ch) > CHANNEL_OUTPUT_MAX)
		channel_end(ch, ERR_TOO_LARGE, "it sends PINGs and does not read the answers");
}

/* How much of it the socket has taken. What it has not must be queued from the first byte that is
 * left, and nothing before it: TLS may have that ready already. */
static size_t write_now(struct channel *ch, struct bytes bytes)
{
	SSL *ssl = bufferevent_openssl_get_ssl(ch->bev);
	size_t sent = 0;

	while (sent < bytes.len) {
		size_t left = bytes.len - sent;
		int n;

		ERR_clear_error();
		n = SSL_write(ssl, bytes.data + sent, left < INT_MAX ? (int)left : INT_MAX);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	/* An error comes again when the loop writes. */
	ERR_clear_error();
	return sent;
}

static void message_send(struct channel *ch, uint8_t type, uint32_t stream,
    const ProtobufCMessage *message, bool at_once)
{
	struct evbuffer *out = bufferevent_get_output(ch->bev);
	size_t now = 0;
	int err;

	if (ch->state == CLOSING)
		return;
	buffer_reset(&ch->scratch);
	err = message ? frame_add(&ch->scratch, type, stream, message)
		      : frame_add_raw(&ch->scratch, type, stream, bytes_of(NULL, 0));
	if (!err && at_once && ch->tls && ch->state == OPEN && evbuffer_get_length(out) == 0)
		now = write_now(ch, buffer_bytes(&ch->scratch));
	/* Each piece of the buffer becomes a TLS record, and the next piece is as large as the
	 * last: between nodes, where much goes out at a time, as large as a record may be. */
	if (!err && !at_once && ch->watched && channel_backlog(ch) == 0)
		evbuffer_expand(out, RECORD_LEN);
	if (!err && now < ch->scratch.len &&
	    evbuffer_add(out, ch->scratch.data + now, ch->scratch.len - now) != 0)
		err = ERR_NOMEM;
	ch->bytes_out += err ? 0 : ch->scratch.len;
	if (ch->scratch.cap > 2 * CHANNEL_LARGE)
		buffer_free(&ch->scratch);
	if (!err && channel_backlog(ch) > CHANNEL_OUTPUT_MAX)
		err = ERR_TOO_LARGE;
	if (err)
		channel_end(ch, err, "its output could not be queued: it reads too slowly");
}

void channel_send(
    struct channel *ch, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	message_send(ch, type, stream, message, false);
}

void channel_send_now(
    struct channel *ch, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	message_send(ch, type, stream, message, true);
}

void channel_send_frame(struct channel *ch, struct bytes frame, bool at_once,
    void (*done)(const void *data, size_t len, void *ctx), void *ctx)
{
	struct evbuffer *out = bufferevent_get_output(ch->bev);
	size_t now = 0;

	if (ch->state == CLOSING) {
		done(frame.data, frame.len, ctx);
		return;
	}
	ch->bytes_out += frame.len;
	if (at_once && ch->tls && ch->state == OPEN && evbuffer_get_length(out) == 0)
		now = write_now(ch, frame);
	if (now == frame.len) {
		done(frame.data, frame.len, ctx);
	} else if (evbuffer_add_reference(out, frame.data + now, frame.len - now, done, ctx) != 0) {
		done(frame.data, frame.len, ctx);
		channel_end(ch, ERR_NOMEM, "its output could not be queued");
	} else if (channel_backlog(ch) > CHANNEL_OUTPUT_MAX) {
		channel_end(
		    ch, ERR_TOO_LARGE, "its output could not be queued: it reads too slowly");
	}
}

/* ---- reading ---- */

void channel_budget_give(struct channel *ch)
{
	if (ch->reserved == 0)
		return;
	*ch->holder_at = ch->next_holder;
	if (ch->next_holder)
		ch->next_holder->holder_at = ch->holder_at;
	ch->net->budget_used -= ch->reserved;
	ch->reserved = 0;
}

static void frame_done(struct channel *ch)
{
	channel_budget_give(ch);
	ch->deadline = 0;
}

/* The whole of a large frame is about to be held: it needs a place in the budget, and waits unread
 * until there is one. The frame's deadline goes on counting, so that those who hold a place without
 * using it lose it. Nodes, which are few and known, are not made to wait for clients, nor one
 * address for another. */
static bool budget_take(struct channel *ch, size_t need)
{
	size_t same = 0;

	if (need <= CHANNEL_LARGE || ch->reserved > 0 || !ch->polite)
		return true;
	for (const struct channel *h = ch->net->holders; h; h = h->next_holder)
		same += strcmp(h->host, ch->host) == 0 ? h->reserved : 0;
	if (ch->net->budget_used + need > ch->net->budget ||
	    (same > 0 && same + need > ch->net->budget / BUDGET_SHARE))
		return false;
	ch->reserved = need;
	ch->net->budget_used += need;
	ch->next_holder = ch->net->holders;
	ch->holder_at = &ch->net->holders;
	if (ch->next_holder)
		ch->next_holder->holder_at = &ch->next_holder;
	ch->net->holders = ch;
	return true;
}

void channel_input(struct channel *ch)
{
	struct evbuffer *in = bufferevent_get_input(ch->bev);
	uint64_t began = clock_mono_ms();
	unsigned looks = ch->watched ? NODE_LOOKS : 1, frames = 0;
	bool greeting = ch->tls;

	while (ch->state != CLOSING) {
		uint8_t head[FRAME_HEADER_LEN];
		ev_ssize_t have = evbuffer_copyout(in, head, sizeof head);
		size_t need = 0, total = evbuffer_get_length(in);
		struct frame frame;
		char text[128];
		int err;

		if (have <= 0)
			break;
		if (ch->polite && channel_backlog(ch) > CHANNEL_POLITE) {
			ch->throttled = true;
			bufferevent_disable(ch->bev, EV_READ);
			return;
		}
		greeting = ch->tls && ch->state == GREETING;
		err = frame_peek(bytes_of(head, (size_t)have), greeting, &frame, &need);
		if (err == ERR_TRUNCATED && need > FRAME_HEADER_LEN && total >= need) {
			const uint8_t *all = evbuffer_pullup(in, (ev_ssize_t)need);

			err = all ? frame_peek(bytes_of(all, need), greeting, &frame, &need)
				  : ERR_NOMEM;
		}
		if (err == ERR_TRUNCATED) {
			if (!budget_take(ch, need)) {
				ch->waiting = true;
				bufferevent_disable(ch->bev, EV_READ);
				channel_timer(ch, BUDGET_RETRY_MS);
			}
			if (ch->deadline == 0)
				ch->deadline = clock_mono_ms() + ch->net->frame_ms;
			bufferevent_setwatermark(
			    ch->bev, EV_READ, need > total ? need : 0, need + CHANNEL_LARGE);
			return;
		}
		if (err) {
			if (err == ERR_TOO_LARGE)
				snprintf(text, sizeof text,
				    "a %s frame of %u bytes is over its limit of %u",
				    frame_name(head[4]), get_u32(head),
				    greeting ? FRAME_HELLO_MAX : frame_limit(head[4]));
			else if (greeting)
				snprintf(text, sizeof text,
				    "HELLO is expected first, not a frame of type %u", head[4]);
			else
				snprintf(
				    text, sizeof text, "no frame of type %u is known", head[4]);
			channel_refuse(ch,
			    err == ERR_TOO_LARGE ? CONVENE__CODE__FRAME_TOO_LARGE
						 : CONVENE__CODE__UNEXPECTED,
			    err, text);
			return;
		}
		if (frame.type == FRAME_PING && frame.payload.len <= 64)
			channel_send_raw(ch, FRAME_PONG, frame.payload);
		else if (frame.type == FRAME_PONG)
			channel_pong(ch, frame.payload);
		else
			ch->events->frame(ch->ctx, ch, &frame);
		ch->bytes_in += FRAME_HEADER_LEN + frame.payload.len;
		evbuffer_drain(in, FRAME_HEADER_LEN + frame.payload.len);
		if (ch->state != GREETING)
			frame_done(ch);
		/* Many small questions may be long work together: the others have their turn in
		 * between. */
		if (ch->state != CLOSING && ++frames % looks == 0 &&
		    clock_mono_ms() - began >= TURN_MS && evbuffer_get_length(in) > 0) {
			ch->waiting = true;
			bufferevent_disable(ch->bev, EV_READ);
			channel_timer(ch, ch->polite ? TURN_MS : 0);
			return;
		}
	}
	if (ch->state != CLOSING)
		bufferevent_setwatermark(ch->bev, EV_READ, 0, 2 * CHANNEL_LARGE);
}

void channel_on_read(struct bufferevent *bev, void *arg)
{
	struct channel *ch = arg;

	ch->heard = clock_mono_ms();
	ch->pinged = false;
	if (ch->state == CLOSING)
		evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
	else if (!ch->waiting && !ch->throttled)
		channel_input(ch);
}

void channel_on_write(struct bufferevent *bev, void *arg)
{
	struct channel *ch = arg;

	(void)bev;
	if (ch->state == CLOSING) {
		if (channel_backlog(ch) == 0 && !ch->lingering)
			channel_timer(ch, 0);
		else if (channel_backlog(ch) == 0 && !ch->half_closed)
			channel_half_close(ch);
	} else if (ch->state == OPEN) {
		if (ch->events->writable)
			ch->events->writable(ch->ctx, ch);
		if (ch->throttled && ch->state == OPEN) {
			ch->throttled = false;
			ch->heard = clock_mono_ms();
			bufferevent_enable(ch->bev, EV_READ);
			channel_input(ch);
		}
	}
}
