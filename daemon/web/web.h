/* SPDX-License-Identifier: BSD-2-Clause */
/* The web process: what its files share. http.h knows connections and nothing of the forum;
 * the pages know the forum and nothing of sockets: a page is a function from a request and a reader
 * to an answer. One process is one thread; several processes may listen on the same sockets. */
#ifndef DAEMON_WEB_H
#define DAEMON_WEB_H

#include "base/buffer.h"
#include "base/language.h"
#include "conf/conf.h"
#include "daemon/reader/reader.h"
#include "member/charter.h"

struct web; /* the process: conf, charter, our own log's binding, the cache, the gate */

/* What pages tell of the node. */
struct web_node {
	const struct conf *conf;
	const struct charter *charter;
	const struct binding *binding; /* of our own log */
	const uint8_t *root_key;       /* our organisation's */
};
const struct web_node *web_node(const struct web *w);
/* "/static/HASH/name"; "" when there is no such file. */
const char *static_url(const struct web *w, const char *name);

struct request {
	struct web *web;
	struct reader *reader; /* within reader_begin(); NULL for what reads no store */
	enum language language;
	bool language_chosen;          /* by a path that begins with /ar/ …: then links keep it */
	const char *path;              /* decoded, without the language */
	uint8_t id[ID_LEN];            /* of a route with an id in it */
	const char *rest;              /* what follows there; "" */
	const char *query_text;        /* the query string, "" when there is none */
	const struct evkeyvalq *query; /* request_query() */
	uint64_t now;                  /* wall ms */
};
/* A parameter of the query string, "" when there is none; valid UTF-8. */
const char *request_query(const struct request *q, const char *name);

struct answer {
	int status;       /* 200 unless set */
	const char *type; /* "text/html; charset=utf-8" unless set */
	struct buffer body;
	char location[512];   /* for 301 and 303 */
	const char *download; /* a name: as an attachment, never shown in place */
	char name[400];       /* room for that */
	bool for_ever;        /* never changes: by id, raw */
	bool passing;         /* depends on more than the store: not to be kept */
};

typedef void page_fn(struct request *q, struct answer *a);

/* pages_*.c */
page_fn page_front, page_topic, page_thread, page_message, page_author, page_search, page_since,
    page_part, page_raw, page_about, page_help;
page_fn page_join, page_write, page_outbox, page_keys; /* shells, filled by scripts */
page_fn feed_all, feed_topic, feed_thread, feed_author;
/* An error as a page of its own: 404, 410 (erased part), 503 … */
void page_error(struct request *q, struct answer *a, int status);

#endif
