/* SPDX-License-Identifier: BSD-2-Clause */
/* Cutting a log back to what stands of it (SPEC.md 11.9). What goes is kept in a bundle (9.7),
 * DATA/cut/DIGEST-SIZE.bundle, without authority: `convenectl bundle look` reads it.
 *
 * Crash points: (1) before the bundle has its name: nothing has happened, and it is cut again.
 * (2) before the store's transaction: the same, the bundle is written again. (3) after it: the log
 * is shorter and the views begin anew; lib/sync goes on from there. Contents that arrive for what
 * was cut find no entry.
 *
 * The bundle is written by the loop, since only it may prove ranges: some 100,000 entries a second,
 * once for each successor. */
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
#include "daemon/relay/forks.h"
#include "sync/bundle.h"

/* ---- the bundle ---- */

struct source {
	struct relay *relay;
	struct relay_log *log;
	FILE *file;
	struct buffer leaves;
	struct tree_hash proof[TREE_PROOF_MAX];
	Convene__Data data;
};

static int source_data(
    void *ctx, size_t part, uint64_t first, size_t count, const Convene__Data **out)
{
	struct source *s = ctx;
	struct relay *r = s->relay;
	size_t got = 0, hashes = 0;
	int err;

	(void)part;
	buffer_reset(&s->leaves);
	err = r->reader->ops->read(
	    r->reader, s->log->no, first, count, SYNC_DATA_BYTES, &s->leaves, &got);
	if (!err)
		err = replica_prove(s->log->replica, first, first + got, s->proof, &hashes);
	if (err)
		return err;
	convene__data__init(&s->data);
	s->data.first = first;
	s->data.leaves = pb_of(buffer_bytes(&s->leaves));
	s->data.checkpoint = pb_of(replica_note(s->log->replica));
	s->data.proof = pb_of(bytes_of(s->proof, hashes * HASH_LEN));
	*out = &s->data;
	return s->leaves.failed ? ERR_NOMEM : OK;
}

static int source_content(
    void *ctx, size_t part, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	struct source *s = ctx;
	struct buffer entry = BUFFER_INIT;
	uint8_t id[ID_LEN];
	struct bytes leaf;
	int err = log_entry(s->relay, s->log->no, index, &entry, &leaf);

	(void)part;
	if (!err) {
		message_id(id, leaf, &s->log->credential.binding);
		err = s->relay->reader->ops->content_get(
		    s->relay->reader, s->log->no, index, id, salt, out);
	}
	buffer_free(&entry);
	return err;
}

static int source_write(void *ctx, struct bytes bytes)
{
	struct source *s = ctx;

	return fwrite(bytes.data, 1, bytes.len, s->file) == bytes.len ? OK : ERR_IO;
}

static int folder_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    err = fd >= 0 && fsync(fd) == 0 ? OK : ERR_IO;

	if (fd >= 0)
		close(fd);
	return err;
}

static int entries_write(struct source *s, uint64_t from, struct bundle_counts *counts)
{
	const struct relay_log *l = s->log;
	const struct bundle_source source = {s, source_data, source_content, source_write};
	struct bundle_part part = {.binding = &l->credential.binding,
	    .key = &l->credential.log,
	    .credential = buffer_bytes(&l->credential.message),
	    .from = from,
	    .size = replica_held(l->replica)};

	memcpy(part.root, replica_held_root(l->replica), HASH_LEN);
	return bundle_write(
	    &source, s->relay->charter->forum, "convened " PACKAGE_VERSION, &part, 1, true, counts);
}

/* Everything from `from` on, under its name and on the disk. */
static int bundle_keep(struct relay *r, struct relay_log *l, uint64_t from)
{
	struct source s = {.relay = r, .log = l};
	struct bundle_counts counts;
	char folder[3600], path[4000], part[4096], hex[2 * DIGEST_LEN + 1];
	int fd, err = OK;

	hex_encode(hex, l->credential.binding.digest, DIGEST_LEN);
	snprintf(folder, sizeof folder, "%.3500s/cut", r->conf->node.data);
	snprintf(path, sizeof path, "%s/%s-%llu.bundle", folder, hex, (unsigned long long)from);
	snprintf(part, sizeof part, "%s.part", path);
	if (mkdir(folder, 0700) == 0)
		err = folder_sync(r->conf->node.data);
	else if (errno != EEXIST)
		err = ERR_IO;
	fd = err ? -1 : open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	s.file = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (!s.file) {
		log_error("%s: %s", part, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	err = entries_write(&s, from, &counts);
	if (!err && (fflush(s.file) != 0 || fsync(fd) != 0))
		err = ERR_IO;
	if (fclose(s.file) != 0 && !err)
		err = ERR_IO;
	if (!err && rename(part, path) != 0)
		err = ERR_IO;
	if (!err)
		err = folder_sync(folder);
	buffer_free(&s.leaves);
	if (err)
		log_error("%s: what is cut from log %s can't be kept: %s", path,
		    l->credential.binding.log_name, error_text(err));
	else
		log_warning("log %s is cut back from %llu entries to %llu; what goes is kept in %s",
		    l->credential.binding.log_name, (unsigned long long)replica_held(l->replica),
		    (unsigned long long)from, path);
	return err;
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
	} else {
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

static void cut_now(struct relay *r, struct relay_log *l)
{
	struct cut_job *c = calloc(1, sizeof *c);
	struct bytes note = replica_note(l->replica);

	if (c)
		buffer_add(&c->note, note.data, note.len);
	if (!c || c->note.failed)
		abort(); /* sync counts on an answer */
	c->log = l;
	c->views = l->folded > l->cut_to;
	c->failed = replica_cut_plan(l->replica, l->cut_to, &c->plan);
	if (!c->failed)
		c->failed = bundle_keep(r, l, l->cut_to);
	c->job.run = cut_run;
	c->job.done = cut_done;
	storage_submit(r, &c->job);
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
