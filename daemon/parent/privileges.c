/* SPDX-License-Identifier: BSD-2-Clause */
/* Folders and users: what only root may do, and giving that up. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "daemon/parent/parent.h"

/* In a folder of somebody else's, root may make nothing when it was left no right but to change
 * users and owners, as under systemd: the owner does. */
static int made_as(const char *owner, const char *path, mode_t mode)
{
	struct passwd *pw = owner && geteuid() == 0 ? getpwnam(owner) : NULL;
	int err, why;

	if (!pw)
		return mkdir(path, mode);
	if (seteuid(pw->pw_uid) != 0)
		return -1;
	err = mkdir(path, mode);
	why = errno;
	if (seteuid(0) != 0)
		return -1;
	errno = why;
	return err;
}

/* `owner`: of the folder around it, NULL: whoever this is. */
static int folder_make(const char *path, mode_t mode, const char *owner, const char *user)
{
	struct passwd *pw = user && geteuid() == 0 ? getpwnam(user) : NULL;

	/* Not through a link, which the user of an earlier start may have put there. */
	if ((made_as(owner, path, mode) != 0 && errno != EEXIST) ||
	    (pw && lchown(path, pw->pw_uid, pw->pw_gid) != 0)) {
		log_error("%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	return OK;
}

static int user_check(const char *option, const char *user)
{
	struct passwd *own;

	if (!user)
		return OK;
	if (geteuid() != 0) {
		own = getpwuid(geteuid());
		if (!own || strcmp(own->pw_name, user) != 0)
			log_warning("%s: %s is not used, since convened was not started as root",
			    option, user);
		return OK;
	}
	own = getpwnam(user);
	if (own && own->pw_uid != 0)
		return OK;
	if (own)
		log_error("%s: %s may do everything: name another user", option, user);
	else
		log_error("%s: there is no user %s on this machine", option, user);
	return ERR_NOTFOUND;
}

int users_check(const struct conf *conf)
{
	int err = user_check("node.user", conf->node.user);

	if (!err)
		err = user_check("node.signer_user", conf->node.signer_user);
	if (!err && conf->web.listen_count > 0)
		err = user_check("web.user", conf->web.user);
	if (!err && conf->nntp.listen_count > 0)
		err = user_check("nntp.user", conf->nntp.user);
	return err;
}

const char *signer_user(const struct conf *conf)
{
	return conf->node.signer_user ? conf->node.signer_user : conf->node.user;
}

/* Where the news server keeps the numbers of articles: nothing else there is its to write. */
static int news_prepare(const struct conf *conf)
{
	const char *user = conf->nntp.user ? conf->nntp.user : conf->node.user;
	char path[4096];

	snprintf(path, sizeof path, "%s/news", conf->node.data);
	return folder_make(path, 0700, conf->node.user, user);
}

int data_prepare(const struct conf *conf)
{
	int err = folder_make(conf->node.data, 0750, NULL, conf->node.user);

	if (!err && strcmp(conf->node.signer_data, conf->node.data) != 0)
		err = folder_make(conf->node.signer_data, 0700, NULL, signer_user(conf));
	if (!err && conf->nntp.listen_count > 0)
		err = news_prepare(conf);
	return err;
}

int privileges_drop(const void *user)
{
	struct passwd *pw;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (geteuid() != 0 || !user)
		return OK;
	pw = getpwnam(user);
	if (!pw) {
		log_error("there is no user %s", (const char *)user);
		return ERR_NOTFOUND;
	}
	/* Groups first: afterwards the right to change them is gone. */
	if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0 || setuid(0) == 0) {
		log_error("can't become %s: %s", (const char *)user, strerror(errno));
		return ERR_IO;
	}
	return OK;
}

void limits_raise(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}
