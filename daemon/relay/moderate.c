/* SPDX-License-Identifier: BSD-2-Clause */
/* What this node's operator hides and whom they suspend (SPEC.md 13.6): local, durable, and each
 * step written down with its reason.
 *
 * A measure is a fact of the store under the name it is found by here, and so is what was done
 * (daemon/reader/measure.h). */
#include "daemon/relay/moderate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "daemon/reader/measure.h"
#include "daemon/relay/report.h"

struct measure {
	char *key, *reason, *who;
	uint64_t time;
};

struct measures {
	struct measure *list;    /* ascending by key */
	size_t count, strangers; /* suspended, of other organisations */
	uint64_t operations;
};

/* ---- in memory ---- */

static size_t place_of(const struct measures *m, const char *key, bool *found)
{
	size_t lo = 0, hi = m->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(m->list[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < m->count && strcmp(m->list[lo].key, key) == 0;
	return lo;
}

static const struct measure *measure_find(const struct relay *r, const char *key)
{
	bool found;
	size_t at = place_of(r->measures, key, &found);

	return found ? &r->measures->list[at] : NULL;
}

static void measure_clear(struct measure *m)
{
	free(m->key);
	free(m->reason);
	free(m->who);
}

static bool is_stranger(const struct relay *r, const char *key)
{
	size_t own = strlen(r->conf->node.name);

	return strncmp(key, "suspend/", 8) == 0 &&
	       (strncmp(key + 8, r->conf->node.name, own) != 0 || key[8 + own] != '/');
}

static void measure_drop(struct relay *r, const char *key)
{
	struct measures *m = r->measures;
	bool found;
	size_t at = place_of(m, key, &found);

	if (!found)
		return;
	r->items_changes++;
	m->strangers -= is_stranger(r, key);
	measure_clear(&m->list[at]);
	memmove(&m->list[at], &m->list[at + 1], (--m->count - at) * sizeof *m->list);
}

static int measure_set(
    struct relay *r, const char *key, const char *reason, const char *who, uint64_t time)
{
	struct measures *m = r->measures;
	struct measure fresh = {strdup(key), strdup(reason), strdup(who), time}, *grown;
	bool found;
	size_t at;

	measure_drop(r, key);
	grown = realloc(m->list, (m->count + 1) * sizeof *grown);
	if (grown)
		m->list = grown;
	if (!grown || !fresh.key || !fresh.reason || !fresh.who) {
		measure_clear(&fresh);
		return ERR_NOMEM;
	}
	at = place_of(m, key, &found);
	memmove(&m->list[at + 1], &m->list[at], (m->count - at) * sizeof *m->list);
	m->list[at] = fresh;
	m->count++;
	m->strangers += is_stranger(r, key);
	r->items_changes++;
	return OK;
}

static int load_measure(void *ctx, const char *key, struct bytes value)
{
	struct measure_fact f;
	int err = measure_read(value, &f);

	if (!err)
		err = measure_set(ctx, key, f.reason, f.about, f.time);
	measure_fact_clear(&f);
	return err;
}

static int load_operation(void *ctx, const char *key, struct bytes value)
{
	struct measures *m = ctx;

	(void)value;
	return decimal_parse(&m->operations, key + 3 + strspn(key + 3, "0"),
		   strlen(key + 3 + strspn(key + 3, "0")), INT64_MAX) == OK
		   ? OK
		   : ERR_STORE;
}

int moderate_start(struct relay *r)
{
	static const char *const kinds[] = {MEASURE_HIDE, MEASURE_SUSPEND, MEASURE_CARRY};
	struct store *s = r->reader;
	int err;

	r->measures = calloc(1, sizeof *r->measures);
	if (!r->measures)
		return ERR_NOMEM;
	err = s->ops->meta_each(s, MEASURE_OPERATION, load_operation, r->measures);
	for (size_t i = 0; i < 3 && !err; i++)
		err = s->ops->meta_each(s, kinds[i], load_measure, r);
	return err;
}

void moderate_free(struct relay *r)
{
	for (size_t i = 0; r->measures && i < r->measures->count; i++)
		measure_clear(&r->measures->list[i]);
	if (r->measures)
		free(r->measures->list);
	free(r->measures);
	r->measures = NULL;
}

/* ---- what others ask ---- */

const char *moderate_suspended(const struct relay *r, const uint8_t identity[static IDENTITY_LEN])
{
	const struct measure *m;
	char key[MEASURE_KEY_MAX];

	measure_person_key(key, r->conf->node.name, identity);
	m = measure_find(r, key);
	return m ? m->reason : NULL;
}

const char *moderate_author(const struct relay *r, const struct author *a)
{
	const struct measure *m;
	char key[MEASURE_KEY_MAX];

	if (r->measures->strangers == 0 || !a->device ||
	    strcmp(a->organisation, r->conf->node.name) == 0)
		return NULL;
	measure_person_key(key, a->organisation, a->identity);
	m = measure_find(r, key);
	return m ? m->reason : NULL;
}

const char *moderate_message(
    const struct relay *r, const uint8_t id[static ID_LEN], const struct header *h)
{
	const struct measure *m;
	struct target_body b;
	char key[MEASURE_KEY_MAX];

	if (r->measures->count == 0)
		return NULL;
	measure_hide_key(key, id);
	m = measure_find(r, key);
	if (!m && h && h->kind == KIND_AMEND && amend_body_parse(h->body, &b) == OK) {
		measure_hide_key(key, b.target.id);
		m = measure_find(r, key);
	}
	return m ? m->reason : NULL;
}

/* ---- writing down ---- */

struct keeping {
	struct relay *relay;
	struct request *q; /* NULL: nobody waits */
	char *key, *reason, *who;
	uint64_t time;
	bool drops;
	json_t *answer;
};

static void operation_add(struct facts *f, struct relay *r, const char *what, const char *about,
    const char *reason, uint64_t now)
{
	char key[MEASURE_KEY_MAX];
	json_t *o = json_pack("{s:s, s:s, s:s, s:I}", "what", what, "about", about, "reason",
	    reason, "time", (json_int_t)now);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	measure_operation_key(key, ++r->measures->operations);
	if (text)
		facts_put(f, key, bytes_str(text));
	log_info("operator: %s %s%s%s", what, about, *reason ? ": " : "", reason);
	free(text);
	json_decref(o);
}

static void keeping_free(struct keeping *k)
{
	if (!k)
		return;
	json_decref(k->answer);
	free(k->key);
	free(k->reason);
	free(k->who);
	free(k);
}

static void kept(struct relay *r, void *ctx, int err)
{
	struct keeping *k = ctx;

	if (!err && k->drops)
		measure_drop(r, k->key);
	else if (!err)
		err = measure_set(r, k->key, k->reason, k->who, k->time);
	if (err)
		log_error("%s: %s", k->key, error_text(err));
	if (k->q && err)
		request_refuse(k->q, CONVENE__CODE__INTERNAL, error_text(err));
	else if (k->q)
		request_reply(k->q, json_incref(k->answer));
	keeping_free(k);
}

/* Take a measure, or end it, and answer with what was done. */
static void keep(struct relay *r, struct request *q, const char *what, const char *key,
    const char *who, const char *reason, bool drops)
{
	uint64_t now = clock_wall_ms();
	struct keeping *k = calloc(1, sizeof *k);
	struct facts *f = facts_new();
	json_t *o = json_pack("{s:s, s:s, s:s, s:I}", "what", what, "about", who, "reason", reason,
	    "time", (json_int_t)now);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (k)
		*k = (struct keeping){
		    r, q, strdup(key), strdup(reason), strdup(who), now, drops, o};
	if (!k || !f || !text || !k->key || !k->reason || !k->who) {
		if (q)
			request_refuse(q, CONVENE__CODE__INTERNAL, "out of memory");
		if (!k)
			json_decref(o);
		keeping_free(k);
		free(f);
		free(text);
		return;
	}
	if (drops)
		facts_drop(f, key);
	else
		facts_put(f, key, bytes_str(text));
	operation_add(f, r, what, who, reason, now);
	/* Not kept: it is seen from the key. */
	json_object_set_new(o, "posting", json_boolean(key[0] == 's' && !is_stranger(r, key)));
	facts_keep(r, f, kept, k);
	free(text);
}

/* ---- carry = no ---- */

void moderate_carry(struct relay *r)
{
	const struct conf *c = r->conf;
	char key[MEASURE_KEY_MAX];

	for (size_t i = 0; i < c->origin_count; i++) {
		measure_carry_key(key, c->origins[i].name);
		if (!c->origins[i].carry && !measure_find(r, key))
			keep(r, NULL, "carry-no", key, c->origins[i].name, "", false);
	}
	for (size_t i = 0; i < r->measures->count; i++) {
		const struct measure *m = &r->measures->list[i];

		if (strncmp(m->key, "carry/", 6) == 0 && conf_carries(c, m->who))
			keep(r, NULL, "carry-yes", m->key, m->who, "", true);
	}
}

/* ---- commands ---- */

static bool has_control(const char *text)
{
	while ((unsigned char)*text >= ' ' && *text != 0x7f)
		text++;
	return *text != '\0';
}

/* What --reason says; NULL: it was refused. */
static const char *reason_of(struct request *q, int argc, char **argv, bool wanted)
{
	const char *reason = argc == 4 ? argv[3] : "";

	if ((argc != 2 && argc != 4) || (argc == 4 && strcmp(argv[2], "--reason") != 0) ||
	    (wanted && !*reason) || strlen(reason) > MODERATE_REASON_MAX ||
	    !text_is_utf8(bytes_str(reason)) || has_control(reason)) {
		request_refuse(q, CONVENE__CODE__MALFORMED,
		    "--reason TEXT is wanted: one line of up to 500 bytes, which readers are "
		    "shown");
		return NULL;
	}
	return reason;
}

/* A message by the first digits of its id; false: it was refused. */
static bool message_find(struct request *q, const char *digits, uint8_t id[static ID_LEN],
    struct relay_log **log, struct buffer *entry, struct header *h)
{
	struct relay *r = request_relay(q);
	size_t len = strlen(digits);
	uint8_t prefix[ID_LEN];
	struct bytes leaf;
	uint64_t index;
	uint32_t no;
	int err = len % 2 == 0 && len >= 8 && len <= 2 * ID_LEN
		      ? hex_decode(prefix, len / 2, digits, len)
		      : ERR_MALFORMED;

	if (!err && len == 2 * ID_LEN)
		memcpy(id, prefix, ID_LEN);
	else if (!err)
		err = query_resolve(r->reader, bytes_of(prefix, len / 2), id);
	if (!err)
		err = query_message(r->reader, id, &no, &index);
	if (!err && !(*log = log_by_no(r, no)))
		err = ERR_NOTFOUND;
	if (!err)
		err = log_entry(r, no, index, entry, &leaf);
	if (!err)
		err = message_parse(leaf, h);
	if (err)
		request_refuse(q, refusal_code(err),
		    err == ERR_MALFORMED  ? "an id is 8 hexadecimal digits or more, two for a byte"
		    : err == ERR_NOTFOUND ? "no message here begins with that id"
		    : err == ERR_EXISTS   ? "several ids begin so; give more of it"
					  : error_text(err));
	return !err;
}

void control_hide(struct request *q, int argc, char **argv, struct bytes input)
{
	const char *reason = reason_of(q, argc, argv, true);
	struct buffer entry = BUFFER_INIT;
	struct relay_log *l;
	char key[MEASURE_KEY_MAX];
	uint8_t id[ID_LEN];
	struct header h;

	(void)input;
	if (reason && message_find(q, argv[1], id, &l, &entry, &h)) {
		measure_hide_key(key, id);
		if (h.kind == KIND_POST || h.kind == KIND_TOPIC)
			keep(request_relay(q), q, "hide", key, key + 5, reason, false);
		else
			request_refuse(q, CONVENE__CODE__NOT_FOUND,
			    "only posts and topics can be hidden; amendments go with them");
	}
	buffer_free(&entry);
}

/* End a measure of this kind whose name begins so. */
static void end(
    struct request *q, const char *what, const char *key, const char *reason, const char *missing)
{
	struct relay *r = request_relay(q);
	const struct measures *m = r->measures;
	bool found;
	size_t at = place_of(m, key, &found), len = strlen(key);

	if (at == m->count || strncmp(m->list[at].key, key, len) != 0)
		request_refuse(q, CONVENE__CODE__NOT_FOUND, missing);
	else if (at + 1 < m->count && strncmp(m->list[at + 1].key, key, len) == 0)
		request_refuse(q, CONVENE__CODE__AMBIGUOUS, "several begin so; give more of it");
	else
		keep(r, q, what, m->list[at].key, m->list[at].who, reason, true);
}

void control_unhide(struct request *q, int argc, char **argv, struct bytes input)
{
	const char *reason = reason_of(q, argc, argv, false);
	char key[MEASURE_KEY_MAX];

	(void)input;
	if (!reason)
		return;
	if (strlen(argv[1]) < 8) {
		request_refuse(q, CONVENE__CODE__MALFORMED,
		    "an id is 8 hexadecimal digits or more, two for a byte");
		return;
	}
	snprintf(key, sizeof key, MEASURE_HIDE "%.64s", argv[1]);
	end(q, "unhide", key, reason, "no message that is hidden here begins with that id");
}

struct looking {
	const char *name;
	size_t len;
	bool found;
	struct author author;
};

static int look_row(void *ctx, const struct author *a, const struct signer *d)
{
	struct looking *k = ctx;
	char hex[2 * IDENTITY_LEN + 1];

	(void)d;
	hex_encode(hex, a->identity, IDENTITY_LEN);
	if ((strlen(a->handle) == k->len && memcmp(a->handle, k->name, k->len) == 0) ||
	    (k->len == sizeof hex - 1 && memcmp(hex, k->name, k->len) == 0)) {
		k->found = true;
		k->author = *a;
	}
	return OK;
}

/* HANDLE or IDENTITY, with @ORGANISATION unless it is ours; false: it was refused. */
static bool person_find(struct request *q, const char *text, char key[static MEASURE_KEY_MAX],
    char who[static HANDLE_MAX + ORG_NAME_MAX + 2])
{
	struct relay *r = request_relay(q);
	const char *at = strrchr(text, '@'), *org = at ? at + 1 : r->conf->node.name;
	struct looking k = {.name = text, .len = at ? (size_t)(at - text) : strlen(text)};
	char hex[2 * IDENTITY_LEN + 1];

	for (const struct relay_log *l = r->logs; l; l = l->next)
		if (strcmp(l->credential.organisation, org) == 0)
			query_people(r->reader, l->no, look_row, &k);
	if (!k.found) {
		request_refuse(q, CONVENE__CODE__NOT_FOUND,
		    "nobody of that handle or identity is known here: HANDLE, or "
		    "HANDLE@ORGANISATION where it isn't ours");
		return false;
	}
	measure_person_key(key, k.author.organisation, k.author.identity);
	hex_encode(hex, k.author.identity, IDENTITY_LEN);
	snprintf(who, HANDLE_MAX + ORG_NAME_MAX + 2, "%s@%s",
	    k.author.handle[0] ? k.author.handle : hex, k.author.organisation);
	return true;
}

void control_suspend(struct request *q, int argc, char **argv, struct bytes input)
{
	const char *reason = reason_of(q, argc, argv, true);
	char key[MEASURE_KEY_MAX], who[HANDLE_MAX + ORG_NAME_MAX + 2];

	(void)input;
	if (reason && person_find(q, argv[1], key, who))
		keep(request_relay(q), q, "suspend", key, who, reason, false);
}

void control_unsuspend(struct request *q, int argc, char **argv, struct bytes input)
{
	const char *reason = reason_of(q, argc, argv, false);
	char key[MEASURE_KEY_MAX], who[HANDLE_MAX + ORG_NAME_MAX + 2];

	(void)input;
	if (reason && person_find(q, argv[1], key, who))
		end(q, "unsuspend", key, reason, "that participant is not suspended here");
}

/* ---- erase ---- */

struct erasing {
	struct request *q;
	struct relay *relay;
	char about[2 * ID_LEN + 1];
	const char *reason;
};

static void erase_done(
    void *ctx, int err, uint32_t code, const char *text, const uint8_t id[static ID_LEN])
{
	struct erasing *e = ctx;
	struct facts *f = err ? NULL : facts_new();

	if (f) {
		operation_add(f, e->relay, "erase", e->about, e->reason, clock_wall_ms());
		facts_keep(e->relay, f, NULL, NULL);
	}
	if (err)
		request_refuse(e->q, code, text);
	else
		request_reply(e->q, json_pack("{s:s, s:o, s:s}", "erased", e->about, "message_id",
					report_hex(id, ID_LEN), "reason", e->reason));
	free(e);
}

/* The registrar's ERASE: what it may be about is decided where it is taken in (amend.c). */
void control_erase(struct request *q, int argc, char **argv, struct bytes input)
{
	static const char *const reasons[] = {"", "wish", "law", "error"};
	static const uint8_t salt[SALT_LEN];
	struct relay *r = request_relay(q);
	struct header h, made = {.version = 1, .kind = KIND_ERASE, .time = clock_wall_ms()};
	struct buffer entry = BUFFER_INIT, body = BUFFER_INIT;
	struct target_body b = {.reason = ERASE_UNSTATED};
	struct relay_log *l = NULL;
	struct erasing *e = NULL;

	(void)input;
	for (uint8_t i = 1; argc == 4 && i < 4; i++)
		if (strcmp(argv[2], "--reason") == 0 && strcmp(argv[3], reasons[i]) == 0)
			b.reason = i;
	if (argc != 2 && b.reason == ERASE_UNSTATED) {
		request_refuse(q, CONVENE__CODE__MALFORMED, "--reason is one of wish, law, error");
		return;
	}
	if (!message_find(q, argv[1], b.target.id, &l, &entry, &h))
		goto out;
	if (strcmp(l->credential.organisation, r->conf->node.name) != 0) {
		request_refuse(q, CONVENE__CODE__WRONG_LOG,
		    "that message is in another organisation's log: its author and their "
		    "registrar can erase it; `hide` keeps it from our readers");
		goto out;
	}
	b.target.present = true;
	memcpy(b.target.log, l->credential.binding.digest, DIGEST_LEN);
	e = calloc(1, sizeof *e);
	if (!e || erase_body_encode(&body, &b) != OK) {
		request_refuse(q, CONVENE__CODE__INTERNAL, "out of memory");
		free(e);
		goto out;
	}
	*e = (struct erasing){.q = q, .relay = r, .reason = reasons[b.reason]};
	hex_encode(e->about, b.target.id, ID_LEN);
	made.body = buffer_bytes(&body);
	registrar_make(r, &made, salt, bytes_of(NULL, 0), erase_done, e);
out:
	buffer_free(&entry);
	buffer_free(&body);
}

/* ---- the list ---- */

static int operation_row(void *ctx, const char *key, struct bytes value)
{
	json_t *list = ctx, *o = json_loadb((const char *)value.data, value.len, 0, NULL);

	(void)key;
	json_array_append_new(list, o ? o : json_null());
	if (json_array_size(list) > MODERATE_LOG_SHOWN)
		json_array_remove(list, 0);
	return OK;
}

void control_hidden(struct request *q, int argc, char **argv, struct bytes input)
{
	struct relay *r = request_relay(q);
	const struct measures *m = r->measures;
	json_t *lists[] = {json_array(), json_array(), json_array()}, *log = json_array();

	(void)input;
	for (size_t i = 0; i < m->count; i++) {
		const struct measure *one = &m->list[i];
		unsigned which = one->key[0] == 'h' ? 0 : one->key[0] == 's' ? 1 : 2;

		json_array_append_new(
		    lists[which], json_pack("{s:s, s:s, s:I, s:b}", "about", one->who, "reason",
				      one->reason, "time", (json_int_t)one->time, "posting",
				      which == 1 && !is_stranger(r, one->key)));
	}
	if (argc == 2 && strcmp(argv[1], "--log") == 0)
		r->reader->ops->meta_each(r->reader, MEASURE_OPERATION, operation_row, log);
	request_reply(q, json_pack("{s:o, s:o, s:o, s:o}", "hidden", lists[0], "suspended",
			     lists[1], "uncarried", lists[2], "log", log));
}
