/* SPDX-License-Identifier: BSD-2-Clause */
/* What is gone of what was erased: from our own files, and, as they say, from those of others
 * (SPEC.md 11.10).
 *
 * Of ourselves nothing is written down: a start begins with a scrub, and only after it is anything
 * said. What peers said is kept, as facts of the store: erased/DIGEST/ORGANISATION. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "daemon/relay/answer.h"
#include "daemon/relay/cosign.h"

#define KEY_ROOM 160
#define WAITING_MS 60000 /* then the operator hears that erased bytes are still there */

/* What a peer has said of a log. */
struct confirmation {
	char organisation[ORG_NAME_MAX + 1];
	uint64_t size;
	bool kept; /* on disk */
	struct confirmation *next;
};

static struct confirmation *confirmation_of(struct relay_log *l, const char *organisation)
{
	struct confirmation *c = l->confirmed;

	while (c && strcmp(c->organisation, organisation) != 0)
		c = c->next;
	if (!c && strlen(organisation) <= ORG_NAME_MAX && (c = calloc(1, sizeof *c))) {
		strcpy(c->organisation, organisation);
		c->next = l->confirmed;
		l->confirmed = c;
	}
	return c;
}

static int load_one(void *ctx, const char *key, struct bytes value)
{
	uint8_t digest[DIGEST_LEN];
	struct confirmation *c;
	struct relay_log *l;

	key += strlen("erased/");
	if (strlen(key) <= (size_t)2 * DIGEST_LEN || key[2 * DIGEST_LEN] != '/' ||
	    hex_decode(digest, DIGEST_LEN, key, (size_t)2 * DIGEST_LEN) != OK)
		return ERR_STORE;
	l = log_by_digest(ctx, digest, DIGEST_LEN);
	c = l ? confirmation_of(l, key + 2 * DIGEST_LEN + 1) : NULL;
	if (!c)
		return OK;
	c->kept = true;
	return decimal_parse(&c->size, (const char *)value.data, value.len, INT64_MAX);
}

int erasure_start(struct relay *r)
{
	return r->reader->ops->meta_each(r->reader, "erased/", load_one, r);
}

void erasure_log_free(struct relay_log *l)
{
	while (l->confirmed) {
		struct confirmation *next = l->confirmed->next;

		free(l->confirmed);
		l->confirmed = next;
	}
}

void erasure_heard(struct relay *r, const char *organisation, uint32_t no, uint64_t size)
{
	struct relay_log *l = log_by_no(r, no);
	struct confirmation *c = l ? confirmation_of(l, organisation) : NULL;

	if (!c || c->size >= size)
		return;
	c->size = size;
	c->kept = false;
}

/* What was said of the entries that were cut says nothing of those that come in their place. */
void erasure_cut(struct relay_log *l, uint64_t size)
{
	if (l->scrubbed > size)
		l->scrubbed = size;
	if (l->erases > size)
		l->erases = 0;
	for (struct confirmation *c = l->confirmed; c; c = c->next) {
		if (c->size > size) {
			c->size = size;
			c->kept = false;
		}
	}
}

/* Once a housekeeping, however often a peer says more. */
void erasure_keep(struct relay *r)
{
	struct facts *f = NULL;
	char key[KEY_ROOM], hex[2 * DIGEST_LEN + 1], number[24];

	for (struct relay_log *l = r->logs; l; l = l->next) {
		for (struct confirmation *c = l->confirmed; c; c = c->next) {
			if (c->kept || (!f && !(f = facts_new())))
				continue;
			c->kept = true;
			hex_encode(hex, l->credential.binding.digest, DIGEST_LEN);
			snprintf(key, sizeof key, "erased/%s/%s", hex, c->organisation);
			snprintf(number, sizeof number, "%llu", (unsigned long long)c->size);
			facts_put(f, key, bytes_str(number));
		}
	}
	if (f)
		facts_keep(r, f, NULL, NULL);
	if (!storage_erased(r)) {
		r->erased_since = 0;
		r->erased_told = false;
	} else if (r->erased_since == 0) {
		r->erased_since = clock_mono_ms();
	} else if (!r->erased_told && clock_mono_ms() - r->erased_since > WAITING_MS) {
		r->erased_told = true;
		log_warning("erased texts have been in the store's files for a minute: a program "
			    "that reads the store (an export, a copy, a publisher) does not let "
			    "go; end it");
	}
}

void erasure_scrubbed(struct relay *r, const struct scrubbed *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct relay_log *l = log_by_no(r, list[i].no);
		uint64_t held;

		if (!l)
			continue;
		/* Views that are made anew take nothing back; a log that was cut does. */
		held = replica_held(l->replica);
		if (l->scrubbed < list[i].folded)
			l->scrubbed = list[i].folded;
		if (l->scrubbed > held)
			l->scrubbed = held;
		if (list[i].erases > l->erases && list[i].erases <= l->scrubbed) {
			l->erases = list[i].erases;
			sync_erased(r->sync, l->no, l->scrubbed, clock_mono_ms());
		} else if (list[i].erases > l->erases && list[i].erases <= list[i].folded) {
			/* Stored in that very group, and not heard of here yet: once more, behind
			 * it. */
			atomic_store(&r->writer.erased, true);
		}
	}
	tick_soon(r);
}

