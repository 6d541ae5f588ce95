/* SPDX-License-Identifier: BSD-2-Clause */
/* A bundle's index, made piece by piece. Damage is told by what stands around it: what was lost
 * lies between the last entry, or content, before it and the first behind it. So a flaw stays open
 * until the next good piece. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/replica.h"
#include "sync/bundle_index.h"

#define NONE SIZE_MAX
#define CONTENT_MAX 2097152 /* no charter allows more (SPEC.md 3.1) */

static bool grow(void **list, size_t count, size_t *cap, size_t size)
{
	size_t more = *cap ? 2 * *cap : 8;
	void *grown;

	if (count < *cap)
		return true;
	grown = more <= SIZE_MAX / size ? realloc(*list, more * size) : NULL;
	if (!grown)
		return false;
	*list = grown;
	*cap = more;
	return true;
}

static int flaw_add(struct bundle_index *x, const struct bundle_flaw *flaw)
{
	if (x->flaw_count == BUNDLE_FLAWS_MAX) {
		x->flaws_more++;
		return OK;
	}
	if (!grow((void **)&x->flaws, x->flaw_count, &x->flaw_cap, sizeof *x->flaws))
		return ERR_NOMEM;
	x->flaws[x->flaw_count++] = *flaw;
	return OK;
}

static int frame_bad(struct bundle_index *x, const struct bundle_piece *p, int err)
{
	struct bundle_flaw flaw = {.offset = p->offset, .length = p->length, .err = err};

	return flaw_add(x, &flaw);
}

/* Whether entries of the last DATA in [first, end) commit to contents; none do where the bundle was
 * written without. */
static bool contents_expected(const struct bundle_index *x, uint64_t first, uint64_t end)
{
	const struct bundle_range *r = x->log != NONE && x->range != NONE
					   ? &x->logs[x->log].ranges[x->range]
					   : NULL;
	struct bytes leaf;
	struct header h;
	size_t pos = 0;
	bool found = false;

	if (!r || !x->has_contents)
		return false;
	for (uint64_t i = r->first;
	     !found && i < end && leaves_next(buffer_bytes(&x->leaves), &pos, &leaf) == OK; i++)
		found = i >= first && message_parse(leaf, &h) == OK && h.has_commitment;
	return found;
}

/* What is known now of the flaws that are open: the entries up to `entry` are lost, or if none are,
 * the contents up to `content`. */
static void flaws_close(struct bundle_index *x, uint64_t entry, uint64_t content)
{
	for (; x->open < x->flaw_count; x->open++) {
		struct bundle_flaw *f = &x->flaws[x->open];

		if (f->lost != BUNDLE_LOST_UNKNOWN || x->log == NONE)
			continue;
		if (entry > x->after)
			*f = (struct bundle_flaw){f->offset, f->length, f->err, BUNDLE_LOST_ENTRIES,
			    x->log, x->after, entry};
		else if (content > x->content_after &&
			 contents_expected(x, x->content_after, content))
			*f = (struct bundle_flaw){f->offset, f->length, f->err,
			    BUNDLE_LOST_CONTENTS, x->log, x->content_after, content};
		else if (f->first < f->end)
			f->lost = BUNDLE_LOST_CONTENTS;
	}
}

/* The part of a log is over. */
static void part_end(struct bundle_index *x)
{
	if (x->after == UINT64_MAX)
		x->after = x->content_after = 0; /* nothing of it came */
	flaws_close(x, x->log == NONE ? 0 : x->logs[x->log].claimed, x->after);
}

/* ---- logs ---- */

static uint64_t claim_of(const struct bundle_index *x, const uint8_t digest[static DIGEST_LEN])
{
	for (size_t i = 0; i < x->claim_count; i++) {
		if (memcmp(x->claims[i].digest, digest, DIGEST_LEN) == 0)
			return x->claims[i].size;
	}
	return 0;
}

static int log_add(
    struct bundle_index *x, struct bytes name, struct bytes credential, size_t *place)
{
	struct bundle_log l = {.claimed = 0}, *known;
	int err = x->io.credential(x->io.ctx, name, credential, &l.key, &l.binding);

