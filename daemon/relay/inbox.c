/* SPDX-License-Identifier: BSD-2-Clause */
/* The inbox as it stands in memory, and what our log begins with after a start: what was accepted,
 * how far the roster has come, and whether what is stored is what was signed. */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/forks.h"
#include "daemon/relay/ingest.h"
#include "msg/body.h"

#define ROOM_MS 100
#define KEEP_MOST (16 * 1024)   /* bytes of one content */
#define KEEP_BYTES (512 * 1024) /* of all that wait */

static void waiting_read(struct relay *r, struct waiting *w, struct bytes content)
{
	struct target_body b;
	struct header h;

	if (message_parse(buffer_bytes(&w->message), &h) != OK)
		return;
	w->kind = h.kind;
	bool changes = change_body_parse(&h, &b) == OK;

	if (changes)
		memcpy(w->target, b.target.id, ID_LEN);
	handle_claim(r, w, &h, content);
	if (changes && h.kind == KIND_ERASE)
		amend_claim(r, w, &h);
}

void inbox_content_drop(struct relay *r, struct waiting *w)
{
	r->inbox_bytes -= w->content.len;
	buffer_free(&w->content);
}

/* So that what has just been written can be given to others when it is signed. */
static void content_keep(
    struct relay *r, struct waiting *w, const uint8_t salt[static SALT_LEN], struct bytes content)
{
	w->committed = content.len > 0;
	if (content.len > KEEP_MOST || r->inbox_bytes + content.len > KEEP_BYTES)
		return;
	buffer_add(&w->content, content.data, content.len);
	if (w->content.failed)
		buffer_free(&w->content);
	memcpy(w->salt, salt, SALT_LEN);
	r->inbox_bytes += w->content.len;
}

void waiting_free(struct waiting *w)
{
	buffer_free(&w->message);
	buffer_free(&w->content);
	free(w->skeleton);
	free(w);
}

void inbox_add(struct relay *r, const uint8_t id[static ID_LEN], struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content, bool verified)
{
	struct waiting *w = calloc(1, sizeof *w);

	if (w)
		buffer_add(&w->message, message.data, message.len);
	if (!w || w->message.failed)
		abort(); /* the roster has it already: only a fresh start makes this right */
	memcpy(w->id, id, ID_LEN);
	w->verified = verified;
	waiting_read(r, w, content);
	content_keep(r, w, salt, content);
	*r->inbox_last = w;
	r->inbox_last = &w->next;
	r->inbox_count++;
	if (!r->unsealed)
		r->unsealed = w;
}

void inbox_forget(struct relay *r)
{
	while (r->inbox && r->inbox->sealed && r->inbox->index < r->own->folded) {
		struct waiting *w = r->inbox;

		r->inbox = w->next;
		if (!r->inbox)
			r->inbox_last = &r->inbox;
		waiting_free(w);
	}
}

void inbox_known(const struct relay *r, uint64_t first, struct bytes leaves,
    struct forum_entry *entries, bool *known, size_t count)
{
	const struct waiting *w = r->inbox;
	struct bytes leaf;
	size_t pos = 0;

	while (w && w->sealed && w->index < first)
		w = w->next;
	for (size_t i = 0; i < count && leaves_next(leaves, &pos, &leaf) == OK; i++) {
		if (!w || !w->sealed)
			break;
		if (w->index != first + i)
			continue;
		known[i] = w->verified && bytes_equal(leaf, buffer_bytes(&w->message));
		if (known[i])
			memcpy(entries[i].id, w->id, ID_LEN);
		w = w->next;
	}
}

void inbox_sealing(const struct relay *r, struct forum_entry *entries, bool *known, size_t count)
{
	const struct waiting *w = r->unsealed;

	for (size_t i = 0; i < count && w; i++, w = w->next) {
		known[i] = w->verified;
		memcpy(entries[i].id, w->id, ID_LEN);
	}
}

struct waiting *inbox_find(struct relay *r, const uint8_t id[static ID_LEN])
{
	struct waiting *w = r->inbox;

