/* SPDX-License-Identifier: BSD-2-Clause */
/* Whom we feed: subscriptions, credit, and DATA made from the log (SPEC.md 11.3, 11.4).
 *
 * A slow peer costs no queue: the log and one integer are its backlog. */
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

#define CREDIT_MAX (1024 * 1024)
#define ALONG_ENTRIES 64 /* of one DATA */
#define ALONG_LACKS 256  /* entries: whoever lacks more asks for contents by itself */
#define ALONG_BUCKET 14  /* of one: 16 KiB */
#define ALONG_BACKLOG SYNC_BACKLOG_CONTENTS

/* Contents that go along with entries. */
struct along {
	Convene__Brought brought[ALONG_ENTRIES], *list[ALONG_ENTRIES];
	uint8_t salts[ALONG_ENTRIES][SALT_LEN];
	size_t at[ALONG_ENTRIES], count;
	struct buffer bytes;
};

/* Whether the content of an entry may be here, and is small enough to go along. */
static bool along_has(struct log_slot *l, uint64_t index, struct bytes leaf, uint64_t *least)
{
	const struct want *w;
	struct header h;

	if (message_parse(leaf, &h) != OK || !h.has_commitment || h.bucket > ALONG_BUCKET)
		return false;
	*least = h.bucket > 0 ? ((uint64_t)1 << (h.bucket - 1)) + 1 : 0;
	w = want_find(l, index);
	return !w || (!w->link && !w->committing);
}

/* What has just been written goes whole: the entry, and what it says. Not where others have to wait
 * for the line. */
static bool along_goes(struct sync *s, struct sync_link *link, struct log_slot *l)
{
	const struct pair *p = pair_of(s, link, l);

	return p->along > 0 && replica_held(l->replica) - p->next <= ALONG_LACKS &&
	       s->io.backlog(s->io.ctx, link->handle) < ALONG_BACKLOG;
}

static void along_fill(struct sync *s, struct sync_link *link, struct log_slot *l,
    struct bytes leaves, size_t count, struct along *a)
{
	const struct pair *p = pair_of(s, link, l);
	struct bytes leaf;
	size_t pos = 0;

	if (count > ALONG_ENTRIES || !along_goes(s, link, l))
		return;
	for (size_t i = 0; i < count && leaves_next(leaves, &pos, &leaf) == OK; i++) {
		size_t before = a->bytes.len;
		uint64_t least;

		/* What has no room is not even read. */
		if (!along_has(l, p->next + i, leaf, &least) || before + least > p->along)
			continue;
		if (s->io.content(s->io.ctx, l->no, p->next + i, a->salts[a->count], &a->bytes) !=
			OK ||
		    a->bytes.failed || a->bytes.len > p->along) {
			a->bytes.len = before;
			if (a->bytes.failed)
				break;
			continue;
		}
		convene__brought__init(&a->brought[a->count]);
		a->brought[a->count].index = p->next + i;
		a->brought[a->count].salt = pb_of(bytes_of(a->salts[a->count], SALT_LEN));
		a->brought[a->count].data.len = a->bytes.len - before;
		a->at[a->count++] = before;
	}
	for (size_t i = 0; i < a->count; i++) {
		a->brought[i].data.data = a->bytes.data + a->at[i];
		a->list[i] = &a->brought[i];
	}
}

static void data_sent(struct sync_link *link, struct pair *p, const Convene__Data *m, size_t count)
{
	size_t packed = protobuf_c_message_get_packed_size(&m->base);

	p->credit -= (int64_t)packed;
	p->next += count;
	p->unacknowledged += packed;
	link->stats.data_out += packed;
	for (size_t i = 0; i < m->n_contents; i++) {
		link->stats.contents_out++;
		link->stats.content_bytes_out += m->contents[i]->data.len;
	}
}

/* Send one DATA of what the peer lacks. False when there is nothing to send or no leave to send it.
 */
