/* SPDX-License-Identifier: BSD-2-Clause */
/* Searching: the newest part first, in it the sets of documents that have each term, and of those
 * in all of them one after the other, the newest first, a look into the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "search/fold.h"
#include "search/index.h"
#include "search/query.h"

#define TERMS_MAX 128 /* looked up for one query; what is left out is seen in the text */
#define PEOPLE_MAX 64 /* who may be meant by one name */
#define RUN_MS 500
#define LOAD_TRIES 20 /* a state that is replaced while it is read */

struct search {
	char *folder;
	struct search_index index;
	struct timespec changed; /* of the file `index` */
	uint64_t inode;
	bool loaded;
};

/* ---- opening ---- */

/* See the newest state. */
static int refresh(struct search *s)
{
	char path[4096];
	struct stat st;
	int err = ERR_NOTFOUND;

	index_path(path, sizeof path, s->folder, 0);
	for (int i = 0; i < LOAD_TRIES && err == ERR_NOTFOUND; i++) {
		if (stat(path, &st) != 0)
			return ERR_NOTFOUND;
		if (s->loaded && st.st_ino == s->inode && st.st_mtim.tv_sec == s->changed.tv_sec &&
		    st.st_mtim.tv_nsec == s->changed.tv_nsec)
			return OK;
		/* A segment that isn't there: a newer state doesn't name it. */
		err = index_load(&s->index, s->folder, s->loaded ? &s->index : NULL, false);
		if (err == ERR_STORE)
			err = ERR_NOTFOUND;
	}
	if (err) {
		index_free(&s->index);
		s->loaded = false;
		return err;
	}
	s->loaded = true;
	s->inode = st.st_ino;
	s->changed = st.st_mtim;
	return OK;
}

int search_open(struct search **out, const char *path)
{
	struct search *s = calloc(1, sizeof *s);
	int err = s && (s->folder = strdup(path)) ? refresh(s) : ERR_NOMEM;

	*out = NULL;
	if (err)
		search_close(s);
	else
		*out = s;
	return err;
}

void search_close(struct search *s)
{
	if (!s)
		return;
	index_free(&s->index);
	free(s->folder);
	free(s);
}

int search_state(struct search *s, struct search_state *out)
{
	int err = refresh(s);

	*out = (struct search_state){0};
	if (err)
		return err;
	index_state(&s->index, out);
	return OK;
}

/* ---- what to look up ---- */

/* Terms that a document must have, and people of whom one must have written it. */
struct plan {
	uint32_t terms[TERMS_MAX], people[PEOPLE_MAX], names[TERMS_MAX];
	size_t term_count, people_count, name_count;
	bool crowd; /* more people than can be looked up: that it is one of them is seen later */
	struct bytes organisation; /* while people are sought */
	struct store *store;
	const struct search_query *q;
	char skeleton[SKELETON_MAX + 1];
};

struct term_list {
	uint32_t *at;
	size_t *count;
};

/* What is left out for lack of room is seen in the text. */
static int plan_term(void *ctx, uint32_t term)
{
	struct term_list *l = ctx;

	for (size_t i = 0; i < *l->count; i++)
		if (l->at[i] == term)
			return OK;
	if (*l->count < TERMS_MAX)
		l->at[(*l->count)++] = term;
	return OK;
}

/* What stands between the words of a phrase is no part of any, so that a space has the same terms.
 */
static int phrase_terms(const struct phrase *p, struct term_list *l)
{
	struct buffer words = BUFFER_INIT;
	int err;

	for (size_t i = 0; i < p->count; i++) {
		buffer_add(&words, p->literals[i].plain.data, p->literals[i].plain.len);
		buffer_add_str(&words, " ");
	}
	err = words.failed ? ERR_NOMEM : search_terms(buffer_bytes(&words), plan_term, l);
	buffer_free(&words);
	return err;
}

/* A log's name is its organisation, and more behind a '/'. */
static int person_find(void *ctx, const struct store_log *log)
{
	struct plan *p = ctx;
	const char *slash = strchr(log->name, '/');
	const char *organisation = p->q->by.organisation;
	size_t len = slash ? (size_t)(slash - log->name) : strlen(log->name);
	uint8_t author[DIGEST_LEN + IDENTITY_LEN];
	char handle[HANDLE_MAX + 1];
	int err;

	if (organisation[0] &&
	    (strlen(organisation) != len || memcmp(organisation, log->name, len) != 0))
		return OK;
	memcpy(author, log->digest, DIGEST_LEN);
	err = query_skeleton(p->store, log->no, p->skeleton, author + DIGEST_LEN, handle);
	if (err)
		return err == ERR_NOTFOUND ? OK : err;
	p->crowd |= p->people_count == PEOPLE_MAX;
	if (!p->crowd)
		p->people[p->people_count++] = search_term(
		    ABOUT_AUTHOR, bytes_of(author, sizeof author));
	return OK;
}

