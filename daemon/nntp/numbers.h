/* SPDX-License-Identifier: BSD-2-Clause */
/* The numbers of articles: which message got which number in which group, and when. Once given, a
 * number stays with its message for ever, and none is given twice.
 *
 * They are kept in a file of this process alone, DATA/news/numbers, that only grows: an id of 32
 * bytes, when (wall ms), and of which group, for each. Nothing in it comes from what anybody wrote.
 * Kept by message ids, numbers outlive whatever becomes of the store: views made anew, a restored
 * backup, a node that fetched everything again. Without the file all is numbered anew, in the order
 * of arrival, and newsreaders that knew the old numbers show read articles as unread.
 *
 * In memory it costs 60 bytes for an article. One owner, one thread. */
#ifndef DAEMON_NNTP_NUMBERS_H
#define DAEMON_NNTP_NUMBERS_H

#include "msg/message.h"

struct numbers;

/* Read the file, or make it. A piece at its end that a crash has left is cut off: it was told to
 * nobody. ERR_BUSY: another process has it; ERR_SCHEMA: it is something else; ERR_IO (errno),
 * ERR_NOMEM. */
int numbers_open(struct numbers **out, const char *path);
void numbers_close(struct numbers *n);

/* Groups are numbered too, from 0, in the order in which they came. */
uint32_t numbers_groups(const struct numbers *n);
const uint8_t *numbers_topic(const struct numbers *n, uint32_t group);
uint64_t numbers_group_time(const struct numbers *n, uint32_t group);
bool numbers_group_find(
    const struct numbers *n, const uint8_t topic[static ID_LEN], uint32_t *group);

/* The highest number of a group; 0: there is none. */
uint32_t numbers_high(const struct numbers *n, uint32_t group);
const uint8_t *numbers_id(const struct numbers *n, uint32_t group, uint32_t number);
uint64_t numbers_time(const struct numbers *n, uint32_t group, uint32_t number);
/* The first number at `since` or later; above the highest when there is none. */
uint32_t numbers_since(const struct numbers *n, uint32_t group, uint64_t since);
/* The last number that a message got: it may have moved from one group to another. */
bool numbers_find(
    const struct numbers *n, const uint8_t id[static ID_LEN], uint32_t *group, uint32_t *number);

/* Give numbers. They count, and may be told, from numbers_commit() on, which makes them durable. A
 * time earlier than the last is taken for that. ERR_NOMEM; ERR_RANGE: the group is full. */
int numbers_add_group(
    struct numbers *n, const uint8_t topic[static ID_LEN], uint64_t now, uint32_t *group);
int numbers_add(struct numbers *n, uint32_t group, const uint8_t id[static ID_LEN], uint64_t now);
/* ERR_IO, ERR_NOSPACE: nothing of it counts; what was added since the last one is forgotten. */
int numbers_commit(struct numbers *n);

#endif
