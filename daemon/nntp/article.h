/* SPDX-License-Identifier: BSD-2-Clause */
/* A message of the forum as an article (RFC 5536): the fields and the body that an export writes,
 * and what news needs beside them. Made anew each time from what is shown, so what was erased or
 * hidden since is in no later one. One owner, one thread. */
#ifndef DAEMON_NNTP_ARTICLE_H
#define DAEMON_NNTP_ARTICLE_H

#include "daemon/nntp/source.h"
#include "daemon/reader/reader.h"

struct articles; /* what is remembered of messages that others answer */

/* `node`: for Path and Xref. `url`: where pages are, or NULL. Both outlive it. ERR_NOMEM. */
int articles_new(struct articles **out, const char *node, const char *url);
void articles_free(struct articles *a);
/* Something that was shown may be shown no more: forget all. */
void articles_forget(struct articles *a);
/* After a reload; NULL: there are no pages. */
void articles_set_url(struct articles *a, const char *url);

/* Of a message that stands in `topic`; ERR_NOTFOUND if it doesn't (any more), ERR_STORE, ERR_NOMEM.
 * Within reader_begin(). */
int article_make(struct articles *a, struct reader *r, const uint8_t id[static ID_LEN],
    const uint8_t topic[static ID_LEN], const char *group, uint32_t number, enum news_extent extent,
    struct news_article *out);

#endif
