/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of lib/sync share. A *slot* is a log's place in the array; it never moves. */
#ifndef SYNC_STATE_H
#define SYNC_STATE_H

#include "base/pack.h"
#include <string.h>

#include "sync/sync.h"

/* Contents that we ask for: each kind has a share of its own, since one that does not come must not
 * be in the way of another. */
enum want_kind {
	WANT_BULK,
	WANT_LIVE,     /* written while we were up to date */
	WANT_GIVEN_UP, /* before */
	WANT_KINDS,
};

/* Cosignatures of one log on one link. */
struct pair_notes {
	uint64_t anchored; /* it needs none of this size or below, */
	uint64_t told;     /* and knows those adopted up to this serial */
	uint64_t tell_at;  /* not before */
	bool asked;        /* it has asked for them */
	uint64_t missed;   /* of this size some could not be taken; 0: none */
	uint64_t ask_at;   /* when it is asked for them, at the earliest */
	unsigned ask_shift;
};

/* What we know of one log on one link: a pair, because a stalled log must not hide behind live
 * ones. */
struct pair {
	uint64_t shown;        /* the size that the peer has shown, */
	uint64_t shown_at;     /* when, */
	uint8_t shown_root[8]; /* and the beginning of its root */
	uint64_t withheld;     /* what it had shown, and did not give when it was asked */
	uint64_t behind_since; /* one of the two is more than we hold; 0: it is not */
	unsigned early;        /* so often in turn had it what our upstream gave us later */
	bool dirty;            /* an ANNOUNCE is due */
	bool numbered;         /* it was told our number for the log */
	bool doubted;          /* it has claimed another root at our size */
	uint64_t agreed;       /* it has given us entries up to here, so has our history of them */
	bool differs; /* it gave a content that isn't our entry's, and may have another history */
	unsigned wants[WANT_KINDS]; /* our contents of this log under way here */
	/* The peer's subscription to us. */
	bool subscribed;
	uint32_t stream;
	uint64_t next;           /* first entry not sent yet */
	uint64_t unacknowledged; /* bytes sent on this subscription, and not credited again */
	int64_t credit;
	size_t along; /* bytes of contents that a DATA may bring */
	/* Our backing off from it as upstream. */
	uint64_t backoff_until;
	unsigned backoff_shift;
	/* Another history (fork.c). */
	uint64_t claim; /* a size that it has shown, not compared yet or differing; 0: none */
	uint8_t claim_root[8];
	bool claim_differs; /* from ours: it is asked for the head of it, */
	uint64_t ask_at;    /* not before; */
	unsigned ask_shift;
	uint64_t asked_from; /* from this size, the last time */
	bool proof_due;      /* it is to be sent */
	bool get_due;        /* it has asked for our head, */
	uint64_t get_from;   /* from this size */
	bool without;        /* the peer doesn't carry it */
	/* What was erased: up to where it knows, and told us; and when it may be told again. */
	uint64_t erased_told, erased_heard, erased_at;
	struct pair_notes notes;
};

#define SERVED_UNKNOWN UINT32_MAX
/* A peer's WANT, from its arrival until it is answered. */
struct served {
	uint32_t slot; /* or SERVED_UNKNOWN: of this log, which we don't know */
	uint8_t log[DIGEST_LEN];
	uint64_t index;
	bool now;     /* it doesn't wait */
	bool waiting; /* the content isn't here yet, */
	bool waited;  /* or was not */
};

/* Logs that somebody doesn't carry. */
struct without {
	uint8_t (*list)[DIGEST_LEN]; /* ascending */
	size_t count;
	uint8_t heard[8]; /* of their hash */
};

/* A log that a link showed and we don't know yet. */
struct asked {
	uint8_t digest[DIGEST_LEN];
	uint64_t size;     /* as it was shown last, */
	uint8_t root[8];   /* and the beginning of its root */
	bool disputed;     /* its proof came before it could be checked */
	uint64_t again_at; /* when it is asked for again */
	unsigned shift;
};

/* A content that a link was asked for, and given up, and that it has not answered. */
struct owed {
	uint32_t slot;
	uint64_t index;
	uint64_t number; /* of the request */
};

