/* SPDX-License-Identifier: BSD-2-Clause */
/* Membership only grows, so the least fixed point is kept up to date instead of computed: an
 * admission counts once both it and the membership of who made it are there, in whichever order
 * they came, and whoever becomes a member by it brings their own admissions into account. */
#include "member/members.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "member/keyindex.h"

#define NONE UINT32_MAX
#define ORG_KEY_LEN (ORG_NAME_MAX + 1 + KEY_LEN)

/* Name (filled up with zeros) and key stand side by side in struct member, and compare as one. */
_Static_assert(
    offsetof(struct member, name) == 0 && offsetof(struct member, root_key) == ORG_NAME_MAX + 1,
    "they are one run of bytes");

struct org {
	struct member id;
	bool member;
	uint32_t admitted_by; /* members that have admitted it */
	uint32_t first_edge;  /* whom it has admitted, chained by edge.next */
	uint32_t next_new;    /* chain of those that have just become members */
};

struct edge { /* `by` has admitted `whom`: these two are the key */
	uint32_t by, whom;
	uint32_t next;
};

struct members {
	uint32_t admit; /* k */
	struct org *orgs;
	uint32_t org_count, org_cap;
	struct edge *edges;
	uint32_t edge_count, edge_cap;
	uint32_t *members; /* rows of orgs, ascending; room for org_cap */
	uint32_t member_count;
	struct key_index by_org, by_edge;
};

/* Make room for all that one call adds, so that nothing fails half-way. */
static int reserve(struct members *m, uint32_t orgs, uint32_t edges)
{
	if (orgs > m->org_cap - m->org_count) {
		if (m->org_cap > NONE / 4)
			return ERR_NOMEM;
		uint32_t cap = m->org_cap * 2, need = m->org_count + orgs;
		if (cap < need)
			cap = need;
		uint32_t *members = realloc(m->members, (size_t)cap * sizeof(*members));
		if (members == NULL)
			return ERR_NOMEM;
		m->members = members;
		struct org *rows = realloc(m->orgs, (size_t)cap * sizeof(*rows));
		if (rows == NULL)
			return ERR_NOMEM;
		m->orgs = rows;
		m->org_cap = cap;
	}
	if (edges > m->edge_cap - m->edge_count) {
		if (m->edge_cap > NONE / 4)
			return ERR_NOMEM;
		uint32_t cap = m->edge_cap == 0 ? 16 : m->edge_cap * 2;
		struct edge *rows = realloc(m->edges, (size_t)cap * sizeof(*rows));
		if (rows == NULL)
			return ERR_NOMEM;
		m->edges = rows;
		m->edge_cap = cap;
	}
	if (key_index_reserve(&m->by_org, orgs) != OK)
		return ERR_NOMEM;
	return key_index_reserve(&m->by_edge, edges);
}

static bool org_key_make(struct member *out, struct bytes name, const uint8_t root[static KEY_LEN])
{
	memset(out, 0, sizeof(*out));
	if (name.len == 0 || name.len > ORG_NAME_MAX || memchr(name.data, 0, name.len) != NULL)
		return false;
	memcpy(out->name, name.data, name.len);
	memcpy(out->root_key, root, KEY_LEN);
	return true;
}

static uint32_t org_find_or_add(struct members *m, const struct member *id)
{
	uint32_t row;
	if (key_index_find(&m->by_org, m->orgs, id, &row))
		return row;
	row = m->org_count++;
	m->orgs[row] = (struct org){.id = *id, .first_edge = NONE, .next_new = NONE};
	key_index_add(&m->by_org, m->orgs, row);
	return row;
}