static int plan_make(struct plan *p, struct store *store, const struct search_query *q)
{
	struct term_list terms = {p->terms, &p->term_count}, names = {p->names, &p->name_count};
	size_t len = strcspn(q->lang, "-");
	int err = OK;

	*p = (struct plan){.store = store, .q = q};
	if (len > 0)
		plan_term(&terms, search_term(ABOUT_LANG, bytes_of(q->lang, len)));
	for (size_t i = 0; i < q->count && !err; i++)
		if (!q->phrases[i].without)
			err = phrase_terms(&q->phrases[i], &terms);
	if (!err && q->by.given)
		err = phrase_terms(&q->by.name, &names);
	if (err || !q->by.given)
		return err;
	if (!q->by.handle[0] || handle_skeleton(p->skeleton, q->by.handle, NULL) != OK)
		return OK;
	return store->ops->log_each(store, person_find, p);
}

/* Of one segment, added to `out`: its documents that have all that is wanted. */
static void segment_run(const struct segment *g, const struct plan *p, struct doc_set *out)
{
	struct doc_set all = {{0}}, some;

	segment_find(g, p->term_count > 0 ? p->terms[0] : TERM_ALL, &all);
	for (size_t i = 1; i < p->term_count; i++) {
		uint64_t any = 0;

		some = (struct doc_set){{0}};
		segment_find(g, p->terms[i], &some);
		for (size_t j = 0; j < SET_WORDS; j++)
			any |= all.words[j] &= some.words[j];
		if (!any)
			return;
	}
	if (p->q->topic_digits) {
		some = (struct doc_set){{0}};
		segment_find(g, search_term(ABOUT_TOPIC, bytes_of(p->q->topic, 4)), &some);
		segment_find(g, search_term(ABOUT_TOPIC, bytes_of(NULL, 0)), &some);
		for (size_t j = 0; j < SET_WORDS; j++)
			all.words[j] &= some.words[j];
	}
	if (p->q->by.given && !p->crowd) {
		struct doc_set people = {{0}}, named = {{0}};

		for (size_t i = 0; i < p->people_count; i++)
			segment_find(g, p->people[i], &people);
		for (size_t i = 0; i < p->name_count; i++) {
			some = (struct doc_set){{0}};
			segment_find(g, p->names[i], &some);
			for (size_t j = 0; j < SET_WORDS; j++)
				named.words[j] = i == 0 ? some.words[j]
							: named.words[j] & some.words[j];
		}
		for (size_t j = 0; j < SET_WORDS; j++)
			all.words[j] &= people.words[j] | named.words[j];
	}
	for (size_t j = 0; j < SET_WORDS; j++)
		out->words[j] |= all.words[j];
}

/* ---- looking at one ---- */

struct run {
	struct store *store;
	const struct search_query *q;
	const struct search_ask *ask;
	struct folded folded;
	struct buffer content;
	bool looked; /* at one at least, so that whoever goes on gets on */
	uint64_t deadline, rest_at;
};

/* Between two looks into the store, and parts of the index. */
static int run_rest(struct run *r, uint64_t now)
{
	int err = OK;

	if (r->ask->rest && now >= r->rest_at) {
		err = r->ask->rest(r->ask->ctx);
		r->rest_at = clock_mono_ms() + SEARCH_REST_MS;
	}
	return err;
}

