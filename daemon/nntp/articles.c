/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups and single articles (RFC 3977 section 6). */
#include <string.h>

#include "base/error.h"
#include "daemon/nntp/session_inside.h"

/* ---- what arguments say ---- */

bool number_parse(struct bytes word, uint32_t *out)
{
	uint64_t n = 0;

	if (word.len == 0 || word.len > 16)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return false;
		n = n * 10 + (word.data[i] - '0');
	}
	/* What is beyond every number there can be is still a number. */
	*out = n > NEWS_NUMBER_MAX ? NEWS_NUMBER_MAX : (uint32_t)n;
	return true;
}

bool range_parse(struct bytes word, uint32_t *first, uint32_t *last)
{
	const uint8_t *dash = word.len > 0 ? memchr(word.data, '-', word.len) : NULL;
	size_t at = dash ? (size_t)(dash - word.data) : word.len;

	if (!number_parse(bytes_of(word.data, at), first))
		return false;
	*last = dash ? NEWS_NUMBER_MAX : *first;
	return !dash || at + 1 == word.len ||
	       number_parse(bytes_of(word.data + at + 1, word.len - at - 1), last);
}

bool message_id_word(struct bytes word, struct bytes *id)
{
	if (word.len < 3 || word.len > NEWS_ID_MAX + 2 || word.data[0] != '<' ||
	    word.data[word.len - 1] != '>')
		return false;
	*id = bytes_of(word.data + 1, word.len - 2);
	return !memchr(id->data, '<', id->len) && !memchr(id->data, '>', id->len);
}

void lines_add(struct buffer *out, struct bytes text)
{
	for (size_t at = 0; at < text.len;) {
		const uint8_t *line = text.data + at, *nl = memchr(line, '\n', text.len - at);
		size_t len = nl ? (size_t)(nl - line) : text.len - at;

		if (len > 0 && line[0] == '.')
			buffer_add_u8(out, '.');
		buffer_add(out, line, len);
		buffer_add(out, "\r\n", 2);
		at += len + 1;
	}
}

/* ---- groups ---- */

static bool group_choose(struct nntp_session *s, const struct bytes *name, struct news_group *g,
    uint32_t *group, struct buffer *out)
{
	int err = name ? s->source->ops->group_find(s->source, *name, group) : OK;

	if (!name)
		*group = s->group;
	if (!err)
		err = s->source->ops->group(s->source, *group, g);
	if (err == ERR_NOTFOUND)
		say(out, "411 there is no such group; LIST names them");
	else if (err)
		say_failed(s, out, err);
	return err == OK;
}

static void group_take(struct nntp_session *s, uint32_t group, const struct news_group *g)
{
	s->selected = true;
	s->group = group;
	s->current = g->high < g->low ? 0 : g->low;
}

/* With the name that was asked for: what stands in front of a group's digits may be gone since
 * (groups.h), and a reader wants to find it again. */
static void group_say(
    struct buffer *out, const struct news_group *g, const struct bytes *name, const char *more)
{
	struct bytes n = name ? *name : bytes_str(g->name);

	say(out, "211 %u %u %u %.*s%s", g->count, g->low, g->high, (int)n.len, (const char *)n.data,
	    more);
}

void run_group(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	struct news_group g;
	uint32_t group;

	if (!group_choose(s, &a->list[0], &g, &group, out))
		return;
	group_take(s, group, &g);
	group_say(out, &g, &a->list[0], "");
}

static bool listgroup_more(struct nntp_session *s, struct buffer *out)
{
	struct answer *w = &s->answer;
	size_t begin = out->len;

	for (; w->at <= w->last; w->at++) {
		if (out->len - begin > PIECE_BYTES)
			return true;
		say(out, "%u", w->at);
	}
	say(out, ".");
	return false;
}

void run_listgroup(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	uint32_t first = 0, last = NEWS_NUMBER_MAX, group;
	const struct bytes *name = a->count > 0 ? &a->list[0] : NULL;
	struct news_group g;

	if (!name && !s->selected) {
		say(out, "412 choose a group first");
		return;
	}
	if (a->count > 1 && !range_parse(a->list[1], &first, &last)) {
		say(out, "501 a range is N, N- or N-M");
		return;
	}
	if (!group_choose(s, name, &g, &group, out))
		return;
	group_take(s, group, &g);
	group_say(out, &g, name, " numbers follow");
	s->answer = (struct answer){.more = listgroup_more,
	    .at = first > g.low ? first : g.low,
	    .last = last < g.high ? last : g.high};
}

