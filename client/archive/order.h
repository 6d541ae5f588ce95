/* SPDX-License-Identifier: BSD-2-Clause */
/* In which thread a mail stands, below which other, and in what order mails are posted, so that
 * what is answered comes before the answer. Pure; one owner, one thread.
 *
 * The rule. A mail answers the nearest of its references, from the last to the first, that is a
 * mail of the archive or a post of the topic, unless it would come to stand below itself: then that
 * reference is passed over (mails are looked at in the archive's order). Then, mails that share a
 * reference, also one to a mail that nobody has, belong together: of those of them that answer
 * nothing the first in the archive's order begins the thread, and the others answer it; or all of
 * them answer a post that the topic has already.
 *
 * A few dozen bytes for each mail and reference. Depth costs nothing: no recursion. */
#ifndef CLIENT_ARCHIVE_ORDER_H
#define CLIENT_ARCHIVE_ORDER_H

#include "client/archive/key.h"

#define ORDER_NONE UINT32_MAX

struct order;

struct order *order_new(void); /* NULL: no memory */
void order_free(struct order *o);

/* The next mail of the archive, with what it refers to, oldest first; `*mail` gets its number, from
 * 0. ERR_EXISTS: this key was there before, and `*mail` is that one's number. ERR_NOMEM; ERR_RANGE
 * beyond 2^32 − 2 mails and references. */
int order_add(struct order *o, const uint8_t key[static MAIL_KEY_LEN],
    const uint8_t (*references)[MAIL_KEY_LEN], size_t count, uint32_t *mail);
uint32_t order_count(const struct order *o);
/* ORDER_NONE: no mail has it. */
uint32_t order_find(const struct order *o, const uint8_t key[static MAIL_KEY_LEN]);

/* ---- what is referred to and isn't in the archive ---- */

enum order_place {
	PLACE_NOWHERE,
	PLACE_TOPIC, /* the topic has a post of it */
	PLACE_HEIR,  /* it was never there, but the topic has a post that refers to it, too */
};

/* Call `fn` for each, once; what it answers counts from order_link() on. `number` names it from
 * then on. A negative answer ends it, and is returned. */
int order_ask(struct order *o,
    int (*fn)(void *ctx, uint32_t number, const uint8_t key[static MAIL_KEY_LEN]), void *ctx);

const uint8_t *order_key(const struct order *o, uint32_t number);

/* ---- the answer ---- */

/* All was added and told. ERR_NOMEM. */
int order_link(struct order *o);

/* What a mail answers: a mail (then `*absent` is ORDER_NONE), or what is in the topic by its
 * number, or nothing (both ORDER_NONE). */
uint32_t order_parent(const struct order *o, uint32_t mail, uint32_t *absent);
/* The mail to be posted as the i-th. */
uint32_t order_at(const struct order *o, uint32_t i);
/* A number that the mails of one thread have in common, below order_nodes(). */
uint32_t order_thread(const struct order *o, uint32_t mail);
uint32_t order_nodes(const struct order *o);

/* The references of a mail that nobody has. */
size_t order_ghosts(const struct order *o, uint32_t mail,
    void (*fn)(void *ctx, const uint8_t key[static MAIL_KEY_LEN]), void *ctx);

#endif
