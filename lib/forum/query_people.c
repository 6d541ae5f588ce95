/* SPDX-License-Identifier: BSD-2-Clause */
/* Who wrote something, and who may write. */
#include "forum/query_private.h"

#include <string.h>

#include "base/error.h"

/* Views keep texts short enough; a database that somebody else wrote to might not. */
static void text_copy(const struct view *v, int column, char *out, size_t room)
{
	struct bytes b = view_bytes(v, column);
	size_t len = b.len < room ? b.len : room - 1;

	if (len > 0)
		memcpy(out, b.data, len);
	out[len] = '\0';
}

void author_read(const struct view *v, int column, struct author *out)
{
	view_fixed(v, column, out->log, DIGEST_LEN);
	text_copy(v, column + 1, out->organisation, sizeof(out->organisation));
	out->device = view_int(v, column + 2) == SIGNER_DEVICE;
	view_fixed(v, column + 3, out->identity, IDENTITY_LEN);
	out->recovery = view_int(v, column + 4) != 0;
	text_copy(v, column + 5, out->handle, sizeof(out->handle));
	text_copy(v, column + 6, out->name, sizeof(out->name));
	text_copy(v, column + 7, out->group, sizeof(out->group));
}

void signer_read(const struct view *v, int column, struct signer *out)
{
	*out = (struct signer){
	    .class = (enum signer_class)view_int(v, column + 1),
	    .custody = (uint8_t)view_int(v, column + 3),
	    .recovery = view_int(v, column + 4) != 0,
	    .enrolled = (uint64_t)view_int(v, column + 5),
	    .revoked = (uint64_t)view_int(v, column + 7),
	    .sequence = (uint64_t)view_int(v, column + 8),
	};
	view_fixed(v, column, out->key, KEY_LEN);
	view_fixed(v, column + 2, out->identity, IDENTITY_LEN);
	view_fixed(v, column + 6, out->enrol_id, ID_LEN);
	view_fixed(v, column + 9, out->last_id, ID_LEN);
}

int author_get(struct store *s, int64_t signer, struct author *out)
{
	struct view v;
	int err = view_start(&v, s, VIEW_AUTHOR, "i", signer);

	memset(out, 0, sizeof(*out));
	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err;
	author_read(&v, 0, out);
	view_end(&v);
	return OK;
}

int query_signer(struct store *s, uint32_t log, const uint8_t key[static KEY_LEN],
    struct signer *out, struct author *author)
{
	struct view v;
	int err = view_start(&v, s, VIEW_SIGNER_FIND, "ik", (int64_t)log, key);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	if (out != NULL)
		signer_read(&v, AUTHOR_COLUMNS_COUNT, out);
	if (author != NULL)
		author_read(&v, 0, author);
	view_end(&v);
	return OK;
}

int query_people(struct store *s, uint32_t log,
    int (*fn)(void *ctx, const struct author *a, const struct signer *device), void *ctx)
{
	struct view v;
	int err = view_start(&v, s, VIEW_PEOPLE, "ii", (int64_t)log, (int64_t)SIGNER_DEVICE);

	while (err == OK && (err = view_next(&v)) == 1) {
		struct author author;
		struct signer device;
		author_read(&v, 0, &author);
		signer_read(&v, AUTHOR_COLUMNS_COUNT, &device);
		if ((err = fn(ctx, &author, &device)) != OK)
			view_end(&v);
	}
	return err;
}

int query_skeleton(struct store *s, uint32_t log, const char *skeleton,
    uint8_t identity[static IDENTITY_LEN], char handle[static 65])
{
	int64_t at = log;
	struct view v;
	int err = OK;

	/* People of a predecessor are people of its successor. */
	while (at != 0) {
		err = view_start(&v, s, VIEW_SKELETON_FIND, "ib", at, bytes_str(skeleton));
		if (err == OK && (err = view_next(&v)) == 1) {
			view_fixed(&v, 0, identity, IDENTITY_LEN);
			text_copy(&v, 1, handle, 65);
			view_end(&v);
			return OK;
		}
		if (err == OK)
			err = view_start(&v, s, VIEW_PREVIOUS, "i", at);
		at = 0;
		if (err == OK && (err = view_next(&v)) == 1) {
			at = view_int(&v, 0);
			view_end(&v);
		}
		if (err < 0)
			return err;
	}
	return ERR_NOTFOUND;
}