	if (err)
		return err;
	known = bundle_index_find(x, l.binding.digest, DIGEST_LEN);
	if (known) {
		*place = (size_t)(known - x->logs);
		return OK;
	}
	buffer_add(&l.credential, credential.data, credential.len);
	if (l.credential.failed ||
	    !grow((void **)&x->logs, x->log_count, &x->log_cap, sizeof *x->logs)) {
		buffer_free(&l.credential);
		return ERR_NOMEM;
	}
	l.claimed = claim_of(x, l.binding.digest);
	*place = x->log_count;
	x->logs[x->log_count++] = l;
	return OK;
}

int bundle_index_know(struct bundle_index *x, struct bytes name, struct bytes credential)
{
	size_t place;

	return log_add(x, name, credential, &place);
}

/* A part begins: of this log, with what comes next. */
static void part_begin(struct bundle_index *x, size_t log, uint64_t first)
{
	part_end(x);
	x->log = log;
	x->range = NONE;
	x->after = x->content_after = first;
}

/* ---- pieces ---- */

static int hello_take(struct bundle_index *x, const Convene__Hello *m)
{
	bool first = !x->greeted;

	x->greeted = true;
	/* Without it each log's credential says the same. */
	if (first && m->forum.len == HASH_LEN && memcmp(m->forum.data, x->forum, HASH_LEN) != 0)
		return ERR_OTHER_FORUM;
	return OK;
}

static int frontier_take(
    struct bundle_index *x, const struct bundle_piece *p, const Convene__Frontier *m)
{
	for (size_t i = 0; i < m->n_heads; i++) {
		const Convene__Head *h = m->heads[i];
		struct bundle_log *l;
		struct bundle_claim *c;

		if (h->log.len != DIGEST_LEN || h->root.len != HASH_LEN || h->size == 0 ||
		    h->size > INT64_MAX)
			return frame_bad(x, p, ERR_MALFORMED);
		if (!grow((void **)&x->claims, x->claim_count, &x->claim_cap, sizeof *x->claims))
			return ERR_NOMEM;
		c = &x->claims[x->claim_count++];
		memcpy(c->digest, h->log.data, DIGEST_LEN);
		memcpy(c->root, h->root.data, HASH_LEN);
		c->size = h->size;
		l = bundle_index_find(x, c->digest, DIGEST_LEN);
		if (l)
			l->claimed = c->size;
	}
	return OK;
}

static int log_take(struct bundle_index *x, const struct bundle_piece *p, const Convene__Log *m)
{
	size_t place;
	int err = log_add(x, bytes_of_pb(m->name), bytes_of_pb(m->credential), &place);

	if (err == ERR_NOMEM)
		return err;
	if (err)
		return frame_bad(x, p, err);
	part_begin(x, place, 0);
	x->after = x->content_after = UINT64_MAX; /* its first DATA tells */
	return OK;
}

/* A DATA of a log whose LOG is lost: when it holds entry 0, that is the credential, and the name is
 * the checkpoint's first line. */
static int log_from_data(struct bundle_index *x, const Convene__Data *m, size_t *place)
{
	struct bytes note = bytes_of_pb(m->checkpoint), leaf;
	const uint8_t *end = note.len > 0 ? memchr(note.data, '\n', note.len) : NULL;
	size_t pos = 0;
	int err;

	if (m->first != 0 || !end || leaves_next(bytes_of_pb(m->leaves), &pos, &leaf) != OK)
		return ERR_NOTFOUND;
	err = log_add(x, bytes_of(note.data, (size_t)(end - note.data)), leaf, place);
	if (!err && memcmp(x->logs[*place].binding.digest, m->log.data, DIGEST_LEN) != 0)
		err = ERR_OTHER_FORUM;
	return err;
}

static int range_add(struct bundle_index *x, struct bundle_log *l, const struct bundle_range *r)
{
	size_t at = l->range_count;

	while (at > 0 && l->ranges[at - 1].first > r->first)
		at--;
	/* What lies inside another is there already. */
	if (at > 0 && l->ranges[at - 1].first + l->ranges[at - 1].count >= r->first + r->count) {
		x->range = l->ranges[at - 1].first == r->first ? at - 1 : NONE;
		return OK;
	}
	if (!grow((void **)&l->ranges, l->range_count, &l->range_cap, sizeof *l->ranges))
		return ERR_NOMEM;
	memmove(l->ranges + at + 1, l->ranges + at, (l->range_count - at) * sizeof *r);
	l->ranges[at] = *r;
	l->range_count++;
	x->range = at;
	return OK;
}

