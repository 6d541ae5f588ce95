/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/anchored.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/terms.h"
#include "member/receipt.h"

/* Whether this is a receipt for that message, on nobody's word. */
static bool proves(
    const struct charter *charter, struct bytes receipt, const uint8_t id[static ID_LEN])
{
	struct receipt *r = NULL;
	char why[200];
	bool good = receipt.len > 0 && receipt_verify(&r, receipt, charter, why) == OK &&
		    memcmp(r->id, id, ID_LEN) == 0;

	receipt_free(r);
	return good;
}

/* One message: OK, whatever was found; ERR_CLOSED: the node can't be asked. */
static int look_at(struct session *s, struct outbox *o, const struct charter *charter,
    uint64_t sequence, struct anchored *out, struct trouble *t)
{
	Convene__ProofGet get = CONVENE__PROOF_GET__INIT;
	Convene__Submit *submit;
	struct trouble asked;
	struct binding binding;
	ProtobufCMessage *m;
	uint8_t id[ID_LEN];
	int err = outbox_get(o, BOX_SENT, sequence, &submit, &asked);

	if (err)
		return OK; /* damaged, or gone: that is told where it is shown */
	err = binding_make(&binding, s->home.node.forum, bytes_of_pb(submit->log));
	if (!err)
		message_id(id, bytes_of_pb(submit->submissions[0]->message), &binding);
	message_free(&submit->base);
	if (err)
		return OK;
	get.id = pb_of(bytes_of(id, ID_LEN));
	err = client_call(s->client, FRAME_PROOF_GET, &get.base, FRAME_PROOF, &m, &asked);
	if (err && asked.code == CONVENE__CODE__NOT_FOUND) {
		out->lost++;
		return outbox_move(o, sequence, BOX_SENT, BOX_WAITING, t);
	}
	if (err)
		return asked.code ? OK : ERR_CLOSED;
	if (proves(charter, bytes_of_pb(((const Convene__Proof *)m)->receipt), id)) {
		out->anchored++;
		err = outbox_move(o, sequence, BOX_SENT, BOX_ANCHORED, t);
	}
	message_free(m);
	return err;
}

/* Only the newest stay. */
static int oldest_drop(struct outbox *o, struct trouble *t)
{
	uint64_t *list = NULL;
	size_t count = 0;
	int err = outbox_list(o, BOX_ANCHORED, &list, &count, t);

	for (size_t i = 0; !err && i + ANCHORED_KEPT < count; i++)
		err = outbox_move(o, list[i], BOX_ANCHORED, BOX_NONE, t);
	free(list);
	return err;
}

int anchored_look(
    struct session *s, struct outbox *o, size_t most, struct anchored *out, struct trouble *t)
{
	struct charter *charter;
	uint64_t *list = NULL;
	size_t count = 0;
	int err = outbox_list(o, BOX_SENT, &list, &count, t);

	*out = (struct anchored){0, 0};
	charter = !err && count > 0 ? terms_charter(s) : NULL;
	/* Where nobody has to cosign, there is nothing to wait for. */
	for (size_t i = 0; charter && charter->anchor > 0 && i < count && i < most && !err; i++)
		err = look_at(s, o, charter, list[i], out, t);
	charter_free(charter);
	free(list);
	if (err == ERR_CLOSED)
		err = OK;
	return !err && out->anchored > 0 ? oldest_drop(o, t) : err;
}
