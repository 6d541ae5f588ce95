/* SPDX-License-Identifier: BSD-2-Clause */
/* Making and dropping a world, and telling what happens in it. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world *world_new(
    uint64_t seed, size_t nodes, size_t orgs, size_t founders, uint32_t admit, size_t wires)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		abort();
	w->seed = seed;
	w->now = 1 * SECOND;
	memset(w->forum, 0xf0, sizeof w->forum);
	w->orgs = calloc(orgs, sizeof *w->orgs);
	w->nodes = calloc(nodes, sizeof *w->nodes);
	w->wires = calloc(wires + 1, sizeof *w->wires);
	w->founders = calloc(founders, sizeof *w->founders);
	if (!w->orgs || !w->nodes || !w->wires || !w->founders)
		abort();
	w->org_count = orgs;
	w->node_count = nodes;
	w->wire_count = wires;
	for (size_t i = 0; i < orgs; i++) {
		w->orgs[i] = org_new(w, (unsigned)i, i < founders);
		if (i < founders && verifier_make(&w->founders[i], bytes_str(w->orgs[i]->name),
					VERIFIER_ED25519, w->orgs[i]->root.public) != OK)
			abort();
	}
	w->charter = (struct charter){.name = (char *)(uintptr_t) "forum",
	    .purpose = (char *)(uintptr_t) "simulation",
	    .admit = admit,
	    .content_limit = 1048576,
	    .members = w->founders,
	    .member_count = founders};
	memcpy(w->charter.forum, w->forum, HASH_LEN);
	return w;
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < w->node_count; i++)
		node_free(&w->nodes[i]);
	for (size_t i = 0; i < w->wire_count; i++)
		wire_free(&w->wires[i]);
	for (size_t i = 0; i < w->org_count; i++)
		org_free(w->orgs[i]);
	free(w->orgs);
	free(w->nodes);
	free(w->wires);
	free(w->founders);
	free(w->sealed);
	free(w->heap); /* what its events hold ends with the process */
	free(w);
}

void world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failed)
		return;
	w->failed = true;
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof w->failure, fmt, ap);
	va_end(ap);
	world_trace(w, "FAILED: %s", w->failure);
}

void world_trace(const struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->trace)
		return;
	printf("%8" PRIu64 ".%06" PRIu64 "  ", w->now / SECOND, w->now % SECOND);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static const char *log_text(const struct world *w, ProtobufCBinaryData digest)
{
	for (size_t i = 0; i < w->org_count && digest.len == DIGEST_LEN; i++) {
		if (memcmp(w->orgs[i]->credential.binding.digest, digest.data, DIGEST_LEN) == 0)
			return w->orgs[i]->name;
	}
	return "?";
}

static void heads_text(
    const struct world *w, struct buffer *b, Convene__Head *const *heads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buffer_printf(b, " %s:%" PRIu64, log_text(w, heads[i]->log), heads[i]->size);
}

static void frame_text(
    const struct world *w, struct buffer *b, uint8_t type, const ProtobufCMessage *message)
{
	switch (type) {
	case FRAME_SUMMARY:
		buffer_printf(b, " %02x%02x, %" PRIu64 " logs",
		    ((const Convene__Summary *)message)->hash.data[0],
		    ((const Convene__Summary *)message)->hash.data[1],
		    ((const Convene__Summary *)message)->logs);
		break;
	case FRAME_FRONTIER:
		heads_text(w, b, ((const Convene__Frontier *)message)->heads,
		    ((const Convene__Frontier *)message)->n_heads);
		break;
	case FRAME_ANNOUNCE:
		heads_text(w, b, ((const Convene__Announce *)message)->heads,
		    ((const Convene__Announce *)message)->n_heads);
		break;
	case FRAME_LOG_GET:
		buffer_printf(b, " %s", log_text(w, ((const Convene__LogGet *)message)->log));
		break;
	case FRAME_LOG:
		buffer_printf(b, " %.*s", (int)((const Convene__Log *)message)->name.len,
		    (const char *)((const Convene__Log *)message)->name.data);
		break;
	case FRAME_SUBSCRIBE: {
		const Convene__Subscribe *m = (const Convene__Subscribe *)message;

		buffer_printf(b, " %s from %" PRIu64 ", credit %" PRIu64, log_text(w, m->log),
		    m->from, m->credit);
		break;
	}
	case FRAME_DATA: {
		const Convene__Data *m = (const Convene__Data *)message;
		struct bytes leaf;
		size_t pos = 0;
		uint64_t end = m->first;

		while (leaves_next(bytes_of_pb(m->leaves), &pos, &leaf) == OK)
			end++;
		buffer_printf(b, " %s [%" PRIu64 ", %" PRIu64 ") %zu bytes", log_text(w, m->log),
		    m->first, end, m->leaves.len + m->checkpoint.len + m->proof.len);
		break;
	}
	case FRAME_CREDIT:
		buffer_printf(b, " %" PRIu64, ((const Convene__Credit *)message)->bytes);
		break;
	case FRAME_WANT: {
		const Convene__Want *m = (const Convene__Want *)message;

		buffer_printf(b, " %s", log_text(w, m->log));
		for (size_t i = 0; i < m->n_index; i++)
			buffer_printf(b, " %" PRIu64, m->index[i]);
		break;
	}
	case FRAME_CONTENT: {
		const Convene__ContentChunk *m = (const Convene__ContentChunk *)message;

		buffer_printf(b, " %s %" PRIu64 ": %" PRIu64 "+%zu of %" PRIu64,
		    log_text(w, m->log), m->index, m->offset,
		    m->packed.len > 0 ? m->packed.len : m->data.len, m->total);
		if (m->packed.len > 0)
			buffer_add_str(b, ", packed");
		break;
	}
	case FRAME_CONTENT_NONE:
		buffer_printf(b, " %s %" PRIu64,
		    log_text(w, ((const Convene__ContentNone *)message)->log),
		    ((const Convene__ContentNone *)message)->index);
		break;
	default:
		break;
	}
}

void trace_frame(const struct world *w, const struct end *from, uint8_t type, uint32_t stream,
    const ProtobufCMessage *m)
{
	struct buffer b = BUFFER_INIT;

	if (!w->trace)
		return;
	frame_text(w, &b, type, m);
	if (stream)
		world_trace(w, "n%u -> n%u  %s/%u%s", from->node->number, from->other->node->number,
		    frame_name(type), stream, buffer_str(&b));
	else
		world_trace(w, "n%u -> n%u  %s%s", from->node->number, from->other->node->number,
		    frame_name(type), buffer_str(&b));
	buffer_free(&b);
}
