/* SPDX-License-Identifier: BSD-2-Clause */
/* Replication between nodes: a pure state machine (SPEC.md section 11).
 *
 * Events come in through the functions below; what is to be done goes out through struct sync_io,
 * whose functions may queue work but must not call back into sync. There is no socket, no clock and
 * no randomness in here: time is an argument, and whoever drives it (the relay's loop thread, or a
 * simulator) decides what happens when. One owner.
 *
 * In short. Links compare frontiers and exchange them when they differ. For each log one link is
 * the *upstream*: we hold a subscription there, and it pushes DATA within a credit that is given
 * back when the store has committed. Other links are *lazy* and hear an ANNOUNCE, a claim that
 * moves nothing but the choice of the next upstream when the present one has stalled. Contents are
 * asked for by index, a bounded number at a time, and answered when they are there. What is not
 * durable is never forwarded. */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include "log/replica.h"
#include "member/anchor.h"
#include "msg/frame.h"
#include "msg/message.h"

/* Bounds, all per node or link as said; a hostile peer can't move them. */
#define SYNC_CREDIT (512 * 1024)  /* bytes of DATA under way per subscription */
#define SYNC_BACKLOG (256 * 1024) /* stop producing for a link whose output holds more */
#define SYNC_BACKLOG_CONTENTS \
	(SYNC_BACKLOG / 2)           /* the same for contents, so that entries overtake them */
#define SYNC_DATA_BYTES (128 * 1024) /* leaves in one DATA */
#define SYNC_ALONG_BYTES (64 * 1024) /* contents that come along with the entries of a DATA */
#define SYNC_WANTS_MAX 1024          /* a peer's outstanding WANTs */
#define SYNC_WANT_WINDOW 960         /* ours, per link */
#define SYNC_WANT_BYTES (256 * 1024) /* what they may weigh, to begin with */
#define SYNC_ANNOUNCE_MS 100         /* ANNOUNCEs to one link at most this often */
#define SYNC_STALL_MS \
	1500 /* without progress although a link has shown more: change the upstream */
#define SYNC_STALL_SOLE_MS 15000 /* the same where no other link has: ask it anew */
#define SYNC_DRIP_MS 4000        /* the same for one that supplies too little to get anywhere */
#define SYNC_WANT_MS 5000        /* without a byte of an asked content: ask elsewhere */
#define SYNC_PACE_MS 15000       /* so long a peer is watched before it is said to have stalled */
#define SYNC_PACE_BYTES 1000     /* a second: who has more and sends less has stalled */
#define SYNC_BACKOFF_MS 1000     /* first; doubles to 64 times that */
#define SYNC_WITHOUT_MAX 1024    /* logs that a node may say it doesn't carry */
#define SYNC_COSIGN_MS 1000      /* cosignatures of a log to one link at most this often */
#define SYNC_LINK_MEMORY (22 * 1024 * 1024) /* bytes kept for one link, beside what is per log */

struct sync;
struct sync_link;

