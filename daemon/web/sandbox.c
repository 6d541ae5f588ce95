/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/sandbox.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the first version, which every kernel with Landlock knows. */
#define WRITES                                                              \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |    \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |     \
	    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
	    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
/* Cutting a file needs no opening of it: of the third version, and newer than some headers. */
#define TRUNCATES (1u << 14)
#define TRUNCATES_FROM 3
#define READS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LOG_WRITES (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)

static void allow(int rules, const char *path, uint64_t what)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = what};

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return;
	syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
}

/* The folder that a file is in: the file itself is replaced when it is renewed. */
static void allow_beside(int rules, const char *file, uint64_t what)
{
	char *path = file ? realpath(file, NULL) : NULL, *slash;
	const char *given[2] = {file, path};

	for (int i = 0; i < 2; i++) {
		char *folder = given[i] ? strdup(given[i]) : NULL;

		slash = folder ? strrchr(folder, '/') : NULL;
		if (slash) {
			slash[slash == folder] = '\0';
			allow(rules, folder, what);
		}
		free(folder);
	}
	free(path);
}

static bool landlock(const struct conf *conf, const char *certificate, const char *key)
{
	static const char *const system[] = {
	    "/usr", "/lib", "/lib64", "/etc", "/proc/self", "/sys/devices/system/cpu", "/dev"};
	struct landlock_ruleset_attr all = {
	    .handled_access_fs = WRITES | READS | LANDLOCK_ACCESS_FS_EXECUTE};
	int version = (int)syscall(
	    SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	const char *locale = getenv("CONVENE_LOCALEDIR");
	int rules;
	bool ok;

	if (version >= TRUNCATES_FROM)
		all.handled_access_fs |= TRUNCATES;
	rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
	if (rules < 0)
		return false;
	for (size_t i = 0; i < sizeof system / sizeof *system; i++)
		allow(rules, system[i], READS);
	allow(rules, "/dev/null", READS | LANDLOCK_ACCESS_FS_WRITE_FILE);
	if (locale)
		allow(rules, locale, READS);
	/* Keys that are kept in this folder are protected by their mode, from another user. */
	allow(rules, conf->node.data, READS);
	allow_beside(rules, conf->file, READS);
	allow_beside(rules, certificate, READS);
	allow_beside(rules, key, READS);
	if (strchr(conf->log.target, '/'))
		allow_beside(rules, conf->log.target, READS | LOG_WRITES);
	ok = syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	close(rules);
	return ok;
}

bool sandbox_enter(const struct conf *conf, const char *certificate, const char *key)
{
	struct rlimit none = {0, 0};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	return landlock(conf, certificate, key);
}