	while (w && memcmp(w->id, id, ID_LEN) != 0)
		w = w->next;
	return w;
}

int inbox_status(struct relay *r, const uint8_t id[static ID_LEN], uint64_t *index)
{
	struct waiting *w = inbox_find(r, id);
	uint32_t no;

	*index = 0;
	if (w && !w->sealed)
		return CONVENE__STATUS__ACCEPTED;
	if (w)
		*index = w->index;
	else if (query_message(r->reader, id, &no, index) != OK || no != r->own->no)
		return CONVENE__STATUS__STATUS_NONE;
	return *index < sync_anchored(r->sync, r->own->no) ? CONVENE__STATUS__ANCHORED
							   : CONVENE__STATUS__SEALED;
}

static void room_ask(struct relay *r)
{
	/* What waits is yet to be written into the store, and into its log before that. */
	uint64_t wanted = ((uint64_t)r->conf->limits.free_mib << 20) +
			  (r->intake ? 2 * intake_bytes(r->intake) : 0);
	struct statvfs v;

	r->room_asked = clock_mono_ms();
	r->room = statvfs(r->conf->node.data, &v) != 0 ||
		  (uint64_t)v.f_bavail * v.f_frsize >= wanted;
}

bool inbox_room(struct relay *r)
{
	if (r->room_asked == 0 || clock_mono_ms() - r->room_asked >= ROOM_MS)
		room_ask(r);
	return r->room;
}

void inbox_look(struct relay *r)
{
	bool left;

	room_ask(r);
	left = r->room;

	if (left && (r->read_only || r->room_short))
		log_info("there is room on the disk again");
	else if (!left && !r->room_short)
		log_warning("less than %u MiB (limits.free_mib) are free at %s: posts are refused "
			    "until there is room",
		    r->conf->limits.free_mib, r->conf->node.data);
	r->room_short = !left;
	r->read_only = r->read_only && !left;
}

/* ---- start ---- */

static int roster_take(struct relay *r, struct bytes message, const uint8_t *id)
{
	struct roster_entry e = {.index = r->next_index, .message = message};
	const struct binding *b = &r->node->binding;
	struct verdict v;
	struct header h;
	int err;

	e.parsed = message_parse(message, &h);
	e.header = &h;
	e.signature = e.parsed == OK ? message_verify(message, b, h.signer) : ERR_SIGNATURE;
	if (id)
		memcpy(e.id, id, ID_LEN);
	else
		message_id(e.id, message, b);
	err = roster_judge(r->roster, &e, &v);
	r->next_index++;
	return err;
}

static int load_row(void *ctx, const struct store_inbox *row)
{
	struct relay *r = ctx;
	int err = roster_take(r, row->message, row->id);

	if (err)
		return err;
	inbox_add(r, row->id, row->message, row->salt, row->content, false);
	r->inbox_durable++;
	return OK;
}

/* Rows of the table are older than what is in the journal. */
static int load_rows(struct relay *r)
{
	int err = r->reader->ops->inbox_each(r->reader, 0, SIZE_MAX, load_row, r);

	return err ? err : intake_each(r->intake, 0, SIZE_MAX, load_row, r);
}

/* Entries of our log that the views have not folded yet. */
static int load_tail(struct relay *r)
{
	uint64_t held = replica_held(r->own->replica);
	struct buffer b = BUFFER_INIT;
	struct bytes leaf;
	int err = OK;

	r->recall = held;
	while (!err && r->next_index < held) {
		buffer_reset(&b);
		err = log_entry(r, r->own->no, r->next_index, &b, &leaf);
		if (!err)
			err = roster_take(r, leaf, NULL);
	}
	buffer_free(&b);
	return err;
}

