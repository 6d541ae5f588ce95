/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulator: nodes around the real lib/sync, lib/log, lib/member and the in-memory store, on a
 * network and on disks that a seed decides about.
 *
 * One heap of events is the only order there is, and every random number comes from a generator
 * that was seeded with the run's seed and the thing's own number: so a seed replays exactly, and
 * leaving a part of a run out disturbs the rest as little as can be. Times are microseconds;
 * lib/sync is given milliseconds of the node's own clock, which is skewed. One thread. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdio.h>

#include "base/buffer.h"
#include "base/error.h"
#include "member/members.h"
#include "member/credential.h"
#include "msg/frame.h"
#include "store/memory.h"
#include "sync/sync.h"

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)
#define SIM_TIME UINT64_C(1790000000000) /* what messages are dated */

struct world;
struct node;
struct end;

/* ---- clock.c: chance and order ---- */

struct rng {
	uint64_t state;
};
struct rng rng_new(uint64_t seed, uint64_t what, uint64_t number);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* n > 0 */
bool rng_chance(struct rng *r, unsigned in_million);

typedef void event_fn(struct world *w, void *what, uint64_t number);
void event_at(struct world *w, uint64_t at, event_fn *fn, void *what, uint64_t number);
/* Events up to `until`; false when the run has failed. */
bool world_run(struct world *w, uint64_t until);

/* ---- org.c: who there is, and what they write ---- */

struct post {
	uint8_t id[ID_LEN];
	uint64_t index;
	bool accepted; /* durable in the inbox: must never be lost */
	bool erase_asked;
};

struct org {
	char name[32];
	unsigned number;
	struct key root, log_key, device;
	struct credential credential;
	uint64_t sequence;
	bool founder, forked;
	/* What its successor says stands; 0: there is none. Of `holder`'s history. */
	uint64_t stands;
	uint8_t stands_root[HASH_LEN];
	unsigned holder;
	struct post *posts; /* what was given to the inbox, in order */
	size_t post_count, post_cap;
};

struct org *org_new(struct world *w, unsigned number, bool founder);
void org_free(struct org *o);
/* Make a message; `content` may be empty. Appends to `message`. */
void org_message(struct org *o, uint32_t kind, struct bytes body, struct bytes content,
    uint8_t salt[static SALT_LEN], struct buffer *message);
/* Whose log this is; NULL: nobody's. */
struct org *org_of_log(const struct world *w, const char *log_name);

/* ---- text.c: contents that can be packed ---- */

/* Words and sentences of no meaning, as often and as long as a language has them. */
void text_words(struct rng *r, uint8_t *out, size_t len);
/* The first `max` mails of a list in ${CONVENE_CORPUS:-../shared} whose text has `len` bytes or
 * more, cut to that; returns how many, 0 where the list isn't there. */
size_t text_mails(struct buffer *out, size_t len, size_t max);

/* ---- node.c: what a relay does around lib/sync ---- */

struct carried {
	struct node *node;
	struct org *org;
	uint32_t no;
	struct replica *replica;
	uint64_t folded;
	bool forked;   /* another history was shown, */
	bool disputed; /* and proven, when so much was held or coming in */
	uint64_t disputed_size;
};

enum job_kind {
	JOB_APPEND,
	JOB_SEAL,
	JOB_CONTENT,
	JOB_LOG,
	JOB_INBOX,
	JOB_ERASE,
	JOB_FACT,
	JOB_CUT,
};

#define FACT_KEY 64

/* For the store thread: copied as the relay copies it. */
struct job {
	struct job *next;
	enum job_kind kind;
	int result;
	struct carried *log;
	struct store_append append;
	struct buffer leaves, note, right;
	struct tree_hash *blocks;
	uint64_t *wanted;
	struct job *along; /* JOB_APPEND: contents that came with it */
	uint64_t index;
	uint8_t id[ID_LEN], salt[SALT_LEN];
	struct buffer message, content;
	size_t post;        /* JOB_INBOX: place in org->posts */
	char key[FACT_KEY]; /* JOB_FACT, about this organisation; JOB_CUT */
	struct org *org;
	struct replica_cut *cut;
};

/* What a liar does; several at once. */
enum lie {
	LIE_ANNOUNCE = 1 << 0, /* claims sizes that it has not */
	LIE_WITHHOLD = 1 << 1, /* gives no DATA of some logs */
	LIE_DRIP = 1 << 2,     /* gives them entry by entry */
	LIE_GARBAGE = 1 << 3,  /* frames of chance */
	LIE_STALE = 1 << 4,    /* shows the heads of long ago, and nothing newer */
	LIE_PROOF = 1 << 5,    /* DATA that is not under its checkpoint */
	LIE_CONTENT = 1 << 6,  /* contents that were changed */
	LIE_NONE = 1 << 7,     /* has no content for anybody */
	LIE_SLOW = 1 << 8,     /* begins contents and does not end them */
	LIE_FORK = 1 << 9,     /* is one of two that are one organisation; doesn't speak of it */
	LIE_REPEAT = 1 << 10,  /* gives old DATA again instead of new */
	LIE_KINDS = 11,
	LIE_TRICKLE =
	    1 << 11, /* an entry or a content every few seconds; in no plan, for a table */
};
const char *lie_name(unsigned bit);

