/* SPDX-License-Identifier: BSD-2-Clause */
/* What client/publish*.c share. */
#ifndef CLIENT_PUBLISH_INSIDE_H
#define CLIENT_PUBLISH_INSIDE_H

#include "client/publish.h"
#include "log/tile.h"
#include "member/credential.h"

/* A log as the store held it when the pass began. */
struct held {
	uint32_t no;
	char name[VERIFIER_NAME_MAX + 1];
	uint64_t size, folded;
	uint8_t root[HASH_LEN];
	struct buffer checkpoint;
	bool chosen;
};

struct publisher {
	struct store *store;
	struct publication *to;
	uint8_t forum[HASH_LEN];
	const char *const *names;
	void (*say)(void *ctx, const char *log, const struct trouble *t);
	void *ctx;
	uint64_t version; /* of the store, when the last pass began */
	struct held *held;
	size_t count;
	/* What is known of each, in the order of their numbers in the store. */
	struct known {
		bool done, tidy;        /* this checkpoint is published; its tiles were tidied */
		uint8_t note[HASH_LEN]; /* which */
		uint64_t missing;
		char said[sizeof((struct trouble *)0)->text];
	} * known;
	size_t known_count;
	struct tree_hash *gone; /* ids of erased contents, ascending: none of them is there */
	size_t gone_count;
};

/* The store's own error, in a sentence. */
int store_trouble(const struct publisher *p, int err, struct trouble *t);

/* Bring one log up to date. ERR_STALE (and no sentence): the node doesn't hold all entries of its
 * newest checkpoint yet. */
int publish_log(struct publisher *p, const struct held *h, struct known *known,
    struct publish_counts *counts, struct trouble *t);

/* ---- one log's way there (publish_log.c) ---- */

#define LOG_PATH_MAX (VERIFIER_NAME_MAX + 2 * ID_LEN + 32)

/* Indices, ascending. */
struct indices {
	uint64_t *list;
	size_t count, room;
};

struct job {
	struct publisher *p;
	const struct held *h;
	struct publish_counts *counts;
	struct trouble *t;
	struct credential credential;
	struct tree *tree;
	uint64_t from;     /* the size that is published; 0: none is */
	struct buffer old; /* its checkpoint */
	struct buffer bundle, content, text;
	struct tree_hash leaves[TILE_WIDTH]; /* of the bundle */
	struct indices before, missing; /* entries that lack their content: as published, and now */
	struct {
		uint64_t list[512], next;
		size_t count, at;
		bool end;
	} wanted;
};

/* What the store holds of this log is not what was signed. */
int job_bad_store(const struct job *j, int err);
/* The path of a log's file, and writing it. */
const char *job_path(const struct job *j, char out[static LOG_PATH_MAX], const char *rest);
int job_put(struct job *j, const char *rest, struct bytes content, bool durable);
/* Entries [first, first + count), at most a tile of them, into the bundle, and their hashes beside
 * it. */
int job_bundle(struct job *j, uint64_t first, size_t count);

/* ---- publish_content.c; all of it goes through the entries once, ascending ---- */

/* Read `missing`; try those again, and list what still lacks; write it anew. */
int job_missing_read(struct job *j);
int job_missing_retry(struct job *j);
int job_missing_write(struct job *j);
/* Publish the content of an entry, if it has one and the store does. */
int job_content(struct job *j, uint64_t index, struct bytes leaf);

#endif