/* ---- articles ---- */

/* Which article is meant. `*number` is 0 for one by its id that isn't in the group chosen. */
static bool article_find(struct nntp_session *s, const struct arguments *a, enum news_extent extent,
    uint32_t *number, struct buffer *out)
{
	uint32_t group = s->group;
	struct bytes id;
	bool by_id = a->count > 0 && message_id_word(a->list[0], &id);
	int err;

	*number = s->current;
	if (by_id) {
		err = s->source->ops->locate(s->source, id, &group, number);
	} else if (a->count > 0 && !number_parse(a->list[0], number)) {
		say(out, "501 an article is a number, or <a Message-ID>");
		return false;
	} else if (!s->selected) {
		say(out, "412 choose a group first");
		return false;
	} else if (*number == 0) {
		say(out, a->count > 0 ? "423 there is no article 0" : "420 no article is chosen");
		return false;
	} else {
		err = OK;
	}
	if (!err)
		err = s->source->ops->article(s->source, group, *number, extent, &s->article);
	if (err == ERR_NOTFOUND && !by_id)
		say(out,
		    a->count > 0 ? "423 no article has that number" : "420 the article is gone");
	else if (err)
		say_failed(s, out, err);
	else if (!by_id)
		s->current = *number;
	else if (!s->selected || group != s->group)
		*number = 0;
	return err == OK;
}

static void article_say(struct nntp_session *s, const struct arguments *a, struct buffer *out,
    int code, enum news_extent extent, const char *what)
{
	struct bytes text;
	size_t head;
	uint32_t number;

	if (!article_find(s, a, extent, &number, out))
		return;
	say(out, "%d %u <%s>%s", code, number, s->article.id, what);
	text = buffer_bytes(&s->article.text);
	head = s->article.body;
	if (code == 223)
		return;
	if (code == 221)
		lines_add(out, bytes_of(text.data, head - 1)); /* without the empty line */
	else if (code == 222)
		lines_add(out, bytes_of(text.data + head, text.len - head));
	else
		lines_add(out, text);
	say(out, ".");
}

void run_article(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	article_say(s, a, out, 220, NEWS_ALL, " article follows");
}

void run_head(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	article_say(s, a, out, 221, NEWS_HEAD, " header follows");
}

void run_body(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	article_say(s, a, out, 222, NEWS_ALL, " text follows");
}

void run_stat(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	article_say(s, a, out, 223, NEWS_ID, "");
}

static bool move_more(struct nntp_session *s, struct buffer *out)
{
	struct answer *w = &s->answer;
	uint32_t step = w->forward ? 1 : UINT32_MAX; /* or one back, by wrapping around */

	for (size_t i = 0; i < PIECE; i++) {
		int err;

		if (w->at == w->last) {
			say(out, w->forward ? "421 there is no next article"
					    : "422 there is no article before");
			return false;
		}
		w->at += step;
		err = s->source->ops->article(s->source, s->group, w->at, NEWS_ID, &s->article);
		if (err == ERR_NOTFOUND)
			continue;
		if (err) {
			say_failed(s, out, err);
		} else {
			s->current = w->at;
			say(out, "223 %u <%s>", w->at, s->article.id);
		}
		return false;
	}
	return true;
}

static void move(struct nntp_session *s, struct buffer *out, bool forward)
{
	struct news_group g;
	uint32_t group, last;

	if (!group_choose(s, NULL, &g, &group, out))
		return;
	if (s->current == 0) {
		say(out, "420 no article is chosen");
		return;
	}
	last = forward ? g.high : g.low;
	if (forward ? s->current > last : s->current < last)
		last = s->current;
	s->answer = (struct answer){
	    .more = move_more, .at = s->current, .last = last, .forward = forward};
}

void run_next(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	(void)a;
	move(s, out, true);
}

void run_last(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	(void)a;
	move(s, out, false);
}
