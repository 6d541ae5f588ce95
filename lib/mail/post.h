/* SPDX-License-Identifier: BSD-2-Clause */
/* A post as a mail or as news: the parts of which both are made. A function of what is given here
 * alone, without a clock, a locale or a random number. Pure; any thread. All functions append, and
 * fail only for memory (the buffer's `failed`). */
#ifndef MAIL_POST_H
#define MAIL_POST_H

#include "msg/content.h"

enum mail_state {
	MAIL_PRESENT,
	MAIL_MISSING,    /* its content is not at the node yet */
	MAIL_ERASED,     /* by an ERASE, which need not be below the frontier */
	MAIL_HIDDEN,     /* by the operator of this node (never in an export) */
	MAIL_UNREADABLE, /* what was signed is no content: nobody shows any of it */
};
const char *mail_state_name(enum mail_state state);

/* Where something stands. */
struct mail_place {
	bool present;
	uint8_t id[ID_LEN];
	struct bytes log; /* name */
	uint64_t index;
};

struct mail_author {
	struct bytes organisation;
	bool device; /* else registrar or root, and nothing of the rest */
	uint8_t identity[IDENTITY_LEN];
	struct bytes handle, name, group; /* may be empty */
};

struct mail_post {
	struct mail_place at;
	const struct header *header;
	uint8_t topic[ID_LEN], thread[ID_LEN];
	struct mail_author author;
	enum mail_state state;
	const struct content *content; /* NULL unless present */
	/* Of the first content: what an archive said does not change with an amendment. NULL: not
	 * imported, or not known. */
	const struct content_imported *imported;
	struct bytes notice; /* what the body says where there is no content */
	struct mail_place amendment, erasure;
	const struct bytes *ancestors; /* Message-IDs, oldest first, without brackets */
	size_t ancestor_count;
};

/* Its author as an address: the handle, or what is always there, in front of the @. */
void mail_mailbox(struct buffer *out, const char *field, const struct mail_author *a,
    const struct header *header);
/* What stands in front of the @, as it is. Valid as long as both. */
struct bytes mail_local_part(
    const struct mail_author *a, const struct header *header, char hex[static 2 * KEY_LEN + 1]);

/* From and Date. What an archive had is written as it had it, and what it did not have is not made
 * up. */
void mail_people(struct buffer *out, const struct mail_post *p);
/* Message-ID, In-Reply-To and References; `usable`: which ids may stand there. */
void mail_ids(struct buffer *out, const struct mail_post *p, bool (*usable)(struct bytes id));
/* Content-Language and the X-Convene fields. */
void mail_facts(struct buffer *out, const struct mail_post *p);
/* MIME-Version, Content-Type and all that follows. `use`: an mbox keeps each text exactly, down to
 * its end; for people a text ends with a newline, and is encoded only where it must be.
 * MAIL_NEWS_HEAD: the same, up to the empty line behind the header, which costs little. */
enum mail_use { MAIL_MBOX, MAIL_NEWS, MAIL_NEWS_HEAD };
void mail_content(struct buffer *out, const struct mail_post *p, enum mail_use use);

#endif
