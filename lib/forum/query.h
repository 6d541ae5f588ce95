/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the views: topics, threads, items, people (SPEC.md section 13). Each call is one short
 * read on any connection, also a read-only one of another process. Rows are valid during the
 * callback; a callback that returns other than OK ends the query with that value. */
#ifndef FORUM_QUERY_H
#define FORUM_QUERY_H

#include "base/text.h"
#include "member/roster.h"
#include "msg/content.h"
#include "store/store.h"

/* How many bytes of a text are shown in rows; the rest is cut off in front of a character. */
enum {
	SUBJECT_SHOWN = 1024,
	DESCRIPTION_SHOWN = 4096, /* of a topic */
	ARCHIVED_SHOWN = 256,     /* of an author, as an archive has it */
	NAME_SHOWN = 256,         /* of a person; behind a NUL nothing is shown */
	GROUP_SHOWN = 128,
	REGION_SHOWN = 128,
};

/* Who wrote something, as far as is known. */
struct author {
	char organisation[ORG_NAME_MAX + 1];
	uint8_t log[DIGEST_LEN];
	bool device; /* else the registrar or the root */
	uint8_t identity[IDENTITY_LEN];
	char handle[HANDLE_MAX + 1]; /* "" when there is none that may be shown */
	char name[NAME_SHOWN + 1], group[GROUP_SHOWN + 1];
	bool recovery; /* this device was enrolled by recovery */
};

struct topic_row {
	uint32_t log_no;
	uint64_t index;
	uint8_t log[DIGEST_LEN], id[ID_LEN];
	struct bytes title, description; /* empty until the content is here */
	uint64_t threads, posts, latest;
	struct author author;
};

struct thread_row {
	uint8_t id[ID_LEN];      /* of the root, present or not */
	uint8_t log[DIGEST_LEN]; /* zeros while the root is missing */
	bool root_missing;
	struct bytes subject, lang;
	struct bytes archived_author; /* of an imported root, as the archive has it */
	uint64_t time;
	uint64_t posts, latest; /* of the posts that stand in this topic */
	struct author author;   /* of the root; empty when missing */
};

enum content_state { CONTENT_HERE, CONTENT_MISSING, CONTENT_ERASED, CONTENT_NONE };

/* A message that stands somewhere. */
struct item_ref {
	bool present;
	uint32_t log_no;
	uint64_t index;
	uint8_t id[ID_LEN];
};

struct item_row {
	uint32_t log_no;
	uint64_t index;
	uint8_t id[ID_LEN], topic[ID_LEN], thread[ID_LEN];
	uint32_t kind;
	uint64_t time, arrival;
	unsigned depth; /* 0: the root, or without a parent here */
	bool parent_missing;
	struct author author;
	struct item_ref amendment; /* the AMEND in force: what is shown is its content */
	struct item_ref erasure;   /* the ERASE: nothing is */
};

typedef int topic_fn(void *ctx, const struct topic_row *row);
typedef int thread_fn(void *ctx, const struct thread_row *row);
typedef int item_fn(void *ctx, const struct item_row *row);

/* Complete an id from its first bytes (4 to 32) among valid, shown messages; if there is none,
 * among missing roots. ERR_NOTFOUND; ERR_EXISTS when several begin so, or too many that were
 * mentioned. */
int query_resolve(struct store *s, struct bytes prefix, uint8_t id[static ID_LEN]);

/* Topics ascending by title, then id. */
int query_topics(struct store *s, topic_fn *fn, void *ctx);
/* One of them. ERR_NOTFOUND. */
int query_topic(struct store *s, const uint8_t id[static ID_LEN], topic_fn *fn, void *ctx);
/* Threads of a topic, newest activity first, equal times by the newest post's id. The topic itself
 * may be missing; ERR_NOTFOUND when nothing stands in it either. */
int query_threads(struct store *s, const uint8_t topic[static ID_LEN], size_t limit, size_t offset,
    thread_fn *fn, void *ctx);
/* The whole thread of a post (or of a missing root), depth first, siblings by (time, id).
 * ERR_NOTFOUND. `*missing` (NULL: not asked), set before the first call of `fn`: posts that are
 * mentioned as parents and not here, plus posts whose content is missing. Replies to a TOPIC are a
 * thread of which that is the root. Takes memory and time as the thread has posts: about 100 bytes
 * and a microsecond each. */
int query_thread(
    struct store *s, const uint8_t id[static ID_LEN], item_fn *fn, void *ctx, uint64_t *missing);
/* Topics, posts, and AMENDs and ERASEs of these (which have the topic and thread of what they are
 * about) in the order of arrival, arrival > after; topic NULL: all. `depth` is not told. */
int query_arrivals(
    struct store *s, uint64_t after, const uint8_t *topic, size_t limit, item_fn *fn, void *ctx);
