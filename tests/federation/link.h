/* SPDX-License-Identifier: BSD-2-Clause */
/* An emulator of links between nodes: delay, random loss, rate and a queue that overflows.
 *
 * A *link* joins two ends, a and b. Each direction is a *lane* with settings of its own, which may
 * change while it runs. Two kinds: packets between tun devices in two network namespaces, where all
 * of this is real to TCP; and, where these can't be made, the bytes of TCP connections through a
 * proxy on the loopback, which knows delay, rate and stalls, and no loss. One thread. */
#ifndef TESTS_FEDERATION_LINK_H
#define TESTS_FEDERATION_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 1500   /* of the devices */
#define CHUNK_MAX 16384   /* bytes of a connection that are delayed as one */
#define WAITING_MAX 65536 /* packets in one lane, whatever its queue limit */
#define NS UINT64_C(1000000000)

struct settings {
	uint64_t delay; /* one way, ns */
	double loss;    /* 0 to 1 */
	uint64_t rate;  /* bits per second; 0: without limit */
	uint64_t queue; /* bytes that may wait for their turn at that rate */
	bool down;
};

struct counts {
	uint64_t in, in_bytes, out, out_bytes;
	uint64_t lost;  /* by chance */
	uint64_t full;  /* the queue was */
	uint64_t cut;   /* while down */
	uint64_t queue; /* most bytes that waited for their turn */
	uint64_t late;  /* most ns after its time that one was delivered */
};

/* A packet, or some bytes of a connection. */
struct piece {
	uint64_t due;
	size_t len;
	uint8_t *data;
};

/* What is on its way in one direction, first in, first out. */
struct flow {
	struct piece *ring;
	size_t first, count, cap;
	uint64_t free_at; /* when the line has sent what came so far */
	uint64_t last_due;
	size_t bytes;
};

struct lane {
	struct settings settings;
	struct counts counts;
	unsigned short
	    chance[3]; /* of its own, so that one lane's traffic does not change another's losses */
};

struct link {
	struct lane lane[2]; /* a to b, b to a */
};

/* Decide what becomes of `len` bytes that enter a lane now: dropped (false), or kept, as a copy,
 * until they are due. */
bool flow_enter(struct flow *f, struct lane *lane, const void *data, size_t len, uint64_t now);
/* The oldest piece, or NULL; take it off with flow_shift(). */
struct piece *flow_first(struct flow *f);
void flow_shift(struct flow *f);
void flow_clear(struct flow *f);
/* Bytes that wait for their turn at the lane's rate. */
uint64_t flow_queued(const struct flow *f, const struct lane *lane, uint64_t now);

/* What a kind of link does. `ready` moves what can be moved, and returns when something is due
 * next (UINT64_MAX: nothing). `wait` adds to the descriptors that wake us. */
struct pollfd;
struct wiring {
	/* Make link `i` from its description; false: it can't be made, said on standard error. */
	bool (*add)(struct link *link, size_t i, char *text);
	size_t (*wait)(struct pollfd *fds, size_t max);
	uint64_t (*ready)(uint64_t now);
};
extern const struct wiring tun_wiring, proxy_wiring;

uint64_t now_ns(void);

#endif
