/* SPDX-License-Identifier: BSD-2-Clause */
/* The strict protobuf of SPEC.md section 2.3: one encoding for a value, read without allocating.
 *
 * This reader is ours because generated code accepts what a signed header must
 * not hold: fields out of order, repeated, unknown, or longer than needed.
 * Any thread. */
#ifndef MSG_WIRE_H
#define MSG_WIRE_H

#include "base/buffer.h"

struct wire_reader {
	struct bytes rest;
	uint32_t last; /* the highest field number so far */
};

struct wire_field {
	uint32_t number;
	bool is_bytes;
	uint64_t value;     /* !is_bytes */
	struct bytes bytes; /* is_bytes; points into what is read */
};

void wire_reader_start(struct wire_reader *r, struct bytes in);
/* Next field: OK, ERR_NOTFOUND at the end, ERR_MALFORMED, ERR_NOT_CANONICAL. */
int wire_next(struct wire_reader *r, struct wire_field *out);

/* Append a field; zero and empty append nothing, as the strict form wants. Ascending order is the
 * caller's. */
void wire_add_uint(struct buffer *out, uint32_t number, uint64_t value);
void wire_add_bytes(struct buffer *out, uint32_t number, struct bytes value);

/* Append an element of a repeated field or a submessage, also when it is empty: for content, which
 * is not strict. */
void wire_add_element(struct buffer *out, uint32_t number, struct bytes value);

#endif
