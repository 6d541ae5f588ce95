/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/screen/post.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "client/screen/tree.h"

#define TITLE_MAX 400 /* bytes */

struct post *post_take(Convene__Item *item, const uint8_t forum[static HASH_LEN], struct client *c)
{
	struct post *p = calloc(1, sizeof *p);

	if (!p) {
		message_free(&item->base);
		return NULL;
	}
	p->item = item;
	p->depth = item->depth;
	shown_open(&p->shown, item, forum, c);
	return p;
}

void post_free(struct post *p)
{
	if (!p)
		return;
	shown_clear(&p->shown);
	message_free(&p->item->base);
	free(p);
}

int posts_insert(struct posts *p, size_t at, struct post *post)
{
	struct post **list = p->list;

	if ((p->count & (p->count + 1)) == 0)
		list = realloc(list, 2 * (p->count + 1) * sizeof *list);
	if (!list)
		return ERR_NOMEM;
	p->list = list;
	memmove(list + at + 1, list + at, (p->count - at) * sizeof *list);
	list[at] = post;
	p->count++;
	return OK;
}

int posts_take(struct posts *p, struct frames *frames, const uint8_t forum[static HASH_LEN],
    struct client *c, struct trouble *t)
{
	for (size_t i = 0; i < frames->count; i++) {
		Convene__Items *m = (Convene__Items *)frames->list[i];
		size_t count = m->n_items;

		/* Ours from now on, one by one. */
		m->n_items = 0;
		for (size_t j = 0; j < count; j++) {
			struct post *post = post_take(m->items[j], forum, c);

			if (!post || posts_insert(p, p->count, post) != OK) {
				post_free(post);
				while (++j < count)
					message_free(&m->items[j]->base);
				return no_memory(t);
			}
		}
	}
	return OK;
}

void posts_free(struct posts *p)
{
	for (size_t i = 0; i < p->count; i++)
		post_free(p->list[i]);
	free(p->list);
	*p = (struct posts){NULL, 0};
}

size_t posts_find(const struct posts *p, const uint8_t id[static ID_LEN])
{
	for (size_t i = 0; i < p->count; i++)
		if (memcmp(p->list[i]->shown.id, id, ID_LEN) == 0)
			return i;
	return POST_NONE;
}

const uint8_t *post_thread(const struct post *p)
{
	return p->item->thread.len == ID_LEN ? p->item->thread.data : NULL;
}

const uint8_t *post_topic(const struct post *p)
{
	if (p->item->topic.len == ID_LEN)
		return p->item->topic.data;
	return p->shown.parsed && p->shown.header.topic.present ? p->shown.header.topic.id : NULL;
}

bool post_is_message(const struct post *p)
{
	return p->shown.parsed && p->shown.header.kind == KIND_POST;
}

unsigned posts_depth(const void *posts, size_t at)
{
	return ((const struct posts *)posts)->list[at]->depth;
}

struct sibling {
	struct posts posts; /* first: posts_depth() */
	const struct post *fresh;
};

/* Siblings stand by their times, and then by their ids. */
static bool is_later(const void *ctx, size_t at)
{
	const struct sibling *s = ctx;
	const struct shown *a = &s->posts.list[at]->shown, *b = &s->fresh->shown;

	if (a->header.time != b->header.time)
		return a->header.time > b->header.time;
	return memcmp(a->id, b->id, ID_LEN) > 0;
}

size_t post_place(const struct posts *p, struct post *fresh)
{
	const struct ref *parent = &fresh->shown.header.parent;
	size_t at = parent->present ? posts_find(p, parent->id) : POST_NONE;
	struct sibling s = {*p, fresh};

	if (at == POST_NONE) {
		fresh->depth = p->count > 0 ? 1 : 0;
		return p->count;
	}
	fresh->depth = p->list[at]->depth + 1;
	return tree_place(posts_depth, &s, p->count, at, is_later);
}

void post_title(struct buffer *out, const struct post *p)
{
	const struct content *c = &p->shown.content;
	struct bytes text = c->text;

	if (!p->shown.has_content)
		return;
	if (c->subject.len > 0) {
		text_line(out, text_head(c->subject, TITLE_MAX));
		return;
	}
	/* The first line that is neither empty nor somebody else's. */
	while (text.len > 0) {
		struct bytes line = text_first_line(text);

		if (line.len > 0 && line.data[0] != '>' && line.data[line.len - 1] != ':') {
			text_line(out, text_head(line, TITLE_MAX));
			return;
		}
		text = line.len < text.len
			   ? bytes_of(text.data + line.len + 1, text.len - line.len - 1)
			   : bytes_of(NULL, 0);
	}
	text_line(out, text_head(text_first_line(c->text), TITLE_MAX));
}
