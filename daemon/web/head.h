/* SPDX-License-Identifier: BSD-2-Clause */
/* The head of an HTTP/1.1 request (RFC 9112), read strictly: what two programs could understand
 * differently is refused, so that nothing can be hidden from a server in front. Lines end with CR
 * LF, fields aren't folded, a length is told once and in digits, and a body of any other framing
 * isn't taken. Pure; no memory of its own. */
#ifndef DAEMON_HEAD_H
#define DAEMON_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX 16384  /* bytes of a head */
#define TARGET_MAX 4096 /* of what is asked for */
#define FIELDS_MAX 100

enum method { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_POST };

/* Strings point into the text that was parsed; "" for fields that weren't there. */
struct head {
	enum method method;
	char *path;        /* still encoded */
	const char *query; /* behind the '?'; "" */
	bool close;        /* no further request on this connection */
	bool expects;      /* 100-continue */
	bool has_length;
	uint64_t length; /* of the body */
	const char *accept_encoding, *accept_language, *content_type, *if_none_match,
	    *last_event_id, *sec_fetch_site;
};

/* Nothing was asked for: for answers to what can't be parsed. */
void http_head_clear(struct head *out);

/* Parse `text` in place: `len` bytes, of which the last four are the CR LF CR LF of its end. 0, or
 * the status to refuse it with (400, 414, 417, 431, 501, 505); then only accept_language may be set
 * beside what http_head_clear() sets, and the connection is to be closed. */
int http_head_parse(struct head *out, char *text, size_t len);

/* Decode %XX in place. False: malformed, a NUL, or not UTF-8. */
bool http_head_decode(char *text);

/* Does an Accept-Encoding field take gzip? (RFC 9110 12.5.3; "*" too.) */
bool accepts_gzip(const char *field);
/* Is this entity tag (with its quotes) named in an If-None-Match field? Compared weakly, and as if
 * "-gzip" before the last quote weren't there. */
bool tag_matches(const char *field, const char *tag);

#endif
