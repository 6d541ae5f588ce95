/* SPDX-License-Identifier: BSD-2-Clause */
#include "sync/sync.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sync/state.h"

struct sync *sync_new(const struct sync_io *io)
{
	struct sync *s = calloc(1, sizeof *s);

	if (s) {
		s->io = *io;
		s->want_news = 1;
	}
	return s;
}

static void link_free(struct sync_link *link)
{
	free(link->pairs);
	free(link->served);
	free(link->owed);
	free(link->asked);
	free(link->names);
	without_clear(&link->without);
	packer_free(link->packer);
	unpacker_free(link->unpacker);
	free(link);
}

void sync_free(struct sync *s)
{
	if (!s)
		return;
	while (s->links) {
		struct sync_link *next = s->links->next;

		link_free(s->links);
		s->links = next;
	}
	for (size_t i = 0; i < s->log_count; i++) {
		wants_clear(&s->logs[i]);
		cosign_clear(&s->logs[i]);
		free(s->logs[i].due);
		buffer_free(&s->logs[i].proof);
	}
	buffer_free(&s->chunk);
	buffer_free(&s->entry);
	without_clear(&s->without);
	free(s->logs);
	free(s->sorted);
	free(s->lacking);
	free(s->heads);
	free(s);
}

/* ---- logs ---- */

/* Stores number logs from 1, and most are added in that order: it stands there, or a little before.
 */
struct log_slot *slot_by_no(struct sync *s, uint32_t no)
{
	size_t at = no < s->log_count ? no : s->log_count;

	for (size_t i = 0; i < s->log_count; i++) {
		at = at > 0 ? at - 1 : s->log_count - 1;
		if (s->logs[at].no == no)
			return &s->logs[at];
	}
	return NULL;
}

