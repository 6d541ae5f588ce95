/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoders look bytes up in tables, so their time depends on what they decode: secret keys take
 * the constant-time codecs of the cryptographic library instead. */
#include "base/encode.h"

#include "base/error.h"

static const char hex_digits[] = "0123456789abcdef";

void hex_encode(char *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex_digits[data[i] >> 4];
		out[2 * i + 1] = hex_digits[data[i] & 15];
	}
	out[2 * len] = '\0';
}

/* The value of a lower-case digit, or -1. */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int hex_decode(uint8_t *out, size_t len, const char *text, size_t text_len)
{
	if (text_len % 2 != 0 || text_len / 2 != len)
		return ERR_MALFORMED;
	for (size_t i = 0; i < len; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return ERR_MALFORMED;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return OK;
}

/* An alphabet and its inverse. In the inverse a valid character has bit 7 set beside its six bits,
 * so that four of them are checked by one AND. */
struct alphabet {
	char symbols[65];
	uint8_t values[256];
	bool padded;
};

#define V(n) (0x80 | (n))
#define SYMBOLS_62 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define VALUES_62                                                                                  \
	['A'] = V(0), V(1), V(2), V(3), V(4), V(5), V(6), V(7), V(8), V(9), V(10), V(11), V(12),   \
	V(13), V(14), V(15), V(16), V(17), V(18), V(19), V(20), V(21), V(22), V(23), V(24),        \
	V(25), ['a'] = V(26), V(27), V(28), V(29), V(30), V(31), V(32), V(33), V(34), V(35),       \
	V(36), V(37), V(38), V(39), V(40), V(41), V(42), V(43), V(44), V(45), V(46), V(47), V(48), \
	V(49), V(50), V(51), ['0'] = V(52), V(53), V(54), V(55), V(56), V(57), V(58), V(59),       \
	V(60), V(61)

static const struct alphabet standard = {
    SYMBOLS_62 "+/", {VALUES_62, ['+'] = V(62), ['/'] = V(63)}, true};
static const struct alphabet url = {
    SYMBOLS_62 "-_", {VALUES_62, ['-'] = V(62), ['_'] = V(63)}, false};

static size_t encode(const struct alphabet *a, char *out, const uint8_t *in, size_t len)
{
	const char *symbols = a->symbols;
	char *o = out;
	for (; len >= 3; in += 3, len -= 3, o += 4) {
		uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
		o[0] = symbols[v >> 18];
		o[1] = symbols[v >> 12 & 63];
		o[2] = symbols[v >> 6 & 63];
		o[3] = symbols[v & 63];
	}
	if (len > 0) {
		uint32_t v = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
		*o++ = symbols[v >> 18];
		*o++ = symbols[v >> 12 & 63];
		if (len == 2)
			*o++ = symbols[v >> 6 & 63];
		else if (a->padded)
			*o++ = '=';
		if (a->padded)
			*o++ = '=';
	}
	*o = '\0';
	return (size_t)(o - out);
}

/* `text_len` is without padding. */
static int decode(
    const struct alphabet *a, uint8_t *out, size_t *len, const char *text, size_t text_len)
{
	const uint8_t *in = (const uint8_t *)text;
	size_t quads = text_len / 4, rest = text_len % 4;
	if (rest == 1)
		return ERR_MALFORMED;
	size_t need = quads * 3 + (rest != 0 ? rest - 1 : 0);
	if (need > *len)
		return ERR_TOO_LARGE;

	uint8_t valid = 0x80;
	for (; quads > 0; quads--, in += 4, out += 3) {
		uint8_t v0 = a->values[in[0]], v1 = a->values[in[1]];
		uint8_t v2 = a->values[in[2]], v3 = a->values[in[3]];
		valid &= v0 & v1 & v2 & v3;
		uint32_t v = (v0 & 63u) << 18 | (v1 & 63u) << 12 | (v2 & 63u) << 6 | (v3 & 63u);
		out[0] = (uint8_t)(v >> 16);
		out[1] = (uint8_t)(v >> 8);
		out[2] = (uint8_t)v;
	}
	uint32_t stray = 0;
	if (rest != 0) {
		uint8_t v0 = a->values[in[0]], v1 = a->values[in[1]];
		uint8_t v2 = rest == 3 ? a->values[in[2]] : V(0);
		valid &= v0 & v1 & v2;
		uint32_t v = (v0 & 63u) << 18 | (v1 & 63u) << 12 | (v2 & 63u) << 6;
		out[0] = (uint8_t)(v >> 16);
		if (rest == 3)
			out[1] = (uint8_t)(v >> 8);
		stray = rest == 3 ? v & 0xff : v & 0xffff;
	}
	if (valid == 0)
		return ERR_MALFORMED;
	if (stray != 0)
		return ERR_NOT_CANONICAL;
	*len = need;
	return OK;
}

size_t base64_encode(char *out, const uint8_t *data, size_t len)
{
	return encode(&standard, out, data, len);
}

int base64_decode(uint8_t *out, size_t *len, const char *text, size_t text_len)
{
	if (text_len % 4 != 0)
		return ERR_MALFORMED;
	/* Only the last two characters can be padding; any other '=' is outside the alphabet. */
	if (text_len > 0 && text[text_len - 1] == '=')
		text_len -= text[text_len - 2] == '=' ? 2 : 1;
	return decode(&standard, out, len, text, text_len);
}

size_t base64url_encode(char *out, const uint8_t *data, size_t len)
{
	return encode(&url, out, data, len);
}

int base64url_decode(uint8_t *out, size_t *len, const char *text, size_t text_len)
{
	return decode(&url, out, len, text, text_len);
}

int decimal_parse(uint64_t *out, const char *text, size_t text_len, uint64_t max)
{
	if (text_len == 0 || (text[0] == '0' && text_len > 1))
		return ERR_MALFORMED;
	uint64_t value = 0;
	bool over = false;
	for (size_t i = 0; i < text_len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return ERR_MALFORMED;
		uint64_t digit = (uint64_t)(text[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			over = true;
		else
			value = value * 10 + digit;
	}
	if (over || value > max)
		return ERR_RANGE;
	*out = value;
	return OK;
}
