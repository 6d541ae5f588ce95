/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of sql/views.sql, by statement: lib/forum fills and reads them, and SQL stays in this
 * room.
 *
 * Only for stores of store_sqlite. Statements are prepared at their first use and kept by the
 * connection; runs may nest, also of one statement. Whoever writes has a transaction open, and
 * rolls it back after an error. */
#ifndef STORE_VIEWS_H
#define STORE_VIEWS_H

#include "store/store.h"

/* What is bound, in order; "->" what the rows hold. "A message", "a signer" … without more is its
 * number. */
/* clang-format off */
enum view_id {
	/* Reading, for the fold. */
	VIEW_FOLDED,          /* -> how many entries of all logs */
	VIEW_LAST_NUMBERS,    /* -> highest message, highest arrival that isn't its message's own
	                       * number (0: none) */
	VIEW_AWAITED,         /* -> keys of messages that are mentioned and not here */
	VIEW_AWAITED_IN,      /* id, generation -> no, thread, topic, arrival, if it is only mentioned
	                       * and was so in that generation */
	VIEW_AWAITED_FIND,    /* id -> the same, in any */
	VIEW_MESSAGE_FIND,    /* id -> no, at, thread, topic, arrival */
	VIEW_PARENT_FIND,     /* id -> no, thread, topic (NULL: not shown), the thread's
	                       * topic (NULL: root missing) */
	VIEW_PLACES,          /* thread -> topic, posts, latest, newest */
	VIEW_THREAD_GET,      /* thread -> root; no row: the message of its number */
	VIEW_ORIGINS,         /* -> log, organisation, root key, number, previous (NULL), its
	                       * size, log name, folded */
	VIEW_SIGNERS,         /* log -> no, person, then as SIGNER_COLUMNS */
	VIEW_NODE_FIRST,      /* log -> message of entry 0 */
	VIEW_NODE_LAST,       /* log -> message of the newest NODE */
	VIEW_ADMISSIONS,      /* -> by name, by root key, name, root key */
	VIEW_PERSON_FIND,     /* log, identity -> no */
	VIEW_HANDLES,         /* -> person, handle, skeleton */
	VIEW_TARGET,          /* id, ENROL, class of devices -> no, at, kind, topic, log digest,
	                       * erasure (NULL: none), target of a change (NULL), identity (NULL:
	                       * not a person's), whether a person is numbered after it */
	VIEW_TEXT,            /* message -> kind, parent, then of what it is shown with, itself or
	                       * the AMEND in force: no, at, id; and whether that is erased */
	VIEW_MESSAGE_TOPIC,   /* message -> topic */
	VIEW_AMENDMENTS,      /* target -> no, at, id of those that aren't erased */

	/* Writing. */
	VIEW_MESSAGE_ADD,     /* by views_messages_add() */
	VIEW_MESSAGES_ADD,    /* the same, VIEW_MESSAGES of them */
	VIEW_MESSAGE_SET,     /* no, at, kind, signer, time, lang, topic, parent, thread, arrival */
	VIEW_MENTION_ADD,     /* no, key, id, thread or 0 */
	VIEW_MENTION_THREAD,  /* no, thread */
	VIEW_THREAD_SET,      /* no, root: another message than the one of its number */
	VIEW_THREAD_DROP,     /* no */
	VIEW_THREAD_MOVE,     /* from, to: the messages of one into another */
	VIEW_THREAD_TOPIC,    /* thread, topic: the shown messages of it */
	VIEW_PLACE_COUNT,     /* thread, topic, posts, latest, newest: add; no row, no change */
	VIEW_PLACE_ADD,       /* the same, for a new row */
	VIEW_PLACE_DROP,      /* thread */
	VIEW_TOPIC_COUNT,     /* topic, threads, posts: add */
	VIEW_TOPIC_HERE,      /* topic: it has come */
	VIEW_TITLE_SET,       /* message, subject, text; nothing if it isn't shown */
	VIEW_TITLE_DROP,      /* message */
	VIEW_CHANGE_ADD,      /* no, target, topic or 0, arrival or 0 */
	VIEW_CHANGE_TOPIC,    /* thread, topic: the changes of its messages */
	VIEW_AMENDMENT_ADD,   /* target, rank, message */
	VIEW_AMENDMENT_DROP,  /* target, message */
	VIEW_AMENDMENTS_DROP, /* target */
	VIEW_ERASURE_ADD,     /* target, message; nothing if it is erased */
	VIEW_GENERATION_ADD,  /* the key's part of it; nothing if it is there */
	VIEW_FOLDED_SET,      /* log, position */
	VIEW_ORIGIN_ADD,      /* log, organisation, root key, number, previous or 0, its size */
	VIEW_NODE_ADD,        /* log, position, message */
	VIEW_SIGNER_ADD,      /* log, person or 0, then as SIGNER_COLUMNS */
	VIEW_SIGNER_SET,      /* no, person or 0, then as SIGNER_COLUMNS */
	VIEW_SIGNER_SEEN,     /* no, revoked, sequence, last id */
	VIEW_PERSON_ADD,      /* no, log, identity */
	VIEW_PROFILE_SET,     /* no, handle, skeleton, name, section, region, languages */
	VIEW_SKELETON_SET,    /* no, skeleton */
	VIEW_ADMISSION_ADD,   /* log, name, root key, at; nothing if it is there */

