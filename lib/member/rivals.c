/* SPDX-License-Identifier: BSD-2-Clause */
#include "member/rivals.h"

#include <string.h>

#include "base/error.h"

bool rivals_are(const struct credential *a, const struct credential *b)
{
	return a->number == b->number && strcmp(a->organisation, b->organisation) == 0 &&
	       memcmp(a->root_key, b->root_key, KEY_LEN) == 0 &&
	       memcmp(a->binding.forum, b->binding.forum, HASH_LEN) == 0 &&
	       bytes_equal(a->node.previous_log, b->node.previous_log) &&
	       memcmp(a->binding.digest, b->binding.digest, DIGEST_LEN) != 0;
}

/* The name of the log that an entry 0 begins: its organisation from the cosigner's name, its number
 * from the log before it. */
static int name_find(
    char out[static VERIFIER_NAME_MAX + 1], const uint8_t forum[static HASH_LEN], struct bytes m)
{
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	uint64_t number = 0;
	struct node_body node;
	struct header h;
	int err = m.len > MESSAGE_MAX ? ERR_MALFORMED : message_parse(m, &h);
	const char *slash;

	if (!err)
		err = h.kind == KIND_NODE ? node_body_parse(h.body, &node) : ERR_MALFORMED;
	if (!err && node.previous_log.len > 0)
		err = log_name_parse(node.previous_log, &organisation, digest, &number);
	slash = err ? NULL : strchr(node.cosigner.name, '/');
	if (err)
		return err;
	if (!slash)
		return ERR_MALFORMED;
	return log_name_make(out, forum, h.signer, node.log_key,
	    bytes_of(node.cosigner.name, (size_t)(slash - node.cosigner.name)), number + 1);
}

static int open_one(
    struct credential *out, const uint8_t forum[static HASH_LEN], struct bytes message)
{
	char name[VERIFIER_NAME_MAX + 1];
	int err = name_find(name, forum, message);

	return err ? err : credential_open(out, forum, bytes_str(name), message);
}

int rivals_open(struct credential *a, struct credential *b, const uint8_t forum[static HASH_LEN],
    struct bytes one, struct bytes other)
{
	int err = open_one(a, forum, one);

	if (err)
		return err;
	err = open_one(b, forum, other);
	if (!err && !rivals_are(a, b)) {
		credential_clear(b);
		err = ERR_PROOF;
	}
	if (err)
		credential_clear(a);
	return err;
}
