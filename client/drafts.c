/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/drafts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/compose.h"
#include "client/output.h"

#define HEADERS_MAX (1024 * 1024) /* bytes */
#define NAME_LEN 32

void writing_init(struct writing *w, enum act act, const char *home)
{
	memset(w, 0, sizeof *w);
	w->act = act;
	w->lock = -1;
	snprintf(w->folder, sizeof w->folder, "%s/drafts", home);
}

static void unlock(struct writing *w)
{
	if (w->lock >= 0)
		close(w->lock);
	w->lock = -1;
}

void writing_free(struct writing *w)
{
	unlock(w);
	buffer_free(&w->to);
	buffer_free(&w->about);
	buffer_free(&w->subject);
	buffer_free(&w->lang);
	buffer_free(&w->attach);
	buffer_free(&w->text);
}

/* ---- files ---- */

static void name_of(char out[static NAME_LEN], uint64_t number, const char *ending)
{
	snprintf(out, NAME_LEN, "%llu%s", (unsigned long long)number, ending);
}

static int path_of(
    char path[static PATH_LEN], const struct writing *w, const char *ending, struct trouble *t)
{
	char name[NAME_LEN];

	name_of(name, w->number, ending);
	return path_join(path, w->folder, name, t);
}

/* Hold the draft's number. The lock's file goes with the draft: one that was removed while we
 * opened it guards nothing. */
static int lock_take(struct writing *w, struct trouble *t)
{
	char path[PATH_LEN];
	struct stat st;
	int err = path_of(path, w, ".lock", t);

	while (!err && w->lock < 0) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return trouble_errno(t, "%.300s can't be opened", path);
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			err = errno == EWOULDBLOCK
				  ? trouble_set(t, ERR_BUSY,
					"draft %llu is being written by another convene",
					(unsigned long long)w->number)
				  : trouble_errno(t, "%.300s can't be locked", path);
			close(fd);
		} else if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
			w->lock = fd;
		} else {
			close(fd);
		}
	}
	return err;
}

static int number_take(struct writing *w, struct trouble *t)
{
	uint64_t *list;
	size_t count;
	char path[PATH_LEN];
	struct stat st;
	char home[PATH_LEN];
	int err = folder_make(w->folder, t);

	if (err)
		return err;
	snprintf(
	    home, sizeof home, "%.*s", (int)(strlen(w->folder) - strlen("/drafts")), w->folder);
	err = drafts_list(home, &list, &count, t);
	if (err)
		return err;
	w->number = count > 0 ? list[count - 1] : 0;
	free(list);
	/* Another program may be at the same number: it is whose lock is first. */
	do {
		unlock(w);
		if (++w->number > DRAFT_NUMBER_MAX)
			return trouble_set(t, ERR_IO, "there are too many drafts");
		err = lock_take(w, t);
		if (!err)
			err = path_of(path, w, "", t);
	} while (err == ERR_BUSY || (!err && stat(path, &st) == 0));
	if (err)
		w->number = 0;
	return err;
}

static bool one_line(const struct buffer *b)
{
	return b->len == 0 || (!memchr(b->data, '\n', b->len) && !memchr(b->data, '\0', b->len));
}

int writing_save(struct writing *w, struct trouble *t)
{
	struct buffer file = BUFFER_INIT;
	char name[NAME_LEN], path[PATH_LEN];
	bool fresh = w->number == 0;
	int err = OK;

	if (!one_line(&w->to) || !one_line(&w->about) || !one_line(&w->subject) ||
	    !one_line(&w->lang))
		return trouble_set(t, ERR_INVALID, "a draft's headers are one line each");
	writing_format(&file, w);
	if (file.failed)
		err = no_memory(t);
	if (!err && fresh)
		err = number_take(w, t);
	if (!err) {
		name_of(name, w->number, "");
		err = file_write(w->folder, name, buffer_bytes(&file), t);
	}
	/* The text is in the draft now. */
	if (!err && path_of(path, w, ".txt", t) == OK)
		unlink(path);
	if (err && fresh)
		w->number = 0;
	buffer_free(&file);
	return err;
}

/* What an editor was at when it, or we, ended. */
static int text_recover(struct writing *w, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	char path[PATH_LEN];
	struct stat st;
	int err = path_of(path, w, ".txt", t);

	if (err || stat(path, &st) != 0)
		return err;
	err = file_read(path, COMPOSE_MAX, &text, t);
	if (err) {
		buffer_free(&text);
		return err;
	}
	if (st.st_mtime > 0)
		w->saved = (uint64_t)st.st_mtime * 1000;
	buffer_free(&w->text);
	w->text = text;
	return OK;
}

