/* SPDX-License-Identifier: BSD-2-Clause */
/* What threading needs of a header: ids and the date. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/archive/inside.h"

/* Where ids stand in a text that still grows; in order. */
struct id {
	size_t at, len, order;
	bool repeated;
};

struct list {
	struct id *id;
	size_t count, room;
	struct buffer *text;
	bool failed;
};

/* Take the text from `at` on as an id; what is empty or too long is dropped. */
static void list_add(struct list *l, size_t at)
{
	size_t len = l->text->len - at;
	if (l->text->failed || len == 0 || len > MESSAGE_ID_MAX) {
		l->text->len = at;
		return;
	}
	if (l->count == l->room) {
		size_t room = l->room > 0 ? 2 * l->room : 16;
		struct id *id = realloc(l->id, room * sizeof(*id));
		if (id == NULL) {
			l->failed = true;
			return;
		}
		l->id = id;
		l->room = room;
	}
	l->id[l->count] = (struct id){.at = at, .len = len, .order = l->count};
	l->count++;
}

static int by_text(const void *a, const void *b, void *text)
{
	const struct id *x = a, *y = b;
	const uint8_t *base = ((const struct buffer *)text)->data;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	int difference = memcmp(base + x->at, base + y->at, x->len);
	return difference != 0 ? difference : x->order < y->order ? -1 : 1;
}

static int by_order(const void *a, const void *b)
{
	const struct id *x = a, *y = b;
	return x->order < y->order ? -1 : 1;
}

/* Drop what is there already. By sorting, since a header may hold any number of them. */
static void list_unique(struct list *l)
{
	const uint8_t *base = l->text->data;
	size_t kept = 0;
	if (l->count < 2 || l->failed)
		return;
	qsort_r(l->id, l->count, sizeof(*l->id), by_text, l->text);
	for (size_t i = 1; i < l->count; i++)
		l->id[i].repeated = l->id[i].len == l->id[i - 1].len &&
				    memcmp(base + l->id[i].at, base + l->id[i - 1].at,
					l->id[i].len) == 0;
	qsort(l->id, l->count, sizeof(*l->id), by_order);
	for (size_t i = 0; i < l->count; i++)
		if (!l->id[i].repeated)
			l->id[kept++] = l->id[i];
	l->count = kept;
}

static struct bytes list_get(const struct list *l, size_t i)
{
	return bytes_of(l->text->data + l->id[i].at, l->id[i].len);
}

/* Append an id without spaces and control bytes, in UTF-8; longer ones than any that is used are
 * not looked at. */
static void add_id(struct buffer *out, struct bytes in, const char *fallback)
{
	uint8_t id[MESSAGE_ID_MAX + 1];
	size_t len = 0;
	for (size_t i = 0; i < in.len && len < sizeof(id); i++)
		if (in.data[i] > ' ' && in.data[i] != 0x7f)
			id[len++] = in.data[i];
	if (len <= MESSAGE_ID_MAX)
		charset_decode(out, bytes_of(id, len), NULL, fallback);
}

/* What stands between the next `<` and its `>`; false: there is nothing more. */
static bool next_bracketed(struct bytes *in, struct bytes *id)
{
	const uint8_t *close = in->len > 0 ? memchr(in->data, '>', in->len) : NULL;
	while (close != NULL) {
		const uint8_t *open = memrchr(in->data, '<', (size_t)(close - in->data));
		size_t used = (size_t)(close - in->data) + 1;
		if (open != NULL)
			*id = bytes_of(open + 1, (size_t)(close - open) - 1);
		*in = bytes_of(in->data + used, in->len - used);
		if (open != NULL)
			return true;
		close = in->len > 0 ? memchr(in->data, '>', in->len) : NULL;
	}
	return false;
}

static bool is_space(uint8_t c)
{
	return c <= ' ';
}

/* The first `<...>` that isn't empty; or else the first word, of a broken one. */
static void add_message_id(struct buffer *out, struct bytes value, const char *fallback)
{
	struct bytes rest = value, id;
	while (out->len == 0 && next_bracketed(&rest, &id))
		add_id(out, id, fallback);
	if (out->len > 0 || rest.len < value.len)
		return;
	size_t from = 0, end;
	while (from < value.len && (is_space(value.data[from]) || value.data[from] == '<'))
		from++;
	for (end = from; end < value.len && !is_space(value.data[end]); end++)
		;
	if (end > from)
		add_id(out, bytes_of(value.data + from, end - from), fallback);
}

static void add_references(struct list *l, struct bytes value, const char *fallback)
{
	struct bytes id;
	while (next_bracketed(&value, &id)) {
		size_t at = l->text->len;
		add_id(l->text, id, fallback);
		list_add(l, at);
	}
}

static int64_t field_date(struct bytes value)
{
	char text[256];
	size_t len = 0;
	for (size_t i = 0; i < value.len && len + 1 < sizeof(text); i++)
		if (value.data[i] != '\0' && value.data[i] != '\r')
			text[len++] = value.data[i] == '\n' ? ' ' : (char)value.data[i];
	text[len] = '\0';
	return len > 0 ? mime_date(text) : INT64_MIN;
}

static int64_t header_date(const struct fields *h)
{
	int64_t date = field_date(h->value[FIELD_DATE]);
	struct bytes received = h->value[FIELD_RECEIVED];
	const uint8_t *semicolon = received.len > 0 ? memrchr(received.data, ';', received.len)
						    : NULL;
	if (date == INT64_MIN && semicolon != NULL) {
		size_t used = (size_t)(semicolon - received.data) + 1;
		date = field_date(bytes_of(received.data + used, received.len - used));
	}
	return date;
}

int ids_read(struct mail_ids *out, const struct fields *h, const char *fallback)
{
	*out = (struct mail_ids){.text = BUFFER_INIT};
	struct list l = {.text = &out->text};
	out->date = header_date(h);
	add_message_id(&out->text, h->value[FIELD_MESSAGE_ID], fallback);
	list_add(&l, 0);
	size_t own =
	    l.count; /* the mail's own id is in the list, so that no reference repeats it */
	add_references(&l, h->value[FIELD_REFERENCES], fallback);
	add_references(&l, h->value[FIELD_IN_REPLY_TO], fallback);
	list_unique(&l);

	size_t count = l.count - own, skip = 0;
	if (count > REFERENCES_MAX) {
		/* The first says which thread it is, the last ones where in it. */
		skip = count - REFERENCES_MAX;
		count = REFERENCES_MAX;
	}
	int err = l.failed || out->text.failed ? ERR_NOMEM : OK;
	if (err == OK && count > 0) {
		out->references = malloc(count * sizeof(*out->references));
		err = out->references != NULL ? OK : ERR_NOMEM;
	}
	if (err == OK) {
		out->message_id = own > 0 ? list_get(&l, 0) : bytes_of(NULL, 0);
		for (size_t i = 0; i < count; i++)
			out->references[i] = list_get(&l, own + (i > 0 ? skip + i : 0));
		out->reference_count = count;
	}
	free(l.id);
	return err;
}

void mail_ids_free(struct mail_ids *ids)
{
	buffer_free(&ids->text);
	free(ids->references);
	*ids = (struct mail_ids){.date = INT64_MIN};
}
