/* SPDX-License-Identifier: BSD-2-Clause */
/* Hexadecimal, base64 and decimal, strict in what they accept: one text for each value.
 *
 * Time depends on the data (tables): not for secret keys. A decoder that fails may have written
 * part of `out`, and leaves `*len` and decimal_parse()'s `*out` as they were. Any thread. */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lower-case hexadecimal; `out` takes 2 × len + 1 characters with the NUL. */
void hex_encode(char *out, const uint8_t *data, size_t len);
/* Exactly 2 × len lower-case digits of `text` (text_len of them) into `out`. ERR_MALFORMED
 * otherwise. */
int hex_decode(uint8_t *out, size_t len, const char *text, size_t text_len);

/* Characters that base64 of `len` bytes takes, with padding, without NUL. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* RFC 4648 section 4, padded; `out` takes BASE64_LEN(len) + 1. Returns the length. */
size_t base64_encode(char *out, const uint8_t *data, size_t len);
/* Decode canonical padded base64. `*len` is the room in `out` and becomes the number of bytes.
 * ERR_MALFORMED (alphabet, padding), ERR_NOT_CANONICAL (stray bits), ERR_TOO_LARGE (room). */
int base64_decode(uint8_t *out, size_t *len, const char *text, size_t text_len);

/* RFC 4648 section 5, without padding (for invites and URLs); same contract. */
size_t base64url_encode(char *out, const uint8_t *data, size_t len);
int base64url_decode(uint8_t *out, size_t *len, const char *text, size_t text_len);

/* Decimal without sign or leading zeros, at most `max`. ERR_MALFORMED or ERR_RANGE. */
int decimal_parse(uint64_t *out, const char *text, size_t text_len, uint64_t max);

#endif
