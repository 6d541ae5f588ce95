/* SPDX-License-Identifier: BSD-2-Clause */
/* Driving the views: entries that are durable are verified by the workers, then folded by the store
 * thread. This path may lag behind the log path as far as it likes; each log has one batch under
 * way. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/forks.h"

/* A batch of entries, first with a worker, then with the store thread. */
struct fold {
	struct job verify;
	struct store_job store;
	struct relay *relay;
	uint32_t log;
	struct binding binding;
	uint64_t first;
	size_t count;
	struct buffer leaves;
	struct forum_entry *entries;
	bool known[VERIFY_BATCH]; /* verified already (inbox_known) */
	struct forum_result result;
	struct member *members; /* when they grew */
	size_t member_count;
};

#define fold_of_store(j) ((struct fold *)((char *)(j)-offsetof(struct fold, store)))

static void fold_free(struct fold *f)
{
	buffer_free(&f->leaves);
	free(f->entries);
	free(f->members);
	free(f);
}

int members_copy(struct forum *forum, struct member **out, size_t *count)
{
	const struct members *m = forum_members(forum);

	*count = members_count(m);
	*out = malloc((*count + 1) * sizeof **out);
	if (!*out)
		return ERR_NOMEM;
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = *members_at(m, i);
	return OK;
}

void views_members(struct relay *r, struct member *list, size_t count)
{
	free(r->members);
	r->members = list;
	r->member_count = count;
}

/* On a worker. */
static void verify_work(struct job *job)
{
	struct fold *f = (struct fold *)job;
	struct bytes leaf;
	size_t pos = 0;

	for (size_t i = 0; i < f->count && leaves_next(buffer_bytes(&f->leaves), &pos, &leaf) == OK;
	     i++) {
		struct forum_entry *e = &f->entries[i];

		e->message = leaf;
		e->parsed = message_parse(leaf, &e->header);
		if (f->known[i])
			continue;
		e->signature = e->parsed == OK ? message_verify(leaf, &f->binding, e->header.signer)
					       : ERR_SIGNATURE;
		message_id(e->id, leaf, &f->binding);
	}
}

static int fold_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct fold *f = fold_of_store(job);
	int err = forum_fold(forum, f->log, f->first, f->entries, f->count, &f->result);

	(void)writer;
	if (f->result.erased)
		atomic_store(&job->relay->writer.erased, true);
	if (!err && f->result.members_grew)
		err = members_copy(forum, &f->members, &f->member_count);
	/* A rebuild has moved the position under our feet, or that of the log which a successor
	 * follows: nothing is wrong, nothing was done. */
	if (err == ERR_NOTFOUND && f->first == 0)
		err = ERR_STALE;
	return err == ERR_STALE ? err : forum_spoilt(job, err);
}

static void own_node_changed(struct relay *r, const struct fold *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct forum_entry *e = &f->entries[i];
		struct credential newer;

		if (e->parsed != OK || e->header.kind != KIND_NODE || e->signature != OK)
			continue;
		if (credential_open_newer(&newer, r->charter->forum, bytes_str(f->binding.log_name),
			e->message) == OK &&
		    newer.node.serial > r->node->node.serial) {
			r->registrar_replaced = memcmp(newer.node.registrar_key,
						    signer_registrar_key(r->signer), KEY_LEN) != 0;
			r->tls_replaced = !credential_has_pin(&newer, r->tls_pin);
			/* What HELLO shows must name the key that we speak with. */
			if (r->tls_replaced) {
				log_warning(
				    "our NODE entry with serial %llu names another TLS key; "
				    "convened has to be started anew",
				    (unsigned long long)newer.node.serial);
				credential_clear(&newer);
				continue;
			}
			credential_clear(r->node);
			*r->node = newer;
			log_info("our NODE entry with serial %llu is in force",
			    (unsigned long long)newer.node.serial);
		} else {
			credential_clear(&newer);
		}
	}
}

