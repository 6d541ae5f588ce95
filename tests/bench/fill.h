/* SPDX-License-Identifier: BSD-2-Clause */
/* What fill.c, which writes a store, and fill_message.c, which makes what is in it, share.
 *
 * Everything but keys and times follows from the seed: entry i is the same whatever the batches. */
#ifndef BENCH_FILL_H
#define BENCH_FILL_H

#include "msg/message.h"

#define FILL_BATCH 2048 /* entries under one checkpoint */
#define FILL_LAG 8      /* a reply answers a post that is in its batch, or this many before */
#define FILL_TOPICS 20
#define FILL_OPEN 512 /* posts of a batch that later ones may answer */

struct author {
	struct key key;
	uint8_t identity[IDENTITY_LEN];
	uint8_t language;  /* of most of what they write */
	uint64_t enrolled; /* index of the ENROL */
	uint64_t sequence; /* the highest used */
};

/* A post that can be answered. */
struct open_post {
	struct ref ref;
	uint8_t topic;
};

/* The forum's organisation, and who writes in it. */
struct world {
	struct binding binding;
	struct author *authors;
	size_t author_count;
	struct ref topics[FILL_TOPICS];
	size_t content_len;
	uint64_t seed;
	uint64_t first_time, step_ms; /* an entry's time is about first_time + index * step_ms */
};

/* An entry that was made. `content` and `message` are places in the batch's buffers. */
struct made {
	uint8_t id[ID_LEN], salt[SALT_LEN];
	struct header header; /* points into the batch's leaves */
	size_t message, message_len, content, content_len;
};

struct run {
	const struct world *world;
	uint64_t first;
	size_t count;
	uint64_t *sequences;              /* of each author before `first`; owned */
	struct open_post open[FILL_OPEN]; /* of an earlier batch */
	size_t open_count;
	struct open_post opens[FILL_OPEN]; /* of this one */
	size_t opens_count;
	struct buffer leaves, contents;
	struct made made[FILL_BATCH];
};

/* Words, made once before any thread runs. */
void words_make(uint64_t seed);

uint64_t random_next(uint64_t *state);
/* Who writes the post at this index. */
size_t author_of(const struct world *w, uint64_t index);

/* Make the posts of a run; any thread. OK or an error of the libraries. */
int run_make(struct run *r);
/* Add an entry to a run by what is given: signed here unless `message` is already. */
int run_add(struct run *r, const struct header *h, const struct key *key, struct bytes message,
    struct bytes content, const uint8_t salt[static SALT_LEN]);
/* Header fields that speak of the content. */
void content_commit(struct header *h, const struct world *w, const uint8_t salt[static SALT_LEN],
    struct bytes content);
/* A text of words in one of the languages: exactly `len` bytes. */
void text_add(struct buffer *out, uint64_t *random, unsigned language, size_t len);
const char *language_tag(unsigned language);
unsigned language_pick(uint64_t random);

#endif