static int data_take(struct bundle_index *x, const struct bundle_piece *p, const Convene__Data *m)
{
	struct bundle_log *l = bundle_index_find(x, m->log.data, m->log.len);
	struct bundle_range r = {
	    .offset = p->offset, .length = (uint32_t)p->length, .first = m->first};
	size_t place, count = 0;
	int err = OK;

	if (!l && m->log.len == DIGEST_LEN) {
		err = log_from_data(x, m, &place);
		l = err ? NULL : &x->logs[place];
	}
	if (err == ERR_NOMEM)
		return err;
	if (!l)
		return frame_bad(x, p, ERR_NOTFOUND);
	err = replica_check_data(&l->key, m->first, bytes_of_pb(m->leaves),
	    bytes_of_pb(m->checkpoint), bytes_of_pb(m->proof), &count, r.root);
	if (err == ERR_NOMEM)
		return err;
	if (err)
		return frame_bad(x, p, err);
	r.count = (uint32_t)count;
	place = (size_t)(l - x->logs);
	if (place != x->log)
		part_begin(x, place, m->first);
	if (x->after == UINT64_MAX) {
		/* A flaw between LOG and its first DATA: where that part began is not known. */
		x->after = x->content_after = x->open < x->flaw_count ? 0 : m->first;
	}
	flaws_close(x, m->first, x->after);
	err = range_add(x, l, &r);
	x->after = m->first + count;
	x->content_after = m->first;
	buffer_reset(&x->leaves);
	buffer_add(&x->leaves, m->leaves.data, m->leaves.len);
	return err ? err : x->leaves.failed ? ERR_NOMEM : OK;
}

/* The entry in the DATA before, and what it commits to. */
static int entry_find(struct bundle_index *x, uint64_t index, struct header *h)
{
	struct bytes leaf;
	size_t pos = 0;
	int err = OK;

	for (uint64_t i = x->logs[x->log].ranges[x->range].first; !err && i <= index; i++)
		err = leaves_next(buffer_bytes(&x->leaves), &pos, &leaf);
	if (!err)
		err = message_parse(leaf, h);
	return !err && !h->has_commitment ? ERR_COMMITMENT : err;
}

static int content_end(struct bundle_index *x, int err)
{
	struct bundle_log *l = &x->logs[x->log];
	struct bundle_range *r = &l->ranges[x->range];
	/* Its index may be what is damaged: what stands around it tells better. */
	struct bundle_flaw flaw = {x->content_offset, x->content_length, err, BUNDLE_LOST_UNKNOWN,
	    x->log, x->content_index, x->content_index + 1};

	x->in_content = false;
	/* Where bytes are missing in its middle, that is told already. */
	if (err)
		return err == ERR_TRUNCATED && x->open < x->flaw_count ? OK : flaw_add(x, &flaw);
	if (!r->contents)
		r->contents = calloc(r->count, sizeof *r->contents);
	if (!r->contents)
		return ERR_NOMEM;
	x->has_contents = true;
	l->contents += r->contents[x->content_index - r->first] == 0;
	r->contents[x->content_index - r->first] = x->content_offset;
	flaws_close(x, 0, x->content_index);
	x->content_after = x->content_index + 1;
	return OK;
}

static int content_take(
    struct bundle_index *x, const struct bundle_piece *p, const Convene__ContentChunk *m)
{
	struct bundle_log *l = bundle_index_find(x, m->log.data, m->log.len);
	const struct bundle_range *r;
	struct header h;
	int err;

