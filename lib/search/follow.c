/* SPDX-License-Identifier: BSD-2-Clause */
/* Following a store: what arrives is looked at in the order of its arrival numbers, each time as it
 * is shown then, so that no order of amendments, erasures and contents matters. A content that
 * isn't here is remembered, and looked for. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "msg/header.h"
#include "search/fold.h"
#include "search/index.h"
#include "search/query.h"

#define SNAPSHOT_MAX 64 /* messages looked at while the store's log is held up */
#define REST_MIN_MS 1000
#define REST_FACTOR 10 /* of the time that looking for what is missing took */

struct change {
	uint64_t arrival, shown;
	uint8_t id[ID_LEN];
};

struct changes {
	struct change list[SNAPSHOT_MAX];
	size_t count;
	bool more; /* there may be */
};

static int change_add(void *ctx, uint64_t arrival, const uint8_t id[static ID_LEN], uint64_t shown)
{
	struct changes *c = ctx;

	c->list[c->count] = (struct change){.arrival = arrival, .shown = shown};
	memcpy(c->list[c->count++].id, id, ID_LEN);
	return OK;
}

/* ---- one message ---- */

struct look {
	struct search_writer *w;
	struct store *s;
	bool here; /* its text was taken in */
};

/* Whether an entry has a content at all. What can't be told now is told later: not an answer. */
static int has_content(struct store *s, uint32_t log, uint64_t index, bool *has)
{
	struct buffer entry = BUFFER_INIT;
	struct header h;
	size_t got = 0;
	int err = s->ops->read(s, log, index, 1, 1, &entry, &got);

	*has = false;
	if (!err && got == 1) {
		err = message_parse(bytes_of(entry.data + 2, entry.len - 2), &h);
		*has = err == OK && h.has_commitment;
		err = err == ERR_NOMEM ? err : OK;
	}
	buffer_free(&entry);
	return err == ERR_RANGE || err == ERR_NOTFOUND ? OK : err;
}

/* A post moves without anything arriving for it when the root of its thread does. */
static int is_unrooted(struct store *s, const struct item_row *row, bool *out)
{
	uint32_t log;
	uint64_t index;
	int err = OK;

	if (memcmp(row->thread, row->id, ID_LEN) != 0)
		err = query_message(s, row->thread, &log, &index);
	*out = err == ERR_NOTFOUND;
	return *out ? OK : err;
}

static int text_take(
    struct look *l, const struct item_row *row, struct bytes lang, const struct buffer *encoded)
{
	struct buffer text = BUFFER_INIT, folded = BUFFER_INIT;
	struct search_doc doc = {.row = row, .lang = lang};
	struct content c;
	int err = content_parse(buffer_bytes(encoded), &c);

	/* What can't be read is shown to nobody. */
	if (err)
		return err == ERR_NOMEM ? err : OK;
	err = content_searched(&text, &c);
	if (!err)
		err = is_unrooted(l->s, row, &doc.unrooted);
	if (!err)
		err = search_fold(&folded, buffer_bytes(&text));
	doc.text = buffer_bytes(&folded);
	if (!err)
		err = search_writer_add(l->w, &doc);
	l->here = !err;
	content_clear(&c);
	buffer_free(&text);
	buffer_free(&folded);
	return err;
}

static int look_row(void *ctx, const struct item_row *row, struct bytes lang)
{
	struct look *l = ctx;
	const struct item_ref *f = &row->amendment;
	struct buffer encoded = BUFFER_INIT;
	uint32_t log = f->present ? f->log_no : row->log_no;
	uint64_t index = f->present ? f->index : row->index;
	bool has;
	int err;

	if (row->erasure.present)
		return OK;
	err = l->s->ops->content_get(
	    l->s, log, index, f->present ? f->id : row->id, NULL, &encoded);
	if (!err)
		err = text_take(l, row, lang, &encoded);
	else if (err == ERR_NOTFOUND) {
		err = has_content(l->s, log, index, &has);
		if (!err && has)
			err = search_writer_missing(l->w, row->arrival, true);
	} else if (err == ERR_REFUSED)
		err = OK;
	buffer_free(&encoded);
	return err;
}

