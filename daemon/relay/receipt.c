/* SPDX-License-Identifier: BSD-2-Clause */
/* A receipt, out of what this node holds: the cosigned notes, a proof under each, and the papers
 * that show whose keys they are. */
#include "member/receipt.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/cosign.h"
#include "daemon/relay/state.h"
#include "member/members.h"
#include "msg/body.h"

struct making {
	struct relay *relay;
	struct receipt_paper *papers;
	struct buffer *messages; /* of the papers */
	size_t paper_count, paper_cap;
	struct buffer *proofs;
	size_t proof_count;
	/* The NODE that names the key of this is being looked for. */
	struct note note;
	bool found;
};

static int paper_add(struct making *m, const char *log_name, struct bytes message)
{
	for (size_t i = 0; i < m->paper_count; i++) {
		if (bytes_equal(buffer_bytes(&m->messages[i]), message) &&
		    bytes_equal(m->papers[i].log_name, bytes_str(log_name)))
			return OK;
	}
	if (m->paper_count == m->paper_cap) {
		size_t cap = m->paper_cap ? 2 * m->paper_cap : 8;
		struct receipt_paper *papers = realloc(m->papers, cap * sizeof *papers);
		struct buffer *messages;

		if (!papers)
			return ERR_NOMEM;
		m->papers = papers;
		messages = realloc(m->messages, cap * sizeof *messages);
		if (!messages)
			return ERR_NOMEM;
		m->messages = messages;
		m->paper_cap = cap;
	}
	m->messages[m->paper_count] = (struct buffer)BUFFER_INIT;
	buffer_add(&m->messages[m->paper_count], message.data, message.len);
	m->papers[m->paper_count].log_name = bytes_str(log_name);
	return m->messages[m->paper_count++].failed ? ERR_NOMEM : OK;
}

static bool is_founder(const struct relay *r, const struct relay_log *l)
{
	for (size_t i = 0; i < r->charter->member_count; i++) {
		if (strcmp(r->charter->members[i].name, l->credential.organisation) == 0 &&
		    memcmp(r->charter->members[i].public, l->credential.root_key, KEY_LEN) == 0)
			return true;
	}
	return false;
}

/* ---- admissions ---- */

#define TRACED_MAX 1024 /* organisations that one may be a member by */
#define ADMITS_MAX 8192 /* and their admissions */

struct tracing {
	const struct relay *relay;
	const struct relay_log *orgs[TRACED_MAX]; /* a log of each */
	bool known[TRACED_MAX];
	uint32_t org_count, whom;
	struct admission *list;
	size_t count, cap, first; /* the first of `whom` */
};

static bool same_organisation(const struct relay_log *a, const struct relay_log *b)
{
	return memcmp(a->credential.root_key, b->credential.root_key, KEY_LEN) == 0 &&
	       strcmp(a->credential.organisation, b->credential.organisation) == 0;
}

/* An ADMIT of the organisation at hand; by others than members it is of no use. */
static int trace_add(void *ctx, uint32_t no, uint64_t index)
{
	struct tracing *t = ctx;
	const struct relay_log *l = log_by_no((struct relay *)(uintptr_t)t->relay, no);
	uint32_t by = 0;

	if (!l || !member_has(t->relay, l->credential.organisation, l->credential.root_key))
		return OK;
	while (by < t->org_count && !same_organisation(t->orgs[by], l))
		by++;
	for (size_t i = t->first; i < t->count; i++) {
		if (t->list[i].by == by)
			return OK;
	}
	if (by == TRACED_MAX || t->count == ADMITS_MAX)
		return ERR_TOO_LARGE;
	if (t->count == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		struct admission *grown = realloc(t->list, cap * sizeof *grown);

		if (!grown)
			return ERR_NOMEM;
		t->list = grown;
		t->cap = cap;
	}
	if (by == t->org_count)
		t->orgs[t->org_count++] = l;
	t->list[t->count++] = (struct admission){
	    .by = by, .whom = t->whom, .log = no, .index = index};
	return OK;
}

/* Backwards from whom it is about, to the founders. */
int admissions_of(struct relay *r, const struct relay_log *l,
    int (*fn)(void *ctx, uint32_t log, uint64_t index), void *ctx)
{
	struct tracing *t;
	int err = OK;

	if (is_founder(r, l))
		return OK;
	t = calloc(1, sizeof *t);
	if (!t)
		return ERR_NOMEM;
	t->relay = r;
	t->orgs[t->org_count++] = l;
	for (; t->whom < t->org_count && !err; t->whom++) {
		const struct credential *c = &t->orgs[t->whom]->credential;

		t->first = t->count;
		t->known[t->whom] = is_founder(r, t->orgs[t->whom]);
		if (!t->known[t->whom])
			err = query_admits(
			    r->reader, bytes_str(c->organisation), c->root_key, trace_add, t);
	}
	if (!err && !members_trace(r->charter->admit, t->known, t->org_count, 0, t->list, t->count))
		err = ERR_NOT_MEMBER;
	for (size_t i = 0; i < t->count && !err; i++) {
		if (t->list[i].needed)
			err = fn(ctx, t->list[i].log, t->list[i].index);
	}
	free(t->list);
	free(t);
	return err;
}

static int admit_add(void *ctx, uint32_t no, uint64_t index)
{
	struct making *m = ctx;
	const struct relay_log *l = log_by_no(m->relay, no);
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	int err = l ? log_entry(m->relay, no, index, &entry, &leaf) : OK;

	if (l && !err)
		err = paper_add(
		    m, l->credential.binding.log_name, buffer_bytes(&l->credential.message));
	if (l && !err)
		err = paper_add(m, l->credential.binding.log_name, leaf);
	buffer_free(&entry);
	return err;
}

