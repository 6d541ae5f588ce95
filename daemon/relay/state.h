/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the relay share; see relay.h for who owns what. */
#ifndef DAEMON_RELAY_STATE_H
#define DAEMON_RELAY_STATE_H

#include <stdatomic.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "base/log.h"
#include "base/pool.h"
#include "base/text.h"
#include "daemon/relay/cosign.h"
#include "daemon/relay/relay.h"
#include "forum/forum.h"
#include "forum/query.h"
#include "msg/body.h"
#include "net/channel.h"
#include "store/intake.h"
#include "store/recovery.h"
#include "sync/sync.h"

#define VERIFY_BATCH 256                  /* entries in one job of the workers */
#define SEAL_MAX 1024                     /* messages in one batch of ours */
#define LEARN_MS 10000                    /* wait for peers before the first seal */
#define FUTURE_MS 600000                  /* a post may be dated this far ahead */
#define SUBMIT_QUEUE 16                   /* requests that a client may have waiting */
#define HELD_BYTES_MAX ((size_t)64 << 20) /* and what those of all clients may take */

struct relay;

/* ---- store.c: jobs for the store thread ---- */

struct store_job {
	struct job job;
	struct relay *relay;
	int result;
	bool adds; /* it adds, and takes no content away */
	/* On the store thread, inside the group's transaction: set nothing but what the job owns.
	 */
	int (*run)(struct store_job *job, struct store *writer, struct forum *forum);
	/* On the loop thread, after the group's commit; frees the job. */
	void (*done)(struct store_job *job);
};

/* ---- intake.c: jobs for the inbox thread, in order: messages that become durable together ---- */

struct intake_job {
	struct job job;
	struct relay *relay;
	/* Of a failure too: what was behind a job that failed, decided upon when it seemed to
	 * succeed, fails with it. */
	int result;
	/* On the inbox thread: adds messages. NULL: only waits for those before it. */
	int (*run)(struct intake_job *job, struct intake *intake);
	/* On the loop thread, when they are durable; frees the job. */
	void (*done)(struct intake_job *job);
};

/* Of a log, as it was when a scrub began. */
struct scrubbed {
	uint32_t no;
	uint64_t folded, erases;
};

struct writer {
	struct store *store;
	struct forum *forum;
	const struct charter *charter;
	int begun;               /* result of store begin */
	int spoilt;              /* why the forum failed half-way: the whole group is rolled back */
	atomic_bool erased;      /* bytes of an erased content may still be in the files */
	atomic_bool indexed;     /* not in the store's, but in those of the search index */
	struct scrub_job *scrub; /* in this group of jobs, sees to that; NULL: none */
};

/* ---- logs.c ---- */

/* Contents, whose bytes stand one behind the other. */
struct along {
	struct store_content *items;
	size_t count, cap;
	struct buffer bytes;
};

struct relay_log {
	uint32_t no;
	struct relay *relay;
	struct credential credential; /* entry 0's */
	struct replica *replica;
	enum log_state state;
	bool own, carried;
	uint64_t folded;
	/* fold.c: batches on their way into the views, of these those not yet handed to the store
	 * thread, and where the next begins; again: what is on its way comes to nothing. */
	unsigned folding;
	struct fold *folds;
	uint64_t fold_next;
	bool fold_again;
	bool fold_apart; /* not in the transaction that stores its entries */
	/* logs.c: what is to be stored, in this order, each once it is ready. */
	struct append_job *appends, **appends_last;
	uint64_t invalid;            /* entries seen that are not valid */
	struct relay_log *previous;  /* of a successor: the log that it follows */
	uint64_t end;                /* a successor has taken over here; UINT64_MAX: it goes on */
	bool cutting, cut_under_way; /* back to cut_to: the views stand still */
	uint64_t cut_to;
	/* Erasures (erasure.c). */
	uint64_t scrubbed;              /* of entries below, all that they erase is gone */
	uint64_t erases;                /* behind the last one here that erases something */
	struct confirmation *confirmed; /* by whom else */
	struct log_cosign cosign;
	struct relay_log *next;
};

