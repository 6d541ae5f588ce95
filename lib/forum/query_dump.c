/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything shown, as text: for comparing nodes, and for tests. Names and ids instead of this
 * store's numbers, and every list in an order that all nodes share. */
#include "forum/query_private.h"

#include <inttypes.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"

struct dump {
	struct store *s;
	struct buffer *out;
};

static void add_hex(struct buffer *out, const uint8_t *data, size_t len)
{
	char text[2 * 64 + 1];

	for (size_t i = 0; i < len; i += 64) {
		hex_encode(text, data + i, len - i < 64 ? len - i : 64);
		buffer_add_str(out, text);
	}
}

/* " label=" and the bytes, with all but plain ASCII as %xx. */
static void add_text(struct buffer *out, const char *label, struct bytes text)
{
	buffer_printf(out, " %s=", label);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] > ' ' && text.data[i] < 0x7f && text.data[i] != '%')
			buffer_add_u8(out, text.data[i]);
		else
			buffer_printf(out, "%%%02x", text.data[i]);
	}
}

static void add_fixed(struct buffer *out, const char *label, const uint8_t *data, size_t len)
{
	buffer_printf(out, " %s=", label);
	add_hex(out, data, len);
}

static void add_author(struct buffer *out, const struct author *a)
{
	add_text(out, "by", bytes_str(a->organisation));
	add_fixed(out, "log", a->log, DIGEST_LEN);
	if (a->device)
		add_fixed(out, "identity", a->identity, IDENTITY_LEN);
	add_text(out, "handle", bytes_str(a->handle));
	add_text(out, "name", bytes_str(a->name));
	add_text(out, "group", bytes_str(a->group));
	if (a->recovery)
		buffer_add_str(out, " recovery");
}

/* ---- logs ---- */

static int dump_signers(struct dump *d, int64_t log)
{
	struct view v;
	struct signer s;
	int err = view_start(&v, d->s, VIEW_DUMP_SIGNERS, "i", log);

	while (err == OK && (err = view_next(&v)) == 1) {
		signer_read(&v, 0, &s);
		buffer_printf(d->out, "signer class=%d", (int)s.class);
		add_fixed(d->out, "key", s.key, KEY_LEN);
		if (s.class == SIGNER_DEVICE)
			add_fixed(d->out, "identity", s.identity, IDENTITY_LEN);
		buffer_printf(d->out,
		    " custody=%u recovery=%d enrolled=%" PRIu64 " revoked=%" PRIu64
		    " sequence=%" PRIu64,
		    s.custody, s.recovery, s.enrolled, s.revoked, s.sequence);
		add_fixed(d->out, "enrol", s.enrol_id, ID_LEN);
		add_fixed(d->out, "last", s.last_id, ID_LEN);
		buffer_add_str(d->out, "\n");
		err = OK;
	}
	return err;
}

static int dump_people(struct dump *d, int64_t log)
{
	static const char *const labels[] = {"handle", "name", "group", "region", "languages"};
	struct view v;
	int err = view_start(&v, d->s, VIEW_DUMP_PEOPLE, "i", log);

	while (err == OK && (err = view_next(&v)) == 1) {
		buffer_add_str(d->out, "person ");
		add_hex(d->out, view_bytes(&v, 0).data, view_bytes(&v, 0).len);
		for (int i = 0; i < 5; i++)
			add_text(d->out, labels[i], view_bytes(&v, i + 1));
		buffer_add_str(d->out, "\n");
		err = OK;
	}
	return err;
}

static int dump_admissions(struct dump *d, int64_t log)
{
	struct view v;
	int err = view_start(&v, d->s, VIEW_DUMP_ADMISSIONS, "i", log);

	while (err == OK && (err = view_next(&v)) == 1) {
		buffer_add_str(d->out, "admits");
		add_text(d->out, "name", view_bytes(&v, 0));
		add_fixed(d->out, "key", view_bytes(&v, 1).data, view_bytes(&v, 1).len);
		buffer_add_str(d->out, "\n");
		err = OK;
	}
	return err;
}

