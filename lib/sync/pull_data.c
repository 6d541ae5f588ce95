/* SPDX-License-Identifier: BSD-2-Clause */
/* DATA that comes (SPEC.md 11.3): whether it goes on where we are, the contents that come along,
 * and what the store says of it. Credit is given back for what is durable. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

static void credit_give(struct sync *s, struct sync_link *link, uint32_t stream, uint64_t bytes)
{
	Convene__Credit m = CONVENE__CREDIT__INIT;

	m.bytes = bytes;
	s->io.send(s->io.ctx, link->handle, FRAME_CREDIT, stream, &m.base);
}

static void own_data(struct sync *s, struct log_slot *l, struct sync_link *link,
    const Convene__Data *m, uint64_t now)
{
	uint64_t size;
	int err = replica_signed(l->replica, bytes_of_pb(m->checkpoint), &size);

	s->io.send(s->io.ctx, link->handle, FRAME_UNSUBSCRIBE, link->own_stream, NULL);
	link->own_stream = 0;
	if (err)
		s->io.fault(s->io.ctx, link->handle, err,
		    "what was shown of our own log is not signed by its key");
	else if (size > replica_staged(l->replica))
		s->io.own_ahead(s->io.ctx, link->handle, size);
	if (!err && link->witness)
		fork_data(s, link, l, m, now);
}

static bool due_add(struct log_slot *l, struct sync_link *link, uint32_t stream, uint64_t bytes)
{
	if (l->due_count == l->due_cap) {
		size_t cap = l->due_cap ? 2 * l->due_cap : 8;
		struct due *grown = realloc(l->due, cap * sizeof *grown);

		if (!grown)
			return false;
		l->due = grown;
		l->due_cap = cap;
	}
	l->due[l->due_count++] = (struct due){link, stream, bytes, false};
	return true;
}

/* What of this subscription is not committed yet. */
static uint64_t due_bytes(const struct log_slot *l, const struct sync_link *link, uint32_t stream)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->due_count; i++)
		sum += l->due[i].link == link && l->due[i].stream == stream ? l->due[i].bytes : 0;
	return sum;
}

/* ---- contents that come along ---- */

struct along {
	const Convene__Data *data;
	size_t next;
	bool bad; /* one that its entry does not commit to */
};

static bool along_take(struct sync *s, struct log_slot *l, struct along *a, uint64_t index,
    struct bytes message, const struct header *h)
{
	const Convene__Brought *b;
	uint8_t id[ID_LEN];

	while (a->next < a->data->n_contents && a->data->contents[a->next]->index < index)
		a->next++;
	if (!l->brings || a->next == a->data->n_contents)
		return false;
	b = a->data->contents[a->next];
	if (b->index != index)
		return false;
	if (b->salt.len != SALT_LEN ||
	    content_check(h, &l->binding, b->salt.data, bytes_of_pb(b->data)) != OK) {
		a->bad = true;
		return false;
	}
	message_id(id, message, &l->binding);
	s->io.along(s->io.ctx, l->no, index, id, b->salt.data, bytes_of_pb(b->data));
	l->upstream->stats.contents_in++;
	l->upstream->stats.content_bytes_in += b->data.len;
	s->contents_in += b->data.len;
	return true;
}

/* Indices of a batch whose content is committed to, and did not come along. What does not parse has
 * none. */
static size_t batch_wanted(struct sync *s, struct log_slot *l, const struct replica_batch *b,
    struct along *a, uint64_t *out)
{
	struct header h;
	struct bytes leaf;
	size_t pos = 0, n = 0;

	for (size_t i = 0; i < b->count && leaves_next(buffer_bytes(&b->leaves), &pos, &leaf) == OK;
	     i++) {
		if (message_parse(leaf, &h) == OK && h.has_commitment &&
		    !along_take(s, l, a, b->first + i, leaf, &h))
			out[n++] = b->first + i;
	}
	return n;
}

