/* SPDX-License-Identifier: BSD-2-Clause */
/* One log, from the checkpoint that is published to the store's newest. */
#include "client/publish_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/output.h"
#include "log/checkpoint.h"
#include "log/tile.h"

#define READ_MAX (1 << 20)

int job_bad_store(const struct job *j, int err)
{
	trouble_set(j->t, err, "what this node holds of %s does not prove itself: %s", j->h->name,
	    error_text(err));
	trouble_hint(j->t, "`convenectl status` says whether the log is broken or disputed.");
	return err;
}

const char *job_path(const struct job *j, char out[static LOG_PATH_MAX], const char *rest)
{
	snprintf(out, LOG_PATH_MAX, "%s/%s", j->h->name, rest);
	return out;
}

int job_put(struct job *j, const char *rest, struct bytes content, bool durable)
{
	char path[LOG_PATH_MAX];

	return publication_put(j->p->to, job_path(j, path, rest), content, durable, j->t);
}

/* ---- from the store ---- */

/* Entries [first, first + count) into the bundle, and their hashes beside it. */
int job_bundle(struct job *j, uint64_t first, size_t count)
{
	const struct store_backend *ops = j->p->store->ops;
	struct bytes leaf;
	size_t pos = 0;

	buffer_reset(&j->bundle);
	for (size_t got, have = 0; have < count; have += got) {
		int err = ops->read(
		    j->p->store, j->h->no, first + have, count - have, READ_MAX, &j->bundle, &got);

		if (err || got == 0)
			return store_trouble(j->p, err ? err : ERR_STORE, j->t);
	}
	for (size_t i = 0; i < count; i++) {
		if (leaves_next(buffer_bytes(&j->bundle), &pos, &leaf) != OK)
			return job_bad_store(j, ERR_STORE);
		leaf_hash(&j->leaves[i], leaf);
	}
	return pos == j->bundle.len ? OK : job_bad_store(j, ERR_STORE);
}

static int give_leaves(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	const struct job *j = ctx;

	(void)first;
	memcpy(out, j->leaves, count * sizeof *out);
	return OK;
}

static int load_leaves(void *ctx, uint64_t first, size_t count, struct tree_hash *out)
{
	int err = job_bundle(ctx, first, count);

	return err ? err : give_leaves(ctx, first, count, out);
}

/* The tree at the size held, which must have the root that was signed. */
static int tree_make(struct job *j, const struct checkpoint *c)
{
	size_t blocks = (size_t)(c->size / TREE_BLOCK), tail = (size_t)(c->size % TREE_BLOCK);
	struct tree_hash *roots = calloc(blocks + 1, sizeof *roots);
	uint8_t root[HASH_LEN];
	int err = OK;

	j->tree = tree_new();
	if (!roots || !j->tree) {
		free(roots);
		return no_memory(j->t);
	}
	if (blocks > 0)
		err = j->p->store->ops->blocks(j->p->store, j->h->no, 0, blocks, roots);
	if (err)
		store_trouble(j->p, err, j->t);
	if (!err && tail > 0)
		err = job_bundle(j, (uint64_t)blocks * TREE_BLOCK, tail);
	if (!err && tree_load(j->tree, roots, blocks, j->leaves, tail) != OK)
		err = no_memory(j->t);
	free(roots);
	if (err)
		return err;
	tree_root(j->tree, root);
	return memcmp(root, c->root, HASH_LEN) == 0 ? OK : job_bad_store(j, ERR_PROOF);
}

static int credential_load(struct job *j)
{
	struct bytes leaf;
	size_t pos = 0;
	int err = job_bundle(j, 0, 1);

	if (err)
		return err;
	leaves_next(buffer_bytes(&j->bundle), &pos, &leaf);
	err = credential_open(&j->credential, j->p->forum, bytes_str(j->h->name), leaf);
	return err ? job_bad_store(j, err) : OK;
}

/* ---- tiles ---- */

static int tile_put(struct job *j, const struct tile *tile, bool entries, struct bytes content)
{
	char name[TILE_PATH_MAX];
	int err;

	tile_path(name, tile, entries);
	err = job_put(j, name, content, false);
	j->counts->tiles += err == OK;
	return err;
}

/* The entry bundle of a tile of level 0, and the contents of its new entries. */
static int entries_put(struct job *j, const struct tile *tile)
{
	uint64_t first = tile->n * TILE_WIDTH;
	int err = tile_put(j, tile, true, buffer_bytes(&j->bundle));
	struct bytes leaf;
	size_t pos = 0;

	for (uint64_t i = first; !err && leaves_next(buffer_bytes(&j->bundle), &pos, &leaf) == OK;
	     i++) {
		if (i < j->from)
			continue;
		err = job_content(j, i, leaf);
		j->counts->entries += err == OK;
	}
	return err;
}

