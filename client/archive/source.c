/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "client/archive/mbox.h"
#include "client/output.h"

#define DEPTH_MAX 64
#define FORGET_BYTES (16 << 20)

struct file {
	char *path;
	uint64_t size, before;
	int64_t changed;  /* ms */
	struct bytes map; /* an mbox, mapped as long as the source lives */
};

struct source {
	enum source_form form;
	struct file *files;
	size_t count, room;
	uint64_t size, done, before; /* before: of the files before this one */
	size_t at;                   /* the file that comes next */
	uint32_t number;
	struct mbox mbox; /* of file at - 1 */
	struct bytes map; /* of a folder's file, until the next */
	uint64_t touched; /* bytes read since forget() */
	volatile sig_atomic_t shrank;
};

/* ---- files that become shorter ---- */

/* Reading behind the new end of a mapped file is a signal. Its pages are replaced by zeros, so that
 * the mail in hand is refused and not the whole run lost. */
static struct source *watched;
static uintptr_t page_size;
static struct sigaction before_us;

static bool maps(const struct bytes *map, const void *at)
{
	uintptr_t begin = (uintptr_t)map->data, addr = (uintptr_t)at;

	return map->len > 0 && addr >= begin && addr - begin < map->len;
}

static void on_bus(int number, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~(page_size - 1);
	int saved = errno;
	bool ours = watched && maps(&watched->map, info->si_addr);

	(void)context;
	for (size_t i = 0; watched && !ours && i < watched->count; i++)
		ours = maps(&watched->files[i].map, info->si_addr);
	if (ours && mmap((void *)page, page_size, PROT_READ,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
		watched->shrank = 1;
	else
		sigaction(number, &before_us, NULL); /* and here it comes again */
	errno = saved;
}

static void watch(struct source *s)
{
	struct sigaction ours = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};

	sigemptyset(&ours.sa_mask);
	page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
	if (!watched && sigaction(SIGBUS, &ours, &before_us) == 0)
		watched = s;
}

static void unwatch(const struct source *s)
{
	if (watched != s)
		return;
	sigaction(SIGBUS, &before_us, NULL);
	watched = NULL;
}

bool source_shrank(struct source *s)
{
	bool shrank = s->shrank != 0;

	s->shrank = 0;
	return shrank;
}

/* ---- files ---- */

/* `flags`: O_NOFOLLOW for what was found, 0 for what was named. */
static int map_file(const char *path, int flags, struct bytes *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags);
	struct stat st;
	void *p = NULL;
	int saved;

	*out = bytes_of(NULL, 0);
	if (fd < 0)
		return ERR_IO;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if (st.st_size > 0)
			p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p && p != MAP_FAILED) {
			madvise(p, (size_t)st.st_size, MADV_SEQUENTIAL);
			*out = bytes_of(p, (size_t)st.st_size);
		}
	} else {
		p = MAP_FAILED;
		errno = errno ? errno : EINVAL;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return p == MAP_FAILED ? ERR_IO : OK;
}

static void unmap(struct bytes *map)
{
	if (map->len > 0)
		munmap((void *)(uintptr_t)map->data, map->len);
	*map = bytes_of(NULL, 0);
}

void source_free(struct source *s)
{
	if (!s)
		return;
	unwatch(s);
	unmap(&s->map);
	for (size_t i = 0; i < s->count; i++) {
		unmap(&s->files[i].map);
		free(s->files[i].path);
	}
	free(s->files);
	free(s);
}

static int file_add(struct source *s, const char *path, const struct stat *st, struct trouble *t)
{
	struct file *f;

	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct file *larger = realloc(s->files, room * sizeof *larger);

		if (!larger)
			return no_memory(t);
		s->files = larger;
		s->room = room;
	}
	f = &s->files[s->count];
	*f = (struct file){.path = strdup(path),
	    .size = (uint64_t)st->st_size,
	    .changed = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000};
	if (!f->path)
		return no_memory(t);
	s->count++;
	s->size += f->size;
	return OK;
}

/* ---- folders ---- */

static bool ends_in(const char *name, const char *suffix)
{
	size_t a = strlen(name), b = strlen(suffix);

	return a > b && strcmp(name + a - b, suffix) == 0;
}

