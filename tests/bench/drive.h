/* SPDX-License-Identifier: BSD-2-Clause */
/* The load on nodes, from the side of their clients: many connections over real TLS in one process,
 * through lib/net and lib/msg, as any program of ours would have them. Commands come on standard
 * input, one a line; each is answered by one line of JSON (drive.c lists them). What goes wrong
 * ends the program: a bench measures nodes that do as they should.
 *
 * One thread. Times are CLOCK_MONOTONIC's, in ns, and of this one process, also where a message
 * goes in at one node and comes out at another. */
#ifndef BENCH_DRIVE_H
#define BENCH_DRIVE_H

#include "msg/message.h"
#include "net/channel.h"

#define NAME_MAX_LEN 63
#define ADDRESSES_MAX 64

struct conn;
struct person;

/* A node under load. */
struct node {
	char name[NAME_MAX_LEN + 1];
	char control[108];
	char addresses[ADDRESSES_MAX][64]; /* taken in turn, where ports of one would run short */
	size_t address_count, address_next;
	struct binding binding; /* from the first HELLO */
	bool known;
	struct ref topic;
	struct person **people;
	size_t people_count;
	struct watcher **watchers;
	size_t watcher_count;
	struct conn **idle;
	size_t idle_count;
	struct node *next;
};

/* One connection. */
struct conn {
	struct node *node;
	struct channel *channel;       /* NULL: not open, or gone */
	bool greeted, leaving;         /* leaving: its end is no trouble */
	bool counted;                  /* among those that are being opened */
	void (*ready)(struct conn *c); /* HELLO is over; may be NULL */
	void (*frame)(struct conn *c, const struct frame *frame);
	void *owner;
};

struct person {
	struct conn conn;
	struct key key;
	uint8_t identity[IDENTITY_LEN], secret[16];
	char handle[16];
	bool enrolled;
	uint64_t sequence;
	struct ref thread;
	unsigned thread_posts;
};

/* A post that was signed ahead; its bytes lie in the arena. */
struct post {
	struct person *by;
	size_t message, content; /* where they begin */
	uint32_t message_len, content_len;
	uint8_t salt[SALT_LEN];
	uint64_t due, sent, accepted, shown;
	uint32_t watchers; /* that were shown it */
};

/* A subscriber, and what it was shown since the posts were signed. */
struct watcher {
	struct conn conn;
	bool asked, dropping;
	uint64_t after;            /* the highest arrival number that came */
	uint64_t items, bare;      /* bare: without their text */
	uint64_t repeated, others; /* not above the one before; not among the posts */
	unsigned drops;
};

struct drive {
	struct event_base *base;
	struct net net;
	struct node *nodes;
	size_t opening; /* connections on their way to HELLO */
	/* The posts that wait to be sent, or were. */
	struct post *posts;
	size_t post_count, client_count; /* post i is client i % client_count's */
	struct node *posted_at;
	struct buffer arena;
	uint64_t bytes; /* of all messages, salts and contents */
	struct post **by_mark;
	size_t mark_mask;
};

extern struct drive drive;

void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...);
void *allocate(size_t count, size_t size); /* zeroed; never NULL */
uint64_t now_ns(void);
uint64_t cpu_ns(void); /* of this process */

struct node *node_find(const char *name);

/* Turn the loop until `*done`; dies after so many seconds without it. */
void loop_until(const bool *done, double seconds);
/* Turn it until `*done`, or about a second. */
void loop_some(const bool *done);
void loop_for(double seconds);

/* ---- drive_conn.c ---- */

/* Connect and greet; `frame` gets what comes after HELLO. */
void conn_open(struct conn *c, struct node *node,
    void (*frame)(struct conn *, const struct frame *), void *owner);
/* Open many, a hundred at a time; `open` begins the i-th. */
void conn_open_all(size_t count, void (*open)(size_t i, void *ctx), void *ctx);
/* End it, and wait for that. */
void conn_leave(struct conn *c);
/* End it this instant, without a word. */
void conn_drop(struct conn *c);
/* The refusal in an ERROR frame, or what else came, is the end. */
void __attribute__((noreturn)) conn_surprise(struct conn *c, const struct frame *frame);

/* ---- drive_people.c ---- */

/* Enrol so many more by invites of the node, and stay connected. */
void people_add(struct node *node, size_t count);
/* Somebody opens a topic, which posts are then about. */
void topic_open(struct node *node);

/* ---- drive_sign.c ---- */

/* Posts by the first `clients` people of the node, round and round, made ahead; texts of `size`
 * bytes. What was signed before is forgotten, and what watchers have counted. */
void posts_sign(struct node *node, size_t clients, size_t count, size_t size);
/* One of them, by the message; NULL: it is none. */
struct post *post_find(struct bytes message);
/* A signed message of some kind; its id is returned. */
void message_make(struct buffer *out, struct person *by, struct header *h, struct bytes content,
    uint8_t salt[static SALT_LEN], uint8_t id[static ID_LEN]);
void submission_send(struct person *by, uint32_t stream, struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content);

/* ---- drive_post.c ---- */

/* What a run of posting took. */
struct run {
	uint64_t began, ended, cpu; /* ended: what was waited for; CPU of this process */
};
/* Send all that is signed, `window` at a time for each client. */
void posts_send(struct run *run, size_t window);
/* Send them at a rate, whatever the answers do, until every one is shown at `node`. At rate 0 one
 * is sent when the one before was shown, after a pause. */
void posts_pace(struct run *run, struct node *node, double rate);
/* Send them while fewer than `window` are not yet shown to every subscriber of `node`; `drops`
 * subscribers lose their connection on the way. */
void posts_fan(struct run *run, struct node *node, size_t window, size_t drops);
/* A subscriber was shown a post. */
void post_shown(struct post *p, struct watcher *w);

/* ---- drive_watch.c ---- */

void watch_add(struct node *node, size_t count);
/* It connects again and asks for what it lacks. False: it can't be now. */
bool watch_drop(struct watcher *w);
void watch_leave(struct node *node);
void watch_reset(void); /* count anew */

/* ---- drive_tell.c ---- */

void tell_posts(const struct run *run);
void tell_shown(const struct run *run, const struct node *node);
void tell_fan(const struct run *run, const struct node *node);

#endif
