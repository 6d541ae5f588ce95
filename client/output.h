/* SPDX-License-Identifier: BSD-2-Clause */
/* What programs say: sentences, tables, JSON and exit codes. For the main thread of a program;
 * writes to standard output and standard error.
 *
 * Everything that came from outside passes lib/base/text.h here, so that no command has to remember
 * it: text given as struct bytes is hostile, text given as a format is ours. JSON is written in
 * ASCII with escapes: exact, and harmless on a terminal. */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include <jansson.h>

#include "client/client.h"

/* Exit codes of all our programs; documented in their manual pages. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_USAGE = 1,       /* the command line is wrong */
	EXIT_REFUSED = 2,     /* the node understood, and refused */
	EXIT_UNREACHABLE = 3, /* no node, no daemon, or the connection broke */
	EXIT_UNVERIFIED = 4,  /* a key, signature or proof is not what it must be */
	EXIT_NOT_FOUND = 5,   /* no such thing, or several */
	EXIT_LOCAL = 6,       /* a file, the passphrase, memory: trouble on this side */
	EXIT_INPUT = 7,       /* what was given can't be sent: not UTF-8, empty, too large */
};

/* Which of them a trouble comes to: by the node's code if there is one, else by error. */
int exit_of(const struct trouble *t);

/* Fill in; return `err`, so that a function can end with it. The text is a clause without a full
 * stop, as "the file alice.key can't be read"; trouble_set() clears code and hint. */
int trouble_set(struct trouble *t, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void trouble_hint(struct trouble *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same from errno: ": No such file or directory" follows the text. */
int trouble_errno(struct trouble *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ERR_NOMEM, in words. */
int no_memory(struct trouble *t);

/* Say it on standard error, "PROGRAM: text." and the hint on a line of its own. Return the exit
 * code. */
int complain(const char *program, const struct trouble *t);
/* A wrong command line: "PROGRAM: text." and where help is. Returns EXIT_USAGE. */
/* The same of what is no trouble: a sentence without its full stop. */
void remark(const char *program, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int complain_usage(const char *program, const char *command, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Flush standard output; EXIT_LOCAL (and a sentence) when it could not be written, else `code`. */
int output_finish(const char *program, int code);

/* Say so and exit: for programs, which can do nothing better. */
void out_of_memory(void) __attribute__((noreturn));

/* ---- text ---- */

bool output_terminal(void); /* standard output is one */
int output_columns(void);   /* its width; 80 if it isn't one */
int output_columns_of(FILE *to);

/* Nothing received ever begins a line or looks like one of ours: it stands behind words of ours, or
 * behind a bar. Of control bytes only LF goes out. On a terminal no line is wider than it is: words
 * that are too long are cut there, so that what follows does not begin at its left edge. */

/* Received text in one line, isolated (text_isolate). */
void print_isolate(struct bytes text);
/* Received text in lines, each indented by `indent` spaces, behind "| ", and folded to the width of
 * a terminal; a quoted line keeps its > when it is folded. */
void print_text(struct bytes text, int indent);
/* The same without a bar, for text of our own. */
void print_block(struct bytes text, int indent);
/* Received text in one line behind `label` ("Subject: "), at most LABELLED_MAX columns of it. */
void print_labelled(int indent, const char *label, struct bytes text);
#define LABELLED_MAX 600
/* Append it isolated, and cut to `columns` with an ellipsis. */
void text_cut(struct buffer *out, struct bytes text, size_t columns);
/* A line of ours, received text in it isolated before; folded likewise, and what is folded
 * indented. Whole into a file or a pipe. A newline follows. */
void print_sentence(int indent, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a line that is mostly received text, as a heading: what is folded stands behind a
 * bar that ends at `indent`. */
void print_line(int indent, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "2026-11-21 18:24" in local time; "-" for 0 and beyond the year 9999. */
const char *time_local(char out[static 24], uint64_t wall_ms);
/* The first 8 digits: what a person types. */
const char *id_short(char out[static 9], const uint8_t *id);
/* "1.4 kB". */
const char *size_text(char out[static 16], uint64_t bytes);

/* ---- tables (table.c) ---- */

/* Columns as wide as they must be; the last may be cut to the terminal's width, and those for which
 * that is too narrow go to lines of their own. `columns` are the
 * headings, one string with tabs between: "ID\tPOSTS>\tTITLE"; a heading that ends in > is set
 * right. Not printed when there is no row. */
struct table;
struct table *table_new(const char *columns); /* never NULL: exits the program without memory */
void table_free(struct table *t);
void table_text(struct table *t, struct bytes text); /* received: isolated */
void table_cell(struct table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* ours */
/* Print the rows so far; a row is complete when it has a cell for each column. */
void table_print(struct table *t);

/* ---- JSON (json.c) ---- */

json_t *json_hex(const uint8_t *data, size_t len);
/* A string; what is not UTF-8 comes as U+FFFD. */
json_t *json_bytes(struct bytes text);
/* Set `key` to `value` (taken over) unless it is NULL. */
void json_put(json_t *object, const char *key, json_t *value);
/* Print on a line (or, on a terminal, on several) and free. */
void json_print(json_t *value);
/* Print on one line at once: for streams. Frees. */
void json_print_line(json_t *value);
/* {"error": {"name", "text", "hint"}} for a trouble in a program that was asked for JSON. */
json_t *json_trouble(const struct trouble *t);

#endif
