/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process that serves pages may still do. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/web/sandbox.h"

static char folder[] = "/tmp/test_sandbox_XXXXXX";

static char *path_of(const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

static void file_make(const char *name)
{
	char *path = path_of(name);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
	free(path);
}

/* 0, or errno. */
static int opens(const char *name, int how)
{
	char *path = name[0] == '/' ? strdup(name) : path_of(name);
	int fd = open(path, how, 0600), err = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	free(path);
	return err;
}

/* Kernels before 6.2 can't keep from that; what they say of themselves is the version. */
static bool cuts(const char *name)
{
	char *path = path_of(name);
	bool can = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 3;
	int failed = truncate(path, 0);

	free(path);
	return can && failed == 0;
}

/* Bits of what is not as it should be; 255: there is no Landlock. */
static int inside(const struct conf *conf)
{
	char *certificate = path_of("tls/full.pem"), *program = path_of("data/program");
	char *const argv[] = {program, NULL};
	int wrong = 0;

	chmod(program, 0755);
	if (!sandbox_enter(conf, certificate, certificate))
		return 255;
	wrong |= opens("data/convene.db", O_RDONLY) != 0 ? 1 : 0;
	wrong |= opens("data/convene.db", O_RDWR) != EACCES ? 2 : 0;
	wrong |= cuts("data/convene.db") ? 128 : 0;
	wrong |= opens("data/new", O_CREAT | O_WRONLY) != EACCES ? 4 : 0;
	wrong |= opens("tls/full.pem", O_RDONLY) != 0 ? 8 : 0;
	wrong |= opens("elsewhere/secret", O_RDONLY) != EACCES ? 16 : 0;
	wrong |= opens("log/convened.log", O_WRONLY | O_APPEND) != 0 ? 32 : 0;
	execv("/bin/true", (char *const[]){(char *)(uintptr_t) "true", NULL});
	wrong |= errno != EACCES ? 64 : 0;
	execv(program, argv);
	wrong |= errno != EACCES ? 64 : 0;
	return wrong;
}

static void test_inside(void **state)
{
	static const char *const folders[] = {"data", "tls", "elsewhere", "log", "etc"};
	struct conf conf = {.file = path_of("etc/convened.conf")};
	char *command = NULL;
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		char *path = path_of(folders[i]);

		assert_int_equal(mkdir(path, 0700), 0);
		free(path);
	}
	file_make("data/convene.db");
	file_make("data/program");
	file_make("tls/full.pem");
	file_make("elsewhere/secret");
	file_make("log/convened.log");
	conf.node.data = path_of("data");
	conf.log.target = path_of("log/convened.log");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(inside(&conf));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(asprintf(&command, "rm -r '%s'", folder) > 0);
	assert_int_equal(system(command), 0);
	free(command);
	free(conf.file);
	free(conf.node.data);
	free(conf.log.target);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 255)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_inside)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