struct sync_io {
	void *ctx;
	/* Queue a frame for a link; never fails (a broken link reports itself later). `message`
	 * NULL: no payload. */
	void (*send)(
	    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message);
	/* Bytes queued for this link and not yet taken by the network. */
	size_t (*backlog)(void *ctx, void *link);
	/* The peer broke a rule: tell it, and close the link (sync_link_down() follows later, not
	 * at once). */
	void (*fault)(void *ctx, void *link, int err, const char *text);
	/* Held entries of a log. */
	int (*read)(void *ctx, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
	    struct buffer *out, size_t *got);
	/* Commit a staged batch; answered by sync_committed() in the order asked per log. `wanted`
	 * are indices whose content is missing. */
	void (*commit)(void *ctx, uint32_t log, const struct replica_batch *batch,
	    const uint64_t *wanted, size_t wanted_count);
	/* A content that came along with entries (11.4), matched its commitment and is not among
	 * `wanted`: it goes to the store with the batch that the next commit() is about, whole or
	 * not at all (copies). NULL: contents are not asked for along with entries. */
	void (*along)(void *ctx, uint32_t log, uint64_t index, const uint8_t id[static ID_LEN],
	    const uint8_t salt[static SALT_LEN], struct bytes content);
	/* All commits of this log that were under way have been answered, and one had failed: cut
	 * the replica back to what the store holds (replica_unstage()). */
	void (*reset)(void *ctx, uint32_t log);
	/* Indices >= from whose content is missing. */
	int (*wanted)(void *ctx, uint32_t log, uint64_t from, uint64_t *out, size_t *count);
	/* The same from the other end: the largest < below, descending. */
	int (*wanted_below)(void *ctx, uint32_t log, uint64_t below, uint64_t *out, size_t *count);
	/* Milliseconds since 1970: what a message is dated is not believed beyond it. */
	uint64_t (*wall)(void *ctx);
	/* A content held: OK, ERR_NOTFOUND, ERR_REFUSED (erased). */
	int (*content)(void *ctx, uint32_t log, uint64_t index, uint8_t salt[static SALT_LEN],
	    struct buffer *out);
	/* Store a content that matched its commitment (copies); answered by
	 * sync_content_committed(). */
	void (*content_commit)(void *ctx, uint32_t log, uint64_t index,
	    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN],
	    struct bytes message, struct bytes content);
	/* Credential of a log that we hold, for LOG. */
	struct bytes (*credential)(void *ctx, uint32_t log);
	/* Its entry 0 has come, proven, and is not what credential() gives: OK when it is a
	 * credential of that log as well, which counts from now on (who offered the log may have
	 * given a later one). Else the log never begins. NULL: it never does. */
	int (*begins)(void *ctx, uint32_t log, struct bytes entry0);
	/* A peer shows a log that we don't know: OK when it is taken up (sync_add_log() follows,
	 * later or at once); ERR_NOT_MEMBER or ERR_REFUSED when it isn't wanted; another error when
	 * the bytes are bad, which is the peer's fault. */
	int (*offer)(void *ctx, void *link, struct bytes name, struct bytes credential);
	/* For the operator's log: state changes worth a line. */
	void (*note)(void *ctx, void *link, const char *text);
	/* A link has proven that our key signed a larger size of our own log than we hold. */
	void (*own_ahead)(void *ctx, void *link, uint64_t size);
	/* A proven different history. */
	void (*forked)(void *ctx, void *link, uint32_t log, struct bytes note);

	/* Forks (11.9). What is NULL here is done without: then a log is stopped by io.forked()
	 * and never cut.
	 *
	 * A log has become disputed, by a checked proof (encoded, log/fork.h): keep it for ever.
	 * `link`: who sent or showed it. Of a log that has a successor it is evidence, and no
	 * more. Our own log may be among them: then its key has signed two histories, and whoever
	 * seals must stop. */
	void (*disputed)(void *ctx, void *link, uint32_t log, struct bytes proof);
	/* A peer sends a proof of two NODE messages (4.4): judge it, and sync_dispute() the logs
	 * that are held, later; an error is the peer's fault. It may come again. */
	int (*rivals)(void *ctx, void *link, struct bytes proof);
	/* Cut a log back to `size` entries: replica_cut_plan() now, keep what goes in a bundle,
	 * truncate the store, replica_cut(); answered by sync_cut_done(). No commit of the log is
	 * under way, and none will be until then; contents on their way to the store were given
	 * before. */
	void (*cut)(void *ctx, uint32_t log, uint64_t size);
	/* A peer says that of the log's entries below `size` all that they erase is gone there,
	 * more than it said before on this link (11.10); NULL: of no interest. */
	void (*erased)(void *ctx, void *link, uint32_t log, uint64_t size);
	/* The history that a successor names is held, whole: it may be taken up. Said once after
	 * each sync_stand(), perhaps from within. */
	void (*stands)(void *ctx, uint32_t log);

	/* Cosignatures (11.8); NULL: none are taken. The next cosigner behind `after` (NULL: the
	 * first) whose key has this name and id and who counts for this log; NULL: none. */
	const struct cosigner *(*cosigner)(void *ctx, uint32_t log, struct bytes name,
	    const uint8_t id[static 4], const struct cosigner *after);
	/* Keep a cosignature that has been checked, instead of an older one of this cosigner: the
	 * note holds text, the log key's line, and this one (copied). Answered by
	 * sync_cosign_stored(). */
	void (*cosign_store)(void *ctx, uint32_t log, const struct cosigner *who, uint64_t size,
	    uint64_t seconds, struct bytes note);
};

struct sync *sync_new(const struct sync_io *io);
void sync_free(struct sync *s);

/* A log becomes known; `replica` is borrowed and must outlive sync. `own`: we are its origin and
 * never subscribe to it. */
int sync_add_log(struct sync *s, uint32_t no, struct replica *replica,
    const struct binding *binding, bool own, uint64_t now);

/* Logs that aren't carried here (11.1): those that are known, and those that were shown and
 * refused. Peers are told, and both leave them out of what they compare. At most SYNC_WITHOUT_MAX
 * of them count. ERR_NOMEM has changed nothing. */
int sync_without(struct sync *s, const uint8_t (*digests)[DIGEST_LEN], size_t count, uint64_t now);
/* A log that is held is carried no longer: nothing more of it is taken or given; or again. Say it
 * before sync_without(). ERR_NOTFOUND. */
