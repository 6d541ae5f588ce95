/* SPDX-License-Identifier: BSD-2-Clause */
/* Overviews and header fields of many articles (RFC 3977 section 8, RFC 2980 XHDR and XPAT). They
 * are made from the articles, when they are asked for. */
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "daemon/nntp/session_inside.h"
#include "daemon/nntp/wildmat.h"

/* ---- fields ---- */

static uint64_t newlines(struct bytes text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.data[i] == '\n';
	return n;
}

static struct bytes body_of(const struct news_article *a)
{
	return bytes_of(a->text.data + a->body, a->text.len - a->body);
}

/* Where the value of a field begins, and where the field ends. */
static bool field_find(const struct news_article *a, const char *name, struct bytes *value)
{
	size_t len = strlen(name), at = 0, head = a->body > 0 ? a->body - 1 : 0;
	const char *text = (const char *)a->text.data;

	while (at < head) {
		const char *nl = memchr(text + at, '\n', head - at);
		size_t end = nl ? (size_t)(nl - text) : head;
		bool here = end - at > len && text[at + len] == ':' &&
			    strncasecmp(text + at, name, len) == 0;
		size_t begin = at + len + 1;

		while (end + 1 < head && (text[end + 1] == ' ' || text[end + 1] == '\t')) {
			nl = memchr(text + end + 1, '\n', head - end - 1);
			end = nl ? (size_t)(nl - text) : head;
		}
		if (here) {
			begin += begin < end && text[begin] == ' ';
			*value = bytes_of(text + begin, end - begin);
			return true;
		}
		at = end + 1;
	}
	return false;
}

bool field_of(const struct news_article *a, const char *name, struct buffer *out)
{
	struct bytes value;

	/* Older readers ask for these two by the names of fields. */
	if (strcasecmp(name, ":bytes") == 0 || strcasecmp(name, "bytes") == 0) {
		uint64_t bytes = a->text.len + newlines(buffer_bytes(&a->text));

		buffer_printf(out, "%llu", (unsigned long long)bytes);
		return true;
	}
	if (strcasecmp(name, ":lines") == 0 || strcasecmp(name, "lines") == 0) {
		buffer_printf(out, "%llu", (unsigned long long)newlines(body_of(a)));
		return true;
	}
	if (!field_find(a, name, &value))
		return false;
	for (size_t i = 0; i < value.len; i++) {
		/* A fold ends where the space behind it begins. */
		if (value.data[i] == '\n')
			continue;
		buffer_add_u8(out, value.data[i] == '\t' ? ' ' : value.data[i]);
	}
	return true;
}

static void overview_add(
    struct buffer *out, const struct news_article *a, uint32_t number, struct nntp_session *s)
{
	static const char *const fields[] = {
	    "Subject", "From", "Date", "Message-ID", "References", ":bytes", ":lines"};

	(void)s;
	buffer_printf(out, "%u", number);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		buffer_add_u8(out, '\t');
		field_of(a, fields[i], out);
	}
	buffer_add_str(out, "\tXref: ");
	field_of(a, "Xref", out);
	buffer_add_str(out, "\r\n");
}

/* ---- many articles ---- */

/* Takes time by both lengths, multiplied. */
static bool patterns_match(const struct answer *w, struct bytes value)
{
	if (value.len > MATCHED_BYTES)
		value.len = MATCHED_BYTES;
	for (size_t at = 0; at < w->pattern_len;) {
		size_t len = strlen(w->pattern + at);

		if (pattern_match(bytes_of(w->pattern + at, len), value))
			return true;
		at += len + 1;
	}
	return w->pattern_len == 0;
}

/* What an article has cost, about. Others wait meanwhile. */
static size_t cost_of(const struct nntp_session *s)
{
	size_t matched = s->field.len < MATCHED_BYTES ? s->field.len : MATCHED_BYTES;

	return s->article.text.len + s->answer.pattern_len * matched;
}

static void item_add(struct nntp_session *s, struct buffer *out, uint32_t number)
{
	struct answer *w = &s->answer;
	bool there;

	if (w->overview) {
		overview_add(out, &s->article, number, s);
		return;
	}
	buffer_reset(&s->field);
	there = field_of(&s->article, w->field, &s->field);
	if (!there && w->empty)
		buffer_add_str(&s->field, w->empty);
	if (s->field.failed || (!there && !w->empty) || !patterns_match(w, buffer_bytes(&s->field)))
		return;
	buffer_printf(out, "%u ", number);
	buffer_add(out, s->field.data, s->field.len);
	buffer_add_str(out, "\r\n");
}

static enum news_extent extent_of(const struct answer *w)
{
	return w->overview || strcasecmp(w->field, ":bytes") == 0 ||
		       strcasecmp(w->field, ":lines") == 0 || strcasecmp(w->field, "bytes") == 0 ||
		       strcasecmp(w->field, "lines") == 0
		   ? NEWS_ALL
		   : NEWS_HEAD;
}

