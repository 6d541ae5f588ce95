/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/publication.h"

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
#include "base/file.h"
#include "client/output.h"

#define INDEX "logs"
#define INDEX_HEAD "convene published logs v1"
#define INDEX_MAX (16 << 20)
#define UNNAMED ".new" /* the file that is being written */

struct publication {
	int fd;
	char path[PATH_LEN];
	uint8_t forum[HASH_LEN];
	struct verifier *logs; /* ascending by name */
	size_t count;
	uint64_t written;
};

const char *publication_path(const struct publication *p)
{
	return p->path;
}

uint64_t publication_written(const struct publication *p)
{
	return p->written;
}

size_t publication_count(const struct publication *p)
{
	return p->count;
}

const char *publication_log(const struct publication *p, size_t i)
{
	return p->logs[i].name;
}

/* ---- files ---- */

static int fails(const struct publication *p, const char *path, const char *what, struct trouble *t)
{
	return trouble_errno(t, "%.300s/%.150s can't be %s", p->path, path, what);
}

/* The folders that a path goes through. */
static int parents_make(const struct publication *p, const char *path)
{
	char part[PATH_LEN];

	snprintf(part, sizeof part, "%s", path);
	for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdirat(p->fd, part, 0777) != 0 && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return 0;
}

/* The folder that a path is in. */
static int parent_sync(const struct publication *p, const char *path)
{
	const char *slash = strrchr(path, '/');
	char part[PATH_LEN];
	int fd, result;

	snprintf(part, sizeof part, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	fd = openat(p->fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	/* EINVAL: a file system that has no such thing. */
	result = fsync(fd) == 0 || errno == EINVAL ? 0 : -1;
	close(fd);
	return result;
}

int publication_put(
    struct publication *p, const char *path, struct bytes content, bool durable, struct trouble *t)
{
	int fd = openat(
	    p->fd, UNNAMED, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	bool good = fd >= 0 && file_fill(fd, content) == OK && (!durable || fsync(fd) == 0);

	if (!good) {
		fails(p, path, "written", t);
		if (fd >= 0)
			close(fd);
		return t->err;
	}
	close(fd);
	if (renameat(p->fd, UNNAMED, p->fd, path) != 0 &&
	    (errno != ENOENT || parents_make(p, path) != 0 ||
		renameat(p->fd, UNNAMED, p->fd, path) != 0))
		return fails(p, path, "written", t);
	if (durable && parent_sync(p, path) != 0)
		return fails(p, path, "synced", t);
	p->written += content.len;
	return OK;
}

int publication_get(
    struct publication *p, const char *path, size_t max, struct buffer *out, struct trouble *t)
{
	char whole[PATH_LEN];
	int err = path_join(whole, p->path, path, t);

	return err ? err : file_read(whole, max, out, t);
}

int publication_remove(struct publication *p, const char *path, bool *was, struct trouble *t)
{
	*was = unlinkat(p->fd, path, 0) == 0;
	if (*was || errno == ENOENT || errno == ENOTDIR)
		return OK;
	return fails(p, path, "removed", t);
}

/* One call for thousands of files, where a sync of each would take minutes. */
int publication_sync(struct publication *p, struct trouble *t)
{
	if (syncfs(p->fd) == 0)
		return OK;
	return trouble_errno(t, "%.300s can't be synced", p->path);
}

/* ---- partial tiles ---- */

/* Remove the folder `name` in `at` with the files in it. */
static int partials_remove(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			unlinkat(fd, e->d_name, 0);
	closedir(dir);
	return unlinkat(at, name, AT_REMOVEDIR);
}

static int tidy(int at, const char *name, unsigned depth)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), result = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (result == 0 && (e = readdir(dir))) {
		size_t len = strlen(e->d_name);
		char full[NAME_MAX + 1];

		if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
			continue;
		if (len < 2 || strcmp(e->d_name + len - 2, ".p") != 0) {
			if (depth > 0 && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			    S_ISDIR(st.st_mode))
				result = tidy(fd, e->d_name, depth - 1);
			continue;
		}
		snprintf(full, sizeof full, "%.*s", (int)len - 2, e->d_name);
		if (fstatat(fd, full, &st, AT_SYMLINK_NOFOLLOW) == 0)
			result = partials_remove(fd, e->d_name);
	}
	closedir(dir);
	return result;
}

int publication_tidy(struct publication *p, const char *log, struct trouble *t)
{
	char path[VERIFIER_NAME_MAX + 8];

	snprintf(path, sizeof path, "%s/tile", log);
	return tidy(p->fd, path, 8) == 0 || errno == ENOENT ? OK : fails(p, path, "tidied", t);
}

/* ---- the index ---- */

static int index_write(struct publication *p, struct trouble *t)
{
	char hex[2 * HASH_LEN + 1], text[VERIFIER_TEXT_MAX + 1];
	struct buffer out = BUFFER_INIT;
	int err;

	hex_encode(hex, p->forum, HASH_LEN);
	buffer_printf(&out, INDEX_HEAD "\n%s\n", hex);
	for (size_t i = 0; i < p->count; i++) {
		verifier_format(text, &p->logs[i]);
		buffer_printf(&out, "%s\n", text);
	}
	err = out.failed ? no_memory(t) : publication_put(p, INDEX, buffer_bytes(&out), true, t);
	buffer_free(&out);
	return err;
}

/* Keep them ascending. */
static int log_insert(struct publication *p, const struct verifier *log)
{
	struct verifier *more = realloc(p->logs, (p->count + 1) * sizeof *more);
	size_t at = p->count;

	if (!more)
		return ERR_NOMEM;
	p->logs = more;
	while (at > 0 && strcmp(p->logs[at - 1].name, log->name) > 0)
		at--;
	memmove(&p->logs[at + 1], &p->logs[at], (p->count - at) * sizeof *p->logs);
	p->logs[at] = *log;
	p->count++;
	return OK;
}

int publication_add(struct publication *p, const struct verifier *log, struct trouble *t)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->logs[i].name, log->name) == 0)
			return OK;
	return log_insert(p, log) == OK ? index_write(p, t) : no_memory(t);
}

