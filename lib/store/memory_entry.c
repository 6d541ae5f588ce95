/* SPDX-License-Identifier: BSD-2-Clause */
/* The in-memory backend: entries, contents, the inbox. */
#include "store/memory_inside.h"

static uint64_t index_of(const struct row *row)
{
	return get_u64(row_key(row).data + 4);
}

/* The row when it belongs to that log, else NULL. */
static const struct row *of_log(const struct row *row, uint32_t log)
{
	return row != NULL && get_u32(row_key(row).data) == log ? row : NULL;
}

/* ---- contents ---- */

static int gap_drop(struct memory_store *m, uint32_t log, uint64_t index)
{
	return table_drop(&m->t, GAP, AT(log, index));
}

static bool erased(struct memory_store *m, const uint8_t id[static ID_LEN])
{
	return table_get(&m->t, TOMBSTONE, ID(id)) != NULL;
}

static int content_add(struct memory_store *m, uint32_t log, uint64_t index, const uint8_t *id,
    const uint8_t *salt, struct bytes content)
{
	struct buffer value = BUFFER_INIT;

	buffer_add(&value, id, ID_LEN);
	buffer_add(&value, salt, SALT_LEN);
	buffer_add(&value, content.data, content.len);
	int err = value.failed ? ERR_NOMEM
			       : table_put(&m->t, CONTENT, AT(log, index), buffer_bytes(&value));
	buffer_free(&value);
	return err;
}

int memory_content_put(struct store *base, uint32_t no, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct memory_store *m = inside(base);
	size_t mark = tables_mark(&m->t);
	int err = writing(m);
	struct log log;

	if (err != OK || !memory_log(m, no, &log))
		return err != OK ? err : ERR_NOTFOUND;
	if (index >= log.size)
		return ERR_RANGE;
	if (erased(m, id))
		return ERR_REFUSED;
	if (table_get(&m->t, CONTENT, AT(no, index)) != NULL)
		return ERR_EXISTS;
	if ((err = content_add(m, no, index, id, salt, content)) == OK)
		err = gap_drop(m, no, index);
	return memory_finish(m, mark, err);
}

int memory_contents_put(struct store *base, struct store_content *items, size_t count)
{
	struct memory_store *m = inside(base);
	int err = writing(m);

	for (size_t i = 0; i < count && err == OK; i++) {
		struct store_content *c = &items[i];

		c->result = memory_content_put(base, c->log, c->index, c->id, c->salt, c->content);
		if (c->result == ERR_NOMEM)
			err = c->result;
	}
	return err;
}

/* The value of the row that holds this id's content, or NULL. */
static const struct row *content_row(
    struct memory_store *m, uint32_t no, uint64_t index, const uint8_t *id)
{
	const struct row *row = table_get(&m->t, CONTENT, AT(no, index));
	return row != NULL && memcmp(row_value(row).data, id, ID_LEN) == 0 ? row : NULL;
}

int memory_content_get(struct store *base, uint32_t no, uint64_t index,
    const uint8_t id[static ID_LEN], uint8_t *salt, struct buffer *content)
{
	const struct row *row = content_row(inside(base), no, index, id);
	enum { HEAD = ID_LEN + SALT_LEN };

	if (erased(inside(base), id))
		return ERR_REFUSED;
	if (row == NULL)
		return ERR_NOTFOUND;
	struct bytes value = row_value(row);
	if (salt != NULL)
		memcpy(salt, value.data + ID_LEN, SALT_LEN);
	return memory_copy(content, bytes_of(value.data + HEAD, value.len - HEAD));
}

int memory_contents(struct store *base, uint32_t no, uint64_t first, size_t count, size_t max_bytes,
    int (*fn)(void *ctx, uint64_t index, const uint8_t id[static ID_LEN],
	const uint8_t salt[static SALT_LEN], struct bytes content),
    void *ctx)
{
	struct memory_store *m = inside(base);
	enum { HEAD = ID_LEN + SALT_LEN };
	const struct row *row;
	uint64_t at = first;
	size_t len = 0;

	if (first >= STORE_SIZE_MAX)
		return OK;
	at += count < STORE_SIZE_MAX - first ? count : STORE_SIZE_MAX - first;
	while (len < max_bytes &&
	       (row = of_log(table_before(&m->t, CONTENT, AT(no, at)), no)) != NULL &&
	       index_of(row) >= first) {
		struct bytes value = row_value(row);

		at = index_of(row);
		if (erased(m, value.data))
			continue;
		len += value.len - HEAD;
		if (fn(ctx, at, value.data, value.data + ID_LEN,
			bytes_of(value.data + HEAD, value.len - HEAD)) != OK)
			break;
	}
	return OK;
}

