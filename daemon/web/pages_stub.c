/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages until there are pages. */
#include "daemon/web/web.h"

static void stub(struct request *q, struct answer *a)
{
	buffer_printf(&a->body, "<!doctype html><title>%s</title><p>%s?%s\n", q->path, q->path,
	    q->query_text);
	for (int i = 0; i < 100; i++)
		buffer_add_str(&a->body, "<p>Nothing to see here.</p>\n");
}
#define STUB(name)                                     \
	void name(struct request *q, struct answer *a) \
	{                                              \
		stub(q, a);                            \
	}
STUB(page_front)
STUB(page_topic)
STUB(page_thread) STUB(page_message) STUB(page_author) STUB(page_search) STUB(page_since)
    STUB(page_part) STUB(page_raw) STUB(page_about) STUB(page_help) STUB(page_join) STUB(page_write)
	STUB(page_outbox) STUB(page_keys) STUB(feed_all) STUB(feed_topic) STUB(feed_thread)
	    STUB(feed_author)