/* SPDX-License-Identifier: BSD-2-Clause */
#include "msg/wire.h"

#include <assert.h>

#include "base/error.h"

enum { VARINT_MAX = 10, WIRE_VARINT = 0, WIRE_BYTES = 2 };

/* ERR_MALFORMED: cut off, or above 64 bits. ERR_NOT_CANONICAL: longer than the value needs. */
static int read_varint(struct bytes *rest, uint64_t *out)
{
	uint64_t value = 0;
	for (size_t i = 0; i < rest->len && i < VARINT_MAX; i++) {
		uint8_t byte = rest->data[i];
		if (i == VARINT_MAX - 1 && byte > 1)
			return ERR_MALFORMED;
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		if (byte == 0 && i > 0)
			return ERR_NOT_CANONICAL;
		rest->data += i + 1;
		rest->len -= i + 1;
		*out = value;
		return OK;
	}
	return ERR_MALFORMED;
}

void wire_reader_start(struct wire_reader *r, struct bytes in)
{
	*r = (struct wire_reader){.rest = in};
}

int wire_next(struct wire_reader *r, struct wire_field *out)
{
	if (r->rest.len == 0)
		return ERR_NOTFOUND;

	uint64_t tag, value;
	int err = read_varint(&r->rest, &tag);
	if (err != OK)
		return err;
	if (tag > UINT32_MAX || tag >> 3 == 0)
		return ERR_MALFORMED;
	uint32_t type = tag & 7;
	if (type != WIRE_VARINT && type != WIRE_BYTES)
		return ERR_MALFORMED;

	*out = (struct wire_field){.number = (uint32_t)tag >> 3, .is_bytes = type == WIRE_BYTES};
	if (out->number <= r->last)
		return ERR_NOT_CANONICAL;
	r->last = out->number;

	err = read_varint(&r->rest, &value);
	if (err != OK)
		return err;
	if (value == 0)
		return ERR_NOT_CANONICAL;
	if (!out->is_bytes) {
		out->value = value;
		return OK;
	}
	if (value > r->rest.len)
		return ERR_MALFORMED;
	out->bytes = bytes_of(r->rest.data, (size_t)value);
	r->rest.data += value;
	r->rest.len -= (size_t)value;
	return OK;
}

static size_t put_varint(uint8_t out[static VARINT_MAX], uint64_t value)
{
	size_t len = 0;
	for (; value >= 0x80; value >>= 7)
		out[len++] = (uint8_t)value | 0x80;
	out[len++] = (uint8_t)value;
	return len;
}

static void add_tag(struct buffer *out, uint32_t number, uint32_t type, uint64_t value)
{
	assert(number > 0 && number < UINT32_C(1) << 29);
	uint8_t both[2 * VARINT_MAX];
	size_t len = put_varint(both, number << 3 | type);
	len += put_varint(both + len, value);
	buffer_add(out, both, len);
}

void wire_add_uint(struct buffer *out, uint32_t number, uint64_t value)
{
	if (value != 0)
		add_tag(out, number, WIRE_VARINT, value);
}

void wire_add_bytes(struct buffer *out, uint32_t number, struct bytes value)
{
	if (value.len != 0)
		wire_add_element(out, number, value);
}

void wire_add_element(struct buffer *out, uint32_t number, struct bytes value)
{
	add_tag(out, number, WIRE_BYTES, value.len);
	buffer_add(out, value.data, value.len);
}