/* Where this organisation stands, or would, among the members. */
static uint32_t member_place(const struct members *m, const struct member *id, bool *there)
{
	uint32_t low = 0, high = m->member_count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = memcmp(id, &m->orgs[m->members[mid]].id, ORG_KEY_LEN);
		if (order == 0) {
			*there = true;
			return mid;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	*there = false;
	return low;
}

static void member_add(struct members *m, uint32_t row)
{
	bool there;
	uint32_t at = member_place(m, &m->orgs[row].id, &there);
	memmove(&m->members[at + 1], &m->members[at],
	    (size_t)(m->member_count - at) * sizeof(*m->members));
	m->members[at] = row;
	m->member_count++;
	m->orgs[row].member = true;
}

/* Count one admission by a member; put whom it makes a member before `*fresh`. */
static void admission_count(struct members *m, uint32_t whom, uint32_t *fresh)
{
	struct org *o = &m->orgs[whom];
	if (++o->admitted_by < m->admit || o->member)
		return;
	member_add(m, whom);
	o->next_new = *fresh;
	*fresh = whom;
}

struct members *members_new(const struct charter *charter)
{
	struct members *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->admit = charter->admit;
	key_index_init(&m->by_org, sizeof(struct org), offsetof(struct org, id), ORG_KEY_LEN);
	key_index_init(
	    &m->by_edge, sizeof(struct edge), offsetof(struct edge, by), 2 * sizeof(uint32_t));
	if (reserve(m, (uint32_t)charter->member_count + 8, 8) != OK) {
		members_free(m);
		return NULL;
	}
	for (size_t i = 0; i < charter->member_count; i++) {
		struct member id;
		const struct verifier *v = &charter->members[i];
		if (!org_key_make(&id, bytes_str(v->name), v->public))
			continue;
		id.founder = true;
		uint32_t row = org_find_or_add(m, &id);
		if (!m->orgs[row].member)
			member_add(m, row);
	}
	return m;
}

void members_free(struct members *m)
{
	if (m == NULL)
		return;
	key_index_free(&m->by_org);
	key_index_free(&m->by_edge);
	free(m->orgs);
	free(m->edges);
	free(m->members);
	free(m);
}

int members_admit(struct members *m, struct bytes by_name, const uint8_t by_root[static KEY_LEN],
    struct bytes name, const uint8_t root[static KEY_LEN])
{
	struct member by_id, whom_id;
	if (!org_key_make(&by_id, by_name, by_root) || !org_key_make(&whom_id, name, root))
		return 0;
	if (memcmp(&by_id, &whom_id, ORG_KEY_LEN) == 0)
		return 0;
	if (reserve(m, 2, 1) != OK)
		return ERR_NOMEM;

	struct edge e = {.by = org_find_or_add(m, &by_id), .whom = org_find_or_add(m, &whom_id)};
	uint32_t row;
	if (key_index_find(&m->by_edge, m->edges, &e, &row))
		return 0;
	row = m->edge_count++;
	e.next = m->orgs[e.by].first_edge;
	m->edges[row] = e;
	m->orgs[e.by].first_edge = row;
	key_index_add(&m->by_edge, m->edges, row);

	if (!m->orgs[e.by].member)
		return 0;
	uint32_t fresh = NONE, before = m->member_count;
	admission_count(m, e.whom, &fresh);
	while (fresh != NONE) {
		uint32_t by = fresh;
		fresh = m->orgs[by].next_new;
		for (uint32_t i = m->orgs[by].first_edge; i != NONE; i = m->edges[i].next)
			admission_count(m, m->edges[i].whom, &fresh);
	}
	return m->member_count > before;
}

bool members_has(const struct members *m, struct bytes name, const uint8_t root[static KEY_LEN])
{
	struct member id;
	uint32_t row;
	return org_key_make(&id, name, root) && key_index_find(&m->by_org, m->orgs, &id, &row) &&
	       m->orgs[row].member;
}

size_t members_count(const struct members *m)
{
	return m->member_count;
}

const struct member *members_at(const struct members *m, size_t i)
{
	return i < m->member_count ? &m->orgs[m->members[i]].id : NULL;
}

bool members_trace(uint32_t admit, bool *known, uint32_t count, uint32_t wanted,
    struct admission *list, size_t list_count)
{
	uint32_t *order = calloc(count, sizeof(*order)), *votes = calloc(count, sizeof(*votes));
	bool *needed = calloc(count, sizeof(*needed));
	uint32_t joined = 0;
	bool found = order && votes && needed;
	for (uint32_t i = 0; found && i < count; i++)
		if (known[i])
			order[joined++] = i;
	/* In the order in which they become members: none counts for who came before it. */
	for (uint32_t at = 0; found && at < joined; at++)
		for (size_t i = 0; i < list_count; i++) {
			struct admission *a = &list[i];
			if (a->by != order[at] || known[a->whom])
				continue;
			a->counts = true;
			if (++votes[a->whom] == admit) {
				known[a->whom] = true;
				order[joined++] = a->whom;
			}
		}
	found = found && known[wanted];
	if (found)
		needed[wanted] = true;
	for (uint32_t at = joined; found && at-- > 0;)
		for (size_t i = 0; needed[order[at]] && i < list_count; i++)
			if (list[i].whom == order[at] && list[i].counts)
				list[i].needed = needed[list[i].by] = true;
	free(order);
	free(votes);
	free(needed);
	return found;
}
