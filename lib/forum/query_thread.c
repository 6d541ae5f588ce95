/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole thread: one scan of its messages, and the order of the tree made in memory.
 *
 * Depth is a stranger's choice, so nothing here recurses: children are found by one sort, and the
 * walk keeps a stack. */
#include "forum/query_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define AUTHORS 64
#define WANTED_RUN 256
#define NONE UINT32_MAX

struct node {
	int64_t no, parent, at, signer;
	uint64_t time, arrival;
	uint32_t kind, depth;
	uint32_t up;    /* index of the parent; NONE: has none here */
	uint32_t topic; /* index into struct thread's topics; NONE: missing */
	uint8_t id[ID_LEN];
	uint32_t changes; /* index into struct thread's, plus 1; 0: neither amended nor erased */
};

struct changes {
	struct item_ref amendment, erasure;
};

struct thread {
	struct store *s;
	struct node *nodes;
	uint32_t count, cap;
	uint32_t *order; /* children of one parent lie together, in their order */
	struct buffer topics;
	struct changes *changes;
	uint32_t change_count, change_cap;
	struct {
		int64_t signer;
		struct author author;
	} * authors; /* lately looked up */
};

static void thread_clear(struct thread *t)
{
	free(t->nodes);
	free(t->order);
	free(t->authors);
	free(t->changes);
	buffer_free(&t->topics);
}

/* ---- reading ---- */

static int topic_intern(struct thread *t, const uint8_t id[static ID_LEN], uint32_t *out)
{
	/* Posts of a thread stand in its root's topic; only while that is missing do they differ.
	 */
	size_t n = t->topics.len / ID_LEN;

	if (n == 0 || memcmp(&t->topics.data[(n - 1) * ID_LEN], id, ID_LEN) != 0) {
		buffer_add(&t->topics, id, ID_LEN);
		n++;
	}
	*out = (uint32_t)(n - 1);
	return t->topics.failed ? ERR_NOMEM : OK;
}

static int changes_add(struct thread *t, const struct view *v, struct node *n)
{
	if (view_null(v, 9) && view_null(v, 11))
		return OK;
	if (t->change_count == t->change_cap) {
		uint32_t cap = t->change_cap == 0 ? 16 : t->change_cap * 2;
		struct changes *changes = realloc(t->changes, (size_t)cap * sizeof(*changes));
		if (changes == NULL)
			return ERR_NOMEM;
		t->changes = changes;
		t->change_cap = cap;
	}
	struct changes *c = &t->changes[t->change_count++];
	*c = (struct changes){{0}, {0}};
	ref_read(v, 9, &c->amendment);
	ref_read(v, 11, &c->erasure);
	n->changes = t->change_count;
	return OK;
}

static int node_add(struct thread *t, const struct view *v)
{
	uint8_t topic[ID_LEN];

	if (t->count == t->cap) {
		if (t->cap > NONE / 4)
			return ERR_NOMEM;
		uint32_t cap = t->cap == 0 ? 64 : t->cap * 2;
		struct node *nodes = realloc(t->nodes, (size_t)cap * sizeof(*nodes));
		if (nodes == NULL)
			return ERR_NOMEM;
		t->nodes = nodes;
		t->cap = cap;
	}
	struct node *n = &t->nodes[t->count];
	*n = (struct node){.no = view_int(v, 0),
	    .parent = view_int(v, 1),
	    .at = view_int(v, 2),
	    .kind = (uint32_t)view_int(v, 3),
	    .signer = view_int(v, 4),
	    .time = (uint64_t)view_int(v, 5),
	    .arrival = (uint64_t)view_int(v, 6),
	    .topic = NONE,
	    .up = NONE};
	view_fixed(v, 8, n->id, ID_LEN);
	t->count++;
	if (view_null(v, 7))
		return OK;
	int err = changes_add(t, v, n);
	if (err != OK)
		return err;
	view_fixed(v, 7, topic, ID_LEN);
	return topic_intern(t, topic, &n->topic);
}

static int nodes_read(struct thread *t, enum view_id which, int64_t no)
{
	struct view v;
	int err = view_start(&v, t->s, which, "i", no);

	while (err == OK && (err = view_next(&v)) == 1)
		if ((err = node_add(t, &v)) != OK)
			view_end(&v);
	return err;
}

