/* SPDX-License-Identifier: BSD-2-Clause */
/* The fold itself: one entry after the other is judged by its log's roster, written down, and has
 * its effect.
 *
 * State in memory is ahead of the transaction under way; that is why an error ends a struct forum
 * (forum.h). */
#include "forum/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int members_load(struct forum *f)
{
	struct view v;
	uint8_t by[KEY_LEN], key[KEY_LEN];
	int err = view_start(&v, f->s, VIEW_ADMISSIONS, "");

	while (err == OK && (err = view_next(&v)) == 1) {
		view_fixed(&v, 1, by, KEY_LEN);
		view_fixed(&v, 3, key, KEY_LEN);
		err = members_admit(f->members, view_bytes(&v, 0), by, view_bytes(&v, 2), key);
		if (err >= 0)
			err = OK;
		else
			view_end(&v);
	}
	return err;
}

int awaited_load(struct forum *f)
{
	struct view v;
	int err = view_start(&v, f->s, VIEW_AWAITED, "");

	f->awaited_missed = 0;
	recent_await_none(f->recent);
	while (err == OK && (err = view_next(&v)) == 1) {
		recent_await(f->recent, view_int(&v, 0));
		err = OK;
	}
	return err;
}

static int numbers_load(struct forum *f)
{
	struct view v;
	int err = view_start(&v, f->s, VIEW_LAST_NUMBERS, "");

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_STORE : err;
	f->last = view_int(&v, 0) > view_int(&v, 1) ? view_int(&v, 0) : view_int(&v, 1);
	f->last_arrival = f->last;
	f->generation = -1;
	view_end(&v);
	recent_clear(f->recent);
	return awaited_load(f);
}

int forum_new(struct forum **out, struct store *writer, const struct charter *charter)
{
	struct forum *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (f == NULL)
		return ERR_NOMEM;
	f->s = writer;
	f->charter = charter;
	f->members = members_new(charter);
	f->recent = recent_new();
	f->places = calloc(1, sizeof(*f->places));
	int err = f->members == NULL || f->recent == NULL || f->places == NULL ? ERR_NOMEM : OK;
	if (err == OK)
		err = numbers_load(f);
	if (err == OK)
		err = origins_load(f);
	if (err == OK)
		err = members_load(f);
	if (err == OK)
		err = skeletons_refresh(f);
	if (err == OK)
		*out = f;
	else
		forum_free(f);
	return err;
}

static void origins_free(struct forum *f)
{
	for (size_t i = 0; i < f->origin_cap; i++)
		origin_free(f->origins[i]);
	free(f->origins);
	f->origins = NULL;
	f->origin_cap = 0;
}

void forum_free(struct forum *f)
{
	if (f == NULL)
		return;
	origins_free(f);
	members_free(f->members);
	recent_free(f->recent);
	free(f->places);
	buffer_free(&f->content);
	for (size_t i = 0; i < VIEW_MESSAGES; i++)
		buffer_free(&f->titles[i]);
	free(f);
}

int forum_reset(struct forum *f)
{
	struct members *members = members_new(f->charter);

	if (members == NULL)
		return ERR_NOMEM;
	int err = forum_flush(f);
	if (err == OK)
		err = views_clear(f->s);
	if (err == OK)
		err = numbers_load(f);
	if (err != OK) {
		members_free(members);
		return err;
	}
	members_free(f->members);
	f->members = members;
	origins_free(f);
	return OK;
}

const struct members *forum_members(const struct forum *f)
{
	return f->members;
}

const struct roster *forum_roster(const struct forum *f, uint32_t log)
{
	const struct origin *o = origin_of(f, log);

	return o == NULL ? NULL : o->roster;
}

/* ---- entries ---- */

/* The content that is held for an entry just folded, if its kind shows any of it. */
static int content_held(struct forum *f, const struct arriving *a, const struct kind_rule *rule)
{
	const struct forum_entry *e = a->entry;
	uint8_t salt[SALT_LEN];

	if (rule->wants == NULL || !rule->wants(&e->header))
		return OK;
	buffer_reset(&f->content);
	int err = f->s->ops->content_get(f->s, a->o->log, a->index, e->id, salt, &f->content);
	if (err == ERR_NOTFOUND || err == ERR_REFUSED)
		return OK;
	if (err == OK && f->content.failed)
		err = ERR_NOMEM;
	return err == OK ? rule->content_first(f, a->no, &e->header, buffer_bytes(&f->content))
			 : err;
}

