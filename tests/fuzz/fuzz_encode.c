/* SPDX-License-Identifier: BSD-2-Clause */
/* What a decoder accepts is what its encoder writes, and nothing else. The first byte chooses the
 * room for the output, the rest is the text; the text is also encoded as bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "target.h"

static void *room(size_t size)
{
	void *p = malloc(size > 0 ? size : 1);
	REQUIRE(p != NULL);
	return p;
}

typedef size_t encoder(char *out, const uint8_t *data, size_t len);
typedef int decoder(uint8_t *out, size_t *len, const char *text, size_t text_len);

static void check_base64(
    encoder *encode, decoder *decode, const uint8_t *data, size_t size, size_t limit)
{
	const char *text = (const char *)data;
	size_t len = limit;
	uint8_t *out = room(limit);
	if (decode(out, &len, text, size) == OK) {
		char *again = room(BASE64_LEN(len) + 1);
		REQUIRE(len <= limit && encode(again, out, len) == size);
		REQUIRE(memcmp(again, text, size) == 0);
		free(again);
	} else {
		REQUIRE(len == limit);
	}
	free(out);

	char *encoded = room(BASE64_LEN(size) + 1);
	size_t encoded_len = encode(encoded, data, size);
	REQUIRE(encoded_len == strlen(encoded) && encoded_len <= BASE64_LEN(size));
	out = room(size);
	len = size;
	REQUIRE(decode(out, &len, encoded, encoded_len) == OK && len == size);
	REQUIRE(memcmp(out, data, size) == 0);
	if (size > 0) {
		len = size - 1;
		REQUIRE(decode(out, &len, encoded, encoded_len) == ERR_TOO_LARGE);
	}
	free(out);
	free(encoded);
}

static void check_hex(const uint8_t *data, size_t size)
{
	uint8_t *out = room(size);
	char *text = room(2 * size + 1);
	if (hex_decode(out, size / 2, (const char *)data, size) == OK) {
		hex_encode(text, out, size / 2);
		REQUIRE(strlen(text) == size && memcmp(text, data, size) == 0);
	}
	hex_encode(text, data, size);
	REQUIRE(hex_decode(out, size, text, 2 * size) == OK && memcmp(out, data, size) == 0);
	free(text);
	free(out);
}

static void check_decimal(const uint8_t *data, size_t size)
{
	uint64_t value;
	char text[24];
	if (decimal_parse(&value, (const char *)data, size, UINT64_MAX) != OK)
		return;
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	REQUIRE((size_t)n == size && memcmp(text, data, size) == 0);
	REQUIRE(decimal_parse(&value, text, size, value) == OK);
	REQUIRE(value == 0 || decimal_parse(&value, text, size, value - 1) == ERR_RANGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t none[1];
	size_t limit = 0;
	if (size == 0) {
		data = none;
	} else {
		limit = data[0];
		data++;
		size--;
	}
	check_base64(base64_encode, base64_decode, data, size, limit);
	check_base64(base64url_encode, base64url_decode, data, size, limit);
	check_hex(data, size);
	check_decimal(data, size);
	return 0;
}