/* What a link owes us must come at some speed: one that drips has stalled as well. */
struct pace {
	uint64_t since; /* it is owed since then; 0: nothing is */
	uint64_t at;    /* the present span of SYNC_PACE_MS began */
	uint64_t total; /* bytes that had come by then */
	unsigned looks, excused;
	bool slow; /* in the last span */
};

struct sync_link {
	void *handle;
	struct sync *sync;
	bool witness;                        /* it takes FORK, CHECKPOINT_GET and ERASED */
	size_t proofs_due, gets_due, claims; /* pairs with such */
	unsigned compares, answers;          /* so many more before the next tick */
	char peer[101];
	struct sync_link *next;
	unsigned id;                  /* 0 to 63: its bit in want.tried */
	bool compared;                /* frontiers have been compared */
	bool fixed;                   /* it never gets more than it shows */
	struct without without;       /* what it doesn't carry */
	bool erased_due;              /* it may have to be told of erasures */
	bool told;                    /* our FRONTIER has been sent */
	unsigned bucketed;            /* so often were our buckets sent, and not answered; */
	uint64_t bucketed_grown;      /* sync.grown by the first time */
	bool summed;                  /* a SUMMARY has come */
	uint8_t sent[HASH_LEN];       /* in our newest SUMMARY, */
	uint64_t sent_logs;           /* so many logs, */
	uint64_t sent_grown;          /* and sync.grown by then */
	uint8_t (*names)[DIGEST_LEN]; /* the peer's numbers for logs, from 1 */
	size_t name_count;
	uint32_t own_stream; /* it shows more of our own log than we hold: asked for it here, as
				proof; 0: not */
	uint32_t own_no;     /* that log */
	struct pair *pairs;  /* by slot */
	size_t pair_cap;
	size_t cursor;         /* where pushing goes on: fair between logs */
	struct served *served; /* first in, first out */
	size_t served_count;
	bool serve_due; /* what one of them waited for is here */
	struct asked *asked;
	size_t asked_count, asked_cap;
	unsigned wants;                /* our contents under way here, */
	unsigned wants_begun;          /* of which so many have begun to come */
	uint64_t content_at;           /* a chunk of one came last, */
	uint64_t content_asked;        /* and when that one was asked for */
	size_t want_bytes;             /* what ours under way weigh, */
	size_t want_window;            /* may weigh, */
	uint64_t want_best;            /* and how long the quickest took; 0: none yet */
	uint64_t want_round;           /* since when these are counted: */
	size_t want_came, want_before; /* what has come, and what had in the round before */
	uint64_t want_shrunk;          /* when the window shrank last */
	uint64_t want_asked;           /* so many requests were chosen for it, */
	uint64_t want_sent;            /* were sent, numbered from 1, */
	uint64_t want_answered;        /* and the newest that was answered */
	struct owed *owed;             /* those given up, and not answered since */
	size_t owed_count, owed_cap;
	unsigned want_few;     /* no more of ours at a time: it let others overtake it */
	uint64_t want_seen;    /* sync.want_news, when there was nothing to ask for here */
	uint32_t content_sent; /* slot of the last CONTENT sent, + 1 */
	uint8_t content_log[DIGEST_LEN]; /* of the last that came */
	bool packs;                      /* the peer takes contents packed, */
	bool unpacks;                    /* and we do, */
	bool asked_packed;               /* and have said so */
	bool plain;                      /* memory has failed us: no more is packed for it */
	struct packer *packer;           /* made when it is needed, */
	struct unpacker *unpacker;       /* as this is */
	uint32_t next_stream;
	size_t feeds;  /* logs whose upstream it is, */
	uint64_t load; /* and what it had to bring of those that are behind, in entries */
	bool announce_due;
	uint64_t announce_at;          /* not before */
	struct pace feeding, hearing;  /* entries we lack; acknowledgements of those we sent */
	uint64_t useful, acknowledged; /* bytes */
	uint64_t silent_since;         /* a log that it has shown does not come; 0: none */
	/* Cosignatures. */
	bool cosign_due; /* some are to be told, or asked for */
	uint64_t cosign_room, cosign_room_at;
	struct sync_link_stats stats;
};

