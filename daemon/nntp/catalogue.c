/* SPDX-License-Identifier: BSD-2-Clause */
/* What is there to read: groups, and which article is which message. catalogue_follow.c looks for
 * what is new. */
#include "daemon/nntp/catalogue_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"

/* ---- the source ---- */

static struct catalogue *of(struct news_source *s)
{
	return (struct catalogue *)s;
}

static int group_at(struct news_source *s, size_t n, uint32_t *group)
{
	struct catalogue *c = of(s);

	if (n >= c->listed_count)
		return ERR_RANGE;
	*group = c->listed[n];
	return OK;
}

static int group_find(struct news_source *s, struct bytes name, uint32_t *group)
{
	struct catalogue *c = of(s);
	uint8_t id[GROUP_ID_LEN];

	if (!group_name_read(name, c->prefix, id))
		return ERR_NOTFOUND;
	for (size_t i = 0; i < c->listed_count; i++) {
		*group = c->listed[i];
		if (memcmp(numbers_topic(c->numbers, *group), id, GROUP_ID_LEN) == 0)
			return OK;
	}
	return ERR_NOTFOUND;
}

static int group_get(struct news_source *s, uint32_t group, struct news_group *out)
{
	struct catalogue *c = of(s);
	const struct group_shown *g = &c->groups[group];

	if (!g->listed)
		return ERR_NOTFOUND;
	strcpy(out->name, g->name);
	out->title = bytes_str(g->title ? g->title : "");
	out->high = out->count = numbers_high(c->numbers, group);
	out->low = 1;
	out->created = numbers_group_time(c->numbers, group);
	return OK;
}

static int article(struct news_source *s, uint32_t group, uint32_t number, enum news_extent extent,
    struct news_article *out)
{
	struct catalogue *c = of(s);

	if (!c->reader)
		return ERR_BUSY;
	if (number == 0 || group >= c->group_count || number > numbers_high(c->numbers, group))
		return ERR_NOTFOUND;
	return article_make(c->articles, c->reader, numbers_id(c->numbers, group, number),
	    numbers_topic(c->numbers, group), c->groups[group].name, number, extent, out);
}

/* The forum's own ids say themselves which message it is. */
static bool id_read(struct bytes id, uint8_t out[static ID_LEN])
{
	return id.len > 2 * ID_LEN && id.data[2 * ID_LEN] == '@' &&
	       hex_decode(out, ID_LEN, (const char *)id.data, 2 * ID_LEN) == OK;
}

static int locate(struct news_source *s, struct bytes id, uint32_t *group, uint32_t *number)
{
	struct catalogue *c = of(s);
	struct news_article found = NEWS_ARTICLE_INIT;
	uint8_t message[ID_LEN];
	bool is;
	int err;

	if (!c->reader)
		return ERR_BUSY;
	is = (id_read(id, message) && numbers_find(c->numbers, message, group, number)) ||
	     names_find(c->names, id, group, number);
	if (!is || *number > numbers_high(c->numbers, *group))
		return ERR_NOTFOUND;
	err = article(s, *group, *number, NEWS_ID, &found);
	if (!err && !bytes_equal(bytes_str(found.id), id))
		err = ERR_NOTFOUND;
	buffer_free(&found.text);
	return err;
}

static uint32_t since(struct news_source *s, uint32_t group, uint64_t when)
{
	return numbers_since(of(s)->numbers, group, when);
}

static const struct news_source_ops ops = {
    .group_at = group_at,
    .group_find = group_find,
    .group = group_get,
    .article = article,
    .locate = locate,
    .since = since,
};

/* ---- itself ---- */

int catalogue_new(struct catalogue **out, const struct catalogue_setup *setup)
{
	struct catalogue *c = calloc(1, sizeof *c);
	int err;

	*out = NULL;
	if (!c)
		return ERR_NOMEM;
	c->source.ops = &ops;
	c->setup = *setup;
	groups_prefix(c->prefix, setup->forum);
	c->names = names_new();
	err = c->names ? articles_new(&c->articles, setup->organisation, setup->url) : ERR_NOMEM;
	if (!err)
		err = numbers_open(&c->numbers, setup->numbers);
	if (err)
		catalogue_free(c);
	else
		*out = c;
	return err;
}

void catalogue_free(struct catalogue *c)
{
	if (!c)
		return;
	reader_close(c->reader);
	numbers_close(c->numbers);
	articles_free(c->articles);
	names_free(c->names);
	for (uint32_t i = 0; i < c->group_count; i++)
		free(c->groups[i].title);
	free(c->groups);
	free(c->listed);
	content_clear(&c->content);
	buffer_free(&c->text);
	free(c);
}

void catalogue_set_url(struct catalogue *c, const char *url)
{
	articles_set_url(c->articles, url);
}

struct news_source *catalogue_source(struct catalogue *c)
{
	return &c->source;
}

int catalogue_begin(struct catalogue *c)
{
	uint64_t state;
	int err = c->reader ? reader_begin(c->reader, &state) : ERR_NOTFOUND;

	if (err && c->reader) {
		reader_close(c->reader);
		c->reader = NULL;
	}
	return err;
}

void catalogue_end(struct catalogue *c)
{
	reader_end(c->reader);
}
