/* SPDX-License-Identifier: BSD-2-Clause */
/* The config and this machine: what `convened -n` says beside the mistakes. The config may be meant
 * for another machine, so none of it is one. */
#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "base/error.h"
#include "daemon/parent/parent.h"
#include "daemon/web/tls.h"

static void user_look(FILE *to, const struct conf *conf, const char *option, const char *user)
{
	if (user && !getpwnam(user))
		fprintf(to, "%s: warning: %s: there is no user %s on this machine\n", conf->file,
		    option, user);
}

/* Is it there? What this user may not see, another may. */
static bool file_look(FILE *to, const struct conf *conf, const char *option, const char *path)
{
	if (access(path, F_OK) == 0 || errno == EACCES)
		return access(path, R_OK) == 0;
	fprintf(to, "%s: warning: %s: %s is not on this machine\n", conf->file, option, path);
	return false;
}

static void pair_look(FILE *to, const struct conf *conf, const char *section,
    const char *certificate, const char *key)
{
	char why[TLS_WHY_LEN], option[32];
	bool both;

	if (!certificate || !key)
		return;
	snprintf(option, sizeof option, "%s.certificate", section);
	both = file_look(to, conf, option, certificate);
	snprintf(option, sizeof option, "%s.key", section);
	both = file_look(to, conf, option, key) && both;
	if (both && web_tls_check(section, certificate, key, why) != OK)
		fprintf(to, "%s: warning: %s\n", conf->file, why);
}

void here_look(FILE *to, const struct conf *conf)
{
	user_look(to, conf, "node.user", conf->node.user);
	user_look(to, conf, "node.signer_user", conf->node.signer_user);
	file_look(to, conf, "node.charter", conf->node.charter);
	file_look(to, conf, "node.keys", conf->node.keys);
	if (conf->web.listen_count > 0) {
		user_look(to, conf, "web.user", conf->web.user);
		pair_look(to, conf, "web", conf->web.certificate, conf->web.key);
	}
	if (conf->nntp.listen_count > 0) {
		user_look(to, conf, "nntp.user", conf->nntp.user);
		pair_look(to, conf, "nntp", conf->nntp.certificate, conf->nntp.key);
	}
}