static void fold_done(struct store_job *job)
{
	struct fold *f = fold_of_store(job);
	struct relay *r = job->relay;
	struct relay_log *l = log_by_no(r, f->log);
	bool grew = false, job_ok = job->result == OK || job->result == ERR_STALE;

	l->folding = false;
	if (job->result == OK) {
		l->folded = f->result.folded;
		l->invalid += f->result.invalid;
		if (f->result.arrivals > r->arrivals)
			r->arrivals = f->result.arrivals;
		if (f->result.invalid > 0)
			log_warning(
			    "log %s: %llu entries in [%llu, %llu) are not valid: kept, not shown",
			    f->binding.log_name, (unsigned long long)f->result.invalid,
			    (unsigned long long)f->first,
			    (unsigned long long)(f->first + f->count));
		if (f->result.node_changed && l == r->own)
			own_node_changed(r, f);
		if (f->result.node_changed)
			cosign_learn(r, l);
		cosign_soon(r, l);
		if (f->members) {
			grew = true;
			views_members(r, f->members, f->member_count);
			f->members = NULL;
			log_info("the forum has %zu members now", r->member_count);
			cosign_members(r);
		}
	} else if (job->result != ERR_STALE) {
		log_error("log %s: folding [%llu, %llu): %s", f->binding.log_name,
		    (unsigned long long)f->first, (unsigned long long)(f->first + f->count),
		    error_text(job->result));
	}
	fold_free(f);
	if (l == r->own)
		inbox_forget(r);
	if (grew)
		sync_members_grew(r->sync, clock_mono_ms());
	cut_follow(r, l);
	clients_notify(r);
	if (job_ok)
		views_follow(r); /* after an error the housekeeping timer tries again */
}

static void verify_done(struct job *job)
{
	struct fold *f = (struct fold *)job;

	f->store.run = fold_run;
	f->store.done = fold_done;
	storage_submit(f->relay, &f->store);
}

/* How far a log may be folded now: a successor's not before all that it inherits from. */
static uint64_t fold_end(const struct relay_log *l)
{
	uint64_t held = replica_held(l->replica);
	const struct relay_log *p = l->previous;

	if (l->cutting || (l->folded == 0 && l->credential.number > 1 &&
			      (!p || p->cutting || p->folded != l->credential.node.previous_size)))
		return l->folded;
	return held < l->end ? held : l->end;
}

static void fold_start(struct relay *r, struct relay_log *l)
{
	struct fold *f = calloc(1, sizeof *f);
	uint64_t held = fold_end(l);
	size_t count = held - l->folded < VERIFY_BATCH ? (size_t)(held - l->folded) : VERIFY_BATCH;

	if (!f)
		return;
	f->entries = calloc(count, sizeof *f->entries);
	if (!f->entries ||
	    r->reader->ops->read(
		r->reader, l->no, l->folded, count, SIZE_MAX, &f->leaves, &f->count) != OK ||
	    f->leaves.failed || f->count == 0) {
		log_error("log %s: entries from %llu on can't be read for the views",
		    l->credential.binding.log_name, (unsigned long long)l->folded);
		fold_free(f);
		return;
	}
	if (f->count > count)
		f->count = count;
	f->relay = r;
	f->log = l->no;
	f->binding = l->credential.binding;
	f->first = l->folded;
	if (l == r->own)
		inbox_known(r, f->first, buffer_bytes(&f->leaves), f->entries, f->known, f->count);
	f->verify.work = verify_work;
	f->verify.done = verify_done;
	l->folding = true;
	pool_submit(r->workers, &f->verify);
}

/* Who is a member, once all is folded anew: an admission may have been cut. */
struct members_job {
	struct store_job job;
	struct member *list;
	size_t count;
};

static int members_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct members_job *m = (struct members_job *)job;

	(void)writer;
	return members_copy(forum, &m->list, &m->count);
}

static void members_done(struct store_job *job)
{
	struct members_job *m = (struct members_job *)job;
	struct relay *r = job->relay;

	if (job->result == OK && !r->rebuilding) {
		if (m->count < r->member_count)
			log_warning("the forum has %zu members now, and had %zu: what admitted the "
				    "others does not stand",
			    m->count, r->member_count);
		views_members(r, m->list, m->count);
		m->list = NULL;
	}
	free(m->list);
	free(m);
}