/* A cosignature: the newest of a seat, or one that is to be. */
struct cosign_note {
	uint32_t seat;
	bool storing; /* with the store: it doesn't count yet */
	uint64_t size, seconds;
	uint64_t serial; /* rises with each that is adopted */
	uint64_t has;    /* links that have it, by bit */
	struct buffer note;
	size_t text, line; /* so many bytes of it are its text; where the cosignature begins */
};

/* A content that we miss, while we are after it. */
struct want {
	uint64_t index;
	struct sync_link *link; /* asked there; NULL: nobody */
	uint64_t asked, since;  /* when; and the last byte, or the asking */
	size_t weight;          /* bytes on the line, at most; 0: not known */
	uint64_t tried;         /* links that had no answer, by bit */
	uint64_t date;          /* what its entry says, but not beyond our own clock */
	uint64_t given,
	    others;      /* bytes of contents that this link and the others had given by then */
	bool live;       /* its entry came while the log was up to date */
	bool again;      /* it was given up before */
	bool unsent;     /* chosen, and not yet in a WANT */
	uint64_t number; /* of the request to `link`, until that is answered; 0: it is, or unsent */
	bool committing;
	bool gone; /* stored; removed with all others that were, at once */
	uint64_t total;
	uint8_t salt[SALT_LEN];
	struct buffer data, message;
};

static inline enum want_kind want_kind(const struct want *w)
{
	return w->again ? WANT_GIVEN_UP : w->live ? WANT_LIVE : WANT_BULK;
}

/* Credit to give back when a batch is durable. */
struct due {
	struct sync_link *link; /* NULL: gone */
	uint32_t stream;
	uint64_t bytes;
	bool wanted; /* contents of the batch are to be asked for */
};

/* Of a log that has a successor. */
enum stand {
	STAND_NONE,
	STAND_UNSURE, /* whether what we hold is of what stands; */
	STAND_CUT,    /* some of it isn't, and is being cut off */
	STAND_FETCH,  /* it is, and the rest is to come */
	STAND_HELD,
};

/* How much of a log its upstream has brought since `at`, beside what others had shown by then. */
struct span {
	uint64_t at, target;   /* target: the size that another link had shown */
	uint64_t bytes, total; /* of this log; of all that its link has brought, at the beginning */
	unsigned looks, excused;
};

struct log_slot {
	uint32_t no;
	struct replica *replica;
	struct binding binding;
	char origin[101];
	bool own, stopped; /* stopped: ended or forked */
	bool uncarried;    /* nothing of it is taken or given */
	bool forked;
	bool recovering;     /* our own, and fetched like another's: own.c */
	bool disputed;       /* proven, and no successor has said what stands; */
	struct buffer proof; /* also of one that has: encoded, empty: none */
	/* What stands of it (stand.c). */
	bool stood;
	enum stand stand;
	uint64_t stand_size;
	uint8_t stand_root[HASH_LEN];
	uint64_t common, differs; /* our root is the one that stands there; is another there */
	uint64_t cut_at;          /* not before; */
	uint64_t cut_wait;        /* it has failed, and is tried again after so long */
	struct sync_link *guide;
	bool guided; /* its note is bound to what stands: */
	uint64_t guide_size;
	uint8_t guide_root[HASH_LEN];
	uint64_t question, question_at; /* it was asked from this size; 0: not */
	unsigned questions;
	uint64_t grown;  /* sync.grown, when it last did */
	uint64_t erased; /* what entries below erase is gone here; 0: none does */
	/* Upstream. */
	struct sync_link *upstream;
	uint32_t stream;
	bool brings;       /* contents may come along there */
	bool behind;       /* some link has shown more than is staged */
	uint64_t progress; /* when that began, or the upstream last moved us, or was chosen */
	uint64_t turn;     /* sync_link.useful of the upstream, by then */
	uint64_t advanced; /* when an entry came that we lacked */
	struct due *due;   /* commits under way, oldest first */
	size_t due_count, due_cap;
	bool failed; /* one of them failed: no more until all are answered */
	struct span span;
	uint64_t load; /* entries that its upstream was to bring when it was chosen */
	uint64_t more; /* entries that the origin is known to have signed, and are not staged */
	/* Contents. */
	bool lacking;       /* the store may know of missing ones */
	bool listed;        /* in sync.lacking */
	uint64_t live_from; /* entries from here on came while the log was up to date */
	uint64_t top;       /* what is missing from here on was never asked for, */
	uint64_t bottom;    /* nor what is missing below here */
	uint64_t cursor;    /* what is missing between is asked for again, from here */
	uint64_t retry_at;
	unsigned retry_shift;
	unsigned want_cap;   /* so many new ones under way on one link: rises as they come, falls as
				they don't */
	bool slow;           /* one was asked for in vain, and none came since */
	struct want **wants; /* descending by index; at most WANT_BATCH */
	size_t want_count, want_room;
	bool want_gone;          /* some of them are */
	uint64_t want_busy;      /* all from this index on are asked for, or with the store */
	size_t unsent;           /* chosen, and not yet in a WANT; */
	uint64_t unsent_top;     /* from this index down */
	size_t idle[WANT_KINDS]; /* neither asked for nor on their way to the store */
	/* Cosignatures. */
	struct cosign_note *notes;
	size_t note_count, note_cap;
	uint64_t anchored;
};

