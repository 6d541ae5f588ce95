/* SPDX-License-Identifier: BSD-2-Clause */
/* convene devices revoke: a device ends itself (SPEC.md 6.2). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/cmd.h"
#include "client/device.h"
#include "client/session.h"

static const char *const reasons[] = {"", "lost", "stolen", "replaced", "left"};

static int revoke_ask(const struct invocation *in, bool *go, struct trouble *t)
{
	char answer[16];

	*go = true;
	if (option_given(in, "yes"))
		return OK;
	if (in->json || isatty(STDIN_FILENO) != 1) {
		trouble_set(
		    t, ERR_INVALID, "revoking can't be undone, and nobody can be asked here");
		trouble_hint(t, "--yes revokes without asking.");
		return ERR_INVALID;
	}
	print_sentence(0,
	    "This ends the key of this computer, for good: it can write nothing any more, and "
	    "vouch for no other. What it has written stays. If it is your only one, the "
	    "organisation "
	    "must recover you.");
	printf("Revoke it? Answer yes or no: ");
	fflush(stdout);
	*go = fgets(answer, sizeof answer, stdin) &&
	      (strcmp(answer, "yes\n") == 0 || strcmp(answer, "y\n") == 0);
	if (!*go)
		printf("Nothing is revoked.\n");
	return OK;
}

static int revoke_self(
    struct session *s, const struct key *key, uint8_t reason, uint32_t *status, struct trouble *t)
{
	struct revoke_body b = {.reason = reason};
	struct draft d = {.kind = KIND_REVOKE};
	struct outcomes all = {NULL, 0};
	struct buffer body = BUFFER_INIT;
	uint8_t id[ID_LEN];
	struct outbox o;
	int err;

	memcpy(b.device_key, key->public, KEY_LEN);
	err = revoke_body_encode(&body, &b);
	if (err)
		return trouble_set(t, err, "the revocation can't be made: %s", error_text(err));
	d.body = buffer_bytes(&body);
	err = home_lock(&s->home, true, t);
	if (!err)
		err = session_outbox(s, &o, t);
	if (!err)
		err = draft_keep(s, &o, key, &d, id, t);
	if (!err && s->client)
		err = outbox_flush(s, &o, SEAL_WAIT_MS, &all, t);
	*status = CONVENE__STATUS__STATUS_NONE;
	for (size_t i = 0; i < all.count; i++) {
		if (memcmp(all.list[i].id, id, ID_LEN) != 0)
			continue;
		*status = all.list[i].status;
		if (*status == CONVENE__STATUS__REFUSED && !err) {
			err = trouble_set(
			    t, ERR_REFUSED, "the node refused it: %s", all.list[i].text);
			t->code = all.list[i].code;
		}
	}
	outcomes_free(&all);
	buffer_free(&body);
	return err;
}

static void revoked_tell(const struct session *s, const struct key *key, uint32_t status)
{
	char digits[FINGERPRINT_LEN];

	device_fingerprint(digits, key->public);
	if (s->in->json) {
		json_t *o = json_object();

		json_put(o, "device_key", json_hex(key->public, KEY_LEN));
		json_put(o, "status", json_string(status_text(status)));
		json_print(o);
	} else if (status >= CONVENE__STATUS__ACCEPTED) {
		print_sentence(
		    0, "The device %s is revoked: what it signs from now on is not valid.", digits);
	} else {
		print_sentence(0, "The revocation is signed and kept; it is in force when the node "
				  "has it: by the "
				  "next command, or `convene outbox`.");
	}
}

/* Another device's is not ours to end (SPEC.md 6.2). */
static int is_this(const struct invocation *in, const struct key *key, struct trouble *t)
{
	char digits[FINGERPRINT_LEN];

	if (in->count == 0 || device_fingerprint_is(in->operands[0], key->public))
		return OK;
	trouble_set(t, ERR_REFUSED, "a device can revoke itself alone, and this one is %s",
	    device_fingerprint(digits, key->public));
	trouble_hint(t,
	    "For one that is lost, ask the operator: convenectl revoke HANDLE --device DIGITS "
	    "--reason lost");
	return ERR_REFUSED;
}

int cmd_devices_revoke(const struct invocation *in)
{
	const char *why = option_value(in, "reason");
	struct key key = {.public = {0}};
	uint8_t reason = 0;
	uint32_t status;
	struct session s;
	struct trouble t;
	bool go = false;
	int code = EXIT_DONE, err = session_open(&s, in, false, &t);

	for (uint8_t i = 1; why && i < sizeof reasons / sizeof *reasons; i++)
		if (strcmp(why, reasons[i]) == 0)
			reason = i;
	if (!err && why && reason == 0)
		err = trouble_set(
		    &t, ERR_INVALID, "--reason is lost, stolen, replaced or left, not %.60s", why);
	if (!err)
		err = session_enrolled(&s, &t);
	if (!err)
		err = home_key(&s.home, &key, &t);
	if (!err)
		err = is_this(in, &key, &t);
	if (!err)
		err = revoke_ask(in, &go, &t);
	if (!err && go && (err = revoke_self(&s, &key, reason, &status, &t)) == OK)
		revoked_tell(&s, &key, status);
	if (err)
		code = session_complain(in, &t);
	key_wipe(&key);
	session_close(&s);
	return code;
}
