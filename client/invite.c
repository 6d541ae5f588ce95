/* SPDX-License-Identifier: BSD-2-Clause */
/* Invites and node lines, as text (SPEC.md section 12.3):
 *
 *     convene://HOST:PORT/ORGANISATION/ROOT/FORUM/SECRET     an invite
 *     convene://HOST:PORT/ORGANISATION/ROOT/FORUM            a node
 *     convene://HOST:PORT/ORGANISATION/ROOT/FORUM/DIGEST/N   a node and its log
 *     …/DIGEST/N/IDENTITY                                    and somebody there, for a further
 * device
 *
 * One text for each value: what parses is formatted again to the same bytes. */
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/client.h"
#include "net/channel.h"

#define SCHEME "convene://"
#define PARTS_MAX 7
#define BASE64URL_LEN(len) (((len)*4 + 2) / 3)

/* Split behind the scheme at slashes. ERR_MALFORMED for more parts than there are. */
static int parts_split(struct bytes text, struct bytes parts[static PARTS_MAX], size_t *count)
{
	size_t scheme = strlen(SCHEME);

	*count = 0;
	if (text.len > INVITE_TEXT_MAX)
		return ERR_TOO_LARGE;
	if (text.len < scheme || memcmp(text.data, SCHEME, scheme) != 0)
		return ERR_MALFORMED;
	text = bytes_of(text.data + scheme, text.len - scheme);
	for (;;) {
		const uint8_t *slash = text.len ? memchr(text.data, '/', text.len) : NULL;
		size_t len = slash ? (size_t)(slash - text.data) : text.len;

		if (*count == PARTS_MAX)
			return ERR_MALFORMED;
		parts[(*count)++] = bytes_of(text.data, len);
		if (!slash)
			return OK;
		text = bytes_of(slash + 1, text.len - len - 1);
	}
}

static int exactly(uint8_t *out, size_t len, struct bytes text)
{
	size_t got = len;
	int err;

	if (text.len != BASE64URL_LEN(len))
		return ERR_MALFORMED;
	err = base64url_decode(out, &got, (const char *)text.data, text.len);
	return err ? err : got == len ? OK : ERR_MALFORMED;
}

/* What an address may hold: it is shown to people, and handed to the resolver. Name or number,
 * nothing else. */
static bool address_valid(struct bytes a, char out[static 300])
{
	char host[256], port[6];

	if (a.len == 0 || a.len >= 300)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]%_",
			a.data[i]) ||
		    a.data[i] == '\0')
			return false;
	memcpy(out, a.data, a.len);
	out[a.len] = '\0';
	return address_split(out, host, port) == OK;
}

static int node_parse(struct node_address *out, const struct bytes parts[static 4])
{
	int err;

	memset(out, 0, sizeof *out);
	if (!address_valid(parts[0], out->address) || !org_name_valid(parts[1]))
		return ERR_MALFORMED;
	memcpy(out->organisation, parts[1].data, parts[1].len);
	err = exactly(out->root_key, KEY_LEN, parts[2]);
	if (!err)
		err = exactly(out->forum, HASH_LEN, parts[3]);
	if (!err && !key_usable(out->root_key))
		err = ERR_KEY;
	return err;
}

int invite_parse(struct invite *out, struct bytes text)
{
	struct bytes parts[PARTS_MAX];
	struct invite invite;
	size_t count;
	int err = parts_split(text, parts, &count);

	if (!err && count != 5)
		err = ERR_MALFORMED;
	if (!err)
		err = node_parse(&invite.node, parts);
	if (!err)
		err = exactly(invite.secret, sizeof invite.secret, parts[4]);
	if (!err)
		*out = invite;
	return err;
}

/* `count` parts: 4 without a log, or at least 6. */
static int log_line_parse(struct node_address *out, char log_name[static VERIFIER_NAME_MAX + 1],
    const struct bytes *parts, size_t count)
{
	uint8_t digest[DIGEST_LEN];
	struct bytes organisation;
	struct node_address node;
	struct buffer name = BUFFER_INIT;
	uint64_t number;
	int err = node_parse(&node, parts);

	if (!err && count >= 6) {
		buffer_add(&name, parts[1].data, parts[1].len);
		buffer_add_u8(&name, '/');
		buffer_add(&name, parts[4].data, parts[4].len);
		buffer_add_u8(&name, '/');
		buffer_add(&name, parts[5].data, parts[5].len);
		err = name.failed
			  ? ERR_NOMEM
			  : log_name_parse(buffer_bytes(&name), &organisation, digest, &number);
		if (!err && name.len > VERIFIER_NAME_MAX)
			err = ERR_MALFORMED;
	}
	if (!err) {
		*out = node;
		memcpy(log_name, buffer_str(&name), name.len + 1);
	}
	buffer_free(&name);
	return err;
}

int node_line_parse(
    struct node_address *out, char log_name[static VERIFIER_NAME_MAX + 1], struct bytes text)
{
	struct bytes parts[PARTS_MAX];
	size_t count;
	int err = parts_split(text, parts, &count);

	if (!err && count != 4 && count != 6)
		err = ERR_MALFORMED;
	return err ? err : log_line_parse(out, log_name, parts, count);
}

int device_line_parse(struct node_address *out, char log_name[static VERIFIER_NAME_MAX + 1],
    uint8_t identity[static IDENTITY_LEN], struct bytes text)
{
	struct bytes parts[PARTS_MAX];
	size_t count;
	int err = parts_split(text, parts, &count);

	if (!err && count != 7)
		err = ERR_MALFORMED;
	if (!err)
		err = exactly(identity, IDENTITY_LEN, parts[6]);
	return err ? err : log_line_parse(out, log_name, parts, count);
}

static void node_format(struct buffer *out, const struct node_address *node)
{
	char text[BASE64_LEN(KEY_LEN) + 1];

	buffer_printf(out, SCHEME "%s/%s/", node->address, node->organisation);
	base64url_encode(text, node->root_key, KEY_LEN);
	buffer_printf(out, "%s/", text);
	base64url_encode(text, node->forum, HASH_LEN);
	buffer_add_str(out, text);
}

void invite_format(struct buffer *out, const struct invite *invite)
{
	char text[BASE64_LEN(INVITE_SECRET_LEN) + 1];

	node_format(out, &invite->node);
	base64url_encode(text, invite->secret, sizeof invite->secret);
	buffer_printf(out, "/%s", text);
}

void node_line_format(struct buffer *out, const struct node_address *node, const char *log_name)
{
	const char *rest = log_name ? strchr(log_name, '/') : NULL;

	node_format(out, node);
	if (rest)
		buffer_add_str(out, rest);
}

void device_line_format(struct buffer *out, const struct node_address *node, const char *log_name,
    const uint8_t identity[static IDENTITY_LEN])
{
	char text[BASE64_LEN(IDENTITY_LEN) + 1];

	node_line_format(out, node, log_name);
	base64url_encode(text, identity, IDENTITY_LEN);
	buffer_printf(out, "/%s", text);
}
