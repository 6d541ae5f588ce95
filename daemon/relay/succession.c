/* SPDX-License-Identifier: BSD-2-Clause */
/* Successors: what one says stands of the log before it is kept, lib/sync gets that history, and
 * then the successor is taken up like any other log. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/forks.h"

struct standing *standing_of(const struct relay *r, const uint8_t log[static DIGEST_LEN])
{
	struct standing *st = r->standings;

	while (st && memcmp(st->log, log, DIGEST_LEN) != 0)
		st = st->next;
	return st;
}

static struct standing *standing_add(struct relay *r, const uint8_t log[static DIGEST_LEN],
    uint64_t size, const uint8_t root[static HASH_LEN], struct bytes successor,
    struct bytes credential)
{
	struct standing *st = calloc(1, sizeof *st);

	if (st)
		buffer_add(&st->credential, credential.data, credential.len);
	if (!st || st->credential.failed || successor.len > VERIFIER_NAME_MAX) {
		free(st);
		return NULL;
	}
	st->relay = r;
	memcpy(st->log, log, DIGEST_LEN);
	st->size = size;
	memcpy(st->root, root, HASH_LEN);
	memcpy(st->successor, successor.data, successor.len);
	st->next = r->standings;
	r->standings = st;
	return st;
}

void successions_free(struct relay *r)
{
	while (r->standings) {
		struct standing *next = r->standings->next;

		buffer_free(&r->standings->credential);
		free(r->standings);
		r->standings = next;
	}
}

/* The two logs know each other from here on, and the first ends. */
static void join(struct relay_log *previous, struct relay_log *next, const struct standing *st)
{
	next->previous = previous;
	previous->end = st->size;
}

static int load_one(void *ctx, const struct store_standing *row)
{
	struct standing *st = standing_add(
	    ctx, row->log, row->size, row->root, row->successor, row->credential);

	if (!st)
		return ERR_NOMEM;
	st->durable = true;
	return OK;
}

int successions_load(struct relay *r)
{
	int err = r->reader->ops->standing_each(r->reader, load_one, r);

	for (struct standing *st = r->standings; st && !err; st = st->next) {
		struct relay_log *previous = log_by_digest(r, st->log, DIGEST_LEN);

		/* One that says something else in its entry 0 is kept, and not folded. */
		for (struct relay_log *l = r->logs; l && previous; l = l->next) {
			if (strcmp(l->credential.binding.log_name, st->successor) == 0 &&
			    l->credential.node.previous_size == st->size)
				join(previous, l, st);
		}
	}
	return err;
}

/* ---- a successor is offered ---- */

struct standing_job {
	struct store_job job;
	struct standing *st;
};

static int standing_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	const struct standing *st = ((struct standing_job *)job)->st;
	struct store_standing row = {.size = st->size,
	    .successor = bytes_str(st->successor),
	    .credential = buffer_bytes(&st->credential)};
	int err;

	(void)forum;
	memcpy(row.log, st->log, DIGEST_LEN);
	memcpy(row.root, st->root, HASH_LEN);
	err = writer->ops->standing_put(writer, &row);
	return err == ERR_EXISTS ? OK : err;
}

static void standing_drop(struct relay *r, struct standing *st)
{
	struct standing **at = &r->standings;

	while (*at != st)
		at = &(*at)->next;
	*at = st->next;
	buffer_free(&st->credential);
	free(st);
}

static void standing_done(struct store_job *job)
{
	struct standing *st = ((struct standing_job *)job)->st;
	struct relay *r = job->relay;
	struct relay_log *l = log_by_digest(r, st->log, DIGEST_LEN);
	int err = job->result;

	free(job);
	if (err) {
		log_error("log %s: what its successor says could not be stored: %s",
		    l->credential.binding.log_name, error_text(err));
		standing_drop(r, st); /* it is offered again */
		return;
	}
	st->durable = true;
	log_info("log %s ends: its successor %s says that its first %llu entries stand",
	    l->credential.binding.log_name, st->successor, (unsigned long long)st->size);
	err = sync_stand(r->sync, l->no, st->size, st->root, clock_mono_ms());
	if (err)
		log_error("log %s: what its successor says stands can't be used: %s",
		    l->credential.binding.log_name, error_text(err));
	succession_follow(r);
	tick_soon(r);
}

/* The log that a successor names, if it is here and may be followed by it. */
static struct relay_log *previous_find(const struct relay *r, const struct credential *c)
{
	struct relay_log *l = r->logs;

	while (l && !bytes_equal(c->node.previous_log, bytes_str(l->credential.binding.log_name)))
		l = l->next;
	return l && credential_follows(c, &l->credential) == OK ? l : NULL;
}

int succession_offer(struct relay *r, const struct relay_log *fresh)
{
	const struct credential *c = &fresh->credential;
	struct relay_log *previous = previous_find(r, c);
	struct standing_job *job;
	struct standing *st;

	if (!previous || c->node.previous_size == 0)
		return ERR_REFUSED;
	if (previous->own) {
		/* Nobody would take what is sealed from here on. */
		seal_halt(r, "our root key has signed a successor of our own log, and the "
			     "credential here is that of the old one");
		return ERR_REFUSED;
	}
	st = standing_of(r, previous->credential.binding.digest);
	if (st)
		return strcmp(st->successor, c->binding.log_name) == 0 ? OK : ERR_REFUSED;
	job = calloc(1, sizeof *job);
	st = job ? standing_add(r, previous->credential.binding.digest, c->node.previous_size,
		       c->node.previous_root, bytes_str(c->binding.log_name),
		       buffer_bytes(&c->message))
		 : NULL;
	if (!st) {
		free(job);
		return ERR_NOMEM;
	}
	job->st = st;
	job->job.run = standing_run;
	job->job.done = standing_done;
	storage_submit(r, &job->job);
	return OK;
}

