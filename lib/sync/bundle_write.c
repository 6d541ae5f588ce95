/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/replica.h"
#include "sync/bundle.h"

#define HEADS_PER_FRAME 512

struct writing {
	const struct bundle_source *source;
	const struct bundle_part *parts;
	size_t count;
	bool contents;
	struct buffer out, content;
	struct bundle_counts *n;
};

static int flush(struct writing *w)
{
	int err = w->out.failed ? ERR_NOMEM : OK;

	if (!err)
		err = w->source->write(w->source->ctx, buffer_bytes(&w->out));
	w->n->bytes += w->out.len;
	buffer_reset(&w->out);
	return err;
}

static int begin(struct writing *w, const uint8_t forum[static HASH_LEN], const char *software)
{
	Convene__Hello m = CONVENE__HELLO__INIT;

	buffer_add_str(&w->out, BUNDLE_LINE);
	m.version_min = PROTOCOL_VERSION_MIN;
	m.version_max = PROTOCOL_VERSION_MAX;
	m.role = CONVENE__ROLE__PEER;
	m.forum = pb_of(bytes_of(forum, HASH_LEN));
	m.software = pb_of(bytes_str(software));
	return frame_add(&w->out, FRAME_HELLO, 0, &m.base);
}

static int heads_add(struct writing *w)
{
	Convene__Head heads[HEADS_PER_FRAME], *list[HEADS_PER_FRAME];
	size_t i = 0;
	int err;

	do {
		Convene__Frontier m = CONVENE__FRONTIER__INIT;

		for (; i < w->count && m.n_heads < HEADS_PER_FRAME; i++, m.n_heads++) {
			Convene__Head *h = &heads[m.n_heads];

			convene__head__init(h);
			h->log = pb_of(bytes_of(w->parts[i].binding->digest, DIGEST_LEN));
			h->size = w->parts[i].size;
			h->root = pb_of(bytes_of(w->parts[i].root, HASH_LEN));
			list[m.n_heads] = h;
		}
		m.heads = list;
		m.last = i == w->count;
		err = frame_add(&w->out, FRAME_FRONTIER, 0, &m.base);
	} while (!err && i < w->count);
	return err;
}

static int compare_digests(const void *a, const void *b)
{
	const struct bundle_part *const *x = a, *const *y = b;

	return memcmp((*x)->binding->digest, (*y)->binding->digest, DIGEST_LEN);
}

/* The end: the hash of the frontier that the bundle began with. */
static int end_add(struct writing *w)
{
	const struct bundle_part **sorted = malloc((w->count + 1) * sizeof *sorted);
	Convene__Summary m = CONVENE__SUMMARY__INIT;
	struct buffer b = BUFFER_INIT;
	uint8_t hash[HASH_LEN];
	int err;

	if (!sorted)
		return ERR_NOMEM;
	for (size_t i = 0; i < w->count; i++)
		sorted[i] = &w->parts[i];
	qsort(sorted, w->count, sizeof *sorted, compare_digests);
	buffer_add(&b, "convene/v1/frontier", sizeof "convene/v1/frontier");
	for (size_t i = 0; i < w->count; i++) {
		buffer_add(&b, sorted[i]->binding->digest, DIGEST_LEN);
		buffer_add_u64(&b, sorted[i]->size);
		buffer_add(&b, sorted[i]->root, HASH_LEN);
	}
	hash_of(hash, b.data, b.len);
	m.hash = pb_of(bytes_of(hash, HASH_LEN));
	m.logs = w->count;
	err = b.failed ? ERR_NOMEM : frame_add(&w->out, FRAME_SUMMARY, 0, &m.base);
	buffer_free(&b);
	free(sorted);
	return err;
}

static int log_add(struct writing *w, const struct bundle_part *p)
{
	Convene__Log m = CONVENE__LOG__INIT;

	m.name = pb_of(bytes_str(p->binding->log_name));
	m.credential = pb_of(p->credential);
	return frame_add(&w->out, FRAME_LOG, 0, &m.base);
}

static int content_add(struct writing *w, const struct bundle_part *p, uint64_t index,
    const uint8_t salt[static SALT_LEN])
{
	struct bytes content = buffer_bytes(&w->content);
	Convene__ContentChunk m;
	int err = OK;

	for (size_t at = 0; !err && chunk_make(&m, p->binding->digest, index, salt, content, at);
	     at += CHUNK_LEN)
		err = frame_add(&w->out, FRAME_CONTENT, 0, &m.base);
	w->n->contents++;
	return err ? err : flush(w);
}

/* The contents of the entries in a DATA. */
static int contents_write(struct writing *w, size_t part, const Convene__Data *d)
{
	const struct bundle_part *p = &w->parts[part];
	uint8_t salt[SALT_LEN];
	struct bytes leaf;
	struct header h;
	size_t pos = 0;
	int err = OK;

	for (uint64_t i = d->first; !err && leaves_next(bytes_of_pb(d->leaves), &pos, &leaf) == OK;
	     i++) {
		if (message_parse(leaf, &h) != OK || !h.has_commitment)
			continue;
		buffer_reset(&w->content);
		err = w->source->content(w->source->ctx, part, i, salt, &w->content);
		if (err == ERR_NOTFOUND || err == ERR_REFUSED) {
			*(err == ERR_REFUSED ? &w->n->erased : &w->n->missing) += 1;
			err = OK;
		} else if (!err &&
			   content_check(&h, p->binding, salt, buffer_bytes(&w->content)) != OK) {
			w->n->bad++;
		} else if (!err) {
			err = content_add(w, p, i, salt);
		}
	}
	return err;
}

static int part_write(struct writing *w, size_t part)
{
	const struct bundle_part *p = &w->parts[part];
	uint8_t root[HASH_LEN];
	uint64_t at = p->from;
	int err = log_add(w, p);

	while (!err && at < p->size) {
		uint64_t end = (at / TREE_BLOCK + 1) * TREE_BLOCK;
		const Convene__Data *d;
		Convene__Data m;
		size_t count;

		if (end > p->size)
			end = p->size;
		err = w->source->data(w->source->ctx, part, at, (size_t)(end - at), &d);
		if (!err)
			err = replica_check_data(p->key, d->first, bytes_of_pb(d->leaves),
			    bytes_of_pb(d->checkpoint), bytes_of_pb(d->proof), &count, root);
		if (!err && (d->first != at || count > end - at))
			err = ERR_RANGE;
		if (err)
			break;
		m = *d;
		m.log = pb_of(bytes_of(p->binding->digest, DIGEST_LEN));
		err = frame_add(&w->out, FRAME_DATA, 0, &m.base);
		if (!err)
			err = flush(w);
		at += count;
		w->n->entries += count;
		if (!err && w->contents)
			err = contents_write(w, part, d);
	}
	if (!err && p->from < p->size && memcmp(root, p->root, HASH_LEN) != 0)
		err = ERR_PROOF;
	return err;
}

int bundle_write(const struct bundle_source *source, const uint8_t forum[static HASH_LEN],
    const char *software, const struct bundle_part *parts, size_t count, bool contents,
    struct bundle_counts *counts)
{
	struct writing w = {source, parts, count, contents, BUFFER_INIT, BUFFER_INIT, counts};
	int err;

	memset(counts, 0, sizeof *counts);
	err = begin(&w, forum, software);
	if (!err)
		err = heads_add(&w);
	for (size_t i = 0; !err && i < count; i++)
		err = part_write(&w, i);
	if (!err)
		err = end_add(&w);
	if (!err)
		err = flush(&w);
	buffer_free(&w.out);
	buffer_free(&w.content);
	return err;
}
