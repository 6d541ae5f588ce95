/* SPDX-License-Identifier: BSD-2-Clause */
/* A news source of a few lines, for the command machine: two groups, of which one has lost article
 * 3, and an answer for each thing that can go wrong. */
#ifndef TESTS_NEWS_FIXTURE_H
#define TESTS_NEWS_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "daemon/nntp/session.h"

#define NEWS_BIG 5000 /* articles of the second group */

struct news_fixture {
	struct news_source source; /* first */
	bool broken;               /* nothing can be read */
	unsigned break_after;      /* articles, from when on nothing can; 0: never */
	unsigned asked;
	size_t large, subject; /* so much more text, and subject */
};

static inline int fixture_group_at(struct news_source *s, size_t n, uint32_t *group)
{
	(void)s;
	*group = (uint32_t)n;
	return n < 2 ? OK : ERR_RANGE;
}

static inline int fixture_group(struct news_source *s, uint32_t group, struct news_group *out)
{
	if (((struct news_fixture *)s)->broken)
		return ERR_STORE;
	strcpy(
	    out->name, group == 0 ? "agora.access-0123456789abcdef" : "agora.big-fedcba9876543210");
	out->title = bytes_str(group == 0 ? "Zugang für alle" : "");
	out->low = 1;
	out->high = out->count = group == 0 ? 4 : NEWS_BIG;
	out->created = group == 0 ? UINT64_C(1767225600000)
				  : UINT64_C(1769904000000); /* 2026-01/02-01 */
	return OK;
}

static inline int fixture_group_find(struct news_source *s, struct bytes name, uint32_t *group)
{
	struct news_group g;

	for (*group = 0; *group < 2; ++*group) {
		int err = fixture_group(s, *group, &g);

		if (err || bytes_equal(name, bytes_str(g.name)))
			return err;
	}
	return ERR_NOTFOUND;
}

static inline int fixture_article(struct news_source *s, uint32_t group, uint32_t number,
    enum news_extent extent, struct news_article *out)
{
	struct news_fixture *f = (struct news_fixture *)s;

	if (f->broken || (f->break_after > 0 && ++f->asked > f->break_after))
		return ERR_STORE;
	if (number == 0 || number > (group == 0 ? 4u : NEWS_BIG) || (group == 0 && number == 3))
		return ERR_NOTFOUND;
	snprintf(out->id, sizeof out->id, "%u.%u@agora.example", group, number);
	buffer_reset(&out->text);
	if (extent == NEWS_ID)
		return OK;
	buffer_printf(&out->text,
	    "Path: agora.example!not-for-mail\nFrom: alice@agora.example\nSubject: "
	    "=?utf-8?B?w6k=?=");
	for (size_t i = 0; i < f->subject; i++)
		buffer_add_u8(&out->text, 'a');
	buffer_printf(&out->text,
	    "\n"
	    " and on a second line %u\nDate: Thu, 01 Jan 2026 00:00:00 +0000\n"
	    "Message-ID: <%s>\n%sXref: agora.example x:%u\n\n",
	    number, out->id, number > 1 ? "References: <0.1@agora.example>\n" : "", number);
	out->body = out->text.len;
	if (extent == NEWS_ALL)
		buffer_add_str(&out->text, ".begins with a dot\n\n..\nwords\n");
	for (size_t i = 0; extent == NEWS_ALL && i < f->large; i++)
		buffer_add_u8(&out->text, i % 64 == 63 ? '\n' : 'x');
	return OK;
}

static inline int fixture_locate(
    struct news_source *s, struct bytes id, uint32_t *group, uint32_t *number)
{
	struct news_article a = NEWS_ARTICLE_INIT;
	char text[64];
	int err;

	if (id.len >= sizeof text)
		return ERR_NOTFOUND;
	memcpy(text, id.data, id.len);
	text[id.len] = '\0';
	if (sscanf(text, "%u.%u@", group, number) != 2 || *group > 1)
		return ERR_NOTFOUND;
	err = fixture_article(s, *group, *number, NEWS_ID, &a);
	return err ? err : strcmp(a.id, text) == 0 ? OK : ERR_NOTFOUND;
}

/* All came with their group, but the last. */
static inline uint32_t fixture_since(struct news_source *s, uint32_t group, uint64_t since)
{
	struct news_group g;

	if (fixture_group(s, group, &g) != OK)
		return 1;
	return since <= g.created ? 1 : since <= UINT64_C(1790000000000) ? g.high : g.high + 1;
}

static const struct news_source_ops fixture_ops = {fixture_group_at, fixture_group_find,
    fixture_group, fixture_article, fixture_locate, fixture_since};

static inline uint64_t fixture_now(void *ctx)
{
	(void)ctx;
	return UINT64_C(1795356000123); /* 2026-11-22 14:00:00 UTC */
}

static const struct nntp_server fixture_server = {
    .name = "agora.example", .writing = "here one reads", .now = fixture_now};

#endif