static int dump_logs(struct dump *d)
{
	struct view v;
	int err = view_start(&v, d->s, VIEW_DUMP_LOGS, "");

	while (err == OK && (err = view_next(&v)) == 1) {
		int64_t log = view_int(&v, 0);
		buffer_add_str(d->out, "log");
		add_text(d->out, "name", view_bytes(&v, 1));
		buffer_printf(d->out, " folded=%" PRId64, view_int(&v, 2));
		add_text(d->out, "organisation", view_bytes(&v, 3));
		buffer_add_str(d->out, "\n");
		if ((err = dump_admissions(d, log)) != OK || (err = dump_people(d, log)) != OK ||
		    (err = dump_signers(d, log)) != OK)
			view_end(&v);
	}
	return err;
}

/* ---- messages ---- */

static int dump_messages(struct dump *d)
{
	struct view v;
	int err = view_start(&v, d->s, VIEW_DUMP_MESSAGES, "");

	while (err == OK && (err = view_next(&v)) == 1) {
		buffer_printf(d->out, "message kind=%" PRId64, view_int(&v, 2));
		add_fixed(d->out, "id", view_bytes(&v, 0).data, view_bytes(&v, 0).len);
		add_text(d->out, "log", view_bytes(&v, 3));
		buffer_printf(d->out, " index=%" PRIu64 "\n", view_at_index(view_int(&v, 1)));
		err = OK;
	}
	return err;
}

static int dump_topic(void *ctx, const struct topic_row *row)
{
	struct dump *d = ctx;

	buffer_add_str(d->out, "topic");
	add_fixed(d->out, "id", row->id, ID_LEN);
	buffer_printf(d->out, " index=%" PRIu64, row->index);
	add_text(d->out, "title", row->title);
	add_text(d->out, "description", row->description);
	buffer_printf(d->out, " threads=%" PRIu64 " posts=%" PRIu64 " latest=%" PRIu64,
	    row->threads, row->posts, row->latest);
	add_author(d->out, &row->author);
	buffer_add_str(d->out, "\n");
	return OK;
}

static int dump_thread(void *ctx, const struct thread_row *row)
{
	struct dump *d = ctx;

	buffer_add_str(d->out, "thread");
	add_fixed(d->out, "id", row->id, ID_LEN);
	buffer_printf(d->out, " posts=%" PRIu64 " latest=%" PRIu64, row->posts, row->latest);
	if (row->root_missing) {
		buffer_add_str(d->out, " missing\n");
		return OK;
	}
	buffer_printf(d->out, " time=%" PRIu64, row->time);
	add_text(d->out, "lang", row->lang);
	add_text(d->out, "subject", row->subject);
	add_author(d->out, &row->author);
	buffer_add_str(d->out, "\n");
	return OK;
}

/* What items hold beyond struct item_row. */
static int dump_item_more(struct dump *d, const uint8_t id[static ID_LEN])
{
	struct view v;
	int err = view_start(&v, d->s, VIEW_DUMP_ITEM, "k", id);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err;
	add_text(d->out, "lang", view_bytes(&v, 0));
	add_text(d->out, "subject", view_bytes(&v, 1));
	add_text(d->out, "text", view_bytes(&v, 2));
	if (!view_null(&v, 3))
		add_fixed(d->out, "parent", view_bytes(&v, 3).data, view_bytes(&v, 3).len);
	view_end(&v);
	return OK;
}

static int dump_item(void *ctx, const struct item_row *row)
{
	struct dump *d = ctx;

	buffer_printf(d->out, "item kind=%" PRIu32 " depth=%u", row->kind, row->depth);
	add_fixed(d->out, "id", row->id, ID_LEN);
	buffer_printf(d->out, " index=%" PRIu64 " time=%" PRIu64, row->index, row->time);
	add_fixed(d->out, "topic", row->topic, ID_LEN);
	add_fixed(d->out, "thread", row->thread, ID_LEN);
	if (row->parent_missing)
		buffer_add_str(d->out, " orphan");
	if (row->amendment.present)
		add_fixed(d->out, "amended", row->amendment.id, ID_LEN);
	if (row->erasure.present)
		add_fixed(d->out, "erased", row->erasure.id, ID_LEN);
	add_author(d->out, &row->author);
	int err = dump_item_more(d, row->id);
	buffer_add_str(d->out, "\n");
	return err;
}

