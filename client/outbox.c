/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/outbox.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/output.h"
#include "msg/body.h"

#define STATE "state"
#define STATE_MAX 1024
#define SUFFIX ".message"
#define NAME_DIGITS 16 /* of 2^53 - 1 */
#define NAME_LEN (NAME_DIGITS + sizeof SUFFIX)

static void name_of(char out[static NAME_LEN], uint64_t sequence)
{
	snprintf(out, NAME_LEN, "%016llu" SUFFIX, (unsigned long long)(sequence & SEQUENCE_MAX));
}

/* 0: not one of ours. */
static uint64_t sequence_of(const char *name)
{
	uint64_t n = 0;

	if (strlen(name) != NAME_LEN - 1 || strcmp(name + NAME_DIGITS, SUFFIX) != 0)
		return 0;
	for (size_t i = 0; i < NAME_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(name[i] - '0');
	}
	return n <= SEQUENCE_MAX ? n : 0;
}

void outbox_state_format(struct buffer *out, const struct outbox *o)
{
	char id[2 * ID_LEN + 1];

	buffer_printf(out, "convene outbox v1\nsequence: %llu\n", (unsigned long long)o->sequence);
	if (o->sealed) {
		hex_encode(id, o->sealed_id, ID_LEN);
		buffer_printf(out, "sealed: %llu %llu %s", (unsigned long long)o->sealed,
		    (unsigned long long)o->sealed_index, id);
		if (o->sealed_log)
			buffer_printf(out, " %llu", (unsigned long long)o->sealed_log);
		buffer_add_u8(out, '\n');
	}
}

static int sealed_parse(struct outbox *o, const char *text, size_t len)
{
	const char *a = memchr(text, ' ', len),
		   *b = a ? memchr(a + 1, ' ', len - (size_t)(a + 1 - text)) : NULL, *c;

	if (!b || decimal_parse(&o->sealed, text, (size_t)(a - text), SEQUENCE_MAX) != OK ||
	    decimal_parse(&o->sealed_index, a + 1, (size_t)(b - a - 1), UINT64_MAX) != OK)
		return ERR_MALFORMED;
	len -= (size_t)(b + 1 - text);
	/* The log came later. */
	c = memchr(b + 1, ' ', len);
	if (c && (decimal_parse(&o->sealed_log, c + 1, len - (size_t)(c - b), UINT64_MAX) != OK ||
		     o->sealed_log == 0))
		return ERR_MALFORMED;
	return hex_decode(o->sealed_id, ID_LEN, b + 1, c ? (size_t)(c - b - 1) : len);
}

int outbox_state_parse(struct outbox *o, struct bytes text)
{
	static const char head[] = "convene outbox v1\nsequence: ", sealed[] = "sealed: ";
	const char *p = (const char *)text.data, *end = p + text.len, *nl;

	if (text.len < sizeof head || memcmp(p, head, sizeof head - 1) != 0)
		return ERR_MALFORMED;
	p += sizeof head - 1;
	nl = memchr(p, '\n', (size_t)(end - p));
	if (!nl || decimal_parse(&o->sequence, p, (size_t)(nl - p), SEQUENCE_MAX) != OK)
		return ERR_MALFORMED;
	p = nl + 1;
	if (p == end)
		return OK;
	nl = memchr(p, '\n', (size_t)(end - p));
	if (!nl || nl + 1 != end || (size_t)(nl - p) < sizeof sealed ||
	    memcmp(p, sealed, sizeof sealed - 1) != 0)
		return ERR_MALFORMED;
	p += sizeof sealed - 1;
	return sealed_parse(o, p, (size_t)(nl - p));
}

int outbox_state_save(struct outbox *o, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	int err;

	outbox_state_format(&text, o);
	err = text.failed ? no_memory(t)
			  : file_write(o->folder[BOX_WAITING], STATE, buffer_bytes(&text), t);
	buffer_free(&text);
	if (!err)
		o->lost = false;
	return err;
}

static int state_read(struct outbox *o, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	char path[PATH_LEN];
	int err = path_join(path, o->folder[BOX_WAITING], STATE, t);

	if (!err)
		err = file_read(path, STATE_MAX, &text, t);
	if (err == ERR_NOTFOUND) {
		o->lost = true;
		err = OK;
	} else if (!err && outbox_state_parse(o, buffer_bytes(&text)) != OK) {
		err = trouble_set(t, ERR_IO, "%.300s can't be read", path);
		trouble_hint(t, "Remove it: the node will be asked where your messages stand.");
	}
	buffer_free(&text);
	return err;
}

int outbox_open(struct outbox *o, const char *home, struct trouble *t)
{
	static const char *const names[BOX_COUNT] = {
	    "outbox", "outbox/sent", "outbox/refused", "outbox/anchored"};
	int err = OK;

	memset(o, 0, sizeof *o);
	for (int box = 0; box < BOX_COUNT && !err; box++) {
		err = path_join(o->folder[box], home, names[box], t);
		if (!err)
			err = folder_make(o->folder[box], t);
	}
	if (!err)
		err = state_read(o, t);
	for (int box = 0; box < BOX_COUNT && !err; box++) {
		uint64_t *list;
		size_t count;

		err = outbox_list(o, (enum outbox_box)box, &list, &count, t);
		if (!err && count > 0 && list[count - 1] > o->sequence)
			o->sequence = list[count - 1];
		if (!err)
			free(list);
	}
	return err;
}

int outbox_put(
    struct outbox *o, uint64_t sequence, const Convene__Submit *submit, struct trouble *t)
{
	size_t len = protobuf_c_message_get_packed_size(&submit->base);
	struct buffer data = BUFFER_INIT;
	char name[NAME_LEN];
	char path[PATH_LEN];
	struct trouble second;
	uint8_t *room;
	int err;

