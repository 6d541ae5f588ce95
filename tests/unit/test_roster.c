/* SPDX-License-Identifier: BSD-2-Clause */
/* One log's story, entry by entry, over every line of SPEC.md sections 6.1 to 6.3.
 *
 * After every entry the roster is written down as the store would (what is dirty, in place of what
 * was there) and loaded again, and must be the one that was folded; checking first must not have
 * moved anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "member/roster.h"
#include "member_fixture.h"

#define ORG "isoc.example"

/* Seeds of keys; a gap of one hex digit between roles. A1 and A2 are devices of identity 0xA and so
 * on. */
enum who {
	ROOT = 1,
	LOG,
	LOG2,
	COSIGNER,
	OTHER_ROOT,
	REG1 = 0x10,
	REG2,
	REG3,
	A1 = 0xa1,
	A2,
	A3,
	A4,
	A5,
	B1 = 0xb1,
	B2,
	C1 = 0xc1,
	C2,
	D1 = 0xd1,
	STRANGER = 0xee,
};

enum {
	COMMIT = 1 << 0,
	IN_TOPIC = 1 << 1,
	PARENT = 1 << 2, /* in the header */
	FORGED = 1 << 3, /* the signature is another's */
	COPIED = 1 << 4, /* the whole message comes from another log */
	OVERSIZE = 1 << 5,
	FULL_SIZE = 1 << 6, /* bucket above, and at, the limit */
	VERSION_2 = 1 << 7,
	CUT = 1 << 8, /* the header */
	NO_BODY = 1 << 9,
	BAD_BODY = 1 << 10,
	LONG_BODY = 1 << 11,
	RECOVERY = 1 << 12,
	GATEWAY = 1 << 13,
	BAD_DEVICE = 1 << 14,
	BAD_ENDORSEMENT = 1 << 15,
	OTHER_LOG_INSIDE = 1 << 16,
	PREVIOUS = 1 << 17,
	OTHER_LOG_KEY = 1 << 18,
	OTHER_COSIGNER = 1 << 19,
};

struct step {
	enum who by;
	uint64_t sequence;
	uint32_t kind;
	enum who subject; /* whom it is about: the device, the registrar, the organisation's key */
	uint64_t more;    /* NODE: the serial; ENROL: the endorser */
	unsigned flags;
	int why;
	bool valid, effect;
	enum signer_class class;
};

/* How a step ends. */
#define INVALID(why) why, false, false, SIGNER_NONE
#define LATE(class) ERR_SEQUENCE, false, false, SIGNER_##class
#define IDLE(why, class) why, true, false, SIGNER_##class
#define GOOD(class) OK, true, true, SIGNER_##class

struct world {
	struct charter charter;
	struct credential credential;
	struct roster *roster;
	struct signer disk[64]; /* what a store would hold */
	size_t disk_count;
	struct binding other; /* another log of the same organisation and forum */
};

/* A device's identity is the upper half of its seed. */
static void identity_of(enum who device, uint8_t out[static IDENTITY_LEN])
{
	memset(out, (int)device & 0xf0, IDENTITY_LEN);
}

static void enrol_body(const struct world *w, const struct step *s, struct buffer *out)
{
	struct key device = fixture_key((uint8_t)s->subject), wrong = fixture_key(STRANGER);
	struct key endorser = fixture_key((uint8_t)s->more);
	const struct binding *b = s->flags & OTHER_LOG_INSIDE ? &w->other : &w->credential.binding;
	struct enrol_body e = {.custody = (s->flags & GATEWAY) != 0,
	    .recovery = (s->flags & RECOVERY) != 0,
	    .has_endorsement = s->more != 0};
	identity_of(s->subject, e.identity);
	memcpy(e.device_key, device.public, KEY_LEN);
	device_sign(e.device_signature, DEVICE_DOMAIN, b, e.identity, e.device_key, e.custody,
	    s->flags & BAD_DEVICE ? &wrong : &device);
	memcpy(e.endorser, endorser.public, KEY_LEN);
	/* A signature for the other purpose endorses nothing. */
	device_sign(e.endorsement, s->flags & BAD_ENDORSEMENT ? DEVICE_DOMAIN : ENDORSE_DOMAIN, b,
	    e.identity, e.device_key, e.custody, &endorser);
	assert_int_equal(enrol_body_encode(out, &e), OK);
}

static void node_body(const struct world *w, const struct step *s, struct buffer *out)
{
	uint8_t log = w->credential.number == 1 ? LOG : LOG2;
	struct node_body n = fixture_node(s->flags & OTHER_COSIGNER ? "ripe.example" : ORG, s->more,
	    s->flags & OTHER_LOG_KEY ? OTHER_ROOT : log, (uint8_t)s->subject, COSIGNER);
	if (s->flags & PREVIOUS) {
		n.previous_log = bytes_str(w->other.log_name);
		n.previous_size = 3;
	}
	assert_int_equal(node_body_encode(out, &n), OK);
}

static void body_make(const struct world *w, const struct step *s, struct buffer *out)
{
	struct key subject = fixture_key((uint8_t)s->subject);
	struct admit_body admit = {.name = bytes_str("ripe.example")};
	struct revoke_body revoke = {.reason = 1};
	struct target_body target = {.target = {.present = true}};
	memcpy(admit.root_key, subject.public, KEY_LEN);
	memcpy(revoke.device_key, subject.public, KEY_LEN);
	switch (s->kind) {
	case KIND_NODE:
		node_body(w, s, out);
		break;
	case KIND_ADMIT:
		assert_int_equal(admit_body_encode(out, &admit), OK);
		break;
	case KIND_ENROL:
		enrol_body(w, s, out);
		break;
	case KIND_REVOKE:
		assert_int_equal(revoke_body_encode(out, &revoke), OK);
		break;
	case KIND_AMEND:
		assert_int_equal(amend_body_encode(out, &target), OK);
		break;
	case KIND_ERASE:
		assert_int_equal(erase_body_encode(out, &target), OK);
		break;
	default:
		break;
	}
}

