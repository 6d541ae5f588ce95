/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts that are being written, or wait to be: HOME/drafts/NUMBER, headers and the text:
 *
 *	convene draft v1
 *	kind: reply
 *	to: 46ef9549…
 *	about: A first draft
 *	lang: fr
 *	attach: /srv/plan.pdf:application/pdf
 *
 *	I agree.
 *
 * While somebody writes, the text alone is in NUMBER.txt, for the editor; that file wins when both
 * are there, since only an interruption leaves it. NUMBER.lock is held (flock) by the program that
 * works on the draft. One owner, main thread.
 *
 * A draft is sent in this order: `signed:` with sequence and id is written into it, the message is
 * put into the outbox, the draft is removed. So one that was interrupted tells by which message it
 * may have been sent already. */
#ifndef CLIENT_DRAFTS_H
#define CLIENT_DRAFTS_H

#include "client/files.h"
#include "msg/message.h"

enum act { ACT_TOPIC, ACT_POST, ACT_REPLY, ACT_AMEND, ACT_COUNT };
/* What becomes of the attachments of what is amended. */
enum parts_rule { PARTS_DEFAULT, PARTS_KEEP, PARTS_DROP };

struct writing {
	char folder[PATH_LEN]; /* HOME/drafts */
	uint64_t number;       /* 0: not kept as a draft */
	int lock;              /* file descriptor, or -1 */
	uint64_t saved;        /* wall ms; of one that was loaded */

	enum act act;
	struct buffer to; /* what it belongs to: a whole id, or as it was typed; not of a topic */
	struct buffer about;   /* what that is called, for lists */
	struct buffer subject; /* or a topic's title */
	struct buffer lang;
	bool raw;
	enum parts_rule parts;
	struct buffer attach; /* FILE[:TYPE], each with LF behind it */
	struct buffer text;   /* as it was typed: perhaps no UTF-8 at all */
	uint64_t sequence;    /* signed under this; 0: never */
	uint8_t id[ID_LEN];
};

#define ACT_NAMES                                 \
	{                                         \
		"topic", "post", "reply", "amend" \
	}
const char *act_name(enum act act);

/* An empty one, kept nowhere. Free in any case. */
void writing_init(struct writing *w, enum act act, const char *home);
void writing_free(struct writing *w); /* lets the lock go */

/* Text of the file, and back: ERR_MALFORMED, and `*line` is where; ERR_NOMEM. The headers of a text
 * that parses are one line each, without NUL. */
void writing_format(struct buffer *out, const struct writing *w);
int writing_parse(struct writing *w, struct bytes text, unsigned *line);

#define DRAFT_NUMBER_MAX 999999999

/* Write it down, durably, under its number, or under a new one, which is then locked. A header that
 * isn't one line is ERR_INVALID. */
int writing_save(struct writing *w, struct trouble *t);
/* `lock` false: only to look at it. ERR_NOTFOUND; ERR_BUSY (somebody is writing it); ERR_IO. */
int writing_load(
    struct writing *w, const char *home, uint64_t number, bool lock, struct trouble *t);
/* Let it be written in an editor: `text` is what the editor left, also when that failed, and is
 * saved. The writing must be kept. */
int writing_edit(struct writing *w, struct trouble *t);
/* Remove the draft, when it is one. */
int writing_drop(struct writing *w, struct trouble *t);
/* The same of one that can't be read. */
int draft_remove(const char *home, uint64_t number, struct trouble *t);

/* Numbers, ascending; free() the list. None, without an error, where no folder is. */
int drafts_list(const char *home, uint64_t **list, size_t *count, struct trouble *t);

#endif