/* The very first message: our credential. */
static int first_entry(struct relay *r)
{
	static const uint8_t salt[SALT_LEN];
	struct store *w = r->writer.store;
	struct bytes message = buffer_bytes(&r->node->message);
	uint8_t id[ID_LEN];
	uint64_t waiting = 0, no;
	int err = r->reader->ops->inbox_count(r->reader, &waiting);

	if (err || waiting + intake_count(r->intake) > 0)
		return err;
	message_id(id, message, &r->node->binding);
	err = w->ops->begin(w);
	if (!err) {
		err = w->ops->inbox_add(w, id, message, salt, bytes_of(NULL, 0), &no);
		if (err)
			w->ops->rollback(w);
		else
			err = w->ops->commit(w);
	}
	return err;
}

bool inbox_explains(struct relay *r, uint64_t size, const uint8_t root[static HASH_LEN])
{
	uint64_t held = replica_held(r->own->replica), made;
	struct buffer leaves = BUFFER_INIT;
	const struct waiting *w = r->unsealed;
	uint8_t own[HASH_LEN];
	bool same;

	if (size <= held || size - held > r->inbox_durable || size - held > SEAL_MAX)
		return false;
	for (uint64_t n = size - held; w && n > 0; w = w->next, n--)
		leaves_add(&leaves, buffer_bytes(&w->message));
	same = !leaves.failed &&
	       replica_propose(r->own->replica, buffer_bytes(&leaves), &made, own) == OK &&
	       made == size && memcmp(root, own, HASH_LEN) == 0;
	buffer_free(&leaves);
	return same;
}

/* Compare what was signed with what is stored. */
static int heads_compare(struct relay *r)
{
	uint64_t size, held = replica_held(r->own->replica);
	uint8_t root[HASH_LEN];
	char why[200];

	signer_head(r->signer, &size, root);
	if (size == held &&
	    (held == 0 || memcmp(root, replica_held_root(r->own->replica), HASH_LEN) == 0))
		return OK;
	if (inbox_explains(r, size, root)) {
		/* Stopped between signing and committing: the same batch must come again. */
		r->resume = (size_t)(size - held);
		r->own->fold_apart = true; /* which may be why */
		return OK;
	}
	if (size == held)
		snprintf(why, sizeof why, "the lock file and the store hold different histories");
	else
		snprintf(why, sizeof why,
		    "the lock file says that %llu entries were signed, and the store holds %llu",
		    (unsigned long long)size, (unsigned long long)held);
	recover_begin(r, RECOVERY_FOUND, NULL, why); /* also where its note can't be written */
	return r->recovering ? OK : ERR_IO;
}

int inbox_reload(struct relay *r, struct roster *roster)
{
	while (r->inbox) {
		struct waiting *next = r->inbox->next;

		waiting_free(r->inbox);
		r->inbox = next;
	}
	r->inbox_last = &r->inbox;
	r->unsealed = NULL;
	r->inbox_count = r->inbox_durable = r->inbox_bytes = 0;
	roster_free(r->roster);
	r->roster = roster;
	r->next_index = roster_next(roster);
	return load_rows(r);
}

int inbox_start(struct relay *r)
{
	int err = r->orphan ? OK : inbox_inherit(r);

	r->inbox_last = &r->inbox;
	if (r->orphan) { /* nothing is taken in, and the next start finds what we inherit */
		r->roster = roster_new(&r->own->credential, r->charter, NULL);
		return r->roster ? OK : ERR_NOMEM;
	}
	if (!err && replica_held(r->own->replica) == 0)
		err = first_entry(r);
	if (err)
		return err;
	r->roster = roster_at(r, r->own, replica_held(r->own->replica));
	if (!r->roster)
		return ERR_NOMEM;
	r->next_index = roster_next(r->roster);
	err = load_tail(r);
	if (!err)
		err = load_rows(r);
	if (!err)
		err = heads_compare(r);
	if (!err && r->inbox_count > 0)
		log_info("%zu accepted message%s to be sealed", r->inbox_count,
		    r->inbox_count == 1 ? " waits" : "s wait");
	return err;
}

void inbox_free(struct relay *r)
{
	while (r->inbox) {
		struct waiting *next = r->inbox->next;

		waiting_free(r->inbox);
		r->inbox = next;
	}
	roster_free(r->roster);
	quota_free(r->quota);
}
