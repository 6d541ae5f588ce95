/* SPDX-License-Identifier: BSD-2-Clause */
/* convene audit's reading of a log: each oddity, found where it stands and called what it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/audit.h"
#include "member_fixture.h"

#define ORG "isoc.example"

/* Seeds of keys. A: of the person whose log is read; B: somebody else's. */
enum who { ROOT = 1, LOG, LOG2, COSIGNER, REG = 0x10, REG2, A1 = 0xa1, A2, A3, A4, B1 = 0xb1 };

struct log {
	struct charter charter;
	struct credential credential, next;
	struct audit audit;
	enum who reg;
	uint64_t registrar; /* sequence */
	uint8_t last[ID_LEN];
};

static uint8_t alice[IDENTITY_LEN], bob[IDENTITY_LEN];

static void credential_of(struct credential *out, const struct log *l, uint64_t number, uint8_t log,
    const struct credential *previous, uint64_t size, const uint8_t *root_hash)
{
	struct node_body node = fixture_node(ORG, number, log, REG, COSIGNER);
	struct key root = fixture_key(ROOT);
	struct buffer message = BUFFER_INIT;
	char name[VERIFIER_NAME_MAX + 1];

	if (previous) {
		node.previous_log = bytes_str(previous->binding.log_name);
		node.previous_size = size;
		memcpy(node.previous_root, root_hash, HASH_LEN);
	}
	assert_int_equal(credential_make(&message, name, l->charter.forum, ORG, number, &root,
			     &node, number, FIXTURE_TIME),
	    OK);
	assert_int_equal(
	    credential_open(out, l->charter.forum, bytes_str(name), buffer_bytes(&message)), OK);
	buffer_free(&message);
}

static void start(struct log *l)
{
	memset(l, 0, sizeof *l);
	l->reg = REG;
	fixture_charter(&l->charter, NULL, 0, 1);
	credential_of(&l->credential, l, 1, LOG, NULL, 0, NULL);
	audit_init(&l->audit, &l->charter, alice);
	assert_int_equal(audit_log(&l->audit, &l->credential), OK);
	assert_int_equal(audit_entry(&l->audit, buffer_bytes(&l->credential.message)), OK);
}

static void end(struct log *l)
{
	audit_free(&l->audit);
	credential_clear(&l->credential);
	credential_clear(&l->next);
}

/* The next entry; `damage`: its signature. */
static void entry(
    struct log *l, enum who by, uint64_t sequence, uint32_t kind, struct bytes body, bool damage)
{
	struct header h = {.version = 1, .sequence = sequence, .kind = kind, .time = FIXTURE_TIME};
	struct key key = fixture_key((uint8_t)by);
	struct buffer message = BUFFER_INIT;

	memcpy(h.signer, key.public, KEY_LEN);
	h.body = body;
	if (kind == KIND_POST) {
		h.topic.present = h.has_commitment = true;
		memset(h.topic.id, 7, ID_LEN);
		h.bucket = 3;
	}
	assert_int_equal(message_sign(&message, &l->audit.binding, &h, &key), OK);
	if (damage)
		message.data[message.len - 1] ^= 1;
	message_id(l->last, buffer_bytes(&message), &l->audit.binding);
	assert_int_equal(audit_entry(&l->audit, buffer_bytes(&message)), OK);
	buffer_free(&message);
}

static void post(struct log *l, enum who by, uint64_t sequence)
{
	entry(l, by, sequence, KIND_POST, bytes_of(NULL, 0), false);
}

static void enrol(
    struct log *l, enum who device, const uint8_t *identity, int endorser, bool recovery)
{
	struct key key = fixture_key((uint8_t)device), by = fixture_key((uint8_t)endorser);
	const struct binding *b = &l->audit.binding;
	struct enrol_body e = {.recovery = recovery, .has_endorsement = endorser != 0};
	struct buffer body = BUFFER_INIT;

	memcpy(e.identity, identity, IDENTITY_LEN);
	memcpy(e.device_key, key.public, KEY_LEN);
	device_sign(e.device_signature, DEVICE_DOMAIN, b, e.identity, e.device_key, 0, &key);
	memcpy(e.endorser, by.public, KEY_LEN);
	device_sign(e.endorsement, ENDORSE_DOMAIN, b, e.identity, e.device_key, 0, &by);
	assert_int_equal(enrol_body_encode(&body, &e), OK);
	entry(l, l->reg, ++l->registrar, KIND_ENROL, buffer_bytes(&body), false);
	buffer_free(&body);
}

