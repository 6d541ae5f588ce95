/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients ask (SPEC.md section 12): taken in order, one at a time while a SUBMIT is being
 * worked on. Reading needs no login; each answer is one short read of the views. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/answer.h"

#define PENDING_BYTES (4 * 1024 * 1024)

/* A request behind a SUBMIT that is being worked on: order is part of the promise. */
struct pending {
	uint8_t type;
	uint32_t stream;
	struct buffer payload;
	struct pending *next;
};

void client_error(struct session *s, uint32_t stream, uint32_t code, const char *text)
{
	Convene__Error m = CONVENE__ERROR__INIT;

	m.code = code;
	m.text = pb_of(bytes_str(text));
	channel_send(s->channel, FRAME_ERROR, stream ? stream : UINT32_MAX, &m.base);
}

void client_refuse(struct session *s, uint32_t stream, uint32_t code, const char *text)
{
	stranger_trouble(s, text);
	client_error(s, stream, code, text);
}

static void charter_get(struct session *s, uint32_t stream)
{
	Convene__Charter m = CONVENE__CHARTER__INIT;

	m.note = pb_of(buffer_bytes(&s->relay->charter->note));
	channel_send(s->channel, FRAME_CHARTER, stream, &m.base);
}

/* ---- dispatch ---- */

static void request(struct session *s, uint8_t type, uint32_t stream, struct bytes payload)
{
	ProtobufCMessage *m = NULL;

	if (stream == 0) {
		channel_fail(s->channel, ERR_MALFORMED, "a request needs a stream above 0");
		return;
	}
	if (message_unpack(&m, frame_descriptor(type), payload) != OK) {
		channel_fail(s->channel, ERR_MALFORMED, "a request does not parse");
		return;
	}
	switch (type) {
	case FRAME_SUBMIT:
		ingest_submit(s, stream, (const Convene__Submit *)m);
		break;
	case FRAME_TOPICS_GET:
		topics_get(s, stream);
		break;
	case FRAME_THREADS_GET:
		threads_get(s, stream, (const Convene__ThreadsGet *)m);
		break;
	case FRAME_THREAD_GET:
		thread_get(s, stream, (const Convene__ThreadGet *)m);
		break;
	case FRAME_WATCH:
		watch_start(s, stream, (const Convene__Watch *)m);
		break;
	case FRAME_LOGS_GET:
		logs_get(s, stream);
		break;
	case FRAME_ENTRIES_GET:
		entries_get(s, stream, (const Convene__EntriesGet *)m);
		break;
	case FRAME_PROOF_GET:
		proof_get(s, stream, (const Convene__ProofGet *)m);
		break;
	case FRAME_CONTENT_GET:
		content_get(s, stream, (const Convene__ContentGet *)m);
		break;
	case FRAME_REDEEM:
		enrol_redeem(s, stream, (const Convene__Redeem *)m);
		break;
	case FRAME_SIGNER_GET:
		device_signer_get(s, stream, (const Convene__SignerGet *)m);
		break;
	case FRAME_CHARTER_GET:
		charter_get(s, stream);
		break;
	case FRAME_ERASURE_GET:
		erasure_get(s, stream, (const Convene__ErasureGet *)m);
		break;
	case FRAME_SEARCH:
		search_get(s, stream, (const Convene__Search *)m);
		break;
	default:
		channel_refuse(s->channel, CONVENE__CODE__UNEXPECTED, ERR_UNKNOWN_KIND,
		    "a client sends no frames of this type");
	}
	message_free(m);
}

static bool is_request(uint8_t type)
{
	switch (type) {
	case FRAME_SUBMIT:
	case FRAME_TOPICS_GET:
	case FRAME_THREADS_GET:
	case FRAME_THREAD_GET:
	case FRAME_WATCH:
	case FRAME_LOGS_GET:
	case FRAME_ENTRIES_GET:
	case FRAME_PROOF_GET:
	case FRAME_CONTENT_GET:
	case FRAME_REDEEM:
	case FRAME_SIGNER_GET:
	case FRAME_CHARTER_GET:
	case FRAME_ERASURE_GET:
	case FRAME_SEARCH:
		return true;
	}
	return false;
}

void client_frame(struct session *s, const struct frame *frame)
{
	struct pending *p, **at = &s->pending;
	size_t bytes = 0;

	if (!is_request(frame->type)) {
		channel_refuse(s->channel, CONVENE__CODE__UNEXPECTED, ERR_UNKNOWN_KIND,
		    "a client sends no frames of this type");
		return;
	}
	if (!s->submitting) {
		request(s, frame->type, frame->stream, frame->payload);
		return;
	}
	for (; *at; at = &(*at)->next)
		bytes += (*at)->payload.len;
	if (s->pending_count >= SUBMIT_QUEUE || bytes + frame->payload.len > PENDING_BYTES ||
	    s->relay->held_bytes + frame->payload.len > HELD_BYTES_MAX) {
		client_error(s, frame->stream, CONVENE__CODE__BUSY,
		    "too many requests under way on this connection");
		return;
	}
	p = calloc(1, sizeof *p);
	if (!p)
		return;
	p->type = frame->type;
	p->stream = frame->stream;
	buffer_add(&p->payload, frame->payload.data, frame->payload.len);
	if (p->payload.failed) {
		free(p);
		return;
	}
	*at = p;
	s->pending_count++;
	s->relay->held_bytes += frame->payload.len;
}

static struct pending *pending_take(struct session *s)
{
	struct pending *p = s->pending;

	s->pending = p->next;
	s->pending_count--;
	s->relay->held_bytes -= p->payload.len;
	return p;
}

void session_submitted(struct session *s)
{
	s->submitting = false;
	while (s->pending && !s->submitting && !channel_closing(s->channel)) {
		struct pending *p = pending_take(s);

		request(s, p->type, p->stream, buffer_bytes(&p->payload));
		buffer_free(&p->payload);
		free(p);
	}
}

void client_closed(struct session *s)
{
	ingest_session_closed(s);
	enrol_session_closed(s);
	searching_session_closed(s);
	while (s->pending) {
		struct pending *p = pending_take(s);

		buffer_free(&p->payload);
		free(p);
	}
	watch_drop(s);
}
