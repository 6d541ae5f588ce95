/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads and the order of posting: single cases, and random archives against a slow model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "client/archive/order.h"
#include "crypto/ed25519.h"

#define REFERENCES 5
#define MAILS 40
#define IDS 60 /* beyond MAILS: nobody has them */
#define OUTSIDE 1000

static void key_of(uint8_t key[MAIL_KEY_LEN], int id)
{
	char text[16];

	snprintf(text, sizeof text, "<%d>", id);
	mail_key_of_id(key, bytes_str(text));
}

/* `ids`: what it refers to, oldest first, ended by -1. */
static uint32_t add(struct order *o, int id, const int *ids)
{
	uint8_t key[MAIL_KEY_LEN], references[64][MAIL_KEY_LEN];
	size_t count = 0;
	uint32_t mail;

	key_of(key, id);
	for (; ids[count] >= 0; count++)
		key_of(references[count], ids[count]);
	assert_int_equal(
	    order_add(o, key, (const uint8_t(*)[MAIL_KEY_LEN])references, count, &mail), OK);
	return mail;
}

#define ADD(o, id, ...) add(o, id, (const int[]){__VA_ARGS__, -1})

static uint32_t parent(const struct order *o, uint32_t mail)
{
	uint32_t absent, at = order_parent(o, mail, &absent);

	assert_true(at == ORDER_NONE || absent == ORDER_NONE);
	return absent == ORDER_NONE ? at : absent;
}

static struct order *start(void **state)
{
	*state = order_new();
	assert_non_null(*state);
	return *state;
}

static int end(void **state)
{
	order_free(*state);
	return 0;
}

static void test_nearest(void **state)
{
	struct order *o = start(state);
	uint32_t a = ADD(o, 1, -1), b = ADD(o, 2, 1), c = ADD(o, 3, 1, 2), d = ADD(o, 4, 2, 99),
		 e = ADD(o, 5, 3, 2);

	assert_int_equal(order_link(o), OK);
	assert_int_equal(parent(o, a), ORDER_NONE);
	assert_int_equal(parent(o, b), a);
	assert_int_equal(parent(o, c), b);
	assert_int_equal(parent(o, d), b); /* 99 is nowhere */
	assert_int_equal(parent(o, e), b); /* the last counts, whatever the tree */
	assert_int_equal(order_thread(o, a), order_thread(o, e));
}

static void test_hoisted(void **state)
{
	struct order *o = start(state);
	uint32_t c = ADD(o, 3, 2), x = ADD(o, 9, -1), b = ADD(o, 2, 1), a = ADD(o, 1, -1);

	assert_int_equal(order_link(o), OK);
	assert_int_equal(order_at(o, 0), a);
	assert_int_equal(order_at(o, 1), b);
	assert_int_equal(order_at(o, 2), c);
	assert_int_equal(order_at(o, 3), x);
}

static void test_cycles(void **state)
{
	struct order *o = start(state);
	uint32_t self = ADD(o, 1, 1), a = ADD(o, 2, 3), b = ADD(o, 3, 2), p = ADD(o, 4, 6),
		 q = ADD(o, 5, 4), r = ADD(o, 6, 1, 5);

	assert_int_equal(order_link(o), OK);
	assert_int_equal(parent(o, self), ORDER_NONE);
	assert_int_equal(parent(o, a), b);
	assert_int_equal(parent(o, b), ORDER_NONE);
	assert_int_equal(parent(o, p), r);
	assert_int_equal(parent(o, q), p);
	assert_int_equal(parent(o, r), self); /* 5 stands below it already */
}

static void test_shared(void **state)
{
	struct order *o = start(state);
	uint32_t a = ADD(o, 1, 77), b = ADD(o, 2, 88), c = ADD(o, 3, 88, 77), d = ADD(o, 4, 66);

	assert_int_equal(order_link(o), OK);
	assert_int_equal(parent(o, a), ORDER_NONE);
	assert_int_equal(parent(o, b), a);
	assert_int_equal(parent(o, c), a);
	assert_int_equal(parent(o, d), ORDER_NONE);
	assert_int_equal(order_thread(o, a), order_thread(o, b));
	assert_int_not_equal(order_thread(o, a), order_thread(o, d));
}