/* ---- amendments and erasures ---- */

static void add_id(struct dump *d, const char *label, const struct view *v, int column)
{
	if (!view_null(v, column))
		add_fixed(d->out, label, view_bytes(v, column).data, view_bytes(v, column).len);
}

static int dump_changes(struct dump *d)
{
	struct view v;
	int err = view_start(&v, d->s, VIEW_DUMP_CHANGES, "");

	while (err == OK && (err = view_next(&v)) == 1) {
		buffer_add_str(d->out, "change");
		add_id(d, "id", &v, 0);
		add_id(d, "of", &v, 1);
		add_id(d, "topic", &v, 2);
		buffer_add_str(d->out, view_int(&v, 3) != 0 ? " arrived\n" : "\n");
		err = OK;
	}
	if (err == OK)
		err = view_start(&v, d->s, VIEW_DUMP_AMENDMENTS, "");
	while (err == OK && (err = view_next(&v)) == 1) {
		buffer_add_str(d->out, "amendment");
		add_id(d, "of", &v, 0);
		buffer_printf(d->out, " rank=%" PRId64, view_int(&v, 1));
		add_id(d, "id", &v, 2);
		buffer_add_str(d->out, "\n");
		err = OK;
	}
	if (err == OK)
		err = view_start(&v, d->s, VIEW_DUMP_ERASURES, "");
	while (err == OK && (err = view_next(&v)) == 1) {
		buffer_add_str(d->out, "erased");
		add_id(d, "id", &v, 0);
		add_id(d, "by", &v, 1);
		buffer_add_str(d->out, "\n");
		err = OK;
	}
	return err;
}

/* The ids that a statement gives, each handed to `fn`. */
static int dump_each(
    struct dump *d, enum view_id which, int (*fn)(struct dump *d, const uint8_t id[static ID_LEN]))
{
	struct view v;
	uint8_t id[ID_LEN];
	int err = view_start(&v, d->s, which, "");

	while (err == OK && (err = view_next(&v)) == 1) {
		view_fixed(&v, 0, id, ID_LEN);
		if ((err = fn(d, id)) != OK)
			view_end(&v);
	}
	return err;
}

static int dump_topic_threads(struct dump *d, const uint8_t id[static ID_LEN])
{
	buffer_add_str(d->out, "threads of");
	add_fixed(d->out, "topic", id, ID_LEN);
	buffer_add_str(d->out, "\n");
	return query_threads(d->s, id, SIZE_MAX, 0, dump_thread, d);
}

static int dump_thread_items(struct dump *d, const uint8_t id[static ID_LEN])
{
	uint64_t missing;

	buffer_add_str(d->out, "items of");
	add_fixed(d->out, "thread", id, ID_LEN);
	buffer_add_str(d->out, "\n");
	int err = query_thread(d->s, id, dump_item, d, &missing);
	if (err == OK)
		buffer_printf(d->out, "missing %" PRIu64 "\n", missing);
	return err;
}

int query_dump(struct store *s, struct buffer *out)
{
	struct dump d = {s, out};
	bool began;
	int err = views_snapshot(s, &began);

	if (err == OK)
		err = dump_logs(&d);
	if (err == OK)
		err = dump_messages(&d);
	if (err == OK)
		err = dump_changes(&d);
	if (err == OK)
		err = query_topics(s, dump_topic, &d);
	if (err == OK)
		err = dump_each(&d, VIEW_DUMP_TOPICS, dump_topic_threads);
	if (err == OK)
		err = dump_each(&d, VIEW_DUMP_THREADS, dump_thread_items);
	views_unsnapshot(s, began);
	return err == OK && out->failed ? ERR_NOMEM : err;
}