int sync_carry(struct sync *s, uint32_t log, bool carried, uint64_t now);

/* A link is up (HELLO accepted by both). `handle` is passed to io; `peer` is the organisation's
 * name, copied. NULL: no memory. */
struct sync_link *sync_link_up(struct sync *s, void *handle, const char *peer, uint64_t now);
void sync_link_down(struct sync *s, struct sync_link *link, uint64_t now);
/* What is at the other end never gets more than it shows at first (a bundle): where it has no more,
 * it is nobody's upstream. To be said at once after sync_link_up(). */
void sync_link_fixed(struct sync_link *link);
/* Whether contents are asked for in their packed form here (11.7), which takes some 0.7 MiB, and
 * 1.3 MiB of a peer that does it. Only where both have named the feature; it may change any time.
 */
void sync_link_compress(struct sync_link *link, bool on);
/* Its output has come down to SYNC_BACKLOG_CONTENTS or less. */
void sync_link_writable(struct sync *s, struct sync_link *link, uint64_t now);

/* A frame of types SUMMARY to ERASED. Faults are reported through io->fault. */
void sync_receive(struct sync *s, struct sync_link *link, const struct frame *frame, uint64_t now);

/* The store's answers, in the order of the commits. On OK sync calls replica_committed(). After an
 * error the log is asked for again, once io->reset() was called. */
void sync_committed(struct sync *s, uint32_t log, int result, uint64_t now);
void sync_content_committed(struct sync *s, uint32_t log, uint64_t index, int result, uint64_t now);
/* The same for many at once, which costs less. */
struct sync_stored {
	uint32_t log;
	uint64_t index;
	int result;
};
void sync_contents_committed(
    struct sync *s, const struct sync_stored *list, size_t count, uint64_t now);
/* Our own log has grown (held); contents of its entries are held as well. */
void sync_own_grown(struct sync *s, uint32_t log, uint64_t now);
/* Entries of our own log are staged that can't be lost any more, since the same follows from what
 * is durable: the inbox holds them, and whoever signs the head. To those who have all before them
 * they go now, whole, before the store has them too; sync_own_grown() follows, if not in this life
 * then in the next. `contents`: all that they commit to, ascending. From one on that is more than a
 * DATA brings along they wait for the store, as do those that a link has no room for. */
struct sync_content {
	uint64_t index;
	uint8_t salt[SALT_LEN];
	struct bytes content;
};
void sync_own_signed(struct sync *s, uint32_t log, struct bytes leaves, size_t count,
    const struct sync_content *contents, size_t content_count);
/* A log is disputed by this proof (encoded and checked, copied): as loaded at the start, before any
 * link is up, or made elsewhere; links are told. Does not call io.disputed(). Nothing happens where
 * a proof is known already. ERR_NOTFOUND, ERR_NOMEM. */
int sync_dispute(struct sync *s, uint32_t log, struct bytes proof, uint64_t now);
/* A successor says what stands of a log, which ends there from now on; disputed no longer. To be
 * said again at each start, in any order with sync_dispute(). The log isn't own any more: somebody
 * else may have to give us what stands of it. ERR_REFUSED: something else was said before;
 * ERR_NOTFOUND; ERR_RANGE for size 0. */
int sync_stand(
    struct sync *s, uint32_t log, uint64_t size, const uint8_t root[static HASH_LEN], uint64_t now);
/* io.cut() is done and durable, and the replica cut; or nothing has changed, and it is asked for
 * again later. */
void sync_cut_done(struct sync *s, uint32_t log, int result, uint64_t now);
/* The other side has named `witness`; to be said at once after sync_link_up(). Proofs of disputed
 * logs go out. */
void sync_link_witness(struct sync_link *link);
/* How a log is: disputed; or not shown, since it is not known yet what of it stands. */
enum sync_doubt { SYNC_SHOWN, SYNC_DISPUTED, SYNC_UNSURE };
enum sync_doubt sync_doubt(const struct sync *s, uint32_t log);

/* Of the log's entries below `size`, one of which erases something, all that they erase is gone
 * from our files: peers are told (11.10). */
void sync_erased(struct sync *s, uint32_t log, uint64_t size, uint64_t now);
/* Cosignatures. So many seats the policy wants (member/anchor.h); to be said before logs are added.
 */
void sync_anchor_needed(struct sync *s, uint32_t n);
/* One that was stored, when the log has been added; in any order. ERR_RANGE: it is of a size that
 * is not held. ERR_MALFORMED, ERR_NOMEM. */
