/* SPDX-License-Identifier: BSD-2-Clause */
/* Somebody by their address: /by/ORGANISATION/IDENTITY. */
#ifndef DAEMON_WEB_AUTHOR_H
#define DAEMON_WEB_AUTHOR_H

#include "daemon/web/pages.h"

#define AUTHOR_SPAN 50000 /* messages that are looked through for one page */

struct author_path {
	char organisation[ORG_NAME_MAX + 1];
	uint8_t identity[IDENTITY_LEN];
	char path[200];
};
bool author_parse(struct author_path *out, const char *rest);
/* ERR_NOTFOUND: nobody of that organisation. */
int author_find(struct reader *r, const struct author_path *path, struct author *out);

#endif