#define WANT_BATCH 4096 /* those on their way to the store among them */
#define WANT_FIRST 192  /* of log_slot.want_cap */
#define WANT_LEAST 16
#define WANT_FEW 4 /* of sync_link.want_few: then it doubles with each that comes in time */
#define WANT_AGAIN 32
#define COMMITTING_MAX \
	(32 * 1024 * 1024) /* bytes of contents with the store; more is not asked for */
#define ASKED_MAX 4096
#define NUMBER_MAX 4096
#define STATUS_MS 250
#define BULK_LOOKS 8 /* ticks: two seconds */

struct head; /* ask.c */

struct sync {
	struct sync_io io;
	struct log_slot *logs;
	size_t log_count, log_cap;
	uint32_t *sorted; /* slots ascending by digest */
	struct sync_link *links;
	uint64_t grown; /* so often have logs */
	struct without without;
	/* Contents. */
	uint32_t *lacking; /* slots that may lack some, */
	size_t lacking_count;
	struct head *heads; /* and as many for ask.c */
	size_t want_cursor; /* fair between logs */
	unsigned want_turn;
	bool want_again;      /* one that was given up before has come */
	uint64_t want_news;   /* rises when there may be more to ask for */
	size_t committing;    /* bytes of contents on their way to the store */
	uint64_t contents_in; /* bytes that came, from all links */
	/* Entries in bulk. */
	bool bulk;
	uint64_t more;                  /* of all logs */
	uint64_t bulk_in;               /* bytes of DATA that came in bulk, */
	uint64_t bulk_past[BULK_LOOKS]; /* at the last ticks, */
	unsigned bulk_look;
	uint64_t bulk_began; /* when this bulk began; and what its contents weigh that were */
	uint64_t bulk_asked; /* asked for meanwhile */
	struct buffer chunk; /* the one at hand, packed or unpacked */
	struct buffer entry; /* the one at hand */
	uint32_t anchor_needed;
	uint64_t cosign_serial;
	uint64_t tick_at;
};

/* sync.c */
struct log_slot *slot_by_no(struct sync *s, uint32_t no);
struct log_slot *slot_by_digest(struct sync *s, const uint8_t *digest, size_t len);
static inline uint32_t slot_index(const struct sync *s, const struct log_slot *l)
{
	return (uint32_t)(l - s->logs);
}
static inline struct pair *pair_of(
    const struct sync *s, struct sync_link *link, const struct log_slot *l)
{
	return &link->pairs[slot_index(s, l)];
}

/* Whether what the peer holds of a log is what we hold, up to an index: as it has proven, or as it
 * shows. Where two histories of a log are about it answers by its own. */
static inline bool pair_agrees(const struct pair *p, const struct log_slot *l, uint64_t index)
{
	return p->agreed > index ||
	       (p->shown == replica_held(l->replica) && p->shown > index &&
		   memcmp(p->shown_root, replica_held_root(l->replica), sizeof p->shown_root) == 0);
}

