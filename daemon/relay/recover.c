/* SPDX-License-Identifier: BSD-2-Clause */
/* Learn before signing, where waiting ten seconds is not enough: store and lock file disagree, or a
 * peer shows more of our log than we hold, or the operator says that this is an older copy.
 *
 * In this order: the note in the data folder, so that a restart goes on with it; every configured
 * peer tells, on a connection made since, how much of our log it holds, and we fetch that; the
 * inbox is merged (merge.c); the signer learns the head, by the note of its own key; the note goes.
 * A crash anywhere in between repeats what was not done. Posts are accepted all the while. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/report.h"
#include "log/checkpoint.h"

#define QUIET_MS 1000 /* the log has not grown for so long: participants may see what has come */

struct recovering {
	struct recovery note;
	uint64_t asked; /* links that were up by then tell nothing */
	uint64_t began;
	bool fetching;       /* sync does */
	bool merging, busy;  /* merge.c, or the signer, is at work */
	bool merged_ever;    /* roster and inbox are those of the log, */
	uint64_t merged;     /* when it had this size */
	uint64_t held, from; /* as seen last, since when; and at the beginning */
	uint64_t held_at;
	uint64_t signed_size; /* the largest head that our key is known to have signed */
};

struct learning {
	struct job job;
	struct relay *relay;
	struct buffer note;
	uint64_t size;
	uint8_t root[HASH_LEN];
	struct tree_hash proof[64];
	size_t count;
	int result;
};

bool recover_merges(const struct relay *r)
{
	return r->recovering && r->recovering->merging;
}

/* ---- beginning ---- */

/* What a link told before may be of a time before the snapshot. */
static void ask_anew(struct relay *r)
{
	r->recovering->asked = clock_mono_ms();
	for (struct peer *p = r->peers; p; p = p->next) {
		p->answered = false;
		if (p->link)
			channel_close(p->channel);
	}
}

static struct recovering *recovering_new(struct relay *r, const struct recovery *note)
{
	struct recovering *rec = calloc(1, sizeof *rec);

	if (!rec)
		return NULL;
	rec->note = *note;
	rec->began = rec->held_at = clock_mono_ms();
	rec->held = rec->from = rec->merged = replica_held(r->own->replica);
	/* One that goes on after a restart may have stopped before the inbox was merged. */
	rec->merged_ever = note->kind == RECOVERY_NONE;
	r->recovering = rec;
	r->learning = true;
	r->resume = 0;
	return rec;
}

static int note_load(struct relay *r, struct recovery *out)
{
	int err = recovery_load(out, r->conf->node.data);

	if (err)
		log_error("%s/recover: %s", r->conf->node.data, error_text(err));
	return err;
}

int recover_begin(
    struct relay *r, enum recovery_kind kind, const struct recovery *add, const char *why)
{
	bool by_operator = kind != RECOVERY_FOUND, fresh = !r->recovering;
	struct recovery note;
	int err = OK;

	if (fresh) {
		err = note_load(r, &note);
		if (!err && !recovering_new(r, &note)) {
			recovery_clear(&note);
			err = ERR_NOMEM;
		}
		if (err) {
			seal_halt(r, "the note of a recovery can't be read");
			return err;
		}
		log_error(
		    "nothing is sealed until every peer has told what it holds of our log: %s",
		    why[0] ? why : "the operator says that this store may be an older copy");
	}
	if (by_operator || r->recovering->note.kind == RECOVERY_NONE)
		r->recovering->note.kind = kind;
	for (size_t i = 0; add && i < add->without_count && !err; i++)
		err = recovery_without(&r->recovering->note, bytes_str(add->without[i]));
	if (!err)
		err = recovery_save(&r->recovering->note, r->conf->node.data);
	if (err)
		log_error("%s/recover can't be written: %s; a restart would forget that peers are "
			  "to be asked",
		    r->conf->node.data, error_text(err));
	if (fresh || (by_operator && (!add || add->without_count == 0)))
		ask_anew(r);
	registrar_resume(r);
	return err;
}

int recover_start(struct relay *r)
{
	struct recovery note;
	int err;

	if (r->recovering)
		return OK;
	err = note_load(r, &note);
	if (err || note.kind == RECOVERY_NONE)
		return err;
	if (!recovering_new(r, &note)) {
		recovery_clear(&note);
		return ERR_NOMEM;
	}
	log_warning("nothing is sealed until every peer has told what it holds of our log; "
		    "`convenectl status` tells who has not");
	return OK;
}

