/* SPDX-License-Identifier: BSD-2-Clause */
/* What lib/sync asks a node for, and tells it. */
#include "tests/sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void io_send(
    void *ctx, void *link, uint8_t type, uint32_t stream, const ProtobufCMessage *message)
{
	struct end *e = link;
	struct node *n = ctx;
	struct buffer b = BUFFER_INIT;
	int err;

	if (!e->up)
		return;
	if (n->lies && liar_send(n, e, type, stream, message))
		return;
	if (!n->world->quiet_checks && n->lies == 0)
		check_durable(n, type, message);
	if (n->world->trace)
		trace_frame(n->world, e, type, stream, message);
	if (n->world->quiet_checks && type == FRAME_DATA) {
		struct bytes leaf;
		size_t pos = 0;

		while (leaves_next(bytes_of_pb(((const Convene__Data *)message)->leaves), &pos,
			   &leaf) == OK)
			n->world->data_entries++;
	}
	err = message ? frame_add(&b, type, stream, message)
		      : frame_add_raw(&b, type, stream, bytes_of(NULL, 0));
	if (err)
		world_fail(n->world, "n%u: a %s frame can't be made: %s", n->number,
		    frame_name(type), error_text(err));
	else
		end_send(e, buffer_bytes(&b), false);
	buffer_free(&b);
}

static size_t io_backlog(void *ctx, void *link)
{
	(void)ctx;
	return end_backlog(link);
}

static void io_fault(void *ctx, void *link, int err, const char *text)
{
	struct node *n = ctx;
	struct end *e = link;

	world_trace(n->world, "n%u: FAULT of n%u: %s (%s)", n->number, e->other->node->number, text,
	    error_text(err));
	n->faults++;
	if (e->faults == 0) {
		snprintf(e->fault, sizeof e->fault, "%s (%s)", text, error_text(err));
		e->fault_at = n->world->now;
	}
	if (n->lies == 0 && e->other->node->lies == 0)
		world_fail(n->world, "n%u faults n%u, which is honest: %s (%s)", n->number,
		    e->other->node->number, text, error_text(err));
	end_fault(e);
}

static int io_read(void *ctx, uint32_t log, uint64_t first, size_t count, size_t max_bytes,
    struct buffer *out, size_t *got)
{
	struct node *n = ctx;

	return n->store->ops->read(n->store, log, first, count, max_bytes, out, got);
}

void job_append(
    struct job *j, const struct replica_batch *b, const uint64_t *wanted, size_t wanted_count)
{
	buffer_add(&j->leaves, b->leaves.data, b->leaves.len);
	buffer_add(&j->note, b->note.data, b->note.len);
	if (b->right_count > 0)
		buffer_add(&j->right, b->right, b->right_count * HASH_LEN);
	j->blocks = malloc((b->block_count + 1) * sizeof *j->blocks);
	j->wanted = malloc((wanted_count + 1) * sizeof *j->wanted);
	if (!j->blocks || !j->wanted)
		abort();
	memcpy(j->blocks, b->blocks, b->block_count * sizeof *j->blocks);
	if (wanted_count > 0)
		memcpy(j->wanted, wanted, wanted_count * sizeof *wanted);
	j->append = (struct store_append){.log = j->log->no,
	    .expected = b->first,
	    .count = b->count,
	    .size = b->first + b->count,
	    .block_count = b->block_count,
	    .wanted_count = wanted_count};
	memcpy(j->append.root, b->root, HASH_LEN);
}

static struct job *content_job(struct node *n, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct job *j = job_new(JOB_CONTENT, node_log(n, log));

	j->index = index;
	memcpy(j->id, id, ID_LEN);
	memcpy(j->salt, salt, SALT_LEN);
	buffer_add(&j->content, content.data, content.len);
	n->contents_in++;
	return j;
}

static void io_along(void *ctx, uint32_t log, uint64_t index, const uint8_t id[static ID_LEN],
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	struct node *n = ctx;
	struct job *j = content_job(n, log, index, id, salt, content);

	j->next = n->along;
	n->along = j;
}

static void io_commit(void *ctx, uint32_t log, const struct replica_batch *b,
    const uint64_t *wanted, size_t wanted_count)
{
	struct node *n = ctx;
	struct job *j = job_new(JOB_APPEND, node_log(n, log));

	job_append(j, b, wanted, wanted_count);
	j->along = n->along;
	n->along = NULL;
	n->entries_in += b->count;
	disk_submit(n, j);
}

static int reset_row(void *ctx, const struct store_log *row)
{
	struct carried *l = ctx;
	struct tree_hash right[64];

	if (row->right.len > 0)
		memcpy(right, row->right.data, row->right.len);
	return replica_unstage(l->replica, row->checkpoint, right, row->right.len / HASH_LEN);
}

void node_reset(void *ctx, uint32_t log)
{
	struct node *n = ctx;

	if (n->store->ops->log_get(n->store, log, reset_row, node_log(n, log)) != OK)
		world_fail(n->world, "n%u: can't go back to what the store holds", n->number);
}

static int io_wanted(void *ctx, uint32_t log, uint64_t from, uint64_t *out, size_t *count)
{
	struct node *n = ctx;

	return n->store->ops->wanted(n->store, log, from, out, count);
}

static int io_wanted_below(void *ctx, uint32_t log, uint64_t below, uint64_t *out, size_t *count)
{
	struct node *n = ctx;

	return n->store->ops->wanted_below(n->store, log, below, out, count);
}

