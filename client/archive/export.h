/* SPDX-License-Identifier: BSD-2-Clause */
/* A post as it is exported: as a mail of an mbox, or as a line of JSON. Both are functions of what
 * is given here alone, without a clock, a locale or a random number. Pure; any thread. */
#ifndef CLIENT_ARCHIVE_EXPORT_H
#define CLIENT_ARCHIVE_EXPORT_H

#include "client/archive/frontier_text.h"
#include "mail/post.h"
#include "member/charter.h"

/* Append a separator, the mail, and an empty line. */
void export_mail(struct buffer *out, const struct mail_post *p);

/* Append a line of JSON: keys sorted, in ASCII. ERR_NOMEM. */
int export_line(struct buffer *out, const struct mail_post *p);
/* The first line of an export. `topic`: NULL: all. */
int export_first_line(struct buffer *out, const struct charter *charter, const struct frontier *f,
    const uint8_t *topic);

#endif