int sync_cosign_load(struct sync *s, uint32_t log, uint32_t seat, uint64_t size, uint64_t seconds,
    struct bytes note);
/* We have cosigned: a note with the log key's signature, and ours as the last line. Goes to the
 * store, then out. ERR_STALE: not newer than what is kept of us, or the log was disputed or cut
 * meanwhile; ERR_FORK: of another history than what is held now. ERR_NOTFOUND, ERR_NOMEM. */
int sync_cosign(
    struct sync *s, uint32_t log, const struct cosigner *who, struct bytes note, uint64_t seconds);
/* The store's answer to io.cosign_store(). */
void sync_cosign_stored(
    struct sync *s, uint32_t log, uint32_t seat, uint64_t size, int result, uint64_t now);
/* There is a cosigner, or a key of one, that was not known before: what was left aside may be of
 * use. */
void sync_cosigners_changed(struct sync *s, uint64_t now);
/* Up to where a log is anchored. */
uint64_t sync_anchored(struct sync *s, uint32_t log);
/* What is kept of a log, durably: at most as many as the policy wants. Valid until the next event.
 */
struct sync_cosigned {
	uint32_t seat;
	uint64_t size, seconds;
	struct bytes note;
};
size_t sync_cosigned(struct sync *s, uint32_t log, struct sync_cosigned *out, size_t max);

/* More organisations are members than before: logs refused earlier may be welcome. */
void sync_members_grew(struct sync *s, uint64_t now);

/* Whether something is on its way here: entries that their origin has signed, contents that are
 * asked for or with the store, or are to be asked for when others have come. */
bool sync_coming(const struct sync *s);

/* Let time pass; returns the time of the next needed call (UINT64_MAX: none). */
uint64_t sync_tick(struct sync *s, uint64_t now);

/* Frontier hash over all logs (9.4). */
void sync_frontier(struct sync *s, uint8_t out[static HASH_LEN]);

/* Whether this link's frontier has been compared, and it owes us no proof of a longer history of
 * our own (learn before signing). */
bool sync_link_compared(const struct sync_link *link);

/* Our own log, when it has turned out that our key signed more of it than we hold, or the operator
 * says so. While `on` it is fetched from links as others' logs are (own.c), and sync_own_grown()
 * must not be called; turned off, we are its origin again. ERR_BUSY: what has come is not stored
 * yet; ERR_NOTFOUND: not our log. */
int sync_own_recover(struct sync *s, uint32_t log, bool on, uint64_t now);
/* Whether this link has told how much of our own log it holds, and we hold that much. `*shown`:
 * what it has told, though perhaps not proven. */
bool sync_own_answered(struct sync *s, const struct sync_link *link, uint32_t log, uint64_t *shown);

/* Of one link, since it is up. Times are of sync's clock; 0: not yet. */
struct sync_link_stats {
	const char *peer;
	uint64_t since, last_received;
	uint64_t progress_at;     /* an entry or a content came that we lacked */
	uint64_t acknowledged_at; /* it told that what we had sent is durable there */
	uint64_t data_in, data_out, entries_useful, entries_again, announces_in, announces_out;
	bool witness; /* cosignatures and proofs of forks are told there */
	uint64_t checkpoints_in, checkpoints_out;
	uint64_t contents_in, contents_out, contents_again, content_bytes_in, content_bytes_out;
	/* Of them came and went packed: so many bytes, and what those are unpacked. */
	uint64_t packed_in, unpacked_in, packed_out, unpacked_out;
	bool packs_in, packs_out; /* we have asked for that; it does */
	size_t upstream_of;       /* logs that this link feeds us */
	size_t subscribed;        /* logs that we feed it */
	uint64_t behind;          /* entries it has shown and we lack */
	size_t logs_behind;       /* in so many logs */
	uint64_t unacknowledged;  /* bytes of entries sent, and not said to be durable there */
	/* Since when it has shown entries and supplies less than SYNC_PACE_BYTES a second of them,
	 * or acknowledges less; 0: it does not. */
	uint64_t stalled_since, deaf_since;
	size_t memory; /* bytes kept for it: at most SYNC_LINK_MEMORY */
};
void sync_link_stats(
    const struct sync *s, const struct sync_link *link, struct sync_link_stats *out);
/* A log in which a link has shown entries that we lack. */
struct sync_lag {
	uint32_t log;
	uint64_t behind;
	bool upstream; /* and feeds us that log */
};
/* The `max` largest of them, the largest first; returns how many there are in `out`. */
size_t sync_link_lags(
    const struct sync *s, const struct sync_link *link, struct sync_lag *out, size_t max);
/* The upstream's name of a log, or NULL. */
const char *sync_upstream(const struct sync *s, uint32_t log);

#endif
