/* SPDX-License-Identifier: BSD-2-Clause */
/* What an import says: progress and refusals on standard error while it runs, a report on standard
 * output in the end, and a sentence when somebody stops it. One for a process. Main thread. */
#ifndef CLIENT_CTL_IMPORT_TELL_H
#define CLIENT_CTL_IMPORT_TELL_H

#include "client/archive/import.h"
#include "client/session.h"

struct import_teller {
	/* Set by the caller. */
	bool json, dry;
	enum source_form form;
	FILE *file; /* --report, or NULL; borrowed */

	bool terminal, line_open;
	json_t *refusals, *repeats;
	uint64_t told, posting;
	uint64_t at_start; /* of `posting`: what was done by then */
};

void import_teller_begin(struct import_teller *w);
void import_teller_end(struct import_teller *w);

/* With a teller as their ctx. */
extern const struct import_events import_teller_events;
/* What is waited for; and how much was learnt. */
void import_tell_waiting(struct import_teller *w, const char *why);
void import_tell_learning(void *teller, uint64_t posts);

/* End a line of progress, so that something else can be said. */
void import_tell_clear(struct import_teller *w);
/* What no mail is made of, so that nobody takes a file for read that wasn't. */
void import_tell_leftovers(struct import_teller *w, const struct source *source);
/* The end of an import that went through. */
void import_tell_report(struct import_teller *w, const struct import_report *r, double seconds);

/* From now on INT, TERM and HUP end the process with a sentence that says what they leave, and BUS
 * says why. */
void import_tell_signals(const struct import_teller *w);

#endif
