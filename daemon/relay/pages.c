/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/relay/pages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/answer.h"

#define PAGES_KEPT 16
#define ITEM_HEAD 6 /* tag and length of an item, at most */
#define ITEM_TAG 0x0a

struct pages {
	bool known;       /* what they are up to date with; else none may be kept */
	uint64_t version; /* of the store */
	uint64_t changes; /* relay's */
	struct page *kept[PAGES_KEPT];
	size_t next; /* to be replaced */
};

int pages_start(struct relay *r)
{
	r->pages = calloc(1, sizeof *r->pages);
	return r->pages ? OK : ERR_NOMEM;
}

/* What it weighs. */
static size_t weight(const struct page *p)
{
	return sizeof *p + p->frame.cap + p->cap * sizeof *p->items;
}

static void page_drop(struct page *p)
{
	if (!p || --p->users > 0)
		return;
	*p->total -= weight(p);
	buffer_free(&p->frame);
	free(p->items);
	free(p);
}

static void forget(struct pages *pages)
{
	for (size_t i = 0; i < PAGES_KEPT; i++) {
		page_drop(pages->kept[i]);
		pages->kept[i] = NULL;
	}
}

void pages_free(struct relay *r)
{
	if (r->pages)
		forget(r->pages);
	free(r->pages);
	r->pages = NULL;
}

/* The version is read before any page is made that counts as of it: what is committed in between
 * makes a page newer than it says, which costs another one and nothing else. */
void pages_look(struct relay *r)
{
	struct pages *pages = r->pages;
	uint64_t version = 0;
	bool known = r->reader->ops->version(r->reader, &version) == OK;

	if (known && pages->known && version == pages->version &&
	    pages->changes == r->items_changes)
		return;
	forget(pages);
	pages->known = known;
	pages->version = version;
	pages->changes = r->items_changes;
}

/* ---- making one ---- */

struct making {
	struct page *page;
	struct answer answer;
	size_t rows;
	bool waits;
};

static struct page_item *item_room(struct page *p)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 8;
		struct page_item *grown = realloc(p->items, cap * sizeof *grown);

		if (!grown)
			return NULL;
		p->items = grown;
		p->cap = cap;
	}
	return &p->items[p->count];
}

static size_t varint_put(uint8_t *at, size_t value)
{
	size_t len = 0;

	for (; value >= 0x80; value >>= 7)
		at[len++] = (uint8_t)(value | 0x80);
	at[len++] = (uint8_t)value;
	return len;
}

static int page_row(void *ctx, const struct item_row *row)
{
	struct making *m = ctx;
	struct page *p = m->page;
	struct page_item *item = item_room(p);
	Convene__Item filled;
	size_t size;
	uint8_t *at;
	int err;

	if (!item)
		return ERR_NOMEM;
	err = items_fill(&m->answer, row, &filled);
	size = err ? 0 : convene__item__get_packed_size(&filled);
	at = err ? NULL : buffer_reserve(&p->frame, ITEM_HEAD + size);
	if (at) {
		size_t head = 1 + varint_put(at + 1, size);

		at[0] = ITEM_TAG;
		convene__item__pack(&filled, at + head);
		p->frame.len += head + size;
		item->arrival = row->arrival;
		item->end = p->frame.len;
		item->missing = filled.content_state == CONVENE__CONTENT_STATE__CONTENT_MISSING;
		memcpy(item->topic, row->topic, ID_LEN);
		p->count++;
	}
	answer_clear(&m->answer);
	m->rows++;
	if (err || !at)
		return err ? err : ERR_NOMEM;
	return p->frame.len < PAGE_BYTES && !(m->waits && item->missing) ? OK : ERR_BUSY;
}

static void header_put(uint8_t *at, size_t len, uint32_t stream)
{
	put_u32(at, (uint32_t)len);
	at[4] = FRAME_ITEMS;
	put_u32(at + 5, stream);
}

/* What it lies in is no larger than it is: it may be held for a slow reader. */
static void page_trim(struct page *p)
{
	uint8_t *data = realloc(p->frame.data, p->frame.len);

	if (data) {
		p->frame.data = data;
		p->frame.cap = p->frame.len;
	}
}

