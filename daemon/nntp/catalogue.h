/* SPDX-License-Identifier: BSD-2-Clause */
/* The forum as groups and articles: the news_source of a running server.
 *
 * A topic is a group from when its title is here (or erased, or hidden). A message gets its number
 * when it is first shown with its text, so that nobody reads, and marks as read, that it has not
 * come yet; whatever becomes of it then, its number stays. Numbers count from 1 without gaps, and
 * not as the store's arrivals do: what newsreaders do with a range that is mostly empty is said in
 * proto/SPEC.md 15.
 *
 * Everything is made from the store when it is asked for. Kept are numbers (numbers.h), and in
 * memory the names of groups and, by hashes, the Message-IDs that archives gave: 30 bytes for a
 * message. One owner, one thread. */
#ifndef DAEMON_NNTP_CATALOGUE_H
#define DAEMON_NNTP_CATALOGUE_H

#include "daemon/nntp/source.h"

struct catalogue;

struct catalogue_setup {          /* all outlive it */
	const char *store;        /* DATA/convene.db */
	const char *numbers;      /* its folder is there */
	const char *organisation; /* this node's */
	const char *forum;        /* its name */
	const char *url;          /* where pages are, or NULL */
};

/* The store may be opened later, when a relay has made it. Errors of numbers_open(). */
int catalogue_new(struct catalogue **out, const struct catalogue_setup *setup);
void catalogue_free(struct catalogue *c);
void catalogue_set_url(struct catalogue *c, const char *url);

/* Look for what has come, some milliseconds' worth. `wall`, `mono`: now, in ms. true: there is more
 * to do at once. */
bool catalogue_update(struct catalogue *c, uint64_t wall, uint64_t mono);

/* Between these the source may be asked, and sees one state; short. ERR_…: it can't be read now. */
int catalogue_begin(struct catalogue *c);
void catalogue_end(struct catalogue *c);
struct news_source *catalogue_source(struct catalogue *c);

#endif
