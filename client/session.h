/* SPDX-License-Identifier: BSD-2-Clause */
/* What a command of `convene` works with: the home, the connection, and what waits in the outbox.
 * One owner, main thread. */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "client/home.h"
#include "client/options.h"
#include "client/outbox.h"
#include "client/output.h"

struct session {
	const struct invocation *in;
	struct home home;
	struct client *client;      /* NULL: not connected */
	struct trouble unreachable; /* why */
	struct copy *copy;          /* what `convene sync` keeps (copy.h); NULL: nothing is kept */
	bool offline;               /* --offline: the node isn't asked */
	bool told;                  /* that the answer is of the copy */
};

/* Read the home, connect, and send on the way what still waits in the outbox (trouble with that is
 * told, and stands in nobody's way). `needed` false: a node that can't be reached is no failure;
 * s->client is then NULL. Close in any case. */
int session_open(struct session *s, const struct invocation *in, bool needed, struct trouble *t);
int session_connect(struct session *s, struct trouble *t);
/* Of one that is connected and enrolled: send in passing what waits in the outbox. What becomes of
 * it is told on standard error. */
void session_send_waiting(struct session *s);
/* Open the copy, if it isn't; `create`: make one. ERR_NOTFOUND: nothing is kept. */
int session_copy(struct session *s, bool create, struct trouble *t);
/* What one who isn't enrolled can do. */
void enrol_hint(const struct home *h, struct trouble *t);
/* Whether this device is enrolled, as far as is known: else ERR_IO, and what to do. */
int session_enrolled(const struct session *s, struct trouble *t);
void session_disconnect(struct session *s);
void session_close(struct session *s);

/* Say what went wrong, as sentences or, for a program, as JSON on standard output as well. Returns
 * the exit code. */
int session_complain(const struct invocation *in, const struct trouble *t);

/* ---- asking (ask.c) ---- */

/* Read an id or the beginning of one: 8 to 64 hexadecimal digits. ERR_INVALID and a sentence.
 * `*len` is in whole bytes; `hex` takes 65. */
int id_parse(uint8_t id[static ID_LEN], size_t *len, char hex[static 65], const char *text,
    const char *what, struct trouble *t);

/* Of the node; while it can't be reached, of the copy, in the same form, which is told once on
 * standard error. ERR_CLOSED (and what to try) when that isn't kept here. */
int ask_topics(struct session *s, struct frames *out, struct trouble *t);
int ask_threads(struct session *s, const uint8_t *topic, size_t len, uint32_t limit,
    uint32_t offset, struct frames *out, struct trouble *t);
int ask_thread(struct session *s, const uint8_t *id, size_t len, struct frames *out,
    uint64_t *missing, struct trouble *t);
/* One post, with at least the root of its thread. */
int ask_post(
    struct session *s, const uint8_t *id, size_t len, struct frames *out, struct trouble *t);
/* Say once, on standard error, that the answer is of the copy, how old that is, and why. */
void copy_tell(struct session *s);
/* Of the node alone. */
int ask_logs(struct session *s, struct frames *out, struct trouble *t);

/* A topic by id, its beginning, or its exact title, among those shown. ERR_NOTFOUND, ERR_EXISTS.
 * `*topic` points into `frames`. */
int find_topic(
    const struct frames *topics, const char *text, const Convene__Topic **topic, struct trouble *t);

/* ---- signing (sign.c) and sending (send.c) ---- */

/* What is to be signed; the rest is the signer's and the log's. */
struct draft {
	uint32_t kind;
	struct ref topic, parent;
	struct bytes body;          /* what the kind says; may be empty */
	struct bytes lang, content; /* content: encoded; empty: none, as an ERASE has it */
	/* Called when it is signed and not kept yet; NULL: nobody. An error leaves it unkept. */
	int (*before)(
	    void *ctx, uint64_t sequence, const uint8_t id[static ID_LEN], struct trouble *t);
	void *ctx;
};

/* Sign and keep, durably, under the next sequence; the home's lock is held. `id` gets the
 * message's. */
int draft_keep(struct session *s, struct outbox *o, const struct key *key, const struct draft *d,
    uint8_t id[static ID_LEN], struct trouble *t);

/* Ask the node for the highest sequence that it has of a key, so that the next one is above it. */
int sequence_learn(
    struct session *s, struct outbox *o, const uint8_t key[static KEY_LEN], struct trouble *t);
/* Open the outbox; where its state is lost, learn the sequence from the node. */
int session_outbox(struct session *s, struct outbox *o, struct trouble *t);

/* What became of a message of the outbox. */
struct outcome {
	uint64_t sequence;
	uint8_t id[ID_LEN];
	uint32_t status; /* enum Convene__Status; STATUS_NONE: not tried */
	uint64_t index;  /* when sealed */
	uint32_t code;   /* when refused */
	bool kept;       /* refused, but kept to be tried again */
	char text[200];
};

struct outcomes {
	struct outcome *list;
	size_t count;
};
void outcomes_free(struct outcomes *o);

#define SEAL_WAIT_MS 2000 /* for what a person has just sent to be sealed */

/* Send what waits, unchanged and in order; move what is sealed, and what is refused for good. Waits
 * up to `seal_ms` for what was accepted to be sealed. `*out` is valid also after an error, which is
 * about the connection or the files. */
int outbox_flush(
    struct session *s, struct outbox *o, uint64_t seal_ms, struct outcomes *out, struct trouble *t);

/* Whether a refusal with this code may end by itself, so that the message is kept and tried again.
 */
bool code_passes(uint32_t code);
const char *status_text(uint32_t status);

#endif
