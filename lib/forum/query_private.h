/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of the queries. Nobody else includes this. */
#ifndef FORUM_QUERY_PRIVATE_H
#define FORUM_QUERY_PRIVATE_H

#include "forum/query.h"
#include "store/views.h"

/* AUTHOR and SIGNER_COLUMNS of views.h, from `column` on. A row without an author leaves zeros. */
void author_read(const struct view *v, int column, struct author *out);
void signer_read(const struct view *v, int column, struct signer *out);
/* A place and an id, from `column` on; NULL: nothing. */
void ref_read(const struct view *v, int column, struct item_ref *out);
int author_get(struct store *s, int64_t signer, struct author *out);

#endif
