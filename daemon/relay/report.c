/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/relay/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "daemon/relay/forks.h"
#include "daemon/relay/moderate.h"

#define LAGS_SHOWN 16
#define PING_PATIENCE_MS 10000 /* a PING without an answer for longer: stalled */

json_t *report_hex(const uint8_t *data, size_t len)
{
	char text[2 * 64 + 1];

	hex_encode(text, data, len);
	return json_string(text);
}

json_t *report_text(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

/* A member of an object. What runs out of memory is missing from it. */
static void put(json_t *o, const char *name, json_t *value)
{
	json_object_set_new(o, name, value);
}

static void put_number(json_t *o, const char *name, uint64_t value)
{
	put(o, name, json_integer((json_int_t)value));
}

static void put_flag(json_t *o, const char *name, bool value)
{
	put(o, name, json_boolean(value));
}

/* Whose cosignature would count for this log, and has not come for all that is held. */
static json_t *not_cosigned(const struct relay *r, const struct relay_log *l,
    const struct sync_cosigned *kept, size_t count)
{
	uint64_t held = replica_held(l->replica);
	json_t *list = json_array();

	for (size_t i = 0; i < r->member_count; i++) {
		const struct cosigner *c = anchor_of(
		    cosign_anchor(r), r->members[i].name, r->members[i].root_key);
		bool has = !c ||
			   !anchor_counts(c, l->credential.organisation, l->credential.root_key);

		for (size_t k = 0; k < count && !has; k++)
			has = kept[k].seat == c->seat && kept[k].size >= held;
		if (!has)
			json_array_append_new(list, json_string(r->members[i].name));
	}
	return list;
}

/* Who has cosigned what of a log, and how long it waits to be anchored further. */
static void anchoring_report(struct relay *r, const struct relay_log *l, json_t *o)
{
	const struct anchor *anchor = cosign_anchor(r);
	size_t max = anchor_needed(anchor);
	struct sync_cosigned *kept = calloc(max + 1, sizeof *kept);
	size_t count = kept ? sync_cosigned(r->sync, l->no, kept, max) : 0;
	uint64_t newest = 0, wall = clock_wall_ms() / 1000, now = clock_mono_ms();
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		char organisation[ORG_NAME_MAX + 1] = "";
		struct note_signature sig;
		struct note note;
		json_t *c = json_object();

		if (note_parse(&note, kept[i].note) == OK &&
		    note_signature(&note, note.count - 1, &sig) == OK)
			cosigner_organisation(sig.name, organisation);
		put(c, "organisation", json_string(organisation));
		put_number(c, "size", kept[i].size);
		put_number(c, "seconds", kept[i].seconds);
		json_array_append_new(list, c);
		if (kept[i].seconds > newest)
			newest = kept[i].seconds;
	}
	put(o, "not_cosigned", max > 0 ? not_cosigned(r, l, kept, count) : json_array());
	free(kept);
	put_number(o, "anchored", sync_anchored(r->sync, l->no));
	put(o, "cosigned", list);
	put(o, "cosigned_s",
	    newest ? json_integer((json_int_t)(wall > newest ? wall - newest : 0)) : json_null());
	put_flag(o, "anchorable",
	    max > 0 &&
		anchor_seats(anchor, l->credential.organisation, l->credential.root_key) >= max);
	put(o, "unanchored_s",
	    l->cosign.stuck_since ? json_integer((json_int_t)((now - l->cosign.stuck_since) / 1000))
				  : json_null());
}

static json_t *log_report(struct relay *r, const struct relay_log *l)
{
	static const char *const states[] = {"live", "suspect", "disputed", "broken"};
	json_t *o = json_object();
	uint64_t missing = 0;

	r->reader->ops->wanted_count(r->reader, l->no, &missing);
	put(o, "name", json_string(l->credential.binding.log_name));
	put(o, "organisation", json_string(l->credential.organisation));
	put_number(o, "size", replica_held(l->replica));
	put_number(o, "folded", l->folded);
	put_number(o, "contents_missing", missing);
	put_number(o, "invalid", l->invalid);
	put(o, "state",
	    json_string(replica_ended(l->replica) ? "broken"
			: l->carried && sync_doubt(r->sync, l->no) == SYNC_UNSURE
			    ? "settling"
			    : states[l->state]));
	put(o, "root", report_hex(replica_held_root(l->replica), HASH_LEN));
	put_flag(o, "own", l->own);
	put_flag(o, "carried", l->carried);
	put(o, "upstream", report_text(sync_upstream(r->sync, l->no)));
	put_flag(o, "proof", forks_of(r, l->credential.binding.digest) != NULL);
	put(o, "follows",
	    report_text(l->previous ? l->previous->credential.binding.log_name : NULL));
	put(o, "ends", l->end == UINT64_MAX ? json_null() : json_integer((json_int_t)l->end));
	anchoring_report(r, l, o);
	return o;
}

