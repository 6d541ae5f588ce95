/* SPDX-License-Identifier: BSD-2-Clause */
/* A person's further devices (SPEC.md 12.4): the request that a new one makes, the digits that
 * people compare, and which keys this one knows to be of the same person. */
#ifndef CLIENT_DEVICE_H
#define CLIENT_DEVICE_H

#include "client/files.h"
#include "msg/body.h"

#define DEVICE_REQUEST_MAX 1024 /* characters */
#define DEVICE_PREFIX "convene-device:"

/* What a request says: identity, device_key, custody and device_signature; no endorsement. */
void device_request_format(struct buffer *out, const struct enrol_body *b);
/* ERR_MALFORMED, ERR_NOT_CANONICAL, ERR_TOO_LARGE; ERR_KEY for a key that isn't usable. */
int device_request_parse(struct enrol_body *out, struct bytes text);

/* "3f2a 99c0 1b7d 4410 9e2c": the first 20 digits of the key. */
#define FINGERPRINT_DIGITS 20
#define FINGERPRINT_LEN (FINGERPRINT_DIGITS + FINGERPRINT_DIGITS / 4)
const char *device_fingerprint(char out[static FINGERPRINT_LEN], const uint8_t key[static KEY_LEN]);
/* Whether somebody has typed these digits, with spaces wherever they like, and in capitals or not.
 */
bool device_fingerprint_is(const char *typed, const uint8_t key[static KEY_LEN]);

/* HOME/devices: a key on each line, in hexadecimal. Reading a line that is none is ERR_MALFORMED.
 */
struct own_devices {
	uint8_t (*keys)[KEY_LEN];
	size_t count;
};
int own_devices_read(struct own_devices *out, const char *home, struct trouble *t);
/* Durable on return; the home's lock is the caller's to hold. */
int own_devices_add(const char *home, const uint8_t key[static KEY_LEN], struct trouble *t);
bool own_devices_have(const struct own_devices *k, const uint8_t key[static KEY_LEN]);
void own_devices_free(struct own_devices *k);

#endif