/* ---- order ---- */

static int by_number(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return x->no < y->no ? -1 : x->no > y->no;
}

static int by_parent(const void *a, const void *b, void *ctx)
{
	const struct node *nodes = ctx, *x = &nodes[*(const uint32_t *)a],
			  *y = &nodes[*(const uint32_t *)b];

	if (x->up != y->up)
		return x->up < y->up ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return memcmp(x->id, y->id, ID_LEN);
}

static uint32_t node_find(const struct thread *t, int64_t no)
{
	struct node key = {.no = no};
	const struct node *n = bsearch(&key, t->nodes, t->count, sizeof(key), by_number);

	return n == NULL ? NONE : (uint32_t)(n - t->nodes);
}

/* Give every node its parent's index, and sort `order` by parent, time and id; what has no parent
 * here is last. */
static int thread_sort(struct thread *t)
{
	qsort(t->nodes, t->count, sizeof(*t->nodes), by_number);
	if ((t->order = malloc(((size_t)t->count + 1) * sizeof(*t->order))) == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < t->count; i++) {
		t->order[i] = i;
		if (t->nodes[i].topic != NONE && t->nodes[i].parent != 0)
			t->nodes[i].up = node_find(t, t->nodes[i].parent);
	}
	qsort_r(t->order, t->count, sizeof(*t->order), by_parent, t->nodes);
	return OK;
}

/* ---- the walk ---- */

static int author_cached(struct thread *t, int64_t signer, struct author *out)
{
	size_t slot = (uint64_t)signer % AUTHORS;
	int err = OK;

	if (t->authors == NULL && (t->authors = calloc(AUTHORS, sizeof(*t->authors))) == NULL)
		return ERR_NOMEM;
	if (t->authors[slot].signer != signer) {
		t->authors[slot].signer = 0;
		err = author_get(t->s, signer, &t->authors[slot].author);
		if (err == OK)
			t->authors[slot].signer = signer;
	}
	*out = t->authors[slot].author;
	return err;
}

static int node_emit(struct thread *t, const struct node *n, const uint8_t root[static ID_LEN],
    item_fn *fn, void *ctx)
{
	struct item_row row = {.log_no = view_at_log(n->at),
	    .index = view_at_index(n->at),
	    .kind = n->kind,
	    .time = n->time,
	    .arrival = n->arrival,
	    .depth = n->depth};

	memcpy(row.id, n->id, ID_LEN);
	memcpy(row.topic, &t->topics.data[(size_t)n->topic * ID_LEN], ID_LEN);
	memcpy(row.thread, root, ID_LEN);
	row.parent_missing = n->up != NONE && t->nodes[n->up].topic == NONE;
	if (n->changes > 0) {
		row.amendment = t->changes[n->changes - 1].amendment;
		row.erasure = t->changes[n->changes - 1].erasure;
	}
	int err = author_cached(t, n->signer, &row.author);
	return err == OK ? fn(ctx, &row) : err;
}

/* Depth first from the root. A stack entry is a run of siblings still to come, in `order`; it never
 * holds more than there are nodes, since every entry but the last stands for the children of
 * another node. */
static int thread_walk(struct thread *t, uint32_t root, item_fn *fn, void *ctx)
{
	uint32_t *first = malloc(
	    ((size_t)t->count + 1) * sizeof(*first)); /* of a node's children, in order */
	uint32_t *stack = malloc(((size_t)t->count + 1) * sizeof(*stack));
	uint32_t top = 0, at = root;
	int err = first == NULL || stack == NULL ? ERR_NOMEM : OK;

	if (err == OK) {
		memset(first, 0xff, ((size_t)t->count + 1) * sizeof(*first));
		for (uint32_t i = t->count; i-- > 0;)
			if (t->nodes[t->order[i]].up != NONE)
				first[t->nodes[t->order[i]].up] = i;
	}
	while (err == OK) {
		const struct node *n = &t->nodes[at];
		if (n->topic != NONE)
			err = node_emit(t, n, t->nodes[root].id, fn, ctx);
		if (first[at] != NONE)
			stack[top++] = first[at];
		/* The next sibling of the deepest run that has one left. */
		while (top > 0 && stack[top - 1] == NONE)
			top--;
		if (top == 0)
			break;
		uint32_t place = stack[top - 1], up = t->nodes[t->order[place]].up;
		at = t->order[place];
		bool more = place + 1 < t->count && t->nodes[t->order[place + 1]].up == up;
		stack[top - 1] = more ? place + 1 : NONE;
		t->nodes[at].depth = t->nodes[up].topic == NONE ? 0 : t->nodes[up].depth + 1;
	}
	free(first);
	free(stack);
	return err;
}