static void test_repeated(void **state)
{
	struct order *o = start(state);
	uint8_t key[MAIL_KEY_LEN];
	uint32_t a = ADD(o, 1, -1), b = ADD(o, 2, -1), again;

	key_of(key, 1);
	assert_int_equal(order_add(o, key, NULL, 0, &again), ERR_EXISTS);
	assert_int_equal(again, a);
	assert_int_equal(order_find(o, key), a);
	key_of(key, 3);
	assert_int_equal(order_find(o, key), ORDER_NONE);
	assert_int_equal(order_count(o), 2);
	assert_int_equal(order_link(o), OK);
	assert_int_equal(order_at(o, 1), b);
}

/* ---- what the topic has ---- */

static int tell(void *ctx, uint32_t number, const uint8_t key[static MAIL_KEY_LEN])
{
	const int *places = ctx;
	uint8_t other[MAIL_KEY_LEN];

	(void)number;
	for (int i = 0; i < IDS; i++) {
		key_of(other, i);
		if (memcmp(key, other, MAIL_KEY_LEN) == 0)
			return places[i];
	}
	return ERR_NOTFOUND;
}

static void count_key(void *ctx, const uint8_t key[static MAIL_KEY_LEN])
{
	(void)key;
	++*(int *)ctx;
}

static void test_topic(void **state)
{
	struct order *o = start(state);
	int places[IDS] = {[50] = PLACE_TOPIC, [51] = PLACE_HEIR}, ghosts = 0;
	uint32_t a = ADD(o, 1, 52), b = ADD(o, 2, 52, 50), c = ADD(o, 3, 51, 53),
		 d = ADD(o, 4, 50, 51), absent;
	uint8_t key[MAIL_KEY_LEN];

	assert_int_equal(order_ask(o, tell, places), OK);
	assert_int_equal(order_link(o), OK);
	key_of(key, 50);
	assert_int_equal(order_parent(o, b, &absent), ORDER_NONE);
	assert_memory_equal(order_key(o, absent), key, MAIL_KEY_LEN);
	/* What shares a thread with it, and answers nothing, answers it. */
	assert_int_equal(parent(o, a), absent);
	assert_int_equal(parent(o, d), absent); /* an heir is no parent */
	assert_int_equal(parent(o, c), absent); /* by 51, and that by 50 */
	assert_int_equal(order_ghosts(o, b, count_key, &ghosts), 1);
	assert_int_equal(order_ghosts(o, c, count_key, &ghosts), 1);
	assert_int_equal(ghosts, 2);
	places[51] = ERR_IO;
	assert_int_equal(order_ask(o, tell, places), ERR_IO);
}

/* What was nobody's comes after all, with what it answers. */
static void test_heir(void **state)
{
	struct order *o = start(state);
	int places[IDS] = {[1] = PLACE_HEIR};
	uint32_t a = ADD(o, 2, -1), b = ADD(o, 1, 2), c = ADD(o, 3, 1), absent;
	uint8_t key[MAIL_KEY_LEN];

	assert_int_equal(order_ask(o, tell, places), OK);
	assert_int_equal(order_link(o), OK);
	assert_int_equal(parent(o, c), b);
	assert_int_equal(parent(o, b), a);
	assert_int_equal(order_parent(o, a, &absent), ORDER_NONE);
	key_of(key, 1);
	assert_memory_equal(order_key(o, absent), key, MAIL_KEY_LEN);
	assert_int_equal(order_at(o, 0), a);
}

/* An archive that one could choke on: each answers the one behind it. */
static void test_deep(void **state)
{
	enum { DEEP = 200000 };
	struct order *o = start(state);

	for (int i = 0; i < DEEP; i++)
		ADD(o, i, i + 1);
	assert_int_equal(order_link(o), OK);
	for (uint32_t i = 0; i < DEEP; i += 1000)
		assert_int_equal(order_at(o, i), DEEP - 1 - i);
}

/* ---- against a model ---- */

struct model {
	int count, references[MAILS][REFERENCES], reference_count[MAILS];
	int places[IDS];
	int parent[MAILS]; /* an id; above OUTSIDE: in the topic; -1: none */
	int set[IDS];
};

static bool below(const struct model *m, int id, int other)
{
	while (id >= 0 && id < m->count && id != other)
		id = m->parent[id];
	return id == other;
}

static void model_join(struct model *m, int a, int b)
{
	int from = m->set[b], to = m->set[a];

	for (int i = 0; i < IDS; i++)
		if (m->set[i] == from)
			m->set[i] = to;
}