/* carry.c: logs that one side doesn't carry. */
void without_clear(struct without *w);
/* Whether a log stands in what is compared with this link (NULL: in our own frontier). */
bool log_counts(const struct sync *s, struct sync_link *link, const struct log_slot *l);
/* Whether a log that we don't know is to be asked for. */
bool carry_wants(const struct sync *s, const uint8_t digest[static DIGEST_LEN]);
void carry_added(struct sync *s, struct sync_link *link, struct log_slot *l);
void carry_tell(const struct sync *s, const struct sync_link *link, Convene__Summary *m);
/* ERR_STALE: this SUMMARY is not one to compare with; ERR_MALFORMED. */
int carry_receive(struct sync *s, struct sync_link *link, const Convene__Summary *m);

/* fork.c: other histories. */
/* A CHECKPOINT, signed by its log. */
struct answer {
	struct bytes note;
	struct checkpoint head;
	const uint8_t *root; /* NULL: none */
	struct tree_hash proof[64];
	size_t count;
};
/* Whether a log may be fed to others; and counts: stands in frontiers, is announced. */
bool log_feeds(const struct log_slot *l);
bool log_shown(const struct log_slot *l);
/* What a link has shown of a log, or we of it, counts for nothing any more; and the same for all
 * links. */
void pair_forget(struct pair *p);
void log_silence(struct sync *s, struct log_slot *l);
/* A head that a peer shows. False: it is not to be asked for that. */
bool fork_head(struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t size,
    const uint8_t *root, uint64_t now);
/* A note that the log has signed. */
void fork_note(
    struct sync *s, struct sync_link *link, struct log_slot *l, struct bytes text, uint64_t now);
/* A note that the log has signed, of another root than ours at a size that we hold: is at once a
 * proof. */
void fork_signed(struct sync *s, struct sync_link *link, struct log_slot *l, struct bytes text);
/* A DATA that does not follow what we hold. */
void fork_data(struct sync *s, struct sync_link *link, struct log_slot *l, const Convene__Data *m,
    uint64_t now);
void fork_ask_from(struct sync *s, struct sync_link *link, const struct log_slot *l, uint64_t from);
/* FORK, and the two of 11.9 by which heads are asked for. */
void fork_receive(struct sync *s, struct sync_link *link, struct bytes proof);
void fork_receive_get(struct sync *s, struct sync_link *link, const Convene__CheckpointGet *m);
void fork_receive_checkpoint(
    struct sync *s, struct sync_link *link, const Convene__Checkpoint *m, uint64_t now);
void fork_after_log(struct sync *s, struct sync_link *link, const struct log_slot *l);
void fork_flush(struct sync *s, struct sync_link *link);
void fork_tick(struct sync *s, uint64_t now);

/* stand.c: successors. */
/* Whether this is the head that stands; of `root` only 8 bytes count. */
bool stand_is(const struct log_slot *l, uint64_t size, const uint8_t *root);
/* Whether this link owes an answer about it. */
bool stand_asks(const struct log_slot *l, const struct sync_link *link);
void stand_answer(struct sync *s, struct log_slot *l, const struct answer *a, uint64_t now);
void stand_committed(struct sync *s, struct log_slot *l, uint64_t now);
void stand_tick(struct sync *s, struct log_slot *l, uint64_t now);
void stand_guide_gone(struct log_slot *l);
/* Whether a DATA of `count` entries may be taken. */
bool stand_takes(
    struct sync *s, struct log_slot *l, const Convene__Data *m, size_t count, uint64_t now);

/* frontier.c: what is shown to whom. */
void frontier_summary(struct sync *s, struct sync_link *link);
void frontier_receive_summary(
    struct sync *s, struct sync_link *link, const Convene__Summary *m, uint64_t now);
void frontier_receive(
    struct sync *s, struct sync_link *link, const Convene__Frontier *m, uint64_t now);
void frontier_receive_announce(
    struct sync *s, struct sync_link *link, const Convene__Announce *m, uint64_t now);
/* A head of a log that we know, which the peer shows. */
void frontier_head(struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t size,
    const uint8_t *root, uint64_t now);
void frontier_receive_log_get(struct sync *s, struct sync_link *link, const Convene__LogGet *m);
void frontier_receive_log(
    struct sync *s, struct sync_link *link, const Convene__Log *m, uint64_t now);
void frontier_grown(struct sync *s, struct log_slot *l, uint64_t now);
/* We have less of a log than we had: all are told before they get anything of it. */
void frontier_show(struct sync *s, const struct log_slot *l);
void frontier_ask_again(struct sync *s, struct sync_link *link, uint64_t now);
void frontier_flush(struct sync *s, struct sync_link *link, uint64_t now);