/* Lag per log, the largest first, and not more than a reader wants to see. */
static json_t *lags_report(struct relay *r, const struct peer *p)
{
	struct sync_lag lags[LAGS_SHOWN];
	size_t n = sync_link_lags(r->sync, p->link, lags, LAGS_SHOWN);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct relay_log *l = log_by_no(r, lags[i].log);
		json_t *o = json_object();

		put(o, "log", json_string(l->credential.binding.log_name));
		put_number(o, "behind", lags[i].behind);
		put_flag(o, "upstream", lags[i].upstream);
		json_array_append_new(list, o);
	}
	return list;
}

/* Why a peer is said to have stalled, and since when; NULL: it has not. */
static const char *peer_stall(
    const struct peer *p, const struct sync_link_stats *st, uint64_t now, uint64_t *since)
{
	uint64_t ping = p->link ? channel_unanswered(p->channel) : 0;

	if (ping && now - ping > PING_PATIENCE_MS) {
		*since = ping;
		return "it does not answer";
	}
	if (st->stalled_since) {
		*since = st->stalled_since;
		return "it has shown entries that do not come, or hardly";
	}
	if (st->deaf_since) {
		*since = st->deaf_since;
		return "it does not say that what we send is durable there";
	}
	return NULL;
}

static void put_age(json_t *o, const char *name, uint64_t at, uint64_t now)
{
	put(o, name, at ? json_integer((json_int_t)((now - at) / 1000)) : json_null());
}

static json_t *peer_report(struct relay *r, const struct peer *p, bool detailed)
{
	struct sync_link_stats st = {.behind = 0};
	uint64_t now = clock_mono_ms(), since = p->since, in = 0, out = 0;
	json_t *o = json_object();
	const char *stall;

	if (p->link)
		sync_link_stats(r->sync, p->link, &st);
	stall = peer_stall(p, &st, now, &since);
	put(o, "name", json_string(p->conf->name));
	put(o, "address", report_text(p->conf->address.text));
	put_flag(o, "connected", p->link != NULL);
	put(o, "state", json_string(!p->link ? "down" : stall ? "stalled" : "up"));
	put_number(o, "state_s", (now - since) / 1000);
	put(o, "stall", report_text(stall));
	put_number(o, "since_s", p->link ? (now - p->since) / 1000 : 0);
	put_number(o, "behind", st.behind);
	put(o, "last_error", report_text(p->last_error));
	if (!detailed)
		return o;
	if (p->link)
		channel_traffic(p->channel, &in, &out);
	put_number(o, "logs_behind", st.logs_behind);
	put(o, "lags", p->link ? lags_report(r, p) : json_array());
	put(o, "rtt_ms",
	    p->link && channel_measured(p->channel)
		? json_integer((json_int_t)channel_rtt(p->channel))
		: json_null());
	put_age(o, "heard_s", st.last_received, now);
	put_age(o, "progress_s", st.progress_at, now);
	put_age(o, "acknowledged_s", st.acknowledged_at, now);
	put_number(o, "unacknowledged", st.unacknowledged);
	put_number(o, "bytes_in", in);
	put_number(o, "bytes_out", out);
	put_number(o, "entries_useful", st.entries_useful);
	put_number(o, "entries_again", st.entries_again);
	put_number(o, "data_in", st.data_in);
	put_number(o, "data_out", st.data_out);
	put_number(o, "contents_in", st.contents_in);
	put_number(o, "contents_out", st.contents_out);
	put_number(o, "contents_again", st.contents_again);
	put_number(o, "content_bytes_in", st.content_bytes_in);
	put_number(o, "content_bytes_out", st.content_bytes_out);
	put_flag(o, "compress", p->conf->compress);
	put_flag(o, "can_compress", p->link && p->can_pack);
	put_flag(o, "packs_in", st.packs_in);
	put_flag(o, "packs_out", st.packs_out);
	put_number(o, "packed_in", st.packed_in);
	put_number(o, "unpacked_in", st.unpacked_in);
	put_number(o, "packed_out", st.packed_out);
	put_number(o, "unpacked_out", st.unpacked_out);
	put_flag(o, "witness", st.witness);
	put_number(o, "checkpoints_in", st.checkpoints_in);
	put_number(o, "checkpoints_out", st.checkpoints_out);
	put_number(o, "announces_in", st.announces_in);
	put_number(o, "announces_out", st.announces_out);
	put_number(o, "upstream_of", st.upstream_of);
	put_number(o, "subscribed", st.subscribed);
	return o;
}

