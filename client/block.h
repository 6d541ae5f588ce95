/* SPDX-License-Identifier: BSD-2-Clause */
/* A block: what an organisation sends to another so that their nodes peer. It is a text in the
 * language of convened.conf(5) with one `peer` in it, and in its comment lines perhaps the forum's
 * charter, as base64 in lines of 76:
 *
 *	peer "isoc.example" {
 *		address = "relay.isoc.example:7654"
 *		key = "isoc.example+3f1c9a2b+AZ…"
 *	}
 *	#charter: Y29udmVuZSBjaGFydGVyIHYxCm5hbWU6…
 *
 * Blocks come by mail from people whom nobody has checked yet, so they have a reader of their own:
 * one peer and nothing else, no escapes, nothing taken from the environment. What the daemon will
 * think of the address, conf_parse() says before the block goes into a config. Any thread. */
#ifndef CLIENT_BLOCK_H
#define CLIENT_BLOCK_H

#include "crypto/verifier.h"
#include "member/charter.h"

#define BLOCK_MAX (160 * 1024) /* bytes; a charter of the largest size fits */
#define BLOCK_ADDRESS_MAX 263

struct block {
	struct verifier root;                /* its name is the organisation's */
	char address[BLOCK_ADDRESS_MAX + 1]; /* HOST:PORT; "": it only connects to others */
	struct buffer charter;               /* the note as it came, not checked; empty: none */
};

/* Read a block; lines may end in CR LF. ERR_TOO_LARGE, ERR_MALFORMED, ERR_NOT_CANONICAL, ERR_KEY;
 * then `*line` is where (0: the whole) and `*why` a clause for people, static. ERR_NOMEM.
 * Clear with block_clear(), also after failure. */
int block_parse(struct block *out, struct bytes text, unsigned *line, const char **why);

/* Append the peer alone, as it stands in a config. */
void block_add_peer(struct buffer *out, const struct block *block);
/* Append the whole block with words for whoever gets it. */
void block_add(struct buffer *out, const struct block *block);

void block_clear(struct block *block);

#endif
