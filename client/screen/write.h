/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing from the reader: the same way as `convene reply` and `convene post`, through the editor,
 * a draft, the outbox. The terminal has been left to the editor. */
#ifndef SCREEN_WRITE_H
#define SCREEN_WRITE_H

#include "client/options.h"
#include "client/screen/screen.h"

enum written {
	WRITTEN_SEALED,  /* it stands in the log */
	WRITTEN_WAITS,   /* signed and kept, and sent when that can be */
	WRITTEN_REFUSED, /* the node's last word; kept for its author */
	WRITTEN_NOTHING, /* nothing was written */
	WRITTEN_FAILED,  /* and nothing sent; `said` tells why, and where the text is */
};

/* Answer the message that the screen is at, or begin a thread in its topic with the subject that
 * was typed. `said`: what was told on the way, in sentences. */
enum written write_reply(const struct invocation *in, const struct screen *s, struct buffer *said);
enum written write_thread(const struct invocation *in, const struct screen *s, struct buffer *said);

#endif