static bool push_one(struct sync *s, struct sync_link *link, struct log_slot *l)
{
	struct pair *p = pair_of(s, link, l);
	uint64_t held = replica_held(l->replica), aligned;
	struct tree_hash proof[TREE_PROOF_MAX];
	struct buffer leaves = BUFFER_INIT;
	Convene__Data m = CONVENE__DATA__INIT;
	struct along along;
	size_t got = 0, hashes;
	int err;

	if (!p->subscribed || p->credit <= 0 || p->next >= held ||
	    s->io.backlog(s->io.ctx, link->handle) >= SYNC_BACKLOG)
		return false;
	aligned = (p->next / TREE_BLOCK + 1) * TREE_BLOCK;
	if (aligned > held)
		aligned = held;
	if (aligned - p->next > ALONG_ENTRIES && along_goes(s, link, l))
		aligned = p->next + ALONG_ENTRIES;
	err = s->io.read(
	    s->io.ctx, l->no, p->next, (size_t)(aligned - p->next), SYNC_DATA_BYTES, &leaves, &got);
	if (!err && (leaves.failed || got == 0))
		err = ERR_NOMEM;
	if (!err)
		err = replica_prove(l->replica, p->next, p->next + got, proof, &hashes);
	if (!err) {
		m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
		m.first = p->next;
		m.leaves = pb_of(buffer_bytes(&leaves));
		m.checkpoint = pb_of(replica_note(l->replica));
		m.proof = pb_of(bytes_of(proof, hashes * HASH_LEN));
		along.count = 0;
		along.bytes = (struct buffer)BUFFER_INIT;
		along_fill(s, link, l, buffer_bytes(&leaves), got, &along);
		m.n_contents = along.count;
		m.contents = along.list;
		s->io.send(s->io.ctx, link->handle, FRAME_DATA, p->stream, &m.base);
		data_sent(link, p, &m, got);
		buffer_free(&along.bytes);
	} else {
		/* Our own trouble: stop feeding this log; the peer's clock of a stall will look
		 * elsewhere. */
		p->subscribed = false;
		s->io.note(s->io.ctx, link->handle, "entries could not be read for a subscriber");
	}
	buffer_free(&leaves);
	return err == OK;
}

static bool push_takes(
    struct sync *s, struct sync_link *link, struct log_slot *l, uint64_t first, size_t contents)
{
	const struct pair *p = pair_of(s, link, l);

	return p->subscribed && p->credit > 0 && p->next == first && p->along >= contents &&
	       s->io.backlog(s->io.ctx, link->handle) < ALONG_BACKLOG;
}

/* Of our own entries that go early, and of what they say: as much as one DATA takes. */
struct own_part {
	uint64_t first;
	struct bytes leaves;
	size_t count, bytes;
	size_t content_first, content_count; /* in the list of contents */
};

static void own_next(struct own_part *part, struct bytes all, size_t *pos,
    const struct sync_content *contents, size_t content_count)
{
	size_t from = *pos, end = *pos;
	struct bytes leaf;

	part->first += part->count;
	part->content_first += part->content_count;
	part->count = part->bytes = part->content_count = 0;
	while (part->count < ALONG_ENTRIES && leaves_next(all, &end, &leaf) == OK) {
		size_t at = part->content_first + part->content_count;
		bool says = at < content_count && contents[at].index == part->first + part->count;
		size_t len = says ? contents[at].content.len : 0;

		if (len > SYNC_ALONG_BYTES - part->bytes)
			break;
		part->bytes += len;
		part->content_count += says;
		part->count++;
		*pos = end;
	}
	part->leaves = bytes_of(all.data + from, *pos - from);
}

static void own_send(struct sync *s, struct log_slot *l, const struct own_part *part,
    const struct sync_content *contents)
{
	Convene__Brought brought[ALONG_ENTRIES], *list[ALONG_ENTRIES];
	Convene__Data m = CONVENE__DATA__INIT;
	struct tree_hash proof[TREE_PROOF_MAX];
	size_t hashes;

	if (replica_prove_staged(
		l->replica, part->first, part->first + part->count, proof, &hashes) != OK)
		return;
	for (size_t i = 0; i < part->content_count; i++) {
		const struct sync_content *c = &contents[part->content_first + i];

		convene__brought__init(&brought[i]);
		brought[i].index = c->index;
		brought[i].salt = pb_of(bytes_of(c->salt, SALT_LEN));
		brought[i].data = pb_of(c->content);
		list[i] = &brought[i];
	}
	m.log = pb_of(bytes_of(l->binding.digest, DIGEST_LEN));
	m.first = part->first;
	m.leaves = pb_of(part->leaves);
	m.checkpoint = pb_of(replica_note(l->replica));
	m.proof = pb_of(bytes_of(proof, hashes * HASH_LEN));
	m.contents = list;
	m.n_contents = part->content_count;
	for (struct sync_link *link = s->links; link; link = link->next) {
		struct pair *p = pair_of(s, link, l);

		if (!push_takes(s, link, l, part->first, part->bytes))
			continue;
		s->io.send(s->io.ctx, link->handle, FRAME_DATA, p->stream, &m.base);
		data_sent(link, p, &m, part->count);
	}
}

