/* SPDX-License-Identifier: BSD-2-Clause */
/* What our log inherits when it follows another: the roster at the size that stands, and an inbox
 * in which messages for the old log may wait. Those are signed for that log, and nobody but their
 * authors can sign them again: so they go into a file that people and programs can read.
 *
 * Crash points: while the file is written, the inbox is as it was; when it is there and the inbox
 * not empty yet, it is written again, the same. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "daemon/relay/forks.h"
#include "msg/content.h"

#define ROSTER_CHUNK 256

/* ---- the roster ---- */

static int roster_read(
    struct relay *r, const struct relay_log *l, struct roster *roster, uint64_t size)
{
	struct buffer b = BUFFER_INIT;
	int err = OK;

	while (!err && roster_next(roster) < size) {
		uint64_t first = roster_next(roster), left = size - first;
		size_t got = 0, pos = 0;

		buffer_reset(&b);
		err = r->reader->ops->read(r->reader, l->no, first,
		    left < ROSTER_CHUNK ? (size_t)left : ROSTER_CHUNK, SIZE_MAX, &b, &got);
		for (size_t i = 0; i < got && !err && roster_next(roster) < size; i++) {
			struct roster_entry e = {.index = first + i};
			struct verdict v;
			struct header h;

			err = leaves_next(buffer_bytes(&b), &pos, &e.message);
			if (err)
				break;
			e.parsed = message_parse(e.message, &h);
			e.header = &h;
			e.signature = e.parsed == OK ? message_verify(e.message,
							   &l->credential.binding, h.signer)
						     : ERR_SIGNATURE;
			message_id(e.id, e.message, &l->credential.binding);
			err = roster_judge(roster, &e, &v);
		}
	}
	buffer_free(&b);
	return err;
}

struct roster *roster_at(struct relay *r, const struct relay_log *l, uint64_t size)
{
	const struct roster *folded = forum_roster(r->writer.forum, l->no);
	struct roster *previous = NULL, *roster;

	if (folded && roster_next(folded) <= size) {
		roster = roster_copy(folded);
	} else {
		if (l->credential.number > 1) {
			if (!l->previous)
				return NULL;
			previous = roster_at(r, l->previous, l->credential.node.previous_size);
			if (!previous)
				return NULL;
		}
		roster = roster_new(&l->credential, r->charter, previous);
		roster_free(previous);
	}
	if (roster && roster_read(r, l, roster, size) != OK) {
		roster_free(roster);
		roster = NULL;
	}
	return roster;
}

/* ---- the inbox ---- */

static void put_base64(json_t *o, const char *name, struct bytes b)
{
	char *text = malloc(BASE64_LEN(b.len) + 1);

	if (text) {
		base64_encode(text, b.data, b.len);
		json_object_set_new(o, name, json_string(text));
	}
	free(text);
}

static void put_text(json_t *o, const char *name, struct bytes b)
{
	if (b.len > 0)
		json_object_set_new(o, name, json_stringn((const char *)b.data, b.len));
}

/* A line: for people what was written, for programs the exact bytes. */
static int row_write(void *ctx, const struct store_inbox *row)
{
	json_t *o = json_object();
	char hex[2 * ID_LEN + 1];
	struct content content;
	struct header h;
	FILE *f = ctx;
	char *line;
	int err;

	hex_encode(hex, row->id, ID_LEN);
	json_object_set_new(o, "id", json_string(hex));
	if (message_parse(row->message, &h) == OK) {
		hex_encode(hex, h.signer, KEY_LEN);
		json_object_set_new(o, "signer", json_string(hex));
		json_object_set_new(o, "kind", json_integer((json_int_t)h.kind));
		json_object_set_new(o, "time_ms", json_integer((json_int_t)h.time));
	}
	if (row->content.len > 0 && content_parse(row->content, &content) == OK) {
		put_text(o, "subject", content.subject);
		put_text(o, "text", content.text);
		content_clear(&content);
	}
	put_base64(o, "message", row->message);
	if (row->content.len > 0) {
		put_base64(o, "salt", bytes_of(row->salt, SALT_LEN));
		put_base64(o, "content", row->content);
	}
	line = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	err = !line ? ERR_NOMEM : fprintf(f, "%s\n", line) < 0 ? ERR_IO : OK;
	free(line);
	return err;
}

static int file_write(struct relay *r, const char *path)
{
	char part[4096];
	FILE *f;
	int fd, err;

	snprintf(part, sizeof part, "%.4000s.part", path);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	err = r->reader->ops->inbox_each(r->reader, 0, SIZE_MAX, row_write, f);
	if (!err && (fflush(f) != 0 || fsync(fd) != 0))
		err = ERR_IO;
	if (fclose(f) != 0 && !err)
		err = ERR_IO;
	if (!err && rename(part, path) != 0)
		err = ERR_IO;
	return err ? err : folder_sync(r->conf->node.data);
}

static int intake_into_table(struct store *w)
{
	int err = w->ops->begin(w);

	if (err)
		return err;
	err = store_intake_move(w);
	if (err)
		w->ops->rollback(w);
	return err ? err : w->ops->commit(w);
}

int inbox_inherit(struct relay *r)
{
	const struct credential *c = &r->own->credential;
	struct bytes name = bytes_str(c->binding.log_name);
	struct store *w = r->writer.store;
	struct buffer last = BUFFER_INIT;
	char path[4096], hex[2 * DIGEST_LEN + 1];
	uint64_t waiting = 0;
	bool same;
	int err;

	if (c->number == 1)
		return OK;
	err = w->ops->meta_get(w, "inbox", &last);
	same = err == OK && bytes_equal(buffer_bytes(&last), name);
	buffer_free(&last);
	if (same || (err && err != ERR_NOTFOUND))
		return same ? OK : err;
	err = intake_into_table(w);
	if (!err)
		err = r->reader->ops->inbox_count(r->reader, &waiting);
	if (!err && waiting > 0) {
		hex_encode(hex, r->own->previous->credential.binding.digest, DIGEST_LEN);
		snprintf(path, sizeof path, "%.3900s/inbox-%s.json", r->conf->node.data, hex);
		err = file_write(r, path);
		if (err)
			log_error(
			    "%s: what waits in the inbox can't be kept: %s", path, strerror(errno));
		else
			log_warning("%llu accepted message%s were signed for the log before this "
				    "one and can't be sealed; they are kept in %s, and their "
				    "authors have them still",
			    (unsigned long long)waiting, waiting == 1 ? "" : "s", path);
	}
	if (!err)
		err = w->ops->begin(w);
	if (err)
		return err;
	err = w->ops->inbox_drop(w);
	if (!err)
		err = w->ops->meta_put(w, "inbox", name);
	if (err)
		w->ops->rollback(w);
	return err ? err : w->ops->commit(w);
}
