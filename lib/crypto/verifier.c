/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypto/verifier.h"

#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "crypto/hash.h"

enum {
	ID_HEX = 8,
	MATERIAL_MAX = 1 + 1312, /* an ML-DSA-44 key, so that it is told from garbage */
};

/* Whether the UTF-8 character at `p` has Unicode's property White_Space, which is a stable one. */
static bool is_space(const uint8_t *p, size_t left)
{
	if (p[0] == ' ' || (p[0] >= 0x09 && p[0] <= 0x0d))
		return true;
	if (p[0] == 0xc2)
		return left >= 2 && (p[1] == 0x85 || p[1] == 0xa0);
	if (left < 3 || p[0] < 0xe1 || p[0] > 0xe3)
		return false;
	unsigned c = (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	return c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

bool verifier_name_valid(struct bytes name)
{
	if (name.len == 0 || !text_is_utf8(name))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		if (c == '+' || c < 0x20 || is_space(name.data + i, name.len - i))
			return false;
	}
	return true;
}

/* A note could carry DEL and the C1 controls, but nobody whom we know has such a name. */
static bool has_control(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] == 0x7f || (name.data[i] == 0xc2 && name.data[i + 1] < 0xa0))
			return true;
	return false;
}

int verifier_make(
    struct verifier *out, struct bytes name, uint8_t type, const uint8_t public[static KEY_LEN])
{
	if (type != VERIFIER_ED25519 && type != VERIFIER_COSIGNATURE)
		return ERR_INVALID;
	if (name.len > VERIFIER_NAME_MAX || !verifier_name_valid(name) || has_control(name))
		return ERR_INVALID;

	memset(out, 0, sizeof *out);
	memcpy(out->name, name.data, name.len);
	out->type = type;
	memcpy(out->public, public, KEY_LEN);

	const uint8_t between[2] = {'\n', type};
	const struct bytes parts[] = {name, bytes_of(between, 2), bytes_of(public, KEY_LEN)};
	uint8_t hash[HASH_LEN];
	hash_of_parts(hash, parts, 3);
	memcpy(out->id, hash, sizeof out->id);
	return OK;
}

int verifier_parse(struct verifier *out, struct bytes text)
{
	/* Base64 has plus signs of its own, so it is the first two that count. */
	const uint8_t *plus = text.len > 0 ? memchr(text.data, '+', text.len) : NULL;
	if (plus == NULL)
		return ERR_MALFORMED;
	struct bytes name = bytes_of(text.data, (size_t)(plus - text.data));
	struct bytes rest = bytes_of(plus + 1, text.len - name.len - 1);
	uint8_t id[4];
	if (rest.len <= ID_HEX || rest.data[ID_HEX] != '+' ||
	    hex_decode(id, sizeof id, (const char *)rest.data, ID_HEX) != OK)
		return ERR_MALFORMED;

	uint8_t material[MATERIAL_MAX];
	size_t len = sizeof material;
	int err = base64_decode(
	    material, &len, (const char *)rest.data + ID_HEX + 1, rest.len - ID_HEX - 1);
	if (err != OK)
		return err == ERR_NOT_CANONICAL ? err : ERR_MALFORMED;
	if (len == 0)
		return ERR_MALFORMED;
	if (material[0] != VERIFIER_ED25519 && material[0] != VERIFIER_COSIGNATURE)
		return ERR_KEY;
	if (len != 1 + KEY_LEN)
		return ERR_MALFORMED;

	struct verifier made;
	if (verifier_make(&made, name, material[0], material + 1) != OK)
		return ERR_MALFORMED;
	if (memcmp(made.id, id, sizeof id) != 0 || !key_usable(made.public))
		return ERR_KEY;
	*out = made;
	return OK;
}

size_t verifier_format(char out[static VERIFIER_TEXT_MAX + 1], const struct verifier *v)
{
	uint8_t material[1 + KEY_LEN];
	material[0] = v->type;
	memcpy(material + 1, v->public, KEY_LEN);

	size_t len = strlen(v->name);
	memcpy(out, v->name, len);
	out[len++] = '+';
	hex_encode(out + len, v->id, sizeof v->id);
	len += ID_HEX;
	out[len++] = '+';
	return len + base64_encode(out + len, material, sizeof material);
}

bool verifier_equal(const struct verifier *a, const struct verifier *b)
{
	return a->type == b->type && strcmp(a->name, b->name) == 0 &&
	       memcmp(a->public, b->public, KEY_LEN) == 0;
}
