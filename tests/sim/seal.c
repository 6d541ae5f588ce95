/* SPDX-License-Identifier: BSD-2-Clause */
/* A node's own log: what it posts, and how that is sealed. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define SEAL_MAX 256

static int seal_row(void *ctx, const struct store_inbox *row)
{
	struct job *j = ctx;

	leaves_add(&j->leaves, row->message);
	j->append.count++;
	return OK;
}

struct signed_contents {
	struct sync_content list[SEAL_MAX];
	struct buffer bytes[SEAL_MAX];
	size_t count;
	uint64_t next;
};

static int signed_row(void *ctx, const struct store_inbox *row)
{
	struct signed_contents *c = ctx;
	uint64_t index = c->next++;

	if (row->content.len > 0) {
		buffer_add(&c->bytes[c->count], row->content.data, row->content.len);
		c->list[c->count].index = index;
		memcpy(c->list[c->count].salt, row->salt, SALT_LEN);
		c->list[c->count].content = buffer_bytes(&c->bytes[c->count]);
		c->count++;
	}
	return OK;
}

/* To those who wait for it before the disk has it. */
static void seal_signed(struct node *n, struct bytes leaves, size_t count)
{
	struct signed_contents c = {.next = replica_held(n->own->replica)};

	n->store->ops->inbox_each(n->store, 0, count, signed_row, &c);
	sync_own_signed(n->sync, n->own->no, leaves, count, c.list, c.count);
	for (size_t i = 0; i < c.count; i++)
		buffer_free(&c.bytes[i]);
}

static void on_seal(struct world *w, void *what, uint64_t life)
{
	struct node *n = what;

	(void)w;
	if (!n->up || n->life != life)
		return;
	n->seal_armed = false;
	node_seal(n);
}

void node_seal(struct node *n)
{
	struct job *j;
	struct checkpoint c = {.size = 0};
	struct buffer leaves, note = BUFFER_INIT;
	struct replica_batch *batch;
	int err;

	if (n->sealing || n->inbox_durable == 0 || fork_ended(n))
		return;
	if (n->world->now < n->seal_at) {
		if (!n->seal_armed)
			event_at(n->world, n->seal_at, on_seal, n, n->life);
		n->seal_armed = true;
		return;
	}
	j = job_new(JOB_SEAL, n->own);
	n->store->ops->inbox_each(
	    n->store, 0, n->inbox_durable < SEAL_MAX ? n->inbox_durable : SEAL_MAX, seal_row, j);
	leaves = j->leaves;
	j->leaves = (struct buffer)BUFFER_INIT;
	strcpy(c.origin, n->org->credential.binding.log_name);
	err = replica_propose(n->own->replica, buffer_bytes(&leaves), &c.size, c.root);
	if (!err)
		err = checkpoint_sign(&note, &c, &n->org->log_key);
	if (!err)
		err = replica_stage_own(
		    n->own->replica, buffer_bytes(&leaves), buffer_bytes(&note), &batch);
	if (err) {
		world_fail(n->world, "n%u can't seal: %s", n->number, error_text(err));
	} else {
		job_append(j, batch, NULL, 0);
		j->append.from_inbox = true;
		n->sealing = true;
		if (n->number % 2 == 0)
			seal_signed(n, buffer_bytes(&leaves), j->append.count);
		disk_submit(n, j);
		j = NULL;
	}
	free(j);
	buffer_free(&leaves);
	buffer_free(&note);
}

void node_post(struct node *n, uint32_t kind, struct bytes body, struct bytes content)
{
	struct job *j;
	struct org *o = n->org;

	if (!n->up)
		return;
	j = job_new(JOB_INBOX, n->own);
	org_message(o, kind, body, content, j->salt, &j->message);
	message_id(j->id, buffer_bytes(&j->message), &o->credential.binding);
	buffer_add(&j->content, content.data, content.len);
	if (o->post_count == o->post_cap) {
		o->post_cap = o->post_cap ? 2 * o->post_cap : 16;
		o->posts = realloc(o->posts, o->post_cap * sizeof *o->posts);
		if (!o->posts)
			abort();
	}
	j->post = o->post_count++;
	o->posts[j->post] = (struct post){.index = 0};
	memcpy(o->posts[j->post].id, j->id, ID_LEN);
	world_trace(
	    n->world, "n%u: posts %zu, content of %zu bytes", n->number, j->post, content.len);
	disk_submit(n, j);
}

/* Where the posts of a batch came to stand. */
void node_sealed(struct node *n, const struct job *j)
{
	struct bytes leaf;
	size_t pos = 0;
	uint8_t id[ID_LEN];

	for (uint64_t i = j->append.expected;
	     leaves_next(buffer_bytes(&j->leaves), &pos, &leaf) == OK; i++) {
		message_id(id, leaf, &n->org->credential.binding);
		for (size_t k = n->org->post_count; k-- > 0;) {
			if (memcmp(n->org->posts[k].id, id, ID_LEN) == 0) {
				n->org->posts[k].index = i;
				break;
			}
		}
	}
}
