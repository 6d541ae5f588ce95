/* SPDX-License-Identifier: BSD-2-Clause */
/* A post as it is exported: as a mail of an mbox, or as a line of JSON. Both are functions of what
 * is given here alone, without a clock, a locale or a random number. Pure; any thread. */
#ifndef CLIENT_ARCHIVE_EXPORT_H
#define CLIENT_ARCHIVE_EXPORT_H

#include "client/archive/frontier_text.h"
#include "member/charter.h"
#include "msg/content.h"

enum export_state {
	EXPORT_PRESENT,
	EXPORT_MISSING,    /* its content is not at the node yet */
	EXPORT_ERASED,     /* by an ERASE, which need not be below the frontier */
	EXPORT_UNREADABLE, /* what was signed is no content: nobody shows any of it */
};
const char *export_state_name(enum export_state state);

/* Where something stands. */
struct export_place {
	bool present;
	uint8_t id[ID_LEN];
	struct bytes log; /* name */
	uint64_t index;
};

struct export_author {
	struct bytes organisation;
	bool device; /* else registrar or root, and nothing of the rest */
	uint8_t identity[IDENTITY_LEN];
	struct bytes handle, name, group; /* may be empty */
};

struct export_post {
	struct export_place at;
	const struct header *header;
	uint8_t topic[ID_LEN], thread[ID_LEN];
	struct export_author author;
	enum export_state state;
	const struct content *content; /* NULL unless present */
	/* Of the first content: what an archive said does not change with an amendment. NULL: not
	 * imported, or not known. */
	const struct content_imported *imported;
	struct export_place amendment, erasure;
	const struct bytes *ancestors; /* Message-IDs, oldest first, without brackets */
	size_t ancestor_count;
};

/* Append a separator, the mail, and an empty line. */
void export_mail(struct buffer *out, const struct export_post *p);

/* Append a line of JSON: keys sorted, in ASCII. ERR_NOMEM. */
int export_line(struct buffer *out, const struct export_post *p);
/* The first line of an export. `topic`: NULL: all. */
int export_first_line(struct buffer *out, const struct charter *charter, const struct frontier *f,
    const uint8_t *topic);

#endif