static void message_make(const struct world *w, const struct step *s, struct buffer *out)
{
	struct key key = fixture_key((uint8_t)s->by);
	struct buffer body = BUFFER_INIT;
	unsigned f = s->flags;
	struct header h = {.version = 1,
	    .sequence = s->sequence,
	    .kind = s->kind,
	    .topic = {.present = (f & IN_TOPIC) != 0},
	    .parent = {.present = (f & PARENT) != 0},
	    .time = FIXTURE_TIME,
	    .has_commitment = (f & (COMMIT | OVERSIZE | FULL_SIZE)) != 0,
	    .bucket = f & OVERSIZE    ? 21
		      : f & FULL_SIZE ? 20
				      : 0};
	memcpy(h.signer, key.public, KEY_LEN);
	body_make(w, s, &body);
	if (f & LONG_BODY)
		buffer_add(&body, "\x0a\x01x", 3);
	if (f & BAD_BODY)
		body.data[0] ^= 0x80;
	if (!(f & NO_BODY))
		h.body = buffer_bytes(&body);
	assert_int_equal(
	    message_sign(out, f & COPIED ? &w->other : &w->credential.binding, &h, &key), OK);
	if (f & FORGED)
		out->data[out->len - 1] ^= 1;
	if (f & VERSION_2)
		out->data[1] = 2;
	if (f & CUT)
		buffer_drain(out, 2);
	buffer_free(&body);
}

static void entry_make(const struct world *w, struct roster_entry *e, struct header *h,
    const struct buffer *message, uint64_t index)
{
	memset(e, 0, sizeof(*e));
	e->index = index;
	e->message = buffer_bytes(message);
	e->header = h;
	message_id(e->id, e->message, &w->credential.binding);
	e->parsed = message_parse(e->message, h);
	e->signature = message_verify(e->message, &w->credential.binding, h->signer);
}

static void signer_equal(const struct signer *a, const struct signer *b)
{
	assert_non_null(b);
	assert_memory_equal(a->key, b->key, KEY_LEN);
	assert_int_equal(a->class, b->class);
	assert_memory_equal(a->identity, b->identity, IDENTITY_LEN);
	assert_int_equal(a->custody, b->custody);
	assert_int_equal(a->recovery, b->recovery);
	assert_int_equal(a->enrolled, b->enrolled);
	assert_memory_equal(a->enrol_id, b->enrol_id, ID_LEN);
	assert_int_equal(a->revoked, b->revoked);
	assert_int_equal(a->sequence, b->sequence);
	assert_memory_equal(a->last_id, b->last_id, ID_LEN);
}

static void roster_equal(const struct roster *a, const struct roster *b)
{
	assert_int_equal(roster_next(a), roster_next(b));
	assert_int_equal(roster_signer_count(a), roster_signer_count(b));
	for (size_t i = 0; i < roster_signer_count(a); i++) {
		const struct signer *s = roster_signer_at(a, i);
		signer_equal(s, roster_signer(b, s->key));
		assert_int_equal(roster_class(a, s->key), roster_class(b, s->key));
		if (s->class == SIGNER_DEVICE)
			assert_true(roster_has_identity(b, s->identity));
	}
	assert_true(bytes_equal(roster_node_message(a), roster_node_message(b)));
	assert_memory_equal(roster_node(a)->registrar_key, roster_node(b)->registrar_key, KEY_LEN);
	assert_int_equal(roster_node(a)->serial, roster_node(b)->serial);
	assert_true(bytes_equal(roster_node(a)->previous_log, roster_node(b)->previous_log));
}

static void verdict_equal(const struct verdict *a, const struct verdict *b)
{
	assert_int_equal(a->valid, b->valid);
	assert_int_equal(a->effect, b->effect);
	assert_int_equal(a->why, b->why);
	assert_int_equal(a->class, b->class);
	assert_memory_equal(a->identity, b->identity, IDENTITY_LEN);
	assert_int_equal(a->new_identity, b->new_identity);
}

static void disk_write(struct world *w)
{
	for (size_t i = 0; i < roster_dirty_count(w->roster); i++) {
		const struct signer *s = roster_dirty_at(w->roster, i);
		size_t at = 0;
		while (at < w->disk_count && memcmp(w->disk[at].key, s->key, KEY_LEN) != 0)
			at++;
		assert_true(at < sizeof(w->disk) / sizeof(w->disk[0]));
		w->disk[at] = *s;
		if (at == w->disk_count)
			w->disk_count++;
	}
	roster_clean(w->roster);
	assert_int_equal(roster_dirty_count(w->roster), 0);
}

static struct roster *disk_load(const struct world *w)
{
	struct roster *r = roster_new(&w->credential, &w->charter, NULL);
	assert_non_null(r);
	assert_int_equal(roster_load(r, w->disk, w->disk_count, roster_node_message(w->roster),
			     roster_next(w->roster)),
	    OK);
	return r;
}

/* Judge a message in every way there is; all must agree. */
static struct verdict judge(struct world *w, const struct buffer *message)
{
	struct header h;
	struct roster_entry e;
	struct verdict first, out;
	uint64_t index = roster_next(w->roster);
	entry_make(w, &e, &h, message, index);

	struct roster *copy = roster_copy(w->roster);
	assert_non_null(copy);
	roster_check(w->roster, &e, &first);
	roster_equal(copy, w->roster);
	assert_int_equal(roster_dirty_count(w->roster), 0);

	e.index++;
	assert_int_equal(roster_judge(w->roster, &e, &out), ERR_INVALID);
	roster_equal(copy, w->roster);
	e.index--;
	assert_int_equal(roster_judge(w->roster, &e, &out), OK);
	assert_int_equal(roster_next(w->roster), index + 1);
	verdict_equal(&first, &out);

	/* The copy, told by a worker about an ENROL's inner signatures. */
	e.enrol = e.parsed == OK ? roster_enrol_verify(&h, &w->credential.binding)
				 : ENROL_UNVERIFIED;
	assert_int_equal(roster_judge(copy, &e, &first), OK);
	verdict_equal(&first, &out);
	roster_equal(w->roster, copy);
	roster_free(copy);