int writing_load(struct writing *w, const char *home, uint64_t number, bool lock, struct trouble *t)
{
	struct buffer file = BUFFER_INIT;
	char path[PATH_LEN];
	struct stat st;
	unsigned line;
	int err;

	writing_init(w, ACT_POST, home);
	w->number = number;
	err = path_of(path, w, "", t);
	if (!err && stat(path, &st) != 0) {
		err = errno == ENOENT ? trouble_set(t, ERR_NOTFOUND, "there is no draft %llu",
					    (unsigned long long)number)
				      : trouble_errno(t, "%.300s can't be read", path);
		if (err == ERR_NOTFOUND)
			trouble_hint(t, "`convene drafts` lists them.");
	}
	if (!err && lock)
		err = lock_take(w, t);
	if (!err)
		err = file_read(path, COMPOSE_MAX + HEADERS_MAX, &file, t);
	if (!err && writing_parse(w, buffer_bytes(&file), &line) != OK) {
		trouble_set(
		    t, ERR_IO, "%.300s, line %u: that is not how a draft begins", path, line);
		trouble_hint(t, "Its text is in that file; `convene drafts drop %llu` removes it.",
		    (unsigned long long)number);
		err = ERR_IO;
	}
	buffer_free(&file);
	if (!err) {
		w->saved = st.st_mtime > 0 ? (uint64_t)st.st_mtime * 1000 : 0;
		err = text_recover(w, t);
	}
	return err;
}

int writing_edit(struct writing *w, struct trouble *t)
{
	struct trouble second;
	char name[NAME_LEN], path[PATH_LEN];
	int err = path_of(path, w, ".txt", t);

	name_of(name, w->number, ".txt");
	if (!err)
		err = file_write(w->folder, name, buffer_bytes(&w->text), t);
	if (err)
		return err;
	err = compose_edit(path, t);
	if (text_recover(w, err ? &second : t) != OK)
		return err ? err : t->err;
	if (writing_save(w, err ? &second : t) != OK)
		return err ? err : t->err;
	return err;
}

int draft_remove(const char *home, uint64_t number, struct trouble *t)
{
	struct writing w;
	char path[PATH_LEN], name[NAME_LEN];
	struct stat st;
	int err;

	writing_init(&w, ACT_POST, home);
	w.number = number;
	err = path_of(path, &w, "", t);
	if (!err && stat(path, &st) != 0) {
		trouble_set(t, ERR_NOTFOUND, "there is no draft %llu", (unsigned long long)number);
		trouble_hint(t, "`convene drafts` lists them.");
		return ERR_NOTFOUND;
	}
	if (!err)
		err = lock_take(&w, t);
	if (!err) {
		name_of(name, number, "");
		err = writing_drop(&w, t);
	}
	writing_free(&w);
	return err;
}

int writing_drop(struct writing *w, struct trouble *t)
{
	char name[NAME_LEN], path[PATH_LEN];
	int err = OK;

	if (w->number == 0)
		return OK;
	name_of(name, w->number, "");
	/* The text first: alone it would be recovered into nothing, and the draft is whole. */
	if (path_of(path, w, ".txt", t) == OK)
		unlink(path);
	err = file_move(w->folder, name, NULL, t);
	if (path_of(path, w, ".lock", t) == OK)
		unlink(path);
	unlock(w);
	w->number = 0;
	return err;
}

/* ---- the list ---- */

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int drafts_list(const char *home, uint64_t **list, size_t *count, struct trouble *t)
{
	char path[PATH_LEN];
	struct dirent *entry;
	size_t cap = 0;
	DIR *dir;
	int err = path_join(path, home, "drafts", t);

	*list = NULL;
	*count = 0;
	if (err)
		return err;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? OK : trouble_errno(t, "%.300s can't be read", path);
	while (!err && (errno = 0, entry = readdir(dir))) {
		uint64_t number;

		if (decimal_parse(
			&number, entry->d_name, strlen(entry->d_name), DRAFT_NUMBER_MAX) != OK ||
		    number == 0)
			continue;
		if (*count == cap) {
			uint64_t *larger = realloc(
			    *list, (cap = cap ? 2 * cap : 32) * sizeof *larger);

			if (!larger)
				err = no_memory(t);
			else
				*list = larger;
		}
		if (!err)
			(*list)[(*count)++] = number;
	}
	if (!err && errno)
		err = trouble_errno(t, "%.300s can't be read", path);
	closedir(dir);
	if (err) {
		free(*list);
		*list = NULL;
		*count = 0;
	} else if (*count > 1) {
		qsort(*list, *count, sizeof **list, ascending);
	}
	return err;
}