/* A NODE with another registrar; its sequence is its serial. */
static void registrar_change(struct log *l, enum who registrar, uint64_t serial)
{
	struct node_body node = fixture_node(ORG, serial, LOG, (uint8_t)registrar, COSIGNER);
	struct buffer body = BUFFER_INIT;

	assert_int_equal(node_body_encode(&body, &node), OK);
	entry(l, ROOT, serial, KIND_NODE, buffer_bytes(&body), false);
	buffer_free(&body);
	l->reg = registrar;
	l->registrar = 0;
}

static void revoke(struct log *l, enum who by, uint64_t sequence, enum who device)
{
	struct key key = fixture_key((uint8_t)device);
	struct revoke_body r = {.reason = 1};
	struct buffer body = BUFFER_INIT;

	memcpy(r.device_key, key.public, KEY_LEN);
	assert_int_equal(revoke_body_encode(&body, &r), OK);
	entry(l, by, sequence, KIND_REVOKE, buffer_bytes(&body), false);
	buffer_free(&body);
}

/* ---- judging ---- */

struct own {
	struct audit_own m;
	struct own_devices known;
	uint8_t keys[4][KEY_LEN];
	struct key key;
	uint64_t refused; /* one sequence that is accounted for */
};

static bool accounted(void *ctx, uint64_t sequence)
{
	return sequence == ((const struct own *)ctx)->refused;
}

static void judge(struct log *l, enum who device, uint64_t sequence, uint64_t refused, int accepted)
{
	struct own o = {.key = fixture_key((uint8_t)device), .refused = refused};
	struct key key = fixture_key((uint8_t)accepted);

	memcpy(o.keys[0], key.public, KEY_LEN);
	o.known = (struct own_devices){o.keys, accepted ? 1 : 0};
	o.m = (struct audit_own){.key = o.key.public,
	    .devices = &o.known,
	    .sequence = sequence,
	    .accounted = accounted,
	    .ctx = &o};
	assert_int_equal(audit_judge(&l->audit, &o.m), OK);
}

/* All findings in order: "!gap revoked" for a wrong one and a note. */
static void found(const struct log *l, const char *wanted)
{
	char text[400] = "";

	for (size_t i = 0; i < l->audit.finding_count; i++) {
		const struct audit_finding *f = &l->audit.findings[i];

		strcat(text, i ? " " : "");
		strcat(text, f->level == AUDIT_WRONG ? "!" : "");
		strcat(text, f->name);
	}
	assert_string_equal(text, wanted);
	assert_int_equal(audit_good(&l->audit), strchr(wanted, '!') == NULL);
}

static void test_nothing(void **state)
{
	struct log l;

	(void)state;
	start(&l);
	enrol(&l, A1, alice, 0, false);
	enrol(&l, B1, bob, 0, false);
	post(&l, A1, 1);
	post(&l, B1, 5);
	post(&l, A1, 2);
	/* Nobody else's post is looked at closely; one of this person's is. */
	entry(&l, B1, 6, KIND_POST, bytes_of(NULL, 0), true);
	entry(&l, A1, 3, KIND_POST, bytes_of(NULL, 0), true);
	post(&l, A1, 3);
	judge(&l, A1, 3, 0, 0);
	found(&l, "");
	assert_int_equal(l.audit.message_count, 3);
	assert_int_equal(l.audit.device_count, 1);
	assert_non_null(audit_find(&l.audit, l.last));
	assert_int_equal(audit_find(&l.audit, l.last)->index, 8);
	l.last[0] ^= 1;
	assert_null(audit_find(&l.audit, l.last));
	end(&l);
}

static void test_gaps(void **state)
{
	struct log l;

	(void)state;
	start(&l);
	enrol(&l, A1, alice, 0, false);
	post(&l, A1, 2);
	post(&l, A1, 6);
	post(&l, A1, 8);
	judge(&l, A1, 8, 4, 0);
	/* 1; 3 and 5 around the refused 4; 7. */
	found(&l, "!gap !gap !gap !gap");
	assert_int_equal(l.audit.findings[1].index, 3);
	end(&l);

	/* Of another device only that there is one; and of a stranger the same. */
	start(&l);
	enrol(&l, A1, alice, 0, false);
	enrol(&l, A2, alice, A1, false);
	post(&l, A1, 3);
	judge(&l, A2, 0, 0, 0);
	found(&l, "gap");
	end(&l);
	start(&l);
	enrol(&l, A1, alice, 0, false);
	post(&l, A1, UINT64_C(1) << 50);
	assert_int_equal(audit_judge(&l.audit, NULL), OK);
	found(&l, "gap");
	end(&l);
}

