/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader as a state machine: keys and news go in, jobs and wishes come out, and what it is can
 * be drawn on a canvas. It knows no terminal, no socket and no clock; what was read is marked in
 * seen.h. One owner, one thread. */
#ifndef SCREEN_SCREEN_H
#define SCREEN_SCREEN_H

#include "client/screen/canvas.h"
#include "client/screen/list.h"
#include "client/screen/page.h"
#include "client/screen/post.h"
#include "client/screen/seen.h"
#include "client/screen/worker.h"

/* A key: a character (Unicode), or one of these. */
enum key_code {
	K_UP = 0x110000,
	K_DOWN,
	K_LEFT,
	K_RIGHT,
	K_PAGE_UP,
	K_PAGE_DOWN,
	K_HOME,
	K_END,
	K_ENTER,
	K_ESCAPE,
	K_BACKSPACE,
	K_TAB,
};

enum at {
	AT_TOPICS,
	AT_THREADS, /* of a topic */
	AT_TREE,    /* the messages of a thread */
	AT_FOUND,   /* what a search found */
	AT_MESSAGE, /* of a thread, or found */
	AT_COUNT
};

enum over { OVER_NONE, OVER_HELP, OVER_PROMPT, OVER_SAID };
enum asking_for { ASK_SEARCH, ASK_SUBJECT, ASK_ALL_READ };

/* What the screen can't do by itself. */
enum wish { WISH_NONE, WISH_QUIT, WISH_REPLY, WISH_THREAD, WISH_REDRAW };

struct topic_row {
	uint8_t id[ID_LEN];
	struct ref at; /* the same, with its log */
	struct buffer title, hidden;
	uint64_t threads, posts, latest, unread;
};

struct thread_row {
	uint8_t id[ID_LEN];
	struct buffer subject, author, hidden;
	uint64_t posts, latest, unread;
	bool root_missing;
};

struct screen {
	struct seen *seen;
	void (*ask)(void *ctx, const struct job *job);
	void *ctx;
	int rows, columns;
	const struct home *home; /* who reads; NULL: nobody in particular */
	bool terminal_bidi;      /* it reorders right-to-left text by itself */

	enum at at;
	struct list lists[AT_COUNT]; /* of AT_MESSAGE: the lines of the page */
	enum at under;               /* AT_TREE or AT_FOUND: where the message is from */

	struct topic_row *topics;
	struct thread_row *threads; /* of `topic` */
	bool threads_more;
	uint8_t topic[ID_LEN];
	struct posts posts; /* of `thread` */
	uint8_t thread[ID_LEN];
	bool posts_more;  /* the rest of the thread is on its way */
	uint64_t missing; /* posts of it that are known of, and not at the node */
	struct posts found;
	struct buffer words;   /* what was searched for */
	uint64_t found_before; /* where there is more of it; 0: there isn't */
	struct page page;

	enum over over;
	enum asking_for asking_for;
	struct buffer typed; /* into the prompt */
	struct page help;    /* and what was said, when it takes several lines */
	struct list help_lines;
	char said[600]; /* in the last line, until the next key */

	unsigned asked;     /* the last job's number */
	bool waiting;       /* for its answer */
	enum job_kind job;  /* what it was */
	uint64_t progress;  /* of JOB_SYNC */
	bool copy, offline; /* the answer was the copy's; the node is never asked */
	uint64_t synced;
	bool live;        /* what comes is shown */
	uint64_t arrival; /* up to here everything has come */
	bool outbox;      /* something waits there */
};

void screen_init(
    struct screen *s, struct seen *seen, void (*ask)(void *, const struct job *), void *ctx);
void screen_free(struct screen *s);
void screen_resize(struct screen *s, int rows, int columns);
/* Ask for the topics: at the start. */
void screen_begin(struct screen *s);

enum wish screen_key(struct screen *s, unsigned key, uint64_t now);
/* Something has come: takes what it needs of it. */
void screen_news(struct screen *s, struct news *n);
/* Draw. `waited`: for how many seconds the answer has been waited for. */
void screen_draw(const struct screen *s, struct canvas *f, unsigned waited);

/* Ask again for what is shown. */
void screen_again(struct screen *s);

/* The message that keys are about: selected, or being read; NULL: none. */
struct post *screen_post(const struct screen *s);
/* A line of ours until the next key. */
void screen_say(struct screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Several, until a key is pressed. */
void screen_tell(struct screen *s, const char *text);

#endif