/* A commit failed, or could not be asked for. What was staged after it can't be committed either:
 * ask anew once all are answered. */
static void commit_failed(struct sync *s, struct log_slot *l, struct sync_link *link, uint64_t now)
{
	l->failed = true;
	if (link) /* which is not the link's fault */
		pair_of(s, link, l)->backoff_until = now + SYNC_BACKOFF_MS;
	pull_drop(s, l, true);
	if (l->due_count == 0) {
		s->io.reset(s->io.ctx, l->no);
		l->failed = false;
		l->stopped = l->forked; /* an end that could not be stored is still to come */
	}
}

/* False: a content that came along is not what its entry commits to. */
static bool batch_commit(struct sync *s, struct log_slot *l, const struct replica_batch *b,
    const Convene__Data *m, size_t bytes, uint64_t now)
{
	uint64_t *wanted = malloc(b->count * sizeof *wanted);
	struct along along = {.data = m};
	size_t n;

	if (!wanted || !due_add(l, l->upstream, l->stream, bytes)) {
		free(wanted);
		commit_failed(s, l, l->upstream, now);
		return true;
	}
	n = batch_wanted(s, l, b, &along, wanted);
	l->due[l->due_count - 1].wanted = n > 0;
	s->io.commit(s->io.ctx, l->no, b, wanted, n);
	free(wanted);
	return !along.bad;
}

static size_t leaves_count(struct bytes leaves)
{
	struct bytes leaf;
	size_t pos = 0, n = 0;

	while (leaves_next(leaves, &pos, &leaf) == OK)
		n++;
	return n;
}

/* Nothing of a log is taken before its credential (SPEC.md 4.3), and that is its entry 0: who has
 * the log's key may have signed another. It isn't the peer's fault, who passes on what is proven.
 */
static bool begins_well(struct sync *s, const struct log_slot *l, const Convene__Data *m)
{
	uint8_t root[HASH_LEN];
	struct bytes leaf;
	size_t count, pos = 0;

	if (l->own || m->first != 0 || replica_staged(l->replica) != 0 ||
	    leaves_next(bytes_of_pb(m->leaves), &pos, &leaf) != OK ||
	    bytes_equal(leaf, s->io.credential(s->io.ctx, l->no)) ||
	    replica_check_data(replica_key(l->replica), 0, bytes_of_pb(m->leaves),
		bytes_of_pb(m->checkpoint), bytes_of_pb(m->proof), &count, root) != OK)
		return true; /* what proves nothing is the peer's fault, and found below */
	return s->io.begins && s->io.begins(s->io.ctx, l->no, leaf) == OK;
}