	/* Reading, for queries. CHANGES stands for 4 columns: at and id of the AMEND in force, at and
	 * id of the ERASE (NULL: none). AUTHOR stands for 9 columns: signer's log digest, organisation,
	 * class, identity, recovery, handle, name, section, and the log's number. */
	VIEW_RESOLVE,         /* from, to (ids), limit -> id, shown, in a thread */
	VIEW_MESSAGE_AT,      /* id -> at */
	VIEW_AUTHOR,          /* signer -> AUTHOR */
	VIEW_TOPICS,          /* -> AUTHOR, id, at, subject, text, threads, posts, latest */
	VIEW_TOPIC,           /* id -> the same of one */
	VIEW_TOPIC_FIND,      /* id -> no */
	VIEW_THREADS,         /* topic, limit, offset -> AUTHOR, id, at, shown, lang, time, posts,
	                       * latest, subject, archived author */
	VIEW_THREAD_FIND,     /* id -> no, thread, topic */
	VIEW_THREAD_MESSAGES, /* thread -> no, parent, at, kind, signer, time, arrival, topic's id
	                       * (NULL: not shown), id, CHANGES */
	VIEW_SINGLE,          /* message -> the same */
	VIEW_ARRIVALS,        /* after, limit -> AUTHOR, at, kind, time, arrival, id, topic's id,
	                       * root's id, parent missing, CHANGES */
	VIEW_ARRIVALS_TOPIC,  /* after, limit, topic -> the same */
	VIEW_LATEST,          /* before, limit -> the same, the newest first */
	VIEW_LATEST_TOPIC,    /* before, limit, topic -> the same */
	VIEW_ITEM,            /* id -> the same */
	VIEW_BY_AUTHOR,       /* before, from, limit, organisation, identity -> the same, and no */
	VIEW_SHOWN_CHANGES,   /* after, limit -> arrival, id, arrival of what it changes, or its own
	                       * (NULL: it isn't shown any more, or not again yet) */
	VIEW_SHOWN_AT,        /* arrival -> as VIEW_ARRIVALS, lang */
	VIEW_SHOWN_ERASED,    /* after -> arrivals of what ERASEs erased that arrived later, or an
	                       * AMEND of it */
	VIEW_ARRIVAL_ID,      /* arrival -> id */
	VIEW_PLACED,          /* after, limit -> arrival, at, id, topic's id, at of the AMEND in
	                       * force (NULL: none), is erased, was mentioned before it came;
	                       * of messages, not changes */
	VIEW_SIGNER_FIND,     /* log, key -> AUTHOR, SIGNER_COLUMNS */
	VIEW_PEOPLE,          /* log, class -> the same */
	VIEW_RESTORED,        /* AMEND -> if it is in force: no, at, id of what would be if it
	                       * weren't, kind of its target */
	VIEW_SKELETON_FIND,   /* log, skeleton -> identity, handle */
	VIEW_ERASURES,        /* -> at of the last ERASE with effect in each log */
	VIEW_ERASURE_OF,      /* id -> at and id of the ERASE that erased it */
	VIEW_PREVIOUS,        /* log -> previous (NULL: none) */

	VIEW_NODES,           /* log, or 0 for all -> log, position, message */
	VIEW_ADMITS,          /* name, root key -> at */

	/* For query_dump(): canonical order. */
	VIEW_DUMP_LOGS,       /* -> no, name, folded, organisation */
	VIEW_DUMP_SIGNERS,    /* log -> SIGNER_COLUMNS */
	VIEW_DUMP_PEOPLE,     /* log -> identity, handle, name, section, region, languages */
	VIEW_DUMP_ADMISSIONS, /* log -> name, root key */
	VIEW_DUMP_MESSAGES,   /* -> id, at, kind, log name */
	VIEW_DUMP_TOPICS,     /* -> ids of topics, here or mentioned */
	VIEW_DUMP_THREADS,    /* -> ids of roots */
	VIEW_DUMP_ITEM,       /* id -> lang, subject, text, parent's id */
	VIEW_DUMP_CHANGES,    /* -> id, target's id, topic's id (NULL), has an arrival */
	VIEW_DUMP_AMENDMENTS, /* -> target's id, rank, id */
	VIEW_DUMP_ERASURES,   /* -> target's id, id of the ERASE */