static int row_look(void *ctx, const struct item_row *row, struct bytes lang)
{
	struct run *r = ctx;
	const struct search_query *q = r->q;
	const struct item_ref *f = &row->amendment;
	struct content c;
	int err;

	struct search_about about = {
	    row->topic, row->author.handle, row->author.organisation, lang, row->time};

	if (row->erasure.present || !about_fits(q, &about) ||
	    (r->ask->hidden && r->ask->hidden(r->ask->ctx, row)))
		return OK;
	r->content.len = 0;
	if (f->present)
		err = r->store->ops->content_get(
		    r->store, f->log_no, f->index, f->id, NULL, &r->content);
	else
		err = r->store->ops->content_get(
		    r->store, row->log_no, row->index, row->id, NULL, &r->content);
	if (err)
		return err == ERR_NOTFOUND || err == ERR_REFUSED ? OK : err;
	err = content_parse(buffer_bytes(&r->content), &c);
	if (err)
		return err == ERR_NOMEM ? err : OK;
	if (search_fits(q, &about, &c)) {
		err = q->count > 0 ? folded_content(&r->folded, q, &c) : OK;
		if (!err && query_matches(q, &r->folded)) {
			struct search_found found = {row, lang, &c};

			err = r->ask->found(r->ask->ctx, &found);
		}
	}
	content_clear(&c);
	return err;
}

/* ---- all of it ---- */

/* The candidates of one part, from segment `first` on; `*end` is behind its last. */
static void part_run(
    const struct search *s, const struct plan *p, size_t first, size_t *end, struct doc_set *out)
{
	const struct index_segment *g = s->index.segments;
	size_t i = first;

	for (; i < s->index.count && g[i].part == g[first].part; i++)
		if (g[i].newest >= p->q->since && g[i].oldest < p->q->until)
			segment_run(&g[i].segment, p, out);
	*end = i;
}

static bool part_whole(const struct search *s, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		if (!segment_whole(&s->index.segments[i].segment))
			return false;
	return true;
}

/* The candidates below `*before`, which goes down with them. */
static int part_look(struct run *r, uint32_t part, const struct doc_set *docs, uint64_t *before)
{
	for (uint32_t i = PART_DOCS; i > 0; i--) {
		uint64_t arrival = (uint64_t)part << PART_BITS | (i - 1), now;
		int err;

		if (docs->words[(i - 1) / 64] == 0) {
			i = (i - 1) / 64 * 64 + 1;
			continue;
		}
		if (!set_has(docs, i - 1) || arrival >= *before)
			continue;
		now = clock_mono_ms();
		if (r->looked && now >= r->deadline)
			return ERR_TIMEOUT;
		err = run_rest(r, now);
		if (err)
			return err;
		r->looked = true;
		*before = arrival;
		err = query_shown(r->store, arrival, row_look, r);
		if (err && err != ERR_NOTFOUND)
			return err;
	}
	return OK;
}

static int parts_look(struct search *s, struct run *r, const struct plan *p, uint64_t *before)
{
	size_t first = 0, end;
	int err = OK, tries = 0;
	bool began = false;

	while (first < s->index.count && !err) {
		uint32_t part = s->index.segments[first].part;
		struct doc_set docs = {{0}};
		uint64_t now = clock_mono_ms();

		if ((uint64_t)part << PART_BITS >= *before) {
			first++;
			continue;
		}
		/* A part may have nothing to look at, and a forum many such. */
		if (began && now >= r->deadline) {
			uint64_t above = ((uint64_t)part + 1) << PART_BITS;

			*before = above < *before ? above : *before;
			return ERR_TIMEOUT;
		}
		began = true;
		err = run_rest(r, now);
		if (err)
			return err;
		part_run(s, p, first, &end, &docs);
		/* An erasure has taken it away meanwhile: look again, from where we are. */
		if (!part_whole(s, first, end)) {
			err = ++tries < LOAD_TRIES ? refresh(s) : ERR_STORE;
			first = 0;
			continue;
		}
		err = part_look(r, part, &docs, before);
		first = end;
	}
	return err;
}

int search_run(struct search *s, struct store *store, const struct search_query *q,
    const struct search_ask *ask, uint64_t *next)
{
	uint64_t now = clock_mono_ms(), before = ask->before;
	struct run r = {.store = store,
	    .q = q,
	    .ask = ask,
	    .deadline = now + (ask->ms ? ask->ms : RUN_MS),
	    .rest_at = now + SEARCH_REST_MS};
	struct plan *p = malloc(sizeof *p);
	int err = p ? refresh(s) : ERR_NOMEM;

	*next = 0;
	if (!err)
		err = plan_make(p, store, q);
	if (!err)
		err = parts_look(s, &r, p, &before);
	if (err == ERR_TIMEOUT) {
		*next = before;
		err = OK;
	} else if (err) {
		*next = before;
	}
	buffer_free(&r.content);
	folded_free(&r.folded);
	free(p);
	return err;
}
