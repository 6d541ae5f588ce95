/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept, for completion: fast, by the beginnings of ids. */
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/copy_inside.h"
#include "client/quote.h"
#include "msg/content.h"

/* The first and the last id that begin so. */
static int range_of(uint8_t low[static ID_LEN], uint8_t high[static ID_LEN], const char *hex)
{
	char text[2 * ID_LEN + 1];
	size_t len = strlen(hex);

	if (len > 2 * ID_LEN)
		return ERR_MALFORMED;
	memset(text, '0', sizeof text);
	memcpy(text, hex, len);
	if (hex_decode(low, ID_LEN, text, 2 * ID_LEN) != OK)
		return ERR_MALFORMED;
	memset(text + len, 'f', 2 * ID_LEN - len);
	return hex_decode(high, ID_LEN, text, 2 * ID_LEN);
}

static void title_give(struct copy *c, const uint8_t id[static ID_LEN], struct buffer *out)
{
	struct item_text text;
	struct content content;
	struct trouble t;

	memset(&content, 0, sizeof content);
	if (text_start(&text, c, id, &t) != OK)
		return;
	if (text.content.len > 0 && content_parse(text.content, &content) == OK) {
		struct bytes first = content.subject.len > 0 ? content.subject
							     : quote_own_line(content.text);

		buffer_add(out, first.data, first.len);
	}
	content_clear(&content);
	text_end(&text);
}

int copy_recent(struct copy *c, bool threads, struct bytes author, const char *hex, size_t limit,
    void (*fn)(void *ctx, const uint8_t *id, struct bytes title), void *ctx, struct trouble *t)
{
	uint8_t low[ID_LEN], high[ID_LEN], (*ids)[ID_LEN];
	struct buffer title = BUFFER_INIT;
	struct query *q;
	size_t n = 0;
	int err;

	if (range_of(low, high, hex) != OK)
		return OK; /* no id begins so */
	ids = calloc(limit + 1, sizeof *ids);
	if (!ids)
		return no_memory(t);
	err = query_start(&q, c->d,
	    "SELECT id FROM item WHERE kind = ?1 AND id BETWEEN ?2 AND ?3"
	    " AND (parent IS NULL OR NOT ?4) AND (NOT ?6 OR (state != ?7 AND person IN"
	    " (SELECT no FROM person WHERE identity = ?8))) ORDER BY time DESC, id DESC LIMIT ?5",
	    t, "ikkiiiib", (int64_t)KIND_POST, low, high, (int64_t)threads, (int64_t)limit,
	    (int64_t)(author.len > 0), (int64_t)CONVENE__CONTENT_STATE__CONTENT_ERASED, author);
	while (!err && n < limit && (err = query_next(&q, t)) == 1) {
		struct bytes id = query_bytes(q, 0);

		err = OK;
		if (id.len == ID_LEN)
			memcpy(ids[n++], id.data, ID_LEN);
	}
	query_end(&q);
	for (size_t i = 0; i < n && !err; i++) {
		buffer_reset(&title);
		title_give(c, ids[i], &title);
		fn(ctx, ids[i], buffer_bytes(&title));
	}
	buffer_free(&title);
	free(ids);
	return err;
}
