/* SPDX-License-Identifier: BSD-2-Clause */
/* Topics: all of them, or one. */
#include "forum/query_private.h"

#include <string.h>

#include "base/error.h"

static int topics_each(struct view *v, topic_fn *fn, void *ctx)
{
	int err;

	while ((err = view_next(v)) == 1) {
		int64_t at = view_int(v, AUTHOR_COLUMNS_COUNT + 1);
		struct topic_row row = {
		    .log_no = view_at_log(at),
		    .index = view_at_index(at),
		    .title = view_bytes(v, AUTHOR_COLUMNS_COUNT + 2),
		    .description = view_bytes(v, AUTHOR_COLUMNS_COUNT + 3),
		    .threads = (uint64_t)view_int(v, AUTHOR_COLUMNS_COUNT + 4),
		    .posts = (uint64_t)view_int(v, AUTHOR_COLUMNS_COUNT + 5),
		    .latest = (uint64_t)view_int(v, AUTHOR_COLUMNS_COUNT + 6),
		};
		author_read(v, 0, &row.author);
		memcpy(row.log, row.author.log, DIGEST_LEN);
		view_fixed(v, AUTHOR_COLUMNS_COUNT, row.id, ID_LEN);
		if ((err = fn(ctx, &row)) != OK) {
			view_end(v);
			return err;
		}
	}
	return err;
}

int query_topics(struct store *s, topic_fn *fn, void *ctx)
{
	struct view v;
	int err = view_start(&v, s, VIEW_TOPICS, "");

	return err == OK ? topics_each(&v, fn, ctx) : err;
}

struct topic_found {
	topic_fn *fn;
	void *ctx;
	bool found;
};

static int topic_found(void *ctx, const struct topic_row *row)
{
	struct topic_found *f = ctx;

	f->found = true;
	return f->fn(f->ctx, row);
}

int query_topic(struct store *s, const uint8_t id[static ID_LEN], topic_fn *fn, void *ctx)
{
	struct topic_found f = {fn, ctx, false};
	struct view v;
	int err = view_start(&v, s, VIEW_TOPIC, "k", id);

	if (err == OK)
		err = topics_each(&v, topic_found, &f);
	return err == OK && !f.found ? ERR_NOTFOUND : err;
}
