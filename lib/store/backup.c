/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/backup.h"

#include <stdio.h>

#include "store/sqlite.h"

int store_backup(const char *path, const char *to, char why[static 200])
{
	struct store *base;
	struct sqlite_store *s;
	sqlite3_stmt *st;
	int err = store_open(&base, &store_sqlite, path, STORE_READ_ONLY);

	why[0] = '\0';
	if (err != OK) {
		snprintf(why, 200, "%s", store_error(NULL));
		return err;
	}
	s = (struct sqlite_store *)base;
	/* Row by row into a new file: pages that were freed are not copied. */
	err = sqlite_prepare(s, &st, "VACUUM INTO ?");
	if (err == OK)
		sqlite3_bind_text(st, 1, to, -1, SQLITE_STATIC);
	if (err == OK)
		err = sqlite_run(s, st);
	if (err != OK)
		snprintf(why, 200, "%s", store_error(base));
	sqlite3_finalize(st);
	store_close(base);
	return err;
}
