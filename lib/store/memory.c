/* SPDX-License-Identifier: BSD-2-Clause */
/* The in-memory backend: the store's contract over ordered tables, as plainly as it can be said.
 * One row per entry and per missing content, so that it shares no cleverness with the SQLite
 * backend that it is compared with. */
#include "store/memory.h"

#include "store/memory_inside.h"

#include <stdio.h>
#include <stdlib.h>

int memory_finish(struct memory_store *m, size_t mark, int err)
{
	if (err != OK)
		tables_undo(&m->t, mark);
	if (err == ERR_NOMEM)
		m->failed = err;
	return err;
}

static int put(struct memory_store *m, unsigned table, struct bytes key, struct bytes value)
{
	size_t mark = tables_mark(&m->t);
	return memory_finish(m, mark, table_put(&m->t, table, key, value));
}

int memory_copy(struct buffer *out, struct bytes b)
{
	if (out == NULL)
		return OK;
	buffer_add(out, b.data, b.len);
	return out->failed ? ERR_NOMEM : OK;
}

/* ---- opening and transactions ---- */

static void close_store(struct store *base)
{
	tables_clear(&inside(base)->t);
	free(base);
}

static int open_store(struct store **out, const char *path, unsigned flags)
{
	(void)path;
	if ((flags & STORE_READ_ONLY) != 0)
		return ERR_NOTFOUND; /* every open makes a new one */
	struct memory_store *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return ERR_NOMEM;
	m->base.ops = &store_memory;
	if (table_put(&m->t, META, bytes_str("schema"), bytes_str("4")) != OK) {
		close_store(&m->base);
		return ERR_NOMEM;
	}
	tables_keep(&m->t);
	*out = &m->base;
	return OK;
}

static int begin(struct store *base)
{
	assert(!inside(base)->writing);
	inside(base)->writing = true;
	return OK;
}

static void rollback(struct store *base)
{
	struct memory_store *m = inside(base);

	tables_undo(&m->t, 0);
	m->writing = false;
	m->failed = OK;
}

static int commit(struct store *base)
{
	struct memory_store *m = inside(base);
	int err = m->failed != OK ? m->failed : m->fail_commit;

	assert(m->writing);
	m->fail_commit = OK;
	if (err != OK) {
		snprintf(m->base.error, sizeof(m->base.error), "%s", error_text(err));
		rollback(base);
		return err;
	}
	tables_keep(&m->t);
	m->writing = false;
	return OK;
}

void store_memory_crash(struct store *base)
{
	rollback(base);
	inside(base)->fail_commit = OK;
}

void store_memory_fail(struct store *base, int err)
{
	inside(base)->fail_commit = err;
}

/* ---- facts ---- */

static int meta_get(struct store *base, const char *key, struct buffer *out)
{
	const struct row *row = table_get(&inside(base)->t, META, bytes_str(key));
	return row == NULL ? ERR_NOTFOUND : memory_copy(out, row_value(row));
}

static int meta_put(struct store *base, const char *key, struct bytes value)
{
	int err = writing(inside(base));
	return err != OK ? err : put(inside(base), META, bytes_str(key), value);
}

static int meta_drop(struct store *base, const char *key)
{
	struct memory_store *m = inside(base);
	size_t mark = tables_mark(&m->t);
	int err = writing(m);

	return err != OK ? err : memory_finish(m, mark, table_drop(&m->t, META, bytes_str(key)));
}

static int meta_each(struct store *base, const char *prefix,
    int (*fn)(void *ctx, const char *key, struct bytes value), void *ctx)
{
	const struct tables *t = &inside(base)->t;
	size_t len = strlen(prefix);
	struct table_walk walk;
	int err = OK;

	for (const struct row *row = table_walk(&walk, t, META, bytes_str(prefix));
	     row != NULL && err == OK; row = table_next(&walk)) {
		struct bytes key = row_key(row);
		if (key.len < len || memcmp(key.data, prefix, len) != 0)
			break;
		char *name = strndup((const char *)key.data, key.len);
		err = name == NULL ? ERR_NOMEM : fn(ctx, name, row_value(row));
		free(name);
	}
	return err;
}