static uint64_t io_wall(void *ctx)
{
	return SIM_TIME + node_ms(ctx);
}

static int io_content(
    void *ctx, uint32_t log, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	struct node *n = ctx;
	struct buffer b = BUFFER_INIT;
	struct bytes leaf;
	uint8_t id[ID_LEN];
	int err = node_leaf(n, log, index, &b, &leaf);

	if (!err) {
		message_id(id, leaf, &node_log(n, log)->org->credential.binding);
		err = n->store->ops->content_get(n->store, log, index, id, salt, out);
	}
	buffer_free(&b);
	return err;
}

static void io_content_commit(void *ctx, uint32_t log, uint64_t index,
    const uint8_t id[static ID_LEN], const uint8_t salt[static SALT_LEN], struct bytes message,
    struct bytes content)
{
	(void)message;
	disk_submit(ctx, content_job(ctx, log, index, id, salt, content));
}

static struct bytes io_credential(void *ctx, uint32_t log)
{
	return buffer_bytes(&node_log(ctx, log)->org->credential.message);
}

static int io_offer(void *ctx, void *link, struct bytes name, struct bytes entry0)
{
	struct node *n = ctx;
	char log_name[VERIFIER_NAME_MAX + 1];
	struct org *o;

	(void)link;
	if (name.len > VERIFIER_NAME_MAX)
		return ERR_MALFORMED;
	memcpy(log_name, name.data, name.len);
	log_name[name.len] = '\0';
	o = org_of_log(n->world, log_name);
	if (!o || !bytes_equal(entry0, buffer_bytes(&o->credential.message))) {
		struct credential c;
		int err = credential_open(&c, n->world->forum, name, entry0);

		credential_clear(&c);
		return err ? err : ERR_REFUSED;
	}
	if (!members_has(n->members, bytes_str(o->name), o->root.public))
		return ERR_NOT_MEMBER;
	if (!node_log_of(n, o))
		disk_submit(n, job_new(JOB_LOG, carried_new(n, o)));
	return OK;
}

/* A content that is long for a thin line, or a packet lost twice, holds up what is asked for on it,
 * and the answers. */
static bool line_is_late(const struct end *e)
{
	uint64_t until = e->delayed_until > e->other->delayed_until ? e->delayed_until
								    : e->other->delayed_until;

	return e->node->world->now <= until + SYNC_STALL_MS * MS;
}

static void io_note(void *ctx, void *link, const char *text)
{
	struct node *n = ctx;
	struct end *e = link;

	world_trace(n->world, "n%u: of n%u: %s", n->number, e->other->node->number, text);
	n->notes++;
	if (strncmp(text, "stalled", 7) == 0) {
		n->stalls++;
		e->stalls++;
		if (n->world->steady && n->lies == 0 && e->other->node->lies == 0 &&
		    !line_is_late(e))
			world_fail(n->world,
			    "n%u says that n%u has stalled, which is honest, and nothing is broken",
			    n->number, e->other->node->number);
	}
}

static void io_own_ahead(void *ctx, void *link, uint64_t size)
{
	struct node *n = ctx;

	(void)link;
	/* What was given before it was stored comes of the same inbox again. */
	if (!n->org->forked && size > replica_held(n->own->replica) + n->inbox_durable)
		world_fail(n->world, "n%u: %llu entries of its own log are shown, and it has %llu",
		    n->number, (unsigned long long)size,
		    (unsigned long long)replica_held(n->own->replica));
}

static void io_forked(void *ctx, void *link, uint32_t log, struct bytes note)
{
	struct node *n = ctx;
	struct carried *l = node_log(n, log);

	(void)link;
	(void)note;
	world_trace(n->world, "n%u: %s has two histories", n->number, l->org->name);
	l->forked = true;
	if (!l->org->forked)
		world_fail(n->world, "n%u takes the log of %s, which is honest, for forked",
		    n->number, l->org->name);
}

static void io_disputed(void *ctx, void *link, uint32_t log, struct bytes proof)
{
	(void)link;
	fork_disputed(ctx, node_log(ctx, log), proof);
}

/* No organisation is two here: it has two histories. */
static int io_rivals(void *ctx, void *link, struct bytes proof)
{
	(void)ctx;
	(void)link;
	(void)proof;
	return ERR_PROOF;
}

static void io_cut(void *ctx, uint32_t log, uint64_t size)
{
	fork_cut(ctx, node_log(ctx, log), size);
}

static void io_stands(void *ctx, uint32_t log)
{
	fork_stands(ctx, node_log(ctx, log));
}

struct sync_io node_io(struct node *n)
{
	struct sync_io io = {
	    .ctx = n,
	    .send = io_send,
	    .backlog = io_backlog,
	    .fault = io_fault,
	    .read = io_read,
	    .commit = io_commit,
	    .along = io_along,
	    .reset = node_reset,
	    .wanted = io_wanted,
	    .wanted_below = io_wanted_below,
	    .wall = io_wall,
	    .content = io_content,
	    .content_commit = io_content_commit,
	    .credential = io_credential,
	    .offer = io_offer,
	    .note = io_note,
	    .own_ahead = io_own_ahead,
	    .forked = io_forked,
	    .disputed = io_disputed,
	    .rivals = io_rivals,
	    .cut = io_cut,
	    .stands = io_stands,
	};

	/* As a node that doesn't know of it: these ask for each content. */
	if (n->number % 4 == 3)
		io.along = NULL;
	return io;
}
