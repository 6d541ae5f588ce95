/* SPDX-License-Identifier: BSD-2-Clause */
/* Organisations, charters and messages that the tests of lib/member begin with. */
#ifndef TEST_MEMBER_FIXTURE_H
#define TEST_MEMBER_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "member/credential.h"

#define FIXTURE_TIME UINT64_C(1790000000000)

/* The key whose seed is 32 times this byte. */
static inline struct key fixture_key(uint8_t n)
{
	uint8_t seed[32];
	struct key key;
	memset(seed, n, sizeof(seed));
	key_from_seed(&key, seed);
	return key;
}

static inline void fixture_charter(
    struct charter *c, struct verifier *members, size_t count, uint32_t admit)
{
	*c = (struct charter){.name = (char *)(uintptr_t)"forum",
	    .purpose = (char *)(uintptr_t)"tests",
	    .admit = admit,
	    .topics = TOPICS_BY_PARTICIPANTS,
	    .content_limit = 1048576,
	    .members = members,
	    .member_count = count};
	memset(c->forum, 0xf0, sizeof(c->forum));
}

/* A NODE body with these keys; the cosigner is NAME's. */
static inline struct node_body fixture_node(
    const char *organisation, uint64_t serial, uint8_t log, uint8_t registrar, uint8_t cosigner)
{
	struct node_body n = {.serial = serial, .tls_pin_count = 2};
	struct key l = fixture_key(log), r = fixture_key(registrar), c = fixture_key(cosigner);
	char name[VERIFIER_NAME_MAX];
	memcpy(n.log_key, l.public, KEY_LEN);
	memcpy(n.registrar_key, r.public, KEY_LEN);
	strcpy(name, organisation);
	strcat(name, "/cosigner");
	if (verifier_make(&n.cosigner, bytes_str(name), VERIFIER_COSIGNATURE, c.public) != OK)
		abort();
	memset(n.tls_pins[0], 0x11, HASH_LEN);
	memset(n.tls_pins[1], 0x22, HASH_LEN);
	return n;
}

#endif
