/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups and articles as the command machine (session.h) sees them: an interface, so that it can be
 * tested without a store. catalogue.h is the real one. One thread.
 *
 * A group is named by a handle, which stays as long as the process. Article numbers are 1 to
 * `high`; a number may have lost its article, and never gets another. */
#ifndef DAEMON_NNTP_SOURCE_H
#define DAEMON_NNTP_SOURCE_H

#include "base/buffer.h"

#define NEWS_NUMBER_MAX UINT32_C(2147483647) /* RFC 3977 section 6 */
#define NEWS_ID_MAX 248                      /* of a Message-ID, without its brackets (3.6) */
#define NEWS_NAME_MAX 128                    /* of a group */

struct news_group {
	char name[NEWS_NAME_MAX + 1];
	struct bytes title; /* UTF-8, on one line, perhaps empty; valid until the next call */
	uint32_t low, high; /* high < low: none */
	uint32_t count;
	uint64_t created; /* wall ms: when it came here */
};

struct news_article {
	char id[NEWS_ID_MAX + 1]; /* Message-ID, without brackets */
	struct buffer text;       /* header, an empty line, body; lines end in LF, UTF-8 */
	size_t body;              /* where the body begins */
};
/* clang-format off */
#define NEWS_ARTICLE_INIT {"", BUFFER_INIT, 0}
/* clang-format on */

/* How much of an article is asked for: only its id, the header too, or all. */
enum news_extent { NEWS_ID, NEWS_HEAD, NEWS_ALL };

/* Every source's struct begins with a pointer to these. */
struct news_source {
	const struct news_source_ops *ops;
};

struct news_source_ops {
	/* The handle of the n-th group by name, from 0. ERR_RANGE: there are no more. */
	int (*group_at)(struct news_source *s, size_t n, uint32_t *group);
	/* ERR_NOTFOUND. */
	int (*group_find)(struct news_source *s, struct bytes name, uint32_t *group);
	int (*group)(struct news_source *s, uint32_t group, struct news_group *out);
	/* ERR_NOTFOUND; ERR_STORE and the like: not now. */
	int (*article)(struct news_source *s, uint32_t group, uint32_t number,
	    enum news_extent extent, struct news_article *out);
	/* By Message-ID, without brackets. ERR_NOTFOUND. */
	int (*locate)(struct news_source *s, struct bytes id, uint32_t *group, uint32_t *number);
	/* The first number of the group that came at `since` (wall ms) or later; above `high` when
	 * none did. */
	uint32_t (*since)(struct news_source *s, uint32_t group, uint64_t since);
};

#endif
