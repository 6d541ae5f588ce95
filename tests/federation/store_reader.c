/* SPDX-License-Identifier: BSD-2-Clause */
/* What a gateway of another system user will do: read the store of a running relay, over and over.
 * `store_reader DATABASE` prints entries held and posts shown whenever either has grown, until
 * DATABASE.stop is there; then it tries to write. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "forum/query.h"

struct seen {
	struct store *store;
	uint64_t entries, posts, arrival, texts;
};

static int see_log(void *ctx, const struct store_log *log)
{
	((struct seen *)ctx)->entries += log->size;
	return OK;
}

/* Each post, and its text as far as it is here. */
static int see_item(void *ctx, const struct item_row *row)
{
	struct seen *s = ctx;
	struct buffer text = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	int err = s->store->ops->content_get(
	    s->store, row->log_no, row->index, row->id, salt, &text);

	s->posts++;
	s->arrival = row->arrival;
	s->texts += err == OK;
	buffer_free(&text);
	return err == ERR_NOTFOUND ? OK : err;
}

static int look(struct store *store, struct seen *s)
{
	int err;

	s->store = store;
	s->entries = 0;
	err = store->ops->log_each(store, see_log, s);
	if (!err)
		err = query_arrivals(store, s->arrival, NULL, 1000, see_item, s);
	return err;
}

int main(int argc, char **argv)
{
	struct store *store;
	struct seen seen = {.entries = 0};
	uint64_t entries = 0, posts = 0;
	char stop[4096];
	int err = argc == 2 ? store_open(&store, &store_sqlite, argv[1], STORE_READ_ONLY)
			    : ERR_INVALID;

	if (err) {
		printf("open: %s\n", error_text(err));
		return 1;
	}
	snprintf(stop, sizeof stop, "%s.stop", argv[1]);
	for (;;) {
		int last = access(stop, F_OK) == 0;

		err = look(store, &seen);
		if (err) {
			printf("read: %s (%s)\n", error_text(err), store_error(store));
			return 1;
		}
		if (seen.entries != entries || seen.posts != posts)
			printf("%llu %llu\n", (unsigned long long)seen.entries,
			    (unsigned long long)seen.posts);
		fflush(stdout);
		entries = seen.entries;
		posts = seen.posts;
		if (last)
			break;
	}
	puts(
	    store->ops->begin(store) == OK && store->ops->meta_put(store, "x", bytes_str("y")) == OK
		? "wrote"
		: "refused");
	store_close(store);
	return 0;
}