/* pull.c: who feeds us. */
void pair_shown(struct pair *p, uint64_t size, const uint8_t *root, uint64_t now);
void pull_choose(struct sync *s, struct log_slot *l, uint64_t now);
void pull_choose_all(struct sync *s, uint64_t now);
void pull_drop(struct sync *s, struct log_slot *l, bool tell);
void pull_yield(struct sync *s, struct log_slot *l, uint64_t from, uint64_t now);
void pull_back_off(struct sync *s, struct sync_link *link, const struct log_slot *l, uint64_t now);
void pull_own(struct sync *s, struct log_slot *l, struct sync_link *link);
/* own.c: what was asked for so is not waited for any more. */
void own_proofs_forget(struct sync *s, const struct log_slot *l);
/* Whether we are the origin, and nobody has to give us anything. */
static inline bool slot_is_ours(const struct log_slot *l)
{
	return l->own && !l->recovering;
}
void pull_check(struct sync *s, struct log_slot *l, uint64_t now);
void pull_subscribe(struct sync *s, struct log_slot *l, struct sync_link *link, uint64_t now);
void pull_progress(struct log_slot *l, uint64_t now);
/* Our upstream has brought the log to `end`, with this root. */
void pull_compare(
    struct sync *s, struct log_slot *l, uint64_t end, const uint8_t *root, uint64_t now);

/* pull_data.c: what our upstream brings. */
void pull_receive_data(struct sync *s, struct sync_link *link, uint32_t stream,
    const Convene__Data *m, size_t bytes, uint64_t now);

/* pace.c: who has stalled. */
void pace_check(struct sync *s, struct sync_link *link, uint64_t now);

/* erased.c: what is gone, here and there. */
void erased_flush(struct sync *s, struct sync_link *link, uint64_t now);
void erased_receive(struct sync *s, struct sync_link *link, const Convene__Erased *m);

/* push.c: whom we feed. */
void push_log(struct sync *s, struct sync_link *link, struct log_slot *l);
void push_all(struct sync *s, struct sync_link *link);
void push_receive_subscribe(struct sync *s, struct sync_link *link, uint32_t stream,
    const Convene__Subscribe *m, uint64_t now);
void push_receive_unsubscribe(struct sync *s, struct sync_link *link, uint32_t stream);
void push_receive_credit(struct sync *s, struct sync_link *link, uint32_t stream,
    const Convene__Credit *m, uint64_t now);

/* cosign.c: cosignatures, taken and passed on. */
/* False: the log is disputed, or being cut: nothing was looked at. */
bool cosign_receive(
    struct sync *s, struct sync_link *link, const Convene__Checkpoint *m, uint64_t now);
void cosign_receive_get(
    struct sync *s, struct sync_link *link, const Convene__CheckpointGet *m, uint64_t now);
/* We subscribe there, saying this; the peer subscribes here. */
uint64_t cosign_subscribe(struct sync *s, struct sync_link *link, struct log_slot *l);
void cosign_subscribed(
    struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t anchored, uint64_t now);
/* Some may have come there that were not looked at. */
void cosign_missed(struct sync *s, struct sync_link *link, struct log_slot *l);
/* A log that has ended is whole here, or this peer shows that it is so there. */
void cosign_stands(struct sync *s, struct sync_link *link, struct log_slot *l);
void cosign_tick(struct sync *s, struct sync_link *link, uint64_t now);
void cosign_grown(struct sync *s, struct log_slot *l);
void cosign_link_gone(struct sync *s, const struct sync_link *link);
/* Those above a size go. */
void cosign_cut(struct sync *s, struct log_slot *l, uint64_t size);
void cosign_clear(struct log_slot *l);

