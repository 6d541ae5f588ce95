/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs that are in the views: their rosters, in memory and in rows. */
#include "forum/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "forum/query_private.h"

/* ---- keys ---- */

static int known_add(
    struct origin *o, const uint8_t key[static KEY_LEN], int64_t no, int64_t person)
{
	if (o->known_count == o->known_cap) {
		uint32_t cap = o->known_cap == 0 ? 16 : o->known_cap * 2;
		struct known *known = realloc(o->known, cap * sizeof(*known));
		if (known == NULL)
			return ERR_NOMEM;
		o->known = known;
		o->known_cap = cap;
	}
	if (key_index_reserve(&o->by_key, 1) != OK)
		return ERR_NOMEM;
	struct known *k = &o->known[o->known_count];
	memcpy(k->key, key, KEY_LEN);
	k->no = no;
	k->person = person;
	key_index_add(&o->by_key, o->known, o->known_count++);
	return OK;
}

static const struct known *known_find(const struct origin *o, const uint8_t key[static KEY_LEN])
{
	uint32_t row;

	return key_index_find(&o->by_key, o->known, key, &row) ? &o->known[row] : NULL;
}

/* Insert (`first` the log) or update (`first` the row) what the roster knows of a key. */
static int signer_write(
    struct forum *f, enum view_id how, int64_t first, int64_t person, const struct signer *s)
{
	return view_run(f->s, how, NULL, "iIkihiiikiik", first, person, s->key, (int64_t)s->class,
	    s->identity, (int64_t)s->custody, (int64_t)s->recovery, (int64_t)s->enrolled,
	    s->enrol_id, (int64_t)s->revoked, (int64_t)s->sequence, s->last_id);
}

int signer_add(struct forum *f, struct origin *o, const struct signer *s, int64_t person)
{
	int err = signer_write(f, VIEW_SIGNER_ADD, o->log, person, s);

	return err == OK ? known_add(o, s->key, view_added(f->s), person) : err;
}

int signer_find(struct forum *f, struct origin *o, const uint8_t key[static KEY_LEN], int64_t *no,
    int64_t *person)
{
	const struct known *k = known_find(o, key);

	if (k == NULL) {
		/* Devices get theirs from their ENROL; this is the root or a registrar. */
		const struct signer *s = roster_signer(o->roster, key);
		if (s == NULL)
			return ERR_NOTFOUND;
		int err = signer_add(f, o, s, 0);
		if (err != OK)
			return err;
		k = known_find(o, key);
	}
	*no = k->no;
	*person = k->person;
	return OK;
}

int signers_flush(struct forum *f, struct origin *o)
{
	int err = OK;

	for (size_t i = 0; i < roster_dirty_count(o->roster) && err == OK; i++) {
		const struct signer *s = roster_dirty_at(o->roster, i);
		const struct known *k = known_find(o, s->key);
		if (k == NULL)
			err = signer_add(f, o, s, 0);
		else if (s->class == SIGNER_REGISTRAR)
			err = signer_write(f, VIEW_SIGNER_SET, k->no, k->person, s);
		else /* nothing else ever changes, and this leaves the indexes alone */
			err = view_run(f->s, VIEW_SIGNER_SEEN, NULL, "iiik", k->no,
			    (int64_t)s->revoked, (int64_t)s->sequence, s->last_id);
	}
	if (err == OK)
		roster_clean(o->roster);
	return err;
}

int person_find(struct forum *f, const struct origin *o,
    const uint8_t identity[static IDENTITY_LEN], int64_t *no)
{
	for (; o != NULL; o = o->previous) {
		struct view v;
		int err = view_start(&v, f->s, VIEW_PERSON_FIND, "ih", (int64_t)o->log, identity);
		if (err == OK)
			err = view_next(&v);
		if (err == 1) {
			*no = view_int(&v, 0);
			view_end(&v);
			return OK;
		}
		if (err != OK)
			return err;
	}
	return ERR_NOTFOUND;
}

/* ---- logs ---- */

struct origin *origin_of(const struct forum *f, uint32_t log)
{
	return log < f->origin_cap ? f->origins[log] : NULL;
}

void origin_free(struct origin *o)
{
	if (o == NULL)
		return;
	roster_free(o->roster);
	key_index_free(&o->by_key);
	free(o->known);
	free(o);
}

static int origin_new(
    struct forum *f, uint32_t log, const struct credential *c, struct origin **out)
{
	if (log >= f->origin_cap) {
		size_t cap = f->origin_cap * 2 > (size_t)log + 1 ? f->origin_cap * 2
								 : (size_t)log + 1;
		struct origin **origins = realloc(f->origins, cap * sizeof(struct origin *));
		if (origins == NULL)
			return ERR_NOMEM;
		memset(&origins[f->origin_cap], 0, (cap - f->origin_cap) * sizeof(struct origin *));
		f->origins = origins;
		f->origin_cap = cap;
	}
	struct origin *o = calloc(1, sizeof(*o));
	if (o == NULL)
		return ERR_NOMEM;
	o->log = log;
	memcpy(o->name, c->binding.log_name, sizeof(o->name));
	memcpy(o->organisation, c->organisation, sizeof(o->organisation));
	memcpy(o->root_key, c->root_key, KEY_LEN);
	o->number = c->number;
	o->end = UINT64_MAX;
	key_index_init(&o->by_key, sizeof(struct known), offsetof(struct known, key), KEY_LEN);
	*out = o;
	return OK;
}

