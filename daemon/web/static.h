/* SPDX-License-Identifier: BSD-2-Clause */
/* Style sheet and scripts, built into the program (embed.sh). All are served under one hash of all
 * of them, /static/HASH/name: that changes when any does, so that browsers may keep them for ever,
 * and a script finds another by a relative path. */
#ifndef DAEMON_STATIC_H
#define DAEMON_STATIC_H

#include <stddef.h>

#define STATIC_HASH_LEN 16 /* characters */

struct static_file {
	const char *name; /* NULL ends */
	const unsigned char *data;
	size_t len;
};
extern const struct static_file static_files[];

struct static_set;
int static_set_new(struct static_set **out);
void static_set_free(struct static_set *s);
/* "/static/HASH/name"; "" when there is no such file. */
const char *static_set_url(const struct static_set *s, const char *name);
/* By "HASH/name"; NULL: none, or of another version. */
const struct static_file *static_set_find(const struct static_set *s, const char *rest);
const char *static_type(const char *name);

#endif