void sync_own_signed(struct sync *s, uint32_t no, struct bytes leaves, size_t count,
    const struct sync_content *contents, size_t content_count)
{
	struct log_slot *l = slot_by_no(s, no);
	struct own_part part = {.count = 0};
	size_t pos = 0, sent = 0;

	if (!l || !log_shown(l))
		return;
	part.first = replica_held(l->replica);
	while (sent < count) {
		own_next(&part, leaves, &pos, contents, content_count);
		if (part.count == 0)
			return;
		own_send(s, l, &part, contents);
		sent += part.count;
	}
}

void push_log(struct sync *s, struct sync_link *link, struct log_slot *l)
{
	while (push_one(s, link, l))
		;
}

/* In turn over the logs, so that a long one leaves room for the others. */
void push_all(struct sync *s, struct sync_link *link)
{
	size_t idle = 0;

	while (idle < s->log_count && s->io.backlog(s->io.ctx, link->handle) < SYNC_BACKLOG) {
		if (++link->cursor >= s->log_count)
			link->cursor = 0;
		idle = push_one(s, link, &s->logs[link->cursor]) ? 0 : idle + 1;
	}
}

void push_receive_subscribe(struct sync *s, struct sync_link *link, uint32_t stream,
    const Convene__Subscribe *m, uint64_t now)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	struct pair *p;

	if (!l)
		return; /* a log that we never showed: nothing will ever come */
	p = pair_of(s, link, l);
	if (!log_feeds(l))
		return; /* it will hear why */
	p->subscribed = true;
	p->stream = stream;
	p->next = m->from;
	p->unacknowledged = 0;
	p->credit = m->credit < CREDIT_MAX ? (int64_t)m->credit : CREDIT_MAX;
	p->along = m->contents < SYNC_ALONG_BYTES ? (size_t)m->contents : SYNC_ALONG_BYTES;
	if (p->shown < m->from && m->from <= replica_held(l->replica))
		p->shown = m->from;
	if (l->upstream == link)
		pull_yield(s, l, m->from, now);
	cosign_subscribed(s, link, l, m->anchored, now);
	push_log(s, link, l);
}

static struct pair *pair_by_stream(
    struct sync *s, struct sync_link *link, uint32_t stream, struct log_slot **l)
{
	for (size_t i = 0; i < s->log_count; i++) {
		if (link->pairs[i].subscribed && link->pairs[i].stream == stream) {
			*l = &s->logs[i];
			return &link->pairs[i];
		}
	}
	return NULL;
}

void push_receive_unsubscribe(struct sync *s, struct sync_link *link, uint32_t stream)
{
	struct log_slot *l;
	struct pair *p = pair_by_stream(s, link, stream, &l);

	if (!p)
		return;
	p->subscribed = false;
	p->unacknowledged = 0;
	p->dirty = true; /* from now on it hears of what it lacks by ANNOUNCE */
	link->announce_due = true;
}

void push_receive_credit(
    struct sync *s, struct sync_link *link, uint32_t stream, const Convene__Credit *m, uint64_t now)
{
	struct log_slot *l;
	struct pair *p = pair_by_stream(s, link, stream, &l);
	uint64_t bytes;

	if (!p)
		return;
	bytes = m->bytes < p->unacknowledged ? m->bytes : p->unacknowledged;
	if (bytes > 0)
		link->stats.acknowledged_at = now;
	p->unacknowledged -= bytes;
	link->acknowledged += bytes;
	/* It has taken our entries in, so that its history is ours now, and its contents may be. */
	if (p->differs && bytes > 0 && p->unacknowledged == 0) {
		p->differs = false;
		s->want_news++;
	}
	p->credit += m->bytes < CREDIT_MAX ? (int64_t)m->bytes : CREDIT_MAX;
	if (p->credit > CREDIT_MAX)
		p->credit = CREDIT_MAX;
	push_log(s, link, l);
}