/* The log that a credential names as its predecessor, folded to the size that stands. */
static int predecessor_find(const struct forum *f, const struct credential *c, struct origin **out)
{
	for (size_t i = 0; i < f->origin_cap; i++) {
		struct origin *o = f->origins[i];
		if (o == NULL || !bytes_equal(c->node.previous_log, bytes_str(o->name)))
			continue;
		if (memcmp(o->root_key, c->root_key, KEY_LEN) != 0)
			return ERR_WRONG_ROOT;
		if (o->folded > c->node.previous_size)
			return ERR_RANGE;
		*out = o;
		return o->folded < c->node.previous_size ? ERR_NOTFOUND : OK;
	}
	return ERR_NOTFOUND;
}

/* Inherited keys are keys of the same people. */
static int signers_inherit(struct forum *f, struct origin *o)
{
	int err = OK;

	for (size_t i = 0; i < roster_signer_count(o->roster) && err == OK; i++) {
		const struct signer *s = roster_signer_at(o->roster, i);
		const struct known *k = known_find(o->previous, s->key);
		err = signer_add(f, o, s, k == NULL ? 0 : k->person);
	}
	return err;
}

int origin_start(
    struct forum *f, const struct store_log *log, struct bytes message, struct origin **out)
{
	struct credential c;
	struct origin *o = NULL, *previous = NULL;
	int err = credential_open(&c, f->charter->forum, bytes_str(log->name), message);

	if (err != OK)
		return err;
	if (c.node.previous_log.len > 0)
		err = predecessor_find(f, &c, &previous);
	if (err == OK)
		err = origin_new(f, log->no, &c, &o);
	if (err == OK) {
		o->previous = previous;
		o->roster = roster_new(&c, f->charter, previous == NULL ? NULL : previous->roster);
		if (o->roster == NULL)
			err = ERR_NOMEM;
	}
	if (err == OK)
		err = view_run(f->s, VIEW_ORIGIN_ADD, NULL, "ibkiIi", (int64_t)log->no,
		    bytes_str(o->organisation), o->root_key, (int64_t)o->number,
		    previous == NULL ? INT64_C(0) : (int64_t)previous->log,
		    (int64_t)c.node.previous_size);
	if (err == OK && previous != NULL) {
		previous->end = c.node.previous_size;
		err = signers_inherit(f, o);
	}
	credential_clear(&c);
	if (err != OK) {
		origin_free(o);
		return err;
	}
	*out = f->origins[log->no] = o;
	return OK;
}

/* ---- loading ---- */

static int node_get(struct forum *f, enum view_id which, uint32_t log, struct buffer *out)
{
	struct view v;
	int err = view_start(&v, f->s, which, "i", (int64_t)log);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_STORE : err;
	struct bytes message = view_bytes(&v, 0);
	buffer_reset(out);
	buffer_add(out, message.data, message.len);
	view_end(&v);
	return out->failed ? ERR_NOMEM : OK;
}

static int roster_read(struct forum *f, struct origin *o, const struct credential *c)
{
	struct buffer signers = BUFFER_INIT, node = BUFFER_INIT;
	struct view v;
	struct signer s;
	size_t count = 0;

	if ((o->roster = roster_new(c, f->charter, NULL)) == NULL)
		return ERR_NOMEM;
	int err = view_start(&v, f->s, VIEW_SIGNERS, "i", (int64_t)o->log);
	while (err == OK && (err = view_next(&v)) == 1) {
		signer_read(&v, 2, &s);
		buffer_add(&signers, &s, sizeof(s));
		err = signers.failed ? ERR_NOMEM
				     : known_add(o, s.key, view_int(&v, 0), view_int(&v, 1));
		if (err != OK)
			view_end(&v);
		count++;
	}
	if (err == OK)
		err = node_get(f, VIEW_NODE_LAST, o->log, &node);
	if (err == OK)
		err = roster_load(o->roster, (const struct signer *)(const void *)signers.data,
		    count, buffer_bytes(&node), o->folded);
	buffer_free(&signers);
	buffer_free(&node);
	return err;
}

static int origin_read(struct forum *f, const struct view *v)
{
	struct credential c;
	struct buffer message = BUFFER_INIT;
	struct origin *o = NULL;
	uint32_t log = (uint32_t)view_int(v, 0);
	int err = node_get(f, VIEW_NODE_FIRST, log, &message);

	if (err == OK)
		err = credential_open(
		    &c, f->charter->forum, view_bytes(v, 6), buffer_bytes(&message));
	buffer_free(&message);
	if (err != OK)
		return err;
	err = origin_new(f, log, &c, &o);
	if (err == OK) {
		o->folded = (uint64_t)view_int(v, 7);
		err = roster_read(f, o, &c);
	}
	credential_clear(&c);
	if (err == OK)
		f->origins[log] = o;
	else
		origin_free(o);
	return err;
}

int origins_load(struct forum *f)
{
	struct view v;
	int err = view_start(&v, f->s, VIEW_ORIGINS, "");

	while (err == OK && (err = view_next(&v)) == 1)
		if ((err = origin_read(f, &v)) != OK)
			view_end(&v);
	if (err == OK)
		err = view_start(&v, f->s, VIEW_ORIGINS, "");
	while (err == OK && (err = view_next(&v)) == 1) {
		struct origin *previous = origin_of(f, (uint32_t)view_int(&v, 4));
		if (previous != NULL) {
			origin_of(f, (uint32_t)view_int(&v, 0))->previous = previous;
			previous->end = (uint64_t)view_int(&v, 5);
		}
		err = OK;
	}
	return err;
}
