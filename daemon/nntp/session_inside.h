/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the command machine share. Nobody else includes this. */
#ifndef DAEMON_NNTP_SESSION_INSIDE_H
#define DAEMON_NNTP_SESSION_INSIDE_H

#include "daemon/nntp/session.h"

#define ARGUMENTS_MAX 32
#define PIECE 8          /* articles looked at for one piece */
#define PIECE_BYTES 8192 /* or as many bytes written */
#define PIECE_COST 65536 /* or as many bytes looked at */

#define MATCHED_BYTES 1000 /* of a field, by patterns: what one is found by stands there */
#define KEPT_BYTES 16384   /* of an article's memory, from one to the next */

struct arguments {
	size_t count; /* without the command itself */
	struct bytes list[ARGUMENTS_MAX];
};

/* A long answer under way: what `more` needs of it is in here. */
struct answer {
	bool (*more)(struct nntp_session *s, struct buffer *out); /* false: it is complete */
	uint32_t group, at, last; /* articles `at` to `last` of a group */
	size_t next;              /* of groups by name */
	uint64_t since;
	const char *begin; /* said with the first item, and then NULL */
	const char *none;  /* said where there is none; NULL: an empty answer */
	const char
	    *empty; /* what is said of a field that is absent; NULL: nothing of the article */
	bool overview, forward;
	char field[SESSION_LINE_MAX + 1];
	char pattern[SESSION_LINE_MAX + 1]; /* a wildmat, or patterns with NULs between */
	size_t pattern_len;
};

struct nntp_session {
	struct news_source *source;
	const struct nntp_server *server;
	struct buffer in;
	size_t read;   /* of `in` */
	bool too_long; /* the line under way is: it is dropped up to its end */
	bool over;
	bool selected;
	uint32_t group, current; /* the article; 0: none */
	struct answer answer;    /* more NULL: none */
	struct news_article article;
	struct buffer field;
};

/* ---- command.c ---- */

typedef void command_fn(struct nntp_session *s, const struct arguments *a, struct buffer *out);

struct command {
	const char *name, *arguments; /* as HELP says them */
	unsigned least, most;         /* how many arguments */
	bool selected;                /* needs a group */
	command_fn *run;
	const char *help;
};
/* Ends with a row without a name. Of two words a row holds both, and `arguments` count behind. */
extern const struct command commands[];

/* ---- session.c ---- */

void say(struct buffer *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A source has failed: 403, or the end of the session where an answer has begun. */
void say_failed(struct nntp_session *s, struct buffer *out, int err);
void answer_failed(struct nntp_session *s);
bool word_is(struct bytes word, const char *name); /* in either case */

/* ---- articles.c ---- */

command_fn run_article, run_head, run_body, run_stat, run_next, run_last, run_group, run_listgroup;
/* `n`, `n-`, `n-m`. false: it isn't one. A range without end ends with NEWS_NUMBER_MAX. */
bool range_parse(struct bytes word, uint32_t *first, uint32_t *last);
bool number_parse(struct bytes word, uint32_t *out);
/* `<…>`: what stands between. */
bool message_id_word(struct bytes word, struct bytes *id);
/* Append a text of lines that end in LF, as NNTP has them: CR LF, dots at the beginning doubled. */
void lines_add(struct buffer *out, struct bytes text);

/* ---- overview.c ---- */

command_fn run_over, run_xover, run_hdr, run_xhdr, run_xpat;
/* The value of a header field, on one line; or of ":bytes" and ":lines". false: it is absent. */
bool field_of(const struct news_article *a, const char *name, struct buffer *out);

/* ---- listing.c ---- */

command_fn run_list, run_newgroups, run_newnews;
command_fn run_capabilities, run_date, run_help, run_mode, run_post, run_quit;

#endif
