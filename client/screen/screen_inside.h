/* SPDX-License-Identifier: BSD-2-Clause */
/* What screen*.c share. Private to them. */
#ifndef SCREEN_SCREEN_INSIDE_H
#define SCREEN_SCREEN_INSIDE_H

#include "client/screen/screen.h"

/* ---- screen.c ---- */

void ask_topics_again(struct screen *s, bool retry);
void ask_for_threads(struct screen *s, uint32_t offset);
void ask_for_thread(struct screen *s, const uint8_t id[static ID_LEN], uint64_t posts);
void ask_for(struct screen *s, struct job *job);
/* The posts that a message is from. */
struct posts *screen_posts(const struct screen *s);
struct topic_row *topic_find(const struct screen *s, const uint8_t id[static ID_LEN]);
struct thread_row *thread_find(const struct screen *s, const uint8_t id[static ID_LEN]);
void topics_clear(struct screen *s);
void threads_clear(struct screen *s, size_t from);
/* Lines for lists or pages on this screen. */
size_t screen_height(const struct screen *s);
void lists_fit(struct screen *s);
/* Write the message that is selected into the page. */
void page_make(struct screen *s, bool from_top);
/* Go to a message of `s->under` and read it. */
void message_open(struct screen *s, size_t at);
bool is_unread(const struct screen *s, const struct post *p);
/* Mark them, and count anew. */
void mark_read(struct screen *s, struct post **list, size_t count);
void count_unread(struct screen *s);

/* ---- screen_help.c ---- */

void help_make(struct screen *s);

#endif