static bool range_more(struct nntp_session *s, struct buffer *out)
{
	struct answer *w = &s->answer;
	size_t begun = out->len, cost = 0;

	for (size_t i = 0; i < PIECE && w->at <= w->last; i++, w->at++) {
		int err;

		if (out->len - begun > PIECE_BYTES || cost > PIECE_COST)
			return true;
		err = s->source->ops->article(
		    s->source, w->group, w->at, extent_of(w), &s->article);
		if (err == ERR_NOTFOUND)
			continue;
		if (err && w->begin) {
			say_failed(s, out, err);
			return false;
		}
		if (err) {
			answer_failed(s);
			return false;
		}
		if (w->begin)
			say(out, "%s", w->begin);
		w->begin = NULL;
		item_add(s, out, w->at);
		cost += cost_of(s);
	}
	if (w->at <= w->last)
		return true;
	if (w->begin && w->none) {
		say(out, "%s", w->none);
		return false;
	}
	if (w->begin)
		say(out, "%s", w->begin);
	say(out, ".");
	return false;
}

/* One article by its id: the answer is complete at once. */
static void one_answer(struct nntp_session *s, struct bytes id, struct buffer *out)
{
	struct answer w = s->answer;
	uint32_t group, number;
	int err = s->source->ops->locate(s->source, id, &group, &number);

	s->answer.more = NULL;
	if (!err)
		err = s->source->ops->article(s->source, group, number, extent_of(&w), &s->article);
	if (err) {
		say_failed(s, out, err);
		return;
	}
	say(out, "%s", w.begin);
	item_add(s, out, s->selected && group == s->group ? number : 0);
	say(out, ".");
}

/* `word` NULL: the article that is chosen. s->answer says what is wanted of each. */
static void many_begin(struct nntp_session *s, const struct bytes *word, struct buffer *out)
{
	struct answer *w = &s->answer;
	struct news_group g;
	struct bytes id;
	int err;

	w->more = NULL;
	if (word && message_id_word(*word, &id)) {
		one_answer(s, id, out);
		return;
	}
	if (word && !range_parse(*word, &w->at, &w->last)) {
		say(out, "501 a range is N, N- or N-M; or it is <a Message-ID>");
		return;
	}
	if (!s->selected) {
		say(out, "412 choose a group first");
		return;
	}
	if (!word && s->current == 0) {
		say(out, "420 no article is chosen");
		return;
	}
	err = s->source->ops->group(s->source, s->group, &g);
	if (err) {
		say_failed(s, out, err);
		return;
	}
	if (!word) {
		w->at = w->last = s->current;
		w->none = "420 the article is gone";
	}
	w->at = w->at < g.low ? g.low : w->at;
	w->last = w->last > g.high ? g.high : w->last;
	w->group = s->group;
	w->more = range_more;
}

static void over_begin(
    struct nntp_session *s, const struct bytes *word, const char *none, struct buffer *out)
{
	s->answer = (struct answer){
	    .overview = true, .begin = "224 overview follows", .none = none};
	many_begin(s, word, out);
}

void run_over(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	over_begin(s, a->count > 0 ? &a->list[0] : NULL, "423 no articles there", out);
}

void run_xover(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	over_begin(s, a->count > 0 ? &a->list[0] : NULL, "420 no articles there", out);
}

/* A field name, or one of the two things that are counted (RFC 3977 section 8.1). */
static bool field_set(struct answer *w, struct bytes name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= ' ' || name.data[i] >= 0x7f || (name.data[i] == ':' && i > 0))
			return false;
	if (name.len == 0 || name.len >= sizeof w->field)
		return false;
	memcpy(w->field, name.data, name.len);
	w->field[name.len] = '\0';
	return name.data[0] != ':' || word_is(name, ":bytes") || word_is(name, ":lines");
}

static void field_begin(
    struct nntp_session *s, const struct arguments *a, bool old, struct buffer *out)
{
	s->answer = (struct answer){.begin = old ? "221 fields follow" : "225 fields follow",
	    .none = old ? "420 no articles there" : "423 no articles there",
	    .empty = old ? "(none)" : ""};
	if (!field_set(&s->answer, a->list[0]))
		say(out, "503 that is no header field");
	else
		many_begin(s, a->count > 1 ? &a->list[1] : NULL, out);
}

void run_hdr(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	field_begin(s, a, false, out);
}

void run_xhdr(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	field_begin(s, a, true, out);
}

/* Words with a space between are patterns, of which one is to match. */
void run_xpat(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	struct answer *w = &s->answer;

	*w = (struct answer){.begin = "221 fields follow"};
	if (!field_set(w, a->list[0])) {
		say(out, "503 that is no header field");
		return;
	}
	for (size_t i = 2; i < a->count; i++) {
		memcpy(w->pattern + w->pattern_len, a->list[i].data, a->list[i].len);
		w->pattern_len += a->list[i].len;
		w->pattern[w->pattern_len++] = '\0';
	}
	many_begin(s, &a->list[1], out);
}
