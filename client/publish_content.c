/* SPDX-License-Identifier: BSD-2-Clause */
/* Contents of a log's entries, and the list of those that are to come. */
#include "client/publish_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/output.h"
#include "log/checkpoint.h"

#define MISSING_MAX (64 << 20)

static int indices_add(struct job *j, struct indices *to, uint64_t index)
{
	if (to->count == to->room) {
		size_t room = to->room ? 2 * to->room : 64;
		uint64_t *more = realloc(to->list, room * sizeof *more);

		if (!more)
			return no_memory(j->t);
		to->list = more;
		to->room = room;
	}
	to->list[to->count++] = index;
	return OK;
}

/* Whether the store waits for an entry's content. Asked in ascending order. What comes in the
 * meantime is taken at the next pass. */
static int is_wanted(struct job *j, uint64_t index, bool *out)
{
	const size_t room = sizeof j->wanted.list / sizeof j->wanted.list[0];

	for (;;) {
		while (j->wanted.at < j->wanted.count && j->wanted.list[j->wanted.at] < index)
			j->wanted.at++;
		if (j->wanted.at < j->wanted.count || j->wanted.end)
			break;
		j->wanted.count = room;
		j->wanted.at = 0;
		if (j->wanted.next < index)
			j->wanted.next = index;
		int err = j->p->store->ops->wanted(
		    j->p->store, j->h->no, j->wanted.next, j->wanted.list, &j->wanted.count);
		if (err)
			return store_trouble(j->p, err, j->t);
		j->wanted.end = j->wanted.count < room;
		if (j->wanted.count > 0)
			j->wanted.next = j->wanted.list[j->wanted.count - 1] + 1;
	}
	*out = j->wanted.at < j->wanted.count && j->wanted.list[j->wanted.at] == index;
	return OK;
}

int job_content(struct job *j, uint64_t index, struct bytes leaf)
{
	const struct binding *b = &j->credential.binding;
	char name[sizeof "content/" + 2 * ID_LEN];
	uint8_t id[ID_LEN], salt[SALT_LEN];
	struct header header;
	bool wanted;
	int err;

	if (message_parse(leaf, &header) != OK || !header.has_commitment)
		return OK;
	err = is_wanted(j, index, &wanted);
	if (err)
		return err;
	/* An entry that nobody has judged yet may be invalid, and lose its content again. */
	if (wanted || index >= j->h->folded)
		return indices_add(j, &j->missing, index);
	message_id(id, leaf, b);
	buffer_reset(&j->content);
	if (!buffer_reserve(&j->content, SALT_LEN))
		return no_memory(j->t);
	j->content.len = SALT_LEN;
	err = j->p->store->ops->content_get(j->p->store, j->h->no, index, id, salt, &j->content);
	if (err == ERR_REFUSED || err == ERR_NOTFOUND)
		return OK; /* erased, or dropped since the entry is invalid */
	if (err)
		return store_trouble(j->p, err, j->t);
	memcpy(j->content.data, salt, SALT_LEN);
	err = content_check(
	    &header, b, salt, bytes_of(j->content.data + SALT_LEN, j->content.len - SALT_LEN));
	if (err)
		return job_bad_store(j, err);
	memcpy(name, "content/", 8);
	hex_encode(name + 8, id, ID_LEN);
	err = job_put(j, name, buffer_bytes(&j->content), false);
	j->counts->contents += err == OK;
	return err;
}

/* The file `missing`: indices, one in a line. Those at or above the checkpoint's size were written
 * by a run that was ended before it put its own. */
int job_missing_read(struct job *j)
{
	char path[LOG_PATH_MAX];
	int err = publication_get(
	    j->p->to, job_path(j, path, "missing"), MISSING_MAX, &j->text, j->t);
	struct bytes in = buffer_bytes(&j->text);

	if (err == ERR_NOTFOUND)
		return OK;
	while (!err && in.len > 0) {
		const uint8_t *end = memchr(in.data, '\n', in.len);
		size_t len = end ? (size_t)(end - in.data) : 0;
		uint64_t index;

		if (!end || decimal_parse(&index, (const char *)in.data, len, INT64_MAX) != OK ||
		    (j->before.count > 0 && j->before.list[j->before.count - 1] >= index))
			return trouble_set(j->t, ERR_MALFORMED,
			    "%.300s/%s is not a list of numbers", publication_path(j->p->to), path);
		if (index < j->from)
			err = indices_add(j, &j->before, index);
		in = bytes_of(end + 1, in.len - len - 1);
	}
	return err;
}

int job_missing_write(struct job *j)
{
	char path[LOG_PATH_MAX];
	bool was;

	if (j->missing.count == 0)
		return publication_remove(j->p->to, job_path(j, path, "missing"), &was, j->t);
	buffer_reset(&j->text);
	for (size_t i = 0; i < j->missing.count; i++)
		buffer_printf(&j->text, "%" PRIu64 "\n", j->missing.list[i]);
	if (j->text.failed)
		return no_memory(j->t);
	return job_put(j, "missing", buffer_bytes(&j->text), false);
}

/* Contents that have come since their entries were published. */
int job_missing_retry(struct job *j)
{
	int err = OK;

	for (size_t i = 0; !err && i < j->before.count; i++) {
		uint64_t index = j->before.list[i];
		struct bytes leaf;
		bool wanted;
		size_t pos = 0;

		err = is_wanted(j, index, &wanted);
		if (!err && (wanted || index >= j->h->folded)) {
			err = indices_add(j, &j->missing, index);
			continue;
		}
		if (!err)
			err = job_bundle(j, index, 1);
		if (!err && leaves_next(buffer_bytes(&j->bundle), &pos, &leaf) == OK)
			err = job_content(j, index, leaf);
	}
	return err;
}
