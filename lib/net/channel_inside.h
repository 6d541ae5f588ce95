/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection from inside: channel.c ends and watches it, channel_open.c makes it,
 * channel_frames.c is what goes over it. */
#ifndef NET_CHANNEL_INSIDE_H
#define NET_CHANNEL_INSIDE_H

#include <event2/bufferevent.h>

#include "net/channel.h"

enum channel_state { CONNECTING, GREETING, OPEN, CLOSING };

struct channel {
	struct net *net;
	struct bufferevent *bev;
	struct event *timer;
	const struct channel_events *events;
	void *ctx;
	enum channel_state state;
	bool tls, server, pinged;
	bool polite, throttled;      /* throttled: not reading until the output is out */
	bool lingering, half_closed; /* see channel.c */
	int err;                     /* what `closed` reports */
	char text[256];
	char address[300], host[256];
	uint64_t deadline; /* of the present state, or of the frame that has begun; 0: none */
	uint64_t heard;    /* when the last bytes came */
	size_t reserved;   /* of the budget; then it is among the net's holders */
	struct channel *next_holder, **holder_at;
	bool waiting;                  /* for the budget, or for its next turn */
	bool watched, measured;        /* a link between nodes, of which the rtt is known */
	uint64_t ping_at, ping_number; /* when the last PING of a watched one left, if it is not
					  answered yet; and which it is */
	uint64_t asked;                /* when the last one left, answered or not */
	uint64_t rtt;
	uint64_t bytes_in, bytes_out; /* of frames */
	uint8_t pin[HASH_LEN];
	bool has_pin;
	struct buffer scratch;
};

/* channel.c */
void channel_free(struct channel *ch); /* without a word to its owner */
/* Call channel_on_timer() then; 0: at the loop's next turn, since `closed` never comes out of a
 * call that the owner made. */
void channel_timer(struct channel *ch, uint64_t ms);
/* Nothing more is said over it, and its owner is told: of the first reason. */
void channel_end(struct channel *ch, int err, const char *text);
void channel_opened(struct channel *ch);
void channel_pong(struct channel *ch, struct bytes payload);
/* Nothing more comes from us: all that was to be said is out. */
void channel_half_close(struct channel *ch);
void channel_on_event(struct bufferevent *bev, short what, void *arg);
void channel_on_timer(evutil_socket_t fd, short what, void *arg);

/* channel_open.c */
void channel_tune(int fd);

/* channel_frames.c */
void channel_send_raw(struct channel *ch, uint8_t type, struct bytes payload);
void channel_budget_give(struct channel *ch);
void channel_input(struct channel *ch); /* go on with what has come */
void channel_on_read(struct bufferevent *bev, void *arg);
void channel_on_write(struct bufferevent *bev, void *arg);

#endif
