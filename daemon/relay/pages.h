/* SPDX-License-Identifier: BSD-2-Clause */
/* What arrived, encoded once for all who watch: a page is a run of arrivals as one whole frame of
 * ITEMS. The newest few are kept, and served from any place within them, so that watchers who are
 * not quite side by side share them too. Loop thread.
 *
 * A page is what the store held when it was made. Nobody gets it any more once anything was
 * committed since, or anything else was changed that items tell (pages_changed()): whatever erases,
 * amends, hides or completes an item is one or the other, and nobody has to think of which. */
#ifndef DAEMON_RELAY_PAGES_H
#define DAEMON_RELAY_PAGES_H

#include "daemon/relay/state.h"

#define PAGE_BYTES 65536 /* a page ends with the item that reaches this */
#define PAGE_ROWS 256

struct page_item {
	uint64_t arrival;
	size_t end;   /* of its bytes in the frame; they begin where those of the one before end */
	bool missing; /* its content is still on its way */
	uint8_t topic[ID_LEN];
};

struct page {
	size_t *total; /* bytes of all pages; of this one as long as it is there */
	unsigned users;
	bool local, by_topic;
	uint8_t topic[ID_LEN];
	uint64_t after, upto; /* nothing else of these has arrived in (after, upto] */
	struct buffer frame;  /* a header with `stream`, and the items */
	uint32_t stream;
	struct page_item *items;
	size_t count, cap;
};

struct pages;

int pages_start(struct relay *r);
void pages_free(struct relay *r);

/* Forget what is out of date: once before pages are got, and again in each turn of the loop. */
void pages_look(struct relay *r);

/* What a watcher asks for. */
struct page_want {
	uint64_t after;
	const uint8_t *topic; /* NULL: all */
	uint32_t stream;
	bool waits; /* for contents: nothing is wanted behind an item without */
};

/* The page that begins behind `after`, or has it in the middle; `upto` is greater. Valid until the
 * next is got. */
int page_get(struct session *s, const struct page_want *want, struct page **out);

/* Queue the whole of a page, without a copy; or some bytes of it under a header of their own, with
 * one. `at_once`: see channel_send_frame(). */
void page_send(struct session *s, uint32_t stream, struct page *p, bool at_once);
/* `runs` are pieces of the page's frame. */
void page_send_some(struct session *s, uint32_t stream, struct page *p, const struct bytes *runs,
    size_t count, bool at_once);

#endif