static bool file_wanted(const struct source *s, const char *name, bool maildir)
{
	if (name[0] == '.' || maildir)
		return false;
	return s->form == SOURCE_MAIL || ends_in(name, ".txt") || ends_in(name, ".text") ||
	       ends_in(name, ".md");
}

static bool has_folder(const char *path, const char *name)
{
	char below[PATH_LEN];
	struct stat st;
	int n = snprintf(below, sizeof below, "%s/%s", path, name);

	return n > 0 && (size_t)n < sizeof below && lstat(below, &st) == 0 && S_ISDIR(st.st_mode);
}

static int folder_walk(struct source *s, const char *path, int depth, struct trouble *t)
{
	bool maildir = s->form == SOURCE_MAIL && has_folder(path, "cur") && has_folder(path, "new");
	DIR *dir = opendir(path);
	struct dirent *entry;
	int err = OK;

	if (!dir)
		return trouble_errno(t, "the folder %.300s can't be read", path);
	while (!err && (errno = 0, entry = readdir(dir))) {
		const char *name = entry->d_name;
		char below[PATH_LEN];
		struct stat st;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		err = path_join(below, path, name, t);
		if (err)
			break;
		if (lstat(below, &st) != 0)
			continue; /* gone since */
		if (S_ISREG(st.st_mode) && file_wanted(s, name, maildir))
			err = file_add(s, below, &st, t);
		else if (S_ISDIR(st.st_mode) && !(maildir && strcmp(name, "tmp") == 0))
			err = depth < DEPTH_MAX
				  ? folder_walk(s, below, depth + 1, t)
				  : trouble_set(t, ERR_INVALID,
					"%.300s lies more than %d folders deep", below, DEPTH_MAX);
	}
	if (!err && errno)
		err = trouble_errno(t, "the folder %.300s can't be read", path);
	closedir(dir);
	return err;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

/* ---- opening ---- */

static int mbox_add(struct source *s, const char *path, struct trouble *t)
{
	struct stat st;
	int err = OK;

	if (stat(path, &st) != 0) {
		err = trouble_errno(t, "%.300s can't be read", path);
		if (errno == ENOENT)
			t->err = err = ERR_NOTFOUND;
		if (errno == ENOENT && strcmp(path, "-") == 0)
			trouble_hint(t, "An archive is read twice, and so can't come by a pipe: "
					"put it into a file.");
		return err;
	}
	if (!S_ISREG(st.st_mode)) {
		trouble_set(t, ERR_IO, "%.300s is no file", path);
		if (S_ISDIR(st.st_mode))
			trouble_hint(t, "`import mail` takes a folder with a mail in each file.");
		return t->err;
	}
	err = file_add(s, path, &st, t);
	if (!err && map_file(path, 0, &s->files[s->count - 1].map) != OK)
		err = trouble_errno(t, "%.300s can't be read", path);
	return err;
}

static int folder_add(struct source *s, const char *path, struct trouble *t)
{
	char below[PATH_LEN];
	size_t first = s->count, len = strlen(path);
	struct stat st;
	int err;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= sizeof below)
		return trouble_set(t, ERR_INVALID, "the path %.200s… is too long", path);
	memcpy(below, path, len);
	below[len] = '\0';
	if (stat(below, &st) != 0) {
		err = trouble_errno(t, "%.300s can't be read", path);
		if (errno == ENOENT)
			t->err = err = ERR_NOTFOUND;
		return err;
	}
	if (!S_ISDIR(st.st_mode)) {
		trouble_set(t, ERR_IO, "%.300s is no folder", path);
		trouble_hint(t, s->form == SOURCE_MAIL
				    ? "`import mbox` takes files that hold many mails."
				    : "Give the folder that the files are in.");
		return t->err;
	}
	err = folder_walk(s, below, 0, t);
	if (!err && s->count > first)
		qsort(s->files + first, s->count - first, sizeof *s->files, by_path);
	return err;
}

int source_open(
    struct source **out, enum source_form form, char *const *operands, int count, struct trouble *t)
{
	struct source *s = calloc(1, sizeof *s);
	int err = OK;

	*out = NULL;
	if (!s)
		return no_memory(t);
	s->form = form;
	watch(s);
	for (int i = 0; i < count && !err; i++)
		err = form == SOURCE_MBOX ? mbox_add(s, operands[i], t)
					  : folder_add(s, operands[i], t);
	if (!err && s->count >= UINT32_MAX)
		err = trouble_set(t, ERR_INVALID, "these are too many files");
	if (err) {
		source_free(s);
		return err;
	}
	*out = s;
	return OK;
}

