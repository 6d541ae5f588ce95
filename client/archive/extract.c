/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the logs: every entry below the frontier is judged, and what has an effect becomes a row.
 */
#include "client/archive/extract.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/archive/extract_inside.h"

#define ENTRIES_AT_ONCE 1024
#define ROWS_MAX (UINT32_MAX / 4)

/* Room for one more, doubling. */
static bool grow(void **list, size_t count, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 64;
	void *grown;

	if (count < *cap)
		return true;
	grown = more <= ROWS_MAX ? realloc(*list, more * size) : NULL;
	if (!grown)
		return false;
	*list = grown;
	*cap = more;
	return true;
}

/* ---- rows ---- */

static struct row *row_new(struct extract *e)
{
	struct row *r;

	if (!grow((void **)&e->rows, e->row_count, &e->row_cap, sizeof *e->rows) ||
	    key_index_reserve(&e->by_id, 1) != OK)
		return NULL;
	r = &e->rows[e->row_count];
	*r = (struct row){.person = NONE,
	    .topic = NONE,
	    .about = NONE,
	    .root = NONE,
	    .amendment = NONE,
	    .erasure = NONE};
	return r;
}

static int topic_intern(struct extract *e, const uint8_t id[static ID_LEN], uint32_t *out)
{
	if (key_index_find(&e->by_topic, e->topics, id, out))
		return OK;
	if (!grow((void **)&e->topics, e->topic_count, &e->topic_cap, sizeof *e->topics) ||
	    key_index_reserve(&e->by_topic, 1) != OK)
		return ERR_NOMEM;
	memcpy(e->topics[e->topic_count].id, id, ID_LEN);
	*out = (uint32_t)e->topic_count++;
	key_index_add(&e->by_topic, e->topics, *out);
	return OK;
}

static bool person_find(const struct extract *e, const struct extract_log *l,
    const uint8_t identity[static IDENTITY_LEN], uint32_t *out)
{
	uint8_t key[IDENTITY_LEN + DIGEST_LEN];

	memcpy(key, identity, IDENTITY_LEN);
	memcpy(key + IDENTITY_LEN, l->first, DIGEST_LEN);
	return key_index_find(&e->by_person, e->people, key, out);
}

static int person_new(struct extract *e, const struct extract_log *l,
    const uint8_t identity[static IDENTITY_LEN], uint32_t *out)
{
	struct person *p;

	if (!grow((void **)&e->people, e->person_count, &e->person_cap, sizeof *e->people) ||
	    key_index_reserve(&e->by_person, 1) != OK)
		return ERR_NOMEM;
	p = &e->people[e->person_count];
	*p = (struct person){.enrol = (uint32_t)e->row_count, .amendment = NONE, .erasure = NONE};
	memcpy(p->key, identity, IDENTITY_LEN);
	memcpy(p->key + IDENTITY_LEN, l->first, DIGEST_LEN);
	*out = (uint32_t)e->person_count++;
	key_index_add(&e->by_person, e->people, *out);
	return OK;
}

/* ---- what an entry does (6.2) ---- */

/* The earlier message of this log, or of one before it, that an AMEND or ERASE names; NONE if it
 * may not be changed so by that person. */
static uint32_t target_of(const struct extract *e, const struct extract_log *l,
    const struct header *h, const struct verdict *v, uint32_t person)
{
	struct target_body b;
	uint32_t no, at = (uint32_t)(l - e->logs);
	const struct row *r;
	int err = change_body_parse(h, &b);

	if (err || !key_index_find(&e->by_id, e->rows, b.target.id, &no))
		return NONE;
	r = &e->rows[no];
	if (memcmp(e->logs[r->log].credential.binding.digest, b.target.log, DIGEST_LEN) != 0)
		return NONE;
	while (at != NONE && at != r->log)
		at = e->logs[at].previous;
	if (at == NONE || r->kind == KIND_ERASE || (h->kind == KIND_AMEND && r->kind == KIND_AMEND))
		return NONE;
	if (h->kind == KIND_ERASE && v->class == SIGNER_REGISTRAR)
		return no;
	return person != NONE && r->person == person ? no : NONE;
}

/* ERR_NOMEM, or OK. `*keep`: it is a row. */
static int effect_take(struct extract *e, struct extract_log *l, const struct header *h,
    const struct verdict *v, struct row *r, bool *keep)
{
	struct enrol_body enrol;

	*keep = true;
	r->person = NONE;
	if (v->class == SIGNER_DEVICE && !person_find(e, l, v->identity, &r->person))
		return ERR_INVALID;
	switch (h->kind) {
	case KIND_TOPIC:
		return topic_intern(e, r->id, &r->topic);
	case KIND_POST:
		return topic_intern(e, h->topic.id, &r->topic);
	case KIND_ENROL:
		*keep = v->new_identity && enrol_body_parse(h->body, &enrol) == OK;
		return *keep ? person_new(e, l, enrol.identity, &r->person) : OK;
	case KIND_AMEND:
	case KIND_ERASE:
		r->about = target_of(e, l, h, v, r->person);
		*keep = r->about != NONE;
		return OK;
	default:
		*keep = false;
		return OK;
	}
}