static void model_link(struct model *m)
{
	for (int i = 0; i < IDS; i++)
		m->set[i] = i;
	for (int i = 0; i < m->count; i++)
		m->parent[i] = -1;
	for (int i = 0; i < m->count; i++) {
		for (int k = m->reference_count[i] - 1; k >= 0; k--) {
			int id = m->references[i][k];

			model_join(m, i, id);
			if (m->parent[i] >= 0 || below(m, id, i))
				continue;
			if (id < m->count)
				m->parent[i] = id;
			else if (m->places[id] == PLACE_TOPIC)
				m->parent[i] = OUTSIDE + id;
		}
	}
	for (int set = 0; set < IDS; set++) {
		int head = -1;

		for (int place = PLACE_TOPIC; place <= PLACE_HEIR; place++)
			for (int i = 0; i < m->count; i++) {
				for (int k = m->reference_count[i] - 1; k >= 0; k--)
					if (head < 0 && m->set[i] == set &&
					    m->references[i][k] >= m->count &&
					    m->places[m->references[i][k]] == place)
						head = OUTSIDE + m->references[i][k];
				if (head < 0 && m->set[i] == set && place == PLACE_HEIR &&
				    m->places[i] == place)
					head = OUTSIDE + i;
			}
		for (int i = 0; i < m->count; i++)
			if (m->set[i] == set && m->parent[i] < 0) {
				if (head < 0)
					head = i;
				else
					m->parent[i] = head;
			}
	}
}

static int model_emit(const struct model *m, int mail, bool *done, int *out, int count)
{
	if (mail < 0 || mail >= m->count || done[mail])
		return count;
	count = model_emit(m, m->parent[mail], done, out, count);
	done[mail] = true;
	out[count] = mail;
	return count + 1;
}

static void random_archive(struct model *m)
{
	m->count = 1 + rand() % MAILS;
	for (int i = 0; i < m->count; i++) {
		m->reference_count[i] = rand() % 3 ? rand() % (REFERENCES + 1) : 0;
		for (int k = 0; k < m->reference_count[i]; k++)
			m->references[i][k] = rand() % (rand() % 2 ? IDS : m->count);
	}
	for (int i = 0; i < IDS; i++)
		m->places[i] = rand() % (i < m->count ? 40 : 4) ? PLACE_NOWHERE
								: PLACE_TOPIC + rand() % 2;
}

static void compare(const struct model *m, struct order *o)
{
	int sequence[MAILS], count = 0;
	bool done[MAILS] = {false};

	for (int i = 0; i < m->count; i++) {
		uint32_t absent, at = order_parent(o, (uint32_t)i, &absent);
		uint8_t key[MAIL_KEY_LEN];

		if (m->parent[i] < 0) {
			assert_true(at == ORDER_NONE && absent == ORDER_NONE);
		} else if (m->parent[i] < m->count) {
			assert_int_equal(at, m->parent[i]);
		} else {
			key_of(key, m->parent[i] - OUTSIDE);
			assert_int_not_equal(absent, ORDER_NONE);
			assert_memory_equal(order_key(o, absent), key, MAIL_KEY_LEN);
		}
		for (int k = 0; k < i; k++)
			assert_int_equal(m->set[i] == m->set[k],
			    order_thread(o, (uint32_t)i) == order_thread(o, (uint32_t)k));
		count = model_emit(m, i, done, sequence, count);
	}
	assert_int_equal(count, m->count);
	for (int i = 0; i < count; i++)
		assert_int_equal(order_at(o, (uint32_t)i), sequence[i]);
}

static void test_model(void **state)
{
	srand(1);
	for (int round = 0; round < 3000; round++) {
		struct order *o = start(state);
		struct model m;

		random_archive(&m);
		for (int i = 0; i < m.count; i++) {
			int ids[REFERENCES + 1];

			memcpy(ids, m.references[i], sizeof m.references[i]);
			ids[m.reference_count[i]] = -1;
			assert_int_equal(add(o, i, ids), i);
		}
		assert_int_equal(order_ask(o, tell, m.places), OK);
		assert_int_equal(order_link(o), OK);
		model_link(&m);
		compare(&m, o);
		order_free(o);
		*state = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_nearest, end),
	    cmocka_unit_test_teardown(test_hoisted, end),
	    cmocka_unit_test_teardown(test_cycles, end),
	    cmocka_unit_test_teardown(test_shared, end),
	    cmocka_unit_test_teardown(test_repeated, end),
	    cmocka_unit_test_teardown(test_topic, end),
	    cmocka_unit_test_teardown(test_heir, end),
	    cmocka_unit_test_teardown(test_deep, end),
	    cmocka_unit_test_teardown(test_model, end),
	};

	if (crypto_start() != OK)
		return 1;
	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