/* ---- links.c ---- */

struct peer {
	struct relay *relay;
	const struct conf_peer *conf;
	struct channel *channel; /* the link, once greeted */
	struct sync_link *link;
	bool outgoing;            /* we opened it */
	bool can_pack;            /* it packs contents when it is asked to */
	struct channel *dialling; /* not greeted yet */
	struct event *timer;
	uint64_t retry_ms;
	uint64_t since; /* the link is up; or has been down */
	char last_error[256];
	uint64_t last_error_at;
	bool
	    answered; /* while we recover: it has told what it holds of our log, and we hold that */
	struct peer *next;
};

/* A connection, whatever it turns out to be. */
struct session {
	struct relay *relay;
	struct channel *channel;
	struct peer *peer;                          /* set when dialled, or when HELLO said so */
	bool local;                                 /* the control socket's */
	bool outgoing, reached, greeted, is_client; /* reached: TLS is up */
	struct sync_link *bundle; /* the operator's, who gives us a bundle; NULL: not */
	/* A client's. */
	bool submitting;
	struct pending *pending; /* requests behind the one being worked on */
	size_t pending_count;
	struct watch *watch;
	struct session *next, **at;
};

/* ---- ingest.c ---- */

/* A message accepted and not sealed, in the order of the inbox. */
struct waiting {
	uint8_t id[ID_LEN];
	struct buffer message;
	bool committed;        /* there is a content, */
	struct buffer content; /* kept until it is sealed, if it is small (inbox.c) */
	uint8_t salt[SALT_LEN];
	uint32_t kind;                  /* 0: not known */
	uint8_t target[ID_LEN];         /* of an AMEND or ERASE */
	char *skeleton;                 /* of the handle in its profile; NULL: none */
	uint8_t identity[IDENTITY_LEN]; /*   and whose that is */
	bool restores;                  /* an ERASE that brings an earlier profile back */
	bool
	    verified; /* its signature, here, when it came in: not when it was read from the disk */
	bool
	    sealed; /* kept until the views know it, so that the same message again is recognised */
	uint64_t index;
	struct waiting *next;
};

struct relay {
	const struct conf *conf;
	struct told *const *told; /* what the services tell, as in service_table; NULL: nothing */
	pid_t parent;             /* who has the processes that readers connect to; 0: nobody */
	struct charter *charter;
	struct signer_link *signer;
	struct credential
	    *node; /* newest NODE of ours that names our TLS key: what HELLO carries */
	uint8_t tls_pin[HASH_LEN];
	struct event_base *base;
	struct net net;
	struct pool *workers, *storage, *inboxing;
	struct intake *intake; /* the writer's; its next record is the inbox thread's */
	struct {
		uint64_t since, count;             /* so much of others' logs was stored; */
		uint64_t came_at;                  /* then it was much, the last time. */
		uint64_t given, given_at, gave_at; /* The same of what peers take */
		uint64_t held_from;                /* since when in a row; 0: it isn't */
		struct event *resume;
	} burst;                        /* burst.c */
	struct held *held;              /* held.c */
	struct content_batch *contents; /* on their way to the store: contents.c */
	struct content_batch *stored;   /* the last that are, newest first */
	struct event *contents_event;
	struct pool *keepers; /* one thread, for what takes minutes: cut.c */
	struct writer writer; /* the store thread's */
	struct store *reader; /* ours */
	struct event *workers_event, *storage_event, *inboxing_event, *keepers_event, *tick,
	    *seal_timer, *housekeeping, *reload_event, *stop_event, *int_event;
	struct evconnlistener **listeners;
	size_t listener_count;
	struct evconnlistener *control;
	struct sync *sync;
	struct relay_log *logs, *own;
	struct kept_fork *forks;    /* forks.h */
	struct standing *standings; /* forks.h */
	bool stands;                /* of one of them it was just said: look */
	struct member *members;
	size_t member_count;
	struct peer *peers;
	struct session *sessions;
	size_t client_count, link_count;
	size_t held_bytes;        /* of clients' requests, waiting or being worked on */
	uint64_t strangers_since; /* the minute in which so much trouble was logged */
	unsigned strangers_told;
	uint64_t started;
	bool registrar_replaced, tls_replaced; /* by a NODE entry; until we are started anew */
	bool stopping, failed;
	atomic_bool ending; /* the same as `stopping`, for other threads */

