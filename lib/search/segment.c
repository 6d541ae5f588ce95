/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define BLOCK_BYTES 1024
#define HEADER_LEN 16
#define ENTRY_LEN 8

static const uint8_t magic[8] = "CVsearc1";

size_t set_count(const struct doc_set *s)
{
	size_t count = 0;

	for (size_t i = 0; i < SET_WORDS; i++)
		count += (size_t)__builtin_popcountll(s->words[i]);
	return count;
}

/* ---- numbers ---- */

static size_t varint_write(uint8_t out[static 5], uint32_t value)
{
	size_t len = 0;

	for (; value >= 0x80; value >>= 7)
		out[len++] = (uint8_t)(value | 0x80);
	out[len++] = (uint8_t)value;
	return len;
}

/* 0 where the bytes end. */
static uint32_t varint_read(const uint8_t *data, size_t *at, size_t end)
{
	uint32_t value = 0;

	for (unsigned shift = 0; *at < end && shift < 35; shift += 7) {
		uint8_t byte = data[(*at)++];

		value |= shift < 32 ? (uint32_t)(byte & 0x7f) << shift : 0;
		if (byte < 0x80)
			break;
	}
	return value;
}

/* ---- reading ---- */

static int segment_check(struct segment *s)
{
	if (s->len < HEADER_LEN + ENTRY_LEN || !segment_whole(s))
		return ERR_STORE;
	s->part = get_u32(s->map + 8);
	s->blocks = get_u32(s->map + 12);
	return s->blocks > (s->len - HEADER_LEN) / ENTRY_LEN - 1 ? ERR_STORE : OK;
}

int segment_view(struct segment *out, struct bytes b)
{
	*out = (struct segment){.map = b.data, .len = b.len};
	return segment_check(out);
}

int segment_open(struct segment *out, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = OK;
	struct stat st;
	void *map;

	memset(out, 0, sizeof *out);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	if (fstat(fd, &st) != 0)
		err = ERR_IO;
	else if (st.st_size < HEADER_LEN + ENTRY_LEN || st.st_size > UINT32_MAX)
		err = ERR_STORE;
	if (!err) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED) {
			err = ERR_IO;
		} else {
			out->map = map;
			out->len = (size_t)st.st_size;
		}
	}
	close(fd);
	if (!err && segment_check(out) != OK) {
		segment_close(out);
		err = ERR_STORE;
	}
	return err;
}

void segment_close(struct segment *s)
{
	if (s->map)
		munmap((void *)(uintptr_t)s->map, s->len);
	memset(s, 0, sizeof *s);
}

bool segment_whole(const struct segment *s)
{
	return s->map && memcmp(s->map, magic, sizeof magic) == 0;
}

