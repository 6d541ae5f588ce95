/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/publish_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/output.h"

int store_trouble(const struct publisher *p, int err, struct trouble *t)
{
	const char *more = store_error(p->store);

	return trouble_set(t, err, "the node's store can't be read: %s%s%.100s", error_text(err),
	    *more ? ": " : "", more);
}

/* ---- erasures ---- */

/* Take an erased content out of every log that is published: an id does not say which it is of. */
static int content_erase(struct publisher *p, const uint8_t id[static ID_LEN],
    struct publish_counts *counts, struct trouble *t)
{
	char hex[2 * ID_LEN + 1], path[VERIFIER_NAME_MAX + sizeof hex + 16];
	int err = OK;

	hex_encode(hex, id, ID_LEN);
	for (size_t i = 0; !err && i < publication_count(p->to); i++) {
		bool was;

		snprintf(path, sizeof path, "%s/content/%s", publication_log(p->to, i), hex);
		err = publication_remove(p->to, path, &was, t);
		counts->erased += was;
	}
	return err;
}

struct erasing {
	struct publisher *p;
	struct publish_counts *counts;
	struct tree_hash *ids;
	size_t count, room, at; /* at: in p->gone */
	struct trouble *t;
};

static int erasing_see(void *ctx, const uint8_t id[static ID_LEN])
{
	struct erasing *e = ctx;
	const struct publisher *p = e->p;

	if (e->count == e->room) {
		size_t room = e->room ? 2 * e->room : 256;
		struct tree_hash *more = realloc(e->ids, room * sizeof *more);

		if (!more)
			return no_memory(e->t);
		e->ids = more;
		e->room = room;
	}
	memcpy(e->ids[e->count++].bytes, id, ID_LEN);
	/* Both lists ascend. */
	while (e->at < p->gone_count && memcmp(p->gone[e->at].bytes, id, ID_LEN) < 0)
		e->at++;
	if (e->at < p->gone_count && memcmp(p->gone[e->at].bytes, id, ID_LEN) == 0)
		return OK;
	return content_erase(e->p, id, e->counts, e->t);
}

static int erase(struct publisher *p, struct publish_counts *counts, struct trouble *t)
{
	struct erasing e = {.p = p, .counts = counts, .t = t};
	uint64_t before = counts->erased;
	int err;

	t->err = OK;
	err = p->store->ops->tombstone_each(p->store, erasing_see, &e);
	if (err && t->err != err)
		store_trouble(p, err, t);
	if (!err && counts->erased > before)
		err = publication_sync(p->to, t);
	if (err) {
		free(e.ids);
		return err;
	}
	free(p->gone);
	p->gone = e.ids;
	p->gone_count = e.count;
	return OK;
}

/* ---- logs ---- */

static bool is_chosen(const char *const *names, const char *log)
{
	size_t organisation = strcspn(log, "/");

	for (size_t i = 0; names[i]; i++)
		if (strcmp(names[i], log) == 0 ||
		    (strlen(names[i]) == organisation && memcmp(names[i], log, organisation) == 0))
			return true;
	return !names[0];
}

static void held_clear(struct publisher *p)
{
	for (size_t i = 0; i < p->count; i++)
		buffer_free(&p->held[i].checkpoint);
	free(p->held);
	p->held = NULL;
	p->count = 0;
}

static int held_add(void *ctx, const struct store_log *log)
{
	struct publisher *p = ctx;
	struct held *more = realloc(p->held, (p->count + 1) * sizeof *more), *h;

	if (!more)
		return ERR_NOMEM;
	p->held = more;
	h = &p->held[p->count++];
	*h = (struct held){.no = log->no, .size = log->size, .folded = log->folded};
	snprintf(h->name, sizeof h->name, "%s", log->name);
	memcpy(h->root, log->root, HASH_LEN);
	buffer_add(&h->checkpoint, log->checkpoint.data, log->checkpoint.len);
	h->chosen = is_chosen(p->names, h->name);
	return h->checkpoint.failed ? ERR_NOMEM : OK;
}