	/* Our own log (ingest.c). */
	struct roster *roster; /* as of the log and the inbox */
	uint64_t next_index;   /* that the next accepted message will have */
	uint64_t recall; /* entries below, while the views have not folded them, are recognised by
			    nobody: after a start, or in a rebuild */
	struct waiting *inbox, **inbox_last;
	struct waiting *unsealed; /* the oldest in there that is not sealed; NULL: all are */
	size_t inbox_count;       /* not sealed */
	size_t inbox_bytes;       /* of contents that are kept with them */
	size_t inbox_durable; /* of these the oldest that are on disk: only they may be signed */
	size_t resume; /* signed before a crash, not stored: so many must be sealed first, as they
			  were */
	struct batch *batches; /* submissions under way */
	/* Of these those that no worker has yet; that are accepted, and not with the store thread;
	 * and that wait for the inbox to be merged. Messages with the workers or on their way
	 * there, and the jobs they are in. */
	struct batch_list {
		struct batch *first, *last;
		size_t messages;
	} unchecked, accepted, held_back;
	size_t checking;
	unsigned checks;
	struct event *accept_timer;        /* what is accepted goes to the store then */
	uint64_t accept_at;                /* ms: the last that was */
	uint64_t crowd_since, crowd_count; /* so many went there since then; */
	bool crowd;                        /*   and before that they were many */
	bool sealing;                      /* a batch is being sealed */
	uint64_t seal_from;                /* no other before this, unless it is large (seal.c) */
	bool learning; /* before the first seal: peers are being asked for our own head */
	struct recovering
	    *recovering;  /* all of them have to tell; NULL: they have 10 s (recover.c) */
	bool orphan;      /* what our log follows is not here, and fetched before anything else */
	size_t left_out;  /* accepted, and can't be sealed: since the start */
	char halted[256]; /* why nothing is sealed; empty: nothing stands in the way */
	bool read_only;   /* the disk is full; looked at again every second */
	bool room_short;  /* less than limits.free_mib is free */
	bool room;        /* what the kernel said, and when it was asked (inbox_room) */
	uint64_t room_asked;
	struct quota *quota;
	struct enrolling *enrolling;
	struct registering *registering; /* the registrar's messages on their way, in order */
	struct request *requests;        /* of the control socket, under way */

	struct cosigning *cosigning;
	struct along
	    along; /* contents that came along with the entries that are to be stored next */
	uint64_t arrivals; /* highest arrival number known */
	uint64_t folds_ahead,
	    folds_verifying; /* entries on their way into the views; with workers */
	uint32_t fold_last,
	    run_last;       /* the log that was served last, by workers and store thread */
	unsigned fold_runs; /* with the store thread */
	uint64_t live_at;   /* somebody has written something; 0: never */
	uint64_t seal_took; /* ms, the round before */
	bool rebuilding;
	bool scrubbing;
	uint64_t erased_since;     /* erased bytes are in the files since then; 0: none are */
	bool erased_told;          /*   and the operator was told */
	struct measures *measures; /* moderate.c */
	struct watch *watches, *watch_next; /* watch_next: of the round that is under way */
	bool watch_again;                   /* and there is another behind it */
	struct event *watch_event;          /* goes on with it */
	struct searching *searching;        /* search.c; NULL: it is switched off */
	struct pages *pages;                /* pages.h */
	size_t pages_bytes;                 /* that they hold, and what is on its way to clients */
	uint64_t items_changes;  /* counts whatever changes what items tell and is not in the store:
				    a measure of the operator's, the state of a log */
	struct refused *refused; /* logs that were shown and are not carried (carry.c) */
	bool carry_due;          /*   and sync doesn't know of all of them */
};

