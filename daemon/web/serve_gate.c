/* SPDX-License-Identifier: BSD-2-Clause */
/* What our own relay is asked for: what scripts send through the gate, and proofs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "daemon/web/web_inside.h"
#include "msg/frame.h"

#define ASKING_MAX 4 /* requests that the relay has, of one address */
#define PROOF_KEPT_MS 5000
#define GATE_TYPE "application/x-convene"

/* A request of ours under way. */
struct asked {
	struct web *web;
	struct exchange *x;
	struct gate_request *request;
	struct buffer proof; /* not empty: what the proof is kept under */
	bool over;           /* it was answered before gate_ask() returned */
};

static void asked_gone(void *ctx)
{
	struct asked *a = ctx;

	gate_forget(a->request);
	buffer_free(&a->proof);
	free(a);
}

static void gate_error(struct web *w, struct exchange *x, int status, const char *text)
{
	char line[200];
	int n = snprintf(line, sizeof line, "%s\n", text);

	respond_plain(w, x, status, "text/plain; charset=utf-8", bytes_of(line, (size_t)n));
}

/* A proof may become a better one, which does not change the store; nobody is in a hurry. */
static uint64_t proof_time(void)
{
	return clock_mono_ms() / PROOF_KEPT_MS + 1;
}

static void proof_give(struct asked *a, uint8_t type, struct bytes payload)
{
	ProtobufCMessage *m;

	if (type != FRAME_PROOF || message_unpack(&m, frame_descriptor(type), payload) != OK) {
		web_error(a->web, a->x, 404);
		return;
	}
	const Convene__Proof *p = (const Convene__Proof *)m;
	struct bytes receipt = bytes_of_pb(p->receipt);

	respond_kept(a->web, a->x, "text/plain; charset=utf-8",
	    receipt.len > 0 ? receipt : bytes_of_pb(p->proof), buffer_bytes(&a->proof),
	    proof_time());
	message_free(m);
}

static void asked_done(void *ctx, int err, uint8_t type, struct bytes payload)
{
	struct asked *a = ctx;
	struct buffer body = BUFFER_INIT;
	bool proof = a->proof.len > 0;

	if (!err && proof) {
		proof_give(a, type, payload);
	} else if (!err) {
		buffer_add_u8(&body, type);
		buffer_add(&body, payload.data, payload.len);
		respond_plain(a->web, a->x, 200, GATE_TYPE, buffer_bytes(&body));
		buffer_free(&body);
	} else if (proof) {
		web_error(a->web, a->x, err == ERR_TIMEOUT ? 504 : 503);
	} else {
		gate_error(a->web, a->x,
		    err == ERR_TIMEOUT ? 504
		    : err == ERR_BUSY  ? 503
				       : 502,
		    err == ERR_TIMEOUT ? "The node has not answered in time."
		    : err == ERR_BUSY  ? "Too much is under way; try again in a moment."
				       : "The node can't be reached.");
	}
	buffer_free(&a->proof);
	if (a->request)
		free(a);
	else
		a->over = true;
}

/* `proof`: what the proof is asked for by; empty: it isn't one. */
static void ask(
    struct web *w, struct exchange *x, uint8_t type, struct bytes payload, struct bytes proof)
{
	struct asked *a;

	/* Whoever asks for very much takes the others' turns. */
	if (!exchange_asks(x, ASKING_MAX)) {
		gate_error(w, x, 503, "Too much is under way; try again in a moment.");
		return;
	}
	a = calloc(1, sizeof *a);
	if (!a) {
		gate_error(w, x, 503, "There is no memory.");
		return;
	}
	*a = (struct asked){.web = w, .x = x};
	buffer_add(&a->proof, proof.data, proof.len);
	a->request = gate_ask(w->gate, type, payload, asked_done, a);
	if (a->request) {
		exchange_body_drop(x);
		exchange_later(x, asked_gone, a);
		return;
	}
	if (!a->over)
		gate_error(w, x, 503, "There is no memory.");
	buffer_free(&a->proof);
	free(a);
}

/* Another origin's page can send this type only after asking, and is never allowed to. */
static bool is_gate_type(const char *text)
{
	size_t len = strcspn(text, " ;\t");

	return len == strlen(GATE_TYPE) && strncmp(text, GATE_TYPE, len) == 0;
}

static bool is_ours(const struct head *h)
{
	return !h->sec_fetch_site[0] || strcmp(h->sec_fetch_site, "same-origin") == 0 ||
	       strcmp(h->sec_fetch_site, "none") == 0;
}

int serve_gate_refuses(const struct head *h)
{
	return is_gate_type(h->content_type) ? is_ours(h) ? 0 : 403 : 415;
}

void serve_gate(struct web *w, struct exchange *x)
{
	const struct head *h = exchange_head(x);
	struct bytes body = exchange_body(x);
	ProtobufCMessage *m;
	bool alone = true;

	if (h->method != METHOD_POST) {
		gate_error(w, x, 405, "This takes POST.");
		return;
	}
	if (!is_gate_type(h->content_type)) {
		gate_error(w, x, 415, "This takes " GATE_TYPE ".");
		return;
	}
	if (!is_ours(h)) {
		gate_error(w, x, 403, "This is for the pages of this node.");
		return;
	}
	if (body.len < 1 || !gate_passes(body.data[0], body.len - 1)) {
		gate_error(
		    w, x, body.len < 1 ? 400 : 403, "A frame of this type doesn't pass here.");
		return;
	}
	body = bytes_of(body.data + 1, body.len - 1);
	if (exchange_body(x).data[0] == FRAME_THREAD_GET) {
		/* A whole thread takes many frames; there is a page for it. */
		alone = message_unpack(&m, frame_descriptor(FRAME_THREAD_GET), body) == OK;
		if (alone) {
			alone = ((const Convene__ThreadGet *)m)->alone;
			message_free(m);
		}
	}
	if (!alone)
		gate_error(w, x, 403, "Only a message alone can be asked for here.");
	else
		ask(w, x, exchange_body(x).data[0], body, bytes_of(NULL, 0));
}

void serve_proof(struct web *w, struct exchange *x, struct found *f)
{
	Convene__ProofGet get = CONVENE__PROOF_GET__INIT;
	struct buffer payload = BUFFER_INIT;
	uint8_t *to;
	char key[2 * ID_LEN + 8]; /* no path looks like it */
	size_t len;

	memcpy(key, "proof ", 6);
	hex_encode(key + 6, f->id, ID_LEN);
	key[6 + f->digits] = '\0';
	if (respond_cached(w, x, bytes_str(key), proof_time()))
		return;
	get.id = pb_of(bytes_of(f->id, (f->digits + 1) / 2));
	if (f->digits % 2)
		get.id.len--;
	len = protobuf_c_message_get_packed_size(&get.base);
	to = buffer_reserve(&payload, len);
	if (to)
		payload.len = protobuf_c_message_pack(&get.base, to);
	ask(w, x, FRAME_PROOF_GET, buffer_bytes(&payload), bytes_str(key));
	buffer_free(&payload);
}
