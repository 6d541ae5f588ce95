/* SPDX-License-Identifier: BSD-2-Clause */
/* A library for LD_PRELOAD: the process dies, as by a crash, before the KILL_AT-th of its calls
 * that change files. What it did before stays.
 *
 * For a daemon: KILL_CALLS says which calls count instead, by letters: d data synced, w written at
 * a place in a file, n sent on a socket, o others. KILL_THREADS names the threads in which they do,
 * KILL_WHEN a file that has to be there, and with KILL_GROUP the whole process group dies. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DATA = 'd', PLACE = 'w', NET = 'n', OTHER = 'o' };

static int counts(int kind, int by_default)
{
	const char *calls = getenv("KILL_CALLS"), *threads = getenv("KILL_THREADS");
	const char *when = getenv("KILL_WHEN");
	char name[17] = "";

	if (calls ? !strchr(calls, kind) : !by_default)
		return 0;
	if (threads && (prctl(PR_GET_NAME, name, 0, 0, 0) != 0 || !strstr(threads, name)))
		return 0;
	return !when || access(when, F_OK) == 0;
}

static void step_if(int kind, int by_default)
{
	static atomic_long done;
	const char *text = getenv("KILL_AT");

	/* A sanitizer makes folders before there is an environment. */
	if (!text || !counts(kind, by_default))
		return;
	if (atomic_fetch_add(&done, 1) + 1 == atol(text))
		kill(getenv("KILL_GROUP") ? 0 : getpid(), SIGKILL);
}

static void step(void)
{
	step_if(OTHER, 1);
}

static int is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The next function of this name. A cast from void * to a function is not ISO C. */
static void next(void *out, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	memcpy(out, &found, sizeof found);
}

int renameat(int from, const char *name, int to, const char *other)
{
	int (*real)(int, const char *, int, const char *);

	step();
	next(&real, "renameat");
	return real(from, name, to, other);
}

int unlinkat(int at, const char *name, int flags)
{
	int (*real)(int, const char *, int);

	step();
	next(&real, "unlinkat");
	return real(at, name, flags);
}

int mkdirat(int at, const char *name, mode_t mode)
{
	int (*real)(int, const char *, mode_t);

	step();
	next(&real, "mkdirat");
	return real(at, name, mode);
}

int mkdir(const char *name, mode_t mode)
{
	int (*real)(const char *, mode_t);

	step();
	next(&real, "mkdir");
	return real(name, mode);
}

int syncfs(int fd)
{
	int (*real)(int);

	step_if(DATA, 1);
	next(&real, "syncfs");
	return real(fd);
}

int fsync(int fd)
{
	int (*real)(int);

	step_if(DATA, 1);
	next(&real, "fsync");
	return real(fd);
}

ssize_t write(int fd, const void *data, size_t len)
{
	ssize_t (*real)(int, const void *, size_t);

	step_if(is_socket(fd) ? NET : OTHER, 1);
	next(&real, "write");
	return real(fd, data, len);
}

int fdatasync(int fd)
{
	int (*real)(int);

	step_if(DATA, 0);
	next(&real, "fdatasync");
	return real(fd);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	ssize_t (*real)(int, const void *, size_t, off_t);

	step_if(PLACE, 0);
	next(&real, "pwrite");
	return real(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	ssize_t (*real)(int, const void *, size_t, off64_t);

	step_if(PLACE, 0);
	next(&real, "pwrite64");
	return real(fd, data, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	ssize_t (*real)(int, const struct iovec *, int);

	step_if(is_socket(fd) ? NET : OTHER, 0);
	next(&real, "writev");
	return real(fd, parts, count);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	ssize_t (*real)(int, const void *, size_t, int);

	step_if(NET, 0);
	next(&real, "send");
	return real(fd, data, len, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t (*real)(int, const struct msghdr *, int);

	step_if(NET, 0);
	next(&real, "sendmsg");
	return real(fd, message, flags);
}
