/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the catalogue share. Nobody else includes this. */
#ifndef DAEMON_NNTP_CATALOGUE_INSIDE_H
#define DAEMON_NNTP_CATALOGUE_INSIDE_H

#include "daemon/nntp/ancestors.h"
#include "daemon/nntp/article.h"
#include "daemon/nntp/catalogue.h"
#include "daemon/nntp/groups.h"
#include "daemon/nntp/names.h"
#include "daemon/nntp/numbers.h"

#define PENDING_MAX 1024

struct group_shown { /* by the group's number */
	char name[NEWS_NAME_MAX + 1];
	char *title;        /* as it is now; NULL: not to be told */
	bool named, hidden; /* `name` is the one that it has while it is `hidden` or not */
	uint64_t looked;    /* the last look that found it */
	bool seen;          /* is a topic with a name, as of the last look */
	bool listed;        /* and has a number of its own that is durable */
};

struct catalogue {
	struct news_source source; /* first */
	struct catalogue_setup setup;
	char prefix[NEWS_NAME_MAX + 1];
	struct reader *reader; /* NULL: the store can't be read now */
	struct numbers *numbers;
	struct articles *articles;
	struct names *names;
	struct group_shown *groups; /* as many as have numbers, durable or not */
	uint32_t group_count, group_cap;
	uint32_t *listed, listed_count; /* groups, by name */

	/* catalogue_follow.c */
	uint64_t wall;
	uint64_t until; /* mono ms: then the go that is under way ends */
	uint64_t state, topics_state, pending_state; /* of the reader, when each was looked at */
	uint64_t topics_at, pending_at, forget_at;   /* mono ms: not before */
	uint64_t sweep_at, sweep_began;
	uint64_t erasures;  /* what tells that something was erased, or is shown no more */
	uint64_t topics_no; /* looks at topics */
	uint64_t topics_begun, topics_took, titles_until; /* mono ms: of the one that goes on */
	bool stale;                                       /* articles may remember other words */
	bool relist;                                      /* `listed` is not of now */
	uint32_t listed_of;                               /* of how many groups it is */
	uint64_t after;                                   /* the last arrival that was looked at */
	uint64_t sweep;                                   /* the same, of a look at all again */
	bool following; /* everything that was there at the start has been looked at */
	bool sweeping, sweep_wanted;
	uint64_t pending[PENDING_MAX]; /* arrivals without a text, or without a group yet */
	size_t pending_count;
	uint32_t last_group; /* the one that was found last */
	struct buffer text;
	struct content content;
};

#endif