static int serial_get(struct store *base, const uint8_t root[static KEY_LEN], uint64_t *serial,
    struct buffer *message)
{
	const struct row *row = table_get(&inside(base)->t, SERIAL, bytes_of(root, KEY_LEN));

	if (row == NULL)
		return ERR_NOTFOUND;
	struct bytes value = row_value(row);
	*serial = get_u64(value.data);
	return memory_copy(message, bytes_of(value.data + 8, value.len - 8));
}

static int serial_put(
    struct store *base, const uint8_t root[static KEY_LEN], uint64_t serial, struct bytes message)
{
	struct buffer value = BUFFER_INIT;
	uint64_t known;
	int err = writing(inside(base));

	if (err != OK)
		return err;
	if (serial > INT64_MAX)
		return ERR_INVALID;
	if (serial_get(base, root, &known, NULL) == OK && serial < known)
		return ERR_STALE;
	buffer_add_u64(&value, serial);
	buffer_add(&value, message.data, message.len);
	err = value.failed
		  ? memory_finish(inside(base), tables_mark(&inside(base)->t), ERR_NOMEM)
		  : put(inside(base), SERIAL, bytes_of(root, KEY_LEN), buffer_bytes(&value));
	buffer_free(&value);
	return err;
}

static int invite_get(
    struct store *base, const uint8_t hash[static HASH_LEN], struct store_invite *out)
{
	const struct row *row = table_get(&inside(base)->t, INVITE, ID(hash));

	if (row == NULL)
		return ERR_NOTFOUND;
	memcpy(out, row_value(row).data, sizeof(*out));
	return OK;
}

static int invite_put(struct store *base, const struct store_invite *invite)
{
	int err = writing(inside(base));

	if (err != OK)
		return err;
	if (invite->expires > INT64_MAX)
		return ERR_INVALID;
	return put(inside(base), INVITE, ID(invite->hash), bytes_of(invite, sizeof(*invite)));
}

static int invite_each(
    struct store *base, int (*fn)(void *ctx, const struct store_invite *invite), void *ctx)
{
	struct tables *t = &inside(base)->t;
	const struct row *row = table_seek(t, INVITE, NOTHING);
	struct store_invite invite;
	uint8_t after[HASH_LEN + 1] = {0};
	int err = OK;

	for (; row != NULL && err == OK;
	     row = table_seek(t, INVITE, bytes_of(after, sizeof(after)))) {
		memcpy(&invite, row_value(row).data, sizeof(invite));
		memcpy(after, invite.hash, HASH_LEN);
		err = fn(ctx, &invite);
	}
	return err;
}

/* ---- logs ---- */

bool memory_log(const struct memory_store *m, uint32_t no, struct log *out)
{
	const struct row *row = table_get(&m->t, LOG, NUMBER(no));
	if (row != NULL)
		memcpy(out, row_value(row).data, sizeof(*out));
	return row != NULL;
}

int memory_log_put(struct memory_store *m, const struct log *log)
{
	return table_put(&m->t, LOG, NUMBER(log->no), bytes_of(log, sizeof(*log)));
}

static int log_add(
    struct store *base, struct bytes name, const uint8_t digest[static DIGEST_LEN], uint32_t *no)
{
	struct memory_store *m = inside(base);
	struct log log = {0};
	int err = writing(m);

	if (err != OK)
		return err;
	if (name.len == 0 || name.len > VERIFIER_NAME_MAX)
		return ERR_INVALID;
	const struct row *row = table_get(&m->t, DIGEST, bytes_of(digest, DIGEST_LEN));
	if (row != NULL) {
		*no = get_u32(row_value(row).data);
		return ERR_EXISTS;
	}
	log.no = (uint32_t)table_count(&m->t, LOG) + 1;
	memcpy(log.digest, digest, DIGEST_LEN);
	memcpy(log.name, name.data, name.len);
	uint8_t number[4];
	put_u32(number, log.no);

	size_t mark = tables_mark(&m->t);
	if ((err = memory_log_put(m, &log)) == OK &&
	    (err = table_put(&m->t, DIGEST, bytes_of(digest, DIGEST_LEN), bytes_of(number, 4))) ==
		OK &&
	    (err = table_put(&m->t, CHECKPOINT, NUMBER(log.no), NOTHING)) == OK)
		err = table_put(&m->t, RIGHT, NUMBER(log.no), NOTHING);
	if (err == OK)
		*no = log.no;
	return memory_finish(m, mark, err);
}

