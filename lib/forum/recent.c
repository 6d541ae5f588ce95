/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fold remembers, so that it need not ask the store: the numbers of messages that came or
 * were mentioned lately, which is what replies go to, the topics of their threads, and which ids
 * are awaited at all, so that most messages are written without a look whether they are there.
 *
 * A message's number never changes. Its thread may: then that thread's number is gone for good, and
 * whoever changes a thread drops or puts it here; so a thread that is known here is one that still
 * is, and what is known of a message's is right if its thread is known. */
#include "forum/private.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 1 << 15, THREADS = 1 << 13, AWAITED = 1 << 20 };

struct recent {
	struct {
		uint8_t id[ID_LEN];
		int64_t no, thread; /* no 0: nothing */
	} messages[MESSAGES];
	struct {
		int64_t no, topic;
	} threads[THREADS];
	uint8_t awaited[AWAITED / 8];
};

struct recent *recent_new(void)
{
	return calloc(1, sizeof(struct recent));
}

void recent_free(struct recent *r)
{
	free(r);
}

void recent_clear(struct recent *r)
{
	memset(r, 0, sizeof(*r));
}

static size_t slot_of(const uint8_t id[static ID_LEN])
{
	return get_u64(id + 8) % MESSAGES;
}

bool recent_find(
    const struct recent *r, const uint8_t id[static ID_LEN], int64_t *no, int64_t *thread)
{
	size_t at = slot_of(id);

	if (r->messages[at].no == 0 || memcmp(r->messages[at].id, id, ID_LEN) != 0)
		return false;
	*no = r->messages[at].no;
	*thread = r->messages[at].thread;
	return true;
}

void recent_put(struct recent *r, const uint8_t id[static ID_LEN], int64_t no, int64_t thread)
{
	size_t at = slot_of(id);

	memcpy(r->messages[at].id, id, ID_LEN);
	r->messages[at].no = no;
	r->messages[at].thread = thread;
}

bool recent_thread(const struct recent *r, int64_t thread, int64_t *topic)
{
	size_t at = (uint64_t)thread % THREADS;

	*topic = r->threads[at].topic;
	return thread != 0 && r->threads[at].no == thread;
}

void recent_thread_put(struct recent *r, int64_t thread, int64_t topic)
{
	size_t at = (uint64_t)thread % THREADS;

	r->threads[at].no = thread;
	r->threads[at].topic = topic;
}

void recent_thread_drop(struct recent *r, int64_t thread)
{
	size_t at = (uint64_t)thread % THREADS;

	if (r->threads[at].no == thread)
		r->threads[at].no = 0;
}

bool recent_awaited(const struct recent *r, int64_t key)
{
	size_t bit = (uint64_t)key % AWAITED;

	return (r->awaited[bit / 8] >> bit % 8 & 1) != 0;
}

void recent_await(struct recent *r, int64_t key)
{
	size_t bit = (uint64_t)key % AWAITED;

	r->awaited[bit / 8] |= (uint8_t)(1u << bit % 8);
}

void recent_await_none(struct recent *r)
{
	memset(r->awaited, 0, sizeof(r->awaited));
}
