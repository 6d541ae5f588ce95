/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this room say to each other on the way from bytes to `struct conf`:
 *
 *   scan.c   bytes -> statements    comments blanked, quotes and braces balanced, text checked
 *   load.c   statements -> blocks  libconfuse parses each statement; every value is kept as a
 * string build.c  blocks -> struct conf by the schema, value.c for one value check.c  what several
 * options say together
 *
 * Each step reports what it finds and hands on what it could still understand, so that one run
 * shows every mistake. A step that lost something marks it `broken`, and the next one then doesn't
 * complain of what is missing there. */
#ifndef CONF_PARSE_H
#define CONF_PARSE_H

#include "base/error.h"
#include "conf/schema.h"

/* ---- errors.c ---- */

#define ERRORS_MAX 100

/* Add one message; `fmt` gives it without file, line and newline. What it quotes may be hostile. */
void error_add(struct conf_errors *errors, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool error_on_line(const struct conf_errors *errors, unsigned line);
bool errors_full(const struct conf_errors *errors);

/* ---- scan.c ---- */

/* A stretch of the text that libconfuse can parse alone: one block, and any options that stand
 * between it and the block before. */
struct statement {
	size_t start, end;   /* in the scanned text */
	unsigned line;       /* of `start` */
	unsigned block_line; /* of the block's name; 0: there is no block */
	unsigned open_line;  /* of its opening brace */
	unsigned close_line; /* of its closing brace, or of the end */
	unsigned missing;    /* closing braces to add; what is missing was reported */
};

struct scan {
	char *text; /* as long as the input and with the same lines */
	size_t len;
	struct statement *list;
	size_t count;
	unsigned spoiled[ERRORS_MAX]; /* lines, reported, in which something was replaced */
	size_t spoiled_count;
};

/* OK or ERR_NOMEM; `out` is to be freed in both cases. */
int scan_text(struct scan *out, struct bytes text, struct conf_errors *errors);
void scan_free(struct scan *scan);

/* ---- load.c ---- */

struct item {
	const struct option_schema *option; /* NULL: unknown, and `name` says how it was called */
	char *name;
	char *value;
	unsigned line;
	bool append; /* a further value of the same list */
	bool bad;    /* its line is spoiled: don't look at the value */
};

struct block {
	enum conf_section section; /* SECTIONS: options that stand in no block */
	char *title;               /* NULL: none */
	unsigned line;
	bool broken; /* something in it could not be read */
	struct item *items;
	size_t count;
};

struct blocks {
	struct block *list;
	size_t count;
};

/* OK or ERR_NOMEM; `out` is to be freed in both cases. */
int blocks_load(struct blocks *out, const struct scan *scan, struct conf_errors *errors);
void blocks_free(struct blocks *blocks);

/* ---- value.c ---- */

/* Check one value by its option's type and write it to `field`; the values it replaces are not
 * freed. `folder` is where relative paths start. Reports and returns false if it is wrong. */
bool value_parse(const struct option_schema *option, const char *text, unsigned line,
    const char *folder, void *field, struct conf_errors *errors);

/* ---- build.c ---- */

#define OPTIONS_MAX 96

/* Where each option of one block was set; 0: it was not. */
struct lines {
	unsigned block;
	unsigned at[OPTIONS_MAX];
	bool good[OPTIONS_MAX];  /* set, and well */
	bool meant[OPTIONS_MAX]; /* misspelt, it seems: neither set nor missing */
	bool broken;
};

struct peer_lines {
	unsigned block, address, key; /* 0: not set, or not well */
};

struct builder {
	struct conf *conf;
	struct conf_errors *errors;
	const char *folder;
	struct lines single[SECTIONS]; /* of the sections that stand once */
	unsigned *listen_lines[SECTIONS];
	struct peer_lines *peer_lines;
	unsigned *origin_lines;
	bool lost; /* a whole block could not be read */
};

/* Build `conf` (zeroed) from the blocks. OK, ERR_MALFORMED (reported), ERR_NOMEM. */
int conf_build(
    struct conf *conf, const struct blocks *blocks, const char *folder, struct conf_errors *errors);

/* ---- check.c ---- */

void check_together(struct builder *b);

#endif