	if (sequence <= o->sequence || sequence > SEQUENCE_MAX)
		return trouble_set(
		    t, ERR_INVALID, "the sequence %llu is used", (unsigned long long)sequence);
	room = buffer_reserve(&data, len);
	if (!room)
		return no_memory(t);
	data.len = protobuf_c_message_pack(&submit->base, room);
	name_of(name, sequence);
	err = file_write(o->folder[BOX_WAITING], name, buffer_bytes(&data), t);
	if (!err) {
		o->sequence = sequence;
	} else if (path_join(path, o->folder[BOX_WAITING], name, &second) == OK) {
		/* It may be there and not be durable. Who is told that it isn't kept will write it
		 * again: it must not be sent. */
		unlink(path);
	}
	buffer_free(&data);
	return err;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int outbox_list(
    const struct outbox *o, enum outbox_box box, uint64_t **list, size_t *count, struct trouble *t)
{
	DIR *dir = opendir(o->folder[box]);
	struct dirent *entry;
	size_t cap = 0;

	*list = NULL;
	*count = 0;
	if (!dir)
		return trouble_errno(t, "the folder %.300s can't be read", o->folder[box]);
	while ((errno = 0, entry = readdir(dir))) {
		uint64_t sequence = sequence_of(entry->d_name);

		if (sequence == 0)
			continue;
		if (*count == cap) {
			uint64_t *larger = realloc(
			    *list, (cap = cap ? 2 * cap : 32) * sizeof *larger);

			if (!larger)
				break;
			*list = larger;
		}
		(*list)[(*count)++] = sequence;
	}
	if (errno) {
		int err = trouble_errno(t, "the folder %.300s can't be read", o->folder[box]);

		closedir(dir);
		free(*list);
		*list = NULL;
		*count = 0;
		return err;
	}
	closedir(dir);
	if (*count > 1)
		qsort(*list, *count, sizeof **list, ascending);
	return OK;
}

int outbox_get(const struct outbox *o, enum outbox_box box, uint64_t sequence,
    Convene__Submit **out, struct trouble *t)
{
	struct buffer data = BUFFER_INIT;
	char name[NAME_LEN], path[PATH_LEN];
	ProtobufCMessage *m = NULL;
	struct header header;
	int err;

	*out = NULL;
	name_of(name, sequence);
	err = path_join(path, o->folder[box], name, t);
	if (!err)
		err = file_read(path, FRAME_MAX, &data, t);
	if (err)
		return err;
	err = message_unpack(&m, &convene__submit__descriptor, buffer_bytes(&data));
	buffer_free(&data);
	if (!err) {
		*out = (Convene__Submit *)m;
		if ((*out)->n_submissions == 1 &&
		    message_parse(bytes_of_pb((*out)->submissions[0]->message), &header) == OK &&
		    header.sequence == sequence)
			return OK;
		*out = NULL;
		message_free(m);
	}
	trouble_set(t, ERR_IO, "%.300s is damaged", path);
	trouble_hint(t, "Move it away; the others are sent without it.");
	return ERR_IO;
}

int outbox_move(struct outbox *o, uint64_t sequence, enum outbox_box from, enum outbox_box to,
    struct trouble *t)
{
	char name[NAME_LEN];
	int err = OK;

	/* Before the name goes, the state must know the number. */
	if (from == BOX_WAITING || to == BOX_NONE)
		err = outbox_state_save(o, t);
	name_of(name, sequence);
	return err ? err
		   : file_move(o->folder[from], name, to == BOX_NONE ? NULL : o->folder[to], t);
}

int outbox_each(const struct outbox *o, enum outbox_box box, const uint8_t forum[static HASH_LEN],
    int (*fn)(void *ctx, const struct kept *k), void *ctx, struct trouble *t)
{
	uint64_t *list;
	size_t count;
	int err = outbox_list(o, box, &list, &count, t);

	for (size_t i = 0; i < count && !err; i++) {
		struct kept k = {.sequence = list[i]};
		struct trouble damaged;
		Convene__Submit *m;

		if (outbox_get(o, box, list[i], &m, &damaged) != OK)
			continue;
		k.submit = m;
		k.message = bytes_of_pb(m->submissions[0]->message);
		k.content = bytes_of_pb(m->submissions[0]->content);
		if (message_parse(k.message, &k.header) == OK &&
		    binding_make(&k.binding, forum, bytes_of_pb(m->log)) == OK) {
			message_id(k.id, k.message, &k.binding);
			err = fn(ctx, &k);
		}
		message_free(&m->base);
	}
	free(list);
	return err;
}

struct forgetting {
	struct outbox *o;
	enum outbox_box box;
	const uint8_t *target;
	struct trouble *t;
};

static int forget_one(void *ctx, const struct kept *k)
{
	struct forgetting *f = ctx;
	struct target_body body;
	bool amends = k->header.kind == KIND_AMEND &&
		      amend_body_parse(k->header.body, &body) == OK &&
		      memcmp(body.target.id, f->target, ID_LEN) == 0;

	return amends || memcmp(k->id, f->target, ID_LEN) == 0
		   ? outbox_move(f->o, k->sequence, f->box, BOX_NONE, f->t)
		   : OK;
}

int outbox_forget(struct outbox *o, const uint8_t forum[static HASH_LEN],
    const uint8_t target[static ID_LEN], struct trouble *t)
{
	struct forgetting f = {o, BOX_SENT, target, t};
	int err = outbox_each(o, BOX_SENT, forum, forget_one, &f, t);

	f.box = BOX_ANCHORED;
	return err ? err : outbox_each(o, BOX_ANCHORED, forum, forget_one, &f, t);
}
