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
#include "daemon/relay/recover.h"

bool recover_merges(const struct relay *r)
{
	return r->recovering && r->recovering->merging;
}

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

int recover_orphan(struct relay *r)
{
	r->orphan = true;
	recover_begin(r, RECOVERY_FOUND, NULL, "the log that ours follows is not here");
	return r->recovering ? OK : ERR_IO;
}