	if (x->in_content && (l != &x->logs[x->log] || m->index != x->content_index ||
				 m->offset != x->content.len)) {
		err = content_end(x, ERR_TRUNCATED);
		if (err)
			return err;
	}
	if (!l || (size_t)(l - x->logs) != x->log || x->range == NONE) {
		/* Its DATA is lost, which is told there. */
		return x->open < x->flaw_count ? OK : frame_bad(x, p, ERR_NOTFOUND);
	}
	r = &l->ranges[x->range];
	if (m->index < r->first || m->index - r->first >= r->count)
		return x->open < x->flaw_count ? OK : frame_bad(x, p, ERR_NOTFOUND);
	if (!x->in_content) {
		if (m->offset > 0)
			return x->open < x->flaw_count ? OK : frame_bad(x, p, ERR_TRUNCATED);
		x->in_content = true;
		x->content_index = m->index;
		x->content_offset = p->offset;
		x->content_length = p->length;
		x->content_total = m->total;
		buffer_reset(&x->content);
		if (m->salt.len == SALT_LEN)
			memcpy(x->salt, m->salt.data, SALT_LEN);
		if (m->salt.len != SALT_LEN || m->total == 0 || m->total > CONTENT_MAX)
			return content_end(x, ERR_MALFORMED);
	} else {
		x->content_length += p->length;
	}
	if (m->total != x->content_total ||
	    m->data.len != (m->total - m->offset < CHUNK_LEN ? m->total - m->offset : CHUNK_LEN))
		return content_end(x, ERR_MALFORMED);
	buffer_add(&x->content, m->data.data, m->data.len);
	if (x->content.failed)
		return ERR_NOMEM;
	if (x->content.len < x->content_total)
		return OK;
	err = entry_find(x, x->content_index, &h);
	if (!err)
		err = content_check(&h, &l->binding, x->salt, buffer_bytes(&x->content));
	return content_end(x, err);
}

static int damage_take(struct bundle_index *x, const struct bundle_piece *p)
{
	return frame_bad(x, p, p->cut ? ERR_TRUNCATED : ERR_MALFORMED);
}

static int compare_claims(const void *a, const void *b)
{
	return memcmp(a, b, DIGEST_LEN);
}

/* The end, and with it whether the frontier was read as it was written. */
static int summary_take(
    struct bundle_index *x, const struct bundle_piece *p, const Convene__Summary *m)
{
	struct buffer b = BUFFER_INIT;
	uint8_t hash[HASH_LEN];

	part_end(x);
	x->log = x->range = NONE;
	if (x->ended)
		return OK;
	x->ended = true;
	if (x->claim_count > 0)
		qsort(x->claims, x->claim_count, sizeof *x->claims, compare_claims);
	buffer_add(&b, "convene/v1/frontier", sizeof "convene/v1/frontier");
	for (size_t i = 0; i < x->claim_count; i++) {
		buffer_add(&b, x->claims[i].digest, DIGEST_LEN);
		buffer_add_u64(&b, x->claims[i].size);
		buffer_add(&b, x->claims[i].root, HASH_LEN);
	}
	hash_of(hash, b.data, b.len);
	buffer_free(&b);
	return bytes_equal(bytes_of_pb(m->hash), bytes_of(hash, HASH_LEN))
		   ? OK
		   : frame_bad(x, p, ERR_PROOF);
}

static int end_take(struct bundle_index *x, const struct bundle_piece *p)
{
	int err = OK;

	/* Cut off between two frames: nothing is damaged, and something is missing. */
	if (!err && !x->ended && x->open == x->flaw_count)
		err = frame_bad(x, p, ERR_TRUNCATED);
	part_end(x);
	x->log = x->range = NONE;
	return err;
}

int bundle_index_take(struct bundle_index *x, const struct bundle_piece *p)
{
	/* A content that another piece follows is not whole. */
	if (x->in_content && p->kind != BUNDLE_DAMAGE &&
	    (p->kind == BUNDLE_END || p->type != FRAME_CONTENT)) {
		int err = content_end(x, ERR_TRUNCATED);

		if (err)
			return err;
	}
	switch (p->kind) {
	case BUNDLE_DAMAGE:
		return damage_take(x, p);
	case BUNDLE_END:
		return end_take(x, p);
	case BUNDLE_FRAME:
		break;
	}
	switch (p->type) {
	case FRAME_HELLO:
		return hello_take(x, (const Convene__Hello *)p->message);
	case FRAME_FRONTIER:
		return frontier_take(x, p, (const Convene__Frontier *)p->message);
	case FRAME_SUMMARY:
		return summary_take(x, p, (const Convene__Summary *)p->message);
	case FRAME_LOG:
		return log_take(x, p, (const Convene__Log *)p->message);
	case FRAME_DATA:
		return data_take(x, p, (const Convene__Data *)p->message);
	case FRAME_CONTENT:
		return content_take(x, p, (const Convene__ContentChunk *)p->message);
	default:
		x->forks++;
		return OK;
	}
}