	VIEW_COUNT,
};
/* clang-format on */

/* SIGNER_COLUMNS: key, class, identity, custody, recovery, enrolled, enrol id, revoked, sequence,
 * last id. */
#define SIGNER_COLUMNS_COUNT 10
#define AUTHOR_COLUMNS_COUNT 9

/* What tables there are, and what the fold writes into them: views of another version are thrown
 * away. Version 1 knew no amendments. */
#define VIEWS_VERSION 6

/* A statement under way, taken from those that the connection keeps; a second run at the same time
 * has one of its own. */
struct view {
	struct store *s;
	struct sqlite3_stmt *st;
	enum view_id id;
};

/* Create what is not there, and throw away what another version made (arrival numbers stay):
 * returns 1 when logs are to be folded again for that. The relay's writer does it at start, outside
 * a transaction or within one; a forum that exists already would not notice. */
int views_prepare(struct store *s);

/* 1: the views are of this version; 0: of another, or none. */
int views_current(struct store *s);

/* Empty everything but ids with an arrival number, their numbers, and those; and set the positions
 * of all logs to 0. */
int views_clear(struct store *s);

/* Bind by `types`, one letter each: i int64_t; I int64_t, 0 being NULL; b struct bytes; B struct
 * bytes, empty being NULL; k const uint8_t * of 32 bytes; h of 16. What is bound must live until
 * the run ends. */
int view_start(struct view *v, struct store *s, enum view_id id, const char *types, ...);
/* 1: a row; OK: the end; or an error. After anything but 1 the view is ended. */
int view_next(struct view *v);
/* End it before its last row; harmless again. */
void view_end(struct view *v);

int64_t view_int(const struct view *v, int column); /* NULL: 0 */
bool view_null(const struct view *v, int column);
struct bytes view_bytes(const struct view *v, int column); /* valid until the next view_next() */
void view_fixed(const struct view *v, int column, uint8_t *out, size_t len);

/* Run a statement that has no rows. `changed` (NULL: not asked) gets how many rows it changed. */
int view_run(struct store *s, enum view_id id, int *changed, const char *types, ...);

/* A message that is here and has not been mentioned before. */
struct view_message {
	int64_t no, at, kind, signer, time;
	int64_t topic, parent, thread, arrival; /* 0: NULL */
	const uint8_t *id;
	struct bytes lang, subject, text;
	bool titled; /* it has subject and text */
};
/* So many are written in one statement: a quarter of what one costs is its beginning and end. */
#define VIEW_MESSAGES 16
#define VIEW_MESSAGE_COLUMNS 14
/* Write them, at most so many; what they point to must live until then. */
int views_messages_add(struct store *s, const struct view_message *rows, size_t count);

/* The row number that the last VIEW_SIGNER_ADD gave. */
int64_t view_added(struct store *s);

/* Whether a writing transaction is open. */
bool views_writing(const struct store *s);

/* Let several reads see one state. `*began` says whether views_unsnapshot() has something to end.
 */
int views_snapshot(struct store *s, bool *began);
void views_unsnapshot(struct store *s, bool began);

/* (log, index) packed, as store.h has it. */
static inline int64_t view_at(uint32_t log, uint64_t index)
{
	return (int64_t)((uint64_t)log << 40 | index);
}
static inline uint32_t view_at_log(int64_t at)
{
	return (uint32_t)((uint64_t)at >> 40);
}
static inline uint64_t view_at_index(int64_t at)
{
	return (uint64_t)at & ((UINT64_C(1) << 40) - 1);
}

/* Where an id is found (views.sql): rows numbered together, 65,536 to a generation, have keys that
 * lie together: 1.5 MB of index are all that new ids fall into, whose pages a transaction in bulk
 * changes with several rows each. Who looks for an id that is nowhere tries all generations. */
#define GENERATION_BITS 16
#define ID_KEY_BITS 40
static inline int64_t view_generation(int64_t no)
{
	return no >> GENERATION_BITS << ID_KEY_BITS;
}
/* Of an id alone, as id_key() is in SQL. */
static inline int64_t view_id_key(const uint8_t id[static ID_LEN])
{
	return (int64_t)(get_u64(id) >> (64 - ID_KEY_BITS));
}

#endif
