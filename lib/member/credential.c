/* SPDX-License-Identifier: BSD-2-Clause */
#include "member/credential.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static bool keys_equal(const uint8_t a[static KEY_LEN], const uint8_t b[static KEY_LEN])
{
	return memcmp(a, b, KEY_LEN) == 0;
}

int credential_check_body(
    const struct node_body *n, const uint8_t signer[static KEY_LEN], struct bytes organisation)
{
	const uint8_t *keys[] = {signer, n->log_key, n->registrar_key, n->cosigner.public};
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < i; j++)
			if (keys_equal(keys[i], keys[j]))
				return ERR_KEY;
	char cosigner[ORG_NAME_MAX + sizeof("/cosigner")];
	if (organisation.len > ORG_NAME_MAX)
		return ERR_MALFORMED;
	snprintf(cosigner, sizeof(cosigner), "%.*s/cosigner", (int)organisation.len,
	    (const char *)organisation.data);
	return strcmp(cosigner, n->cosigner.name) == 0 ? OK : ERR_MALFORMED;
}

/* A credential's predecessor is the log before it, of the same organisation (4.4). */
static int previous_check(const struct credential *c)
{
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	uint64_t number;
	if (c->node.previous_log.len == 0)
		return OK;
	/* Numbers begin with 1, so nothing comes before a first log. */
	if (log_name_parse(c->node.previous_log, &organisation, digest, &number) != OK ||
	    number != c->number - 1 || !bytes_equal(organisation, bytes_str(c->organisation)))
		return ERR_MALFORMED;
	return OK;
}

/* Whether the log's name follows from the keys (4.1). */
static int name_check(const struct credential *c)
{
	char name[VERIFIER_NAME_MAX + 1];
	if (log_name_make(name, c->binding.forum, c->root_key, c->node.log_key,
		bytes_str(c->organisation), c->number) != OK)
		return ERR_MALFORMED;
	return strcmp(name, c->binding.log_name) == 0 ? OK : ERR_OTHER_FORUM;
}

static int open_into(struct credential *c, const uint8_t forum[static HASH_LEN],
    struct bytes log_name, struct bytes message)
{
	struct bytes organisation;
	struct header h;
	uint8_t digest[DIGEST_LEN];
	if (log_name_parse(log_name, &organisation, digest, &c->number) != OK ||
	    organisation.len > ORG_NAME_MAX || binding_make(&c->binding, forum, log_name) != OK)
		return ERR_MALFORMED;
	memcpy(c->organisation, organisation.data, organisation.len);

	if (message.len > MESSAGE_MAX)
		return ERR_MALFORMED;
	buffer_add(&c->message, message.data, message.len);
	if (c->message.failed)
		return ERR_NOMEM;
	int err = message_parse(buffer_bytes(&c->message), &h);
	if (err != OK)
		return err == ERR_TRUNCATED ? ERR_MALFORMED : err;
	if (h.kind != KIND_NODE || h.has_commitment || h.topic.present || h.parent.present)
		return ERR_MALFORMED;
	err = node_body_parse(h.body, &c->node);
	if (err != OK)
		return err;
	memcpy(c->root_key, h.signer, KEY_LEN);
	if (!key_usable(c->root_key))
		return ERR_KEY;

	err = name_check(c);
	if (err == OK)
		err = credential_check_body(&c->node, c->root_key, organisation);
	if (err == OK)
		err = previous_check(c);
	if (err == OK)
		err = message_verify(buffer_bytes(&c->message), &c->binding, c->root_key);
	if (err != OK)
		return err;
	err = verifier_make(&c->log, log_name, VERIFIER_ED25519, c->node.log_key);
	return err == OK ? OK : ERR_MALFORMED;
}

int credential_open_newer(struct credential *out, const uint8_t forum[static HASH_LEN],
    struct bytes log_name, struct bytes message)
{
	memset(out, 0, sizeof(*out));
	int err = open_into(out, forum, log_name, message);
	if (err != OK)
		credential_clear(out);
	return err;
}

int credential_open(struct credential *out, const uint8_t forum[static HASH_LEN],
    struct bytes log_name, struct bytes message)
{
	int err = credential_open_newer(out, forum, log_name, message);
	if (err == OK && (out->number > 1) != (out->node.previous_log.len > 0)) {
		credential_clear(out);
		err = ERR_MALFORMED;
	}
	return err;
}

int credential_follows(const struct credential *next, const struct credential *log)
{
	/* Any root can name any log as the one before its own. */
	if (!bytes_equal(next->node.previous_log, bytes_str(log->binding.log_name)) ||
	    memcmp(next->binding.forum, log->binding.forum, HASH_LEN) != 0)
		return ERR_INVALID;
	return keys_equal(next->root_key, log->root_key) ? OK : ERR_WRONG_ROOT;
}

bool credential_continues(const struct credential *a, const struct credential *b)
{
	return bytes_equal(a->node.previous_log, b->node.previous_log) &&
	       a->node.previous_size == b->node.previous_size &&
	       memcmp(a->node.previous_root, b->node.previous_root, HASH_LEN) == 0;
}

int credential_make(struct buffer *message, char *log_name, const uint8_t forum[static HASH_LEN],
    const char *organisation, uint64_t number, const struct key *root, const struct node_body *node,
    uint64_t sequence, uint64_t time)
{
	struct credential made;
	struct binding binding;
	struct header h = {.version = 1, .sequence = sequence, .kind = KIND_NODE, .time = time};
	struct buffer body = BUFFER_INIT;
	size_t start = message->len;

	int err = log_name_make(
	    log_name, forum, root->public, node->log_key, bytes_str(organisation), number);
	if (err == OK)
		err = binding_make(&binding, forum, bytes_str(log_name));
	if (err == OK)
		err = node_body_encode(&body, node);
	if (err == OK) {
		memcpy(h.signer, root->public, KEY_LEN);
		h.body = buffer_bytes(&body);
		err = message_sign(message, &binding, &h, root);
	}
	buffer_free(&body);
	if (err == OK) {
		/* Never sign what nobody would accept. */
		err = credential_open_newer(&made, forum, bytes_str(log_name),
		    bytes_of(message->data + start, message->len - start));
		if (err != OK && err != ERR_NOMEM)
			err = ERR_INVALID;
		credential_clear(&made);
	}
	if (err != OK)
		message->len = start;
	return err;
}

bool credential_has_pin(const struct credential *c, const uint8_t spki[static HASH_LEN])
{
	for (size_t i = 0; i < c->node.tls_pin_count; i++)
		if (memcmp(c->node.tls_pins[i], spki, HASH_LEN) == 0)
			return true;
	return false;
}

void credential_clear(struct credential *c)
{
	buffer_free(&c->message);
	memset(c, 0, sizeof(*c));
}