void recover_free(struct relay *r)
{
	if (r->recovering)
		recovery_clear(&r->recovering->note);
	free(r->recovering);
	r->recovering = NULL;
}

static int names_take(
    struct relay *r, struct recovery *out, struct bytes names, char *why, size_t len)
{
	while (names.len > 0) {
		const uint8_t *end = memchr(names.data, '\n', names.len);
		struct bytes name = bytes_of(
		    names.data, end ? (size_t)(end - names.data) : names.len);
		size_t used = name.len + (end != NULL);
		const struct peer *p = r->peers;

		names = bytes_of(names.data + used, names.len - used);
		while (p && !bytes_equal(bytes_str(p->conf->name), name))
			p = p->next;
		if (!p) {
			snprintf(why, len, "no peer block names %.*s",
			    (int)(name.len < 100 ? name.len : 100), (const char *)name.data);
			return ERR_NOTFOUND;
		}
		int err = recovery_without(out, name);

		if (err) {
			snprintf(why, len, "%s", error_text(err));
			return err;
		}
	}
	return OK;
}

int recover_command(struct relay *r, const char *kind, struct bytes names, char *why, size_t len)
{
	struct recovery add = {RECOVERY_NONE, NULL, 0};
	int err = names_take(r, &add, names, why, len);

	if (!err && strcmp(kind, "restored") == 0)
		add.kind = RECOVERY_RESTORED;
	else if (!err && strcmp(kind, "log") == 0)
		add.kind = RECOVERY_LOG;
	else if (!err) {
		snprintf(why, len, "recover is said of `restored` or `log`");
		err = ERR_INVALID;
	}
	if (!err) {
		err = recover_begin(r, add.kind, &add, "");
		if (err)
			snprintf(why, len, "%s/recover can't be written: %s", r->conf->node.data,
			    error_text(err));
		recover_step(r);
	}
	recovery_clear(&add);
	return err;
}

/* ---- a log before ours ---- */

int recover_orphan(struct relay *r)
{
	r->orphan = true;
	recover_begin(r, RECOVERY_FOUND, NULL, "the log that ours follows is not here");
	return r->recovering ? OK : ERR_IO;
}

/* How much of it is here. */
static uint64_t orphan_held(const struct relay *r)
{
	const struct relay_log *l = r->logs;

	while (l && !bytes_equal(r->own->credential.node.previous_log,
			bytes_str(l->credential.binding.log_name)))
		l = l->next;
	return l ? replica_held(l->replica) : 0;
}

/* It comes as any log of others; then a fresh start finds what ours inherits. */
static void orphan_step(struct relay *r)
{
	if (orphan_held(r) < r->own->credential.node.previous_size)
		return;
	log_info("the log that ours follows is here: starting anew, to fetch ours");
	relay_fail(r);
}

/* ---- who has told ---- */

static bool is_waited_for(const struct recovering *rec, const struct peer *p)
{
	return !p->answered && !recovery_has(&rec->note, p->conf->name);
}

/* Returns how many are waited for. */
static size_t answers_take(struct relay *r)
{
	const struct recovering *rec = r->recovering;
	size_t missing = 0;

	for (struct peer *p = r->peers; p; p = p->next) {
		uint64_t shown;

		if (p->link && p->since > rec->asked) {
			bool told = sync_own_answered(r->sync, p->link, r->own->no, &shown);

			if (told && !p->answered)
				log_info("peer %s: it has told what it holds of our log, and that "
					 "is here",
				    p->conf->name);
			/* One that goes is not forgotten; one that shows more is waited for. */
			p->answered = told || (p->answered && shown <= rec->held);
		}
		missing += is_waited_for(rec, p);
	}
	return missing;
}

static void peer_why(struct relay *r, const struct peer *p, char *out, size_t len)
{
	uint64_t shown = 0, held = replica_held(r->own->replica);

	if (!p->link || p->since <= r->recovering->asked) {
		snprintf(out, len, "not connected");
		return;
	}
	sync_own_answered(r->sync, p->link, r->own->no, &shown);
	if (shown > held)
		snprintf(out, len, "shows %llu entries of our log, of which %llu are to come",
		    (unsigned long long)shown, (unsigned long long)(shown - held));
	else if (sync_link_compared(p->link))
		snprintf(out, len, "claims another history of our log");
	else
		snprintf(out, len, "has not told yet");
}

