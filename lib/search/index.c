/* SPDX-License-Identifier: BSD-2-Clause */
/* The file `index`: reading, and how it is written. */
#include "search/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unicode/uchar.h>

#include "base/error.h"

#define INDEX_VERSION 4 /* of files, terms and folding */
#define SEGMENT_LEN 48  /* of one in `index` */
#define MISSING_LEN (4 + SET_WORDS * 8)
#define INDEX_MAX (256 << 20)

static const uint8_t magic[8] = "CVindex1";

void index_path(char *out, size_t len, const char *folder, uint64_t no)
{
	if (no == 0)
		snprintf(out, len, "%s/index", folder);
	else
		snprintf(out, len, "%s/%llx", folder, (unsigned long long)no);
}

/* How texts are folded is the matter of ICU's Unicode, too. */
static uint32_t version(void)
{
	UVersionInfo unicode;

	u_getUnicodeVersion(unicode);
	return (uint32_t)INDEX_VERSION << 16 | (uint32_t)unicode[0] << 8 | unicode[1];
}

static uint64_t sum_of(struct bytes b)
{
	struct segment s = {.map = b.data, .len = b.len};

	return segment_sum(&s);
}

int index_encode(const struct search_index *x, struct buffer *out)
{
	buffer_add(out, magic, sizeof magic);
	buffer_add_u32(out, version());
	buffer_add_u64(out, x->position);
	buffer_add(out, x->id, ID_LEN);
	buffer_add_u64(out, x->next);
	buffer_add_u32(out, (uint32_t)x->count);
	buffer_add_u32(out, (uint32_t)x->missing_count);
	for (size_t i = 0; i < x->count; i++) {
		const struct index_segment *s = &x->segments[i];

		buffer_add_u64(out, s->no);
		buffer_add_u32(out, s->part);
		buffer_add_u32(out, s->docs);
		buffer_add_u64(out, s->bytes);
		buffer_add_u64(out, s->sum);
		buffer_add_u64(out, s->oldest);
		buffer_add_u64(out, s->newest);
	}
	for (size_t i = 0; i < x->missing_count; i++) {
		buffer_add_u32(out, x->missing[i].part);
		for (size_t j = 0; j < SET_WORDS; j++)
			buffer_add_u64(out, x->missing[i].docs.words[j]);
	}
	if (!out->failed)
		buffer_add_u64(out, sum_of(buffer_bytes(out)));
	return out->failed ? ERR_NOMEM : OK;
}

struct reading {
	const uint8_t *at, *end;
	bool failed;
};

static const uint8_t *take(struct reading *r, size_t len)
{
	static const uint8_t zeros[MISSING_LEN];
	const uint8_t *at = r->at;

	if ((size_t)(r->end - r->at) < len) {
		r->failed = true;
		return zeros;
	}
	r->at += len;
	return at;
}

static int decode(struct search_index *x, struct bytes in)
{
	struct reading r;
	size_t body;

	if (in.len < sizeof magic + 12 || memcmp(in.data, magic, sizeof magic) != 0 ||
	    get_u32(in.data + sizeof magic) != version())
		return ERR_SCHEMA;
	body = in.len - 8;
	if (sum_of(bytes_of(in.data, body)) != get_u64(in.data + body))
		return ERR_STORE;
	r = (struct reading){in.data + sizeof magic + 4, in.data + body, false};
	x->position = get_u64(take(&r, 8));
	memcpy(x->id, take(&r, ID_LEN), ID_LEN);
	x->next = get_u64(take(&r, 8));
	x->count = get_u32(take(&r, 4));
	x->missing_count = get_u32(take(&r, 4));
	if (x->count > body / SEGMENT_LEN || x->missing_count > body / MISSING_LEN)
		return ERR_STORE;
	x->segments = calloc(x->count + 1, sizeof *x->segments);
	x->missing = calloc(x->missing_count + 1, sizeof *x->missing);
	if (!x->segments || !x->missing)
		return ERR_NOMEM;
	for (size_t i = 0; i < x->count; i++) {
		const uint8_t *p = take(&r, SEGMENT_LEN);

		x->segments[i] = (struct index_segment){.no = get_u64(p),
		    .part = get_u32(p + 8),
		    .docs = get_u32(p + 12),
		    .bytes = get_u64(p + 16),
		    .sum = get_u64(p + 24),
		    .oldest = get_u64(p + 32),
		    .newest = get_u64(p + 40)};
	}
	for (size_t i = 0; i < x->missing_count; i++) {
		const uint8_t *p = take(&r, MISSING_LEN);

		x->missing[i].part = get_u32(p);
		for (size_t j = 0; j < SET_WORDS; j++)
			x->missing[i].docs.words[j] = get_u64(p + 4 + 8 * j);
	}
	return r.failed ? ERR_STORE : OK;
}

