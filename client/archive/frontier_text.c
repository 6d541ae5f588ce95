/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/frontier_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"

#define FIRST_LINE "convene frontier v1"
#define SIZE_MOST ((UINT64_C(1) << 53) - 1)

int frontier_add(
    struct frontier *f, struct bytes name, uint64_t size, const uint8_t root[static HASH_LEN])
{
	struct frontier_log log = {.size = size};
	struct bytes organisation;
	uint64_t number;

	if (name.len > VERIFIER_NAME_MAX ||
	    log_name_parse(name, &organisation, log.digest, &number) != OK)
		return ERR_MALFORMED;
	memcpy(log.name, name.data, name.len);
	memcpy(log.root, root, HASH_LEN);
	/* Room doubles at each power of two. */
	if ((f->count & (f->count - 1)) == 0) {
		size_t cap = f->count == 0 ? 1 : f->count * 2;
		struct frontier_log *logs = realloc(f->logs, cap * sizeof *logs);

		if (!logs)
			return ERR_NOMEM;
		f->logs = logs;
	}
	f->logs[f->count++] = log;
	return OK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct frontier_log *)a)->name, ((const struct frontier_log *)b)->name);
}

static int by_digest(const void *a, const void *b)
{
	const struct frontier_log *const *x = a, *const *y = b;

	return memcmp((*x)->digest, (*y)->digest, DIGEST_LEN);
}

void frontier_sort(struct frontier *f)
{
	if (f->count > 0)
		qsort(f->logs, f->count, sizeof *f->logs, by_name);
}

const struct frontier_log *frontier_find(const struct frontier *f, const char *name)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(f->logs[mid].name, name);

		if (order == 0)
			return &f->logs[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

void frontier_free(struct frontier *f)
{
	free(f->logs);
	*f = (struct frontier){NULL, 0};
}

/* ---- text ---- */

static int log_parse(struct frontier *f, struct bytes line)
{
	const uint8_t *name_end = memchr(line.data, ' ', line.len), *size_end;
	const uint8_t *end = line.data + line.len;
	uint8_t root[HASH_LEN];
	size_t len = sizeof root;
	uint64_t size;
	int err;

	if (!name_end)
		return ERR_MALFORMED;
	size_end = memchr(name_end + 1, ' ', (size_t)(end - name_end - 1));
	if (!size_end ||
	    decimal_parse(&size, (const char *)name_end + 1, (size_t)(size_end - name_end - 1),
		SIZE_MOST) != OK ||
	    size == 0 ||
	    base64_decode(root, &len, (const char *)size_end + 1, (size_t)(end - size_end - 1)) !=
		OK ||
	    len != sizeof root)
		return ERR_MALFORMED;
	err = frontier_add(f, bytes_of(line.data, (size_t)(name_end - line.data)), size, root);
	if (!err && f->count > 1 && by_name(&f->logs[f->count - 2], &f->logs[f->count - 1]) >= 0)
		return ERR_MALFORMED;
	return err;
}

int frontier_parse(struct frontier *out, struct bytes text, unsigned *line)
{
	int err = OK;

	*out = (struct frontier){NULL, 0};
	for (*line = 1; !err; ++*line) {
		const uint8_t *nl = text.len ? memchr(text.data, '\n', text.len) : NULL;
		struct bytes one = bytes_of(text.data, nl ? (size_t)(nl - text.data) : 0);

		if (!nl && text.len == 0 && *line > 1)
			return OK;
		if (!nl)
			return ERR_MALFORMED;
		if (*line > 1)
			err = log_parse(out, one);
		else if (!bytes_equal(one, bytes_str(FIRST_LINE)))
			err = ERR_MALFORMED;
		if (err)
			break;
		text = bytes_of(nl + 1, text.len - one.len - 1);
	}
	return err;
}

void frontier_format(struct buffer *out, const struct frontier *f)
{
	buffer_add_str(out, FIRST_LINE "\n");
	for (size_t i = 0; i < f->count; i++) {
		char root[BASE64_LEN(HASH_LEN) + 1];

		base64_encode(root, f->logs[i].root, HASH_LEN);
		buffer_printf(out, "%s %llu %s\n", f->logs[i].name,
		    (unsigned long long)f->logs[i].size, root);
	}
}

int frontier_hash(const struct frontier *f, uint8_t out[static HASH_LEN])
{
	static const char domain[] = "convene/v1/frontier";
	const struct frontier_log **order = calloc(f->count + 1, sizeof *order);
	struct buffer all = BUFFER_INIT;
	int err = order ? OK : ERR_NOMEM;

	for (size_t i = 0; !err && i < f->count; i++)
		order[i] = &f->logs[i];
	if (!err)
		qsort(order, f->count, sizeof *order, by_digest);
	buffer_add(&all, domain, sizeof domain); /* with its NUL */
	for (size_t i = 0; !err && i < f->count; i++) {
		buffer_add(&all, order[i]->digest, DIGEST_LEN);
		buffer_add_u64(&all, order[i]->size);
		buffer_add(&all, order[i]->root, HASH_LEN);
	}
	if (all.failed)
		err = ERR_NOMEM;
	if (!err)
		hash_of(out, all.data, all.len);
	buffer_free(&all);
	free(order);
	return err;
}
