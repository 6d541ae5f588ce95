/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/learn.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "mail/message_id.h"
#include "client/output.h"
#include "client/show.h"

#define COMMIT_POSTS 8192

/* A post whose first content must be asked for: it is large, or was amended since. */
struct absentee {
	struct absentee *next;
	uint64_t index;
	bool own;
	struct binding binding;
	struct buffer message;
};

struct learning {
	struct journal *journal;
	const struct import_node *node;
	const uint8_t *device;
	struct absentee *first, **last;
	bool late; /* one of those is still to come */
	uint64_t posts, committed;
	uint64_t cursor; /* all up to it is done with, but for what `first` lists */
	bool
	    held; /* a text is still to come: what arrived behind it is looked at again next time */
	void (*tell)(void *ctx, uint64_t posts);
	void *ctx;
	struct trouble *t;
};

static int references_learn(
    struct learning *l, const struct content_imported *m, const uint8_t key[static MAIL_KEY_LEN])
{
	int err = OK;

	for (size_t i = 0; i < m->reference_count && !err; i++) {
		uint8_t reference[MAIL_KEY_LEN];
		struct ref post;

		mail_key_of_id(reference, m->references[i]);
		err = journal_find(l->journal, reference, &post, l->t);
		if (err == ERR_NOTFOUND)
			err = journal_absent_add(l->journal, reference, key, l->t);
	}
	return err;
}

/* By what a post can be found again; of our own the first is the one that answers to its name. */
struct keys {
	uint8_t list[3][MAIL_KEY_LEN];
	int count;
};

/* By a Message-ID that may be made up: whoever squats on one must not keep the mail itself out. */
static int keys_of_claim(struct keys *k, const struct content *c)
{
	uint8_t key[MAIL_KEY_LEN], content[MAIL_KEY_LEN];
	int err = mail_key_of_content(content, c);

	if (err)
		return err;
	mail_key_of_id(key, c->imported.message_id);
	mail_key_same(k->list[k->count++], key, content);
	mail_key_claimed(k->list[k->count++], key);
	return OK;
}

static int keys_of(struct keys *k, const struct content *c, const struct ref *post,
    const struct binding *b, bool own)
{
	const struct content_imported *m = &c->imported;
	struct buffer name = BUFFER_INIT;
	uint8_t digest[DIGEST_LEN];
	struct bytes organisation;
	uint64_t number;
	int err = OK;

	k->count = 0;
	if (m->present && m->message_id.len > 0) {
		if (own)
			mail_key_of_id(k->list[k->count++], m->message_id);
		else
			err = keys_of_claim(k, c);
		if (err || (message_id_usable(m->message_id) && !message_id_native(m->message_id)))
			return err;
	}
	/* What was exported and comes back. */
	if (log_name_parse(bytes_str(b->log_name), &organisation, digest, &number) == OK) {
		message_id_add(&name, post->id, organisation, bytes_of(NULL, 0));
		err = name.failed ? ERR_NOMEM : OK;
		mail_key_of_id(k->list[k->count++], buffer_bytes(&name));
		buffer_free(&name);
	}
	if (m->present && m->message_id.len == 0) {
		if (!err)
			err = mail_key_of_content(k->list[k->count++], c);
		if (m->reference_count == 0 && c->part_count == 0) /* it may have been a text */
			mail_key_of_text(k->list[k->count++], c->text);
	}
	return err;
}

static int content_learn(struct learning *l, const struct content *c, const struct ref *post,
    const struct binding *b, bool own)
{
	struct keys keys;
	int err = keys_of(&keys, c, post, b, own);

	if (err)
		return err == ERR_NOMEM ? trouble_set(l->t, err, "there is not enough memory") : OK;
	for (int i = 0; i < keys.count && !err; i++)
		err = journal_learn(l->journal, keys.list[i], post, l->t);
	return err || !own || keys.count == 0 ? err
					      : references_learn(l, &c->imported, keys.list[0]);
}

/* One of ours needs no checking again: the journal has it from the hand that signed it. */
static bool known(struct learning *l, const struct content *c, const struct ref *post,
    const struct binding *b, bool own)
{
	struct ref found;
	struct keys keys;

	if (keys_of(&keys, c, post, b, own) != OK)
		return false;
	for (int i = 0; i < keys.count; i++)
		if (journal_find(l->journal, keys.list[i], &found, l->t) == OK &&
		    memcmp(found.id, post->id, ID_LEN) == 0)
			return true;
	return false;
}

/* Whether the participant who imports wrote it. Identities are unique in a log alone. */
static bool is_own(const struct learning *l, const Convene__Item *item, const struct header *h,
    const struct binding *b)
{
	return memcmp(h->signer, l->device, KEY_LEN) == 0 ||
	       (strcmp(b->log_name, l->node->binding.log_name) == 0 &&
		   bytes_equal(bytes_of_pb(item->identity),
		       bytes_of(l->node->home->identity, IDENTITY_LEN)));
}

static int absentee_add(
    struct learning *l, const Convene__Item *item, const struct binding *b, bool own)
{
	struct absentee *a = calloc(1, sizeof *a);

