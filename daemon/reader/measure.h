/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's measures as facts of the store (SPEC.md 13.6): under which names they are kept,
 * and what stands there. The relay writes them (daemon/relay/moderate.c); readers look them up. */
#ifndef DAEMON_READER_MEASURE_H
#define DAEMON_READER_MEASURE_H

#include "forum/query.h"
#include "store/store.h"

#define MEASURE_HIDE "hide/"       /* ID */
#define MEASURE_SUSPEND "suspend/" /* ORGANISATION/IDENTITY */
#define MEASURE_CARRY "carry/"     /* ORGANISATION: nothing of it is carried */
#define MEASURE_OPERATION "op/"    /* NUMBER, from 1: what was done, one for each change of these */
#define MEASURE_KEY_MAX 160

void measure_hide_key(char out[static MEASURE_KEY_MAX], const uint8_t id[static ID_LEN]);
void measure_person_key(char out[static MEASURE_KEY_MAX], const char *organisation,
    const uint8_t identity[static IDENTITY_LEN]);
void measure_carry_key(char out[static MEASURE_KEY_MAX], const char *organisation);
void measure_operation_key(char out[static MEASURE_KEY_MAX], uint64_t number);

/* What a fact says: JSON, as text of its own. Owns its memory. */
struct measure_fact {
	char *reason; /* for people; "" when none was wanted */
	char *about;  /* whom it is about, for the operator */
	uint64_t time;
};
/* ERR_STORE: it is not one; ERR_NOMEM. */
int measure_read(struct bytes value, struct measure_fact *out);
void measure_fact_clear(struct measure_fact *f);

/* The measures in force, in memory. */
struct measure_table {
	struct measure_row {
		char *key;
		struct measure_fact fact;
	} * rows; /* ascending by key */
	size_t count, cap;
	uint64_t operations;
};
/* Read them anew, if anything was done since the last time. ERR_STORE, ERR_NOMEM: begin again. */
int measure_table_update(struct measure_table *m, struct store *s);
/* Why; NULL: it is not in force. */
const char *measure_table_find(const struct measure_table *m, const char *key);
/* Why a message is hidden at the node of `own`: itself, or whoever of another organisation wrote it
 * (NULL: not known). NULL: it isn't. */
const char *measure_table_hides(const struct measure_table *m, const char *own,
    const uint8_t id[static ID_LEN], const struct author *author);
void measure_table_clear(struct measure_table *m);

#endif
