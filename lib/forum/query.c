/* SPDX-License-Identifier: BSD-2-Clause */
/* Listings: ids, threads, arrivals. */
#include "forum/query_private.h"

#include <string.h>

#include "base/error.h"

/* Rows that query_resolve() looks at: anybody can mention ids that begin alike and don't exist. */
#define RESOLVE_MAX 1000

/* Make the id of a row, which is of 32 bytes. */
static void id_read(const struct view *v, int column, uint8_t out[static ID_LEN])
{
	view_fixed(v, column, out, ID_LEN);
}

void ref_read(const struct view *v, int column, struct item_ref *out)
{
	if (view_null(v, column))
		return;
	out->present = true;
	out->log_no = view_at_log(view_int(v, column));
	out->index = view_at_index(view_int(v, column));
	id_read(v, column + 1, out->id);
}

int query_resolve(struct store *s, struct bytes prefix, uint8_t id[static ID_LEN])
{
	uint8_t from[ID_LEN], to[ID_LEN];
	size_t shown = 0, roots = 0, seen = 0;
	struct view v;

	if (prefix.len < 4 || prefix.len > ID_LEN)
		return ERR_INVALID;
	memset(from, 0, ID_LEN);
	memset(to, 0xff, ID_LEN);
	memcpy(from, prefix.data, prefix.len);
	memcpy(to, prefix.data, prefix.len);
	int err = view_start(&v, s, VIEW_RESOLVE, "kki", from, to, (int64_t)RESOLVE_MAX);
	while (err == OK && (err = view_next(&v)) == 1) {
		bool is_shown = view_int(&v, 1) != 0, is_root = !is_shown && view_int(&v, 2) != 0;
		seen++;
		/* A missing root is listed and can be asked for, but gives way to what is here. */
		if ((is_shown && shown == 0) || (is_root && roots + shown == 0))
			id_read(&v, 0, id);
		shown += is_shown;
		roots += is_root;
		err = OK;
	}
	if (err != OK)
		return err;
	if (shown > 1 || (shown == 0 && roots > 1) || seen == RESOLVE_MAX)
		return ERR_EXISTS;
	return shown + roots == 0 ? ERR_NOTFOUND : OK;
}

/* The number that a query finds for an id. */
static int number_of(
    struct store *s, enum view_id which, const uint8_t id[static ID_LEN], int64_t *out)
{
	struct view v;
	int err = view_start(&v, s, which, "k", id);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*out = view_int(&v, 0);
	view_end(&v);
	return OK;
}