/* fact.c: small facts of the store, written together or not at all. facts_keep() takes them. */
struct facts;
struct facts *facts_new(void);
void facts_put(struct facts *f, const char *key, struct bytes value);
void facts_drop(struct facts *f, const char *key);
void facts_keep(
    struct relay *r, struct facts *f, void (*done)(struct relay *r, void *ctx, int err), void *ctx);

/* carry.c: whose logs aren't carried. refused: one was shown. settle: sync hears of it, which can't
 * be from within. update: the configuration may say something else than before. */
void carry_refused(struct relay *r, const struct credential *c);
void carry_settle(struct relay *r);
void carry_update(struct relay *r);
void carry_free(struct relay *r);

/* erasure.c: what is gone of what was erased, here and at others (SPEC.md 11.10). */
int erasure_start(struct relay *r);
void erasure_log_free(struct relay_log *l);
/* A scrub has succeeded, when the views had these positions. */
void erasure_scrubbed(struct relay *r, const struct scrubbed *list, size_t count);
/* Whether of the entries of a log below `size` all that they erase is gone from our files: the
 * condition of a cosignature (11.8). */
bool erasure_gone(const struct relay *r, const struct relay_log *l, uint64_t size);
/* A peer says the same of its own. */
void erasure_heard(struct relay *r, const char *organisation, uint32_t no, uint64_t size);
void erasure_cut(struct relay_log *l, uint64_t size); /* it was cut back to that */
/* Write down what was heard since the last time. */
void erasure_keep(struct relay *r);

/* intake.c */
int intake_start(struct relay *r);
void intake_submit(struct relay *r, struct intake_job *job);

/* store.c */
struct event *storage_collector(struct relay *r, struct pool *pool);
int storage_start(struct relay *r);
void storage_submit(struct relay *r, struct store_job *job);
void storage_stop(struct relay *r);
void storage_scrub(struct relay *r); /* see to it that erased bytes leave the files */
/* The index, too, has done its part of a scrub. */
void storage_scrubbed(struct relay *r, int result, const struct scrubbed *list, size_t count);
/* Whether they may be in one still. */
static inline bool storage_erased(const struct relay *r)
{
	return atomic_load(&r->writer.erased) || atomic_load(&r->writer.indexed);
}
int forum_spoilt(
    struct store_job *job, int err); /* a fold failed: pass it on, and have the group rolled back */

/* logs.c */
int logs_load(struct relay *r);
void logs_free(struct relay *r);
struct relay_log *log_by_no(struct relay *r, uint32_t no);
struct relay_log *log_by_digest(struct relay *r, const uint8_t *digest, size_t len);
struct sync_io logs_sync_io(struct relay *r);
int logs_add_own(struct relay *r);
void logs_reset(struct relay *r, uint32_t no); /* the replica goes back to what the store holds */
bool member_has(const struct relay *r, const char *name, const uint8_t root[static KEY_LEN]);
/* Entry `index` of a log, appended to `out`; `leaf` points into it. */
int log_new(struct relay *r, uint32_t no, struct bytes name, struct bytes entry0,
    struct relay_log **out); /* checks the credential; nobody knows of it yet */
void log_free(struct relay_log *l);
void log_link(struct relay *r, struct relay_log *l);
int log_entry(struct relay *r, uint32_t no, uint64_t index, struct buffer *out, struct bytes *leaf);
/* Our own log's credential is that of its entry 0, now that this has come. */
void logs_own_credential(struct relay *r);
/* Let sync's clock run at the right time. */
void tick_soon(struct relay *r);

/* fold.c */
void views_follow(struct relay *r); /* fold whatever has come */
/* Something is on its way to the store that people wait for: it is not to wait for views. */
void views_live(struct relay *r);

