/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold: in the end, and all the time. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define DRIP_LAG 2 /* entries */

static bool honest(const struct node *n)
{
	return n->there && n->up && n->lies == 0;
}

/* ---- islands: honest nodes that honest nodes connect ---- */

static unsigned *islands(struct world *w)
{
	unsigned *at = malloc(w->node_count * sizeof *at);
	bool again = true;

	if (!at)
		abort();
	for (size_t i = 0; i < w->node_count; i++)
		at[i] = (unsigned)i;
	while (again) {
		again = false;
		for (size_t i = 0; i < w->wire_count; i++) {
			const struct wire *x = &w->wires[i];
			unsigned *a = &at[x->end[0].node->number], *b = &at[x->end[1].node->number];

			if (!x->there || !honest(x->end[0].node) || !honest(x->end[1].node) ||
			    *a == *b)
				continue;
			if (*a < *b)
				*b = *a;
			else
				*a = *b;
			again = true;
		}
	}
	return at;
}

static bool is_member(const struct node *n, const struct org *o)
{
	return members_has(n->members, bytes_str(o->name), o->root.public);
}

/* ---- contents ---- */

static int content_state(const struct node *n, const struct carried *l, uint64_t index)
{
	struct buffer b = BUFFER_INIT;
	struct bytes leaf;
	uint8_t id[ID_LEN];
	int err = node_leaf(n, l->no, index, &b, &leaf);

	if (!err) {
		message_id(id, leaf, &l->org->credential.binding);
		err = n->store->ops->content_get(n->store, l->no, index, id, NULL, NULL);
	}
	buffer_free(&b);
	return err;
}

/* Contents that nobody in an island holds, as one look has found: most of its nodes miss them too.
 */
struct nobody {
	const struct org *org;
	uint64_t index;
	unsigned island;
};

struct look {
	unsigned *island; /* of each node */
	struct nobody *nobody;
	size_t nobody_count, nobody_cap;
};

static bool nobody_holds(const struct look *look, const struct nobody *x)
{
	for (size_t i = 0; i < look->nobody_count; i++) {
		const struct nobody *o = &look->nobody[i];

		if (o->org == x->org && o->index == x->index && o->island == x->island)
			return true;
	}
	return false;
}

static void nobody_add(struct look *look, const struct nobody *x)
{
	if (look->nobody_count == look->nobody_cap) {
		look->nobody_cap = look->nobody_cap ? 2 * look->nobody_cap : 64;
		look->nobody = realloc(look->nobody, look->nobody_cap * sizeof *look->nobody);
		if (!look->nobody)
			abort();
	}
	look->nobody[look->nobody_count++] = *x;
}

/* An honest node of n's island that holds the content; NULL: nobody does. */
static const struct node *content_holder(struct world *w, struct look *look, const struct node *n,
    const struct carried *l, uint64_t index)
{
	struct nobody x = {l->org, index, look->island[n->number]};

	if (nobody_holds(look, &x))
		return NULL;
	for (size_t k = 0; k < w->node_count; k++) {
		const struct node *m = &w->nodes[k];
		const struct carried *other;

		if (m == n || !honest(m) || look->island[k] != x.island)
			continue;
		other = node_log_of(m, l->org);
		if (other && !other->forked && replica_held(other->replica) > index &&
		    content_state(m, other, index) == OK)
			return m;
	}
	nobody_add(look, &x);
	return NULL;
}

/* A content that is missing at n and held by an honest node of its island. */
static bool content_owed(struct world *w, struct look *look, const struct node *n,
    const struct carried *l, uint64_t *index, unsigned *holder)
{
	uint64_t missing[256], from = 0;
	size_t count = 256;

	do {
		count = 256;
		n->store->ops->wanted(n->store, l->no, from, missing, &count);
		for (size_t i = 0; i < count; i++) {
			const struct node *m = content_holder(w, look, n, l, missing[i]);

			if (m) {
				*index = missing[i];
				*holder = m->number;
				return true;
			}
			from = missing[i] + 1;
		}
	} while (count == 256);
	return false;
}