int memory_content_drop(struct store *base, uint32_t no, uint64_t index,
    const uint8_t id[static ID_LEN], bool tombstone)
{
	struct memory_store *m = inside(base);
	size_t mark = tables_mark(&m->t);
	int err = writing(m);
	struct log log;

	if (err != OK || !memory_log(m, no, &log))
		return err != OK ? err : ERR_NOTFOUND;
	if (index >= log.size)
		return ERR_RANGE;
	if (content_row(m, no, index, id) != NULL)
		err = table_drop(&m->t, CONTENT, AT(no, index));
	if (err == OK && tombstone)
		err = table_put(&m->t, TOMBSTONE, ID(id), NOTHING);
	if (err == OK)
		err = gap_drop(m, no, index);
	return memory_finish(m, mark, err);
}

int memory_tombstone_each(
    struct store *base, int (*fn)(void *ctx, const uint8_t id[static ID_LEN]), void *ctx)
{
	struct tables *t = &inside(base)->t;
	const struct row *row = table_seek(t, TOMBSTONE, bytes_of(NULL, 0));
	uint8_t after[ID_LEN + 1] = {0};
	int err = OK;

	for (; row != NULL && err == OK;
	     row = table_seek(t, TOMBSTONE, bytes_of(after, sizeof(after)))) {
		memcpy(after, row_key(row).data, ID_LEN);
		err = fn(ctx, after);
	}
	return err;
}

int memory_wanted(struct store *base, uint32_t log, uint64_t from, uint64_t *out, size_t *count)
{
	struct tables *t = &inside(base)->t;
	struct table_walk walk;
	const struct row *row = of_log(table_walk(&walk, t, GAP, AT(log, from)), log);
	size_t n = 0;

	for (; row != NULL && n < *count; row = of_log(table_next(&walk), log))
		out[n++] = index_of(row);
	*count = n;
	return OK;
}

int memory_wanted_below(
    struct store *base, uint32_t log, uint64_t below, uint64_t *out, size_t *count)
{
	struct tables *t = &inside(base)->t;
	const struct row *row = of_log(table_before(t, GAP, AT(log, below)), log);
	size_t room = *count, n = 0;

	for (; row != NULL && n < room; row = of_log(table_before(t, GAP, row_key(row)), log))
		out[n++] = index_of(row);
	*count = n;
	return OK;
}

int memory_wanted_count(struct store *base, uint32_t log, uint64_t *out)
{
	uint64_t from = 0, index;
	size_t one = 1;

	for (*out = 0; memory_wanted(base, log, from, &index, &one) == OK && one == 1;
	     from = index + 1)
		++*out;
	return OK;
}

/* ---- the inbox ---- */

int memory_inbox_add(struct store *base, const uint8_t id[static ID_LEN], struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content, uint64_t *no)
{
	struct memory_store *m = inside(base);
	const struct row *known = table_get(&m->t, INBOX_ID, ID(id));
	const struct row *next = table_get(&m->t, NEXT_INBOX, NOTHING);
	struct buffer value = BUFFER_INIT;
	size_t mark = tables_mark(&m->t);
	uint8_t number[8];
	int err = writing(m);

	if (err != OK)
		return err;
	if (known != NULL) {
		*no = get_u64(row_value(known).data);
		return ERR_EXISTS;
	}
	uint64_t mine = next == NULL ? 1 : get_u64(row_value(next).data);
	buffer_add(&value, id, ID_LEN);
	buffer_add(&value, salt, SALT_LEN);
	buffer_add_u32(&value, (uint32_t)message.len);
	buffer_add(&value, message.data, message.len);
	buffer_add(&value, content.data, content.len);
	err = value.failed ? ERR_NOMEM
			   : table_put(&m->t, INBOX, NUMBER(mine), buffer_bytes(&value));
	buffer_free(&value);
	put_u64(number, mine);
	if (err == OK)
		err = table_put(&m->t, INBOX_ID, ID(id), bytes_of(number, sizeof(number)));
	put_u64(number, mine + 1);
	if (err == OK)
		err = table_put(&m->t, NEXT_INBOX, NOTHING, bytes_of(number, sizeof(number)));
	if (err == OK)
		*no = mine;
	return memory_finish(m, mark, err);
}