/* along.c */
/* Few entries that are about to be stored, to be folded in the same transaction: NULL where that is
 * not how it is done best. `sealing`: they are the oldest of the inbox. `run` in the job that has
 * just stored them; what it returns is the job's result. `done` in any case, after the log has
 * taken note that they are held; NULL does nothing.
 */
struct fold_run;
struct fold_run *fold_along(
    struct relay_log *l, uint64_t first, struct bytes leaves, size_t count, bool sealing);
int fold_along_run(struct fold_run *run, struct store_job *job, struct forum *forum);
void fold_along_done(struct relay *r, struct fold_run *run, int result);
/* More of them, if people may wait for them: the workers verify them first, and then `verified` is
 * called. NULL, and no call, as above. */
struct fold_run *fold_along_checked(struct relay_log *l, uint64_t first, struct bytes leaves,
    size_t count, void (*verified)(void *ctx), void *ctx);

/* views.c */
int views_rebuild(struct relay *r, uint64_t *entries);
void views_members(struct relay *r, struct member *list, size_t count); /* takes the list */
void members_look(struct relay *r); /* who is a member by the views? */
int members_copy(struct forum *forum, struct member **out, size_t *count);
/* The store has given the views a new beginning: so does what is known of them here. */
void views_begin_anew(struct relay *r);

/* burst.c: so many entries or contents of others' logs have just been stored. */
int burst_start(struct relay *r);
void burst_note(struct relay *r, size_t count);
/* A peer was given a content. */
void burst_gave(struct relay *r);
/* Whether any views wait. */
bool burst_holds_any(const struct relay *r);
/* Some has been stored, and sync knows of it: it may have been the last. */
void burst_look(struct relay *r);
/* Whether a log of which so many entries are held, and not in the views, is to wait. */
bool burst_holds(struct relay *r, const struct relay_log *l, uint64_t left);

/* held.c: an entry, if its block is full and so worth keeping: valid until the next call. */
int held_start(struct relay *r);
void held_free(struct relay *r);
int held_entry(struct relay *r, uint32_t no, uint64_t index, struct bytes *leaf);
/* As the store's read(). */
int held_read(struct relay *r, uint32_t no, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got);
/* Entries that have just been stored. */
void held_came(struct relay *r, uint32_t no, uint64_t first, size_t count, struct bytes leaves);
/* A content. ERR_NOTFOUND: not at hand, look in the store. */
int held_content(struct relay *r, uint32_t no, uint64_t index, uint8_t salt[static SALT_LEN],
    struct buffer *out);
/* The store may have changed; and: a log was cut. */
void held_stale(struct relay *r);
void held_forget(struct relay *r);

/* contents.c: a content of an entry is to be stored and taken into the views. Calls
 * sync_content_committed(). */
int contents_start(struct relay *r);
void contents_add(struct relay *r, uint32_t no, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes message, struct bytes content);
/* Those that have come go to the store now; or if it has nothing else to do. */
void contents_idle(struct relay *r);
/* One that was stored last, in memory until contents_stale(). */
const struct store_content *contents_stored(const struct relay *r, uint32_t no, uint64_t index);
void contents_stale(struct relay *r);
void contents_flush(struct relay *r);

/* search.c: the index behind the views (lib/search), and looking things up in it. */
int searching_start(struct relay *r);
void searching_stop(struct relay *r);
void searching_follow(struct relay *r); /* perhaps something has come */
void searching_reset(struct relay *r);  /* the index begins anew */
void searching_session_closed(struct session *s);
/* Take out of the index what was erased, then storage_scrubbed(); takes the list. false: there is
 * no index (or no memory), and nothing was done. */
bool searching_erase(struct relay *r, struct scrubbed *list, size_t count);

/* links.c */
int links_start(struct relay *r);
void links_stop(struct relay *r); /* say goodbye */
void links_free(struct relay *r);
void links_update(struct relay *r, const struct conf *old);
struct session *session_accept(struct relay *r, int fd, bool tls);
void stranger_trouble(
    struct session *s, const char *text); /* for the operator's log, within limits */
