/* SPDX-License-Identifier: BSD-2-Clause */
/* Forks: their proofs, and what stands of a log that has a successor. */
#include "store/memory_inside.h"

/* Insert, but never replace. */
static int add(struct memory_store *m, unsigned table, struct bytes key, struct bytes value)
{
	size_t mark = tables_mark(&m->t);

	if (table_get(&m->t, table, key) != NULL)
		return ERR_EXISTS;
	return memory_finish(m, mark, table_put(&m->t, table, key, value));
}

int memory_fork_put(struct store *base, const uint8_t log[static DIGEST_LEN], enum fork_sort sort,
    struct bytes proof)
{
	uint8_t key[DIGEST_LEN + 1];
	int err = writing(inside(base));

	if (err != OK)
		return err;
	if (proof.len == 0)
		return ERR_INVALID;
	memcpy(key, log, DIGEST_LEN);
	key[DIGEST_LEN] = (uint8_t)sort;
	return add(inside(base), FORK, bytes_of(key, sizeof(key)), proof);
}

int memory_fork_each(
    struct store *base, int (*fn)(void *ctx, const struct store_fork *fork), void *ctx)
{
	struct table_walk walk;
	struct store_fork fork;
	int err = OK;

	for (const struct row *row = table_walk(&walk, &inside(base)->t, FORK, NOTHING);
	     row != NULL && err == OK; row = table_next(&walk)) {
		memcpy(fork.log, row_key(row).data, DIGEST_LEN);
		fork.sort = (enum fork_sort)row_key(row).data[DIGEST_LEN];
		fork.proof = row_value(row);
		err = fn(ctx, &fork);
	}
	return err;
}

int memory_standing_put(struct store *base, const struct store_standing *standing)
{
	struct buffer value = BUFFER_INIT;
	int err = writing(inside(base));

	if (err != OK)
		return err;
	if (standing->successor.len == 0 || standing->successor.len > VERIFIER_NAME_MAX ||
	    standing->credential.len == 0 || standing->size > INT64_MAX)
		return ERR_INVALID;
	buffer_add_u64(&value, standing->size);
	buffer_add(&value, standing->root, HASH_LEN);
	buffer_add_u16(&value, (uint16_t)standing->successor.len);
	buffer_add(&value, standing->successor.data, standing->successor.len);
	buffer_add(&value, standing->credential.data, standing->credential.len);
	err = value.failed ? memory_finish(inside(base), tables_mark(&inside(base)->t), ERR_NOMEM)
			   : add(inside(base), STANDING, bytes_of(standing->log, DIGEST_LEN),
				 buffer_bytes(&value));
	buffer_free(&value);
	return err;
}

int memory_standing_each(
    struct store *base, int (*fn)(void *ctx, const struct store_standing *standing), void *ctx)
{
	struct store_standing standing;
	struct table_walk walk;
	int err = OK;

	for (const struct row *row = table_walk(&walk, &inside(base)->t, STANDING, NOTHING);
	     row != NULL && err == OK; row = table_next(&walk)) {
		struct bytes value = row_value(row);
		size_t at = 8 + HASH_LEN, len = (size_t)(value.data[at] << 8 | value.data[at + 1]);

		memcpy(standing.log, row_key(row).data, DIGEST_LEN);
		standing.size = get_u64(value.data);
		memcpy(standing.root, value.data + 8, HASH_LEN);
		at += 2;
		standing.successor = bytes_of(value.data + at, len);
		standing.credential = bytes_of(value.data + at + len, value.len - at - len);
		err = fn(ctx, &standing);
	}
	return err;
}