static int entry_fold(struct forum *f, struct origin *o, uint64_t index,
    const struct forum_entry *e, struct forum_result *result)
{
	struct arriving a = {.o = o, .index = index, .entry = e, .result = result};
	struct roster_entry r = {.index = index,
	    .message = e->message,
	    .header = &e->header,
	    .parsed = e->parsed,
	    .signature = e->signature,
	    .enrol = e->enrol};

	memcpy(r.id, e->id, ID_LEN);
	int err = roster_judge(o->roster, &r, &a.verdict);
	if (err != OK)
		return err;
	if (!a.verdict.valid) {
		/* An unknown version is nobody's fault (5.3). */
		result->invalid += e->parsed != ERR_VERSION;
		if (e->parsed == OK && e->header.has_commitment)
			err = f->s->ops->content_drop(f->s, o->log, index, e->id, false);
		return err == ERR_RANGE ? OK : err;
	}
	err = signer_find(f, o, e->header.signer, &a.signer, &a.person);
	if (err != OK)
		return err;
	const struct kind_rule *rule = a.verdict.effect ? kind_rule(e->header.kind) : NULL;
	if (rule == NULL)
		return message_record(f, &a);
	err = rule->effect(f, &a);
	return err == OK ? content_held(f, &a, rule) : err;
}

static int log_copy(void *ctx, const struct store_log *log)
{
	struct store_log *out = ctx;

	*out = *log;
	out->checkpoint = out->right = (struct bytes){0};
	return OK;
}

int forum_fold(struct forum *f, uint32_t log, uint64_t first, const struct forum_entry *entries,
    size_t count, struct forum_result *result)
{
	struct origin *o = origin_of(f, log);
	struct store_log head;
	int err = OK;

	*result = (struct forum_result){
	    .folded = o == NULL ? 0 : o->folded, .arrivals = (uint64_t)f->last_arrival};
	if (first != result->folded)
		return ERR_STALE;
	if (count == 0)
		return OK;
	if (o == NULL) {
		err = f->s->ops->log_get(f->s, log, log_copy, &head);
		if (err == OK)
			err = origin_start(f, &head, entries[0].message, &o);
	}
	if (err == OK && count > o->end - first)
		err = ERR_RANGE;
	for (size_t i = 0; i < count && err == OK; i++)
		/* What says that nothing was done, it must not say. */
		if ((err = entry_fold(f, o, first + i, &entries[i], result)) == ERR_NOTFOUND)
			err = ERR_STORE;
	/* They point into the entries. */
	if (err == OK)
		err = rows_flush(f);
	if (err != OK)
		return err;
	o->folded = first + count;
	if (!o->unwritten) {
		o->unwritten = true;
		o->next_unwritten = f->unwritten;
		f->unwritten = o;
	}
	result->folded = o->folded;
	result->arrivals = (uint64_t)f->last_arrival;
	return OK;
}

int forum_flush(struct forum *f)
{
	int err = counts_flush(f);

	while (err == OK && f->unwritten != NULL) {
		struct origin *o = f->unwritten;
		err = signers_flush(f, o);
		if (err == OK)
			err = view_run(
			    f->s, VIEW_FOLDED_SET, NULL, "ii", (int64_t)o->log, (int64_t)o->folded);
		f->unwritten = o->next_unwritten;
		o->unwritten = false;
	}
	return err;
}

int forum_content(struct forum *f, uint32_t log, uint64_t index, struct bytes message,
    const uint8_t id[static ID_LEN], struct bytes content)
{
	const struct origin *o = origin_of(f, log);
	struct header h;
	struct view v;

	if (o == NULL || index >= o->folded || message_parse(message, &h) != OK)
		return OK;
	const struct kind_rule *rule = kind_rule(h.kind);
	if (rule == NULL || rule->wants == NULL || !rule->wants(&h))
		return OK;
	int err = view_start(&v, f->s, VIEW_MESSAGE_FIND, "k", id);
	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err;
	int64_t no = view_int(&v, 0), at = view_int(&v, 1);
	bool here = !view_null(&v, 1);
	view_end(&v);
	/* Of an invalid entry nothing is shown. */
	return here && at == view_at(log, index) ? rule->content(f, no, &h, content) : OK;
}
