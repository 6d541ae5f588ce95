/* SPDX-License-Identifier: BSD-2-Clause */
/* The participant's folder: whose device this is, at which node, and its key.
 *
 *     node         where the node is and who we are there: lines "name: value"
 *     device.key   lib/crypto/keyfile.h
 *     lock         held by the program that signs or sends
 *     outbox/      client/outbox.h
 *     drafts/      client/drafts.h
 *     charter      the forum's, as a node gave it (client/terms.h)
 *     head         the newest of the home log, and `evidence/` (client/head.h)
 *     devices      keys that are known to be of the same person (client/device.h)
 *
 * $CONVENE_HOME, or ${XDG_CONFIG_HOME:-~/.config}/convene; mode 0700. One owner. */
#ifndef CLIENT_HOME_H
#define CLIENT_HOME_H

#include "client/files.h"

enum home_state {
	HOME_JOINING,   /* an invite is being redeemed; the answer has not come yet */
	HOME_REQUESTED, /* the operator was asked to enrol us */
	HOME_ENROLLED,
};

struct home {
	char path[PATH_LEN - 128];
	struct node_address node;
	char log_name[VERIFIER_NAME_MAX + 1]; /* of the node, when last seen */
	uint8_t identity[IDENTITY_LEN];
	char handle[65]; /* as the node last gave it; may be "" */
	enum home_state state;
	int lock; /* file descriptor, or -1 */
};

/* Find the folder's path; reads nothing. ERR_INVALID. */
int home_find(struct home *h, struct trouble *t);
/* Find and read. ERR_NOTFOUND (nobody has joined here) and a hint, ERR_IO, ERR_MALFORMED. */
int home_open(struct home *h, struct trouble *t);
void home_close(struct home *h); /* lets the lock go */

/* The text of the file `node`, and back: ERR_MALFORMED, and `*line` is where. */
void home_format(struct buffer *out, const struct home *h);
int home_parse(struct home *h, struct bytes text, unsigned *line);
/* Write the file `node`, making the folder if need be. Durable. */
int home_save(const struct home *h, struct trouble *t);

/* Take a handle that the node gave, if it is one line of UTF-8 and fits; else leave what is there.
 */
void home_handle_set(struct home *h, struct bytes handle);

/* Keep other processes from signing and sending. `wait` false: ERR_BUSY at once when somebody has
 * it. */
int home_lock(struct home *h, bool wait, struct trouble *t);

/* Read device.key, asking for a passphrase if it needs one: from the first line of
 * $CONVENE_PASSPHRASE_FILE, else on the terminal. ERR_PASSPHRASE, ERR_NOTFOUND, … Wipe with
 * key_wipe(). */
int home_key(const struct home *h, struct key *key, struct trouble *t);
/* Make a new key; with `passphrase` under one that is asked for twice. */
int home_key_make(const struct home *h, bool passphrase, struct key *key, struct trouble *t);

#endif
