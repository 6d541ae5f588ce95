/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles: what an identity's content says of a person, and how much of it is shown (SPEC.md
 * section 8.2). */
#include "forum/private.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "forum/query.h"
#include "msg/content.h"

/* A name: what stands before a NUL, if there is one. */
static struct bytes name_head(struct bytes text, size_t max)
{
	const uint8_t *nul = text.len == 0 ? NULL : memchr(text.data, 0, text.len);

	if (nul != NULL)
		text.len = (size_t)(nul - text.data);
	return text_head(text, max);
}

/* The skeleton of a handle; empty when it has none. ERR_NOMEM. */
static int skeleton_make(char out[static SKELETON_MAX + 1], const char *handle)
{
	out[0] = '\0';
	if (handle[0] == '\0')
		return OK;
	int err = handle_skeleton(out, handle, NULL);
	if (err != OK)
		out[0] = '\0';
	return err == ERR_NOMEM ? err : OK;
}

static int languages_join(struct buffer *out, const struct content_profile *p)
{
	for (size_t i = 0; i < p->language_count; i++) {
		if (!lang_valid(p->languages[i]))
			continue;
		if (out->len > 0)
			buffer_add_u8(out, ',');
		buffer_add(out, p->languages[i].data, p->languages[i].len);
	}
	return out->failed ? ERR_NOMEM : OK;
}

int profile_set(struct forum *f, int64_t person, struct bytes content)
{
	struct content c = {0};
	struct buffer languages = BUFFER_INIT;
	char handle[HANDLE_MAX + 1] = "", skeleton[SKELETON_MAX + 1];
	int err = content.len == 0 ? OK : content_parse(content, &c);

	if (err == ERR_NOMEM)
		return err;
	const struct content_profile *p = &c.profile; /* all empty when there is none */
	err = handle_prepare(handle, p->handle, NULL);
	if (err != OK || !bytes_equal(bytes_str(handle), p->handle))
		handle[0] = '\0';
	if (err != ERR_NOMEM)
		err = skeleton_make(skeleton, handle);
	if (err == OK)
		err = languages_join(&languages, p);
	if (err == OK)
		err = view_run(f->s, VIEW_PROFILE_SET, NULL, "ibbbbbb", person, bytes_str(handle),
		    bytes_str(skeleton), name_head(p->name, NAME_SHOWN),
		    name_head(p->group, GROUP_SHOWN), name_head(p->region, REGION_SHOWN),
		    buffer_bytes(&languages));
	buffer_free(&languages);
	content_clear(&c);
	return err;
}

/* Skeletons compare only with those of the same ICU, which may have been replaced since the last
 * start. */
int skeletons_refresh(struct forum *f)
{
	struct view v;
	char handle[HANDLE_MAX + 1], skeleton[SKELETON_MAX + 1];
	bool began = false;
	int err = view_start(&v, f->s, VIEW_HANDLES, "");

	while (err == OK && (err = view_next(&v)) == 1) {
		struct bytes shown = view_bytes(&v, 1);
		handle[0] = '\0';
		if (shown.len <= HANDLE_MAX) {
			memcpy(handle, shown.data, shown.len);
			handle[shown.len] = '\0';
		}
		err = skeleton_make(skeleton, handle);
		if (err == OK && !bytes_equal(bytes_str(skeleton), view_bytes(&v, 2))) {
			if (!views_writing(f->s))
				began = (err = f->s->ops->begin(f->s)) == OK;
			if (err == OK)
				err = view_run(f->s, VIEW_SKELETON_SET, NULL, "ib", view_int(&v, 0),
				    bytes_str(skeleton));
		}
		if (err != OK)
			view_end(&v);
	}
	if (began && err == OK)
		err = f->s->ops->commit(f->s);
	else if (began)
		f->s->ops->rollback(f->s);
	return err;
}
