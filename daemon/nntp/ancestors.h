/* SPDX-License-Identifier: BSD-2-Clause */
/* Message-IDs: a message's own, and those of all it answers. What was found out about a message is
 * remembered for those that answer it. One owner, one thread. */
#ifndef DAEMON_NNTP_ANCESTORS_H
#define DAEMON_NNTP_ANCESTORS_H

#include "daemon/nntp/source.h"
#include "daemon/reader/reader.h"

#define ANCESTORS_MAX 100 /* in References, as in an export: the root's, and those nearest */
#define ANCESTRY_SUBJECT_MAX 200

/* Whether an archive's Message-ID may stand in an article: visible ASCII, of at most NEWS_ID_MAX
 * (RFC 3977 section 3.6); some have no @. All others give way to the forum's own. */
bool news_id_usable(struct bytes id);
/* A message's, without brackets; `imported`: what its archive said, or NULL. ERR_NOMEM. */
int news_id_make(char out[static NEWS_ID_MAX + 1], const uint8_t id[static ID_LEN],
    const char *organisation, const struct content_imported *imported);
/* What an archive said of a message: it does not change with an amendment, but stands in the first
 * content, which is read into `text` and `content` where it isn't the one that is shown. NULL:
 * nothing, or nothing that may be shown. ERR_NOMEM and those of the store. */
int imported_read(struct reader *r, const struct message_shown *m, struct buffer *text,
    struct content *content, const struct content_imported **out);

struct ancestors;

struct ancestors *ancestors_new(void); /* NULL: no memory */
void ancestors_free(struct ancestors *a);
void ancestors_forget(struct ancestors *a);

struct ancestry {                            /* valid until the next call */
	struct bytes ids[ANCESTORS_MAX + 1]; /* the oldest first */
	size_t count;
	const char *subject; /* of the oldest that is here; "" */
};
/* Of a message, within reader_begin(). `out` is filled when that is OK. */
int ancestors_find(
    struct ancestors *a, struct reader *r, const struct message_shown *m, struct ancestry *out);

#endif
