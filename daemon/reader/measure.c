/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/reader/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/encode.h"
#include "base/error.h"

void measure_hide_key(char out[static MEASURE_KEY_MAX], const uint8_t id[static ID_LEN])
{
	char hex[2 * ID_LEN + 1];

	hex_encode(hex, id, ID_LEN);
	snprintf(out, MEASURE_KEY_MAX, MEASURE_HIDE "%s", hex);
}

void measure_person_key(char out[static MEASURE_KEY_MAX], const char *organisation,
    const uint8_t identity[static IDENTITY_LEN])
{
	char hex[2 * IDENTITY_LEN + 1];

	hex_encode(hex, identity, IDENTITY_LEN);
	snprintf(out, MEASURE_KEY_MAX, MEASURE_SUSPEND "%s/%s", organisation, hex);
}

void measure_carry_key(char out[static MEASURE_KEY_MAX], const char *organisation)
{
	snprintf(out, MEASURE_KEY_MAX, MEASURE_CARRY "%s", organisation);
}

void measure_operation_key(char out[static MEASURE_KEY_MAX], uint64_t number)
{
	snprintf(out, MEASURE_KEY_MAX, MEASURE_OPERATION "%020llu", (unsigned long long)number);
}

int measure_read(struct bytes value, struct measure_fact *out)
{
	json_t *o = json_loadb((const char *)value.data, value.len, 0, NULL);
	const char *reason = json_string_value(json_object_get(o, "reason")),
		   *about = json_string_value(json_object_get(o, "about"));
	int err = ERR_STORE;

	*out = (struct measure_fact){0};
	if (reason && about) {
		out->reason = strdup(reason);
		out->about = strdup(about);
		out->time = (uint64_t)json_integer_value(json_object_get(o, "time"));
		err = out->reason && out->about ? OK : ERR_NOMEM;
	}
	json_decref(o);
	if (err)
		measure_fact_clear(out);
	return err;
}

void measure_fact_clear(struct measure_fact *f)
{
	free(f->reason);
	free(f->about);
	*f = (struct measure_fact){0};
}

void measure_table_clear(struct measure_table *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->rows[i].key);
		measure_fact_clear(&m->rows[i].fact);
	}
	free(m->rows);
	*m = (struct measure_table){0};
}

static int row_add(void *ctx, const char *key, struct bytes value)
{
	struct measure_table *m = ctx;

	if (m->count == m->cap) {
		size_t cap = m->cap == 0 ? 16 : 2 * m->cap;
		struct measure_row *rows = realloc(m->rows, cap * sizeof *rows);

		if (!rows)
			return ERR_NOMEM;
		m->rows = rows;
		m->cap = cap;
	}
	struct measure_row *row = &m->rows[m->count];
	int err = measure_read(value, &row->fact);

	if (err)
		return err;
	row->key = strdup(key);
	if (!row->key) {
		measure_fact_clear(&row->fact);
		return ERR_NOMEM;
	}
	m->count++;
	return OK;
}

static int by_key(const void *a, const void *b)
{
	const struct measure_row *x = a, *y = b;

	return strcmp(x->key, y->key);
}

int measure_table_update(struct measure_table *m, struct store *s)
{
	static const char *const kinds[] = {MEASURE_CARRY, MEASURE_HIDE, MEASURE_SUSPEND};
	struct measure_table fresh = {.operations = m->operations};
	struct buffer room = BUFFER_INIT;
	char key[MEASURE_KEY_MAX];
	int err;

	do {
		measure_operation_key(key, fresh.operations + 1);
		buffer_reset(&room);
		err = s->ops->meta_get(s, key, &room);
	} while (err == OK && ++fresh.operations);
	buffer_free(&room);
	if (err != ERR_NOTFOUND)
		return err;
	if (fresh.operations == m->operations)
		return OK;
	err = OK;
	for (size_t i = 0; i < 3 && !err; i++)
		err = s->ops->meta_each(s, kinds[i], row_add, &fresh);
	if (err) {
		measure_table_clear(&fresh);
		return err;
	}
	if (fresh.count > 0)
		qsort(fresh.rows, fresh.count, sizeof *fresh.rows, by_key);
	measure_table_clear(m);
	*m = fresh;
	return OK;
}

const char *measure_table_find(const struct measure_table *m, const char *key)
{
	size_t lo = 0, hi = m->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(m->rows[mid].key, key);

		if (order == 0)
			return m->rows[mid].fact.reason;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const char *measure_table_hides(const struct measure_table *m, const char *own,
    const uint8_t id[static ID_LEN], const struct author *author)
{
	char key[MEASURE_KEY_MAX];
	const char *why;

	if (m->count == 0)
		return NULL;
	measure_hide_key(key, id);
	why = measure_table_find(m, key);
	if (why || !author || !author->device || strcmp(author->organisation, own) == 0)
		return why;
	measure_person_key(key, author->organisation, author->identity);
	return measure_table_find(m, key);
}
