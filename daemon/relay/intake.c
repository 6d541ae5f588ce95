/* SPDX-License-Identifier: BSD-2-Clause */
/* The inbox thread: a pool of one, whose runs of jobs are one record of the journal and one sync.
 * It has nothing else to do, so that nobody who is to be told `accepted` waits for the store.
 *
 * Whoever writes something into the store that counts on a message being accepted waits for its
 * job's end first, as sealing does. */
#include "base/error.h"
#include "daemon/relay/state.h"

#define GROUP_MAX 512

static void work(struct job *job)
{
	struct intake_job *jj = (struct intake_job *)job;

	jj->result = jj->run ? jj->run(jj, jj->relay->intake) : OK;
}

static void group_end(void *ctx, struct job *first)
{
	struct relay *r = ctx;
	int err = intake_sync(r->intake);

	for (struct job *job = first; job && err; job = job->next)
		((struct intake_job *)job)->result = err;
}

static void done(struct job *job)
{
	struct intake_job *jj = (struct intake_job *)job;

	jj->done(jj);
}

int intake_start(struct relay *r)
{
	struct pool_run run = {NULL, group_end, r, GROUP_MAX};

	r->inboxing = pool_new("inbox", 1, &run);
	if (r->inboxing)
		r->inboxing_event = storage_collector(r, r->inboxing);
	return r->inboxing_event ? OK : ERR_NOMEM;
}

void intake_submit(struct relay *r, struct intake_job *job)
{
	job->job.work = work;
	job->job.done = done;
	job->relay = r;
	job->result = OK;
	pool_submit(r->inboxing, &job->job);
}
