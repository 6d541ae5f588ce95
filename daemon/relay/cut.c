/* SPDX-License-Identifier: BSD-2-Clause */
/* Cutting a log back to what stands of it (SPEC.md 11.9). What goes is kept in a bundle (9.7),
 * DATA/cut/DIGEST-SIZE.bundle, without authority: `convenectl bundle look` reads it.
 *
 * Crash points: (1) before the bundle has its name: nothing has happened, and it is cut again.
 * (2) before the store's transaction: the same, the bundle is written again. (3) after it: the log
 * is shorter and the views begin anew; lib/sync goes on from there. Contents that arrive for what
 * was cut find no entry.
 *
 * The bundle is written by a thread for that, since a log may be large; all else goes on meanwhile,
 * and of this log nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "daemon/relay/forks.h"
#include "sync/bundle.h"

/* ---- the bundle ---- */

/* On the thread for it, with a reader and a replica of its own: it touches nothing else. */
struct keeping {
	struct job job;
	struct relay *relay;
	struct relay_log *log; /* the loop's */
	char data[3501], store[4096], folder[3600], path[4000], part[4096];
	uint8_t forum[HASH_LEN];
	struct binding binding;
	struct verifier key;
	struct buffer credential;
	uint32_t no;
	uint64_t from, size;
	uint8_t root[HASH_LEN];
	int result, error; /* error: errno */
	/* While it works. */
	struct store *reader;
	struct replica *replica;
	FILE *file;
	struct buffer leaves;
	struct tree_hash proof[TREE_PROOF_MAX];
	Convene__Data message;
};

static int entries_read(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	struct keeping *k = ctx;

	return k->reader->ops->read(k->reader, k->no, first, count, max_bytes, out, got);
}

static int source_data(
    void *ctx, size_t part, uint64_t first, size_t count, const Convene__Data **out)
{
	struct keeping *k = ctx;
	size_t got = 0, hashes = 0;
	int err;

	(void)part;
	/* It comes again with the next start. */
	if (atomic_load(&k->relay->ending))
		return ERR_CLOSED;
	buffer_reset(&k->leaves);
	err = entries_read(k, first, count, SYNC_DATA_BYTES, &k->leaves, &got);
	if (!err)
		err = replica_prove(k->replica, first, first + got, k->proof, &hashes);
	if (err)
		return err;
	convene__data__init(&k->message);
	k->message.first = first;
	k->message.leaves = pb_of(buffer_bytes(&k->leaves));
	k->message.checkpoint = pb_of(replica_note(k->replica));
	k->message.proof = pb_of(bytes_of(k->proof, hashes * HASH_LEN));
	*out = &k->message;
	return k->leaves.failed ? ERR_NOMEM : OK;
}

static int source_content(
    void *ctx, size_t part, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	struct keeping *k = ctx;
	struct buffer entry = BUFFER_INIT;
	uint8_t id[ID_LEN];
	struct bytes leaf;
	size_t got = 0, pos = 0;
	int err = entries_read(k, index, 1, MESSAGE_MAX, &entry, &got);

	(void)part;
	if (!err)
		err = leaves_next(buffer_bytes(&entry), &pos, &leaf);
	if (!err) {
		message_id(id, leaf, &k->binding);
		err = k->reader->ops->content_get(k->reader, k->no, index, id, salt, out);
	}
	buffer_free(&entry);
	return err;
}

static int source_write(void *ctx, struct bytes bytes)
{
	struct keeping *k = ctx;

	if (fwrite(bytes.data, 1, bytes.len, k->file) == bytes.len)
		return OK;
	k->error = errno;
	return ERR_IO;
}

