/* SPDX-License-Identifier: BSD-2-Clause */
/* Which Message-ID a message of the forum has where it is shown as mail or news: exports now, a
 * newsreader gateway with the same names. Pure; any thread.
 *
 * What came from an archive keeps the id that it had there, by its first content and whatever was
 * amended since; all else is called `HEX@ORGANISATION`, the message's own id in hexadecimal and the
 * organisation in whose log it stands. An archive's id that could not stand in a header, or has
 * that form itself, or whose content is not here or was erased, gives way to that: what an archive
 * said is its importer's word, and must not be another message's name. */
#ifndef MAIL_MESSAGE_ID_H
#define MAIL_MESSAGE_ID_H

#include "base/buffer.h"
#include "msg/message.h"

#define MESSAGE_ID_MAX 998 /* bytes: a line's, by RFC 5322; what is longer, an import drops */

/* Whether this can stand between the angle brackets of a Message-ID: 1 to MESSAGE_ID_MAX bytes of
 * UTF-8 without spaces, control characters and angle brackets. */
bool message_id_usable(struct bytes id);

/* Whether it has the form of the forum's own: 64 hexadecimal digits and @. */
bool message_id_native(struct bytes id);

/* Append it, without angle brackets. `imported`: the archive's id, or empty. */
void message_id_add(struct buffer *out, const uint8_t id[static ID_LEN], struct bytes organisation,
    struct bytes imported);

#endif