struct node {
	struct world *world;
	unsigned number;
	struct org *org;
	bool there;       /* it has a part in this run */
	bool reader_only; /* its own log stays empty */
	bool up;
	unsigned life;
	unsigned lies;
	int64_t skew;  /* microseconds */
	int64_t drift; /* parts per million */
	struct store *store;
	struct sync *sync;
	struct members *members;
	struct carried **logs;
	size_t log_count, log_cap;
	struct carried **of_org; /* by the organisation's number; NULL: not carried */
	struct carried *own;
	struct end **ends;
	size_t end_count;
	unsigned touches;
	uint64_t tick_at; /* armed; UINT64_MAX: not */
	/* The disk. */
	struct rng rng;
	struct job *queue, **queue_last, *group;
	struct job *along; /* for the next commit */
	bool disk_busy, sealing;
	unsigned disk_slow; /* factor */
	unsigned disk_fail; /* so many commits will fail */
	uint64_t disk_us;   /* a commit takes about so long */
	size_t inbox_durable;
	uint64_t seal_at; /* not before */
	uint64_t seal_us; /* least time between seals */
	bool seal_armed;
	/* Liars. */
	uint64_t stale_after;
	bool heard; /* of the end of its own log */
	unsigned cuts;
	/* Measured. */
	uint64_t entries_in, faults, notes, stalls;
	uint64_t contents_in;
};

void node_init(struct world *w, struct node *n, unsigned number, struct org *org);
void node_start(struct node *n);
void node_crash(struct node *n);
void node_free(struct node *n);
uint64_t node_ms(const struct node *n); /* its clock */
void node_touch(struct node *n);        /* after each event: let sync's clock run */
struct carried *node_log(const struct node *n, uint32_t no);
struct carried *node_log_of(const struct node *n, const struct org *o);
void node_answer(struct node *n, struct job *j);
/* The same for this and the contents behind it, which are freed: what is left. */
struct job *node_answer_contents(struct node *n, struct job *first);
void carried_free(struct carried *l);
/* The leaf at an index, appended to `b`. */
int node_leaf(
    const struct node *n, uint32_t no, uint64_t index, struct buffer *b, struct bytes *leaf);
struct carried *carried_new(struct node *n, struct org *o);
/* Take over what another node holds of its own log, as if it had come over a link. */
void node_adopt(struct node *n, struct node *from);

/* ---- node_io.c: what lib/sync asks for ---- */

struct sync_io node_io(struct node *n);
/* What is staged goes back to what the store holds. */
void node_reset(void *n, uint32_t log);
/* Make a job of a batch, which it copies. */
void job_append(
    struct job *j, const struct replica_batch *b, const uint64_t *wanted, size_t wanted_count);

/* ---- seal.c: its own log ---- */

void node_seal(struct node *n);
void node_post(struct node *n, uint32_t kind, struct bytes body, struct bytes content);
/* A batch of posts is durable: where they came to stand. */
void node_sealed(struct node *n, const struct job *j);

/* ---- disk.c ---- */

struct job *job_new(enum job_kind kind, struct carried *log);
void job_free(struct job *j);
void disk_submit(struct node *n, struct job *j);
void disk_crash(struct node *n);

/* ---- wire.c: the network ---- */

struct packet;

struct end {
	struct wire *wire;
	struct node *node;
	struct end *other;
	struct sync_link *link;
	bool up;
	bool refused; /* broke a rule: nothing more is read */
	bool asks;    /* for packed contents */
	struct buffer in;
	/* What goes out from here. */
	bool cut; /* nothing arrives at the other side */
	uint64_t free_at, arrival;
	uint64_t delayed_until; /* what came last that had taken more than half a second */
	size_t unacked;
	bool full;
	struct packet *held, **held_last; /* arrived while cut */
	struct rng rng;
	/* What this side thinks of the other. */
	unsigned faults, stalls;
	char fault[128]; /* the first, */
	uint64_t fault_at;
	unsigned garbage;                /* it was given, while its link was up */
	uint8_t content_log[DIGEST_LEN]; /* of a liar's last CONTENT */
	struct buffer repeat;            /* LIE_REPEAT */
	struct buffer drip;              /* LIE_DRIP */
	uint64_t drip_at;
};

struct wire {
	unsigned number;
	struct end end[2];
	bool there, open; /* open: a connection is made, though a side may not know any more */
	unsigned life;
	uint64_t latency, jitter; /* one way */
	uint64_t rate;            /* bytes a second; 0: any */
	unsigned loss;            /* segments in a million */
	uint64_t retry_us;
	bool retry_armed;
};

void wire_init(struct world *w, struct wire *x, unsigned number, struct node *a, struct node *b);
void wire_connect_soon(struct world *w, struct wire *x, uint64_t after);
void wire_break(struct world *w, struct wire *x, bool half_open);
void wire_cut(struct world *w, struct wire *x, unsigned sides, bool cut);
void wire_node_down(struct world *w, struct node *n);
void wire_free(struct wire *x);
/* `garbage`: nobody who checks can take it. */
void end_send(struct end *e, struct bytes frame, bool garbage);
size_t end_backlog(const struct end *e);
void end_fault(struct end *e);

