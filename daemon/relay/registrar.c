/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of the registrar: signed by the signer, on a worker, since it may be waiting for the
 * disk; and one after the other, since each takes the sequence behind the one before. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/state.h"

struct registering {
	struct job sign;
	struct relay *relay;
	bool signing;
	struct header header; /* body points to `body` */
	struct buffer body, content, message;
	uint8_t salt[SALT_LEN];
	int result;
	ingest_done *done;
	void *ctx;
	struct registering *next;
};

static void registering_free(struct registering *g)
{
	buffer_free(&g->body);
	buffer_free(&g->content);
	buffer_free(&g->message);
	free(g);
}

static void fail(ingest_done *done, void *ctx, int err)
{
	static const uint8_t none[ID_LEN];

	done(ctx, err, CONVENE__CODE__INTERNAL,
	    err == ERR_CLOSED ? "the signer is gone; the node has to be started again"
			      : error_text(err),
	    none);
}

static void busy(ingest_done *done, void *ctx)
{
	static const uint8_t none[ID_LEN];

	done(ctx, ERR_BUSY, CONVENE__CODE__BUSY,
	    "this node is still asking its peers what of its log it lacks; try again later", none);
}

static void sign_work(struct job *job)
{
	struct registering *g = (struct registering *)job;

	g->result = signer_registrar(g->relay->signer, &g->header, &g->message);
}

static void first_start(struct relay *r);

/* It stays first until it is in the roster, so that what is asked for meanwhile queues behind. */
static void sign_done(struct job *job)
{
	struct registering *g = (struct registering *)job;
	struct relay *r = g->relay;

	if (g->result)
		fail(g->done, g->ctx, g->result);
	else
		ingest_own(r, buffer_bytes(&g->message), g->salt, buffer_bytes(&g->content),
		    g->done, g->ctx);
	r->registering = g->next;
	registering_free(g);
	first_start(r);
}

static void first_start(struct relay *r)
{
	struct registering *g = r->registering;
	const struct signer *registrar;

	if (!g || g->signing || r->learning)
		return;
	g->signing = true;
	registrar = roster_signer(r->roster, signer_registrar_key(r->signer));
	g->header.sequence = (registrar ? registrar->sequence : 0) + 1;
	g->sign.work = sign_work;
	g->sign.done = sign_done;
	pool_submit(r->workers, &g->sign);
}

void registrar_make(struct relay *r, const struct header *h, const uint8_t salt[static SALT_LEN],
    struct bytes content, ingest_done *done, void *ctx)
{
	struct registering *g, **last = &r->registering;

	if (memcmp(roster_node(r->roster)->registrar_key, signer_registrar_key(r->signer),
		KEY_LEN) != 0) {
		static const uint8_t none[ID_LEN];

		done(ctx, ERR_REFUSED, CONVENE__CODE__BUSY,
		    "the registrar's key was replaced, and this node was not started anew yet",
		    none);
		return;
	}
	g = calloc(1, sizeof *g);
	if (g) {
		buffer_add(&g->body, h->body.data, h->body.len);
		buffer_add(&g->content, content.data, content.len);
	}
	if (!g || g->body.failed || g->content.failed) {
		if (g)
			registering_free(g);
		fail(done, ctx, ERR_NOMEM);
		return;
	}
	g->relay = r;
	g->header = *h;
	g->header.body = buffer_bytes(&g->body);
	memcpy(g->salt, salt, SALT_LEN);
	g->done = done;
	g->ctx = ctx;
	while (*last)
		last = &(*last)->next;
	*last = g;
	registrar_resume(r);
}

/* While peers are asked what of our log we lack, the registrar's sequence is not known: for the
 * seconds of an ordinary start it is waited for, else the answer is to come again; as it is when we
 * stop. */
void registrar_resume(struct relay *r)
{
	struct registering **at = &r->registering;

	while ((r->recovering || r->stopping) && *at) {
		struct registering *g = *at;

		if (g->signing) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		busy(g->done, g->ctx);
		registering_free(g);
	}
	first_start(r);
}