/* Who is no founder was admitted, perhaps by others who were. */
static int admissions_add(struct making *m, const struct relay_log *l)
{
	return admissions_of(m->relay, l, admit_add, m);
}

static int node_look(void *ctx, uint32_t no, uint64_t position, struct bytes message)
{
	struct making *m = ctx;
	const struct relay_log *l = log_by_no(m->relay, no);
	struct node_body node;
	struct header h;

	(void)position;
	if (m->found || !l || message_parse(message, &h) != OK ||
	    node_body_parse(h.body, &node) != OK ||
	    note_verify(&m->note, &node.cosigner, NULL) != OK)
		return OK;
	m->found = true;
	return paper_add(m, l->credential.binding.log_name, message);
}

/* The NODE that names the key of a cosignature, and how its organisation became a member. */
static int cosigner_add(struct making *m, struct bytes note)
{
	struct relay *r = m->relay;
	char organisation[ORG_NAME_MAX + 1];
	struct note_signature sig;
	int err = note_parse(&m->note, note);

	if (!err)
		err = note_signature(&m->note, m->note.count - 1, &sig);
	if (!err && !cosigner_organisation(sig.name, organisation))
		err = ERR_STORE;
	m->found = false;
	for (const struct relay_log *l = r->logs; l && !err && !m->found; l = l->next) {
		if (strcmp(l->credential.organisation, organisation) != 0)
			continue;
		err = query_nodes(r->reader, l->no, node_look, m);
		if (!err && m->found)
			err = admissions_add(m, l);
	}
	return err ? err : m->found ? OK : ERR_NOTFOUND;
}

/* A proof under one cosigned head. Others of the same head go into it. */
static int proof_add(
    struct making *m, const struct relay_log *l, uint64_t index, uint64_t size, struct bytes note)
{
	struct buffer *grown = realloc(m->proofs, (m->proof_count + 1) * sizeof *grown);
	struct tree_hash hashes[64];
	size_t count;
	int err;

	if (!grown)
		return ERR_NOMEM;
	m->proofs = grown;
	grown[m->proof_count] = (struct buffer)BUFFER_INIT;
	err = replica_prove_inclusion_at(l->replica, index, size, hashes, &count);
	if (!err)
		err = tlog_proof_write(&grown[m->proof_count], index, hashes, count, note);
	m->proof_count++;
	return err;
}

/* One note with the cosignatures of all of the same text; `done` marks them. */
static int note_add(struct making *m, const struct relay_log *l, uint64_t index,
    const struct sync_cosigned *kept, size_t count, bool *done)
{
	struct buffer note = BUFFER_INIT;
	struct note first, other;
	int err = note_parse(&first, kept[0].note);

	buffer_add(&note, kept[0].note.data, kept[0].note.len);
	for (size_t i = 0; i < count && !err; i++) {
		struct note_signature sig;

		err = note_parse(&other, kept[i].note);
		if (err || !bytes_equal(other.text, first.text))
			continue;
		done[i] = true;
		if (i > 0)
			err = note_signature(&other, other.count - 1, &sig);
		if (i > 0 && !err)
			buffer_add(&note, sig.line.data, sig.line.len);
		if (!err)
			err = cosigner_add(m, kept[i].note);
	}
	if (!err)
		err = note.failed ? ERR_NOMEM
				  : proof_add(m, l, index, kept[0].size, buffer_bytes(&note));
	buffer_free(&note);
	return err;
}

static int notes_add(struct making *m, const struct relay_log *l, uint64_t index)
{
	size_t max = anchor_needed(cosign_anchor(m->relay)), count;
	struct sync_cosigned *kept = calloc(max + 1, sizeof *kept);
	bool *done = calloc(max + 1, sizeof *done);
	int err = kept && done ? OK : ERR_NOMEM;

	count = err ? 0 : sync_cosigned(m->relay->sync, l->no, kept, max);
	for (size_t i = 0; i < count && !err; i++) {
		if (!done[i] && kept[i].size > index)
			err = note_add(m, l, index, kept + i, count - i, done + i);
	}
	free(kept);
	free(done);
	return err;
}

static int text_make(struct making *m, struct bytes entry, struct buffer *out)
{
	struct bytes *proofs = calloc(m->proof_count + 1, sizeof *proofs);
	int err;

	if (!proofs)
		return ERR_NOMEM;
	for (size_t i = 0; i < m->paper_count; i++)
		m->papers[i].message = buffer_bytes(&m->messages[i]);
	for (size_t i = 0; i < m->proof_count; i++)
		proofs[i] = buffer_bytes(&m->proofs[i]);
	err = receipt_write(out, m->relay->charter->forum, entry, m->papers, m->paper_count, proofs,
	    m->proof_count);
	free(proofs);
	return err;
}

int receipt_make(
    struct relay *r, struct relay_log *l, uint64_t index, struct bytes entry, struct buffer *out)
{
	struct making m = {.relay = r};
	int err = paper_add(
	    &m, l->credential.binding.log_name, buffer_bytes(&l->credential.message));

	if (!err)
		err = admissions_add(&m, l);
	if (!err)
		err = notes_add(&m, l, index);
	if (!err)
		err = text_make(&m, entry, out);
	for (size_t i = 0; i < m.paper_count; i++)
		buffer_free(&m.messages[i]);
	for (size_t i = 0; i < m.proof_count; i++)
		buffer_free(&m.proofs[i]);
	free(m.papers);
	free(m.messages);
	free(m.proofs);
	return err;
}