/* The log as the store has it: nothing of it changes until it is cut. */
static int replica_open(void *ctx, const struct store_log *row)
{
	const struct replica_reader reader = {entries_read, ctx};
	struct keeping *k = ctx;
	size_t count = (size_t)(row->size / TREE_BLOCK), rights = row->right.len / HASH_LEN;
	struct tree_hash *blocks = malloc((count + 1) * sizeof *blocks), right[64];
	int err = OK;

	if (rights > 64 || row->size != k->size || memcmp(row->root, k->root, HASH_LEN) != 0)
		err = ERR_STORE;
	k->replica = !err ? replica_new(&k->key, reader) : NULL;
	if (!err && (!blocks || !k->replica))
		err = ERR_NOMEM;
	if (!err && rights > 0)
		memcpy(right, row->right.data, rights * HASH_LEN);
	if (!err && count > 0)
		err = k->reader->ops->blocks(k->reader, k->no, 0, count, blocks);
	if (!err)
		err = replica_load(k->replica, row->size, row->root, blocks, count, row->checkpoint,
		    right, rights);
	free(blocks);
	return err;
}

static int entries_write(struct keeping *k)
{
	const struct bundle_source source = {k, source_data, source_content, source_write};
	struct bundle_counts counts;
	struct bundle_part part = {.binding = &k->binding,
	    .key = &k->key,
	    .credential = buffer_bytes(&k->credential),
	    .from = k->from,
	    .size = k->size};

	memcpy(part.root, k->root, HASH_LEN);
	return bundle_write(
	    &source, k->forum, "convened " PACKAGE_VERSION, &part, 1, true, &counts);
}

