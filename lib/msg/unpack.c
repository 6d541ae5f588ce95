/* SPDX-License-Identifier: BSD-2-Clause */
/* protobuf-c, fenced in (SPEC.md section 10.2).
 *
 * protobuf-c 1.4 recurses as deep as its input says and may take 49 times the
 * input's size: 34 KB end a stack, 2 MB take 98. So what it may descend into is
 * walked first, and it allocates from a budget in proportion to its input. A
 * budget is never given back before the end, which bounds the work as well. */
#include <stdlib.h>

#include "base/error.h"
#include "msg/frame.h"
#include "msg/unpack.h"

enum { DEPTH_MAX = 4, ALLOCATION_COST = 16 };

static bool varint(struct bytes *rest, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 70 && rest->len > 0; shift += 7) {
		uint8_t byte = *rest->data;
		rest->data++;
		rest->len--;
		*out |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
		if ((byte & 0x80) == 0)
			return true;
	}
	return false;
}

static const ProtobufCMessageDescriptor *submessage(
    const ProtobufCMessageDescriptor *type, uint64_t number)
{
	if (number > UINT32_MAX)
		return NULL;
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
	    type, (unsigned)number);
	return field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
}

/* Walk what protobuf-c would descend into: submessages that the schema knows. What it doesn't know
 * stays bytes, of whatever depth. */
static int scan(const ProtobufCMessageDescriptor *type, struct bytes rest, unsigned depth, size_t *fields)
{
	if (depth > DEPTH_MAX)
		return ERR_TOO_LARGE;
	while (rest.len > 0) {
		uint64_t tag, value;
		if (!varint(&rest, &tag))
			return ERR_MALFORMED;
		if ((*fields)-- == 0)
			return ERR_TOO_LARGE;
		size_t skip = 0;
		switch (tag & 7) {
		case 0:
			if (!varint(&rest, &value))
				return ERR_MALFORMED;
			break;
		case 1:
			skip = 8;
			break;
		case 2:
			if (!varint(&rest, &value) || value > rest.len)
				return ERR_MALFORMED;
			skip = (size_t)value;
			break;
		case 5:
			skip = 4;
			break;
		default:
			return ERR_MALFORMED;
		}
		if (skip > rest.len)
			return ERR_MALFORMED;
		const ProtobufCMessageDescriptor *sub = NULL;
		if ((tag & 7) == 2)
			sub = submessage(type, tag >> 3);
		int err = sub != NULL ? scan(sub, bytes_of(rest.data, skip), depth + 1, fields) : OK;
		if (err != OK)
			return err;
		rest.data += skip;
		rest.len -= skip;
	}
	return OK;
}

struct budget {
	size_t left;
	bool exceeded, nomem;
};

static void *budget_alloc(void *data, size_t size)
{
	struct budget *budget = data;
	size_t cost = size + ALLOCATION_COST;
	if (cost < size || cost > budget->left) {
		budget->exceeded = true;
		return NULL;
	}
	budget->left -= cost;
	void *p = malloc(size);
	budget->nomem |= p == NULL;
	return p;
}

static void budget_free(void *data, void *p)
{
	(void)data;
	free(p);
}

int message_unpack(
    ProtobufCMessage **out, const ProtobufCMessageDescriptor *type, struct bytes payload)
{
	return message_unpack_within(out, type, payload, message_budget(payload.len), SIZE_MAX);
}

int message_unpack_within(ProtobufCMessage **out, const ProtobufCMessageDescriptor *type, struct bytes payload, size_t bytes,
    size_t fields)
{
	*out = NULL;
	int err = scan(type, payload, 1, &fields);
	if (err != OK)
		return err;
	struct budget budget = {.left = bytes};
	ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
	*out = protobuf_c_message_unpack(type, &allocator, payload.len, payload.data);
	if (*out != NULL)
		return OK;
	if (budget.nomem)
		return ERR_NOMEM;
	return budget.exceeded ? ERR_TOO_LARGE : ERR_MALFORMED;
}

void message_free(ProtobufCMessage *message)
{
	/* Its memory came from malloc(), where protobuf-c's own allocator gives it back. */
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
}