static void inbox_row(const struct row *row, struct store_inbox *out)
{
	enum { HEAD = ID_LEN + SALT_LEN + 4 };
	struct bytes value = row_value(row);
	uint32_t len = get_u32(value.data + HEAD - 4);

	out->no = index_of(row);
	memcpy(out->id, value.data, ID_LEN);
	memcpy(out->salt, value.data + ID_LEN, SALT_LEN);
	out->message = bytes_of(value.data + HEAD, len);
	out->content = bytes_of(value.data + HEAD + len, value.len - HEAD - len);
}

int memory_inbox_each(struct store *base, uint64_t after, size_t limit,
    int (*fn)(void *ctx, const struct store_inbox *row), void *ctx)
{
	struct tables *t = &inside(base)->t;
	const struct row *row;
	struct store_inbox out;
	int err = OK;

	while (err == OK && limit-- > 0 && after < UINT64_MAX &&
	       (row = table_seek(t, INBOX, NUMBER(after + 1))) != NULL) {
		inbox_row(row, &out);
		after = out.no;
		err = fn(ctx, &out);
	}
	return err;
}

/* Numbers go on where they were: NEXT_INBOX stays. */
int memory_inbox_drop(struct store *base)
{
	struct memory_store *m = inside(base);
	size_t mark = tables_mark(&m->t);
	const struct row *row;
	int err = writing(m);

	while (err == OK && (row = table_seek(&m->t, INBOX_ID, NOTHING)) != NULL)
		err = table_drop(&m->t, INBOX_ID, row_key(row));
	while (err == OK && (row = table_seek(&m->t, INBOX, NOTHING)) != NULL)
		err = table_drop(&m->t, INBOX, row_key(row));
	return memory_finish(m, mark, err);
}

int memory_inbox_count(struct store *base, uint64_t *out)
{
	*out = table_count(&inside(base)->t, INBOX);
	return OK;
}

int memory_inbox_remove(struct store *base, uint64_t no)
{
	struct memory_store *m = inside(base);
	size_t mark = tables_mark(&m->t);
	const struct row *row;
	struct store_inbox in;
	int err = writing(m);

	if (err != OK)
		return err;
	row = table_get(&m->t, INBOX, NUMBER(no));
	if (row == NULL)
		return ERR_NOTFOUND;
	inbox_row(row, &in);
	err = table_drop(&m->t, INBOX_ID, ID(in.id));
	if (err == OK)
		err = table_drop(&m->t, INBOX, row_key(row));
	return memory_finish(m, mark, err);
}

/* Move the oldest row to entry (log, index); its message must be `leaf`. */
static int inbox_take(struct memory_store *m, uint32_t log, uint64_t index, struct bytes leaf)
{
	const struct row *row = table_seek(&m->t, INBOX, NOTHING);
	struct store_inbox in;
	int err = OK;

	if (row == NULL)
		return ERR_INVALID;
	inbox_row(row, &in);
	if (!bytes_equal(in.message, leaf))
		return ERR_INVALID;
	if (in.content.len > 0 && !erased(m, in.id))
		err = content_add(m, log, index, in.id, in.salt, in.content);
	if (err == OK)
		err = table_drop(&m->t, INBOX_ID, ID(in.id));
	return err != OK ? err : table_drop(&m->t, INBOX, row_key(row));
}

/* ---- entries ---- */