	disk_write(w);
	struct roster *loaded = disk_load(w);
	roster_equal(w->roster, loaded);
	roster_free(loaded);
	return out;
}

static void run(struct world *w, const struct step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct step *s = &steps[i];
		struct buffer message = BUFFER_INIT;
		message_make(w, s, &message);
		struct verdict v = judge(w, &message);
		if (v.valid != s->valid || v.effect != s->effect || v.why != s->why ||
		    v.class != s->class)
			fail_msg("step %zu (%#x, %u, sequence %u): %s %s %s class %d", i, s->by,
			    s->kind, (unsigned)s->sequence, v.valid ? "valid" : "invalid",
			    v.effect ? "effective" : "idle", error_name(v.why), v.class);
		uint8_t identity[IDENTITY_LEN] = {0};
		if (s->class == SIGNER_DEVICE)
			identity_of(s->by, identity);
		assert_memory_equal(v.identity, identity, IDENTITY_LEN);
		assert_int_equal(v.new_identity,
		    s->kind == KIND_ENROL && s->effect && s->more == 0 && !(s->flags & RECOVERY));
		buffer_free(&message);
	}
}
#define RUN(w, steps) run(w, steps, sizeof(steps) / sizeof((steps)[0]))

static const struct signer *known(const struct world *w, enum who who)
{
	struct key key = fixture_key((uint8_t)who);
	return roster_signer(w->roster, key.public);
}

static enum signer_class class_of(const struct world *w, enum who who)
{
	struct key key = fixture_key((uint8_t)who);
	return roster_class(w->roster, key.public);
}

static void credential_of(struct credential *out, const struct charter *charter, uint64_t number,
    const struct node_body *node)
{
	struct key root = fixture_key(ROOT);
	struct buffer message = BUFFER_INIT;
	char name[VERIFIER_NAME_MAX + 1];
	assert_int_equal(credential_make(&message, name, charter->forum, ORG, number, &root, node,
			     1, FIXTURE_TIME),
	    OK);
	assert_int_equal(
	    credential_open(out, charter->forum, bytes_str(name), buffer_bytes(&message)), OK);
	buffer_free(&message);
}

/* A log with its entry 0 judged. */
static void world_start(struct world *w)
{
	memset(w, 0, sizeof(*w));
	struct node_body n = fixture_node(ORG, 1, LOG, REG1, COSIGNER);
	struct key root = fixture_key(ROOT), other = fixture_key(OTHER_ROOT);
	char name[VERIFIER_NAME_MAX + 1];
	fixture_charter(&w->charter, NULL, 0, 1);
	credential_of(&w->credential, &w->charter, 1, &n);
	assert_int_equal(
	    log_name_make(name, w->charter.forum, root.public, other.public, bytes_str(ORG), 1),
	    OK);
	assert_int_equal(binding_make(&w->other, w->charter.forum, bytes_str(name)), OK);
	w->roster = roster_new(&w->credential, &w->charter, NULL);
	assert_non_null(w->roster);
	assert_int_equal(class_of(w, REG1), SIGNER_NONE);
	struct verdict v = judge(w, &w->credential.message);
	assert_true(v.effect);
	assert_int_equal(v.class, SIGNER_ROOT);
	assert_int_equal(class_of(w, REG1), SIGNER_REGISTRAR);
	assert_int_equal(known(w, ROOT)->sequence, 1);
}

static void world_end(struct world *w)
{
	credential_clear(&w->credential);
	roster_free(w->roster);
}

#define POSTED (IN_TOPIC | COMMIT)