static void test_strangers(void **state)
{
	struct log l;

	(void)state;
	start(&l);
	enrol(&l, A1, alice, 0, false);
	post(&l, A1, 1);
	post(&l, A1, UINT64_C(1) << 50); /* by whoever else has the key */
	judge(&l, A1, 1, 0, 0);
	found(&l, "!gap !stranger");
	end(&l);

	start(&l);
	enrol(&l, A1, alice, 0, false);
	enrol(&l, A2, alice, A1, false);
	judge(&l, A1, 0, 0, 0);
	found(&l, "!stranger"); /* A1 did not let it in, as far as A1 knows */
	l.audit.finding_count = 0;
	judge(&l, A1, 0, 0, A2);
	found(&l, "");
	l.audit.finding_count = 0;
	judge(&l, A2, 0, 0, 0);
	found(&l, "");
	end(&l);
}

static void test_devices(void **state)
{
	struct log l;

	(void)state;
	start(&l);
	enrol(&l, A1, alice, 0, false);
	enrol(&l, A2, alice, A1, false);
	enrol(&l, A3, alice, A2, false);
	judge(&l, A2, 0, 0, A3);
	found(&l, ""); /* A1 has let this one in, and this one A3 */
	l.audit.finding_count = 0;
	judge(&l, A3, 0, 0, 0);
	found(&l, "endorsed");
	l.audit.finding_count = 0;
	judge(&l, B1, 0, 0, 0);
	found(&l, "!foreign !foreign !foreign !unenrolled");
	end(&l);

	start(&l);
	enrol(&l, A1, alice, 0, false);
	enrol(&l, A2, alice, 0, false);  /* no effect */
	enrol(&l, A2, alice, B1, false); /* nor this */
	judge(&l, A1, 0, 0, 0);
	found(&l, "!attempt !attempt");
	assert_int_equal(l.audit.device_count, 1);
	end(&l);
}

static void test_recovery(void **state)
{
	struct log l;

	(void)state;
	start(&l);
	enrol(&l, A1, alice, 0, false);
	enrol(&l, A2, alice, 0, true);
	enrol(&l, A3, alice, A2, false);
	judge(&l, A1, 0, 0, 0);
	found(&l, "!recovery !foreign");
	assert_true(l.audit.devices[1].recovered && l.audit.devices[2].recovered);
	assert_false(l.audit.devices[0].recovered);
	l.audit.finding_count = 0;
	judge(&l, A1, 0, 0, A2); /* it is hers */
	found(&l, "recovery endorsed");
	l.audit.finding_count = 0;
	judge(&l, A2, 0, 0, A3); /* the old one is in force still */
	found(&l, "!foreign recovery");
	l.audit.finding_count = 0;
	revoke(&l, REG, ++l.registrar, A1);
	judge(&l, A2, 0, 0, A3);
	found(&l, "foreign revoked recovery");
	end(&l);
}

/* A relay can put into its log what nobody has signed: it must not hide what the registrar signs
 * after that. */
static void test_hidden(void **state)
{
	static const enum who by[] = {REG, ROOT};
	struct log l;

	(void)state;
	for (size_t i = 0; i < sizeof by / sizeof *by; i++) {
		start(&l);
		enrol(&l, A1, alice, 0, false);
		entry(&l, by[i], UINT64_C(1) << 50, KIND_POST, bytes_of(NULL, 0), true);
		if (by[i] == ROOT)
			registrar_change(&l, REG2, 2);
		enrol(&l, A2, alice, 0, true);
		judge(&l, A1, 0, 0, 0);
		found(&l, "!recovery");
		end(&l);
	}
}

