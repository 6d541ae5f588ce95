/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a text has what is asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "search/fold.h"
#include "search/query.h"

/* Bytes between the words of a phrase: the quoting of mails, and a line's end. */
#define GAP_MAX 64

/* Neither a space nor a part of any word, so that what stands on its two sides stays apart. */
#define APART "\n\x1f\n"
#define APART_BYTE 0x1f

static void part_add(struct buffer *out, struct bytes text)
{
	if (text.len == 0)
		return;
	buffer_add_str(out, APART);
	buffer_add(out, text.data, text.len);
}

int content_searched(struct buffer *out, const struct content *c)
{
	part_add(out, c->subject);
	part_add(out, c->text);
	for (size_t i = 0; i < c->part_count; i++)
		part_add(out, c->parts[i].name);
	if (c->imported.present)
		part_add(out, c->imported.author);
	return out->failed ? ERR_NOMEM : OK;
}

bool search_has_marks(const struct search_query *q)
{
	for (size_t i = 0; i < q->count; i++)
		for (size_t j = 0; j < q->phrases[i].count; j++)
			if (q->phrases[i].literals[j].exact)
				return true;
	return false;
}

int folded_make(struct folded *f, const struct search_query *q, struct bytes text)
{
	int err;

	f->plain.len = f->marked.len = 0;
	err = search_fold(&f->plain, text);
	return err || !search_has_marks(q) ? err : search_fold_marked(&f->marked, text);
}

int folded_content(struct folded *f, const struct search_query *q, const struct content *c)
{
	struct buffer all = BUFFER_INIT;
	int err = content_searched(&all, c);

	if (!err)
		err = folded_make(f, q, buffer_bytes(&all));
	buffer_free(&all);
	return err;
}

void folded_free(struct folded *f)
{
	buffer_free(&f->plain);
	buffer_free(&f->marked);
}

/* Whether what stands at `at` is the literal, whole. */
static bool literal_at(struct bytes word, struct bytes text, size_t at)
{
	size_t end = at + word.len;

	if (end > text.len || memcmp(text.data + at, word.data, word.len) != 0)
		return false;
	if (search_class_at(word, 0, NULL) == CLASS_SPACED &&
	    search_class_before(text, at, NULL) == CLASS_SPACED)
		return false;
	return search_class_before(word, word.len, NULL) != CLASS_SPACED ||
	       search_class_at(text, end, NULL) != CLASS_SPACED;
}

static struct bytes word_of(const struct literal *l, bool exact)
{
	return buffer_bytes(exact ? &l->marked : &l->plain);
}

struct effort effort_for(size_t text_len)
{
	return (struct effort){65536 + 4 * text_len};
}

/* The rest of a phrase, whose first word ends at `at`; where the last one does, or 0. */
static size_t rest_at(
    const struct phrase *p, bool exact, struct bytes text, size_t at, struct effort *effort)
{
	for (size_t i = 1; i < p->count; i++) {
		struct bytes word = word_of(&p->literals[i], exact);
		size_t gap = 0, len;

		while (!literal_at(word, text, at)) {
			if (gap >= GAP_MAX || at >= text.len || text.data[at] == APART_BYTE ||
			    search_class_at(text, at, &len) != CLASS_NONE || effort->left == 0)
				return 0;
			at += len;
			gap += len;
			effort->left--;
		}
		if (effort->left == 0)
			return 0;
		effort->left--;
		at += word.len;
	}
	return at;
}

/* Where a phrase stands first, from `from` on. */
bool phrase_find(const struct phrase *p, bool exact, struct bytes text, size_t from,
    struct effort *effort, struct search_span *out)
{
	struct bytes word = word_of(&p->literals[0], exact);
	const uint8_t *found;

	while (from < text.len && effort->left > 0 &&
	       (found = memmem(text.data + from, text.len - from, word.data, word.len))) {
		size_t at = (size_t)(found - text.data), end;

		if (literal_at(word, text, at) &&
		    (end = rest_at(p, exact, text, at + word.len, effort)) > 0) {
			*out = (struct search_span){at, end};
			return true;
		}
		/* Looking for a long word anew costs its length. */
		size_t cost = 1 + word.len / 8;
		effort->left -= effort->left < cost ? effort->left : cost;
		from = at + 1;
	}
	return false;
}

