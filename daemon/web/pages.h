/* SPDX-License-Identifier: BSD-2-Clause */
/* What pages have in common: the frame around them, and the pieces that they are made of. */
#ifndef DAEMON_WEB_PAGES_H
#define DAEMON_WEB_PAGES_H

#include "daemon/web/html.h"
#include "daemon/web/web.h"

enum {
	TOPIC_THREADS = 50, /* on one page */
	THREAD_MESSAGES = 100,
	FEED_ENTRIES = 30,
	PAGE_CONTENTS = 16 << 20, /* bytes that are read for one page; further texts are left out */
	ID_HEX = 2 * ID_LEN + 1,
};

/* ---- the frame ---- */

struct page {
	const char *title;    /* of the window, before the forum's name; "" on the front page */
	struct bytes subject; /* or what a person wrote */
	const char *script;   /* a module of script/, "" when there is none */
	const char *feed;     /* its path, "" */
	const char *previous, *next; /* paths of the pages before and behind it, "" */
	const char *canonical;       /* a path; "": that of the request */
	bool unlisted;               /* not for search engines */
	const char *here; /* which entry of the navigation this is: "/", "/about" …; "" */
};
#define PAGE_INIT                                                                  \
	{                                                                          \
		.title = "", .script = "", .feed = "", .previous = "", .next = "", \
		.canonical = "", .here = ""                                        \
	}

/* Everything up to <main>, and from </main> on. Between them a page writes its own headings, from
 * <h1> on. */
struct html page_begin(struct request *q, struct answer *a, const struct page *page);
void page_end(struct html h, struct request *q, const struct page *page);

/* ---- pieces ---- */

/* ` href="…"`, to a path of ours in the language of the page. */
void page_href(struct html h, const struct request *q, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* An address for other programs: with conf's url, if it has one; without a language. */
void page_address(struct html h, const struct request *q, const char *path);

/* <time datetime>: a day and a time of day in UTC, as the page's language writes them. */
void page_time(struct html h, enum language l, uint64_t ms);
void page_day(struct html h, enum language l, uint64_t ms);
/* Free what these keep (tests). */
void page_time_end(void);
/* In numbers, for programs. */
void page_iso(char out[static 25], uint64_t ms);
/* " lang=… " of a tag that somebody gave, if it is one. */
void page_lang(struct html h, struct bytes tag);
/* A number of bytes, for people. */
void page_size(struct html h, uint64_t bytes);

/* Who wrote something, as a link to what else they wrote; of an imported message the author whom
 * the archive names. */
void page_author_link(struct html h, const struct request *q, const struct author *a);
void page_writer(struct html h, const struct request *q, const struct message_shown *m);
/* handle@organisation. */
void page_address_of(struct html h, const struct author *a);
/* The name in what an archive says of an author, without the address. */
struct bytes archived_name(struct bytes author);
/* A writer in few words, without a link; with who archived it, since that is who says so. */
void page_writer_short(struct html h, const struct author *a, struct bytes archived_author);
/* The same in text alone: feeds. */
void page_writer_text(struct html h, const struct author *a, struct bytes archived_author);
/* The name alone, where it leads to a message that says the rest. */
void page_writer_name(struct html h, const struct author *a, struct bytes archived_author);

/* <nav> of where a page is: forum, topic, and the path of a thread; each may be NULL. */
void page_path(struct html h, struct request *q, const uint8_t *topic, const char *thread);
/* Title of a topic or subject of a thread; what can't be told is said instead. */
void page_topic_title(struct html h, struct request *q, const uint8_t topic[static ID_LEN]);

/* The title of one that stands in a listing, which has it already. */
void page_topic_name(struct html h, struct request *q, const struct topic_row *row);
/* Titles of a list in which they recur: each is read once. {0}, and cleared. */
struct page_titles {
	struct page_title {
		uint8_t id[ID_LEN];
		struct buffer html;
	} kept[8];
	size_t next;
};
void page_topic_kept(
    struct html h, struct request *q, struct page_titles *t, const uint8_t topic[static ID_LEN]);
void page_titles_clear(struct page_titles *t);

/* Links to pages 1 … of a list; `base` is a path. */
void page_pager(
    struct html h, const struct request *q, const char *base, uint64_t page, uint64_t pages);
/* ?page=, from 1. */
uint64_t page_number(const struct request *q);
/* "/x?page=3", or "/x" for the first; in `room`. */
const char *page_of(char room[static 256], const char *base, uint64_t page);

/* How much has been written in a topic. */
void page_counts(struct html h, uint64_t posts, uint64_t threads);
/* A sentence of ours in which what is typed as it stands (convene://, lang:fr, 2026-01-31) isn't
 * turned around where one writes from the right. */
void page_prose(struct html h, const char *text);
/* How a text begins, on one line: without what it quotes. */
void page_excerpt(struct html h, struct bytes text);
/* Where conf says that the node's operators are written to: a link. It must be there. */
void page_contact(struct html h, const struct conf *c);

/* A remark on a message or list: erased, hidden, disputed … `kind` is a class. */
void page_remark(struct html h, const char *kind, const char *text);
/* Whose logs this node doesn't carry: what is written there is missing here. */
void page_uncarried(struct html h, struct request *q);

/* A message in full: where it is one of a thread, or alone. */
struct message_view {
	const struct message_shown *m;
	unsigned level;        /* heading */
	unsigned depth;        /* indentation */
	bool alone;            /* on a page of its own */
	const uint8_t *parent; /* what it replies to, if that is to be said */
	bool parent_on_page;
	struct bytes parent_by;      /* HTML: who wrote that; empty: not known */
	size_t text_max;             /* bytes of the text that are shown */
	struct bytes thread_subject; /* a subject that is the same isn't shown again */
};
void page_message_view(struct html h, struct request *q, const struct message_view *v);

/* Why a text that is TEXT_MISSING isn't shown, as a sentence. */
const char *page_missing(const struct message_shown *m);
/* The subject to show, "" when there is none to be shown. */
struct bytes message_subject(const struct message_shown *m);
/* Whether two subjects are the same but for "Re:". */
bool subject_same(struct bytes a, struct bytes b);

void hex_id(char out[static ID_HEX], const uint8_t id[static ID_LEN]);
/* Something didn't go well: 404 for ERR_NOTFOUND, … */
void page_failed(struct request *q, struct answer *a, int err);
/* 301 to a path of ours, which is short. */
void page_redirect(struct request *q, struct answer *a, const char *path);

/* text_html.c: a message's text, of which no more than about `max` bytes; false: it is longer. */
bool text_html(struct html h, struct bytes text, size_t max);

#endif