/* ---- what is missing ---- */

static int by_place(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* How many of these entries, ascending, wait for their content. */
static int contents_missing(struct store *s, const int64_t *at, size_t count, uint64_t *out)
{
	uint64_t wanted[WANTED_RUN];
	size_t have = 0, next = 0;
	bool all = false; /* `wanted` reaches to the end of the log */

	*out = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t index = view_at_index(at[i]);
		bool fresh = i == 0 || view_at_log(at[i]) != view_at_log(at[i - 1]);
		if (fresh || (!all && (have == 0 || index > wanted[have - 1]))) {
			have = WANTED_RUN;
			next = 0;
			int err = s->ops->wanted(s, view_at_log(at[i]), index, wanted, &have);
			if (err != OK)
				return err;
			all = have < WANTED_RUN;
		}
		while (next < have && wanted[next] < index)
			next++;
		*out += next < have && wanted[next] == index;
	}
	return OK;
}

static int64_t ref_at(const struct item_ref *ref)
{
	return view_at(ref->log_no, ref->index);
}

/* What counts is the text that would be shown. */
static int thread_missing(struct thread *t, uint64_t *out)
{
	int64_t *at = malloc(((size_t)t->count + 1) * sizeof(*at));
	uint64_t contents;
	size_t count = 0, messages = 0;

	if (at == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < t->count; i++) {
		const struct node *n = &t->nodes[i];
		if (n->topic == NONE)
			messages++;
		else
			at[count++] = n->changes > 0 && t->changes[n->changes - 1].amendment.present
					  ? ref_at(&t->changes[n->changes - 1].amendment)
					  : n->at;
	}
	qsort(at, count, sizeof(*at), by_place);
	int err = contents_missing(t->s, at, count, &contents);
	free(at);
	*out = contents + messages;
	return err;
}

/* ---- the query ---- */

static int thread_read(struct thread *t, const uint8_t id[static ID_LEN], uint32_t *root)
{
	struct view v;
	int err = view_start(&v, t->s, VIEW_THREAD_FIND, "k", id);

	if (err == OK)
		err = view_next(&v);
	if (err != 1)
		return err == OK ? ERR_NOTFOUND : err;
	int64_t no = view_int(&v, 0), thread = view_int(&v, 1), top = no;
	bool shown = !view_null(&v, 2);
	view_end(&v);
	if (thread == 0) {
		/* A topic that nobody has answered. */
		if (!shown)
			return ERR_NOTFOUND;
		err = nodes_read(t, VIEW_SINGLE, no);
	} else {
		top = thread;
		err = nodes_read(t, VIEW_THREAD_MESSAGES, thread);
		if (err == OK)
			err = view_start(&v, t->s, VIEW_THREAD_GET, "i", thread);
		if (err == OK && (err = view_next(&v)) == 1) {
			top = view_int(&v, 0);
			view_end(&v);
			err = OK;
		}
	}
	if (err == OK)
		err = thread_sort(t);
	if (err != OK)
		return err;
	*root = node_find(t, top);
	if (*root == NONE)
		return ERR_STORE;
	t->nodes[*root].up = NONE;
	return OK;
}

int query_thread(
    struct store *s, const uint8_t id[static ID_LEN], item_fn *fn, void *ctx, uint64_t *missing)
{
	struct thread t = {.s = s, .topics = BUFFER_INIT};
	bool began;
	uint32_t root = 0;
	int err = views_snapshot(s, &began);

	if (err == OK)
		err = thread_read(&t, id, &root);
	if (err == OK && missing != NULL)
		err = thread_missing(&t, missing);
	if (err == OK)
		err = thread_walk(&t, root, fn, ctx);
	views_unsnapshot(s, began);
	thread_clear(&t);
	return err;
}