/* ---- liar.c ---- */

/* Whether the frame was dealt with. */
bool liar_send(
    struct node *n, struct end *e, uint8_t type, uint32_t stream, const ProtobufCMessage *message);
void liar_start(struct node *n);
/* It begins with what the other one of its organisation has. */
void liar_clone(struct node *n);

/* ---- fork.c ---- */

/* What sync says, and the store's answers. */
void fork_disputed(struct node *n, struct carried *l, struct bytes proof);
void fork_cut(struct node *n, struct carried *l, uint64_t size);
void fork_stands(struct node *n, const struct carried *l);
void fork_fact(struct node *n, const struct job *j);
int fork_cut_run(struct node *n, struct job *j);
void fork_cut_answer(struct node *n, const struct job *j);
void fork_load(struct node *n, struct carried *l);
bool fork_ended(const struct node *n);
bool fork_holds(const struct node *n, const struct org *o);
/* Its organisation says what stands of it, and all hear of that. False: nobody has any of it. */
bool fork_succeed(struct world *w, struct org *o, struct rng *r);
/* Entries were committed. */
void fork_grown(struct node *n, const struct carried *l);
bool fork_settled(const struct node *n, const struct carried *l, const struct node *m,
    const struct carried *theirs, struct buffer *why);
void fork_final(struct world *w, const struct node *n, const struct carried *l);

/* ---- check.c ---- */

/* What is not as it must be in the end; false: nothing. */
bool check_settled(struct world *w, struct buffer *why);
void check_final(struct world *w);
/* Whether everybody holds what an honest origin had sealed LAG_SECONDS ago; called each second. */
void check_lag(struct world *w, size_t second);
/* What an honest node shows or sends is durable. */
void check_durable(struct node *n, uint8_t type, const ProtobufCMessage *message);
#define LAG_SECONDS 20
#define TRAFFIC_SECONDS 60
void check_memory(struct node *n);

/* ---- the world ---- */

struct heap_event;

struct world {
	uint64_t seed, now, order;
	struct heap_event *heap;
	size_t heap_count, heap_cap;
	uint8_t forum[HASH_LEN];
	struct charter charter;
	struct verifier *founders;
	struct org **orgs;
	size_t org_count;
	struct node *nodes;
	size_t node_count;
	struct wire *wires;
	size_t wire_count;
	size_t nodes_lying;
	bool trace, calm; /* calm: nothing is broken any more */
	bool steady;      /* and all has long been delivered */
	bool failed;
	bool quiet_checks; /* measuring: no checks that cost */
	char failure[512];
	uint64_t frames[128], bytes[128]; /* sent, by type */
	uint64_t data_entries;            /* entries in DATA sent; only while measuring */
	uint64_t events;
	uint64_t lies_told;
	size_t unsettled; /* check_settled(): who was not, the last time */
	uint64_t *sealed; /* check_lag(): by second and organisation */
	/* Called when a node has committed entries [first, end) of a log. */
	void (*committed)(
	    struct world *w, struct node *n, struct carried *l, uint64_t first, uint64_t end);
	/* And when it has stored a content. */
	void (*stored)(
	    struct world *w, struct node *n, struct carried *l, uint64_t index, size_t bytes);
	void *measured; /* theirs */
};

struct world *world_new(
    uint64_t seed, size_t nodes, size_t orgs, size_t founders, uint32_t admit, size_t wires);
void world_free(struct world *w);
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_trace(const struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void trace_frame(const struct world *w, const struct end *from, uint8_t type, uint32_t stream,
    const ProtobufCMessage *m);

/* ---- plan.c: what a seed means ---- */

#define MIX 300       /* of so many seeds */
#define MIX_SMALL 270 /* so many are small, and come first */

enum part_kind {
	PART_NODE,
	PART_WIRE,
	PART_POST,
	PART_ERASE,
	PART_ADMIT,
	PART_CRASH,
	PART_CUT,
	PART_PARTITION,
	PART_BREAK,
	PART_SLOW,
	PART_FAIL,
	PART_SUCCESSOR,
	PART_KINDS,
};

struct part {
	enum part_kind kind;
	uint64_t at;
	uint64_t a, b, c, d;
	bool out;
};

struct plan {
	uint64_t seed;
	size_t nodes, founders, wires;
	struct part *parts;
	size_t count, cap;
	uint64_t end; /* when the last fault is over */
};

struct plan *plan_new(uint64_t seed);
void plan_free(struct plan *p);
void plan_print(const struct plan *p, FILE *out);
/* Run it; true when all is as it must be. `failure` takes 512. */
bool plan_run(const struct plan *p, bool trace, char *failure);

/* ---- run.c: many seeds ---- */

struct runs {
	uint64_t first, count;
	unsigned jobs; /* 0: one per processor */
	bool shrinks, stops, tap;
	const char *program;
};
int runs_do(const struct runs *r);

/* ---- table.c ---- */
int table_run(const char *name);

#endif
