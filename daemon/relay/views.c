/* SPDX-License-Identifier: BSD-2-Clause */
/* Around the views: who is a member by them, contents that come for what is folded (fold.c), and
 * beginning them anew. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/forks.h"

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

void members_look(struct relay *r)
{
	struct members_job *m = calloc(1, sizeof *m);

	if (!m)
		return;
	m->job.run = members_run;
	m->job.done = members_done;
	storage_submit(r, &m->job);
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
	for (struct relay_log *l = r->logs; l; l = l->next) {
		l->folded = 0;
		l->fold_again = l->folding > 0;
	}
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
