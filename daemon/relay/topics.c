/* SPDX-License-Identifier: BSD-2-Clause */
/* TOPICS_GET and THREADS_GET. */
#include <string.h>

#include "base/error.h"
#include "daemon/relay/answer.h"
#include "daemon/relay/moderate.h"

static void topics_flush(struct answer *a, bool last)
{
	Convene__Topics m = CONVENE__TOPICS__INIT;

	m.topics = (Convene__Topic **)a->list;
	m.n_topics = a->count;
	m.last = last;
	if (last)
		m.n_without = carry_without(a, &m.without);
	channel_send(a->session->channel, FRAME_TOPICS, a->stream, &m.base);
	answer_clear(a);
}

/* Why the title of this message is not shown; NULL: it is. */
static const char *hidden_why(
    const struct answer *a, const uint8_t id[static ID_LEN], const struct author *author)
{
	const char *why;

	if (a->session->local)
		return NULL;
	why = moderate_message(a->session->relay, id, NULL);
	return why ? why : moderate_author(a->session->relay, author);
}

static int topic_row(void *ctx, const struct topic_row *row)
{
	struct answer *a = ctx;
	const char *why = hidden_why(a, row->id, &row->author);
	Convene__Topic *t;

	if (a->bytes > ANSWER_BYTES)
		topics_flush(a, false);
	if (channel_closing(a->session->channel))
		return ERR_CLOSED;
	t = answer_add(a, sizeof *t);
	if (!t)
		return ERR_NOMEM;
	convene__topic__init(t);
	t->log = answer_copy(a, row->log, DIGEST_LEN);
	t->id = answer_copy(a, row->id, ID_LEN);
	t->index = row->index;
	if (why) {
		t->hidden = answer_str(a, why);
	} else {
		t->title = answer_copy(a, row->title.data, row->title.len);
		t->description = answer_copy(a, row->description.data, row->description.len);
	}
	t->threads = row->threads;
	t->posts = row->posts;
	t->latest = row->latest;
	t->organisation = answer_str(a, row->author.organisation);
	t->handle = answer_str(a, row->author.handle);
	return a->err;
}

void topics_get(struct session *s, uint32_t stream)
{
	struct answer a = {.session = s, .stream = stream};
	int err = query_topics(s->relay->reader, topic_row, &a);

	if (err)
		answer_error(s, stream, err, "topic");
	else
		topics_flush(&a, true);
	answer_end(&a);
}

static void threads_flush(struct answer *a, bool last)
{
	Convene__Threads m = CONVENE__THREADS__INIT;

	m.threads = (Convene__Thread **)a->list;
	m.n_threads = a->count;
	m.last = last;
	if (last)
		m.n_without = carry_without(a, &m.without);
	channel_send(a->session->channel, FRAME_THREADS, a->stream, &m.base);
	answer_clear(a);
}

static int thread_row(void *ctx, const struct thread_row *row)
{
	struct answer *a = ctx;
	const char *why = hidden_why(a, row->id, &row->author);
	Convene__Thread *t;

	if (a->bytes > ANSWER_BYTES)
		threads_flush(a, false);
	if (channel_closing(a->session->channel))
		return ERR_CLOSED;
	t = answer_add(a, sizeof *t);
	if (!t)
		return ERR_NOMEM;
	convene__thread__init(t);
	t->id = answer_copy(a, row->id, ID_LEN);
	t->log = answer_copy(a, row->log, DIGEST_LEN);
	if (why)
		t->hidden = answer_str(a, why);
	else
		t->subject = answer_copy(a, row->subject.data, row->subject.len);
	t->lang = answer_copy(a, row->lang.data, row->lang.len);
	t->organisation = answer_str(a, row->author.organisation);
	t->handle = answer_str(a, row->author.handle);
	if (!why)
		t->archived_author = answer_copy(
		    a, row->archived_author.data, row->archived_author.len);
	t->time = row->time;
	t->posts = row->posts;
	t->latest = row->latest;
	t->root_missing = row->root_missing;
	return a->err;
}

void threads_get(struct session *s, uint32_t stream, const Convene__ThreadsGet *m)
{
	struct answer a = {.session = s, .stream = stream};
	uint32_t limit = m->limit == 0            ? THREADS_DEFAULT
			 : m->limit < THREADS_MAX ? m->limit
						  : THREADS_MAX;
	uint8_t topic[ID_LEN];
	int err = query_resolve(s->relay->reader, bytes_of_pb(m->topic), topic);

	if (!err)
		err = query_threads(s->relay->reader, topic, limit, m->offset, thread_row, &a);
	if (err)
		answer_error(s, stream, err, "topic");
	else
		threads_flush(&a, true);
	answer_end(&a);
}