static int log_get(
    struct store *base, uint32_t no, int (*fn)(void *ctx, const struct store_log *log), void *ctx)
{
	struct memory_store *m = inside(base);
	struct log log;

	if (!memory_log(m, no, &log))
		return ERR_NOTFOUND;
	struct store_log out = {.no = no, .size = log.size, .state = log.state};
	memcpy(out.name, log.name, sizeof(out.name));
	memcpy(out.digest, log.digest, DIGEST_LEN);
	memcpy(out.root, log.root, HASH_LEN);
	out.checkpoint = row_value(table_get(&m->t, CHECKPOINT, NUMBER(no)));
	out.right = row_value(table_get(&m->t, RIGHT, NUMBER(no)));
	return fn(ctx, &out);
}

static int log_each(
    struct store *base, int (*fn)(void *ctx, const struct store_log *log), void *ctx)
{
	size_t count = table_count(&inside(base)->t, LOG);
	int err = OK;

	for (uint32_t no = 1; err == OK && no <= count; no++)
		err = log_get(base, no, fn, ctx);
	return err;
}

static int log_set_state(struct store *base, uint32_t no, enum log_state state)
{
	struct memory_store *m = inside(base);
	int err = writing(m);
	struct log log;

	if (err != OK || !memory_log(m, no, &log))
		return err != OK ? err : ERR_NOTFOUND;
	log.state = state;
	return memory_finish(m, tables_mark(&m->t), memory_log_put(m, &log));
}

int memory_notes_put(
    struct memory_store *m, uint32_t no, struct bytes checkpoint, struct bytes right)
{
	int err = table_put(&m->t, CHECKPOINT, NUMBER(no), checkpoint);
	return err != OK ? err : table_put(&m->t, RIGHT, NUMBER(no), right);
}

static int log_set_checkpoint(
    struct store *base, uint32_t no, struct bytes checkpoint, struct bytes right)
{
	struct memory_store *m = inside(base);
	size_t mark = tables_mark(&m->t);
	int err = writing(m);
	struct log log;

	if (err != OK || !memory_log(m, no, &log))
		return err != OK ? err : ERR_NOTFOUND;
	return memory_finish(m, mark, memory_notes_put(m, no, checkpoint, right));
}

/* There is nobody else. */
static int version(struct store *base, uint64_t *out)
{
	(void)base;
	*out = 0;
	return OK;
}

/* There are no files. */
static int scrub(struct store *base)
{
	(void)base;
	return OK;
}

const struct store_backend store_memory = {
    .name = "memory",
    .open = open_store,
    .close = close_store,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .meta_get = meta_get,
    .meta_put = meta_put,
    .meta_drop = meta_drop,
    .meta_each = meta_each,
    .log_add = log_add,
    .log_each = log_each,
    .log_get = log_get,
    .log_set_state = log_set_state,
    .log_set_checkpoint = log_set_checkpoint,
    .append = memory_append,
    .read = memory_read,
    .blocks = memory_blocks,
    .truncate = memory_truncate,
    .merge = memory_merge,
    .content_put = memory_content_put,
    .contents_put = memory_contents_put,
    .content_get = memory_content_get,
    .contents = memory_contents,
    .wanted = memory_wanted,
    .wanted_below = memory_wanted_below,
    .wanted_count = memory_wanted_count,
    .content_drop = memory_content_drop,
    .tombstone_each = memory_tombstone_each,
    .version = version,
    .scrub = scrub,
    .inbox_add = memory_inbox_add,
    .inbox_each = memory_inbox_each,
    .inbox_count = memory_inbox_count,
    .inbox_drop = memory_inbox_drop,
    .fork_put = memory_fork_put,
    .fork_each = memory_fork_each,
    .standing_put = memory_standing_put,
    .standing_each = memory_standing_each,
    .inbox_remove = memory_inbox_remove,
    .serial_get = serial_get,
    .serial_put = serial_put,
    .cosignature_put = memory_cosignature_put,
    .cosignature_each = memory_cosignature_each,
    .invite_get = invite_get,
    .invite_put = invite_put,
    .invite_each = invite_each,
};
