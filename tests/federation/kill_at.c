/* SPDX-License-Identifier: BSD-2-Clause */
/* A library for LD_PRELOAD: the process dies, as by a crash, before the KILL_AT-th of its calls
 * that change files. What it did before stays. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static void step(void)
{
	static long left;
	const char *text = getenv("KILL_AT");

	/* A sanitizer makes folders before there is an environment. */
	if (!text)
		return;
	if (left == 0)
		left = atol(text);
	if (--left == 0)
		kill(getpid(), SIGKILL);
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

	step();
	next(&real, "syncfs");
	return real(fd);
}

int fsync(int fd)
{
	int (*real)(int);

	step();
	next(&real, "fsync");
	return real(fd);
}

ssize_t write(int fd, const void *data, size_t len)
{
	ssize_t (*real)(int, const void *, size_t);

	step();
	next(&real, "write");
	return real(fd, data, len);
}
