/* SPDX-License-Identifier: BSD-2-Clause */
/* A growable run of bytes with one owner, and a view of bytes with none. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that somebody else owns; valid as long as their owner says. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

struct buffer {
	uint8_t *data;
	size_t len;
	size_t cap;
	bool failed; /* an allocation failed since the last buffer_reset(): contents are cut off */
};

/* clang-format off */
#define BUFFER_INIT {NULL, 0, 0, false}
/* clang-format on */

static inline struct bytes bytes_of(const void *data, size_t len)
{
	return (struct bytes){(const uint8_t *)data, len};
}
struct bytes bytes_str(const char *s);
bool bytes_equal(struct bytes a, struct bytes b);

/* Append; on lack of memory set `failed` and drop the bytes, so that a writer checks once at the
 * end. After that everything is dropped until buffer_reset(): a hole in the middle could look like
 * a whole. `data` may not lie inside `b`. */
void buffer_add(struct buffer *b, const void *data, size_t len);
void buffer_add_str(struct buffer *b, const char *s);
void buffer_add_u8(struct buffer *b, uint8_t v);
void buffer_add_u16(struct buffer *b, uint16_t v); /* big-endian, as all below */
void buffer_add_u32(struct buffer *b, uint32_t v);
void buffer_add_u64(struct buffer *b, uint64_t v);
void buffer_printf(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Make room for `len` more bytes and return where they go (NULL: no memory). Does not change the
 * buffer's length. */
uint8_t *buffer_reserve(struct buffer *b, size_t len);

/* Remove the first `len` bytes (at most all). Moves what stays: drain in large steps. */
void buffer_drain(struct buffer *b, size_t len);

/* The contents as a NUL-terminated string, owned by the buffer; "" when empty or failed. */
const char *buffer_str(struct buffer *b);

struct bytes buffer_bytes(const struct buffer *b);
void buffer_reset(struct buffer *b); /* empty, keep the memory */
void buffer_free(struct buffer *b);  /* give the memory back; usable again as if BUFFER_INIT */
/* buffer_free(), but overwrite first: for secrets, which must have been given their room by one
 * buffer_reserve(), since growing leaves copies. */
void buffer_wipe(struct buffer *b);

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t get_u64(const uint8_t *p)
{
	return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}
static inline void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}
static inline void put_u64(uint8_t *p, uint64_t v)
{
	put_u32(p, (uint32_t)(v >> 32));
	put_u32(p + 4, (uint32_t)v);
}

#endif
