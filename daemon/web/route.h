/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of paths, which are the same on every node (SPEC.md section 14). Pure. */
#ifndef DAEMON_ROUTE_H
#define DAEMON_ROUTE_H

#include "daemon/web/web.h"

enum route_kind {
	ROUTE_PAGE, /* a page_fn, with the store */
	ROUTE_STATIC,
	ROUTE_LIVE,
	ROUTE_GATE,
	ROUTE_PROOF,
};

struct route {
	const char *path; /* with '#' where an id stands, and '*' where anything follows */
	enum route_kind kind;
	page_fn *page;
	const char *known; /* parameters, each with its NUL, and another at the end */
};

struct found {
	const struct route *route; /* NULL: 404 */
	enum language language;
	bool chosen;         /* by the path */
	const char *path;    /* without the language */
	size_t digits;       /* of the id, 0: there is none; fewer than 64: its beginning */
	uint8_t id[ID_LEN];  /* for a beginning, zeros behind it */
	char rest[1024];     /* what stands for '*', or else behind the id's slash; "" */
	bool crooked;        /* not in the one spelling it has: `straight` is */
	char straight[1024]; /* with the language */
};

/* `path` is decoded. Pointers go into it. */
void route_find(struct found *out, const char *path);

/* What of a query string a page makes anything of, in one order: what nobody knows, comes twice or
 * has no value would only make the same page again under another name. False: too long. */
#define QUERY_MAX 4200
bool route_query(char out[static QUERY_MAX], const struct route *r, const char *query);

#endif