bool erasure_gone(const struct relay *r, const struct relay_log *l, uint64_t size)
{
	return l->folded >= size && (l->scrubbed >= size || !storage_erased(r));
}

/* ---- for clients ---- */

static bool is_own(const struct relay *r, const struct member *member)
{
	return strcmp(member->name, r->conf->node.name) == 0 &&
	       memcmp(member->root_key, r->node->root_key, KEY_LEN) == 0;
}

/* Whether what a peer of this name has said is this member's: several may have the name, and the
 * configuration says which one is our peer. */
static bool is_peer(const struct relay *r, const struct member *member)
{
	size_t same = 0;

	for (const struct peer *p = r->peers; p; p = p->next) {
		if (strcmp(p->conf->name, member->name) == 0)
			return memcmp(p->conf->root.public, member->root_key, KEY_LEN) == 0;
	}
	for (size_t i = 0; i < r->member_count; i++)
		same += strcmp(r->members[i].name, member->name) == 0;
	return same == 1;
}

/* Whether a cosignature that its seat has is this organisation's. Its key may have been replaced
 * since, so that the id tells only where others share the seat. */
static bool is_by(const struct relay *r, const struct cosigner *who, struct bytes cosigned)
{
	struct note_signature sig;
	struct note note;
	bool shared = false;

	for (size_t i = 0; i < r->member_count && !shared; i++) {
		const struct cosigner *other = anchor_of(
		    cosign_anchor(r), r->members[i].name, r->members[i].root_key);

		shared = other && other->seat == who->seat &&
			 memcmp(other->root_key, who->root_key, KEY_LEN) != 0;
	}
	return !shared || (note_parse(&note, cosigned) == OK &&
			      note_signature(&note, note.count - 1, &sig) == OK &&
			      memcmp(sig.id, who->key.id, sizeof sig.id) == 0);
}

/* Whoever cosigns a size says that what the entries below it erase is gone (11.8). */
static bool has_cosigned(
    struct relay *r, const struct relay_log *l, uint64_t index, const struct member *member)
{
	const struct cosigner *who = anchor_of(cosign_anchor(r), member->name, member->root_key);
	size_t max = anchor_needed(cosign_anchor(r)), count = 0;
	struct sync_cosigned *kept = who ? calloc(max + 1, sizeof *kept) : NULL;
	bool found = false;

	if (kept)
		count = sync_cosigned(r->sync, l->no, kept, max);
	for (size_t i = 0; i < count; i++)
		found |= kept[i].seat == who->seat && kept[i].size > index &&
			 is_by(r, who, kept[i].note);
	free(kept);
	return found;
}

/* Whether a member has confirmed that what this entry erases is gone there. */
static void member_fill(struct relay *r, const struct relay_log *l, uint64_t index,
    const struct member *member, Convene__Confirmation *m)
{
	bool own = is_own(r, member), peer = is_peer(r, member);

	convene__confirmation__init(m);
	m->organisation = pb_of(bytes_str(member->name));
	m->erased = own && erasure_gone(r, l, index + 1);
	for (const struct confirmation *c = l->confirmed; c && !own && peer; c = c->next)
		m->erased |= c->size > index && strcmp(c->organisation, member->name) == 0;
	if (!m->erased && !own)
		m->erased = m->cosigned = has_cosigned(r, l, index, member);
	for (const struct peer *p = r->peers; p; p = p->next)
		m->linked |= p->link && peer && strcmp(p->conf->name, member->name) == 0;
}

void erasure_get(struct session *s, uint32_t stream, const Convene__ErasureGet *m)
{
	struct relay *r = s->relay;
	struct relay_log *l = NULL;
	Convene__Erasure answer = CONVENE__ERASURE__INIT;
	Convene__Confirmation *members = calloc(r->member_count + 1, sizeof *members),
			      **list = calloc(r->member_count + 1, sizeof *list);
	struct item_ref erase;
	uint8_t id[ID_LEN];
	int err = members && list ? OK : ERR_NOMEM;

	if (!err && m->id.len == ID_LEN)
		memcpy(id, m->id.data, ID_LEN);
	else if (!err)
		err = query_resolve(r->reader, bytes_of_pb(m->id), id);
	if (!err)
		err = query_erasure(r->reader, id, &erase);
	if (!err && !(l = log_by_no(r, erase.log_no)))
		err = ERR_NOTFOUND;
	for (int own = 1; own >= 0 && !err; own--) {
		for (size_t i = 0; i < r->member_count; i++) {
			if (is_own(r, &r->members[i]) != own)
				continue;
			list[answer.n_members] = &members[answer.n_members];
			member_fill(
			    r, l, erase.index, &r->members[i], &members[answer.n_members++]);
		}
	}
	if (err) {
		answer_error(s, stream, err, "message that was erased");
	} else {
		answer.id = pb_of(bytes_of(id, ID_LEN));
		answer.log = pb_of(bytes_str(l->credential.binding.log_name));
		answer.index = erase.index;
		answer.erase = pb_of(bytes_of(erase.id, ID_LEN));
		answer.members = list;
		channel_send(s->channel, FRAME_ERASURE, stream, &answer.base);
	}
	free(members);
	free(list);
}
