/* SPDX-License-Identifier: BSD-2-Clause */
/* How far the node is with a bundle, and why it takes no more of a log. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/bundle_import.h"

#define SHOW_AGAIN 3 /* times, of a log that a member may have */

int bundle_status(struct importing *x, struct trouble *t)
{
	static const char *const argv[] = {"status"};

	json_decref(x->status);
	x->status = NULL;
	return daemon_call(&x->ctl, 1, argv, bytes_of(NULL, 0), &x->status, t);
}

const json_t *bundle_log_status(const struct importing *x, const char *name)
{
	const json_t *logs = json_object_get(x->status, "logs");

	for (size_t i = 0; i < json_array_size(logs); i++) {
		const json_t *log = json_array_get(logs, i);

		if (bytes_equal(text_at(log, "name"), bytes_str(name)))
			return log;
	}
	return NULL;
}

static bool all_folded(const struct importing *x)
{
	const json_t *logs = json_object_get(x->status, "logs");
	bool folded = true;

	for (size_t i = 0; i < json_array_size(logs); i++) {
		const json_t *log = json_array_get(logs, i);

		folded &= number_at(log, "folded") >= number_at(log, "size") ||
			  bytes_equal(text_at(log, "state"), bytes_str("disputed"));
	}
	return folded;
}

static bool is_member(const struct importing *x, const struct bundle_log *l)
{
	const json_t *members = json_object_get(x->status, "members");
	struct credential c;
	struct verifier root;
	char id[2 * sizeof root.id + 1];
	bool found = false;

	if (credential_open(&c, x->charter->forum, bytes_str(l->binding.log_name),
		buffer_bytes(&l->credential)) == OK &&
	    verifier_make(&root, bytes_str(c.organisation), VERIFIER_ED25519, c.root_key) == OK) {
		hex_encode(id, root.id, sizeof root.id);
		for (size_t i = 0; i < json_array_size(members); i++) {
			const json_t *m = json_array_get(members, i);

			found |= bytes_equal(text_at(m, "name"), bytes_str(c.organisation)) &&
				 bytes_equal(text_at(m, "key_id"), bytes_str(id));
		}
	}
	credential_clear(&c);
	return found;
}

/* A log that the node doesn't have (yet). */
static int absent_look(struct importing *x, size_t i, struct trouble *t)
{
	struct outcome *o = &x->outcomes[i];
	uint64_t reach;
	int err;

	o->why = NULL;
	o->settled = false;
	if (!bundle_reach(&x->index.logs[i], 0, &reach, NULL)) {
		o->settled = true;
		o->why = "the bundle lacks its beginning, and the node holds nothing of it";
		return OK;
	}
	if (!is_member(x, &x->index.logs[i])) {
		/* An admission may still be on its way into the views. */
		o->settled = all_folded(x);
		o->why = "its organisation is not a member of the forum";
		return OK;
	}
	if (o->shown_again == SHOW_AGAIN) {
		o->settled = true;
		o->why = "the node does not take it up: its organisation is not among those that "
			 "the configuration carries, or it follows a log that is not here";
		return OK;
	}
	o->shown_again++;
	err = bundle_offer_show(bundle_link_offer(x->link));
	return err ? trouble_set(t, err, "the bundle can't be shown to the daemon") : OK;
}

/* How many contents of a log the bundle has and the node lacks. */
static int waiting_count(struct importing *x, size_t log, uint64_t *out, struct trouble *t)
{
	const struct bundle_log *l = &x->index.logs[log];
	char digest[2 * DIGEST_LEN + 1], from[24];
	const char *argv[] = {"missing", digest, from};
	uint64_t at = 0;
	bool more = true;
	int err = OK;

	hex_encode(digest, l->binding.digest, DIGEST_LEN);
	*out = 0;
	while (!err && more) {
		json_t *answer = NULL, *list;

		snprintf(from, sizeof from, "%" PRIu64, at);
		err = daemon_call(&x->ctl, 3, argv, bytes_of(NULL, 0), &answer, t);
		list = json_object_get(answer, "missing");
		more = !err && json_is_true(json_object_get(answer, "more"));
		for (size_t i = 0; i < json_array_size(list); i++) {
			json_int_t n = json_integer_value(json_array_get(list, i));
			const struct bundle_range *r;

			at = (uint64_t)n + 1;
			r = n < 0 ? NULL : bundle_range_of(l, (uint64_t)n);
			*out += r && r->contents && r->contents[(uint64_t)n - r->first] != 0;
		}
		more &= json_array_size(list) > 0;
		json_decref(answer);
	}
	return err;
}

int bundle_look(struct importing *x, size_t i, struct trouble *t)
{
	const struct bundle_log *l = &x->index.logs[i];
	const json_t *log = bundle_log_status(x, l->binding.log_name);
	struct outcome *o = &x->outcomes[i];
	struct bytes state = text_at(log, "state");
	uint64_t reach;
	int err = OK;

	if (l->range_count == 0) {
		o->settled = true;
		return OK;
	}
	if (!log)
		return absent_look(x, i, t);
	o->known = true;
	o->size = number_at(log, "size");
	o->waiting = 0;
	o->settled = true;
	o->why = NULL;
	if (json_is_true(json_object_get(log, "own"))) {
		if (bundle_entries(l, o->size, UINT64_MAX) > 0)
			o->why = "it is this node's own log, and the bundle has more of it than "
				 "the node: see `convenectl status`";
		return OK;
	}
	if (json_is_false(json_object_get(log, "carried")))
		o->why = "the configuration does not carry its organisation";
	else if (bytes_equal(state, bytes_str("broken")))
		o->why = "the log has ended";
	else if (bytes_equal(state, bytes_str("disputed")))
		o->why = "it is disputed: nothing of it is taken until it has a successor";
	else if (!bytes_equal(state, bytes_str("live")))
		o->why = "the bundle shows another history of it than the node holds";
	if (o->why)
		return OK;
	o->settled = !bundle_reach(l, o->size, &reach, NULL) || reach <= o->size;
	if (o->settled && l->contents > 0 && number_at(log, "contents_missing") > 0)
		err = waiting_count(x, i, &o->waiting, t);
	o->settled &= o->waiting == 0;
	return err;
}
