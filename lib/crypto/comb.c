/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables are kept as a processor keeps what it has read: in sets, of which a key's hash names one,
 * of a few ways each. The hash is secret, so nobody can choose keys that crowd others out; and only
 * signatures that verify count, so strangers can't either. */
#include "crypto/comb.h"

#ifdef HAVE_DECAF

#include <decaf.h>
#include <decaf/ed255.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/equation.h"

#define WAYS 4
#define SETS (COMB_KEYS / WAYS)
#define USES_MAX 64 /* so that one that was used much is forgotten some day */

struct way {
	uint8_t key[KEY_LEN];
	atomic_uint uses; /* 0: nobody's */
	bool ready;
	struct decaf_255_precomputed_s *table; /* kept for the next key */
};

struct set {
	pthread_rwlock_t lock;
	struct way ways[WAYS];
};

static struct set sets[SETS];
static uint8_t hash_key[crypto_shorthash_KEYBYTES];
/* Of the base point over the encoding's ratio. Written by comb_start() alone; NULL: not to be used.
 */
static struct decaf_255_precomputed_s *base_table;

/* ---- the equation ---- */

static struct decaf_255_precomputed_s *table_new(void)
{
	size_t unit = decaf_255_alignof_precomputed_s < sizeof(void *)
			  ? sizeof(void *)
			  : decaf_255_alignof_precomputed_s;

	return aligned_alloc(unit, (decaf_255_sizeof_precomputed_s + unit - 1) / unit * unit);
}

/* libdecaf multiplies by one ratio when it decodes and by another when it encodes, to be rid of
 * points of low order. The table is of the point over both, which so comes out as it was. */
static bool table_fill(
    struct decaf_255_precomputed_s *table, const decaf_255_point_t point, unsigned ratio)
{
	decaf_255_scalar_t over;
	decaf_255_point_t p;

	decaf_255_scalar_set_unsigned(over, ratio);
	if (decaf_255_scalar_invert(over, over) != DECAF_SUCCESS)
		return false;
	decaf_255_point_scalarmul(p, point, over);
	decaf_255_precompute(table, p);
	return true;
}

static bool table_of_key(
    struct decaf_255_precomputed_s *table, const uint8_t public[static KEY_LEN])
{
	decaf_255_point_t p;

	return key_usable(public) &&
	       decaf_255_point_decode_like_eddsa_and_mul_by_ratio(p, public) == DECAF_SUCCESS &&
	       table_fill(table, p, DECAF_255_EDDSA_DECODE_RATIO * DECAF_255_EDDSA_ENCODE_RATIO);
}

static bool holds(const struct decaf_255_precomputed_s *table, const uint8_t public[static KEY_LEN],
    const uint8_t sig[static SIG_LEN], struct bytes message)
{
	static const uint8_t identity[32] = {1};
	decaf_255_scalar_t s, k;
	decaf_255_point_t sb, ka;
	uint8_t challenge[32], r[32];

	equation_challenge(challenge, sig, public, message);
	/* Both fail at and above the group order. */
	if (decaf_255_scalar_decode(s, sig + 32) != DECAF_SUCCESS ||
	    decaf_255_scalar_decode(k, challenge) != DECAF_SUCCESS)
		return false;
	decaf_255_precomputed_scalarmul(sb, base_table, s);
	decaf_255_precomputed_scalarmul(ka, table, k);
	decaf_255_point_sub(sb, sb, ka);
	decaf_255_point_mul_by_ratio_and_encode_like_eddsa(r, sb);
	/* The identity is the one point of low order that can come out. */
	return memcmp(r, sig, sizeof r) == 0 && memcmp(r, identity, sizeof r) != 0;
}

/* ---- the keys ---- */

static struct set *set_of(const uint8_t public[static KEY_LEN])
{
	uint8_t hash[crypto_shorthash_BYTES];

	crypto_shorthash(hash, public, KEY_LEN, hash_key);
	return &sets[(hash[0] | (unsigned)hash[1] << 8) % SETS];
}

static unsigned uses(const struct way *w)
{
	return atomic_load_explicit(&w->uses, memory_order_relaxed);
}