	if (a)
		buffer_add(&a->message, item->message.data, item->message.len);
	if (!a || a->message.failed) {
		free(a);
		return trouble_set(l->t, ERR_NOMEM, "there is not enough memory");
	}
	a->binding = *b;
	a->own = own;
	a->index = item->index;
	*l->last = a;
	l->last = &a->next;
	return OK;
}

static struct ref ref_of(const struct binding *b, const uint8_t *id, uint64_t index)
{
	struct ref post = {.present = true, .index = index & SEQUENCE_MAX};

	memcpy(post.log, b->digest, DIGEST_LEN);
	memcpy(post.id, id, ID_LEN);
	return post;
}

static int item_learn(struct learning *l, const Convene__Item *item)
{
	struct bytes message = bytes_of_pb(item->message);
	struct content content;
	struct header h;
	struct binding b;
	struct shown s;
	struct ref post;
	uint8_t id[ID_LEN];
	bool own;
	int err = OK;

	if (binding_make(&b, l->node->binding.forum, bytes_of_pb(item->log)) != OK ||
	    message_parse(message, &h) != OK || h.kind != KIND_POST)
		return OK;
	l->posts++;
	own = is_own(l, item, &h, &b);
	if (item->content_state == CONVENE__CONTENT_STATE__CONTENT_MISSING)
		l->held = true;
	if (item->content_state == CONVENE__CONTENT_STATE__CONTENT_LARGE || item->amendment.len > 0)
		return absentee_add(l, item, &b, own);
	if (item->content_state != CONVENE__CONTENT_STATE__CONTENT_PRESENT)
		return OK;
	message_id(id, message, &b);
	post = ref_of(&b, id, item->index);
	if (content_parse(bytes_of_pb(item->content), &content) != OK)
		return OK;
	if (known(l, &content, &post, &b, own)) {
		err = content_learn(l, &content, &post, &b, own);
	} else {
		shown_open(&s, item, l->node->binding.forum, NULL);
		if (s.has_content)
			err = content_learn(l, &s.content, &post, &b, own);
		shown_clear(&s);
	}
	content_clear(&content);
	return err;
}

static int frame_learn(void *ctx, const Convene__Items *items)
{
	struct learning *l = ctx;
	int err = OK;

	for (size_t i = 0; i < items->n_items && !err; i++) {
		const Convene__Item *item = items->items[i];

		err = item_learn(l, item);
		if (!l->held && item->arrival > l->cursor)
			l->cursor = item->arrival;
	}
	if (!err && l->posts - l->committed >= COMMIT_POSTS) {
		l->committed = l->posts;
		if (!l->first)
			err = journal_cursor(l->journal, l->cursor, l->t);
		if (!err)
			err = journal_commit(l->journal, l->t);
		if (!err)
			err = journal_begin(l->journal, l->t);
	}
	if (!err && l->tell)
		l->tell(l->ctx, l->posts);
	return err;
}

static int absentee_learn(struct learning *l, struct import_node *n, const struct absentee *a)
{
	struct buffer encoded = BUFFER_INIT;
	uint8_t id[ID_LEN], salt[SALT_LEN];
	struct content content;
	struct header h;
	struct ref post;
	int err;

	message_id(id, buffer_bytes(&a->message), &a->binding);
	err = client_content(n->client, id, salt, &encoded, l->t);
	if (err == ERR_NOTFOUND || err == ERR_REFUSED || l->t->code) {
		/* Not here yet, or erased. */
		l->late |= err == ERR_NOTFOUND;
		buffer_free(&encoded);
		return OK;
	}
	if (!err && message_parse(buffer_bytes(&a->message), &h) == OK &&
	    message_verify(buffer_bytes(&a->message), &a->binding, h.signer) == OK &&
	    content_check(&h, &a->binding, salt, buffer_bytes(&encoded)) == OK &&
	    content_parse(buffer_bytes(&encoded), &content) == OK) {
		post = ref_of(&a->binding, id, a->index);
		err = content_learn(l, &content, &post, &a->binding, a->own);
		content_clear(&content);
	}
	buffer_free(&encoded);
	return err;
}

int learn_topic(struct journal *j, struct import_node *n, const uint8_t device[static KEY_LEN],
    const uint8_t topic[static ID_LEN], uint64_t cursor, void (*tell)(void *ctx, uint64_t posts),
    void *ctx, struct trouble *t)
{
	struct learning l = {.journal = j,
	    .node = n,
	    .device = device,
	    .cursor = cursor,
	    .tell = tell,
	    .ctx = ctx,
	    .t = t};
	int err;

	l.last = &l.first;
	err = journal_begin(j, t);
	if (!err)
		err = client_arrivals(n->client, cursor, topic, frame_learn, &l, t);
	for (struct absentee *a = l.first, *next; a; a = next) {
		next = a->next;
		t->code = 0;
		if (!err)
			err = absentee_learn(&l, n, a);
		buffer_free(&a->message);
		free(a);
	}
	if (!err && !l.late)
		err = journal_cursor(j, l.cursor, t);
	if (!err)
		err = journal_commit(j, t);
	else
		journal_rollback(j);
	return err;
}
