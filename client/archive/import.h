/* SPDX-License-Identifier: BSD-2-Clause */
/* An archive becomes threads of a topic. First all of it is read for ids and references, and put in
 * order; then each mail is read whole, signed and sent. About 200 bytes of memory for each mail.
 * Main thread.
 *
 * A mail is posted once. Its key (key.h) is looked up in the journal, which before that has heard
 * of all that arrived in the topic since it last asked (learn.h): so what another archivist,
 * another machine or a lost journal has brought in counts as well. Whoever may post in the topic
 * can claim to have imported a mail, and then it isn't imported again: the claim stands there under
 * their name.
 *
 * What it answers, order.h says. For mails that nobody has the journal keeps who referred to them
 * first, so that archives that come one after the other give the same threads as if they had come
 * together. A mail that is refused is passed over: what answers it answers what it answers, and
 * when that is nothing, the first of them stands in its place.
 *
 * A crash costs nothing, because of the order of four steps. (1) A batch is signed, and committed
 * to the journal with the mapping. (2) It is sent. (3) The node says that it has it durably. (4)
 * Its bytes leave the journal, with the next commit. A run begins by sending what is between (1)
 * and (4) again, unchanged; the node knows an id that it has. submit.h says why only one batch is
 * on its way at a time. What the node refuses for good is forgotten, with all behind it, and that
 * is made anew. So is what waits when `convene post` has signed with a higher sequence in between;
 * it asks the journal, and never uses one twice. */
#ifndef CLIENT_ARCHIVE_IMPORT_H
#define CLIENT_ARCHIVE_IMPORT_H

#include "client/archive/reading.h"
#include "client/archive/submit.h"

struct import;

enum import_phase { IMPORT_READING, IMPORT_LEARNING, IMPORT_POSTING };

struct import_refusal {
	const char *file;
	uint32_t mail; /* within the file, from 1 */
	uint64_t line;
	const char *why; /* a clause */
};

struct import_events {
	/* Of `total` (0: not known) bytes, posts, mails. `why` NULL, or what is waited for. */
	void (*progress)(
	    void *ctx, enum import_phase phase, uint64_t done, uint64_t total, const char *why);
	void (*refused)(void *ctx, const struct import_refusal *refusal);
	/* Left out for an earlier one of the same id, from which it differs; may be NULL. */
	void (*repeated)(void *ctx, const struct import_refusal *mail);
};

struct import_report {
	/* mails = imported + present + repeated + refused, when all went through. */
	uint64_t mails, imported, present;
	uint64_t repeated,
	    repeated_other_text; /* in the source; the latter is part of the former */
	uint64_t refused;
	uint64_t omitted_parts, alternatives, guessed_charsets; /* of those imported now */
	uint64_t threads, largest_thread;                       /* of imported and present */
};

/* All is borrowed. */
int import_new(struct import **out, struct source *source, struct reading *reading,
    const struct import_events *events, void *ctx, struct trouble *t);
void import_free(struct import *im);

/* Read all for ids and references. */
int import_scan(struct import *im, struct trouble *t);
/* Ask the journal what is there, and find everything its place; `journal` NULL: nothing is. */
int import_order(struct import *im, struct journal *journal, struct trouble *t);
/* Read, sign, send. `submitter` NULL: read only, and count as if it had been sent. */
int import_post(struct import *im, struct submitter *submitter, const struct ref *topic,
    struct bytes lang, struct trouble *t);

/* For the submitter: its events, with the import as their ctx. */
extern const struct submit_events import_submit_events;

void import_report(const struct import *im, struct import_report *out);

#endif
