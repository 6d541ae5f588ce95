/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection that carries frames: socket, TLS, framing, limits and deadlines in one object, so
 * that nothing above it ever sees half a frame or half a handshake (SPEC.md sections 10.2 to 10.5).
 * Loop thread; over libevent and OpenSSL.
 *
 * Life: made by channel_accept() or channel_connect(); `open` when TLS is up; `frame` for each;
 * `closed` exactly once, last, after which the channel is gone. Inside any callback the channel may
 * be closed with channel_close() or channel_fail(); `closed` then follows later, from the loop. */
#ifndef NET_CHANNEL_H
#define NET_CHANNEL_H

#include <event2/event.h>

#include "msg/frame.h"
#include "net/tls.h"

#define CHANNEL_LOW_WATER (128 * 1024)        /* `writable` when the output falls to this */
#define CHANNEL_OUTPUT_MAX (16 * 1024 * 1024) /* a reader that lets more pile up is dropped */
#define CHANNEL_POLITE (1024 * 1024)
#define CHANNEL_LARGE 65536 /* a payload above this takes part in the budget */

struct channel;

struct channel_events {
	void (*open)(void *ctx, struct channel *ch);
	void (*frame)(void *ctx, struct channel *ch, const struct frame *frame);
	void (*writable)(void *ctx, struct channel *ch);
	/* Why it ended: OK (closed here, on purpose), or an error; `text` is one line for the
	 * operator's log. */
	void (*closed)(void *ctx, struct channel *ch, int err, const char *text);
};

/* What all channels of a process share. */
struct net {
	struct event_base *base;
	struct tls *tls;
	size_t budget; /* bytes that large frames under way may hold together */
	size_t budget_used;
	struct channel *holders; /* those who have a part of it */
	/* Deadlines: TLS and HELLO; one frame; silence before PING. And TCP alone: what isn't
	 * answered is asked less and less often by the system, so that beginning anew finds a line
	 * that is back sooner. */
	uint64_t handshake_ms, frame_ms, idle_ms, connect_ms;
};

#define NET_DEFAULTS                                                                              \
	.budget = 64 * 1024 * 1024, .handshake_ms = 10000, .connect_ms = 4000, .frame_ms = 60000, \
	.idle_ms = 60000

/* Take over an accepted, non-blocking socket (closed on failure too). `tls` false: a Unix socket in
 * the clear, without HELLO. NULL on failure. */
struct channel *channel_accept(
    struct net *net, int fd, bool tls, const struct channel_events *events, void *ctx);
/* Connect to "HOST:PORT" or "[v6]:PORT"; trouble is reported through `closed`. NULL only for lack
 * of memory or a malformed address. */
struct channel *channel_connect(
    struct net *net, const char *address, const struct channel_events *events, void *ctx);
/* The same over a Unix socket, in the clear. */
struct channel *channel_connect_unix(
    struct net *net, const char *path, const struct channel_events *events, void *ctx);

/* HELLO was accepted: other frames, larger ones, and PING from now on. */
void channel_greeted(struct channel *ch);

/* Stop reading requests while more than CHANNEL_POLITE bytes of answers wait: for clients, whose
 * answers are larger than their questions. Not between nodes, where both sides could end up waiting
 * for each other. */
void channel_polite(struct channel *ch);

/* A link between nodes: PING every 15 s, end it when nothing comes for 45 s or what was sent is not
 * acknowledged for 10 s. */
void channel_watch(struct channel *ch);
/* The same at once, unless one is not answered yet. */
void channel_ping(struct channel *ch);
/* Whether a PING was answered yet; and the ms that the last one took, with what was queued in both
 * directions. */
bool channel_measured(const struct channel *ch);
uint64_t channel_rtt(const struct channel *ch);
/* When (clock_mono_ms()) the PING left that is not answered yet; 0: none. */
uint64_t channel_unanswered(const struct channel *ch);

/* Bytes of frames that came, and that were queued. */
void channel_traffic(const struct channel *ch, uint64_t *in, uint64_t *out);

/* Queue a frame. A failure (memory, output over its limit) closes the channel. */
void channel_send(
    struct channel *ch, uint8_t type, uint32_t stream, const ProtobufCMessage *message);
/* The same for one that is all there is to say: it goes without waiting for the loop, as below. */
void channel_send_now(
    struct channel *ch, uint8_t type, uint32_t stream, const ProtobufCMessage *message);
/* Queue a whole frame that others may be sent as well: it is not copied, and `done` is called once
 * nothing of it is needed any more, perhaps before this returns, perhaps after the channel has
 * closed. `at_once`: what the socket takes, while nothing is queued, goes without waiting for the
 * loop, and `writable` isn't called for it; to be limited by the caller, for the others' sake. */
void channel_send_frame(struct channel *ch, struct bytes frame, bool at_once,
    void (*done)(const void *data, size_t len, void *ctx), void *ctx);
size_t channel_backlog(const struct channel *ch);

/* Send ERROR on stream 0, then close when it is out (or after a second). `err` is what `closed`
 * will report. */
void channel_fail(struct channel *ch, int err, const char *text);
/* The same with one of the wire's own codes. */
void channel_refuse(struct channel *ch, uint32_t code, int err, const char *text);
/* Close when the output is out (or after a second). */
void channel_close(struct channel *ch);
/* End it here and now, `closed` included; for the end of a program. */
void channel_drop(struct channel *ch);
bool channel_closing(const struct channel *ch);

/* ERR_NOTFOUND when the other side has no certificate. */
int channel_pin(const struct channel *ch, uint8_t pin[static HASH_LEN]);
/* "192.0.2.1:4242", "[2001:db8::1]:4242", or "local". */
const char *channel_address(const struct channel *ch);
/* Whose connection it is, for counting: the IPv4 address, or the IPv6 /64. */
const char *channel_host(const struct channel *ch);

/* Split "HOST:PORT" or "[v6]:PORT"; host takes 256, port 6 characters. ERR_MALFORMED. */
int address_split(const char *address, char host[static 256], char port[static 6]);

#endif