static int64_t most(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static int threads_each(
    struct store *s, int64_t topic, size_t limit, size_t offset, thread_fn *fn, void *ctx)
{
	struct view v;
	int err = view_start(&v, s, VIEW_THREADS, "iii", topic, most(limit), most(offset));

	while (err == OK && (err = view_next(&v)) == 1) {
		struct thread_row row = {
		    .root_missing = view_int(&v, AUTHOR_COLUMNS_COUNT + 2) == 0,
		    .posts = (uint64_t)view_int(&v, AUTHOR_COLUMNS_COUNT + 5),
		    .latest = (uint64_t)view_int(&v, AUTHOR_COLUMNS_COUNT + 6),
		};
		id_read(&v, AUTHOR_COLUMNS_COUNT, row.id);
		/* A missing root may be a valid message that isn't shown: then nothing of it is. */
		if (!row.root_missing) {
			row.lang = view_bytes(&v, AUTHOR_COLUMNS_COUNT + 3);
			row.time = (uint64_t)view_int(&v, AUTHOR_COLUMNS_COUNT + 4);
			row.subject = view_bytes(&v, AUTHOR_COLUMNS_COUNT + 7);
			row.archived_author = view_bytes(&v, AUTHOR_COLUMNS_COUNT + 8);
			author_read(&v, 0, &row.author);
			memcpy(row.log, row.author.log, DIGEST_LEN);
		}
		if ((err = fn(ctx, &row)) != OK)
			view_end(&v);
	}
	return err;
}

int query_threads(struct store *s, const uint8_t topic[static ID_LEN], size_t limit, size_t offset,
    thread_fn *fn, void *ctx)
{
	int64_t no;
	int err = number_of(s, VIEW_TOPIC_FIND, topic, &no);

	return err == OK ? threads_each(s, no, limit, offset, fn, ctx) : err;
}

/* A row of what arrived. */
static void arrival_read(const struct view *v, struct item_row *row)
{
	int64_t at = view_int(v, AUTHOR_COLUMNS_COUNT);

	*row = (struct item_row){
	    .log_no = view_at_log(at),
	    .index = view_at_index(at),
	    .kind = (uint32_t)view_int(v, AUTHOR_COLUMNS_COUNT + 1),
	    .time = (uint64_t)view_int(v, AUTHOR_COLUMNS_COUNT + 2),
	    .arrival = (uint64_t)view_int(v, AUTHOR_COLUMNS_COUNT + 3),
	    .parent_missing = view_int(v, AUTHOR_COLUMNS_COUNT + 7) != 0,
	};
	id_read(v, AUTHOR_COLUMNS_COUNT + 4, row->id);
	id_read(v, AUTHOR_COLUMNS_COUNT + 5, row->topic);
	/* A TOPIC that nobody has answered is a thread by itself. */
	id_read(v,
	    view_null(v, AUTHOR_COLUMNS_COUNT + 6) ? AUTHOR_COLUMNS_COUNT + 5
						   : AUTHOR_COLUMNS_COUNT + 6,
	    row->thread);
	ref_read(v, AUTHOR_COLUMNS_COUNT + 8, &row->amendment);
	ref_read(v, AUTHOR_COLUMNS_COUNT + 10, &row->erasure);
	author_read(v, 0, &row->author);
}

/* What the four of them have in common. */
static int arrivals_each(struct view *v, item_fn *fn, void *ctx)
{
	int err;

	while ((err = view_next(v)) == 1) {
		struct item_row row;

		arrival_read(v, &row);
		if ((err = fn(ctx, &row)) != OK) {
			view_end(v);
			return err;
		}
	}
	return err;
}

/* Forward or back: `all` and `of_topic` are the two statements. */
static int arrivals_from(struct store *s, enum view_id all, enum view_id of_topic, uint64_t from,
    const uint8_t *topic, size_t limit, item_fn *fn, void *ctx)
{
	struct view v;
	int64_t no;
	int err;

	if (topic == NULL) {
		err = view_start(&v, s, all, "ii", most(from), most(limit));
	} else {
		/* A topic of which nothing is here yet may come. */
		err = number_of(s, VIEW_TOPIC_FIND, topic, &no);
		if (err == ERR_NOTFOUND)
			return OK;
		if (err == OK)
			err = view_start(&v, s, of_topic, "iii", most(from), most(limit), no);
	}
	return err == OK ? arrivals_each(&v, fn, ctx) : err;
}

int query_arrivals(
    struct store *s, uint64_t after, const uint8_t *topic, size_t limit, item_fn *fn, void *ctx)
{
	return arrivals_from(s, VIEW_ARRIVALS, VIEW_ARRIVALS_TOPIC, after, topic, limit, fn, ctx);
}

int query_latest(
    struct store *s, uint64_t before, const uint8_t *topic, size_t limit, item_fn *fn, void *ctx)
{
	return arrivals_from(s, VIEW_LATEST, VIEW_LATEST_TOPIC, before, topic, limit, fn, ctx);
}

struct counting {
	item_fn *fn;
	void *ctx;
	size_t count;
};

static int count_row(void *ctx, const struct item_row *row)
{
	struct counting *c = ctx;

	c->count++;
	return c->fn(c->ctx, row);
}

int query_item(struct store *s, const uint8_t id[static ID_LEN], item_fn *fn, void *ctx)
{
	struct counting c = {fn, ctx, 0};
	struct view v;
	int err = view_start(&v, s, VIEW_ITEM, "k", id);

	if (err == OK)
		err = arrivals_each(&v, count_row, &c);
	return err == OK && c.count == 0 ? ERR_NOTFOUND : err;
}

struct by_author {
	struct counting counting;
	const struct view *view;
	uint64_t last;
};

static int by_author_row(void *ctx, const struct item_row *row)
{
	struct by_author *b = ctx;

	b->last = (uint64_t)view_int(b->view, AUTHOR_COLUMNS_COUNT + 12);
	return count_row(&b->counting, row);
}

int query_by_author(struct store *s, struct bytes organisation,
    const uint8_t identity[static IDENTITY_LEN], uint64_t *before, uint64_t span, size_t limit,
    item_fn *fn, void *ctx)
{
	struct view v;
	struct by_author b = {{fn, ctx, 0}, &v, 0};
	uint64_t newest, below, from;
	int err = query_last_arrival(s, &newest);

	if (err != OK)
		return err;
	below = *before <= newest ? *before : newest + 1;
	from = below > span ? below - span : 0;
	err = view_start(&v, s, VIEW_BY_AUTHOR, "iiibh", most(below), most(from), most(limit),
	    organisation, identity);
	if (err == OK)
		err = arrivals_each(&v, by_author_row, &b);
	*before = b.counting.count == limit ? b.last : from;
	return err;
}

int query_changes(struct store *s, uint64_t after, size_t limit,
    int (*fn)(void *ctx, uint64_t arrival, const uint8_t id[static ID_LEN], uint64_t shown),
    void *ctx)
{
	struct view v;
	int64_t from = after > INT64_MAX ? INT64_MAX : (int64_t)after;
	int err = view_start(&v, s, VIEW_SHOWN_CHANGES, "ii", from, (int64_t)limit);

	while (err == OK && (err = view_next(&v)) == 1) {
		uint8_t id[ID_LEN];

		id_read(&v, 1, id);
		err = fn(ctx, (uint64_t)view_int(&v, 0), id, (uint64_t)view_int(&v, 2));
		if (err != OK)
			view_end(&v);
	}
	return err;
}

int query_shown(struct store *s, uint64_t arrival,
    int (*fn)(void *ctx, const struct item_row *row, struct bytes lang), void *ctx)
{
	struct view v;
	struct item_row row;
	int err = arrival > INT64_MAX ? ERR_NOTFOUND
				      : view_start(&v, s, VIEW_SHOWN_AT, "i", (int64_t)arrival);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	arrival_read(&v, &row);
	err = fn(ctx, &row, view_bytes(&v, AUTHOR_COLUMNS_COUNT + 12));
	view_end(&v);
	return err;
}

int query_erased(struct store *s, uint64_t after, int (*fn)(void *ctx, uint64_t shown), void *ctx)
{
	struct view v;
	int64_t from = after > INT64_MAX ? INT64_MAX : (int64_t)after;
	int err = view_start(&v, s, VIEW_SHOWN_ERASED, "i", from);

	while (err == OK && (err = view_next(&v)) == 1) {
		err = fn(ctx, (uint64_t)view_int(&v, 0));
		if (err != OK)
			view_end(&v);
	}
	return err;
}

int query_arrival(struct store *s, uint64_t arrival, uint8_t id[static ID_LEN])
{
	struct view v;
	int err = arrival > INT64_MAX ? ERR_NOTFOUND
				      : view_start(&v, s, VIEW_ARRIVAL_ID, "i", (int64_t)arrival);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	id_read(&v, 0, id);
	view_end(&v);
	return OK;
}

int query_placed(struct store *s, uint64_t after, size_t limit,
    int (*fn)(void *ctx, const struct placed_row *row), void *ctx)
{
	struct view v;
	int64_t from = after > INT64_MAX ? INT64_MAX : (int64_t)after;
	int64_t most = limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
	int err = view_start(&v, s, VIEW_PLACED, "ii", from, most);

	while (err == OK && (err = view_next(&v)) == 1) {
		int64_t at = view_int(&v, 1), text = view_null(&v, 4) ? at : view_int(&v, 4);
		struct placed_row row = {
		    .arrival = (uint64_t)view_int(&v, 0),
		    .log_no = view_at_log(at),
		    .index = view_at_index(at),
		    .amended = !view_null(&v, 4),
		    .erased = view_int(&v, 5) != 0,
		    .late = view_int(&v, 6) != 0,
		    .text_log_no = view_at_log(text),
		    .text_index = view_at_index(text),
		};
		id_read(&v, 2, row.id);
		id_read(&v, 3, row.topic);
		if ((err = fn(ctx, &row)) != OK)
			view_end(&v);
	}
	return err;
}

int query_last_arrival(struct store *s, uint64_t *out)
{
	struct view v;
	int err = view_start(&v, s, VIEW_LAST_NUMBERS, "");

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_STORE : err;
	*out = (uint64_t)(view_int(&v, 0) > view_int(&v, 1) ? view_int(&v, 0) : view_int(&v, 1));
	view_end(&v);
	return OK;
}

int query_message(struct store *s, const uint8_t id[static ID_LEN], uint32_t *log, uint64_t *index)
{
	int64_t at;
	int err = number_of(s, VIEW_MESSAGE_AT, id, &at);

	if (err != OK)
		return err;
	*log = view_at_log(at);
	*index = view_at_index(at);
	return OK;
}

int query_erasures(struct store *s, int (*fn)(void *ctx, uint32_t log, uint64_t index), void *ctx)
{
	struct view v;
	int err = view_start(&v, s, VIEW_ERASURES, "");

	while (err == OK && (err = view_next(&v)) == 1) {
		int64_t at = view_int(&v, 0);
		err = fn(ctx, view_at_log(at), view_at_index(at));
		if (err != OK)
			view_end(&v);
	}
	return err;
}

int query_erasure(struct store *s, const uint8_t id[static ID_LEN], struct item_ref *out)
{
	struct view v;
	int err = view_start(&v, s, VIEW_ERASURE_OF, "k", id);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	*out = (struct item_ref){.present = true,
	    .log_no = view_at_log(view_int(&v, 0)),
	    .index = view_at_index(view_int(&v, 0))};
	view_fixed(&v, 1, out->id, ID_LEN);
	view_end(&v);
	return OK;
}
