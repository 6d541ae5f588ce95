/* SPDX-License-Identifier: BSD-2-Clause */
/* What a forum shows at a frontier, made anew from the entries and contents of a node.
 *
 * Nothing is taken from the node's views: every entry below the frontier is read, each log's root
 * is compared with the frontier's, signatures and authority are judged as any node judges them
 * (SPEC.md 6), and amendments, erasures, threads and names follow from what is below the frontier
 * (13). So the same frontier gives the same, at whatever node, and however much has come since.
 * What can't be had back is content that was erased since.
 *
 * Entries and contents are on disk; memory is some 150 bytes for a post. Main thread. Whatever
 * fails fills `t`. */
#ifndef CLIENT_ARCHIVE_EXTRACT_H
#define CLIENT_ARCHIVE_EXTRACT_H

#include "client/archive/export.h"

struct client;
struct extract;
struct trouble;

struct extract_counts {
	uint64_t topics, posts;
	uint64_t missing;      /* contents that are not at the node yet */
	uint64_t bad;          /* contents that are not what was signed: their posts are left out */
	uint64_t unreadable;   /* contents that no program can show */
	uint64_t erased_since; /* posts whose content was erased beyond the frontier */
	uint64_t invalid;      /* entries that nobody shows */
};

/* Read the logs of the frontier. `folder` is for a temporary file. ERR_NOTFOUND: the node doesn't
 * hold a log so far; ERR_FORK: it holds another history; ERR_SIGNATURE and the like: what it shows
 * is no log. */
int extract_open(struct extract **out, struct client *c, const struct charter *charter,
    const struct frontier *f, const char *folder, struct trouble *t);
void extract_free(struct extract *e);

/* Keep to one topic. ERR_NOTFOUND: at that frontier it is not there, nor anything in it. */
int extract_topic(struct extract *e, const uint8_t topic[static ID_LEN], struct trouble *t);

/* Fetch and check the contents. `tell` (NULL: nobody) is called now and then. */
int extract_contents(struct extract *e, void (*tell)(void *ctx, uint64_t done, uint64_t all),
    void *ctx, struct trouble *t);

void extract_counts(const struct extract *e, struct extract_counts *out);
/* How many there are to export, topics among them, by (time, id). */
size_t extract_size(const struct extract *e);
bool extract_is_topic(const struct extract *e, size_t i);
/* One of them; valid until the next call. `*out` NULL: it is left out (its content is bad). */
int extract_post(struct extract *e, size_t i, const struct mail_post **out, struct trouble *t);

#endif
