/* SPDX-License-Identifier: BSD-2-Clause */
/* What scripts find in pages: the strings that they show (script_strings.c), and the line about
 * news on pages that are read. The shells that they fill are in shell.h. */
#ifndef DAEMON_WEB_WRITE_H
#define DAEMON_WEB_WRITE_H

#include <jansson.h>

#include "daemon/web/html.h"
#include "daemon/web/web.h"

/* Key to text, in the language in use. NULL: no memory. */
json_t *script_strings(void);

/* Paragraphs for /help#trust, to be translated; NULL ends them. */
extern const char *const trust_paragraphs[];

/* Append the place where live.js tells what has come since the page was made, in `topic` or
 * `thread` (NULL: anywhere). For a page that names live.js as its script. */
void live_block(struct request *q, struct html h, const uint8_t *topic, const uint8_t *thread);

#endif
