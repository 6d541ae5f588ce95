/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a struct forum, shared by the files of the fold. Nobody else includes this. */
#ifndef FORUM_PRIVATE_H
#define FORUM_PRIVATE_H

#include "forum/forum.h"
#include "member/keyindex.h"
#include "store/views.h"

/* A key of a roster, as the signer table numbers it. */
struct known {
	uint8_t key[KEY_LEN];
	int64_t no, person; /* person 0: not a device */
};

/* A log whose entry 0 is folded. */
struct origin {
	uint32_t log;
	char name[VERIFIER_NAME_MAX + 1];
	char organisation[ORG_NAME_MAX + 1];
	uint8_t root_key[KEY_LEN];
	uint64_t number, folded;
	uint64_t end;            /* the size at which a successor has taken over */
	struct origin *previous; /* NULL: a first log */
	struct roster *roster;
	struct known *known;
	uint32_t known_count, known_cap;
	struct key_index by_key;
	bool unwritten; /* its position, and keys: forum_flush() */
	struct origin *next_unwritten;
};

/* Counts of a topic that changed and aren't written yet. */
struct tally {
	int64_t topic, threads, posts;
};
enum { TALLIES = 64 };

/* Posts of a thread in a topic: `newest` is the first bytes of the id of the one at `latest`. */
struct place {
	int64_t thread, topic, posts, latest, newest;
	bool fresh; /* it has no row yet */
};
/* A table of places by thread and topic; `slots` hold indices + 1, 0 being none. */
enum { PLACES = 4096 };
struct places {
	struct place at[PLACES];
	uint16_t slots[2 * PLACES];
	size_t count;
};

struct recent; /* recent.c */

struct forum {
	struct store *s;
	const struct charter *charter;
	struct members *members;
	struct origin **origins; /* by log number; NULL: not folded */
	size_t origin_cap;
	struct origin *unwritten; /* the first of those that are */
	/* The last number that was given: to a message, and with it as its arrival number, or as an
	 * arrival number alone. */
	int64_t last, last_arrival;
	int64_t generation; /* the newest that is written down; -1: none */
	/* Where an awaited message was found last, as a generation: the next one stands near it
	 * where logs are folded again. And how often one was looked for that nobody awaits. */
	int64_t awaited_near;
	size_t awaited_missed;
	struct tally tallies[TALLIES];
	size_t tally_count;
	struct places *places;
	struct recent *recent;
	struct buffer content;                   /* scratch */
	struct view_message rows[VIEW_MESSAGES]; /* not written yet; they point to entries */
	size_t row_count;
	struct buffer titles[VIEW_MESSAGES]; /* subject, then text, of the row with that index */
};

/* A valid entry on its way in. */
struct arriving {
	struct origin *o;
	uint64_t index;
	const struct forum_entry *entry;
	struct verdict verdict;
	int64_t signer, person;
	int64_t no;      /* its message's, once written */
	int64_t arrival; /* the same; 0: not shown */
	struct forum_result *result;
};

/* What a kind means: `effect` writes the message (message_record() or what places it) and what
 * follows from it; `content` takes in what was committed to. A kind without an effect function is
 * recorded only. */
struct kind_rule {
	int (*effect)(struct forum *f, struct arriving *a);
	/* Whether this message's content is shown in a view at all. */
	bool (*wants)(const struct header *h);
	int (*content)(struct forum *f, int64_t no, const struct header *h, struct bytes content);
	/* The same for a message that has just been folded: nothing can be about it yet. */
	int (*content_first)(
	    struct forum *f, int64_t no, const struct header *h, struct bytes content);
};
const struct kind_rule *kind_rule(uint32_t kind); /* NULL: unknown */

/* record.c: messages, and the threads that they hang together in. Rows of new messages are written
 * several at a time: rows_flush() comes before anything else that reads or changes one. */
int rows_flush(struct forum *f);
/* Have a message of a topic shown under a title, if it isn't written yet: false otherwise. */
bool row_title(struct forum *f, int64_t no, struct bytes subject, struct bytes text);
int message_record(struct forum *f, struct arriving *a);
int topic_place(struct forum *f, struct arriving *a);
int post_place(struct forum *f, struct arriving *a);
/* Record it and give it an arrival number, in no place of its own. */
int message_arrive(struct forum *f, struct arriving *a);

/* place.c: how many posts stand where. What is counted is written by counts_flush(). */
int place_count(struct forum *f, const struct place *p);
/* The same, written now: counts_flush() has been called. */
int place_write(struct forum *f, const struct place *p);
/* Take a thread's places away, with what they count for their topics. Free `*out`, also after an
 * error. `sum` gets all of them together. */
int places_take(
    struct forum *f, int64_t thread, struct place **out, size_t *count, struct place *sum);
void place_sum(struct place *sum, const struct place *p);
int counts_flush(struct forum *f);

/* recent.c: what is known without asking the store. All of it may be forgotten at any time. */
struct recent *recent_new(void); /* NULL: no memory */
void recent_free(struct recent *r);
void recent_clear(struct recent *r);
/* A message's number, and its thread (0: none known). False: not known. */
bool recent_find(
    const struct recent *r, const uint8_t id[static ID_LEN], int64_t *no, int64_t *thread);
void recent_put(struct recent *r, const uint8_t id[static ID_LEN], int64_t no, int64_t thread);
/* The topic of a thread's root; 0: that is missing. */
bool recent_thread(const struct recent *r, int64_t thread, int64_t *topic);
void recent_thread_put(struct recent *r, int64_t thread, int64_t topic);
void recent_thread_drop(struct recent *r, int64_t thread);
/* Ids that are mentioned and not here: false only of what is none. By view_id_key(). */
bool recent_awaited(const struct recent *r, int64_t key);
void recent_await(struct recent *r, int64_t key);
void recent_await_none(struct recent *r); /* before all are read again */

/* fold.c: read which ids are awaited, as the tables have it. */
int awaited_load(struct forum *f);

/* amend.c: AMEND and ERASE, and what is shown after them. */
int amend_effect(struct forum *f, struct arriving *a);
int erase_effect(struct forum *f, struct arriving *a);
int amend_content(struct forum *f, int64_t no, const struct header *h, struct bytes content);
/* The content of message `of` is here, which may be what `target` is shown with: itself, or an
 * AMEND. */
int text_taken(struct forum *f, int64_t target, int64_t of, struct bytes content);

/* kinds.c: what a TOPIC, or a post that begins a thread, shows of a content; empty: nothing. */
int title_set(struct forum *f, int64_t no, bool topic, struct bytes content);

/* origin.c */
int origin_start(
    struct forum *f, const struct store_log *log, struct bytes credential, struct origin **out);
int origins_load(struct forum *f);
void origin_free(struct origin *o);
struct origin *origin_of(const struct forum *f, uint32_t log);
/* The row of a key that the roster knows, written now if it has none yet. */
int signer_find(struct forum *f, struct origin *o, const uint8_t key[static KEY_LEN], int64_t *no,
    int64_t *person);
int signer_add(struct forum *f, struct origin *o, const struct signer *s, int64_t person);
int signers_flush(struct forum *f, struct origin *o);
/* The person of an identity in this log or one before it. ERR_NOTFOUND. */
int person_find(struct forum *f, const struct origin *o,
    const uint8_t identity[static IDENTITY_LEN], int64_t *no);

/* profile.c. Of a content without a profile nothing is shown. */
int profile_set(struct forum *f, int64_t person, struct bytes content);
int skeletons_refresh(struct forum *f);

#endif
