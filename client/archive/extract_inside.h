/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a struct extract, shared by its three files. Nobody else includes this. */
#ifndef CLIENT_ARCHIVE_EXTRACT_INSIDE_H
#define CLIENT_ARCHIVE_EXTRACT_INSIDE_H

#include "base/text.h"
#include "client/archive/extract.h"
#include "client/archive/spool.h"
#include "client/output.h"
#include "forum/query.h"
#include "log/tree.h"
#include "member/keyindex.h"
#include "member/roster.h"

#define NONE UINT32_MAX

enum row_content {
	CONTENT_UNASKED,
	CONTENT_WANTED,
	CONTENT_GOT,
	CONTENT_BAD,
	CONTENT_GONE,
	CONTENT_NOT_HERE
};

/* A message that has an effect and matters here. Rows of one log and those that follow it stand in
 * the order of their positions, so that the later of two has the higher number. */
struct row {
	uint8_t id[ID_LEN];
	uint64_t index, time;
	uint64_t message_at, content_at; /* in the spool */
	uint32_t content_len;
	uint16_t message_len;
	uint8_t kind;
	uint8_t content; /* enum row_content */
	bool committed;  /* there is a content */
	bool orphan;     /* a POST whose parent isn't here */
	bool chosen;     /* is exported */
	uint32_t log;
	uint32_t person; /* who wrote it, or (ENROL) whom it enrols; NONE: root or registrar */
	uint32_t topic;  /* a POST's own, a TOPIC itself: number of a struct topic_id */
	uint32_t about;  /* AMEND, ERASE: the target. POST: the parent, if it is here */
	uint32_t root;   /* POST, TOPIC: of its thread, as far as it is here */
	uint32_t amendment, erasure; /* POST, TOPIC: in force. AMEND: the ERASE */
	uint32_t name_at;            /* an archive's Message-ID, in e->names */
	uint16_t name_len;
};

struct topic_id {
	uint8_t id[ID_LEN];
};

struct person {
	uint8_t key[IDENTITY_LEN + DIGEST_LEN]; /* identity, and its organisation's first log */
	uint32_t enrol, amendment, erasure;     /* rows */
	bool wanted, known;
	char handle[HANDLE_MAX + 1], name[NAME_SHOWN + 1], group[GROUP_SHOWN + 1];
};

struct extract_log {
	const struct frontier_log *at;
	struct credential credential;
	struct roster *roster;
	uint64_t end;         /* where a successor takes over */
	uint32_t previous;    /* NONE: a first log */
	const uint8_t *first; /* digest of the first log before it */
};

struct extract {
	struct client *client;
	const struct charter *charter;
	struct spool spool;
	struct extract_log *logs;
	size_t log_count;
	struct row *rows;
	size_t row_count, row_cap;
	struct person *people;
	size_t person_count, person_cap;
	struct topic_id *topics;
	size_t topic_count, topic_cap;
	struct key_index by_id, by_person, by_topic;
	struct buffer names;
	uint32_t *order; /* what is exported */
	size_t order_count;
	struct extract_counts counts;
	/* What extract_post() gave last. */
	struct mail_post post;
	struct header header;
	struct content content, original;
	struct buffer message, text, original_text, ancestor_text;
	struct bytes *ancestors;
};

/* A row's header; `message` is reset, and owns what the header points into. */
int row_header(struct extract *e, const struct row *r, struct buffer *message, struct header *out,
    struct trouble *t);
/* Whether the root of a row's thread is here, so that it says in which topic the thread stands. */
bool row_rooted(const struct extract *e, const struct row *r);
uint32_t row_topic(const struct extract *e, const struct row *r);

/* extract_threads.c: what follows when all entries are read. */
int extract_resolve(struct extract *e, struct trouble *t);

#endif
