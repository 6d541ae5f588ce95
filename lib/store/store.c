/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store.h"

#include "base/error.h"
#include "store/leaves.h"

int store_open(
    struct store **out, const struct store_backend *backend, const char *path, unsigned flags)
{
	*out = NULL;
	return backend->open(out, path, flags);
}

void store_close(struct store *s)
{
	if (s != NULL)
		s->ops->close(s);
}

const char *store_error(const struct store *s)
{
	return s == NULL ? "" : s->error;
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