/* `gone`: something of it is to be in the index no more. */
static int look(struct search_writer *w, struct store *s, uint64_t arrival, bool gone, bool *here)
{
	struct look l = {w, s, false};
	int err = gone ? search_writer_drop(w, arrival) : OK;

	if (!err)
		err = search_writer_missing(w, arrival, false);
	if (!err)
		err = query_shown(s, arrival, look_row, &l);
	if (here)
		*here = l.here;
	return err == ERR_NOTFOUND ? OK : err;
}

/* ---- what has come ---- */

static int kind_see(void *ctx, const struct item_row *row)
{
	*(bool *)ctx = row->kind == KIND_AMEND;
	return OK;
}

/* Something that has come. What isn't shown now, while the views are made anew, may be again.
 *
 * What an AMEND replaces can still be asked for, and stays here, too: beside the new words, the old
 * ones are a reason more to look at a text and find that they aren't in it. To take them out all
 * that the index has of the text's part would have to be written again. */
static int take_one(struct search_writer *w, struct store *s, const struct change *c, bool *here)
{
	bool amends = false;
	int err = OK;

	if (c->shown == 0)
		return search_writer_missing(w, c->arrival, true);
	if (c->shown != c->arrival)
		err = query_item(s, c->id, kind_see, &amends);
	if (err && err != ERR_NOTFOUND)
		return err;
	return look(w, s, c->shown, c->shown != c->arrival && !amends, here);
}

/* A stretch of arrivals, in one state of the store. */
static int stretch(struct search_writer *w, struct store *s, struct changes *c, uint64_t after)
{
	int err = s->ops->begin(s), ended;

	c->count = 0;
	if (err)
		return err;
	err = query_changes(s, after, SNAPSHOT_MAX, change_add, c);
	c->more = c->count == SNAPSHOT_MAX;
	for (size_t i = 0; i < c->count && !err; i++) {
		err = take_one(w, s, &c->list[i], NULL);
		/* 64 texts can be 64 large ones. */
		if (!err && search_writer_full(w)) {
			c->more |= i + 1 < c->count;
			c->count = i + 1;
		}
	}
	ended = s->ops->commit(s);
	return err ? err : ended;
}

static int take_in(struct search_writer *w, struct store *s, uint64_t until, bool *more)
{
	const struct search_index *x = search_writer_index(w);
	uint64_t position = x->position;
	uint8_t id[ID_LEN];
	struct changes c;
	int err = OK;

	*more = true;
	memcpy(id, x->id, ID_LEN);
	do {
		err = stretch(w, s, &c, position);
		if (err)
			return err;
		*more = c.more;
		if (c.count > 0) {
			position = c.list[c.count - 1].arrival;
			memcpy(id, c.list[c.count - 1].id, ID_LEN);
		}
	} while (*more && !search_writer_full(w) && clock_mono_ms() < until);
	return position != x->position ? search_commit(w, position, id, false) : OK;
}

/* ---- what is missing ---- */

/* The highest number below another one that is missing; 0: none. */
static uint64_t missing_below(const struct search_index *x, uint64_t below)
{
	uint64_t best = 0;

	for (size_t i = 0; i < x->missing_count; i++) {
		const struct index_missing *m = &x->missing[i];
		uint64_t first = (uint64_t)m->part << PART_BITS;

		if (first >= below || first + PART_DOCS <= best)
			continue;
		for (size_t word = SET_WORDS; word > 0; word--) {
			uint64_t bits = m->docs.words[word - 1], at = first + 64 * (word - 1);

			if (at >= below)
				continue;
			if (below - at < 64)
				bits &= (UINT64_C(1) << (below - at)) - 1;
			if (bits) {
				at += 63 - (uint64_t)__builtin_clzll(bits);
				best = at > best ? at : best;
				break;
			}
		}
	}
	return best;
}

/* Whether it is there now: its content, or itself in the views. */
static int missing_one(struct search_writer *w, struct store *s, uint64_t arrival, bool *any)
{
	struct changes c = {.count = 0};
	bool here = false;
	int err = query_changes(s, arrival - 1, 1, change_add, &c);

	if (err)
		return err;
	if (c.count == 1 && c.list[0].arrival == arrival && c.list[0].shown == 0)
		return OK;
	err = search_writer_missing(w, arrival, false);
	if (!err && c.count == 1 && c.list[0].arrival == arrival)
		err = take_one(w, s, &c.list[0], &here);
	*any |= here;
	return err;
}