static int append_entries(struct memory_store *m, const struct store_append *a)
{
	struct bytes rest = a->leaves, leaf;
	int err = OK;

	for (uint64_t index = a->expected; err == OK && leaves_next(&rest, &leaf); index++) {
		err = table_put(&m->t, LEAF, AT(a->log, index), leaf);
		if (err == OK && a->from_inbox)
			err = inbox_take(m, a->log, index, leaf);
	}
	for (size_t i = 0; err == OK && i < a->block_count; i++)
		err = table_put(&m->t, BLOCK, AT(a->log, a->expected / TREE_BLOCK + i),
		    bytes_of(a->blocks[i].bytes, HASH_LEN));
	for (size_t i = 0; err == OK && i < a->wanted_count; i++)
		err = table_put(&m->t, GAP, AT(a->log, a->wanted[i]), NOTHING);
	return err;
}

int memory_append(struct store *base, const struct store_append *a)
{
	struct memory_store *m = inside(base);
	size_t mark = tables_mark(&m->t);
	struct log log;
	int err;

	if ((err = writing(m)) != OK || (err = append_check(a)) != OK)
		return err;
	if (!memory_log(m, a->log, &log))
		return ERR_NOTFOUND;
	if (log.size != a->expected)
		return ERR_STALE;
	log.size = a->size;
	memcpy(log.root, a->root, HASH_LEN);
	if ((err = append_entries(m, a)) == OK &&
	    (err = memory_notes_put(m, a->log, a->checkpoint, a->right)) == OK)
		err = memory_log_put(m, &log);
	return memory_finish(m, mark, err);
}

int memory_read(struct store *base, uint32_t no, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got)
{
	struct memory_store *m = inside(base);
	size_t start = out->len;
	struct table_walk walk;
	const struct row *row;
	struct log log;

	*got = 0;
	if (!memory_log(m, no, &log))
		return ERR_NOTFOUND;
	if (first >= log.size)
		return ERR_RANGE;
	row = table_walk(&walk, &m->t, LEAF, AT(no, first));
	for (; *got < count && first + *got < log.size; row = table_next(&walk)) {
		struct bytes leaf = row_value(row);
		size_t used = out->len - start;
		if (*got > 0 && (used >= max_bytes || leaf.len + 2 > max_bytes - used))
			break;
		buffer_add_u16(out, (uint16_t)leaf.len);
		buffer_add(out, leaf.data, leaf.len);
		++*got;
	}
	if (out->failed) {
		out->len = start;
		*got = 0;
		return ERR_NOMEM;
	}
	return OK;
}

int memory_blocks(
    struct store *base, uint32_t no, uint64_t first, size_t count, struct tree_hash *out)
{
	struct memory_store *m = inside(base);
	struct log log;

	if (!memory_log(m, no, &log))
		return ERR_NOTFOUND;
	if (first > log.size / TREE_BLOCK || count > log.size / TREE_BLOCK - first)
		return ERR_RANGE;
	for (size_t i = 0; i < count; i++)
		memcpy(out[i].bytes, row_value(table_get(&m->t, BLOCK, AT(no, first + i))).data,
		    HASH_LEN);
	return OK;
}

int memory_truncate(struct store *base, uint32_t no, uint64_t size,
    const uint8_t root[static HASH_LEN], struct bytes checkpoint)
{
	static const unsigned cut[] = {LEAF, GAP, CONTENT};
	struct memory_store *m = inside(base);
	size_t mark = tables_mark(&m->t);
	int err = writing(m);
	struct log log;

	if (err != OK || !memory_log(m, no, &log))
		return err != OK ? err : ERR_NOTFOUND;
	if (size > log.size)
		return ERR_RANGE;
	log.size = size;
	memcpy(log.root, root, HASH_LEN);
	for (size_t i = 0; err == OK && i < sizeof(cut) / sizeof(cut[0]); i++)
		err = table_drop_range(&m->t, cut[i], AT(no, size), AT(no + 1, 0));
	if (err == OK)
		err = table_drop_range(&m->t, BLOCK, AT(no, size / TREE_BLOCK), AT(no + 1, 0));
	if (err == OK)
		err = memory_cosignature_cut(m, no, size);
	if (err == OK && (err = memory_notes_put(m, no, checkpoint, NOTHING)) == OK)
		err = memory_log_put(m, &log);
	return memory_finish(m, mark, err);
}

/* Nothing is ever in small pieces here. */
int memory_merge(struct store *base, uint32_t no)
{
	int err = writing(inside(base));
	struct log log;
	return err != OK ? err : memory_log(inside(base), no, &log) ? OK : ERR_NOTFOUND;
}
