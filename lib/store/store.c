/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store.h"

#include <stdio.h>

#include "base/error.h"
#include "store/leaves.h"

/* Of the last store_open() of this thread that failed: there is no store to ask. */
static _Thread_local char open_error[160];

void store_open_failed(const struct store *s)
{
	snprintf(open_error, sizeof open_error, "%s", s->error);
}

int store_open(
    struct store **out, const struct store_backend *backend, const char *path, unsigned flags)
{
	*out = NULL;
	open_error[0] = '\0';
	return backend->open(out, path, flags);
}

void store_close(struct store *s)
{
	if (s != NULL)
		s->ops->close(s);
}

const char *store_error(const struct store *s)
{
	return s == NULL ? open_error : s->error;
}

int append_check(const struct store_append *a)
{
	if (a->count == 0 || a->count > STORE_SIZE_MAX || a->expected > STORE_SIZE_MAX - a->count ||
	    a->size != a->expected + a->count ||
	    a->block_count != a->size / TREE_BLOCK - a->expected / TREE_BLOCK ||
	    leaves_skip(a->leaves, a->count) != a->leaves.len)
		return ERR_INVALID;
	for (size_t i = 0; i < a->wanted_count; i++)
		if (a->wanted[i] < a->expected || a->wanted[i] >= a->size ||
		    (i > 0 && a->wanted[i] <= a->wanted[i - 1]))
			return ERR_INVALID;
	return OK;
}