static int file_open(struct keeping *k)
{
	int fd = -1;

	errno = 0;
	if (mkdir(k->folder, 0700) == 0 ? folder_sync(k->data) == OK : errno == EEXIST)
		fd = open(k->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	k->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (k->file)
		return OK;
	k->error = errno;
	if (fd >= 0)
		close(fd);
	return ERR_IO;
}

/* On the disk, and under its name. What is only a part of it goes: the disk may be full. */
static int file_close(struct keeping *k, int err)
{
	errno = 0;
	if (!err && (fflush(k->file) != 0 || fsync(fileno(k->file)) != 0))
		err = ERR_IO;
	if (fclose(k->file) != 0 && !err)
		err = ERR_IO;
	if (!err && rename(k->part, k->path) != 0)
		err = ERR_IO;
	if (!err)
		err = folder_sync(k->folder);
	if (err == ERR_IO && k->error == 0)
		k->error = errno;
	if (err)
		unlink(k->part);
	return err;
}

static void keep_work(struct job *job)
{
	struct keeping *k = (struct keeping *)job;
	int err = store_open(&k->reader, &store_sqlite, k->store, STORE_READ_ONLY);

	if (!err)
		err = k->reader->ops->log_get(k->reader, k->no, replica_open, k);
	if (!err) {
		err = file_open(k);
		if (!err)
			err = file_close(k, entries_write(k));
	}
	replica_free(k->replica);
	store_close(k->reader);
	k->result = err;
}

static void keeping_free(struct keeping *k)
{
	buffer_free(&k->credential);
	buffer_free(&k->leaves);
	free(k);
}

static struct keeping *keeping_new(struct relay *r, struct relay_log *l)
{
	struct keeping *k = calloc(1, sizeof *k);
	char hex[2 * DIGEST_LEN + 1];

	if (!k)
		return NULL;
	hex_encode(hex, l->credential.binding.digest, DIGEST_LEN);
	k->relay = r;
	k->log = l;
	k->no = l->no;
	snprintf(k->data, sizeof k->data, "%s", r->conf->node.data);
	snprintf(k->store, sizeof k->store, "%s/convene.db", k->data);
	snprintf(k->folder, sizeof k->folder, "%s/cut", k->data);
	snprintf(k->path, sizeof k->path, "%s/%s-%llu.bundle", k->folder, hex,
	    (unsigned long long)l->cut_to);
	snprintf(k->part, sizeof k->part, "%s.part", k->path);
	memcpy(k->forum, r->charter->forum, HASH_LEN);
	k->binding = l->credential.binding;
	k->key = l->credential.log;
	buffer_add(&k->credential, l->credential.message.data, l->credential.message.len);
	k->from = l->cut_to;
	k->size = replica_held(l->replica);
	memcpy(k->root, replica_held_root(l->replica), HASH_LEN);
	if (!k->credential.failed)
		return k;
	keeping_free(k);
	return NULL;
}

/* ---- the store ---- */

struct cut_job {
	struct store_job job;
	struct relay_log *log;
	struct replica_cut plan;
	struct buffer note;
	bool views; /* they have shown what goes */
	int failed; /* what went wrong before the store was asked */
};

static int cut_run(struct store_job *job, struct store *w, struct forum *forum)
{
	struct cut_job *c = (struct cut_job *)job;
	struct bytes note = c->plan.size > 0 ? buffer_bytes(&c->note) : bytes_of(NULL, 0);
	int err = c->failed;

	if (err)
		return err;
	err = w->ops->truncate(w, c->log->no, c->plan.size, c->plan.root, note);
	if (!err)
		err = w->ops->log_set_checkpoint(
		    w, c->log->no, note, bytes_of(c->plan.right, c->plan.right_count * HASH_LEN));
	if (!err && c->views)
		err = forum_reset(forum);
	/* Log and views change together or not at all. */
	return forum_spoilt(job, err);
}

static void cut_done(struct store_job *job)
{
	struct cut_job *c = (struct cut_job *)job;
	struct relay_log *l = c->log;
	struct relay *r = job->relay;
	int err = job->result;

	l->cutting = l->cut_under_way = false;
	if (!err) {
		held_forget(r);
		err = replica_cut(l->replica, &c->plan);
		if (err) {
			/* The store is ahead of memory: only a fresh start makes this right. */
			log_error("log %s was cut, and memory can't follow (%s); starting anew",
			    l->credential.binding.log_name, error_text(err));
			relay_fail(r);
		}
		erasure_cut(l, c->plan.size);
		if (c->views)
			views_begin_anew(r);
	} else if (!r->stopping) {
		log_error(
		    "log %s could not be cut: %s", l->credential.binding.log_name, error_text(err));
	}
	buffer_free(&c->note);
	free(c);
	sync_cut_done(r->sync, l->no, err, clock_mono_ms());
	succession_follow(r);
	views_follow(r);
	tick_soon(r);
}

/* What goes is kept, or can't be (`failed`): then it stays, and is asked for again. */
static void store_cut(struct relay *r, struct relay_log *l, int failed)
{
	struct cut_job *c = calloc(1, sizeof *c);
	struct bytes note = replica_note(l->replica);

	if (c)
		buffer_add(&c->note, note.data, note.len);
	if (!c || c->note.failed)
		abort(); /* sync counts on an answer */
	c->log = l;
	c->views = l->folded > l->cut_to;
	c->failed = failed ? failed : replica_cut_plan(l->replica, l->cut_to, &c->plan);
	c->job.run = cut_run;
	c->job.done = cut_done;
	storage_submit(r, &c->job);
}

static void keep_done(struct job *job)
{
	struct keeping *k = (struct keeping *)job;
	struct relay *r = k->relay;

	if (!k->result)
		log_warning("log %s is cut back from %llu entries to %llu; what goes is kept in %s",
		    k->binding.log_name, (unsigned long long)k->size, (unsigned long long)k->from,
		    k->path);
	else if (!r->stopping)
		log_error("%s: what is cut from log %s can't be kept: %s", k->path,
		    k->binding.log_name, k->error ? strerror(k->error) : error_text(k->result));
	store_cut(r, k->log, k->result);
	keeping_free(k);
}

static void cut_now(struct relay *r, struct relay_log *l)
{
	struct keeping *k = keeping_new(r, l);

	if (!k) {
		store_cut(r, l, ERR_NOMEM);
		return;
	}
	k->job.work = keep_work;
	k->job.done = keep_done;
	pool_submit(r->keepers, &k->job);
}

/* From within lib/sync, so that its answer comes later in any case. */
void cut_begin(void *ctx, uint32_t no, uint64_t size)
{
	struct relay *r = ctx;
	struct relay_log *l = log_by_no(r, no);

	l->cutting = true;
	l->cut_to = size;
	cut_follow(r, l);
}

/* Entries on their way into the views might reach beyond: the fold that is under way ends first,
 * and none begins. */
void cut_follow(struct relay *r, struct relay_log *l)
{
	/* At the start it is asked for before there is a store thread. */
	if (l->cutting && !l->folding && !l->cut_under_way && r->storage) {
		l->cut_under_way = true;
		cut_now(r, l);
	}
}