/* The other way: from the newest arrival below `before` (UINT64_MAX: all) to older ones. */
int query_latest(
    struct store *s, uint64_t before, const uint8_t *topic, size_t limit, item_fn *fn, void *ctx);
/* One of them by its id. ERR_NOTFOUND. */
int query_item(struct store *s, const uint8_t id[static ID_LEN], item_fn *fn, void *ctx);
/* What a participant wrote of the latest `span` messages below the number `*before` (UINT64_MAX:
 * all), newest first, and no more than `limit`; `*before` becomes where to go on, 0: nowhere. Their
 * posts have no index: a call costs what `span` messages cost to look at. */
int query_by_author(struct store *s, struct bytes organisation,
    const uint8_t identity[static IDENTITY_LEN], uint64_t *before, uint64_t span, size_t limit,
    item_fn *fn, void *ctx);
/* The same, all topics, for who keeps something about each shown message: `arrival` is the number
 * of what came, `shown` that of the TOPIC or POST which is not what it was; 0: what came isn't
 * shown, since it was cut, or isn't folded again yet. */
int query_changes(struct store *s, uint64_t after, size_t limit,
    int (*fn)(void *ctx, uint64_t arrival, const uint8_t id[static ID_LEN], uint64_t shown),
    void *ctx);
/* The TOPIC or POST with that arrival number, and its language tag. ERR_NOTFOUND: none is shown. */
int query_shown(struct store *s, uint64_t arrival,
    int (*fn)(void *ctx, const struct item_row *row, struct bytes lang), void *ctx);
/* Arrival numbers of TOPICs and POSTs which ERASEs that arrived after a number have erased, or an
 * AMEND of them; in any order, perhaps several times. */
int query_erased(struct store *s, uint64_t after, int (*fn)(void *ctx, uint64_t shown), void *ctx);
/* The id that was given that number. ERR_NOTFOUND. */
int query_arrival(struct store *s, uint64_t arrival, uint8_t id[static ID_LEN]);
/* Where topics and posts stand, in the order of arrival, arrival > after: for who keeps an index of
 * all of them. A few microseconds for a row. */
struct placed_row {
	uint64_t arrival;
	uint32_t log_no;
	uint64_t index;
	uint8_t id[ID_LEN], topic[ID_LEN];
	bool amended, erased;
	bool late;            /* it was mentioned before it came: answers may have moved with it */
	uint32_t text_log_no; /* the message, or the AMEND, whose content is shown */
	uint64_t text_index;
};
int query_placed(struct store *s, uint64_t after, size_t limit,
    int (*fn)(void *ctx, const struct placed_row *row), void *ctx);
/* A number that no arrival so far is above, and every later one is. */
int query_last_arrival(struct store *s, uint64_t *out);

/* Where a valid message stands. ERR_NOTFOUND. */
int query_message(struct store *s, const uint8_t id[static ID_LEN], uint32_t *log, uint64_t *index);

/* The last ERASE that erased something, in each log that has one. */
int query_erasures(struct store *s, int (*fn)(void *ctx, uint32_t log, uint64_t index), void *ctx);
/* The ERASE that erased a message's content. ERR_NOTFOUND: none has, or it isn't folded. */
int query_erasure(struct store *s, const uint8_t id[static ID_LEN], struct item_ref *out);

/* A key of a log's roster. ERR_NOTFOUND. */
int query_signer(struct store *s, uint32_t log, const uint8_t key[static KEY_LEN],
    struct signer *out, struct author *author);
/* Whether a handle with this skeleton (base/text.h) exists in the log: OK with its identity and
 * handle, or ERR_NOTFOUND. */
int query_skeleton(struct store *s, uint32_t log, const char *skeleton,
    uint8_t identity[static IDENTITY_LEN], char handle[static HANDLE_MAX + 1]);
/* People of a log: every device that was ever enrolled, a person's together, by handle. */
int query_people(struct store *s, uint32_t log,
    int (*fn)(void *ctx, const struct author *a, const struct signer *device), void *ctx);

/* NODE messages that took effect, by log and position; of one log, or of all (0). */
int query_nodes(struct store *s, uint32_t log,
    int (*fn)(void *ctx, uint32_t log, uint64_t position, struct bytes message), void *ctx);
/* Append the newest of a log. ERR_NOTFOUND. */
int query_node(struct store *s, uint32_t log, struct buffer *out);
/* Where the ADMITs of an organisation stand, one of each log. */
int query_admits(struct store *s, struct bytes name, const uint8_t root_key[static KEY_LEN],
    int (*fn)(void *ctx, uint32_t log, uint64_t index), void *ctx);

/* Append a canonical text of everything shown, free of local numbers: equal on two nodes that hold
 * the same. */
int query_dump(struct store *s, struct buffer *out);

#endif
