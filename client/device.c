/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/device.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/output.h"

#define KNOWN "devices"
#define KNOWN_LINE (2 * KEY_LEN + 1)
#define KNOWN_MAX (1000 * KNOWN_LINE)

/* ---- the request ---- */

void device_request_format(struct buffer *out, const struct enrol_body *b)
{
	Convene__Redeem m = CONVENE__REDEEM__INIT;
	struct buffer packed = BUFFER_INIT;
	uint8_t *room;
	char *text;

	m.identity = pb_of(bytes_of(b->identity, IDENTITY_LEN));
	m.device_key = pb_of(bytes_of(b->device_key, KEY_LEN));
	m.custody = b->custody;
	m.device_signature = pb_of(bytes_of(b->device_signature, SIG_LEN));
	room = buffer_reserve(&packed, protobuf_c_message_get_packed_size(&m.base));
	text = malloc(DEVICE_REQUEST_MAX);
	if (!room || !text) {
		out->failed = true;
	} else {
		packed.len = protobuf_c_message_pack(&m.base, room);
		base64url_encode(text, packed.data, packed.len);
		buffer_printf(out, DEVICE_PREFIX "%s", text);
	}
	free(text);
	buffer_free(&packed);
}

static int request_take(struct enrol_body *out, const Convene__Redeem *m)
{
	if (m->identity.len != IDENTITY_LEN || m->device_key.len != KEY_LEN ||
	    m->device_signature.len != SIG_LEN || m->custody > 1 || m->secret.len > 0 ||
	    m->salt.len > 0 || m->content.len > 0 || m->endorser.len > 0 || m->endorsement.len > 0)
		return ERR_MALFORMED;
	memset(out, 0, sizeof *out);
	memcpy(out->identity, m->identity.data, IDENTITY_LEN);
	memcpy(out->device_key, m->device_key.data, KEY_LEN);
	memcpy(out->device_signature, m->device_signature.data, SIG_LEN);
	out->custody = (uint8_t)m->custody;
	return key_usable(out->device_key) ? OK : ERR_KEY;
}

int device_request_parse(struct enrol_body *out, struct bytes text)
{
	const size_t skip = sizeof DEVICE_PREFIX - 1;
	uint8_t raw[DEVICE_REQUEST_MAX];
	size_t len = sizeof raw;
	ProtobufCMessage *m;
	int err;

	if (text.len > DEVICE_REQUEST_MAX)
		return ERR_TOO_LARGE;
	if (text.len <= skip || memcmp(text.data, DEVICE_PREFIX, skip) != 0)
		return ERR_MALFORMED;
	err = base64url_decode(raw, &len, (const char *)text.data + skip, text.len - skip);
	if (!err)
		err = message_unpack(&m, frame_descriptor(FRAME_REDEEM), bytes_of(raw, len));
	if (err)
		return err;
	err = request_take(out, (const Convene__Redeem *)m);
	message_free(m);
	return err;
}

/* ---- what people compare ---- */

const char *device_fingerprint(char out[static FINGERPRINT_LEN], const uint8_t key[static KEY_LEN])
{
	char digits[2 * KEY_LEN + 1];
	size_t at = 0;

	hex_encode(digits, key, KEY_LEN);
	for (size_t i = 0; i < FINGERPRINT_DIGITS; i++) {
		if (i > 0 && i % 4 == 0)
			out[at++] = ' ';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

bool device_fingerprint_is(const char *typed, const uint8_t key[static KEY_LEN])
{
	char digits[2 * KEY_LEN + 1];
	size_t n = 0;

	hex_encode(digits, key, KEY_LEN);
	for (; *typed; typed++) {
		if (*typed == ' ')
			continue;
		if (n == 2 * KEY_LEN || tolower((unsigned char)*typed) != digits[n++])
			return false;
	}
	return n >= FINGERPRINT_DIGITS;
}

/* ---- keys that are known ---- */

int own_devices_read(struct own_devices *out, const char *home, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	char path[PATH_LEN];
	int err = path_join(path, home, KNOWN, t);

	*out = (struct own_devices){NULL, 0};
	if (!err)
		err = file_read(path, KNOWN_MAX, &text, t);
	if (err) {
		buffer_free(&text);
		return err == ERR_NOTFOUND ? OK : err;
	}
	out->keys = calloc(text.len / KNOWN_LINE + 1, sizeof *out->keys);
	if (!out->keys)
		err = no_memory(t);
	for (size_t at = 0; !err && at < text.len; at += KNOWN_LINE) {
		const char *line = (const char *)text.data + at;

		if (text.len - at < KNOWN_LINE || line[KNOWN_LINE - 1] != '\n' ||
		    hex_decode(out->keys[out->count++], KEY_LEN, line, 2 * KEY_LEN) != OK) {
			err = trouble_set(t, ERR_MALFORMED, "%.300s can't be read", path);
			trouble_hint(
			    t, "Each line is the key of a device of yours, in hexadecimal.");
		}
	}
	if (err)
		own_devices_free(out);
	buffer_free(&text);
	return err;
}

int own_devices_add(const char *home, const uint8_t key[static KEY_LEN], struct trouble *t)
{
	struct own_devices known;
	struct buffer text = BUFFER_INIT;
	char digits[2 * KEY_LEN + 1];
	int err = own_devices_read(&known, home, t);

	if (!err && !own_devices_have(&known, key)) {
		for (size_t i = 0; i <= known.count; i++) {
			hex_encode(digits, i < known.count ? known.keys[i] : key, KEY_LEN);
			buffer_printf(&text, "%s\n", digits);
		}
		err = text.failed ? no_memory(t) : file_write(home, KNOWN, buffer_bytes(&text), t);
	}
	buffer_free(&text);
	own_devices_free(&known);
	return err;
}

bool own_devices_have(const struct own_devices *k, const uint8_t key[static KEY_LEN])
{
	for (size_t i = 0; i < k->count; i++)
		if (memcmp(k->keys[i], key, KEY_LEN) == 0)
			return true;
	return false;
}

void own_devices_free(struct own_devices *k)
{
	free(k->keys);
	*k = (struct own_devices){NULL, 0};
}