static json_t *peers_report(struct relay *r, bool detailed)
{
	json_t *list = json_array();

	for (const struct peer *p = r->peers; p; p = p->next)
		json_array_append_new(list, peer_report(r, p, detailed));
	return list;
}

static json_t *members_report(const struct relay *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->member_count; i++) {
		const struct member *m = &r->members[i];
		struct verifier v;
		json_t *o;

		if (verifier_make(&v, bytes_str(m->name), VERIFIER_ED25519, m->root_key) != OK)
			continue;
		o = json_object();
		put(o, "name", json_string(v.name));
		put(o, "key_id", report_hex(v.id, sizeof v.id));
		put_flag(o, "founder", m->founder);
		json_array_append_new(list, o);
	}
	return list;
}

/* Of the keys in use, those that were replaced; NULL: none. */
static const char *keys_replaced(const struct relay *r)
{
	return r->registrar_replaced && r->tls_replaced ? "registrar and TLS key replaced; restart "
							  "convened. Until then nobody is enrolled"
	       : r->registrar_replaced ? "registrar replaced; restart convened. Until then nobody "
					 "is enrolled"
	       : r->tls_replaced       ? "TLS key replaced; restart convened"
				       : NULL;
}

json_t *report_status(struct relay *r)
{
	const struct signer *root = roster_signer(r->roster, r->node->root_key);
	json_t *o = json_object(), *logs = json_array();
	uint8_t frontier[HASH_LEN];
	char sealing[600] = "on";

	if (r->halted[0])
		snprintf(sealing, sizeof sealing, "halted: %s", r->halted);
	else if (r->recovering)
		recover_text(r, sealing, sizeof sealing);
	else if (r->learning)
		strcpy(sealing, "waiting for peers");
	sync_frontier(r->sync, frontier);
	for (const struct relay_log *l = r->logs; l; l = l->next)
		json_array_append_new(logs, log_report(r, l));

	put(o, "node", json_string(r->conf->node.name));
	put(o, "forum", report_hex(r->charter->forum, HASH_LEN));
	put(o, "forum_name", json_string(r->charter->name));
	put(o, "log", json_string(r->node->binding.log_name));
	put(o, "version", json_string(PACKAGE_VERSION));
	put_number(o, "root_sequence", root ? root->sequence : 0);
	put_number(o, "uptime_s", (clock_mono_ms() - r->started) / 1000);
	put_flag(o, "member", member_has(r, r->conf->node.name, r->node->root_key));
	put(o, "sealing", json_string(sealing));
	put(o, "keys", report_text(keys_replaced(r)));
	put(o, "cosigning", report_text(cosign_held(r)));
	put(o, "recovery", recover_report(r));
	put_number(o, "left_out", r->left_out);
	put_number(o, "anchor_needed", anchor_needed(cosign_anchor(r)));
	put_number(o, "inbox", r->inbox_count);
	put(o, "frontier", report_hex(frontier, HASH_LEN));
	put_number(o, "clients", r->client_count);
	put_flag(o, "read_only", r->read_only || r->room_short);
	put(o, "logs", logs);
	put(o, "search", searching_report(r));
	services_report(r, o);
	put(o, "peers", peers_report(r, false));
	put(o, "members", members_report(r));
	return o;
}

json_t *report_peers(struct relay *r)
{
	json_t *o = json_object();

	put(o, "peers", peers_report(r, true));
	return o;
}

struct listing {
	const struct relay *relay;
	json_t *list;
};

static int person_row(void *ctx, const struct author *a, const struct signer *d)
{
	struct listing *listing = ctx;
	json_t *o = json_object();

	put(o, "handle", json_string(a->handle));
	put(o, "name", json_string(a->name));
	put(o, "group", json_string(a->group));
	put(o, "identity", report_hex(a->identity, IDENTITY_LEN));
	put(o, "device", report_hex(d->key, KEY_LEN));
	put_number(o, "sequence", d->sequence);
	put_flag(o, "revoked", d->revoked > 0);
	put_flag(o, "recovery", d->recovery);
	put(o, "custody", json_string(d->custody ? "gateway" : "own"));
	put_flag(o, "suspended", moderate_suspended(listing->relay, a->identity) != NULL);
	return json_array_append_new(listing->list, o) == 0 ? OK : ERR_NOMEM;
}

json_t *report_people(struct relay *r, int *err)
{
	json_t *o = json_object(), *list = json_array();

	struct listing listing = {r, list};

	*err = query_people(r->reader, r->own->no, person_row, &listing);
	put(o, "people", list);
	return o;
}