/* ---- it is taken up ---- */

struct adopt_job {
	struct store_job job;
	struct standing *st;
	struct relay_log *log;
	uint32_t previous; /* in force again, as far as it stands */
};

static int adopt_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct adopt_job *a = (struct adopt_job *)job;
	const struct binding *b = &a->log->credential.binding;
	int err = writer->ops->log_add(writer, bytes_str(b->log_name), b->digest, &a->log->no);

	(void)forum;
	if (err == ERR_EXISTS)
		err = OK;
	return err ? err : writer->ops->log_set_state(writer, a->previous, LOG_LIVE);
}

static void adopt_done(struct store_job *job)
{
	struct adopt_job *a = (struct adopt_job *)job;
	struct relay *r = job->relay;
	struct relay_log *l = a->log, *previous = log_by_digest(r, a->st->log, DIGEST_LEN);

	a->st->adding = false;
	if (job->result == OK && previous &&
	    !log_by_digest(r, l->credential.binding.digest, DIGEST_LEN) &&
	    sync_add_log(
		r->sync, l->no, l->replica, &l->credential.binding, false, clock_mono_ms()) == OK) {
		join(previous, l, a->st);
		if (previous->state == LOG_DISPUTED)
			log_info(
			    "log %s is disputed no longer", previous->credential.binding.log_name);
		previous->state = LOG_LIVE;
		r->items_changes++;
		log_info("log %s follows %s", l->credential.binding.log_name,
		    previous->credential.binding.log_name);
		log_link(r, l);
		forks_log_added(r, l);
		views_follow(r);
		tick_soon(r);
	} else {
		log_free(l);
	}
	free(a);
}

static void adopt(struct relay *r, struct standing *st, struct relay_log *previous)
{
	struct adopt_job *a = calloc(1, sizeof *a);

	if (!a)
		return;
	if (log_new(r, 0, bytes_str(st->successor), buffer_bytes(&st->credential), &a->log) != OK) {
		free(a); /* no memory: it was checked when it was offered */
		return;
	}
	a->st = st;
	a->previous = previous->no;
	a->job.run = adopt_run;
	a->job.done = adopt_done;
	st->adding = true;
	storage_submit(r, &a->job);
}

/* Our own successor is there from the start on (succession_own()); its predecessor may still have
 * had to be cut back. */
static void stands_again(struct relay *r, const struct standing *st, struct relay_log *previous)
{
	if (previous->state == LOG_LIVE)
		return;
	previous->state = LOG_LIVE;
	r->items_changes++;
	log_info("log %s is disputed no longer: its first %llu entries stand",
	    previous->credential.binding.log_name, (unsigned long long)st->size);
	views_follow(r);
}

void succession_follow(struct relay *r)
{
	r->stands = false;
	for (struct standing *st = r->standings; st; st = st->next) {
		struct relay_log *previous = log_by_digest(r, st->log, DIGEST_LEN), *l = r->logs;

		while (l && strcmp(l->credential.binding.log_name, st->successor) != 0)
			l = l->next;
		if (!st->stands || !previous || previous->cutting || st->adding || r->stopping)
			continue;
		if (l)
			stands_again(r, st, previous);
		else
			adopt(r, st, previous);
	}
}

/* Called from within lib/sync: tick_soon(), which follows each call of it, goes on. */
void succession_stands(struct relay *r, uint32_t no)
{
	const struct relay_log *l = log_by_no(r, no);
	struct standing *st = l ? standing_of(r, l->credential.binding.digest) : NULL;

	if (st)
		st->stands = r->stands = true;
}

/* ---- our own ---- */

int succession_own(struct relay *r)
{
	const struct credential *c = &r->own->credential;
	struct store *w = r->writer.store;
	uint8_t root[HASH_LEN];
	struct relay_log *previous;
	struct standing *st;
	int err;

	if (c->number == 1 || r->own->previous)
		return OK;
	previous = previous_find(r, c);
	if (!previous || replica_held(previous->replica) < c->node.previous_size) {
		log_warning("our log follows %.*s, of which the store here does not hold the %llu "
			    "entries that stand",
		    (int)c->node.previous_log.len, (const char *)c->node.previous_log.data,
		    (unsigned long long)c->node.previous_size);
		return ERR_NOTFOUND;
	}
	err = replica_root_at(previous->replica, c->node.previous_size, root);
	if (!err && memcmp(root, c->node.previous_root, HASH_LEN) != 0) {
		log_error("our log follows another history of %s than the one held here",
		    previous->credential.binding.log_name);
		err = ERR_FORK;
	}
	if (err)
		return err;
	st = standing_of(r, previous->credential.binding.digest);
	if (st && strcmp(st->successor, c->binding.log_name) != 0) {
		log_error("log %s has another successor, %s; our credential names a second one",
		    previous->credential.binding.log_name, st->successor);
		return ERR_FORK;
	}
	if (!st) {
		struct standing_job job;

		st = standing_add(r, previous->credential.binding.digest, c->node.previous_size,
		    c->node.previous_root, bytes_str(c->binding.log_name),
		    buffer_bytes(&c->message));
		if (!st)
			return ERR_NOMEM;
		job.st = st;
		err = w->ops->begin(w);
		if (!err) {
			err = standing_run(&job.job, w, NULL);
			if (err)
				w->ops->rollback(w);
			else
				err = w->ops->commit(w);
		}
		if (err)
			return err;
		st->durable = true;
	}
	join(previous, r->own, st);
	return sync_stand(r->sync, previous->no, st->size, st->root, clock_mono_ms());
}
