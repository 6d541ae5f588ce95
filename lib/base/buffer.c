/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

struct bytes bytes_str(const char *s)
{
	return bytes_of(s, strlen(s));
}

bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

uint8_t *buffer_reserve(struct buffer *b, size_t len)
{
	if (b->failed)
		return NULL;
	/* Nothing that C can point into is larger than PTRDIFF_MAX. */
	if (len > (size_t)PTRDIFF_MAX - b->len) {
		b->failed = true;
		return NULL;
	}
	size_t need = b->len + len;
	/* Even an empty reservation returns a place, since NULL says "no memory". */
	if (b->data == NULL || need > b->cap) {
		size_t cap = b->cap > (size_t)PTRDIFF_MAX / 2 ? (size_t)PTRDIFF_MAX : b->cap * 2;
		if (cap < need)
			cap = need;
		if (cap < FIRST_CAP)
			cap = FIRST_CAP;
		uint8_t *data = realloc(b->data, cap);
		if (data == NULL) {
			b->failed = true;
			return NULL;
		}
		b->data = data;
		b->cap = cap;
	}
	return b->data + b->len;
}

void buffer_add(struct buffer *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	uint8_t *to = buffer_reserve(b, len);
	if (to == NULL)
		return;
	memcpy(to, data, len);
	b->len += len;
}

void buffer_add_str(struct buffer *b, const char *s)
{
	buffer_add(b, s, strlen(s));
}

void buffer_add_u8(struct buffer *b, uint8_t v)
{
	buffer_add(b, &v, 1);
}

void buffer_add_u16(struct buffer *b, uint16_t v)
{
	uint8_t be[2];
	put_u16(be, v);
	buffer_add(b, be, sizeof(be));
}

void buffer_add_u32(struct buffer *b, uint32_t v)
{
	uint8_t be[4];
	put_u32(be, v);
	buffer_add(b, be, sizeof(be));
}

void buffer_add_u64(struct buffer *b, uint64_t v)
{
	uint8_t be[8];
	put_u64(be, v);
	buffer_add(b, be, sizeof(be));
}

void buffer_vprintf(struct buffer *b, const char *fmt, va_list ap)
{
	/* vsnprintf() needs room for its NUL; most lines fit the first time. */
	char *to = (char *)buffer_reserve(b, 1);
	if (to == NULL)
		return;
	size_t room = b->cap - b->len;
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(to, room, fmt, ap);
	if (n >= 0 && (size_t)n >= room) {
		to = (char *)buffer_reserve(b, (size_t)n + 1);
		if (to != NULL)
			n = vsnprintf(to, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	if (to == NULL || n < 0)
		b->failed = true;
	else
		b->len += (size_t)n;
}

void buffer_printf(struct buffer *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buffer_vprintf(b, fmt, ap);
	va_end(ap);
}

void buffer_drain(struct buffer *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	if (len == 0)
		return;
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

const char *buffer_str(struct buffer *b)
{
	if (b->len == 0)
		return "";
	uint8_t *end = buffer_reserve(b, 1);
	if (end == NULL)
		return "";
	*end = '\0';
	return (const char *)b->data;
}

struct bytes buffer_bytes(const struct buffer *b)
{
	return bytes_of(b->data, b->len);
}

void buffer_reset(struct buffer *b)
{
	b->len = 0;
	b->failed = false;
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer)BUFFER_INIT;
}

void buffer_wipe(struct buffer *b)
{
	/* Beyond `len` too: a drained or reset secret is still there. */
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buffer_free(b);
}