static void members_look(struct relay *r)
{
	struct members_job *m = calloc(1, sizeof *m);

	if (!m)
		return;
	m->job.run = members_run;
	m->job.done = members_done;
	storage_submit(r, &m->job);
}

void views_follow(struct relay *r)
{
	bool behind = false;

	if (r->stopping)
		return;
	for (struct relay_log *l = r->logs; l; l = l->next) {
		if (!l->folding && l->folded < fold_end(l))
			fold_start(r, l);
		behind |= l->folded < replica_held(l->replica);
	}
	if (r->rebuilding && !behind) {
		r->rebuilding = false;
		log_info("the views are rebuilt");
		members_look(r);
	}
}

/* ---- contents ---- */

struct content_job {
	struct store_job job;
	uint32_t log;
	uint64_t index;
	uint8_t id[ID_LEN], salt[SALT_LEN];
	struct buffer message, content;
};

static int content_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct content_job *c = (struct content_job *)job;
	int err = writer->ops->content_put(
	    writer, c->log, c->index, c->id, c->salt, buffer_bytes(&c->content));

	/* Erased here: it isn't wanted any more, whatever the entry's first reading said. */
	if (err == ERR_REFUSED &&
	    writer->ops->content_drop(writer, c->log, c->index, c->id, false) != OK)
		err = ERR_STORE;
	if (err)
		return err;
	return forum_spoilt(job, forum_content(forum, c->log, c->index, buffer_bytes(&c->message),
				     c->id, buffer_bytes(&c->content)));
}

static void content_done(struct store_job *job)
{
	struct content_job *c = (struct content_job *)job;
	struct relay *r = job->relay;
	int result = job->result == ERR_EXISTS ? OK : job->result;

	if (result == ERR_NOSPACE)
		r->read_only = true;
	sync_content_committed(r->sync, c->log, c->index, result, clock_mono_ms());
	cosign_soon(r, log_by_no(r, c->log));
	buffer_free(&c->message);
	buffer_free(&c->content);
	free(c);
	clients_notify(r);
}

void views_content(struct relay *r, uint32_t no, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes message, struct bytes content)
{
	struct content_job *c = calloc(1, sizeof *c);

	if (c) {
		buffer_add(&c->message, message.data, message.len);
		buffer_add(&c->content, content.data, content.len);
	}
	if (!c || c->message.failed || c->content.failed)
		abort(); /* sync counts on an answer */
	c->log = no;
	c->index = index;
	memcpy(c->id, id, ID_LEN);
	memcpy(c->salt, salt, SALT_LEN);
	c->job.run = content_run;
	c->job.done = content_done;
	storage_submit(r, &c->job);
}

/* ---- rebuilding ---- */

static int rebuild_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	(void)writer;
	return forum_spoilt(job, forum_reset(forum));
}

void views_begin_anew(struct relay *r)
{
	r->rebuilding = true;
	for (struct relay_log *l = r->logs; l; l = l->next)
		l->folded = 0;
	r->recall = replica_held(r->own->replica);
	log_info("the views begin anew");
}

static void rebuild_done(struct store_job *job)
{
	struct relay *r = job->relay;

	if (job->result == OK) {
		views_begin_anew(r);
	} else {
		r->rebuilding = false;
		log_error("the views could not be rebuilt: %s", error_text(job->result));
	}
	free(job);
	views_follow(r);
}

int views_rebuild(struct relay *r, uint64_t *entries)
{
	struct store_job *job;

	*entries = 0;
	for (struct relay_log *l = r->logs; l; l = l->next)
		*entries += replica_held(l->replica);
	if (r->rebuilding)
		return ERR_BUSY;
	job = calloc(1, sizeof *job);
	if (!job)
		return ERR_NOMEM;
	r->rebuilding = true;
	job->run = rebuild_run;
	job->done = rebuild_done;
	storage_submit(r, job);
	return OK;
}