static int row_take(struct extract *e, struct extract_log *l, const struct roster_entry *in,
    const struct verdict *v, struct trouble *t)
{
	struct row *r = row_new(e);
	bool keep;
	int err;

	if (!r)
		return no_memory(t);
	memcpy(r->id, in->id, ID_LEN);
	r->index = in->index;
	r->time = in->header->time;
	r->kind = (uint8_t)in->header->kind;
	r->committed = in->header->has_commitment;
	r->log = (uint32_t)(l - e->logs);
	r->message_len = (uint16_t)in->message.len;
	err = effect_take(e, l, in->header, v, r, &keep);
	if (err == ERR_NOMEM)
		return no_memory(t);
	/* An id binds its log, and a valid message its sequence: it can't be there twice. */
	if (err || !keep)
		return OK;
	err = spool_add(&e->spool, in->message, &r->message_at, t);
	if (!err)
		key_index_add(&e->by_id, e->rows, (uint32_t)e->row_count++);
	return err;
}

static int entry_take(
    struct extract *e, struct extract_log *l, uint64_t index, struct bytes leaf, struct trouble *t)
{
	const struct binding *b = &l->credential.binding;
	struct roster_entry in = {.index = index, .message = leaf};
	struct header h;
	struct verdict v;
	int err;

	memset(&h, 0, sizeof h);
	in.header = &h;
	in.parsed = message_parse(leaf, &h);
	in.signature = in.parsed == OK ? message_verify(leaf, b, h.signer) : ERR_SIGNATURE;
	message_id(in.id, leaf, b);
	err = roster_judge(l->roster, &in, &v);
	if (err == ERR_NOMEM)
		return no_memory(t);
	if (err)
		return trouble_set(t, ERR_SIGNATURE,
		    "the log %.200s does not begin with its credential", l->at->name);
	e->counts.invalid += !v.valid && in.parsed != ERR_VERSION;
	return v.valid && v.effect ? row_take(e, l, &in, &v, t) : OK;
}

/* ---- a log ---- */

static int data_take(struct extract *e, struct extract_log *l, struct tree *tree,
    const Convene__Data *d, struct trouble *t)
{
	struct bytes rest = bytes_of_pb(d->leaves);
	uint64_t index = tree_size(tree);
	int err = OK;

	if (d->first != index || rest.len < 2)
		return trouble_set(t, ERR_MALFORMED,
		    "the node answered with other entries of %.200s than were asked for",
		    l->at->name);
	while (!err && rest.len > 0 && index < l->at->size) {
		size_t len = rest.len < 2 ? SIZE_MAX : get_u16(rest.data);
		struct tree_hash hash;
		struct bytes leaf;

		if (len > rest.len - 2)
			return trouble_set(t, ERR_MALFORMED,
			    "the node's entries of %.200s are cut off", l->at->name);
		leaf = bytes_of(rest.data + 2, len);
		rest = bytes_of(rest.data + 2 + len, rest.len - 2 - len);
		leaf_hash(&hash, leaf);
		if (tree_append(tree, &hash) != OK)
			return no_memory(t);
		/* What a successor does not inherit has no authority. */
		if (index < l->end)
			err = entry_take(e, l, index, leaf, t);
		index++;
	}
	return err;
}

static int log_read(struct extract *e, struct extract_log *l, struct trouble *t)
{
	Convene__EntriesGet get = CONVENE__ENTRIES_GET__INIT;
	struct tree *tree = tree_new();
	uint8_t root[HASH_LEN];
	int err = tree ? OK : no_memory(t);

	get.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
	while (!err && tree_size(tree) < l->at->size) {
		ProtobufCMessage *m;
		uint64_t left = l->at->size - tree_size(tree);

		get.first = tree_size(tree);
		get.count = left < ENTRIES_AT_ONCE ? (uint32_t)left : ENTRIES_AT_ONCE;
		err = client_call(e->client, FRAME_ENTRIES_GET, &get.base, FRAME_DATA, &m, t);
		if (err)
			break;
		err = data_take(e, l, tree, (const Convene__Data *)m, t);
		message_free(m);
	}
	if (!err) {
		tree_root(tree, root);
		if (memcmp(root, l->at->root, HASH_LEN) != 0) {
			trouble_set(t, ERR_FORK,
			    "this node holds another history of %.200s: its root at %" PRIu64
			    " entries is not the frontier's",
			    l->at->name, l->at->size);
			trouble_hint(t, "One of the two nodes was shown a forked log; "
					"`convenectl status` says more.");
			err = t->err;
		}
	}
	tree_free(tree);
	return err;
}

/* Which log it follows, in the frontier. */
static int log_link(struct extract *e, struct extract_log *l, struct trouble *t)
{
	const struct node_body *n = &l->credential.node;

	l->previous = NONE;
	l->first = l->credential.binding.digest;
	if (l->credential.number == 1)
		return OK;
	for (size_t i = 0; i < e->log_count; i++) {
		struct extract_log *p = &e->logs[i];

		if (credential_follows(&l->credential, &p->credential) != OK ||
		    p->at->size < n->previous_size)
			continue;
		l->previous = (uint32_t)i;
		l->first = p->first;
		p->end = n->previous_size;
		return OK;
	}
	return trouble_set(t, ERR_NOTFOUND,
	    "the frontier holds the log %.200s, and not what it follows", l->at->name);
}