static int file_read(const char *path, struct buffer *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = OK;
	struct stat st;
	uint8_t *room = NULL;
	ssize_t got = 0;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? ERR_NOTFOUND : ERR_IO;
	if (fstat(fd, &st) != 0)
		err = ERR_IO;
	else if (st.st_size > INDEX_MAX)
		err = ERR_STORE;
	else if (!(room = buffer_reserve(out, (size_t)st.st_size + 1)))
		err = ERR_NOMEM;
	while (!err && (got = read(fd, room + out->len, (size_t)st.st_size - out->len)) != 0) {
		if (got > 0)
			out->len += (size_t)got;
		else if (errno != EINTR)
			err = ERR_IO;
	}
	close(fd);
	return err;
}

/* Map a segment, or take it over from an older state. */
static int segment_get(
    struct index_segment *s, const char *folder, struct search_index *old, bool check)
{
	char path[4096];
	int err;

	/* A number alone doesn't say that it is the same: an index may have begun anew. */
	for (size_t i = 0; old && i < old->count; i++) {
		struct index_segment *o = &old->segments[i];

		if (o->no == s->no && o->part == s->part && o->bytes == s->bytes &&
		    o->sum == s->sum && segment_whole(&o->segment)) {
			s->segment = o->segment;
			o->segment = (struct segment){0};
			return OK;
		}
	}
	index_path(path, sizeof path, folder, s->no);
	err = check ? segment_check_file(path, s->bytes, s->sum) : OK;
	if (!err)
		err = segment_open(&s->segment, path);
	if (!err && (s->segment.part != s->part || s->segment.len != s->bytes))
		err = ERR_STORE;
	return err;
}

int index_load(struct search_index *out, const char *folder, struct search_index *old, bool check)
{
	struct search_index x = {0};
	struct buffer file = BUFFER_INIT;
	char path[4096];
	int err;

	index_path(path, sizeof path, folder, 0);
	err = file_read(path, &file);
	if (!err)
		err = decode(&x, buffer_bytes(&file));
	buffer_free(&file);
	for (size_t i = 0; i < x.count && !err && x.segments; i++)
		err = segment_get(&x.segments[i], folder, old, check);
	if (err) {
		if (x.segments == NULL)
			x.count = 0;
		index_free(&x);
		return err;
	}
	if (old)
		index_free(old);
	*out = x;
	return OK;
}

/* The texts of a part; one that was amended is in several segments. */
static uint64_t part_texts(const struct index_segment *s, size_t count)
{
	struct doc_set all = {{0}};

	if (count == 1)
		return s->docs;
	for (size_t i = 0; i < count; i++)
		segment_find(&s[i].segment, TERM_ALL, &all);
	return set_count(&all);
}

void index_state(const struct search_index *x, struct search_state *out)
{
	*out = (struct search_state){.position = x->position, .segments = x->count};
	for (size_t i = 0, end; i < x->count; i = end) {
		for (end = i; end < x->count && x->segments[end].part == x->segments[i].part; end++)
			out->bytes += x->segments[end].bytes;
		out->texts += part_texts(&x->segments[i], end - i);
		out->parts++;
	}
	for (size_t i = 0; i < x->missing_count; i++)
		out->missing += set_count(&x->missing[i].docs);
}

void index_free(struct search_index *x)
{
	for (size_t i = 0; i < x->count && x->segments; i++)
		segment_close(&x->segments[i].segment);
	free(x->segments);
	free(x->missing);
	*x = (struct search_index){0};
}
