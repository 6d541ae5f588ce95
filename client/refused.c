/* SPDX-License-Identifier: BSD-2-Clause */
/* The outbox's refused messages: why they were, and what they became when signed anew. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/outbox.h"
#include "client/output.h"

#define AGAIN "again"
#define DROPPED "dropped" /* a number on each line */
#define DROPPED_MAX (1 << 20)
#define AGAIN_LINE (2 * 2 * ID_LEN + 2)   /* "OLD NEW\n" */
#define AGAIN_MAX (AGAIN_LINE * 100000UL) /* bytes */
#define AGAIN_ROUNDS 1000
#define REASON_MAX 1024
#define NAME_LEN 40

static void reason_name(char out[static NAME_LEN], uint64_t sequence)
{
	snprintf(out, NAME_LEN, "%016llu.reason", (unsigned long long)sequence);
}

int outbox_refuse(
    struct outbox *o, uint64_t sequence, uint32_t code, const char *text, struct trouble *t)
{
	struct buffer reason = BUFFER_INIT;
	char name[NAME_LEN];
	int err;

	reason_name(name, sequence);
	buffer_printf(&reason, "%lu ", (unsigned long)code);
	text_line(&reason, bytes_str(text));
	buffer_add_u8(&reason, '\n');
	err = file_write(o->folder[BOX_REFUSED], name, buffer_bytes(&reason), t);
	buffer_free(&reason);
	return err ? err : outbox_move(o, sequence, BOX_WAITING, BOX_REFUSED, t);
}

bool outbox_reason(const struct outbox *o, uint64_t sequence, uint32_t *code, char text[static 200])
{
	struct buffer reason = BUFFER_INIT;
	char name[NAME_LEN], path[PATH_LEN];
	const uint8_t *space = NULL;
	uint64_t value = 0;
	struct trouble t;

	reason_name(name, sequence);
	if (path_join(path, o->folder[BOX_REFUSED], name, &t) == OK &&
	    file_read(path, REASON_MAX, &reason, &t) == OK && reason.len > 0 &&
	    reason.data[reason.len - 1] == '\n')
		space = memchr(reason.data, ' ', reason.len);
	if (space && decimal_parse(&value, (const char *)reason.data, (size_t)(space - reason.data),
			 UINT32_MAX) != OK)
		space = NULL;
	if (space) {
		*code = (uint32_t)value;
		snprintf(text, 200, "%.*s", (int)(reason.len - (size_t)(space - reason.data) - 2),
		    (const char *)space + 1);
	}
	buffer_free(&reason);
	return space != NULL;
}

int outbox_drop(struct outbox *o, uint64_t sequence, struct trouble *t)
{
	char name[NAME_LEN], path[PATH_LEN];
	struct buffer text = BUFFER_INIT;
	struct trouble none;
	int err = path_join(path, o->folder[BOX_WAITING], DROPPED, t);

	/* First: its number is missing in the log, and nothing else tells why. */
	if (!err)
		err = file_read(path, DROPPED_MAX, &text, t);
	if (err == ERR_NOTFOUND || err == ERR_TOO_LARGE) {
		buffer_reset(&text);
		err = OK;
	}
	buffer_printf(&text, "%llu\n", (unsigned long long)sequence);
	if (!err)
		err = text.failed
			  ? no_memory(t)
			  : file_write(o->folder[BOX_WAITING], DROPPED, buffer_bytes(&text), t);
	buffer_free(&text);
	if (!err)
		err = outbox_move(o, sequence, BOX_REFUSED, BOX_NONE, t);
	reason_name(name, sequence);
	if (!err && path_join(path, o->folder[BOX_REFUSED], name, &none) == OK)
		unlink(path);
	return err;
}

bool outbox_dropped(const struct outbox *o, uint64_t sequence)
{
	struct buffer text = BUFFER_INIT;
	char path[PATH_LEN], line[24];
	struct trouble t;
	const char *at = NULL;

	snprintf(line, sizeof line, "\n%llu\n", (unsigned long long)sequence);
	buffer_add_str(&text, "\n");
	if (path_join(path, o->folder[BOX_WAITING], DROPPED, &t) == OK &&
	    file_read(path, DROPPED_MAX, &text, &t) == OK)
		at = strstr(buffer_str(&text), line);
	buffer_free(&text);
	return at != NULL;
}

/* ---- signed anew ---- */

static int again_read(const struct outbox *o, struct buffer *out, struct trouble *t)
{
	char path[PATH_LEN];
	int err = path_join(path, o->folder[BOX_WAITING], AGAIN, t);

	if (!err)
		err = file_read(path, AGAIN_MAX, out, t);
	if (err == ERR_NOTFOUND)
		return OK;
	if (!err && out->len % AGAIN_LINE != 0)
		err = trouble_set(t, ERR_IO, "%.300s is damaged", path);
	return err;
}

int outbox_again_note(struct outbox *o, const uint8_t old[static ID_LEN],
    const uint8_t now[static ID_LEN], struct trouble *t)
{
	char hex[2 * ID_LEN + 1];
	struct buffer text = BUFFER_INIT;
	int err = again_read(o, &text, t);

	if (!err) {
		hex_encode(hex, old, ID_LEN);
		buffer_printf(&text, "%s ", hex);
		hex_encode(hex, now, ID_LEN);
		buffer_printf(&text, "%s\n", hex);
		err = text.failed
			  ? no_memory(t)
			  : file_write(o->folder[BOX_WAITING], AGAIN, buffer_bytes(&text), t);
	}
	buffer_free(&text);
	return err;
}

/* The last line counts: the ones before it may be of attempts that were interrupted. */
static const char *again_line(const struct buffer *text, const uint8_t id[static ID_LEN])
{
	char hex[2 * ID_LEN + 1];

	hex_encode(hex, id, ID_LEN);
	for (size_t at = text->len; at > 0; at -= AGAIN_LINE) {
		const char *line = (const char *)text->data + at - AGAIN_LINE;

		if (memcmp(line, hex, 2 * ID_LEN) == 0)
			return line;
	}
	return NULL;
}

static int id_add(void *ctx, const struct kept *k)
{
	buffer_add(ctx, k->id, ID_LEN);
	return OK;
}

int outbox_gone(const struct outbox *o, const uint8_t forum[static HASH_LEN], struct buffer *ids,
    struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	uint8_t id[ID_LEN];
	int err = outbox_each(o, BOX_REFUSED, forum, id_add, ids, t);

	if (!err)
		err = again_read(o, &text, t);
	for (size_t at = 0; !err && at < text.len; at += AGAIN_LINE)
		if (hex_decode(id, ID_LEN, (const char *)text.data + at, 2 * ID_LEN) == OK)
			buffer_add(ids, id, ID_LEN);
	if (!err && ids->failed)
		err = no_memory(t);
	buffer_free(&text);
	return err;
}

int outbox_again_find(const struct outbox *o, uint8_t id[static ID_LEN], struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	const char *line;
	int err = again_read(o, &text, t);

	for (int round = 0; !err && round < AGAIN_ROUNDS && (line = again_line(&text, id)); round++)
		if (hex_decode(id, ID_LEN, line + 2 * ID_LEN + 1, 2 * ID_LEN) != OK)
			err = trouble_set(t, ERR_IO, "outbox/" AGAIN " is damaged");
	buffer_free(&text);
	return err;
}