void pull_receive_data(struct sync *s, struct sync_link *link, uint32_t stream,
    const Convene__Data *m, size_t bytes, uint64_t now)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);
	enum replica_outcome outcome;
	struct replica_batch *batch;
	uint64_t end, before, count, progress;
	char text[256];
	int err;

	link->stats.data_in += bytes;
	if (l && l->own && stream != 0 && link->own_stream == stream && link->own_no == l->no) {
		own_data(s, l, link, m, now);
		return;
	}
	if (!l || l->upstream != link || l->stream != stream || l->failed) {
		link->stats.entries_again += leaves_count(bytes_of_pb(m->leaves));
		return; /* sent before our UNSUBSCRIBE arrived */
	}
	/* Credit comes back when the store has committed: what is beyond it would pile up in front
	 * of a slow disk. */
	if (due_bytes(l, link, stream) >= SYNC_CREDIT) {
		s->io.fault(s->io.ctx, link->handle, ERR_TOO_LARGE, "DATA beyond the credit given");
		return;
	}
	if (l->stood && !stand_takes(s, l, m, leaves_count(bytes_of_pb(m->leaves)), now))
		return;
	if (!begins_well(s, l, m)) {
		l->stopped = true;
		pull_drop(s, l, true);
		s->io.note(
		    s->io.ctx, link->handle, "gives a log whose entry 0 is no credential of it");
		return;
	}
	before = replica_staged(l->replica);
	err = replica_stage(l->replica, m->first, bytes_of_pb(m->leaves),
	    bytes_of_pb(m->checkpoint), bytes_of_pb(m->proof), &outcome, &batch);
	if (err == ERR_NOMEM) {
		pull_back_off(s, link, l, now);
		pull_drop(s, l, true);
		return;
	}
	if (err) {
		snprintf(text, sizeof text, "a DATA of %s does not prove itself",
		    replica_name(l->replica));
		s->io.fault(s->io.ctx, link->handle, err == ERR_RANGE ? ERR_PROOF : err, text);
		return;
	}
	end = replica_staged(l->replica);
	link->stats.entries_useful += end - before;
	pair_shown(pair_of(s, link, l), end, NULL, now);
	count = leaves_count(bytes_of_pb(m->leaves));
	link->stats.entries_again += count > end - before ? count - (end - before) : 0;
	if (end > before) {
		link->stats.progress_at = l->advanced = now;
		link->useful += bytes;
	}
	switch (outcome) {
	case REPLICA_STAGED:
	case REPLICA_ENDED:
		pull_progress(l, now);
		pair_of(s, link, l)->agreed = replica_staged(l->replica);
		pair_of(s, link, l)->differs = false;
		l->span.bytes += m->leaves.len;
		if (batch) {
			uint8_t root[HASH_LEN];
			bool good;

			memcpy(root, batch->root, HASH_LEN);
			bulk_note(s, l, batch->first, bytes);
			good = batch_commit(s, l, batch, m, bytes, now);
			if (outcome == REPLICA_STAGED && l->upstream)
				pull_compare(s, l, end, root, now);
			if (!good) {
				snprintf(text, sizeof text,
				    "a content that came along with entries of %s is not theirs",
				    replica_name(l->replica));
				s->io.fault(s->io.ctx, link->handle, ERR_COMMITMENT, text);
			} else if (l->brings && link->unpacks && l->upstream == link) {
				/* The operator has asked for packed contents since. */
				pull_subscribe(s, l, link, now);
			}
		}
		if (outcome == REPLICA_ENDED) {
			l->stopped = replica_ended(
			    l->replica); /* unless it could not even be committed */
			pull_drop(s, l, true);
			s->io.note(s->io.ctx, link->handle,
			    "a log has ended at an entry over 2,048 bytes");
		}
		break;
	case REPLICA_DUPLICATE:
		credit_give(s, link, stream, bytes);
		fork_note(s, link, l, bytes_of_pb(m->checkpoint), now);
		break;
	case REPLICA_AHEAD:
		/* Nothing was gained: the clock of a stall goes on. */
		progress = l->progress;
		pull_subscribe(s, l, link, now);
		l->progress = progress;
		break;
	case REPLICA_FORKED:
		l->stopped = l->forked = true;
		pull_drop(s, l, true);
		s->io.forked(s->io.ctx, link->handle, l->no, bytes_of_pb(m->checkpoint));
		fork_data(s, link, l, m, now);
		break;
	}
}

void sync_committed(struct sync *s, uint32_t no, int result, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);
	struct due due;

	if (!l || l->due_count == 0)
		return;
	due = l->due[0];
	memmove(l->due, l->due + 1, --l->due_count * sizeof *l->due);
	if (result == OK && !l->failed) {
		replica_committed(l->replica);
		if (due.wanted) { /* only now does the store's list hold them */
			log_lacks(s, l);
			l->retry_at = 0;
			l->retry_shift = 0;
		}
		if (due.link && due.link == l->upstream && due.stream == l->stream)
			credit_give(s, due.link, due.stream, due.bytes);
		frontier_grown(s, l, now);
		stand_committed(s, l, now);
		wants_pump_log(s, l, now);
		wants_pump(s, false, now);
		return;
	}
	commit_failed(s, l, due.link, now);
	stand_committed(s, l, now);
}
