/* SPDX-License-Identifier: BSD-2-Clause */
/* A log, entry by entry: u8 what its signatures are worth ‖ u16be length ‖ message, and so on.
 *
 * No fuzzer can sign, so the input says whether a signature holds. Checking never changes a roster,
 * judging agrees with it, keys never come back, and what was written down loads as what was folded.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/member_fixture.h"
#include "member/roster.h"
#include "target.h"

#define ORG "isoc.example"
enum { ROOT = 1, LOG = 2, COSIGNER = 4, REGISTRAR = 0x10 };
enum { BAD_SIGNATURE = 1, ENROL_IS_GOOD = 2, ENROL_IS_BAD = 4 };

static struct charter charter;
static struct credential credential;

static void start(void)
{
	struct key root;
	struct node_body n;
	struct buffer message = BUFFER_INIT;
	char name[VERIFIER_NAME_MAX + 1];
	if (credential.number != 0)
		return;
	crypto_once();
	fixture_charter(&charter, NULL, 0, 1);
	root = fixture_key(ROOT);
	n = fixture_node(ORG, 1, LOG, REGISTRAR, COSIGNER);
	REQUIRE(credential_make(
		    &message, name, charter.forum, ORG, 1, &root, &n, 1, FIXTURE_TIME) == OK);
	REQUIRE(credential_open(
		    &credential, charter.forum, bytes_str(name), buffer_bytes(&message)) == OK);
	buffer_free(&message);
}

static void signers_equal(const struct signer *a, const struct signer *b)
{
	REQUIRE(b != NULL && memcmp(a->key, b->key, KEY_LEN) == 0 && a->class == b->class);
	REQUIRE(memcmp(a->identity, b->identity, IDENTITY_LEN) == 0);
	REQUIRE(a->custody == b->custody && a->recovery == b->recovery);
	REQUIRE(
	    a->enrolled == b->enrolled && a->revoked == b->revoked && a->sequence == b->sequence);
	REQUIRE(memcmp(a->enrol_id, b->enrol_id, ID_LEN) == 0);
	REQUIRE(memcmp(a->last_id, b->last_id, ID_LEN) == 0);
}

static void rosters_equal(const struct roster *a, const struct roster *b)
{
	REQUIRE(roster_next(a) == roster_next(b));
	REQUIRE(roster_signer_count(a) == roster_signer_count(b));
	REQUIRE(bytes_equal(roster_node_message(a), roster_node_message(b)));
	for (size_t i = 0; i < roster_signer_count(a); i++) {
		const struct signer *s = roster_signer_at(a, i);
		signers_equal(s, roster_signer(b, s->key));
		REQUIRE(roster_class(a, s->key) == roster_class(b, s->key));
	}
}

/* `before` is the roster that the entry met. */
static void check_step(const struct roster *before, const struct roster *r,
    const struct roster_entry *e, const struct verdict *v)
{
	REQUIRE(roster_next(r) == roster_next(before) + 1);
	REQUIRE(v->valid || !v->effect);
	REQUIRE((v->why == OK) == v->effect);
	if (!v->valid)
		REQUIRE(roster_signer_count(r) == roster_signer_count(before));
	for (size_t i = 0; i < roster_signer_count(before); i++) {
		const struct signer *was = roster_signer_at(before, i),
				    *is = roster_signer(r, was->key);
		REQUIRE(is != NULL && is->sequence >= was->sequence && is->class == was->class);
		if (was->class == SIGNER_DEVICE)
			REQUIRE(is->enrolled == was->enrolled &&
				(was->revoked == 0 || is->revoked == was->revoked));
	}
	if (v->valid) {
		const struct signer *s = roster_signer(r, e->header->signer);
		REQUIRE(v->class != SIGNER_NONE && s != NULL && s->sequence == e->header->sequence);
		REQUIRE(memcmp(s->last_id, e->id, ID_LEN) == 0);
	}
}

static void step(struct roster *r, const struct roster_entry *e)
{
	struct verdict checked, judged;
	struct roster *before = roster_copy(r);
	REQUIRE(before != NULL);
	memset(&checked, 0, sizeof(checked));
	memset(&judged, 0, sizeof(judged));
	roster_check(r, e, &checked);
	rosters_equal(before, r);
	REQUIRE(roster_judge(r, e, &judged) == OK);
	REQUIRE(checked.valid == judged.valid && checked.effect == judged.effect &&
		checked.why == judged.why && checked.class == judged.class &&
		checked.new_identity == judged.new_identity);
	check_step(before, r, e, &judged);
	roster_free(before);
}

static void reload(const struct roster *r)
{
	size_t count = roster_dirty_count(r);
	struct signer *disk = calloc(count, sizeof(*disk));
	struct roster *loaded = roster_new(&credential, &charter, NULL);
	REQUIRE(disk != NULL && loaded != NULL && count == roster_signer_count(r));
	for (size_t i = 0; i < count; i++)
		disk[i] = *roster_dirty_at(r, i);
	REQUIRE(roster_load(loaded, disk, count, roster_node_message(r), roster_next(r)) == OK);
	rosters_equal(r, loaded);
	roster_free(loaded);
	free(disk);
}

static void entry_make(
    struct roster_entry *e, struct header *h, struct bytes message, uint64_t index, unsigned worth)
{
	memset(e, 0, sizeof(*e));
	e->index = index;
	e->message = message;
	e->header = h;
	message_id(e->id, message, &credential.binding);
	e->parsed = message_parse(message, h);
	e->signature = worth & BAD_SIGNATURE ? ERR_SIGNATURE : OK;
	e->enrol = worth & ENROL_IS_GOOD  ? ENROL_GOOD
		   : worth & ENROL_IS_BAD ? ENROL_BAD
					  : ENROL_UNVERIFIED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header h;
	struct roster_entry e;
	start();
	struct roster *r = roster_new(&credential, &charter, NULL);
	REQUIRE(r != NULL);
	entry_make(&e, &h, buffer_bytes(&credential.message), 0, 0);
	step(r, &e);
	while (size >= 3 && roster_next(r) < 200) {
		unsigned worth = data[0];
		size_t len = get_u16(data + 1);
		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		entry_make(&e, &h, bytes_of(data, len), roster_next(r), worth);
		step(r, &e);
		data += len;
		size -= len;
	}
	reload(r);
	roster_free(r);
	return 0;
}