/* ---- settled? ---- */

/* Of an origin that gives its own log entry by entry for ever, nobody has all, and one has an entry
 * a little before another: that is as settled as it gets. */
static bool on_its_way(const struct world *w, const struct org *o, uint64_t a, uint64_t b)
{
	return (w->nodes[o->number].lies & LIE_DRIP) && (a > b ? a - b : b - a) <= DRIP_LAG;
}

static bool node_settled(
    struct world *w, struct look *look, const struct node *n, struct buffer *why)
{
	for (size_t k = 0; k < w->node_count; k++) {
		const struct node *m = &w->nodes[k];

		if (m == n || !honest(m) || look->island[k] != look->island[n->number])
			continue;
		for (size_t i = 0; i < m->log_count; i++) {
			const struct carried *theirs = m->logs[i], *ours;
			uint64_t held = replica_held(theirs->replica);

			if (held == 0 || !is_member(m, theirs->org))
				continue;
			ours = node_log_of(n, theirs->org);
			if (theirs->org->forked && ours &&
			    !(theirs->org->stands > 0 &&
				look->island[theirs->org->holder] != look->island[n->number]) &&
			    !fork_settled(n, ours, m, theirs, why))
				return false;
			if (theirs->org->forked && (ours || theirs->org->stands == 0))
				continue;
			if (ours && replica_held(ours->replica) == held &&
			    memcmp(replica_held_root(ours->replica),
				replica_held_root(theirs->replica), HASH_LEN) == 0)
				continue;
			if (ours && on_its_way(w, theirs->org, replica_held(ours->replica), held))
				continue;
			buffer_printf(why, "n%u has %llu of %s, n%u has %llu", n->number,
			    ours ? (unsigned long long)replica_held(ours->replica) : 0,
			    theirs->org->name, m->number, (unsigned long long)held);
			return false;
		}
	}
	for (size_t i = 0; i < n->log_count; i++) {
		const struct carried *l = n->logs[i];
		uint64_t index;
		unsigned holder;

		if ((!l->org->forked || l->org->stands > 0) && is_member(n, l->org) &&
		    content_owed(w, look, n, l, &index, &holder)) {
			buffer_printf(why, "n%u lacks the content of entry %llu of %s, n%u has it",
			    n->number, (unsigned long long)index, l->org->name, holder);
			return false;
		}
	}
	if (n->inbox_durable > 0 || n->queue || n->group || n->sealing) {
		buffer_printf(why, "n%u is at work", n->number);
		return false;
	}
	return true;
}

bool check_settled(struct world *w, struct buffer *why)
{
	struct look look = {.island = islands(w)};
	bool ok = true;

	buffer_reset(why);
	/* Who was not settled is looked at first. */
	for (size_t i = 0; ok && i < w->node_count; i++) {
		size_t at = (w->unsettled + i) % w->node_count;

		if (honest(&w->nodes[at]))
			ok = node_settled(w, &look, &w->nodes[at], why);
		if (!ok)
			w->unsettled = at;
	}
	free(look.island);
	free(look.nobody);
	return ok;
}

/* ---- in the end ---- */

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