void links_learned(struct relay *r);      /* a frontier was compared: perhaps sealing may begin */

/* clients.c */
void client_frame(struct session *s, const struct frame *frame);
void client_closed(struct session *s);
int watch_begin(struct relay *r);
void clients_notify(struct relay *r); /* arrivals: feed those who watch */
void client_writable(struct session *s);
void client_error(struct session *s, uint32_t stream, uint32_t code, const char *text);
void client_refuse(
    struct session *s, uint32_t stream, uint32_t code, const char *text); /* logged as well */
void session_submitted(struct session *s); /* its SUBMIT was answered: the next may run */

/* inbox.c */
void waiting_free(struct waiting *w);
int inbox_start(struct relay *r);
void inbox_free(struct relay *r);
void inbox_look(struct relay *r); /* is there room on the disk again? */
/* The roster and the inbox anew: `roster` is that of our log as it stands, and taken over; what is
 * in the store's inbox follows it. */
int inbox_reload(struct relay *r, struct roster *roster);
/* Whether the oldest of the inbox make our log the one of this head: a batch that was signed, and
 * not stored. */
bool inbox_explains(struct relay *r, uint64_t size, const uint8_t root[static HASH_LEN]);
/* Those that the views know by now are no longer needed. */
void inbox_forget(struct relay *r);
/* Which of our log's leaves, from `first` on, were verified here when they came in: known[i], and
 * entries[i].id. The same bytes in the same log want no second look. */
/* The same for the oldest that wait, which are being sealed. */
void inbox_sealing(const struct relay *r, struct forum_entry *entries, bool *known, size_t count);
void inbox_known(const struct relay *r, uint64_t first, struct bytes leaves,
    struct forum_entry *entries, bool *known, size_t count);
/* One that was accepted and that the views may not know yet, or NULL. */
struct waiting *inbox_find(struct relay *r, const uint8_t id[static ID_LEN]);
/* Where a message of ours stands: enum Convene__Status, and its index when sealed. */
int inbox_status(struct relay *r, const uint8_t id[static ID_LEN], uint64_t *index);

/* ingest.c */
void ingest_submit(struct session *s, uint32_t stream, const Convene__Submit *m);
/* A message made here (registrar) or by the operator (root). `done` is called once, durable or
 * refused; `text` is a sentence. */
typedef void ingest_done(
    void *ctx, int err, uint32_t code, const char *text, const uint8_t id[static ID_LEN]);
void ingest_own(struct relay *r, struct bytes message, const uint8_t salt[static SALT_LEN],
    struct bytes content, ingest_done *done, void *ctx);
void ingest_session_closed(struct session *s);
void ingest_resume(struct relay *r); /* those held back */
void ingest_flush(struct relay *r);  /* what is accepted goes to the store thread now */

/* registrar.c: sign a message as the registrar and take it in. `h` without signer and sequence;
 * what it points to is copied. `done` as above; it may be called before this returns. */
void registrar_make(struct relay *r, const struct header *h, const uint8_t salt[static SALT_LEN],
    struct bytes content, ingest_done *done, void *ctx);
void registrar_resume(struct relay *r); /* our sequence is known, or has to be learnt first */

/* seal.c */
void seal_soon(struct relay *r);
void seal_due(struct relay *r);     /* the timer's */
void seal_allowed(struct relay *r); /* learning is over */
void seal_halt(struct relay *r, const char *text);

/* recover.c: this store may be an older copy: nothing is sealed until all peers have told what they
 * hold of our log, and we hold that. */
int recover_start(struct relay *r);  /* was it so when we stopped? */
int recover_orphan(struct relay *r); /* the log that ours follows is not here */
void recover_free(struct relay *r);
/* `why` is for the log; empty: the operator said so. Again is harmless. Calls nothing in sync. */
int recover_begin(
    struct relay *r, enum recovery_kind kind, const struct recovery *add, const char *why);