/* Where a digest stands among the sorted ones, or should. */
static size_t sorted_place(const struct sync *s, const uint8_t *digest)
{
	size_t lo = 0, hi = s->log_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(s->logs[s->sorted[mid]].binding.digest, digest, DIGEST_LEN) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct log_slot *slot_by_digest(struct sync *s, const uint8_t *digest, size_t len)
{
	size_t i;

	if (len != DIGEST_LEN)
		return NULL;
	i = sorted_place(s, digest);
	if (i == s->log_count ||
	    memcmp(s->logs[s->sorted[i]].binding.digest, digest, DIGEST_LEN) != 0)
		return NULL;
	return &s->logs[s->sorted[i]];
}

static bool pairs_grow(struct sync_link *link, size_t count)
{
	struct pair *grown;

	if (count <= link->pair_cap)
		return true;
	grown = realloc(link->pairs, (count + 15) * sizeof *grown);
	if (!grown)
		return false;
	memset(grown + link->pair_cap, 0, (count + 15 - link->pair_cap) * sizeof *grown);
	link->pairs = grown;
	link->pair_cap = count + 15;
	return true;
}

/* What this link had shown of a log before we knew it. */
static struct asked asked_take(struct sync_link *link, const uint8_t digest[static DIGEST_LEN])
{
	for (size_t i = 0; i < link->asked_count; i++) {
		if (memcmp(link->asked[i].digest, digest, DIGEST_LEN) == 0) {
			struct asked asked = link->asked[i];

			link->asked[i] = link->asked[--link->asked_count];
			return asked;
		}
	}
	return (struct asked){.size = 0};
}

int sync_add_log(struct sync *s, uint32_t no, struct replica *replica,
    const struct binding *binding, bool own, uint64_t now)
{
	struct bytes organisation;
	struct log_slot *l;
	uint8_t digest[DIGEST_LEN];
	uint64_t number;
	size_t place;

	if (slot_by_digest(s, binding->digest, DIGEST_LEN))
		return ERR_EXISTS;
	if (log_name_parse(bytes_str(binding->log_name), &organisation, digest, &number) != OK ||
	    organisation.len >= sizeof l->origin)
		return ERR_INVALID;
	for (struct sync_link *link = s->links; link; link = link->next) {
		if (!pairs_grow(link, s->log_count + 1))
			return ERR_NOMEM;
	}
	if (s->log_count == s->log_cap) {
		size_t cap = s->log_cap ? 2 * s->log_cap : 16;
		struct log_slot *logs = realloc(s->logs, cap * sizeof *logs);
		uint32_t *sorted, *lacking;

		if (logs)
			s->logs = logs;
		sorted = logs ? realloc(s->sorted, cap * sizeof *sorted) : NULL;
		if (sorted)
			s->sorted = sorted;
		lacking = sorted ? realloc(s->lacking, cap * sizeof *lacking) : NULL;
		if (lacking)
			s->lacking = lacking;
		if (!lacking || !heads_grow(s, cap))
			return ERR_NOMEM;
		s->log_cap = cap;
	}
	place = sorted_place(s, binding->digest);
	memmove(
	    s->sorted + place + 1, s->sorted + place, (s->log_count - place) * sizeof *s->sorted);
	s->sorted[place] = (uint32_t)s->log_count;
	l = &s->logs[s->log_count++];
	*l = (struct log_slot){.no = no,
	    .replica = replica,
	    .binding = *binding,
	    .own = own,
	    .live_from = replica_held(replica),
	    .grown = ++s->grown,
	    .want_cap = WANT_FIRST};
	memcpy(l->origin, organisation.data, organisation.len);
	log_lacks(s, l);
	for (struct sync_link *link = s->links; link; link = link->next) {
		struct asked asked = asked_take(link, binding->digest);

		carry_added(s, link, l);
		if (asked.size > 0)
			frontier_head(s, link, l, asked.size, asked.root, now);
		if (asked.disputed && link->witness)
			fork_ask_from(s, link, l, 1);
	}
	pull_choose(s, l, now);
	return OK;
}

/* ---- links ---- */

struct sync_link *sync_link_up(struct sync *s, void *handle, const char *peer, uint64_t now)
{
	struct sync_link *link = calloc(1, sizeof *link);
	uint64_t ids = 0;

	if (!link)
		return NULL;
	link->served = calloc(SYNC_WANTS_MAX, sizeof *link->served);
	if (!link->served || !pairs_grow(link, s->log_count + 1)) {
		link_free(link);
		return NULL;
	}
	for (struct sync_link *other = s->links; other; other = other->next)
		ids |= UINT64_C(1) << other->id;
	while (link->id < 63 && (ids >> link->id & 1))
		link->id++;
	link->handle = handle;
	link->sync = s;
	strncpy(link->peer, peer, sizeof link->peer - 1);
	link->stats.peer = link->peer;
	link->stats.since = now;
	link->erased_due = true;
	link->want_window = SYNC_WANT_BYTES;
	link->want_few = SYNC_WANT_WINDOW;
	link->next = s->links;
	s->links = link;
	frontier_summary(s, link);
	return link;
}

void sync_link_down(struct sync *s, struct sync_link *link, uint64_t now)
{
	struct sync_link **at = &s->links;

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	wants_link_gone(s, link);
	cosign_link_gone(s, link);
	for (size_t i = 0; i < s->log_count; i++) {
		struct log_slot *l = &s->logs[i];

		for (size_t k = 0; k < l->due_count; k++) {
			if (l->due[k].link == link)
				l->due[k].link = NULL;
		}
		for (size_t k = 0; k < l->want_count; k++)
			l->wants[k]->tried &= ~(UINT64_C(1) << link->id);
		if (l->guide == link)
			stand_guide_gone(l);
		if (l->upstream == link) {
			pull_drop(s, l, false);
			pull_choose(s, l, now);
		}
	}
	link_free(link);
	wants_pump(s, true, now);
}

void sync_link_fixed(struct sync_link *link)
{
	link->fixed = true;
}

void sync_link_compress(struct sync_link *link, bool on)
{
	link->unpacks = on;
}

void sync_link_writable(struct sync *s, struct sync_link *link, uint64_t now)
{
	(void)now;
	fork_flush(s, link);
	push_all(s, link);
	serve_pump(s, link);
}

bool sync_link_compared(const struct sync_link *link)
{
	return link->compared && link->own_stream == 0;
}

/* ---- frames ---- */

/* Of the feature `witness` (SPEC.md 10.2). */
static bool is_for_witnesses(uint8_t type)
{
	return type >= FRAME_CHECKPOINT_GET && type <= FRAME_ERASED;
}

/* What fork.c or stand.c has asked for is its own; what cosignatures may have been with it are
 * asked for again. Everything else brings cosignatures, also of a log that has a successor. */
static void checkpoint_receive(
    struct sync *s, struct sync_link *link, const Convene__Checkpoint *m, uint64_t now)
{
	struct log_slot *l = slot_by_digest(s, m->log.data, m->log.len);

	if (l && (m->from > 0 || stand_asks(l, link))) {
		fork_receive_checkpoint(s, link, m, now);
		cosign_missed(s, link, l);
	} else if (m->proof.len > 0 || m->root.len > 0 || !cosign_receive(s, link, m, now)) {
		fork_receive_checkpoint(s, link, m, now);
	}
}

void sync_receive(struct sync *s, struct sync_link *link, const struct frame *frame, uint64_t now)
{
	const ProtobufCMessageDescriptor *type = frame_descriptor(frame->type);
	ProtobufCMessage *m = NULL;
	int err = OK;

	link->stats.last_received = now;
	if (type)
		err = message_unpack(&m, type, frame->payload);
	if (err) {
		s->io.fault(s->io.ctx, link->handle, err, "a frame's payload does not parse");
		return;
	}
	switch (is_for_witnesses(frame->type) && !link->witness ? 0 : frame->type) {
	case FRAME_SUMMARY:
		frontier_receive_summary(s, link, (const Convene__Summary *)m, now);
		break;
	case FRAME_FRONTIER:
		frontier_receive(s, link, (const Convene__Frontier *)m, now);
		break;
	case FRAME_LOG_GET:
		frontier_receive_log_get(s, link, (const Convene__LogGet *)m);
		break;
	case FRAME_LOG:
		frontier_receive_log(s, link, (const Convene__Log *)m, now);
		break;
	case FRAME_SUBSCRIBE:
		push_receive_subscribe(s, link, frame->stream, (const Convene__Subscribe *)m, now);
		break;
	case FRAME_UNSUBSCRIBE:
		push_receive_unsubscribe(s, link, frame->stream);
		break;
	case FRAME_DATA:
		pull_receive_data(
		    s, link, frame->stream, (const Convene__Data *)m, frame->payload.len, now);
		break;
	case FRAME_CREDIT:
		push_receive_credit(s, link, frame->stream, (const Convene__Credit *)m, now);
		break;
	case FRAME_ANNOUNCE:
		frontier_receive_announce(s, link, (const Convene__Announce *)m, now);
		break;
	case FRAME_WANT:
		serve_receive(s, link, (const Convene__Want *)m);
		break;
	case FRAME_CONTENT:
		contents_receive(s, link, (const Convene__ContentChunk *)m, now);
		break;
	case FRAME_CONTENT_NONE:
		contents_receive_none(s, link, (const Convene__ContentNone *)m, now);
		break;
	case FRAME_ERASED:
		erased_receive(s, link, (const Convene__Erased *)m);
		break;
	case FRAME_CHECKPOINT_GET:
		if (((const Convene__CheckpointGet *)m)->from > 0)
			fork_receive_get(s, link, (const Convene__CheckpointGet *)m);
		else
			cosign_receive_get(s, link, (const Convene__CheckpointGet *)m, now);
		break;
	case FRAME_CHECKPOINT:
		checkpoint_receive(s, link, (const Convene__Checkpoint *)m, now);
		break;
	case FRAME_FORK:
		fork_receive(s, link, frame->payload);
		break;
	default:
		s->io.fault(s->io.ctx, link->handle, ERR_UNKNOWN_KIND,
		    "a frame of this type is not expected between nodes");
	}
	message_free(m);
}

/* ---- other events ---- */

void sync_own_grown(struct sync *s, uint32_t no, uint64_t now)
{
	struct log_slot *l = slot_by_no(s, no);

	if (!l)
		return;
	frontier_grown(s, l, now);
	/* Contents may have been asked for before their entry was sealed here. */
	for (struct sync_link *link = s->links; link; link = link->next)
		serve_pump(s, link);
}

void sync_members_grew(struct sync *s, uint64_t now)
{
	(void)now;
	for (struct sync_link *link = s->links; link; link = link->next)
		frontier_summary(s, link);
}

uint64_t sync_tick(struct sync *s, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (struct sync_link *link = s->links; link; link = link->next) {
		if (link->announce_due && now >= link->announce_at)
			frontier_flush(s, link, now);
		if (link->announce_due && link->announce_at < next)
			next = link->announce_at;
	}
	if (now >= s->tick_at) {
		for (size_t i = 0; i < s->log_count; i++) {
			pull_check(s, &s->logs[i], now);
			if (s->logs[i].lacking)
				wants_check(s, &s->logs[i], now);
		}
		fork_tick(s, now);
		bulk_tick(s);
		for (struct sync_link *link = s->links; link; link = link->next)
			frontier_ask_again(s, link, now);
		for (struct sync_link *link = s->links; link; link = link->next)
			cosign_tick(s, link, now);
		for (struct sync_link *link = s->links; link; link = link->next)
			pace_check(s, link, now);
		for (struct sync_link *link = s->links; link; link = link->next)
			erased_flush(s, link, now);
		wants_pump(s, true, now);
		s->tick_at = now + STATUS_MS;
	}
	if (s->links && s->tick_at < next)
		next = s->tick_at;
	return next;
}

const char *sync_upstream(const struct sync *s, uint32_t no)
{
	for (size_t i = 0; i < s->log_count; i++) {
		if (s->logs[i].no == no)
			return s->logs[i].upstream ? s->logs[i].upstream->peer : NULL;
	}
	return NULL;
}
