/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests whose answers come in several frames (SPEC.md section 12). */
#include <stdlib.h>

#include "base/error.h"
#include "client/client.h"
#include "client/output.h"

#define FRAME_WAIT_MS 60000
#define FRAMES_MAX 65536               /* a node that never says `last` */
#define GATHER_MAX (256 * 1024 * 1024) /* bytes of one answer */

void frames_free(struct frames *f)
{
	for (size_t i = 0; i < f->count; i++)
		message_free(f->list[i]);
	free(f->list);
	f->list = NULL;
	f->count = 0;
}

int frames_add(struct frames *f, ProtobufCMessage *m)
{
	ProtobufCMessage **list = f->count < FRAMES_MAX
				      ? realloc(f->list, (f->count + 1) * sizeof *list)
				      : NULL;

	if (!list) {
		message_free(m);
		return ERR_NOMEM;
	}
	f->list = list;
	list[f->count++] = m;
	return OK;
}

static int gather(struct client *c, uint8_t type, const ProtobufCMessage *request, uint8_t expect,
    bool (*is_last)(const ProtobufCMessage *), struct frames *out, struct trouble *t)
{
	uint32_t stream;
	int err = client_send(c, type, request, &stream, t);
	size_t bytes = 0;
	bool last = false;

	*out = (struct frames){NULL, 0};
	while (!err && !last) {
		ProtobufCMessage *m;

		err = client_next(c, stream, expect, FRAME_WAIT_MS, &m, t);
		if (err)
			break;
		bytes += protobuf_c_message_get_packed_size(m);
		last = is_last(m);
		if (frames_add(out, m) != OK || bytes > GATHER_MAX)
			err = trouble_set(
			    t, ERR_NOMEM, "the node's answer is larger than what can be held");
	}
	if (err)
		frames_free(out);
	return err;
}

static bool topics_last(const ProtobufCMessage *m)
{
	return ((const Convene__Topics *)m)->last;
}
static bool threads_last(const ProtobufCMessage *m)
{
	return ((const Convene__Threads *)m)->last;
}
static bool items_last(const ProtobufCMessage *m)
{
	return ((const Convene__Items *)m)->last;
}
static bool logs_last(const ProtobufCMessage *m)
{
	return ((const Convene__Logs *)m)->last;
}

int client_topics(struct client *c, struct frames *out, struct trouble *t)
{
	Convene__TopicsGet get = CONVENE__TOPICS_GET__INIT;

	return gather(c, FRAME_TOPICS_GET, &get.base, FRAME_TOPICS, topics_last, out, t);
}

int client_threads(struct client *c, const uint8_t *topic, size_t len, uint32_t limit,
    uint32_t offset, struct frames *out, struct trouble *t)
{
	Convene__ThreadsGet get = CONVENE__THREADS_GET__INIT;

	get.topic = pb_of(bytes_of(topic, len));
	get.limit = limit;
	get.offset = offset;
	return gather(c, FRAME_THREADS_GET, &get.base, FRAME_THREADS, threads_last, out, t);
}

int client_thread(struct client *c, const uint8_t *id, size_t len, struct frames *out,
    uint64_t *missing, struct trouble *t)
{
	Convene__ThreadGet get = CONVENE__THREAD_GET__INIT;
	int err;

	get.id = pb_of(bytes_of(id, len));
	err = gather(c, FRAME_THREAD_GET, &get.base, FRAME_ITEMS, items_last, out, t);
	*missing = 0;
	for (size_t i = 0; !err && i < out->count; i++)
		*missing += ((const Convene__Items *)out->list[i])->missing;
	return err;
}

int client_post(
    struct client *c, const uint8_t *id, size_t len, struct frames *out, struct trouble *t)
{
	Convene__ThreadGet get = CONVENE__THREAD_GET__INIT;

	get.id = pb_of(bytes_of(id, len));
	get.alone = true;
	return gather(c, FRAME_THREAD_GET, &get.base, FRAME_ITEMS, items_last, out, t);
}

int client_logs(struct client *c, struct frames *out, struct trouble *t)
{
	Convene__LogsGet get = CONVENE__LOGS_GET__INIT;

	return gather(c, FRAME_LOGS_GET, &get.base, FRAME_LOGS, logs_last, out, t);
}

int client_search(struct client *c, struct bytes query, uint64_t before, uint32_t limit,
    struct frames *out, uint64_t *next, struct trouble *t)
{
	Convene__Search search = CONVENE__SEARCH__INIT;
	int err;

	search.query = pb_of(query);
	search.before = before == UINT64_MAX ? 0 : before;
	search.limit = limit;
	err = gather(c, FRAME_SEARCH, &search.base, FRAME_ITEMS, items_last, out, t);
	*next = 0;
	if (!err && out->count > 0)
		*next = ((const Convene__Items *)out->list[out->count - 1])->next;
	return err;
}

int client_arrivals(struct client *c, uint64_t after, const uint8_t *topic,
    int (*fn)(void *ctx, const Convene__Items *items), void *ctx, struct trouble *t)
{
	Convene__Watch watch = CONVENE__WATCH__INIT;
	uint32_t stream;
	bool last = false;

	watch.after = after;
	watch.end = true;
	if (topic)
		watch.topic = pb_of(bytes_of(topic, ID_LEN));
	int err = client_send(c, FRAME_WATCH, &watch.base, &stream, t);

	while (!err && !last) {
		ProtobufCMessage *m;

		err = client_next(c, stream, FRAME_ITEMS, FRAME_WAIT_MS, &m, t);
		if (err)
			break;
		last = items_last(m);
		err = fn(ctx, (const Convene__Items *)m);
		message_free(m);
	}
	return err;
}