void recover_step(struct relay *r);         /* something may have changed */
bool recover_merges(const struct relay *r); /* merge.c is at work */
/* The operator's word; `names` are peers that are not to be waited for, each on a line.
 * ERR_INVALID, ERR_NOTFOUND (no such peer), with a sentence; recovery_save()'s. */
int recover_command(struct relay *r, const char *kind, struct bytes names, char *why, size_t len);
/* What it waits for, in a sentence. */
void recover_text(struct relay *r, char *out, size_t len);

/* merge.c: what of the inbox has turned out to be in the log leaves it, and what can't follow it
 * any more is put aside; `done` is called with how far the log was. The inbox must be left alone
 * meanwhile. */
void merge_start(struct relay *r, void (*done)(struct relay *r, int err, uint64_t size));

/* enrol.c */
void enrol_redeem(struct session *s, uint32_t stream, const Convene__Redeem *m);
void enrol_session_closed(struct session *s);
/* From a request that the operator was given; without an invite. */
void enrol_operator(struct relay *r, const Convene__Redeem *m, ingest_done *done, void *ctx);
/* A further device of an identity, by the operator's word alone; whose it is, is checked. */
void enrol_recover(
    struct relay *r, const Convene__Redeem *m, const char *handle, ingest_done *done, void *ctx);
/* The ENROL with this id, in the log or the inbox, appended. ERR_NOTFOUND, … */
int enrol_message(struct relay *r, const uint8_t id[static ID_LEN], struct buffer *out);

/* invite.c: a new invite, durable when `done` is called (`id` is not used). */
void invite_make(struct relay *r, const char *handle, unsigned days, struct buffer *text,
    uint64_t *expires, ingest_done *done, void *ctx);

/* The line for a further device of somebody (SPEC.md 12.4), appended. */
void device_line_add(
    const struct relay *r, const uint8_t identity[static IDENTITY_LEN], struct buffer *text);

/* Whether somebody else is being enrolled under a handle with this skeleton. */
bool enrol_claims(
    const struct relay *r, const uint8_t identity[static IDENTITY_LEN], const char *skeleton);

/* device.c: why a further device can't be enrolled, a sentence and its code; NULL: it can, and
 * counts against the quota now. Its own signature is the caller's to check. */
const char *device_refused(struct relay *r, const struct enrol_body *b, uint32_t *code);
/* The handle of a key's owner; "" when the views don't know it. */
void device_handle(
    struct relay *r, const uint8_t key[static KEY_LEN], char handle[static HANDLE_MAX + 1]);
/* When the key was recovered, or one whose word enrolled it; 0: never, 1: the time isn't known. */
uint64_t device_recovered(struct relay *r, uint32_t log_no, const uint8_t key[static KEY_LEN]);
void device_signer_get(struct session *s, uint32_t stream, const Convene__SignerGet *m);

/* handle.c: whether a profile's handle is prepared, and not to be taken for another of this
 * organisation: NULL, or why not. Fills in what it can of `handle` and `skeleton`. */
const char *handle_check(struct relay *r, struct bytes content,
    const uint8_t identity[static IDENTITY_LEN], char handle[static HANDLE_MAX + 1],
    char skeleton[static SKELETON_MAX + 1]);

/* Remember the handle that a message waiting here brings. */
void handle_claim(struct relay *r, struct waiting *w, const struct header *h, struct bytes content);

/* amend.c: what an AMEND or ERASE is about, for our own log. OK, or a code with a sentence. */
uint32_t amend_check(struct relay *r, const struct header *h, const struct verdict *v,
    struct bytes content, const char **text);

/* Remember the handle that an ERASE waiting here brings back. */
void amend_claim(struct relay *r, struct waiting *w, const struct header *h);

/* control.c */
int control_start(struct relay *r, int fd);
void control_frame(struct session *s, const struct frame *frame);
void control_closed(struct session *s);

/* relay.c */
void relay_reload(struct relay *r, char *why, size_t len);
void relay_stop(struct relay *r);
void relay_fail(struct relay *r); /* stop with a failure: the parent starts us anew */

#endif