/* ---- all of them ---- */

static int by_number(const void *a, const void *b)
{
	const struct extract_log *x = a, *y = b;

	if (x->credential.number != y->credential.number)
		return x->credential.number < y->credential.number ? -1 : 1;
	return strcmp(x->at->name, y->at->name);
}

static const Convene__LogInfo *info_find(const struct frames *logs, const char *name)
{
	for (size_t i = 0; i < logs->count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)logs->list[i];

		for (size_t j = 0; j < m->n_logs; j++)
			if (bytes_equal(bytes_of_pb(m->logs[j]->name), bytes_str(name)))
				return m->logs[j];
	}
	return NULL;
}

static int log_open(
    struct extract *e, const struct frames *logs, const struct frontier_log *at, struct trouble *t)
{
	const Convene__LogInfo *info = info_find(logs, at->name);
	struct extract_log *l = &e->logs[e->log_count];
	int err;

	if (!info || info->size < at->size) {
		trouble_set(t, ERR_NOTFOUND,
		    "this node does not hold the frontier: of the log %.200s it has %" PRIu64
		    " of %" PRIu64 " entries",
		    at->name, info ? info->size : 0, at->size);
		trouble_hint(t, "Wait until it has caught up (`convenectl status`), or export at "
				"another node.");
		return t->err;
	}
	*l = (struct extract_log){.at = at, .end = UINT64_MAX};
	e->log_count++;
	err = credential_open(&l->credential, e->charter->forum, bytes_of_pb(info->name),
	    bytes_of_pb(info->credential));
	return err ? trouble_set(t, err, "the log %.200s has no valid credential (%s)", at->name,
			 error_text(err))
		   : OK;
}

static int logs_open(struct extract *e, const struct frontier *f, struct trouble *t)
{
	struct frames logs = {NULL, 0};
	int err = client_logs(e->client, &logs, t);

	if (!err) {
		e->logs = calloc(f->count + 1, sizeof *e->logs);
		if (!e->logs)
			err = no_memory(t);
	}
	for (size_t i = 0; !err && i < f->count; i++)
		err = log_open(e, &logs, &f->logs[i], t);
	frames_free(&logs);
	if (err)
		return err;
	/* A log's predecessors come before it. */
	qsort(e->logs, e->log_count, sizeof *e->logs, by_number);
	for (size_t i = 0; !err && i < e->log_count; i++)
		err = log_link(e, &e->logs[i], t);
	return err;
}

int extract_open(struct extract **out, struct client *c, const struct charter *charter,
    const struct frontier *f, const char *folder, struct trouble *t)
{
	struct extract *e = calloc(1, sizeof *e);
	int err;

	*out = NULL;
	if (!e)
		return no_memory(t);
	e->client = c;
	e->charter = charter;
	e->spool.fd = -1;
	key_index_init(&e->by_id, sizeof *e->rows, offsetof(struct row, id), ID_LEN);
	key_index_init(
	    &e->by_person, sizeof *e->people, offsetof(struct person, key), sizeof e->people->key);
	key_index_init(&e->by_topic, sizeof *e->topics, 0, ID_LEN);
	err = spool_open(&e->spool, folder, t);
	if (!err)
		err = logs_open(e, f, t);
	for (size_t i = 0; !err && i < e->log_count; i++) {
		struct extract_log *l = &e->logs[i];

		l->roster = roster_new(&l->credential, charter,
		    l->previous == NONE ? NULL : e->logs[l->previous].roster);
		err = l->roster ? log_read(e, l, t) : no_memory(t);
	}
	if (!err)
		err = extract_resolve(e, t);
	if (err) {
		extract_free(e);
		return err;
	}
	*out = e;
	return OK;
}

void extract_free(struct extract *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->log_count; i++) {
		credential_clear(&e->logs[i].credential);
		roster_free(e->logs[i].roster);
	}
	content_clear(&e->content);
	content_clear(&e->original);
	buffer_free(&e->message);
	buffer_free(&e->text);
	buffer_free(&e->original_text);
	buffer_free(&e->ancestor_text);
	buffer_free(&e->names);
	spool_close(&e->spool);
	key_index_free(&e->by_id);
	key_index_free(&e->by_person);
	key_index_free(&e->by_topic);
	free(e->logs);
	free(e->rows);
	free(e->people);
	free(e->topics);
	free(e->order);
	free(e->ancestors);
	free(e);
}

int row_header(struct extract *e, const struct row *r, struct buffer *message, struct header *out,
    struct trouble *t)
{
	int err;

	buffer_reset(message);
	err = spool_read(&e->spool, r->message_at, r->message_len, message, t);
	if (!err && message_parse(buffer_bytes(message), out) != OK)
		err = trouble_set(t, ERR_IO, "the temporary file was changed by somebody");
	return err;
}

void extract_counts(const struct extract *e, struct extract_counts *out)
{
	*out = e->counts;
}