/* Also by several who read: a count that is lost does no harm. */
static void use(struct way *w)
{
	unsigned n = uses(w);

	if (n < USES_MAX)
		atomic_store_explicit(&w->uses, n + 1, memory_order_relaxed);
}

static struct way *way_find(struct set *s, const uint8_t public[static KEY_LEN])
{
	for (struct way *w = s->ways; w < s->ways + WAYS; w++)
		if (uses(w) > 0 && memcmp(w->key, public, KEY_LEN) == 0)
			return w;
	return NULL;
}

/* The key's way, or the one that is used least: by then the key's if nobody has it any more. */
static struct way *way_claim(struct set *s, const uint8_t public[static KEY_LEN])
{
	struct way *w = way_find(s, public), *least = s->ways;

	if (w)
		return w;
	for (w = s->ways; w < s->ways + WAYS; w++)
		if (uses(w) < uses(least))
			least = w;
	if (uses(least) > 0) {
		atomic_store_explicit(&least->uses, uses(least) - 1, memory_order_relaxed);
		return NULL;
	}
	memcpy(least->key, public, KEY_LEN);
	least->ready = false;
	return least;
}

static bool way_ready(struct way *w)
{
	if (!w->table)
		w->table = table_new();
	return w->table && table_of_key(w->table, w->key);
}

void comb_seen(const uint8_t public[static KEY_LEN])
{
	struct set *s = set_of(public);
	struct way *w;

	/* Where others are busy with the set there will be another time. */
	if (!base_table || pthread_rwlock_trywrlock(&s->lock) != 0)
		return;
	w = way_claim(s, public);
	if (w)
		use(w);
	if (w && !w->ready && uses(w) >= COMB_OFTEN) {
		w->ready = way_ready(w);
		if (!w->ready)
			atomic_store_explicit(&w->uses, 0, memory_order_relaxed);
	}
	pthread_rwlock_unlock(&s->lock);
}

bool comb_verifies(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message)
{
	bool verifies = false;
	struct set *s;
	struct way *w;

	if (!base_table)
		return false;
	s = set_of(public);
	pthread_rwlock_rdlock(&s->lock);
	w = way_find(s, public);
	if (w && w->ready)
		verifies = holds(w->table, public, sig, message);
	if (verifies)
		use(w);
	pthread_rwlock_unlock(&s->lock);
	return verifies;
}

/* ---- the start ---- */

/* A signature of a key that nobody else has, and the same with each half of it changed. */
static bool tries(void)
{
	static const uint8_t seed[32] = "a key to try this machine with";
	struct decaf_255_precomputed_s *table = table_new();
	struct bytes message = bytes_str("does it verify here?");
	uint8_t sig[SIG_LEN];
	struct key key;
	bool right;

	key_from_seed(&key, seed);
	key_sign(sig, &key, message);
	right = table && table_of_key(table, key.public) && holds(table, key.public, sig, message);
	for (size_t i = 0; right && i < SIG_LEN; i += 16) {
		sig[i] ^= 1;
		right = !holds(table, key.public, sig, message);
		sig[i] ^= 1;
	}
	free(table);
	return right;
}

void comb_start(void)
{
	static bool started;

	if (started)
		return;
	started = true;
	crypto_shorthash_keygen(hash_key);
	for (size_t i = 0; i < SETS; i++)
		if (pthread_rwlock_init(&sets[i].lock, NULL) != 0)
			return;
	base_table = table_new();
	if (base_table &&
	    table_fill(base_table, decaf_255_point_base, DECAF_255_EDDSA_ENCODE_RATIO) && tries())
		return;
	free(base_table);
	base_table = NULL;
}

bool comb_works(void)
{
	return base_table != NULL;
}

#else

void comb_start(void) {}

bool comb_verifies(
    const uint8_t public[static KEY_LEN], const uint8_t sig[static SIG_LEN], struct bytes message)
{
	(void)public;
	(void)sig;
	(void)message;
	return false;
}

void comb_seen(const uint8_t public[static KEY_LEN])
{
	(void)public;
}

bool comb_works(void)
{
	return false;
}

#endif
