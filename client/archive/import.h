/* SPDX-License-Identifier: BSD-2-Clause */
/* An archive becomes threads of a topic. First all of it is read for ids and references, and put in
 * order (order.h); then each mail is read whole, signed and sent (submit.h). What the journal has
 * is not touched again, so an import that was interrupted, or is done twice, adds what is missing.
 * About 200 bytes of memory for each mail. Main thread. */
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
