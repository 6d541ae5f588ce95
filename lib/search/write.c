/* SPDX-License-Identifier: BSD-2-Clause */
/* The one who writes: opening, and committing, after which other files count. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "search/files.h"
#include "search/writer.h"

/* ---- committing ---- */

/* Whether one of sorted keys is of a part. */
static bool has_part(const uint64_t *keys, size_t count, uint32_t part)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (key_part(keys[middle]) < part)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && key_part(keys[low]) == part;
}

static bool is_touched(const struct search_writer *w, uint32_t part)
{
	return has_part(w->keys, w->count, part) || has_part(w->drops, w->drop_count, part);
}

static int by_part(const void *a, const void *b)
{
	const struct index_segment *x = a, *y = b;

	return x->part != y->part ? (x->part < y->part) - (x->part > y->part)
				  : (x->no > y->no) - (x->no < y->no);
}

/* The parts that stay as they are. */
static void others_keep(struct search_writer *w)
{
	for (size_t i = 0; i < w->index.count; i++) {
		const struct index_segment *s = &w->index.segments[i];
		bool same = i > 0 && s->part == s[-1].part;

		if (same ? w->fresh.count > 0 &&
			       w->fresh.segments[w->fresh.count - 1].part == s->part
			 : !is_touched(w, s->part)) {
			w->fresh.segments[w->fresh.count] = *s;
			w->fresh.segments[w->fresh.count++].segment = (struct segment){0};
		}
	}
}

static int missing_keep(struct search_writer *w)
{
	struct index_missing *list = calloc(w->missing_count + 1, sizeof *list);

	if (!list)
		return ERR_NOMEM;
	w->fresh.missing = list;
	for (size_t i = 0; i < w->missing_count; i++)
		if (set_count(&w->missing[i].docs) > 0)
			list[w->fresh.missing_count++] = w->missing[i];
	return OK;
}

static int index_write(struct search_writer *w, bool durable)
{
	struct buffer file = BUFFER_INIT;
	char path[INDEX_PATH_ROOM], fresh[INDEX_PATH_ROOM + 8];
	int err = index_encode(&w->fresh, &file);

	index_path(path, sizeof path, w->folder, 0);
	snprintf(fresh, sizeof fresh, "%s.new", path);
	if (!err)
		err = index_file_write(fresh, buffer_bytes(&file), durable);
	if (!err && durable)
		err = folder_sync(w->folder); /* the segments, before they count */
	if (!err && rename(fresh, path) != 0)
		err = ERR_IO;
	if (!err && durable)
		err = folder_sync(w->folder);
	buffer_free(&file);
	return err;
}

/* What has been replaced. */
static int retired_remove(struct search_writer *w, bool zero)
{
	char path[INDEX_PATH_ROOM];
	int err = OK;

	for (size_t i = 0; i < w->retired_count; i++) {
		index_path(path, sizeof path, w->folder, w->retired[i]);
		if (zero ? index_file_erase(path) != OK : unlink(path) != 0 && errno != ENOENT)
			err = ERR_IO;
	}
	return err;
}

/* A commit came to nothing: what it has written is not needed. */
static void commit_undo(struct search_writer *w)
{
	char path[INDEX_PATH_ROOM];

	for (uint64_t no = w->index.next; no < w->fresh.next; no++) {
		index_path(path, sizeof path, w->folder, no);
		unlink(path);
	}
	index_free(&w->fresh);
}

/* Segments that stay are still the old state's to unmap. */
static void segments_move(struct search_writer *w)
{
	for (size_t i = 0; i < w->fresh.count; i++) {
		struct index_segment *s = &w->fresh.segments[i];

		for (size_t j = 0; j < w->index.count && !s->segment.map; j++) {
			if (w->index.segments[j].no == s->no) {
				s->segment = w->index.segments[j].segment;
				w->index.segments[j].segment = (struct segment){0};
			}
		}
	}
}

int search_commit(
    struct search_writer *w, uint64_t position, const uint8_t id[static ID_LEN], bool erase)
{
	size_t most = w->index.count + w->time_count + w->drop_count + 1;
	bool zero = erase || w->drop_count > 0;
	int err;

	batch_keys_unique(w, 0);
	batch_keys_sort(w->drops, w->drop_count);
	w->fresh = (struct search_index){.position = position, .next = w->index.next};
	memcpy(w->fresh.id, id, ID_LEN);
	w->fresh.segments = calloc(most, sizeof *w->fresh.segments);
	w->retired = calloc(w->index.count + 1, sizeof *w->retired);
	w->retired_count = 0;
	err = w->fresh.segments && w->retired ? missing_keep(w) : ERR_NOMEM;
	if (!err) {
		others_keep(w);
		err = parts_run(w, erase);
	}
	if (!err) {
		qsort(w->fresh.segments, w->fresh.count, sizeof *w->fresh.segments, by_part);
		err = index_write(w, erase);
	}
	if (err) {
		commit_undo(w);
		batch_missing_restore(w);
	} else {
		segments_move(w);
		index_free(&w->index);
		w->index = w->fresh;
		w->fresh = (struct search_index){0};
		err = batch_missing_restore(w);
		/* What an earlier commit had to leave goes now, too, or nothing is erased. */
		if ((erase ? index_files_sweep(w->folder, &w->index) : retired_remove(w, zero)) !=
			OK &&
		    !err)
			err = ERR_IO;
	}
	free(w->retired);
	w->retired = NULL;
	batch_clear(w);
	return err;
}

/* ---- opening ---- */

int search_writer_reset(struct search_writer *w)
{
	uint64_t next = w->index.next;
	int err;

	batch_clear(w);
	index_free(&w->index);
	/* No number comes twice, also where it can't be known how far they were. */
	w->fresh = (struct search_index){.next = next ? next : clock_wall_ms()};
	err = index_write(w, true);
	w->index = w->fresh;
	w->fresh = (struct search_index){0};
	if (!err)
		err = batch_missing_restore(w);
	return err ? err : index_files_sweep(w->folder, &w->index);
}

int search_writer_open(struct search_writer **out, const char *folder, bool *anew)
{
	struct search_writer *w = calloc(1, sizeof *w);
	int err = w && (w->folder = strdup(folder)) ? OK : ERR_NOMEM;

	*out = NULL;
	if (anew)
		*anew = false;
	if (!err && mkdir(folder, 0750) != 0 && errno != EEXIST)
		err = errno == ENOSPC ? ERR_NOSPACE : ERR_IO;
	if (!err) {
		err = index_load(&w->index, folder, NULL, true);
		if (err == ERR_NOTFOUND || err == ERR_SCHEMA || err == ERR_STORE) {
			if (anew)
				*anew = true;
			err = search_writer_reset(w);
		} else if (!err) {
			err = index_files_sweep(w->folder, &w->index);
			if (!err)
				err = batch_missing_restore(w);
		}
	}
	if (err)
		search_writer_close(w);
	else
		*out = w;
	return err;
}

void search_writer_close(struct search_writer *w)
{
	if (!w)
		return;
	index_free(&w->index);
	free(w->keys);
	free(w->drops);
	free(w->times);
	free(w->missing);
	free(w->folder);
	free(w);
}