/* ---- reading ---- */

/* What was read of a mapped file counts as our memory until somebody else needs it: give it back
 * now and then. It can still be read. */
static void forget(struct source *s, size_t len)
{
	s->touched += len;
	if (s->touched < FORGET_BYTES)
		return;
	s->touched = 0;
	for (size_t i = 0; i < s->count; i++)
		if (s->files[i].map.len > 0)
			madvise((void *)(uintptr_t)s->files[i].map.data, s->files[i].map.len,
			    MADV_DONTNEED);
}

static int mbox_step(struct source *s, struct source_place *place, struct bytes *raw)
{
	struct mbox_mail mail;
	size_t skipped = 0;

	for (;;) {
		struct file *f = s->at > 0 ? &s->files[s->at - 1] : NULL;

		if (f && mbox_next(&s->mbox, &mail)) {
			*raw = mail.raw;
			forget(s, mail.raw.len);
			*place = (struct source_place){.file = (uint32_t)(s->at - 1),
			    .number = ++s->number,
			    .line = mail.line,
			    .offset = (uint64_t)(mail.raw.data - f->map.data),
			    .len = mail.raw.len,
			    .date = mail.date};
			return 1;
		}
		if (s->at == s->count)
			return OK;
		s->before += f ? f->size : 0;
		f = &s->files[s->at++];
		s->number = 0;
		mbox_open(&s->mbox, f->map, &skipped);
		f->before = skipped;
	}
}

static int file_map(struct source *s, uint32_t file, struct bytes *raw, char why[static 128])
{
	unmap(&s->map);
	if (map_file(s->files[file].path, O_NOFOLLOW, &s->map) != OK) {
		snprintf(why, 128, "it can't be read: %s", strerror(errno));
		*raw = bytes_of(NULL, 0);
		return ERR_IO;
	}
	*raw = s->map.len > 0 ? s->map : bytes_of("", 0);
	return OK;
}

int source_next(
    struct source *s, struct source_place *place, struct bytes *raw, char why[static 128])
{
	why[0] = '\0';
	if (s->form == SOURCE_MBOX) {
		int more = mbox_step(s, place, raw);

		s->done = more ? s->before + place->offset + place->len : s->size;
		return more;
	}
	if (s->at == s->count)
		return OK;
	*place = (struct source_place){.file = (uint32_t)s->at,
	    .number = 1,
	    .line = 1,
	    .date = s->form == SOURCE_TEXT ? s->files[s->at].changed : INT64_MIN};
	s->done += s->files[s->at].size;
	if (file_map(s, (uint32_t)s->at++, raw, why) == OK)
		place->len = raw->len;
	return 1;
}

int source_read(
    struct source *s, const struct source_place *place, struct bytes *raw, char why[static 128])
{
	if (s->form != SOURCE_MBOX)
		return file_map(s, place->file, raw, why);
	forget(s, place->len);
	*raw = bytes_of(s->files[place->file].map.data + place->offset, place->len);
	return OK;
}

const char *source_path(const struct source *s, uint32_t file)
{
	return s->files[file].path;
}

uint64_t source_size(const struct source *s)
{
	return s->size;
}

uint64_t source_done(const struct source *s)
{
	return s->done;
}

uint32_t source_files(const struct source *s)
{
	return (uint32_t)s->count;
}

uint64_t source_before(const struct source *s, uint32_t file)
{
	return s->files[file].before;
}

uint64_t source_file_size(const struct source *s, uint32_t file)
{
	return s->files[file].size;
}

const char *source_unpacker(const struct source *s, uint32_t file)
{
	static const struct {
		const char *begin, *command;
	} known[] = {{"\x1f\x8b", "gunzip"}, {"\x28\xb5\x2f\xfd", "zstd -d --long=31"},
	    {"BZh", "bunzip2"},
	    {"\xfd"
	     "7zXZ",
		"unxz"},
	    {"PK\x03\x04", "unzip"}};
	struct bytes map = s->files[file].map;

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		size_t len = strlen(known[i].begin);

		if (map.len >= len && memcmp(map.data, known[i].begin, len) == 0)
			return known[i].command;
	}
	return NULL;
}