/* Every entry is what it was, once; every content fits. */
static void check_log(struct world *w, const struct node *n, const struct carried *l)
{
	uint64_t held = replica_held(l->replica);
	uint8_t(*ids)[ID_LEN] = malloc((size_t)held * ID_LEN + 1), salt[SALT_LEN];
	struct buffer b = BUFFER_INIT, content = BUFFER_INIT;
	const struct binding *binding = &l->org->credential.binding;
	struct bytes leaf;
	struct header h;

	if (!ids)
		abort();
	for (uint64_t i = 0; i < held && !w->failed; i++) {
		buffer_reset(&b);
		buffer_reset(&content);
		if (node_leaf(n, l->no, i, &b, &leaf) != OK || message_parse(leaf, &h) != OK) {
			world_fail(w, "n%u can't read entry %llu of %s", n->number,
			    (unsigned long long)i, l->org->name);
			break;
		}
		message_id(ids[i], leaf, binding);
		if (h.has_commitment &&
		    n->store->ops->content_get(n->store, l->no, i, ids[i], salt, &content) == OK &&
		    content_check(&h, binding, salt, buffer_bytes(&content)) != OK)
			world_fail(w, "n%u holds a wrong content for entry %llu of %s", n->number,
			    (unsigned long long)i, l->org->name);
	}
	if (!w->failed) {
		qsort(ids, (size_t)held, ID_LEN, by_id);
		for (uint64_t i = 1; i < held; i++) {
			if (memcmp(ids[i - 1], ids[i], ID_LEN) == 0)
				world_fail(w, "n%u: an entry stands twice in the log of %s",
				    n->number, l->org->name);
		}
		for (size_t i = 0; l == n->own && i < l->org->post_count; i++) {
			if (l->org->posts[i].accepted &&
			    !bsearch(l->org->posts[i].id, ids, (size_t)held, ID_LEN, by_id))
				world_fail(w, "n%u has lost post %zu, which it had accepted",
				    n->number, i);
		}
	}
	free(ids);
	buffer_free(&b);
	buffer_free(&content);
}

/* An ERASE that a node has read leaves nothing behind. */
static void check_erased(struct world *w, const struct node *n, const struct carried *l)
{
	struct buffer b = BUFFER_INIT;
	struct target_body body;
	struct bytes leaf;
	struct header h;

	for (uint64_t i = 0; i < replica_held(l->replica); i++) {
		buffer_reset(&b);
		if (node_leaf(n, l->no, i, &b, &leaf) != OK || message_parse(leaf, &h) != OK ||
		    h.kind != KIND_ERASE || erase_body_parse(h.body, &body) != OK)
			continue;
		for (size_t k = 0; k < l->org->post_count; k++) {
			const struct post *p = &l->org->posts[k];

			if (memcmp(p->id, body.target.id, ID_LEN) == 0 &&
			    content_state(n, l, p->index) != ERR_REFUSED)
				world_fail(w,
				    "n%u still has the content of entry %llu of %s, "
				    "which was erased",
				    n->number, (unsigned long long)p->index, l->org->name);
		}
	}
	buffer_free(&b);
}

/* Who was given what nobody can take must have said so. */
static void check_attributed(struct world *w)
{
	for (size_t i = 0; i < w->wire_count; i++) {
		for (unsigned k = 0; k < 2; k++) {
			const struct end *e = &w->wires[i].end[k];

			if (e->node->lies == 0 && e->garbage > 0 && e->faults == 0)
				world_fail(w, "n%u was given %u bad frames by n%u and says nothing",
				    e->node->number, e->garbage, e->other->node->number);
		}
	}
}

void check_final(struct world *w)
{
	for (size_t i = 0; i < w->node_count && !w->failed; i++) {
		const struct node *n = &w->nodes[i];

		for (size_t k = 0; honest(n) && k < n->log_count && !w->failed; k++) {
			check_log(w, n, n->logs[k]);
			fork_final(w, n, n->logs[k]);
			if (!n->logs[k]->org->forked)
				check_erased(w, n, n->logs[k]);
		}
	}
	check_attributed(w);
}

/* ---- all the time ---- */

void check_memory(struct node *n)
{
	struct world *w = n->world;

	for (size_t i = 0; i < n->end_count; i++) {
		const struct end *e = n->ends[i];
		struct sync_link_stats st;

		if (!e->up)
			continue;
		sync_link_stats(n->sync, e->link, &st);
		if (st.memory > SYNC_LINK_MEMORY)
			world_fail(w, "n%u keeps %zu bytes for its link to n%u", n->number,
			    st.memory, e->other->node->number);
	}
}