static void test_validity(void **state)
{
	(void)state;
	static const struct step steps[] = {
	    /* Nobody writes before they are enrolled. */
	    {A1, 1, KIND_POST, 0, 0, POSTED, INVALID(ERR_NOT_ENROLLED)},
	    {STRANGER, 1, KIND_ENROL, A1, 0, COMMIT, INVALID(ERR_NOT_ENROLLED)},
	    {OTHER_ROOT, 1, KIND_NODE, REG2, 9, 0, INVALID(ERR_NOT_ENROLLED)},
	    {LOG, 1, KIND_POST, 0, 0, POSTED, INVALID(ERR_NOT_ENROLLED)},
	    {COSIGNER, 1, KIND_POST, 0, 0, POSTED, INVALID(ERR_NOT_ENROLLED)},
	    {REG1, 1, KIND_ENROL, A1, 0, COMMIT, GOOD(REGISTRAR)},
	    {A1, 1, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    /* Sequences rise; gaps are legal. */
	    {A1, 1, KIND_POST, 0, 0, POSTED, LATE(DEVICE)},
	    {A1, 10, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    {A1, 9, KIND_POST, 0, 0, POSTED, LATE(DEVICE)},
	    {A1, 10, KIND_POST, 0, 0, POSTED | PARENT, LATE(DEVICE)},
	    /* What isn't valid takes no sequence. */
	    {A1, 90, KIND_POST, 0, 0, POSTED | FORGED, INVALID(ERR_SIGNATURE)},
	    {A1, 91, KIND_POST, 0, 0, POSTED | COPIED, INVALID(ERR_SIGNATURE)},
	    {A1, 92, KIND_POST, 0, 0, POSTED | OVERSIZE, INVALID(ERR_TOO_LARGE)},
	    {A1, 93, 4711, 0, 0, OVERSIZE, INVALID(ERR_TOO_LARGE)},
	    {A1, 94, KIND_POST, 0, 0, POSTED | VERSION_2, INVALID(ERR_VERSION)},
	    {A1, 95, KIND_POST, 0, 0, POSTED | CUT, INVALID(ERR_MALFORMED)},
	    {A1, 11, KIND_POST, 0, 0, POSTED | FULL_SIZE, GOOD(DEVICE)},
	    /* What has no effect does. */
	    {A1, 12, 4711, 0, 0, 0, IDLE(ERR_UNKNOWN_KIND, DEVICE)},
	    {A1, 12, KIND_POST, 0, 0, POSTED, LATE(DEVICE)},
	    {A1, SEQUENCE_MAX, 9, 0, 0, COMMIT, IDLE(ERR_UNKNOWN_KIND, DEVICE)},
	    {A1, SEQUENCE_MAX, KIND_POST, 0, 0, POSTED, LATE(DEVICE)},
	    /* Everyone counts for themselves. */
	    {ROOT, 1, 9, 0, 0, 0, LATE(ROOT)},
	    {ROOT, 2, 9, 0, 0, 0, IDLE(ERR_UNKNOWN_KIND, ROOT)},
	    {REG1, 1, 9, 0, 0, 0, LATE(REGISTRAR)},
	    {REG1, 2, 9, 0, 0, 0, IDLE(ERR_UNKNOWN_KIND, REGISTRAR)},
	};
	struct world w;
	world_start(&w);
	RUN(&w, steps);
	assert_int_equal(known(&w, A1)->sequence, SEQUENCE_MAX);
	assert_int_equal(known(&w, A1)->enrolled, 6);
	assert_null(known(&w, STRANGER));
	world_end(&w);
}

static void test_kinds(void **state)
{
	(void)state;
	static const struct step steps[] = {
	    {REG1, 1, KIND_ENROL, A1, 0, COMMIT, GOOD(REGISTRAR)},
	    /* POST */
	    {A1, 1, KIND_POST, 0, 0, POSTED | PARENT, GOOD(DEVICE)},
	    {A1, 2, KIND_POST, 0, 0, COMMIT, IDLE(ERR_MALFORMED, DEVICE)},
	    {A1, 3, KIND_POST, 0, 0, IN_TOPIC, IDLE(ERR_MALFORMED, DEVICE)},
	    {A1, 4, KIND_POST, 0, 0, POSTED | LONG_BODY, IDLE(ERR_MALFORMED, DEVICE)},
	    {REG1, 2, KIND_POST, 0, 0, POSTED, IDLE(ERR_REFUSED, REGISTRAR)},
	    {ROOT, 2, KIND_POST, 0, 0, POSTED, IDLE(ERR_REFUSED, ROOT)},
	    /* TOPIC */
	    {A1, 5, KIND_TOPIC, 0, 0, COMMIT, GOOD(DEVICE)},
	    {A1, 6, KIND_TOPIC, 0, 0, 0, IDLE(ERR_MALFORMED, DEVICE)},
	    {A1, 7, KIND_TOPIC, 0, 0, POSTED, IDLE(ERR_MALFORMED, DEVICE)},
	    {A1, 8, KIND_TOPIC, 0, 0, COMMIT | PARENT, IDLE(ERR_MALFORMED, DEVICE)},
	    {A1, 9, KIND_TOPIC, 0, 0, COMMIT | LONG_BODY, IDLE(ERR_MALFORMED, DEVICE)},
	    /* AMEND, ERASE */
	    {A1, 10, KIND_AMEND, 0, 0, COMMIT, GOOD(DEVICE)},
	    {A1, 11, KIND_AMEND, 0, 0, 0, IDLE(ERR_MALFORMED, DEVICE)},
	    {A1, 12, KIND_AMEND, 0, 0, COMMIT | NO_BODY, IDLE(ERR_MALFORMED, DEVICE)},
	    {REG1, 3, KIND_AMEND, 0, 0, COMMIT, IDLE(ERR_REFUSED, REGISTRAR)},
	    {ROOT, 3, KIND_AMEND, 0, 0, COMMIT, IDLE(ERR_REFUSED, ROOT)},
	    {A1, 13, KIND_ERASE, 0, 0, 0, GOOD(DEVICE)},
	    {A1, 14, KIND_ERASE, 0, 0, NO_BODY, IDLE(ERR_MALFORMED, DEVICE)},
	    {REG1, 4, KIND_ERASE, 0, 0, 0, GOOD(REGISTRAR)},
	    {ROOT, 4, KIND_ERASE, 0, 0, 0, IDLE(ERR_REFUSED, ROOT)},
	    /* ADMIT */
	    {ROOT, 5, KIND_ADMIT, OTHER_ROOT, 0, 0, GOOD(ROOT)},
	    {ROOT, 6, KIND_ADMIT, ROOT, 0, 0, IDLE(ERR_KEY, ROOT)},
	    {ROOT, 7, KIND_ADMIT, OTHER_ROOT, 0, NO_BODY, IDLE(ERR_MALFORMED, ROOT)},
	    {REG1, 5, KIND_ADMIT, OTHER_ROOT, 0, 0, IDLE(ERR_REFUSED, REGISTRAR)},
	    {A1, 15, KIND_ADMIT, OTHER_ROOT, 0, 0, IDLE(ERR_REFUSED, DEVICE)},
	    /* Wrong classes for the rest. */
	    {ROOT, 8, KIND_ENROL, B1, 0, COMMIT, IDLE(ERR_REFUSED, ROOT)},
	    {A1, 16, KIND_ENROL, B1, 0, COMMIT, IDLE(ERR_REFUSED, DEVICE)},
	    {ROOT, 9, KIND_REVOKE, A1, 0, 0, IDLE(ERR_REFUSED, ROOT)},
	    {REG1, 6, KIND_NODE, REG2, 2, 0, IDLE(ERR_REFUSED, REGISTRAR)},
	    {A1, 17, KIND_NODE, REG2, 2, 0, IDLE(ERR_REFUSED, DEVICE)},
	    {B1, 1, KIND_POST, 0, 0, POSTED, INVALID(ERR_NOT_ENROLLED)},
	    {REG2, 1, KIND_POST, 0, 0, POSTED, INVALID(ERR_NOT_ENROLLED)},
	    {A1, 18, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	};
	struct world w;
	world_start(&w);
	RUN(&w, steps);
	world_end(&w);
}

/* Who may open topics stands in the charter. */
static void test_topics(void **state)
{
	(void)state;
	static const struct step enrol = {REG1, 1, KIND_ENROL, A1, 0, COMMIT, GOOD(REGISTRAR)};
	static const struct step cases[3][3] = {
	    [TOPICS_BY_PARTICIPANTS] = {{A1, 1, KIND_TOPIC, 0, 0, COMMIT, GOOD(DEVICE)},
		{REG1, 2, KIND_TOPIC, 0, 0, COMMIT, GOOD(REGISTRAR)},
		{ROOT, 2, KIND_TOPIC, 0, 0, COMMIT, GOOD(ROOT)}},
	    [TOPICS_BY_REGISTRARS] = {{A1, 1, KIND_TOPIC, 0, 0, COMMIT, IDLE(ERR_REFUSED, DEVICE)},
		{REG1, 2, KIND_TOPIC, 0, 0, COMMIT, GOOD(REGISTRAR)},
		{ROOT, 2, KIND_TOPIC, 0, 0, COMMIT, GOOD(ROOT)}},
	    [TOPICS_BY_ROOTS] = {{A1, 1, KIND_TOPIC, 0, 0, COMMIT, IDLE(ERR_REFUSED, DEVICE)},
		{REG1, 2, KIND_TOPIC, 0, 0, COMMIT, IDLE(ERR_REFUSED, REGISTRAR)},
		{ROOT, 2, KIND_TOPIC, 0, 0, COMMIT, GOOD(ROOT)}},
	};
	for (int topics = 0; topics < 3; topics++) {
		struct world w;
		world_start(&w);
		roster_free(w.roster);
		w.charter.topics = (enum charter_topics)topics;
		w.disk_count = 0;
		w.roster = roster_new(&w.credential, &w.charter, NULL);
		judge(&w, &w.credential.message);
		run(&w, &enrol, 1);
		RUN(&w, cases[topics]);
		world_end(&w);
	}
}

static void test_enrolment(void **state)
{
	(void)state;
	static const struct step steps[] = {
	    {REG1, 1, KIND_ENROL, A1, 0, COMMIT, GOOD(REGISTRAR)},
	    /* Never one of the log's own keys, never twice. */
	    {REG1, 2, KIND_ENROL, ROOT, 0, COMMIT, IDLE(ERR_KEY, REGISTRAR)},
	    {REG1, 3, KIND_ENROL, LOG, 0, COMMIT, IDLE(ERR_KEY, REGISTRAR)},
	    {REG1, 4, KIND_ENROL, REG1, 0, COMMIT, IDLE(ERR_KEY, REGISTRAR)},
	    {REG1, 5, KIND_ENROL, COSIGNER, 0, COMMIT, IDLE(ERR_KEY, REGISTRAR)},
	    {REG1, 6, KIND_ENROL, A1, 0, COMMIT, IDLE(ERR_EXISTS, REGISTRAR)},
	    {REG1, 7, KIND_ENROL, A1, 0, RECOVERY, IDLE(ERR_EXISTS, REGISTRAR)},
	    /* The device itself must have agreed, to this log. */
	    {REG1, 8, KIND_ENROL, B1, 0, COMMIT | BAD_DEVICE, IDLE(ERR_SIGNATURE, REGISTRAR)},
	    {REG1, 9, KIND_ENROL, B1, 0, COMMIT | OTHER_LOG_INSIDE, IDLE(ERR_SIGNATURE, REGISTRAR)},
	    {REG1, 10, KIND_ENROL, B1, 0, COMMIT | NO_BODY, IDLE(ERR_MALFORMED, REGISTRAR)},
	    {B1, 1, KIND_POST, 0, 0, POSTED, INVALID(ERR_NOT_ENROLLED)},
	    /* A new identity has nobody to endorse it, and nothing to recover. */
	    {REG1, 11, KIND_ENROL, B1, A1, COMMIT, IDLE(ERR_NOTFOUND, REGISTRAR)},
	    {REG1, 12, KIND_ENROL, B1, 0, COMMIT | RECOVERY, IDLE(ERR_NOTFOUND, REGISTRAR)},
	    {REG1, 13, KIND_ENROL, B1, 0, COMMIT | GATEWAY, GOOD(REGISTRAR)},
	    {B1, 1, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    /* A further device: with the word of one that is there. */
	    {REG1, 14, KIND_ENROL, A2, 0, 0, IDLE(ERR_UNSIGNED, REGISTRAR)},
	    {REG1, 15, KIND_ENROL, A2, B1, 0, IDLE(ERR_NOT_ENROLLED, REGISTRAR)},
	    {REG1, 16, KIND_ENROL, A2, STRANGER, 0, IDLE(ERR_NOT_ENROLLED, REGISTRAR)},
	    {REG1, 17, KIND_ENROL, A2, REG1, 0, IDLE(ERR_NOT_ENROLLED, REGISTRAR)},
	    {REG1, 18, KIND_ENROL, A2, A2, 0, IDLE(ERR_NOT_ENROLLED, REGISTRAR)},
	    {REG1, 19, KIND_ENROL, A2, A1, BAD_ENDORSEMENT, IDLE(ERR_SIGNATURE, REGISTRAR)},
	    {REG1, 20, KIND_ENROL, A2, A1, BAD_DEVICE, IDLE(ERR_SIGNATURE, REGISTRAR)},
	    {REG1, 21, KIND_ENROL, A2, A1, OTHER_LOG_INSIDE, IDLE(ERR_SIGNATURE, REGISTRAR)},
	    {A2, 1, KIND_POST, 0, 0, POSTED, INVALID(ERR_NOT_ENROLLED)},
	    {REG1, 22, KIND_ENROL, A2, A1, 0, GOOD(REGISTRAR)},
	    {A2, 1, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    {REG1, 23, KIND_ENROL, A3, A2, 0, GOOD(REGISTRAR)},
	    /* Or as a recovery. */
	    {REG1, 24, KIND_ENROL, A4, 0, RECOVERY, GOOD(REGISTRAR)},
	    {A4, 1, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    /* A revoked device's word is worth nothing; that of a recovered one is. */
	    {REG1, 25, KIND_REVOKE, A1, 0, 0, GOOD(REGISTRAR)},
	    {REG1, 26, KIND_ENROL, A5, A1, 0, IDLE(ERR_REVOKED, REGISTRAR)},
	    {REG1, 27, KIND_ENROL, A5, A4, 0, GOOD(REGISTRAR)},
	};
	struct world w;
	world_start(&w);
	RUN(&w, steps);
	assert_int_equal(known(&w, B1)->custody, 1);
	assert_int_equal(known(&w, A1)->custody, 0);
	assert_false(known(&w, B1)->recovery);
	assert_true(known(&w, A4)->recovery);
	assert_true(known(&w, A5)->recovery); /* by the word of a recovered one */
	assert_false(known(&w, A3)->recovery);
	assert_int_equal(known(&w, A1)->revoked, 30);
	world_end(&w);
}

static void test_revocation(void **state)
{
	(void)state;
	static const struct step steps[] = {
	    {REG1, 1, KIND_ENROL, A1, 0, COMMIT, GOOD(REGISTRAR)},
	    {REG1, 2, KIND_ENROL, A2, A1, 0, GOOD(REGISTRAR)},
	    {REG1, 3, KIND_ENROL, B1, 0, COMMIT, GOOD(REGISTRAR)},
	    /* Only by the registrar or the device itself. */
	    {A1, 1, KIND_REVOKE, B1, 0, 0, IDLE(ERR_REFUSED, DEVICE)},
	    {A1, 2, KIND_REVOKE, A2, 0, 0, IDLE(ERR_REFUSED, DEVICE)},
	    {REG1, 4, KIND_REVOKE, STRANGER, 0, 0, IDLE(ERR_NOT_ENROLLED, REGISTRAR)},
	    {REG1, 5, KIND_REVOKE, REG1, 0, 0, IDLE(ERR_NOT_ENROLLED, REGISTRAR)},
	    {REG1, 6, KIND_REVOKE, ROOT, 0, 0, IDLE(ERR_NOT_ENROLLED, REGISTRAR)},
	    {REG1, 7, KIND_REVOKE, A1, 0, BAD_BODY, IDLE(ERR_MALFORMED, REGISTRAR)},
	    {A2, 1, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    {A2, 2, KIND_REVOKE, A2, 0, 0, GOOD(DEVICE)},
	    {A2, 3, KIND_POST, 0, 0, POSTED, INVALID(ERR_REVOKED)},
	    {A1, 3, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    {REG1, 8, KIND_REVOKE, A2, 0, 0, IDLE(ERR_REVOKED, REGISTRAR)},
	    {REG1, 9, KIND_REVOKE, A1, 0, 0, GOOD(REGISTRAR)},
	    {A1, 4, KIND_POST, 0, 0, POSTED, INVALID(ERR_REVOKED)},
	    {A1, 5, KIND_REVOKE, B1, 0, 0, INVALID(ERR_REVOKED)},
	    /* Never again, in no way. */
	    {REG1, 10, KIND_ENROL, A1, 0, COMMIT, IDLE(ERR_REVOKED, REGISTRAR)},
	    {REG1, 11, KIND_ENROL, A1, 0, RECOVERY, IDLE(ERR_REVOKED, REGISTRAR)},
	    /* An identity without a device left still exists. */
	    {REG1, 12, KIND_ENROL, A3, 0, COMMIT, IDLE(ERR_UNSIGNED, REGISTRAR)},
	    {REG1, 13, KIND_ENROL, A3, 0, RECOVERY, GOOD(REGISTRAR)},
	    {A3, 1, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    {B1, 1, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	};
	struct world w;
	world_start(&w);
	RUN(&w, steps);
	assert_int_equal(known(&w, A2)->revoked, 11);
	assert_int_equal(known(&w, A1)->revoked, 15);
	assert_int_equal(known(&w, A1)->sequence, 3);
	assert_int_equal(class_of(&w, A1), SIGNER_NONE);
	assert_int_equal(class_of(&w, A3), SIGNER_DEVICE);
	world_end(&w);
}

static void test_rotation(void **state)
{
	(void)state;
	static const struct step steps[] = {
	    {REG1, 5, KIND_ENROL, A1, 0, COMMIT, GOOD(REGISTRAR)},
	    /* What doesn't suit changes nothing. */
	    {ROOT, 2, KIND_NODE, REG2, 1, 0, IDLE(ERR_STALE, ROOT)},
	    {ROOT, 3, KIND_NODE, REG2, 2, COMMIT, IDLE(ERR_MALFORMED, ROOT)},
	    {ROOT, 4, KIND_NODE, REG2, 2, IN_TOPIC, IDLE(ERR_MALFORMED, ROOT)},
	    {ROOT, 5, KIND_NODE, REG2, 2, PARENT, IDLE(ERR_MALFORMED, ROOT)},
	    {ROOT, 6, KIND_NODE, REG2, 2, NO_BODY, IDLE(ERR_MALFORMED, ROOT)},
	    {ROOT, 7, KIND_NODE, REG2, 2, PREVIOUS, IDLE(ERR_MALFORMED, ROOT)},
	    {ROOT, 8, KIND_NODE, REG2, 2, OTHER_LOG_KEY, IDLE(ERR_KEY, ROOT)},
	    {ROOT, 9, KIND_NODE, REG2, 2, OTHER_COSIGNER, IDLE(ERR_MALFORMED, ROOT)},
	    {ROOT, 10, KIND_NODE, ROOT, 2, 0, IDLE(ERR_KEY, ROOT)},
	    {ROOT, 11, KIND_NODE, REG2, 2, COPIED, INVALID(ERR_SIGNATURE)},
	    {REG1, 6, KIND_ENROL, B1, 0, COMMIT, GOOD(REGISTRAR)},
	    {REG2, 1, KIND_ENROL, C1, 0, COMMIT, INVALID(ERR_NOT_ENROLLED)},
	    /* A new registrar; serials may leap. */
	    {ROOT, 11, KIND_NODE, REG2, 7, 0, GOOD(ROOT)},
	    {REG1, 7, KIND_ENROL, C1, 0, COMMIT, INVALID(ERR_REVOKED)},
	    {REG2, 1, KIND_ENROL, C1, 0, COMMIT, GOOD(REGISTRAR)},
	    {REG2, 2, KIND_ENROL, REG1, 0, COMMIT, IDLE(ERR_REVOKED, REGISTRAR)},
	    {REG2, 3, KIND_REVOKE, REG1, 0, 0, IDLE(ERR_NOT_ENROLLED, REGISTRAR)},
	    {A1, 1, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    {ROOT, 12, KIND_NODE, REG1, 6, 0, IDLE(ERR_STALE, ROOT)},
	    {ROOT, 13, KIND_NODE, REG1, 7, 0, IDLE(ERR_STALE, ROOT)},
	    /* The same one again, and the first one back: it goes on counting where it was. */
	    {ROOT, 14, KIND_NODE, REG2, 8, 0, GOOD(ROOT)},
	    {REG2, 4, KIND_ENROL, D1, 0, COMMIT, GOOD(REGISTRAR)},
	    {ROOT, 15, KIND_NODE, REG1, 9, 0, GOOD(ROOT)},
	    {REG1, 6, KIND_ENROL, C2, C1, 0, LATE(REGISTRAR)},
	    {REG1, 7, KIND_ENROL, C2, C1, 0, GOOD(REGISTRAR)},
	    {REG2, 5, KIND_ENROL, B2, B1, 0, INVALID(ERR_REVOKED)},
	    /* A device is never registrar: a revoked one would come back to power. */
	    {ROOT, 16, KIND_NODE, A1, 10, 0, IDLE(ERR_KEY, ROOT)},
	    {A1, 2, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    {REG1, 8, KIND_REVOKE, A1, 0, 0, GOOD(REGISTRAR)},
	    {ROOT, 17, KIND_NODE, A1, 10, 0, IDLE(ERR_KEY, ROOT)},
	    {A1, 3, KIND_ENROL, B2, B1, 0, INVALID(ERR_REVOKED)},
	    {ROOT, 18, KIND_NODE, REG3, 11, 0, GOOD(ROOT)},
	    {ROOT, 19, KIND_NODE, REG3, 12, 0, GOOD(ROOT)},
	    {ROOT, 20, KIND_NODE, REG2, 13, 0, GOOD(ROOT)},
	};
	struct world w;
	world_start(&w);
	RUN(&w, steps);
	assert_int_equal(roster_node(w.roster)->serial, 13);
	assert_int_equal(known(&w, REG2)->enrolled, 35);
	assert_int_equal(known(&w, REG2)->revoked, 0);
	assert_int_equal(known(&w, REG1)->enrolled, 24);
	assert_int_equal(known(&w, REG1)->revoked, 33);
	assert_int_equal(known(&w, REG3)->enrolled, 33);
	assert_int_equal(known(&w, REG3)->revoked, 35);
	assert_int_equal(known(&w, A1)->class, SIGNER_DEVICE);
	assert_int_equal(known(&w, A1)->revoked, 30);
	world_end(&w);
}

/* A successor of `w` at its size, with this serial and registrar in its entry 0. */
static void successor_start(
    struct world *next, const struct world *w, uint64_t serial, enum who registrar)
{
	memset(next, 0, sizeof(*next));
	next->charter = w->charter;
	next->other = w->credential.binding;
	struct node_body n = fixture_node(ORG, serial, LOG2, (uint8_t)registrar, COSIGNER);
	n.previous_log = bytes_str(w->credential.binding.log_name);
	n.previous_size = roster_next(w->roster);
	memset(n.previous_root, 0x44, HASH_LEN);
	credential_of(&next->credential, &next->charter, 2, &n);
	next->roster = roster_new(&next->credential, &next->charter, w->roster);
	assert_non_null(next->roster);
	assert_int_equal(roster_next(next->roster), 0);
	/* All that it inherits is to be written down. */
	assert_int_equal(roster_dirty_count(next->roster), roster_signer_count(w->roster));
	disk_write(next);
}

static void test_successor(void **state)
{
	(void)state;
	static const struct step before[] = {
	    {REG1, 1, KIND_ENROL, A1, 0, COMMIT, GOOD(REGISTRAR)},
	    {REG1, 2, KIND_ENROL, B1, 0, COMMIT, GOOD(REGISTRAR)},
	    {REG1, 3, KIND_REVOKE, B1, 0, 0, GOOD(REGISTRAR)},
	    {A1, 100, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	};
	static const struct step after[] = {
	    {A1, 1, KIND_POST, 0, 0, POSTED, GOOD(DEVICE)},
	    {A1, 101, KIND_POST, 0, 0, POSTED | COPIED, INVALID(ERR_SIGNATURE)},
	    {B1, 1, KIND_POST, 0, 0, POSTED, INVALID(ERR_REVOKED)},
	    {REG1, 4, KIND_ENROL, C1, 0, COMMIT, INVALID(ERR_REVOKED)},
	    {REG2, 1, KIND_ENROL, B1, 0, COMMIT, IDLE(ERR_REVOKED, REGISTRAR)},
	    {REG2, 2, KIND_ENROL, A1, 0, COMMIT, IDLE(ERR_EXISTS, REGISTRAR)},
	    {REG2, 3, KIND_ENROL, B2, 0, COMMIT, IDLE(ERR_UNSIGNED, REGISTRAR)},
	    {REG2, 4, KIND_ENROL, A2, A1, OTHER_LOG_INSIDE, IDLE(ERR_SIGNATURE, REGISTRAR)},
	    {REG2, 5, KIND_ENROL, A2, A1, 0, GOOD(REGISTRAR)},
	    {REG2, 6, KIND_ENROL, LOG2, 0, COMMIT, IDLE(ERR_KEY, REGISTRAR)},
	    {ROOT, 2, KIND_NODE, REG3, 3, PREVIOUS, IDLE(ERR_MALFORMED, ROOT)},
	    {ROOT, 3, KIND_NODE, REG3, 3, 0, GOOD(ROOT)},
	    {REG3, 1, KIND_REVOKE, A1, 0, 0, GOOD(REGISTRAR)},
	};
	/* Without a rising serial its NODE has no effect, and the old registrar stays. */
	static const struct step unchanged[] = {
	    {REG2, 1, KIND_ENROL, C1, 0, COMMIT, INVALID(ERR_NOT_ENROLLED)},
	    {REG1, 1, KIND_ENROL, C1, 0, COMMIT, GOOD(REGISTRAR)},
	};
	struct world w, next;
	world_start(&w);
	RUN(&w, before);
	successor_start(&next, &w, 2, REG2);
	struct verdict v = judge(&next, &next.credential.message);
	assert_true(v.effect);
	assert_int_equal(known(&next, REG1)->revoked, 5);
	RUN(&next, after);
	world_end(&next);

	successor_start(&next, &w, 1, REG2);
	v = judge(&next, &next.credential.message);
	assert_true(v.valid);
	assert_false(v.effect);
	assert_int_equal(v.why, ERR_STALE);
	RUN(&next, unchanged);

	/* Nothing is inherited from another log, another root, or another size. */
	struct verdict out;
	struct header h;
	struct roster_entry e;
	struct roster *orphan = roster_new(&next.credential, &next.charter, NULL);
	entry_make(&next, &e, &h, &next.credential.message, 0);
	assert_int_equal(roster_judge(orphan, &e, &out), ERR_INVALID);
	roster_check(orphan, &e, &out);
	assert_false(out.valid);
	assert_int_equal(out.why, ERR_INVALID);
	roster_free(orphan);
	assert_null(roster_new(&next.credential, &next.charter, next.roster));
	assert_null(roster_new(&w.credential, &w.charter, w.roster));
	struct credential changed = next.credential;
	changed.root_key[0] ^= 1;
	assert_null(roster_new(&changed, &next.charter, w.roster));
	changed = next.credential;
	changed.node.previous_size++;
	assert_null(roster_new(&changed, &next.charter, w.roster));
	changed.node.previous_size--;
	changed.node.previous_log.len--;
	assert_null(roster_new(&changed, &next.charter, w.roster));
	changed.node.previous_log.len++;
	changed.binding.forum[0] ^= 1;
	assert_null(roster_new(&changed, &next.charter, w.roster));
	world_end(&next);
	world_end(&w);
}

/* The log begins with the credential that was checked, and with nothing else. */
static void test_entry_0(void **state)
{
	(void)state;
	static const struct step other = {ROOT, 2, KIND_NODE, REG2, 2, 0, GOOD(ROOT)};
	struct world w;
	struct buffer message = BUFFER_INIT;
	struct header h;
	struct roster_entry e;
	struct verdict v;
	world_start(&w);
	struct roster *fresh = roster_new(&w.credential, &w.charter, NULL);
	message_make(&w, &other, &message);
	entry_make(&w, &e, &h, &message, 0);
	assert_int_equal(roster_judge(fresh, &e, &v), ERR_INVALID);
	assert_int_equal(roster_next(fresh), 0);
	roster_free(fresh);
	roster_free(NULL);
	buffer_free(&message);
	world_end(&w);
}

static void test_load_refuses(void **state)
{
	(void)state;
	struct world w;
	world_start(&w);
	struct bytes node = roster_node_message(w.roster);
	struct signer twice[2];
	memset(twice, 7, sizeof(twice));
	twice[0].class = twice[1].class = SIGNER_DEVICE;
	assert_int_equal(roster_load(w.roster, twice, 1, node, 5), ERR_INVALID);

	static const struct {
		size_t count, cut;
		uint64_t next;
		int err;
	} cases[] = {
	    {1, 0, 5, OK},
	    {2, 0, 5, ERR_MALFORMED},
	    {1, 0, 0, ERR_INVALID},
	    {1, 1, 5, ERR_MALFORMED},
	};
	for (size_t i = 0; i < 4; i++) {
		struct roster *r = roster_new(&w.credential, &w.charter, NULL);
		struct bytes message = bytes_of(node.data, cases[i].cut ? 65 : node.len);
		assert_int_equal(
		    roster_load(r, twice, cases[i].count, message, cases[i].next), cases[i].err);
		roster_free(r);
	}
	world_end(&w);
}

/* A hundred thousand devices whose keys come in the worst order. */
static void test_many(void **state)
{
	(void)state;
	enum { MANY = 100000 };
	struct world w;
	world_start(&w);
	struct signer *s = calloc(MANY, sizeof(*s));
	for (uint32_t i = 0; i < MANY; i++) {
		put_u32(s[i].key + 28, i);
		put_u32(s[i].identity, i / 3 * 3);
		s[i].class = SIGNER_DEVICE;
		s[i].enrolled = i + 1;
	}
	struct roster *r = roster_new(&w.credential, &w.charter, NULL);
	assert_int_equal(roster_load(r, s, MANY, roster_node_message(w.roster), MANY + 1), OK);
	struct roster *copy = roster_copy(r);
	assert_int_equal(roster_signer_count(copy), MANY);
	uint8_t key[KEY_LEN] = {0}, identity[IDENTITY_LEN] = {0};
	for (uint32_t i = 0; i < MANY; i++) {
		put_u32(key + 28, i);
		put_u32(identity, i);
		assert_int_equal(roster_signer(copy, key)->enrolled, i + 1);
		assert_int_equal(roster_has_identity(copy, identity), i % 3 == 0);
	}
	assert_int_equal(roster_dirty_count(r), 0);
	free(s);
	roster_free(r);
	roster_free(copy);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_validity),
	    cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_topics),
	    cmocka_unit_test(test_enrolment),
	    cmocka_unit_test(test_revocation),
	    cmocka_unit_test(test_rotation),
	    cmocka_unit_test(test_successor),
	    cmocka_unit_test(test_entry_0),
	    cmocka_unit_test(test_load_refuses),
	    cmocka_unit_test(test_many),
	};
	return crypto_start() != 0 || cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
