/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures of logs, the newest of each organisation. */
#include "store/memory_inside.h"

struct cosignature_key {
	uint8_t bytes[4 + KEY_LEN];
};

static struct cosignature_key key_of(uint32_t log, const uint8_t root[static KEY_LEN])
{
	struct cosignature_key k;

	put_u32(k.bytes, log);
	memcpy(k.bytes + 4, root, KEY_LEN);
	return k;
}

static void read_row(const struct row *row, struct store_cosignature *out)
{
	struct bytes value = row_value(row);

	out->log = get_u32(row_key(row).data);
	memcpy(out->root, row_key(row).data + 4, KEY_LEN);
	out->size = get_u64(value.data);
	out->seconds = get_u64(value.data + 8);
	out->note = bytes_of(value.data + 16, value.len - 16);
}

/* The row to go next: of those above a size, or, with `keep`, the last of too many. */
static const struct row *surplus(
    const struct memory_store *m, uint32_t log, uint64_t size, size_t keep)
{
	const struct row *worst = NULL;
	struct store_cosignature c, w;
	struct table_walk walk;
	uint8_t from[4];
	size_t count = 0;

	put_u32(from, log);
	for (const struct row *row = table_walk(&walk, &m->t, COSIGNED, bytes_of(from, 4)); row;
	     row = table_next(&walk)) {
		read_row(row, &c);
		if (c.log != log)
			break;
		if (c.size > size)
			return row;
		count++;
		if (worst)
			read_row(worst, &w);
		if (!worst || c.size <= w.size)
			worst = row;
	}
	return count > keep ? worst : NULL;
}

static int drop_surplus(struct memory_store *m, uint32_t log, uint64_t size, size_t keep)
{
	const struct row *row;
	int err = OK;

	while (err == OK && (row = surplus(m, log, size, keep)) != NULL)
		err = table_drop(&m->t, COSIGNED, row_key(row));
	return err;
}

int memory_cosignature_put(struct store *base, const struct store_cosignature *c, size_t keep)
{
	struct memory_store *m = inside(base);
	struct cosignature_key key = key_of(c->log, c->root);
	const struct row *old = table_get(&m->t, COSIGNED, KEY(key));
	struct buffer value = BUFFER_INIT;
	size_t mark = tables_mark(&m->t);
	struct store_cosignature kept;
	int err = writing(m);
	struct log log;

	if (err != OK)
		return err;
	if (c->seconds > INT64_MAX || keep > INT32_MAX)
		return ERR_INVALID;
	if (!memory_log(m, c->log, &log))
		return ERR_NOTFOUND;
	if (c->size == 0 || c->size > log.size)
		return ERR_RANGE;
	if (old) {
		read_row(old, &kept);
		if (c->size < kept.size)
			return ERR_STALE;
	}
	buffer_add_u64(&value, c->size);
	buffer_add_u64(&value, c->seconds);
	buffer_add(&value, c->note.data, c->note.len);
	err = value.failed ? ERR_NOMEM : table_put(&m->t, COSIGNED, KEY(key), buffer_bytes(&value));
	if (err == OK)
		err = drop_surplus(m, c->log, UINT64_MAX, keep);
	buffer_free(&value);
	return memory_finish(m, mark, err);
}

int memory_cosignature_each(
    struct store *base, int (*fn)(void *ctx, const struct store_cosignature *c), void *ctx)
{
	struct store_cosignature c;
	struct table_walk walk;
	int err = OK;

	for (const struct row *row = table_walk(&walk, &inside(base)->t, COSIGNED, NOTHING);
	     row != NULL && err == OK; row = table_next(&walk)) {
		read_row(row, &c);
		err = fn(ctx, &c);
	}
	return err;
}

int memory_cosignature_cut(struct memory_store *m, uint32_t log, uint64_t size)
{
	return drop_surplus(m, log, size, SIZE_MAX);
}