/* Not while the signer is at work. */
static void signed_look(struct relay *r)
{
	uint64_t size, note = replica_note_size(r->own->replica);
	uint8_t root[HASH_LEN];

	signer_head(r->signer, &size, root);
	r->recovering->signed_size = size > note ? size : note;
}

void recover_text(struct relay *r, char *out, size_t len)
{
	const struct recovering *rec = r->recovering;
	uint64_t held = replica_held(r->own->replica);
	size_t n = (size_t)snprintf(out, len, "recovering: "), told = 0;

	if (r->orphan) {
		snprintf(out + n, len - n,
		    "fetches the log that ours follows, of which %llu of %llu entries are here",
		    (unsigned long long)orphan_held(r),
		    (unsigned long long)r->own->credential.node.previous_size);
		return;
	}

	for (const struct peer *p = r->peers; p && n + 240 < len; p = p->next) {
		char why[100];

		if (!is_waited_for(rec, p))
			continue;
		peer_why(r, p, why, sizeof why);
		n += (size_t)snprintf(out + n, len - n, "%s%s (%s)", told++ ? ", " : "waits for ",
		    p->conf->name, why);
	}
	if (told > 0)
		return;
	if (rec->note.kind == RECOVERY_LOG && held == 0)
		snprintf(out + n, len - n, "no peer has shown any entry of our log");
	else if (rec->signed_size > held)
		snprintf(out + n, len - n,
		    "%llu entries of our log were signed, and nobody has shown more than %llu; see "
		    "RECOVERY in convenectl(8)",
		    (unsigned long long)rec->signed_size, (unsigned long long)held);
	else
		snprintf(out + n, len - n, "all peers have told");
}

json_t *recover_report(struct relay *r)
{
	const struct recovering *rec = r->recovering;
	json_t *o, *missing, *answered, *without;

	if (!rec)
		return json_null();
	o = json_object();
	missing = json_array();
	answered = json_array();
	without = json_array();
	for (const struct peer *p = r->peers; p; p = p->next) {
		char why[100];

		if (p->answered)
			json_array_append_new(answered, json_string(p->conf->name));
		if (!is_waited_for(rec, p))
			continue;
		peer_why(r, p, why, sizeof why);
		json_array_append_new(
		    missing, json_pack("{s:s, s:s}", "name", p->conf->name, "why", why));
	}
	for (size_t i = 0; i < rec->note.without_count; i++)
		json_array_append_new(without, json_string(rec->note.without[i]));
	json_object_set_new(o, "kind", json_string(recovery_word(rec->note.kind)));
	json_object_set_new(
	    o, "since_s", json_integer((json_int_t)((clock_mono_ms() - rec->began) / 1000)));
	json_object_set_new(o, "began_with", json_integer((json_int_t)rec->from));
	json_object_set_new(o, "held", json_integer((json_int_t)replica_held(r->own->replica)));
	json_object_set_new(o, "signed", json_integer((json_int_t)rec->signed_size));
	json_object_set_new(o, "answered", answered);
	json_object_set_new(o, "missing", missing);
	json_object_set_new(o, "without", without);
	return o;
}

/* ---- the end ---- */

static void recovered(struct relay *r)
{
	uint64_t size, held = replica_held(r->own->replica);
	uint8_t root[HASH_LEN];

	signer_head(r->signer, &size, root);
	r->resume = size > held ? (size_t)(size - held) : 0;
	log_info("our log is whole: %llu entries, %llu of them from peers; sealing goes on",
	    (unsigned long long)held, (unsigned long long)(held - r->recovering->from));
	if (recovery_remove(r->conf->node.data) != OK)
		log_error("%s/recover can't be removed: the next start asks all peers again",
		    r->conf->node.data);
	recover_free(r);
	seal_allowed(r);
}

static void learn_work(struct job *job)
{
	struct learning *l = (struct learning *)job;

	l->result = signer_learn(
	    l->relay->signer, buffer_bytes(&l->note), l->size, l->root, l->proof, l->count);
}