static int size_row(void *ctx, const struct store_log *row)
{
	*(uint64_t *)ctx = row->size;
	return OK;
}

static void durable(struct node *n, ProtobufCBinaryData digest, uint64_t size, const char *what)
{
	for (size_t i = 0; i < n->log_count && digest.len == DIGEST_LEN; i++) {
		const struct carried *l = n->logs[i];
		uint64_t held = 0;

		if (memcmp(l->org->credential.binding.digest, digest.data, DIGEST_LEN) != 0)
			continue;
		n->store->ops->log_get(n->store, l->no, size_row, &held);
		if (size > held)
			world_fail(n->world, "n%u %s %llu of %s, and has %llu on its disk",
			    n->number, what, (unsigned long long)size, l->org->name,
			    (unsigned long long)held);
		if (sync_doubt(n->sync, l->no) != SYNC_SHOWN)
			world_fail(n->world, "n%u %s %s, which is disputed", n->number, what,
			    l->org->name);
	}
}

static void content_durable(struct node *n, ProtobufCBinaryData digest, uint64_t index)
{
	for (size_t i = 0; i < n->log_count; i++) {
		const struct carried *l = n->logs[i];

		/* Our own may be in the inbox still. */
		if (memcmp(l->org->credential.binding.digest, digest.data, DIGEST_LEN) == 0 &&
		    (l != n->own || index < replica_held(l->replica)) &&
		    content_state(n, l, index) != OK)
			world_fail(n->world,
			    "n%u gives the content of entry %llu of %s, which it does not hold",
			    n->number, (unsigned long long)index, l->org->name);
	}
}

void check_durable(struct node *n, uint8_t type, const ProtobufCMessage *message)
{
	if (type == FRAME_ANNOUNCE) {
		const Convene__Announce *m = (const Convene__Announce *)message;

		for (size_t i = 0; i < m->n_heads; i++)
			durable(n, m->heads[i]->log, m->heads[i]->size, "announces");
	} else if (type == FRAME_FRONTIER) {
		const Convene__Frontier *m = (const Convene__Frontier *)message;

		for (size_t i = 0; i < m->n_heads; i++)
			durable(n, m->heads[i]->log, m->heads[i]->size, "shows");
	} else if (type == FRAME_DATA) {
		const Convene__Data *m = (const Convene__Data *)message;

		durable(n, m->log, 0, "gives entries of");
		for (size_t i = 0; i < m->n_contents; i++)
			content_durable(n, m->log, m->contents[i]->index);
	}
}

void check_lag(struct world *w, size_t second)
{
	unsigned *island = islands(w);

	if (!w->sealed)
		w->sealed = calloc((TRAFFIC_SECONDS + 1) * w->node_count, sizeof *w->sealed);
	if (!w->sealed)
		abort();
	for (size_t i = 0; i < w->node_count; i++) {
		const struct node *origin = &w->nodes[i];

		if (!honest(origin) || !is_member(origin, origin->org))
			continue;
		w->sealed[second * w->node_count + i] = replica_held(origin->own->replica);
		for (size_t k = 0; second >= LAG_SECONDS && k < w->node_count; k++) {
			const struct node *n = &w->nodes[k];
			uint64_t due = w->sealed[(second - LAG_SECONDS) * w->node_count + i];
			const struct carried *l;

			if (!honest(n) || island[k] != island[i])
				continue;
			l = node_log_of(n, origin->org);
			if (!l || replica_held(l->replica) < due)
				world_fail(w, "n%zu has %llu of %s, which had sealed %llu %d s ago",
				    k, l ? (unsigned long long)replica_held(l->replica) : 0,
				    origin->org->name, (unsigned long long)due, LAG_SECONDS);
		}
	}
	free(island);
}