/* Of any pieces but the last, whole words. */
static uint64_t sum_add(uint64_t h, struct bytes b)
{
	uint64_t word;
	size_t at = 0;

	for (; at + 8 <= b.len; at += 8) {
		memcpy(&word, b.data + at, 8);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	for (; at < b.len; at++)
		h = (h ^ b.data[at]) * UINT64_C(0x9e3779b97f4a7c15);
	return h;
}

uint64_t segment_sum(const struct segment *s)
{
	uint64_t h = sum_add(s->len, bytes_of(s->map, s->len));

	return h ^ h >> 32;
}

int segment_check_file(const char *path, uint64_t bytes, uint64_t sum)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t piece[65536];
	uint64_t h = bytes, at = 0;
	size_t have = 0;
	ssize_t got = 0;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	while (at + have <= bytes) {
		got = read(fd, piece + have, sizeof piece - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
		if (have == sizeof piece) {
			h = sum_add(h, bytes_of(piece, have));
			at += have;
			have = 0;
		}
	}
	close(fd);
	h = sum_add(h, bytes_of(piece, have));
	return got == 0 && at + have == bytes && (h ^ h >> 32) == sum ? OK : ERR_STORE;
}

static uint32_t block_term(const struct segment *s, size_t block)
{
	return get_u32(s->map + HEADER_LEN + block * ENTRY_LEN);
}

/* Where a block is; within the file, whatever it says. */
static void block_bounds(const struct segment *s, size_t block, size_t *from, size_t *to)
{
	const uint8_t *entry = s->map + HEADER_LEN + block * ENTRY_LEN;

	*from = get_u32(entry + 4);
	*to = get_u32(entry + ENTRY_LEN + 4);
	if (*to > s->len)
		*to = s->len;
	if (*from > *to)
		*from = *to;
}

/* What stands at `at`, behind `term`. */
static bool entry_read(struct cursor *c, uint32_t base)
{
	const struct segment *s = c->segment;
	uint32_t head;

	if (c->at >= c->end)
		return false;
	c->term = base + varint_read(s->map, &c->at, c->end);
	head = varint_read(s->map, &c->at, c->end);
	c->bitmap = head & 1;
	c->docs = bytes_of(s->map + c->at, head >> 1);
	if (c->docs.len > c->end - c->at)
		c->docs.len = c->end - c->at;
	c->at += c->docs.len;
	return true;
}

void docs_add(struct bytes docs, bool bitmap, struct doc_set *out)
{
	size_t at = 0;

	if (bitmap) {
		for (size_t i = 0; i < SET_WORDS && 8 * i + 8 <= docs.len; i++)
			out->words[i] |= get_u64(docs.data + 8 * i);
		return;
	}
	for (uint32_t doc = 0; at < docs.len; doc++) {
		doc += varint_read(docs.data, &at, docs.len);
		if (doc >= PART_DOCS)
			return;
		set_add(out, doc);
	}
}

size_t docs_list(struct bytes docs, uint16_t *out, size_t count)
{
	size_t at = 0;

	for (uint32_t doc = 0; at < docs.len; doc++) {
		doc += varint_read(docs.data, &at, docs.len);
		if (doc >= PART_DOCS)
			break;
		out[count++] = (uint16_t)doc;
	}
	return count;
}

void segment_find(const struct segment *s, uint32_t term, struct doc_set *out)
{
	size_t low = 0, high = s->blocks;
	struct cursor c = {.segment = s};

	/* The last block whose first term is not above. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (block_term(s, middle) <= term)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return;
	block_bounds(s, low - 1, &c.at, &c.end);
	for (uint32_t base = block_term(s, low - 1); entry_read(&c, base) && c.term <= term;
	     base = c.term) {
		if (c.term == term) {
			docs_add(c.docs, c.bitmap, out);
			return;
		}
	}
}

static void cursor_block(struct cursor *c, size_t block)
{
	for (c->block = block; c->block < c->segment->blocks; c->block++) {
		block_bounds(c->segment, c->block, &c->at, &c->end);
		if (entry_read(c, block_term(c->segment, c->block)))
			return;
	}
	c->done = true;
}

void cursor_start(struct cursor *c, const struct segment *s)
{
	*c = (struct cursor){.segment = s};
	cursor_block(c, 0);
}

void cursor_next(struct cursor *c)
{
	uint32_t before = c->term;

	if (c->done)
		return;
	if (!entry_read(c, c->term))
		cursor_block(c, c->block + 1);
	/* They rise, or it is damaged. */
	if (!c->done && c->term <= before)
		c->done = true;
}

/* ---- making ---- */

void making_start(struct segment_making *m, uint32_t part)
{
	*m = (struct segment_making){.part = part};
}

static void entry_add(struct segment_making *m, uint32_t term, struct bytes docs, bool bitmap)
{
	uint8_t number[5];

	if (m->count == 0 || m->blocks.len - m->begun >= BLOCK_BYTES) {
		m->begun = m->blocks.len;
		m->last = term;
		m->count++;
		buffer_add_u32(&m->directory, term);
		buffer_add_u32(&m->directory, (uint32_t)m->begun);
	}
	buffer_add(&m->blocks, number, varint_write(number, term - m->last));
	buffer_add(&m->blocks, number, varint_write(number, (uint32_t)docs.len << 1 | bitmap));
	buffer_add(&m->blocks, docs.data, docs.len);
	m->last = term;
}

void making_add(struct segment_making *m, uint32_t term, const struct doc_set *docs)
{
	uint8_t encoded[SET_WORDS * 8 + 5];
	size_t len = 0;
	uint32_t next = 0;

	for (size_t i = 0; i < SET_WORDS && len <= SET_WORDS * 8; i++) {
		uint64_t word = docs->words[i];

		for (; word && len <= SET_WORDS * 8; word &= word - 1) {
			uint32_t doc = (uint32_t)(64 * i) + (uint32_t)__builtin_ctzll(word);

			len += varint_write(encoded + len, doc - next);
			next = doc + 1;
		}
	}
	if (len <= SET_WORDS * 8) {
		entry_add(m, term, bytes_of(encoded, len), false);
		return;
	}
	for (size_t i = 0; i < SET_WORDS; i++)
		put_u64(encoded + 8 * i, docs->words[i]);
	entry_add(m, term, bytes_of(encoded, (size_t)SET_WORDS * 8), true);
}

void making_few(
    struct segment_making *m, uint32_t term, const uint16_t docs[static 1], size_t count)
{
	uint8_t encoded[3 * FEW_MAX + 5];
	uint32_t next = 0;
	size_t len = 0;

	assert(count <= FEW_MAX);
	for (size_t i = 0; i < count; i++) {
		len += varint_write(encoded + len, docs[i] - next);
		next = docs[i] + 1u;
	}
	entry_add(m, term, bytes_of(encoded, len), false);
}

void making_copy(struct segment_making *m, const struct cursor *c)
{
	entry_add(m, c->term, c->docs, c->bitmap);
}

int making_end(struct segment_making *m, struct buffer *out)
{
	size_t before = HEADER_LEN + (size_t)(m->count + 1) * ENTRY_LEN;
	int err;

	if (before + m->blocks.len > UINT32_MAX)
		return ERR_TOO_LARGE;
	buffer_add(out, magic, sizeof magic);
	buffer_add_u32(out, m->part);
	buffer_add_u32(out, m->count);
	buffer_add_u32(&m->directory, 0);
	buffer_add_u32(&m->directory, (uint32_t)m->blocks.len);
	for (size_t i = 0; !m->directory.failed && i < m->directory.len; i += ENTRY_LEN)
		put_u32(m->directory.data + i + 4,
		    get_u32(m->directory.data + i + 4) + (uint32_t)before);
	buffer_add(out, m->directory.data, m->directory.len);
	buffer_add(out, m->blocks.data, m->blocks.len);
	err = out->failed || m->directory.failed || m->blocks.failed ? ERR_NOMEM : OK;
	making_free(m);
	return err;
}

void making_free(struct segment_making *m)
{
	buffer_free(&m->directory);
	buffer_free(&m->blocks);
}
