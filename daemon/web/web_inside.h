/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that serve know of each other, and pages needn't. */
#ifndef DAEMON_WEB_INSIDE_H
#define DAEMON_WEB_INSIDE_H

#include "daemon/parent/service.h"
#include "daemon/web/cache.h"
#include "daemon/web/gate.h"
#include "daemon/web/http.h"
#include "daemon/web/live.h"
#include "daemon/web/route.h"
#include "daemon/web/share.h"
#include "daemon/web/static.h"
#include "daemon/web/web.h"

struct respond; /* respond.c: the compressor, and room for an answer's fields */

struct web {
	struct service_setup *setup;
	struct web_node node;
	struct event_base *base;
	struct http *http;
	struct web_tls *tls; /* NULL: in the clear */
	struct static_set *files;
	struct cache *cache;
	struct respond *respond;
	struct gate *gate;
	struct live *live;
	char store[4096];      /* its path */
	struct reader *reader; /* NULL: not open */
	uint64_t reader_retry; /* mono ms: not before */
	int reader_trouble;    /* what was said of it last */
	uint64_t state;        /* of the store, at … */
	uint64_t state_at;     /* mono ms */
	struct share searching;
	struct event *term, *hup;
	bool waits; /* for something that the operator has been told of */
};

/* serve_page.c: the store, between web_begin() and web_end(). OK, or it isn't to be had now. */
int web_begin(struct web *w, uint64_t *state);
void web_end(struct web *w);
/* The state, as it was no longer than STATE_MS ago; 0: the store isn't to be had. */
#define STATE_MS 20
uint64_t web_state(struct web *w);

/* respond.c: answers from pages. */
/* `tls_only`: browsers are told never to come without TLS. */
int respond_new(struct respond **out, bool tls_only);
void respond_free(struct respond *r);

/* How an answer depends on the request, beside its path. */
struct variant {
	bool negotiated; /* the language, by Accept-Language */
	enum language language;
	bool gzip;
};
/* Give an answer that was made; what is left of `a` stays the caller's. `key` and `state` say where
 * to keep it, an empty key that it isn't kept. */
void respond_answer(struct web *w, struct exchange *x, const struct answer *a,
    const struct variant *v, struct bytes key, uint64_t state);
/* Give one that was kept; false: there is none. */
bool respond_cached(struct web *w, struct exchange *x, struct bytes key, uint64_t state);
/* Bytes of a given type, never to be kept: of the gate. */
void respond_plain(
    struct web *w, struct exchange *x, int status, const char *type, struct bytes body);
/* The same of what may be given to others, too, in this state; readers keep it no longer. */
void respond_kept(struct web *w, struct exchange *x, const char *type, struct bytes body,
    struct bytes key, uint64_t state);
void respond_static(struct web *w, struct exchange *x, const struct static_file *f);
/* The fields of an answer without an end. */
struct bytes respond_stream_fields(const struct respond *r);

/* serve_page.c */
/* An error as a page, in a language that the request takes. */
void web_error(struct web *w, struct exchange *x, int status);
void serve_page(struct web *w, struct exchange *x, struct found *f);
/* To another path of ours, with the same query. */
void serve_redirect(struct web *w, struct exchange *x, int status, const char *path);

/* serve_gate.c */
void serve_gate(struct web *w, struct exchange *x);
/* The status to refuse what comes with this head with, before its body does; 0: it may. */
int serve_gate_refuses(const struct head *h);
void serve_proof(struct web *w, struct exchange *x, struct found *f);

#endif
