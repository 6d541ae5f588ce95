/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has told what of our log they hold, and who not, and why: for us, and for the operator. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/recover.h"

static bool is_waited_for(const struct recovering *rec, const struct peer *p)
{
	return !p->answered && !recovery_has(&rec->note, p->conf->name);
}

size_t recover_answers(struct relay *r)
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
		snprintf(out, len, "%s",
		    p->link && clock_mono_ms() - r->recovering->asked < 2000 ? "being asked anew"
									     : "not connected");
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

uint64_t recover_orphan_held(const struct relay *r)
{
	const struct relay_log *l = r->logs;

	while (l && !bytes_equal(r->own->credential.node.previous_log,
			bytes_str(l->credential.binding.log_name)))
		l = l->next;
	return l ? replica_held(l->replica) : 0;
}

void recover_text(struct relay *r, char *out, size_t len)
{
	const struct recovering *rec = r->recovering;
	uint64_t held = replica_held(r->own->replica);
	size_t n = (size_t)snprintf(out, len, "recovering: "), told = 0;

	if (r->orphan) {
		snprintf(out + n, len - n,
		    "fetches the log that ours follows, of which %llu of %llu entries are here",
		    (unsigned long long)recover_orphan_held(r),
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