static int tiles_put(struct job *j)
{
	struct tree_hash hashes[TILE_WIDTH];
	struct tile tile = {0, 0, 0};
	int err = OK;

	while (!err && tile_next(&tile, j->from, tree_size(j->tree))) {
		if (tile.level == 0) {
			err = job_bundle(j, tile.n * TILE_WIDTH, tile.width);
			if (err)
				return err;
		}
		err = tile_hashes(j->tree, &tile, give_leaves, j, hashes);
		/* A last, partial block's hashes were read before: the same ones. */
		if (!err && tile.level == 0 &&
		    memcmp(hashes, j->leaves, tile.width * sizeof hashes[0]) != 0)
			err = ERR_STORE;
		if (err)
			return job_bad_store(j, err);
		err = tile_put(j, &tile, false, bytes_of(hashes, tile.width * sizeof hashes[0]));
		if (!err && tile.level == 0)
			err = entries_put(j, &tile);
	}
	return err;
}

/* ---- the log ---- */

static int anew(const struct job *j, int err, const char *what)
{
	trouble_set(j->t, err, "%.200s/%s %s; it is left as it is", publication_path(j->p->to),
	    j->h->name, what);
	trouble_hint(j->t, "To have it written anew, move %.60s/%.170s away.",
	    publication_path(j->p->to), j->h->name);
	return err;
}

/* What is published must be the beginning of what is held. */
static int published_load(struct job *j, const struct checkpoint *now)
{
	char path[LOG_PATH_MAX];
	int err = publication_get(
	    j->p->to, job_path(j, path, "checkpoint"), NOTE_MAX, &j->old, j->t);
	struct checkpoint old;

	if (err == ERR_NOTFOUND)
		return OK;
	if (err)
		return err;
	err = checkpoint_open(buffer_bytes(&j->old), &j->credential.log, &old);
	if (err)
		return anew(j, err, "has a checkpoint that this log's key has not signed");
	if (old.size > now->size)
		return anew(j, ERR_FORK, "is longer than the log that this node holds");
	j->from = old.size;
	if (old.size == now->size && memcmp(old.root, now->root, HASH_LEN) != 0)
		return anew(j, ERR_FORK, "is not the history that this node holds");
	return OK;
}

static int extends(struct job *j)
{
	struct checkpoint old;
	uint8_t root[HASH_LEN];
	int err;

	if (j->from == 0 || checkpoint_open(buffer_bytes(&j->old), &j->credential.log, &old) != OK)
		return OK;
	j->t->err = OK;
	err = tree_root_at(j->tree, j->from, load_leaves, j, root);
	if (err)
		return j->t->err == err ? err : job_bad_store(j, err);
	return memcmp(root, old.root, HASH_LEN) == 0
		   ? OK
		   : anew(j, ERR_FORK, "is not the history that this node holds");
}

static int grow(struct job *j, const struct checkpoint *now)
{
	int err = tree_make(j, now);

	if (!err)
		err = extends(j);
	if (!err && j->from == 0)
		err = job_put(j, "credential", buffer_bytes(&j->credential.message), false);
	return err ? err : tiles_put(j);
}

static int job_run(struct job *j, struct known *known)
{
	struct bytes note = buffer_bytes(&j->h->checkpoint);
	struct checkpoint now;
	bool newer, contents;
	int err = credential_load(j);

	if (!err && (err = checkpoint_open(note, &j->credential.log, &now)) != OK)
		err = job_bad_store(j, err);
	if (err)
		return err;
	if (now.size != j->h->size)
		return ERR_STALE;
	err = published_load(j, &now);
	if (!err)
		err = job_missing_read(j);
	if (!err)
		err = publication_add(j->p->to, &j->credential.log, j->t);
	if (!err)
		err = job_missing_retry(j);
	if (!err && j->from < now.size)
		err = grow(j, &now);
	if (err)
		return err;
	newer = !bytes_equal(note, buffer_bytes(&j->old));
	contents = j->missing.count != j->before.count ||
		   (j->missing.count > 0 && memcmp(j->missing.list, j->before.list,
						j->missing.count * sizeof *j->missing.list) != 0);
	if (contents)
		err = job_missing_write(j);
	if (!err && (newer || contents))
		err = publication_sync(j->p->to, j->t);
	if (!err && newer)
		err = job_put(j, "checkpoint", note, true);
	if (!err && (!known->tidy || j->from / TILE_WIDTH < now.size / TILE_WIDTH))
		err = publication_tidy(j->p->to, j->h->name, j->t);
	known->tidy |= !err;
	known->missing = j->missing.count;
	return err;
}

int publish_log(struct publisher *p, const struct held *h, struct known *known,
    struct publish_counts *counts, struct trouble *t)
{
	uint8_t note[HASH_LEN];
	struct job *j;
	int err;

	hash_of(note, h->checkpoint.data, h->checkpoint.len);
	if (known->done && known->missing == 0 && memcmp(note, known->note, HASH_LEN) == 0)
		return OK;
	j = calloc(1, sizeof *j);
	if (!j)
		return no_memory(t);
	j->p = p;
	j->h = h;
	j->counts = counts;
	j->t = t;
	err = job_run(j, known);
	known->done = err == OK;
	memcpy(known->note, note, HASH_LEN);
	credential_clear(&j->credential);
	tree_free(j->tree);
	buffer_free(&j->old);
	buffer_free(&j->bundle);
	buffer_free(&j->content);
	buffer_free(&j->text);
	free(j->before.list);
	free(j->missing.list);
	free(j);
	return err;
}
