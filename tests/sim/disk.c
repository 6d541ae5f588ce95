/* SPDX-License-Identifier: BSD-2-Clause */
/* A node's store thread: jobs in order, in groups that are one transaction each, as in
 * daemon/relay/store.c. Between the commit and the moment that the node hears of it there is time
 * to crash. */
#include "tests/sim/sim.h"

#include <stdlib.h>

#define GROUP_MAX 64

struct job *job_new(enum job_kind kind, struct carried *log)
{
	struct job *j = calloc(1, sizeof *j);

	if (!j)
		abort();
	j->kind = kind;
	j->log = log;
	return j;
}

void job_free(struct job *j)
{
	if (j->kind == JOB_LOG)
		carried_free(j->log); /* not taken up */
	while (j->along) {
		struct job *next = j->along->next;

		job_free(j->along);
		j->along = next;
	}
	buffer_free(&j->leaves);
	buffer_free(&j->note);
	buffer_free(&j->right);
	buffer_free(&j->message);
	buffer_free(&j->content);
	free(j->blocks);
	free(j->wanted);
	free(j->cut);
	free(j);
}

static void jobs_free(struct job *j)
{
	while (j) {
		struct job *next = j->next;

		job_free(j);
		j = next;
	}
}

/* What was erased may still come, from those who have not heard of it. */
static int content_put(struct node *n, struct job *j)
{
	struct store *s = n->store;
	bool erased = s->ops->content_get(s, j->log->no, j->index, j->id, NULL, NULL) ==
		      ERR_REFUSED;
	int err = s->ops->content_put(
	    s, j->log->no, j->index, j->id, j->salt, buffer_bytes(&j->content));

	if (erased && err == OK)
		world_fail(n->world, "n%u takes the content of entry %llu of %s, which was erased",
		    n->number, (unsigned long long)j->index, j->log->org->name);
	return err;
}

/* With what came along with it. */
static int append_run(struct node *n, struct job *j)
{
	int err = n->store->ops->append(n->store, &j->append);

	for (struct job *c = j->along; c && !err; c = c->next) {
		c->result = content_put(n, c);
		if (c->result != OK && c->result != ERR_REFUSED)
			err = c->result;
	}
	return err;
}

static int job_run(struct node *n, struct job *j)
{
	struct store *s = n->store;
	uint64_t no;
	int err;

	switch (j->kind) {
	case JOB_APPEND:
	case JOB_SEAL:
		j->append.leaves = buffer_bytes(&j->leaves);
		j->append.checkpoint = buffer_bytes(&j->note);
		j->append.right = buffer_bytes(&j->right);
		j->append.blocks = j->blocks;
		j->append.wanted = j->wanted;
		return append_run(n, j);
	case JOB_CONTENT:
		err = content_put(n, j);
		/* Erased here: not wanted any more. */
		if (err == ERR_REFUSED &&
		    s->ops->content_drop(s, j->log->no, j->index, j->id, false) != OK)
			err = ERR_STORE;
		return err == ERR_EXISTS ? OK : err;
	case JOB_LOG:
		err = s->ops->log_add(s, bytes_str(j->log->org->credential.binding.log_name),
		    j->log->org->credential.binding.digest, &j->log->no);
		return err == ERR_EXISTS ? OK : err;
	case JOB_INBOX:
		return s->ops->inbox_add(
		    s, j->id, buffer_bytes(&j->message), j->salt, buffer_bytes(&j->content), &no);
	case JOB_ERASE:
		return s->ops->content_drop(s, j->log->no, j->index, j->id, true);
	case JOB_FACT:
		return s->ops->meta_put(s, j->key, buffer_bytes(&j->content));
	case JOB_CUT:
		return fork_cut_run(n, j);
	}
	return ERR_INVALID;
}

static void group_commit(struct node *n, struct job *group)
{
	int err;

	n->store->ops->begin(n->store);
	if (n->disk_fail > 0) {
		n->disk_fail--;
		store_memory_fail(n->store, rng_chance(&n->rng, 500000) ? ERR_IO : ERR_NOSPACE);
	}
	for (struct job *j = group; j; j = j->next)
		j->result = job_run(n, j);
	err = n->store->ops->commit(n->store);
	for (struct job *j = group; err && j; j = j->next) {
		if (j->result == OK)
			j->result = err;
	}
}

static void disk_start(struct node *n);

struct answer {
	struct node *node;
	unsigned life;
	struct job *jobs;
};

static void on_answer(struct world *w, void *what, uint64_t number)
{
	struct answer *a = what;
	struct node *n = a->node;

	(void)number;
	while (a->jobs) {
		struct job *j = a->jobs;

		if (j->kind == JOB_CONTENT && n->life == a->life && n->up && !w->failed) {
			a->jobs = node_answer_contents(n, j);
			continue;
		}
		a->jobs = j->next;
		/* A node that has died hears nothing; neither does the one that it is now. */
		if (n->life == a->life && n->up && !w->failed)
			node_answer(n, j);
		job_free(j);
	}
	if (n->life == a->life && n->up)
		node_touch(n);
	free(a);
}

static void on_commit(struct world *w, void *what, uint64_t life)
{
	struct node *n = what;
	struct answer *a;

	if (!n->up || n->life != life)
		return;
	a = calloc(1, sizeof *a);
	if (!a)
		abort();
	group_commit(n, n->group);
	*a = (struct answer){n, n->life, n->group};
	n->group = NULL;
	n->disk_busy = false;
	event_at(w, w->now + rng_below(&n->rng, 300), on_answer, a, 0);
	disk_start(n);
}

static void disk_start(struct node *n)
{
	struct job **at = &n->group;
	uint64_t took = n->disk_us / 2 + rng_below(&n->rng, n->disk_us + 1);

	if (n->disk_busy || !n->queue)
		return;
	for (size_t i = 0; n->queue && i < GROUP_MAX; i++) {
		*at = n->queue;
		took += n->queue->content.len / 200 + n->queue->leaves.len / 200;
		for (const struct job *c = n->queue->along; c; c = c->next)
			took += c->content.len / 200;
		n->queue = n->queue->next;
		at = &(*at)->next;
		*at = NULL;
	}
	if (!n->queue)
		n->queue_last = &n->queue;
	n->disk_busy = true;
	event_at(n->world, n->world->now + took * (n->disk_slow ? n->disk_slow : 1), on_commit, n,
	    n->life);
}

void disk_submit(struct node *n, struct job *j)
{
	j->next = NULL;
	*n->queue_last = j;
	n->queue_last = &j->next;
	disk_start(n);
}

/* What was under way is durable, or half done and so gone, or not begun. */
void disk_crash(struct node *n)
{
	uint64_t how = rng_below(&n->rng, 3);

	if (n->group && how == 0) {
		group_commit(n, n->group);
	} else if (n->group && how == 1) {
		n->store->ops->begin(n->store);
		for (struct job *j = n->group; j; j = j->next)
			job_run(n, j);
		store_memory_crash(n->store);
	}
	jobs_free(n->group);
	jobs_free(n->queue);
	jobs_free(n->along);
	n->along = NULL;
	n->group = n->queue = NULL;
	n->queue_last = &n->queue;
	n->disk_busy = false;
}
