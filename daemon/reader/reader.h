/* SPDX-License-Identifier: BSD-2-Clause */
/* What web and nntp share: the store, opened read-only, and messages with everything that is shown
 * of them. It never writes, knows no socket and needs no relay: what is in the store can be read
 * while the relay is down.
 *
 * A reader has one owner and one thread; several may read one store. Listings come from
 * forum/query.h, by reader_store(). Between reader_begin() and reader_end() all reads see one state
 * of the store: that is for one page, and short, for it holds up the write-ahead log. */
#ifndef DAEMON_READER_H
#define DAEMON_READER_H

#include "forum/query.h"
#include "msg/content.h"

struct reader;

/* Open DATA/convene.db of the node of organisation `own` (whose own people may be suspended, which
 * keeps them from posting and hides nothing). ERR_NOTFOUND while no relay has made it, or it is of
 * another version (one that is being upgraded): try again later. ERR_IO, ERR_STORE, ERR_NOMEM. */
int reader_open(struct reader **out, const char *path, const char *own);
void reader_close(struct reader *r);
struct store *reader_store(struct reader *r);

/* Begin a page. `*state` changes whenever anything that is shown may have: by entries, contents,
 * measures of the operator, or the state of a log. Errors as above; after one the reader is to be
 * closed. */
int reader_begin(struct reader *r, uint64_t *state);
void reader_end(struct reader *r);
/* Until the next reader_begin() read no more contents once so many bytes of them have been read:
 * for what shows many, each of which may be large for what isn't shown of it. */
void reader_budget(struct reader *r, size_t bytes);

/* A log, as of the last reader_begin(); NULL: none. */
struct reader_log {
	uint32_t no, number; /* `number`: 1, or 2 and more for a successor */
	uint64_t size, folded;
	enum log_state state;
	bool carried; /* false: what is here stays, and nothing new comes */
	char organisation[ORG_NAME_MAX + 1];
	struct binding binding; /* its name and digest */
};
const struct reader_log *reader_log(struct reader *r, uint32_t no);
const struct reader_log *reader_log_next(struct reader *r, const struct reader_log *after);

enum text_state {
	TEXT_HERE,
	TEXT_MISSING, /* not here yet */
	TEXT_ERASED,  /* `erased` says by whom and when */
	TEXT_HIDDEN,  /* by this node's operator: `hidden` says why */
	TEXT_NONE,    /* none belongs to it */
	TEXT_BROKEN,  /* here, and not what a content has to be */
};

struct message_change { /* the AMEND in force, or the ERASE */
	bool given;
	uint8_t id[ID_LEN];
	struct header header;
};

/* A message as readers see it. Owns its memory; pointers go into it. */
struct message_shown {
	const struct reader_log *log;
	struct item_row row;
	struct buffer entry;  /* header and signature, as stored */
	struct header header; /* into `entry` */
	enum text_state state;
	const char *hidden;     /* the operator's reason */
	struct content content; /* meaningful when TEXT_HERE: in force, amended or not */
	struct message_change amended, erased;
	bool disputed;      /* its log is */
	uint64_t recovered; /* its device was enrolled by recovery: when (advisory); 0: no */
	bool left_out;      /* TEXT_MISSING since reader_budget() is spent: it may well be here */
	struct buffer text, changes; /* `content` and the changes' headers point into them */
};

/* `*out` is MESSAGE_SHOWN_INIT or one that is used again (its memory is kept). ERR_NOTFOUND,
 * ERR_STORE, ERR_NOMEM. */
#define MESSAGE_SHOWN_INIT \
	{                  \
		0          \
	}
int reader_message(struct reader *r, const struct item_row *row, struct message_shown *out);
/* One message by its id: whatever is shown, also a TOPIC; of an AMEND or ERASE `row` tells the
 * place of what it is about. `row.depth` is not told. */
int reader_message_by_id(
    struct reader *r, const uint8_t id[static ID_LEN], struct message_shown *out);
void message_shown_clear(struct message_shown *m);

/* Append a message's own content as bytes, whatever amends it. ERR_REFUSED: erased; ERR_NOTFOUND:
 * hidden, not here, or there is none. */
int reader_content(struct reader *r, const struct message_shown *m, struct buffer *out);

/* The earlier texts of an amended message can be asked for by their ids: of an AMEND that is here,
 * `content` is its own, in force or not, and TEXT_HIDDEN goes by what it is about. */

/* Why the operator hides what stands in a listing, or what its author wrote; NULL: they don't. */
const char *reader_hidden(
    struct reader *r, const uint8_t id[static ID_LEN], const struct author *author);

/* Organisations whose logs this node doesn't carry, ascending; NULL behind the last. */
const char *reader_uncarried(struct reader *r, size_t n);
/* How many measures of the operator there have been, as of the last reader_begin(). */
uint64_t reader_measures(const struct reader *r);
/* The forum's id, as of the last reader_begin(). */
const uint8_t *reader_forum(const struct reader *r);

#endif
