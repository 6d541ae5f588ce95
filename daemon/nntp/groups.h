/* SPDX-License-Identifier: BSD-2-Clause */
/* What a topic is called as a group:
 *
 *     agora.roadmap-for-the-next-meeting-da61dd7033aa1b2c
 *
 * the forum's name, the title that the topic was opened with, and the first 16 digits of its id.
 * All of it was fixed when the topic was signed, so it is the same on every node, and no amendment
 * changes it. What can be written with ASCII letters is left of both names (text_slug()): old
 * newsreaders take nothing else. A title in another script leaves `topic`; readers see it in the
 * group's description. Components are those of RFC 5536 section 3.1.4.
 *
 * Only the digits are looked at when a name is looked up: once a topic's text is erased, or hidden
 * by the operator, its words are gone from the name too, and who has subscribed under the old one
 * finds it all the same. 64 bits, since nobody can make a topic to fit a given name. Pure. */
#ifndef DAEMON_NNTP_GROUPS_H
#define DAEMON_NNTP_GROUPS_H

#include "daemon/nntp/source.h"
#include "msg/message.h"

#define GROUP_ID_LEN 8 /* bytes of the topic's id in a name */

/* What all names begin with, up to the dot. */
void groups_prefix(char out[static NEWS_NAME_MAX + 1], const char *forum);
/* `title` empty: not to be told. */
void group_name(char out[static NEWS_NAME_MAX + 1], const char *prefix, struct bytes title,
    const uint8_t topic[static ID_LEN]);
/* The first bytes of the topic's id. false: it can be no group's name. */
bool group_name_read(struct bytes name, const char *prefix, uint8_t id[static GROUP_ID_LEN]);

#endif