bool phrase_exact(const struct phrase *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->literals[i].exact)
			return true;
	return false;
}

static bool phrase_in(const struct phrase *p, const struct folded *f, struct effort *effort)
{
	bool exact = phrase_exact(p);
	struct search_span where;

	return phrase_find(
	    p, exact, buffer_bytes(exact ? &f->marked : &f->plain), 0, effort, &where);
}

bool query_matches(const struct search_query *q, const struct folded *f)
{
	struct effort effort = effort_for(f->plain.len);

	for (size_t i = 0; i < q->count; i++)
		if (phrase_in(&q->phrases[i], f, &effort) == q->phrases[i].without ||
		    effort.left == 0)
			return false;
	return true;
}

bool query_archived_by(const struct search_query *q, const struct content *c)
{
	struct folded f = {BUFFER_INIT, BUFFER_INIT};
	struct effort effort = effort_for(c->imported.author.len);
	bool found;

	if (!c->imported.present || search_fold(&f.plain, c->imported.author) != OK) {
		folded_free(&f);
		return false;
	}
	/* Its marks don't count. */
	found = phrase_find(
	    &q->by.name, false, buffer_bytes(&f.plain), 0, &effort, &(struct search_span){0});
	folded_free(&f);
	return found;
}

bool search_matches(const struct search_query *q, const struct content *c)
{
	struct folded f = {BUFFER_INIT, BUFFER_INIT};
	bool matches = folded_content(&f, q, c) == OK && query_matches(q, &f);

	folded_free(&f);
	return matches;
}

bool search_matches_folded(const struct search_query *q, struct bytes text, struct bytes author)
{
	struct effort effort = effort_for(text.len + author.len);

	for (size_t i = 0; i < q->count; i++) {
		const struct phrase *p = &q->phrases[i];
		struct search_span where;
		bool has = phrase_find(p, false, text, 0, &effort, &where);

		/* Without its marks, more has what is to be left out. */
		if (p->without ? has && !phrase_exact(p)
			       : !has && !phrase_find(p, false, author, 0, &effort, &where))
			return false;
		if (effort.left == 0)
			return false;
	}
	return true;
}

/* ---- topic, author, language, time ---- */

static bool lang_fits(const struct search_query *q, struct bytes lang)
{
	size_t len = strlen(q->lang);

	if (lang.len < len || (lang.len > len && len > 0 && lang.data[len] != '-'))
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t ch = lang.data[i];

		if ((char)(ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch) != q->lang[i])
			return false;
	}
	return true;
}

static bool topic_fits(const struct search_query *q, const uint8_t id[static ID_LEN])
{
	size_t whole = q->topic_digits / 2;

	return memcmp(id, q->topic, whole) == 0 &&
	       (q->topic_digits % 2 == 0 || ((id[whole] ^ q->topic[whole]) & 0xf0) == 0);
}

static bool author_fits(
    const struct search_query *q, const struct search_about *a, const struct content *c)
{
	bool organisation = !q->by.organisation[0] ||
			    strcmp(q->by.organisation, a->organisation) == 0;
	char mine[SKELETON_MAX + 1], theirs[SKELETON_MAX + 1];

	if (organisation && q->by.handle[0] && a->handle[0] &&
	    (strcmp(q->by.handle, a->handle) == 0 ||
		(handle_skeleton(mine, q->by.handle, NULL) == OK &&
		    handle_skeleton(theirs, a->handle, NULL) == OK && strcmp(mine, theirs) == 0)))
		return true;
	return query_archived_by(q, c);
}

bool about_fits(const struct search_query *q, const struct search_about *a)
{
	return a->time >= q->since && a->time < q->until && lang_fits(q, a->lang) &&
	       topic_fits(q, a->topic);
}

bool search_fits(
    const struct search_query *q, const struct search_about *about, const struct content *c)
{
	return about_fits(q, about) && (!q->by.given || author_fits(q, about, c));
}
