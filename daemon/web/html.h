/* SPDX-License-Identifier: BSD-2-Clause */
/* HTML (and the XML of feeds), built so that to forget to escape takes an effort: markup is a
 * literal in our source, everything that is put into it is escaped, and what comes from people is
 * made honest first (base/text.h). What was built is of another type than text, and only that goes
 * into HTML as it is. */
#ifndef DAEMON_WEB_HTML_H
#define DAEMON_WEB_HTML_H

#include "base/buffer.h"

struct html {
	struct buffer *out; /* `failed` tells of lack of memory */
};

/* Markup with values: a literal, in which %s, %.*s, %d, %u, %lu, %llu and %zu are put, escaped:
 * good between tags, and within the double quotes of an attribute. %% is a percent sign. Nothing
 * else is understood. */
#define html(h, ...) html_format(h, "" __VA_ARGS__)
void html_format(struct html h, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Text, escaped; control characters, which would break a page, are U+FFFD. */
void html_text(struct html h, const char *text);
void html_bytes(struct html h, struct bytes text);
/* Something a person wrote that stands on a line (a name, a subject): text_line(), escaped. */
void html_line(struct html h, struct bytes text);
/* The same of no more than `max` bytes of it, and "…" where something was left out. */
void html_short(struct html h, struct bytes text, size_t max);

/* A translated sentence in which %1$s to %9$s (or %s, in order) stand for pieces of HTML. The
 * sentence is escaped, the pieces are not. */
struct html_piece {
	struct bytes html;
};
#define HTML_PIECES_MAX 9
void html_sentence(
    struct html h, const char *sentence, const struct html_piece *pieces, size_t count);
/* What was built since `from` (a length of h.out), cut off and kept in `room`, which it replaces.
 */
struct html_piece html_cut(struct html h, size_t from, struct buffer *room);

/* A part of a path or query, percent-encoded: everything but unreserved characters. */
void html_encode(struct html h, struct bytes text);

#endif