static int page_make(struct session *s, struct page *p, bool waits)
{
	struct relay *r = s->relay;
	struct making m = {.page = p, .answer = {.session = s}, .waits = waits};
	int err;

	/* The header is written when all is there. */
	if (!buffer_reserve(&p->frame, FRAME_HEADER_LEN + 2048))
		return ERR_NOMEM;
	p->frame.len = FRAME_HEADER_LEN;
	err = query_arrivals(
	    r->reader, p->after, p->by_topic ? p->topic : NULL, PAGE_ROWS, page_row, &m);
	answer_end(&m.answer);
	/* What came before something that can't be told is told. */
	if (err && err != ERR_BUSY && p->count == 0)
		return err;
	p->upto = p->count ? p->items[p->count - 1].arrival : p->after;
	if (err == OK && m.rows < PAGE_ROWS && r->arrivals > p->upto)
		p->upto = r->arrivals;
	page_trim(p);
	header_put(p->frame.data, p->frame.len - FRAME_HEADER_LEN, p->stream);
	return OK;
}

static bool fits(const struct page *p, const struct session *s, const struct page_want *want)
{
	return p && p->local == s->local && p->after <= want->after && want->after < p->upto &&
	       p->by_topic == (want->topic != NULL) &&
	       (!want->topic || memcmp(p->topic, want->topic, ID_LEN) == 0);
}

int page_get(struct session *s, const struct page_want *want, struct page **out)
{
	struct relay *r = s->relay;
	struct pages *pages = r->pages;
	struct page *p;
	int err;

	for (size_t i = 0; i < PAGES_KEPT; i++) {
		if (fits(pages->kept[i], s, want)) {
			*out = pages->kept[i];
			return OK;
		}
	}
	p = calloc(1, sizeof *p);
	if (!p)
		return ERR_NOMEM;
	*p = (struct page){.total = &r->pages_bytes,
	    .users = 1,
	    .local = s->local,
	    .by_topic = want->topic != NULL,
	    .after = want->after,
	    .frame = BUFFER_INIT,
	    .stream = want->stream};
	if (want->topic)
		memcpy(p->topic, want->topic, ID_LEN);
	err = page_make(s, p, want->waits);
	r->pages_bytes += weight(p);
	if (err) {
		page_drop(p);
		return err;
	}
	page_drop(pages->kept[pages->next]);
	pages->kept[pages->next] = *out = p;
	pages->next = (pages->next + 1) % PAGES_KEPT;
	return OK;
}

/* ---- sending ---- */

static void sent(const void *data, size_t len, void *ctx)
{
	(void)data;
	(void)len;
	page_drop(ctx);
}

void page_send(struct session *s, uint32_t stream, struct page *p, bool at_once)
{
	struct bytes all = bytes_of(
	    p->frame.data + FRAME_HEADER_LEN, p->frame.len - FRAME_HEADER_LEN);

	if (stream != p->stream) {
		page_send_some(s, stream, p, &all, 1, at_once);
		return;
	}
	p->users++;
	channel_send_frame(s->channel, buffer_bytes(&p->frame), at_once, sent, p);
}

void page_send_some(struct session *s, uint32_t stream, struct page *p, const struct bytes *runs,
    size_t count, bool at_once)
{
	struct page *piece = calloc(1, sizeof *piece);
	size_t len = FRAME_HEADER_LEN;

	for (size_t i = 0; i < count; i++)
		len += runs[i].len;
	if (!piece || !buffer_reserve(&piece->frame, len)) {
		free(piece);
		channel_fail(s->channel, ERR_NOMEM, "out of memory");
		return;
	}
	piece->frame.len = FRAME_HEADER_LEN;
	header_put(piece->frame.data, len - FRAME_HEADER_LEN, stream);
	for (size_t i = 0; i < count; i++)
		buffer_add(&piece->frame, runs[i].data, runs[i].len);
	assert(piece->frame.len == len);
	piece->users = 1;
	piece->total = p->total;
	*piece->total += weight(piece);
	channel_send_frame(s->channel, buffer_bytes(&piece->frame), at_once, sent, piece);
}
