/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections: TLS, HELLO, and their end. That a node is who it should be is not looked at here,
 * where it was started a moment ago on this machine; its clients do. */
#include <string.h>

#include "base/error.h"
#include "tests/bench/drive.h"

#define OPENING_MAX 100 /* handshakes under way */
#define OPEN_SECONDS 60

static void opened(struct conn *c)
{
	if (c->counted)
		drive.opening--;
	c->counted = false;
}

static void hello_take(struct conn *c, const struct frame *frame)
{
	struct node *node = c->node;
	ProtobufCMessage *any;

	if (frame->type != FRAME_HELLO ||
	    message_unpack(&any, frame_descriptor(FRAME_HELLO), frame->payload) != OK)
		conn_surprise(c, frame);
	if (!node->known) {
		const Convene__Hello *m = (const Convene__Hello *)any;

		if (m->forum.len != HASH_LEN ||
		    binding_make(&node->binding, m->forum.data, bytes_of_pb(m->log)) != OK)
			die("%s says HELLO without a log", node->name);
		node->known = true;
	}
	message_free(any);
	c->greeted = true;
	channel_greeted(c->channel);
	opened(c);
	if (c->ready)
		c->ready(c);
}

static void on_open(void *ctx, struct channel *ch)
{
	Convene__Hello hello = CONVENE__HELLO__INIT;

	(void)ctx;
	hello.version_min = PROTOCOL_VERSION_MIN;
	hello.version_max = PROTOCOL_VERSION_MAX;
	hello.role = CONVENE__ROLE__CLIENT;
	hello.software = pb_of(bytes_str("bench"));
	channel_send(ch, FRAME_HELLO, 0, &hello.base);
}

static void on_frame(void *ctx, struct channel *ch, const struct frame *frame)
{
	struct conn *c = ctx;

	(void)ch;
	if (c->leaving)
		return;
	if (frame->type == FRAME_ERROR)
		conn_surprise(c, frame);
	if (!c->greeted)
		hello_take(c, frame);
	else if (c->frame)
		c->frame(c, frame);
	else
		conn_surprise(c, frame);
}

static void on_closed(void *ctx, struct channel *ch, int err, const char *text)
{
	struct conn *c = ctx;

	(void)ch;
	(void)err;
	if (!c->leaving)
		die("a connection to %s ended: %s", c->node->name, text);
	c->channel = NULL;
}

static const struct channel_events events = {
    .open = on_open, .frame = on_frame, .closed = on_closed};

void conn_surprise(struct conn *c, const struct frame *frame)
{
	ProtobufCMessage *any;

	if (frame->type == FRAME_ERROR &&
	    message_unpack(&any, frame_descriptor(FRAME_ERROR), frame->payload) == OK) {
		const Convene__Error *m = (const Convene__Error *)any;

		die("%s refuses: code %u, %.*s", c->node->name, m->code, (int)m->text.len,
		    (const char *)m->text.data);
	}
	die("%s sends a %s frame that nobody asked for", c->node->name, frame_name(frame->type));
}

void conn_open(struct conn *c, struct node *node,
    void (*frame)(struct conn *, const struct frame *), void *owner)
{
	const char *address = node->addresses[node->address_next++ % node->address_count];

	*c = (struct conn){.node = node, .frame = frame, .owner = owner, .counted = true};
	drive.opening++;
	c->channel = channel_connect(&drive.net, address, &events, c);
	if (!c->channel)
		die("%s can't be connected to", address);
}

void conn_open_all(size_t count, void (*open)(size_t i, void *ctx), void *ctx)
{
	uint64_t deadline = now_ns() + (uint64_t)(OPEN_SECONDS + count / 20) * 1000000000;
	size_t i = 0;

	while (i < count || drive.opening > 0) {
		while (i < count && drive.opening < OPENING_MAX)
			open(i++, ctx);
		event_base_loop(drive.base, EVLOOP_ONCE);
		if (now_ns() > deadline)
			die("%zu of %zu connections were not answered", drive.opening, count);
	}
}

void conn_leave(struct conn *c)
{
	if (!c->channel)
		return;
	opened(c);
	c->leaving = true;
	channel_close(c->channel);
	while (c->channel)
		event_base_loop(drive.base, EVLOOP_ONCE);
}

void conn_drop(struct conn *c)
{
	opened(c);
	c->leaving = true;
	channel_drop(c->channel);
}