static void test_revocation(void **state)
{
	struct log l;

	(void)state;
	start(&l);
	enrol(&l, A1, alice, 0, false);
	enrol(&l, A2, alice, A1, false);
	revoke(&l, A2, 1, A2);
	judge(&l, A1, 0, 0, A2);
	found(&l, "revoked");
	assert_true(l.audit.devices[1].by_itself);
	l.audit.finding_count = 0;
	judge(&l, A2, 1, 0, 0);
	found(&l, "revoked");
	revoke(&l, REG, ++l.registrar, A1);
	l.audit.finding_count = 0;
	judge(&l, A1, 0, 0, A2);
	found(&l, "!revoked revoked");
	post(&l, A1, 9); /* not valid any more, and so not theirs */
	assert_int_equal(l.audit.message_count, 1);
	end(&l);
}

static void test_erasure(void **state)
{
	struct target_body t = {.target = {.present = true}, .reason = 2};
	struct buffer body = BUFFER_INIT;
	struct log l;

	(void)state;
	start(&l);
	enrol(&l, A1, alice, 0, false);
	enrol(&l, B1, bob, 0, false);
	post(&l, B1, 1);
	memcpy(t.target.id, l.last, ID_LEN);
	memcpy(t.target.log, l.audit.binding.digest, DIGEST_LEN);
	assert_int_equal(erase_body_encode(&body, &t), OK);
	entry(&l, REG, ++l.registrar, KIND_ERASE, buffer_bytes(&body), false);
	post(&l, A1, 1);
	memcpy(t.target.id, l.last, ID_LEN);
	buffer_reset(&body);
	assert_int_equal(erase_body_encode(&body, &t), OK);
	entry(&l, REG, ++l.registrar, KIND_ERASE, buffer_bytes(&body), false);
	entry(&l, A1, 2, KIND_ERASE, buffer_bytes(&body), false);
	judge(&l, A1, 2, 0, 0);
	found(&l, "erased");
	assert_int_equal(l.audit.findings[0].index, 6);
	buffer_free(&body);
	end(&l);
}

/* Roster and devices go on into a successor, sequences begin anew. */
static void test_successor(void **state)
{
	uint8_t root[HASH_LEN];
	struct log l;

	(void)state;
	start(&l);
	enrol(&l, A1, alice, 0, false);
	post(&l, A1, 1);
	post(&l, A1, 2);
	audit_root(&l.audit, root);
	credential_of(&l.next, &l, 2, LOG2, &l.credential, audit_size(&l.audit), root);
	assert_int_equal(audit_log(&l.audit, &l.next), OK);
	assert_int_equal(audit_size(&l.audit), 0);
	assert_int_equal(audit_entry(&l.audit, buffer_bytes(&l.next.message)), OK);
	post(&l, A1, 1);
	enrol(&l, A2, alice, A1, false);
	judge(&l, A1, 2, 0, A2);
	found(&l, "");
	assert_int_equal(l.audit.message_count, 3);
	assert_int_equal(l.audit.devices[1].number, 2);
	end(&l);

	/* A client numbers on: no gap, but for what is missing in between. */
	start(&l);
	enrol(&l, A1, alice, 0, false);
	post(&l, A1, 1);
	post(&l, A1, 2);
	audit_root(&l.audit, root);
	credential_of(&l.next, &l, 2, LOG2, &l.credential, audit_size(&l.audit), root);
	assert_int_equal(audit_log(&l.audit, &l.next), OK);
	assert_int_equal(audit_entry(&l.audit, buffer_bytes(&l.next.message)), OK);
	post(&l, A1, 3);
	post(&l, A1, 5);
	judge(&l, A1, 5, 0, 0);
	found(&l, "!gap");
	assert_int_equal(l.audit.findings[0].index, 2);
	end(&l);

	/* One that names another size is none. */
	start(&l);
	audit_root(&l.audit, root);
	credential_of(&l.next, &l, 2, LOG2, &l.credential, 7, root);
	assert_int_equal(audit_log(&l.audit, &l.next), ERR_INVALID);
	end(&l);
}

static int setup(void **state)
{
	(void)state;
	memset(alice, 0xa0, sizeof alice);
	memset(bob, 0xb0, sizeof bob);
	return crypto_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_gaps),
	    cmocka_unit_test(test_strangers),
	    cmocka_unit_test(test_devices),
	    cmocka_unit_test(test_recovery),
	    cmocka_unit_test(test_hidden),
	    cmocka_unit_test(test_revocation),
	    cmocka_unit_test(test_erasure),
	    cmocka_unit_test(test_successor),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
