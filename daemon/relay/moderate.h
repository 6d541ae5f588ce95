/* SPDX-License-Identifier: BSD-2-Clause */
/* What this node's operator hides from its readers, and whom they suspend (SPEC.md 13.6). Loop
 * thread. Reasons are texts for people, and live until the measure ends. */
#ifndef DAEMON_RELAY_MODERATE_H
#define DAEMON_RELAY_MODERATE_H

#include "daemon/relay/control.h"

#define MODERATE_REASON_MAX 500
#define MODERATE_LOG_SHOWN 2000 /* of the newest steps */

int moderate_start(struct relay *r); /* read what was decided before */
void moderate_free(struct relay *r);
/* The configuration says whose logs are carried: write down what has changed. */
void moderate_carry(struct relay *r);

/* Why somebody of ours may not post; NULL: they may. */
const char *moderate_suspended(const struct relay *r, const uint8_t identity[static IDENTITY_LEN]);
/* Why nothing is shown of what a participant of another organisation wrote; NULL: it is. */
const char *moderate_author(const struct relay *r, const struct author *a);
/* Why this message is hidden, or what this AMEND is about; NULL: it is not. `h` may be NULL. */
const char *moderate_message(
    const struct relay *r, const uint8_t id[static ID_LEN], const struct header *h);

#endif