static int missing_take(
    struct search_writer *w, struct store *s, struct search_pace *pace, uint64_t until)
{
	const struct search_index *x = search_writer_index(w);
	uint64_t arrival = 1;
	bool any = false;
	int err = OK;

	while (!err && arrival > 0 && !search_writer_full(w) && clock_mono_ms() < until) {
		err = s->ops->begin(s);
		if (err)
			return err;
		for (size_t i = 0; i < SNAPSHOT_MAX && !err && !search_writer_full(w); i++) {
			arrival = missing_below(x, pace->below);
			if (arrival == 0)
				break;
			pace->below = arrival;
			err = missing_one(w, s, arrival, &any);
		}
		if (s->ops->commit(s) != OK && !err)
			err = ERR_STORE;
	}
	pace->found |= any;
	/* Also what is known not to come any more, or it is looked for again and again. */
	if (!err && (any || search_writer_marked(w)))
		err = search_commit(w, x->position, x->id, false);
	else if (!err)
		err = search_writer_discard(w);
	return err ? err : arrival > 0;
}

/* As often as it costs a tenth of the time, and something may have come. */
static int missing_look(
    struct search_writer *w, struct store *s, struct search_pace *pace, uint64_t until)
{
	uint64_t now = clock_mono_ms(), version = 0;
	int err;

	if (search_writer_index(w)->missing_count == 0)
		return OK;
	if (pace->below == 0) {
		if (now < pace->rest_until || s->ops->version(s, &version) != OK ||
		    version == pace->version)
			return OK;
		*pace = (struct search_pace){.below = UINT64_MAX, .began = now, .version = version};
	}
	err = missing_take(w, s, pace, until);
	if (err == OK) {
		uint64_t took = clock_mono_ms() - pace->began;

		pace->rest_until = clock_mono_ms() + REST_MIN_MS +
				   (pace->found ? 0 : REST_FACTOR * took);
		pace->below = 0;
	}
	return err;
}

/* ---- for the caller ---- */

/* Whether the index is of this store: what came last there has that number here. */
static int same_store(struct search_writer *w, struct store *s)
{
	const struct search_index *x = search_writer_index(w);
	uint8_t id[ID_LEN];
	int err;

	if (x->position == 0)
		return OK;
	err = query_arrival(s, x->position, id);
	if (err == ERR_NOTFOUND || (!err && memcmp(id, x->id, ID_LEN) != 0))
		err = search_writer_reset(w);
	return err;
}

int search_follow(struct search_writer *w, struct store *s, struct search_pace *pace, unsigned ms)
{
	uint64_t until = clock_mono_ms() + ms;
	bool more = false;
	int err = same_store(w, s);

	if (!err)
		err = take_in(w, s, until, &more);
	if (!err && !more)
		err = missing_look(w, s, pace, until);
	if (err != OK && err != 1) {
		search_writer_discard(w);
		return err;
	}
	return err == 1 || more ? 1 : OK;
}

struct erased {
	uint64_t *list, position;
	size_t count, cap;
};

static int erased_add(void *ctx, uint64_t shown)
{
	struct erased *e = ctx;
	uint64_t *grown;

	if (shown > e->position)
		return OK;
	if (e->count == e->cap) {
		e->cap = e->cap ? 2 * e->cap : 64;
		grown = realloc(e->list, e->cap * sizeof *grown);
		if (!grown)
			return ERR_NOMEM;
		e->list = grown;
	}
	e->list[e->count++] = shown;
	return OK;
}

/* ERASEs that came before the index's position have done what they do when it came by. */
int search_erase(struct search_writer *w, struct store *s)
{
	const struct search_index *x = search_writer_index(w);
	struct erased e = {.position = x->position};
	int err = same_store(w, s);

	e.position = x->position;
	if (!err)
		err = s->ops->begin(s);
	if (err)
		return err;
	err = query_erased(s, e.position, erased_add, &e);
	for (size_t i = 0; i < e.count && !err; i++) {
		err = look(w, s, e.list[i], true, NULL);
		/* Of an amendment that is erased the text before comes back. */
		if (!err && search_writer_full(w))
			err = search_commit(w, x->position, x->id, true);
	}
	if (s->ops->commit(s) != OK && !err)
		err = ERR_STORE;
	free(e.list);
	if (err) {
		search_writer_discard(w);
		return err;
	}
	return search_commit(w, x->position, x->id, true);
}