static void learn_done(struct job *job)
{
	struct learning *l = (struct learning *)job;
	struct relay *r = l->relay;
	int err = l->result;

	buffer_free(&l->note);
	free(l);
	r->recovering->busy = false;
	if (!err)
		recovered(r);
	else if (err == ERR_FORK || err == ERR_PROOF || err == ERR_STALE)
		seal_halt(r, "what the lock file says was signed is not the beginning of what "
			     "peers hold of our log; see RECOVERY in convenectl(8)");
	else if (err == ERR_CLOSED)
		relay_fail(r);
	else
		log_error("the signer can't learn the head of our log: %s; it is tried again",
		    error_text(err));
}

/* Have the signer know the head that we hold. */
static void learn_start(struct relay *r, uint64_t size, uint64_t held)
{
	struct learning *l = calloc(1, sizeof *l);
	struct bytes note = replica_note(r->own->replica);
	int err = l ? OK : ERR_NOMEM;

	if (!err && size > 0)
		err = replica_prove_growth(r->own->replica, size, l->proof, &l->count);
	if (!err) {
		buffer_add(&l->note, note.data, note.len);
		err = l->note.failed ? ERR_NOMEM : OK;
	}
	if (err) {
		log_error("the head of our log can't be proven: %s", error_text(err));
		if (l)
			buffer_free(&l->note);
		free(l);
		return;
	}
	l->relay = r;
	l->size = held;
	memcpy(l->root, replica_held_root(r->own->replica), HASH_LEN);
	l->job.work = learn_work;
	l->job.done = learn_done;
	r->recovering->busy = true;
	pool_submit(r->workers, &l->job);
}

/* Nobody has more. Is it all that was ever signed? */
static void finish(struct relay *r)
{
	struct recovering *rec = r->recovering;
	uint64_t size, held = rec->held;
	uint8_t root[HASH_LEN];

	signer_head(r->signer, &size, root);
	if (rec->note.kind == RECOVERY_LOG && held == 0)
		return;
	if (replica_note_size(r->own->replica) > held)
		return; /* signed, says the note, and nobody has the entries */
	if (size > held && !inbox_explains(r, size, root))
		return; /* signed, says the lock file: likewise */
	if (size == held && held > 0 &&
	    memcmp(root, replica_held_root(r->own->replica), HASH_LEN) != 0) {
		seal_halt(r, "what the lock file says was signed is not what peers hold of our "
			     "log; see RECOVERY in convenectl(8)");
		return;
	}
	if (sync_own_recover(r->sync, r->own->no, false, clock_mono_ms()) != OK)
		return;
	rec->fetching = false;
	if (size < held)
		learn_start(r, size, held);
	else
		recovered(r);
}

static void merged(struct relay *r, int err, uint64_t size)
{
	struct recovering *rec = r->recovering;

	rec->merging = false;
	if (err) {
		log_error("the inbox could not be brought in line with our log (%s); starting anew "
			  "from what is",
		    error_text(err));
		relay_fail(r);
	} else {
		rec->merged = size;
		rec->merged_ever = true;
	}
	ingest_resume(r);
	recover_step(r);
}

void recover_step(struct relay *r)
{
	struct recovering *rec = r->recovering;
	uint64_t now = clock_mono_ms();
	size_t missing;

	if (!rec || r->stopping || r->halted[0] || r->sealing || rec->merging || rec->busy)
		return;
	if (r->orphan) {
		orphan_step(r);
		return;
	}
	if (!rec->fetching) {
		rec->fetching = sync_own_recover(r->sync, r->own->no, true, now) == OK;
		tick_soon(r);
	}
	if (rec->held != replica_held(r->own->replica)) {
		rec->held = replica_held(r->own->replica);
		rec->held_at = now;
	}
	signed_look(r);
	missing = answers_take(r);
	if (replica_staged(r->own->replica) != rec->held || r->own->folding ||
	    r->own->folded != rec->held)
		return;
	if ((rec->merged != rec->held || !rec->merged_ever) && rec->held > 0) {
		if (missing == 0 || now - rec->held_at >= QUIET_MS) {
			rec->merging = true;
			merge_start(r, merged);
		}
		return;
	}
	if (missing == 0)
		finish(r);
}