/* The next line, without its newline. */
static bool line_next(struct bytes *in, struct bytes *line)
{
	const uint8_t *end = in->len ? memchr(in->data, '\n', in->len) : NULL;

	if (!end)
		return false;
	*line = bytes_of(in->data, (size_t)(end - in->data));
	*in = bytes_of(end + 1, in->len - line->len - 1);
	return true;
}

static int index_parse(struct publication *p, struct bytes in, struct trouble *t)
{
	uint8_t forum[HASH_LEN], digest[DIGEST_LEN];
	struct bytes line, organisation;
	struct verifier log;
	uint64_t number;

	if (!line_next(&in, &line) || !bytes_equal(line, bytes_str(INDEX_HEAD)) ||
	    !line_next(&in, &line) ||
	    hex_decode(forum, HASH_LEN, (const char *)line.data, line.len) != OK) {
		trouble_set(t, ERR_INVALID, "%.300s is not a folder of published logs", p->path);
		trouble_hint(t, "Name an empty folder, or one that does not exist.");
		return t->err;
	}
	if (memcmp(forum, p->forum, HASH_LEN) != 0)
		return trouble_set(
		    t, ERR_OTHER_FORUM, "%.300s holds published logs of another forum", p->path);
	while (line_next(&in, &line)) {
		if (verifier_parse(&log, line) != OK || log.type != VERIFIER_ED25519 ||
		    log_name_parse(bytes_str(log.name), &organisation, digest, &number) != OK)
			return trouble_set(t, ERR_MALFORMED,
			    "%.300s/" INDEX " has a line that is no log's verifier key", p->path);
		if (log_insert(p, &log) != OK)
			return no_memory(t);
	}
	return in.len == 0 ? OK
			   : trouble_set(t, ERR_MALFORMED, "%.300s/" INDEX " is cut off", p->path);
}

/* ---- opening ---- */

static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *e;
	bool empty = dir != NULL;

	while (empty && (e = readdir(dir)))
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			strcmp(e->d_name, "lost+found") == 0 || /* a disk of its own */
			strcmp(e->d_name, UNNAMED) == 0;        /* a first run that was killed */
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
	return empty;
}

static int load(struct publication *p, struct trouble *t)
{
	struct buffer in = BUFFER_INIT;
	int err = publication_get(p, INDEX, INDEX_MAX, &in, t);
	bool was;

	if (!err) {
		err = index_parse(p, buffer_bytes(&in), t);
		/* What was being written may have been erased since. */
		if (!err)
			err = publication_remove(p, UNNAMED, &was, t);
	} else if (err == ERR_NOTFOUND) {
		err = OK;
		if (!is_empty(p->fd)) {
			err = trouble_set(t, ERR_INVALID,
			    "%.300s is neither empty nor a folder of published logs", p->path);
			trouble_hint(t, "Name an empty folder, or one that does not exist.");
		}
		if (!err)
			err = index_write(p, t);
	}
	buffer_free(&in);
	return err;
}

int publication_open(struct publication **out, const char *folder,
    const uint8_t forum[static HASH_LEN], struct trouble *t)
{
	struct publication *p = calloc(1, sizeof *p);
	int err = OK;

	*out = NULL;
	if (!p)
		return no_memory(t);
	p->fd = -1;
	memcpy(p->forum, forum, HASH_LEN);
	if (snprintf(p->path, sizeof p->path, "%s", folder) >= (int)sizeof p->path)
		err = trouble_set(t, ERR_INVALID, "the path %.200s… is too long", folder);
	else if (mkdir(folder, 0777) != 0 && errno != EEXIST)
		err = trouble_errno(t, "the folder %.300s can't be made", folder);
	else if ((p->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		err = trouble_errno(t, "%.300s can't be used", folder);
	else if (flock(p->fd, LOCK_EX | LOCK_NB) != 0)
		err = errno == EWOULDBLOCK
			  ? trouble_set(t, ERR_BUSY,
				"another `convenectl publish` is at work in %.300s", folder)
			  : trouble_errno(t, "%.300s can't be locked", folder);
	if (!err)
		err = load(p, t);
	if (err)
		publication_close(p);
	else
		*out = p;
	return err;
}

void publication_close(struct publication *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	free(p->logs);
	free(p);
}