/* window.c: what we miss, a log's newest first. */
void wants_renew(struct sync *s);
void wants_fill(struct sync *s, struct log_slot *l, bool ahead, uint64_t now);
void wants_clear(struct log_slot *l);
/* The same, with what is under way: the log is cut. */
void wants_drop(struct sync *s, struct log_slot *l);
struct want *want_find(struct log_slot *l, uint64_t index);
void want_remove(struct log_slot *l, size_t i);
/* Where the first stands that isn't asked for, nor with the store. */
size_t wants_idle(struct log_slot *l);
size_t want_place(const struct log_slot *l, uint64_t index);
/* The log may lack contents that nobody was asked for. */
void log_lacks(struct sync *s, struct log_slot *l);
/* The store has answered. */
void wants_stored(struct sync *s, struct log_slot *l, uint64_t index, int result, uint64_t now);
/* To be called after that: what is stored leaves the window, and makes room. */
void wants_sweep(struct sync *s, struct log_slot *l);
/* One that we had given up, or not come to; NULL: it isn't missing. */
struct want *want_late_add(struct sync *s, struct log_slot *l, uint64_t index);
/* What it weighs, and is dated. */
void want_weigh(struct sync *s, const struct log_slot *l, struct want *w);

/* owed.c: what links were asked for in vain so far. */
bool owed_has(const struct sync_link *link, uint32_t slot, uint64_t index);
void owed_add(struct sync_link *link, uint32_t slot, uint64_t index, uint64_t number);
/* It is answered: the number of the request; 0: this isn't owed. */
uint64_t owed_take(struct sync_link *link, uint32_t slot, uint64_t index);
/* A request is answered, so that all before it were looked at. 0 is none. */
void link_answered(struct sync_link *link, uint64_t number);

/* wants.c: what a link may be asked for, and when it is given up. */
void wants_check(struct sync *s, struct log_slot *l, uint64_t now);
void wants_link_gone(struct sync *s, struct sync_link *link);
/* The peer asks for what it may itself be asked for: neither has it, and each would wait for the
 * other. It is asked for elsewhere, where it may be. */
void want_crossed(struct sync *s, struct log_slot *l, struct sync_link *link, uint64_t index);
/* This link is asked for it; nobody is any more; it is here, whole. */
void want_assign(
    struct sync *s, struct log_slot *l, struct want *w, struct sync_link *link, uint64_t now);
void want_release(struct sync *s, struct log_slot *l, struct want *w);
void want_arrived(struct sync *s, struct log_slot *l, struct want *w, uint64_t now);
/* Whether the link may be asked for this one now; and whether it had better not be asked for few
 * more. */
bool want_has_room(
    const struct sync *s, struct sync_link *link, const struct log_slot *l, const struct want *w);
bool wants_full(const struct sync_link *link);
/* It may be asked for nothing: a peer takes 1,024, and what an honest one can owe us has an end. */
bool wants_closed(const struct sync_link *link);
/* So much was asked for here in vain that what comes next has to be answered at once. */
bool wants_probe(const struct sync_link *link);

/* ask.c: which of them are asked for next, and where. */
/* `all`: also where there is room for few only, and those that were given up. */
void wants_pump(struct sync *s, bool all, uint64_t now);
/* Entries of this log have come. */
void wants_pump_log(struct sync *s, struct log_slot *l, uint64_t now);
/* Whether it may be had at this link. */
bool want_is_for(
    const struct sync *s, const struct log_slot *l, const struct want *w, struct sync_link *link);
/* Entries were staged, of so many bytes, from `first` on. */
void bulk_note(struct sync *s, struct log_slot *l, uint64_t first, uint64_t bytes);
void bulk_tick(struct sync *s);
bool heads_grow(struct sync *s, size_t cap);

/* contents.c: an entry that is held, in s->entry: until the next call. */
int entry_find(
    struct sync *s, const struct log_slot *l, uint64_t index, struct bytes *leaf, struct header *h);
/* Those that come. */
void contents_receive(
    struct sync *s, struct sync_link *link, const Convene__ContentChunk *m, uint64_t now);
void contents_receive_none(
    struct sync *s, struct sync_link *link, const Convene__ContentNone *m, uint64_t now);

/* serve.c: those that the peer wants. */
void serve_receive(struct sync *s, struct sync_link *link, const Convene__Want *m);
void serve_pump(struct sync *s, struct sync_link *link);
/* A content is here, or erased: those who wait for it get it, or hear that, with serve_due(). */
void serve_stored(struct sync *s, const struct log_slot *l, uint64_t index);
void serve_due(struct sync *s);

#endif
