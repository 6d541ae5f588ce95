/* SPDX-License-Identifier: BSD-2-Clause */
/* What the store does with its journal: it takes messages out of it, and says in the same
 * transaction up to which. */
#include <string.h>

#include "store/sqlite.h"

struct intake *store_intake(struct store *base)
{
	return base->ops == &store_sqlite ? ((struct sqlite_store *)base)->intake : NULL;
}

static int fact(struct sqlite_store *s, const char *key, uint8_t *out, size_t len)
{
	struct buffer value = BUFFER_INIT;
	int err = sqlite_meta_get(&s->base, key, &value);

	if (err == OK && (value.failed || value.len != len))
		err = value.failed ? ERR_NOMEM : ERR_STORE;
	if (err == OK)
		memcpy(out, value.data, len);
	buffer_free(&value);
	return err == ERR_NOTFOUND ? ERR_STORE : err;
}

int sqlite_intake_open(struct sqlite_store *s, const char *path)
{
	uint8_t key[INTAKE_KEY], taken[8];
	int err = fact(s, "inbox_key", key, sizeof key);

	if (err == OK)
		err = fact(s, "inbox_taken", taken, sizeof taken);
	return err != OK ? err
			 : intake_open(&s->intake, path, key, get_u64(taken), 0, s->base.error);
}

int sqlite_intake_take(struct sqlite_store *s, uint64_t last)
{
	uint8_t taken[8];
	int err;

	put_u64(taken, last);
	err = sqlite_meta_put(&s->base, "inbox_taken", bytes_of(taken, sizeof taken));
	if (err == OK)
		s->taking = last;
	return err;
}

void sqlite_intake_committed(struct sqlite_store *s)
{
	if (s->taking > 0)
		intake_taken(s->intake, s->taking);
	/* An erased text, which nobody will ask to be scrubbed again: with the rest of its record,
	 * if that waits still. Should it fail, the next scrub finds it. */
	if (s->taking > 0 && s->refused) {
		intake_scrub(s->intake);
		s->refused = intake_parted(s->intake) > 0;
	}
	s->taking = 0;
}

int sqlite_intake_each(struct sqlite_store *s, size_t limit,
    int (*fn)(void *ctx, const struct store_inbox *row), void *ctx)
{
	int err = intake_each(s->intake, s->taking, limit, fn, ctx);

	/* Part of it may be in the transaction. */
	if (err == ERR_IO || err == ERR_NOMEM || err == ERR_STORE)
		s->failed = err;
	return err;
}

/* ---- into the table ---- */

struct moving {
	struct sqlite_store *s;
	uint64_t last;
};

static int move_row(void *ctx, const struct store_inbox *row)
{
	struct moving *m = ctx;
	uint64_t no;
	int err = sqlite_inbox_add(
	    &m->s->base, row->id, row->message, row->salt, row->content, &no);

	m->last = row->no;
	return err == ERR_EXISTS ? OK : err;
}

/* The oldest. */
static int move(struct sqlite_store *s, size_t limit)
{
	struct moving m = {.s = s};
	int err = sqlite_intake_each(s, limit, move_row, &m);

	return err == OK && m.last > 0 ? sqlite_intake_take(s, m.last) : err;
}

int store_intake_move(struct store *base)
{
	struct sqlite_store *s = (struct sqlite_store *)base;
	int err = sqlite_writing(s);

	return err != OK ? err : move(s, SIZE_MAX);
}

/* ---- erasing ---- */

/* What waits in a record that is taken in part comes into the table, so that the rest can go: if
 * nothing is sealed just now, it would wait for ever. */
static int finish_parted(struct sqlite_store *s)
{
	size_t left = intake_parted(s->intake);
	int err;

	if (left == 0)
		return OK;
	err = s->base.ops->begin(&s->base);
	if (err != OK)
		return err;
	err = move(s, left);
	if (err != OK) {
		s->base.ops->rollback(&s->base);
		return err;
	}
	return s->base.ops->commit(&s->base);
}

int sqlite_intake_scrub(struct sqlite_store *s)
{
	/* On a full disk, too, what is taken goes. */
	int err = finish_parted(s), scrubbed = intake_scrub(s->intake);

	return err != OK ? err : scrubbed;
}