static int names_check(const struct publisher *p, struct trouble *t)
{
	for (size_t i = 0; p->names[i]; i++) {
		const char *const one[] = {p->names[i], NULL};
		bool found = false;

		for (size_t k = 0; k < p->count && !found; k++)
			found = is_chosen(one, p->held[k].name);
		if (found)
			continue;
		trouble_set(t, ERR_NOTFOUND, "this node holds no log of %.200s", p->names[i]);
		trouble_hint(t, "`convenectl status` lists the logs; an organisation's name will "
				"do, or a log's.");
		return t->err;
	}
	return OK;
}

static int known_grow(struct publisher *p)
{
	struct known *more;

	if (p->count <= p->known_count)
		return OK;
	more = realloc(p->known, p->count * sizeof *more);
	if (!more)
		return ERR_NOMEM;
	memset(&more[p->known_count], 0, (p->count - p->known_count) * sizeof *more);
	p->known = more;
	p->known_count = p->count;
	return OK;
}

static int held_load(struct publisher *p, struct trouble *t)
{
	int err;

	held_clear(p);
	err = p->store->ops->log_each(p->store, held_add, p);
	if (!err)
		err = known_grow(p);
	return err ? store_trouble(p, err, t) : names_check(p, t);
}

/* Trouble of the machine would meet the next log as well. */
static bool stops_all(int err)
{
	return err == ERR_NOMEM || err == ERR_IO || err == ERR_NOSPACE || err == ERR_BUSY;
}

static int logs_publish(struct publisher *p, struct publish_counts *counts, struct trouble *t)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct held *h = &p->held[i];
		struct known *k = &p->known[i];
		int err;

		if (!h->chosen || h->size == 0)
			continue;
		counts->logs++;
		err = publish_log(p, h, k, counts, t);
		counts->missing += k->missing;
		if (stops_all(err))
			return err;
		if (err == ERR_STALE) {
			if (counts->behind++ == 0)
				snprintf(counts->waits, sizeof counts->waits, "%s", h->name);
			continue;
		}
		counts->troubles += err != OK;
		if (err && strcmp(k->said, t->text) != 0)
			p->say(p->ctx, h->name, t);
		snprintf(k->said, sizeof k->said, "%s", err ? t->text : "");
	}
	return OK;
}

static int version_get(struct publisher *p, uint64_t *out, struct trouble *t)
{
	int err = p->store->ops->version(p->store, out);

	return err ? store_trouble(p, err, t) : OK;
}

int publisher_changed(struct publisher *p, bool *changed, struct trouble *t)
{
	uint64_t now = p->version;
	int err = version_get(p, &now, t);

	*changed = now != p->version;
	return err;
}

int publisher_run(struct publisher *p, struct publish_counts *counts, struct trouble *t)
{
	bool changed = false;
	int err;

	*counts = (struct publish_counts){.logs = 0};
	err = version_get(p, &p->version, t);
	if (!err)
		err = erase(p, counts, t);
	if (!err)
		err = held_load(p, t);
	if (!err)
		err = logs_publish(p, counts, t);
	/* What was erased while we wrote it. */
	if (!err)
		err = publisher_changed(p, &changed, t);
	if (!err && changed) {
		p->gone_count = 0;
		err = erase(p, counts, t);
	}
	return err;
}

struct publisher *publisher_new(struct store *store, struct publication *to,
    const uint8_t forum[static HASH_LEN], const char *const *names,
    void (*say)(void *ctx, const char *log, const struct trouble *t), void *ctx)
{
	struct publisher *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->store = store;
	p->to = to;
	p->names = names;
	p->say = say;
	p->ctx = ctx;
	memcpy(p->forum, forum, HASH_LEN);
	return p;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	held_clear(p);
	free(p->known);
	free(p->gone);
	free(p);
}
