/* SPDX-License-Identifier: BSD-2-Clause */
/* Which services there are, and what the config says of each. */
#include "daemon/parent/service.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "conf/schema.h"
#include "daemon/parent/parent.h"

const struct service service_table[] = {
    {"web", SECTION_WEB, web_run},
    {"nntp", SECTION_NNTP, nntp_run},
    {NULL, SECTIONS, NULL},
};

static const void *value(const struct service *s, const struct conf *conf, const char *name)
{
	const struct option_schema *o = option_find((enum conf_section)s->section, name);

	return o ? (const char *)conf + o->offset : NULL;
}

const struct conf_address *service_listen(
    const struct service *s, const struct conf *conf, size_t *count)
{
	size_t *n;
	struct conf_address **list = listen_of(
	    (struct conf *)conf, option_find((enum conf_section)s->section, "listen"), &n);

	*count = *n;
	return *list;
}

const char *service_user(const struct service *s, const struct conf *conf)
{
	const char *const *user = value(s, conf, "user");

	return *user ? *user : conf->node.user;
}

unsigned service_processes(const struct service *s, const struct conf *conf)
{
	const unsigned *n = value(s, conf, "processes");
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (!n)
		return 1;
	if (*n > 0)
		return *n < TOLD_PROCESSES_MAX ? *n : TOLD_PROCESSES_MAX;
	return cores < 1 ? 1 : cores < TOLD_PROCESSES_MAX ? (unsigned)cores : TOLD_PROCESSES_MAX;
}

void service_tell(
    const struct service_setup *s, enum told_state state, const char *trouble, const char *next)
{
	char text[TOLD_TEXT] = "";

	if (trouble)
		snprintf(text, sizeof text, "%s; %s", trouble, next);
	/* That nothing is served, the status says before it. */
	told_tell(s->told, s->number, state, state == TOLD_SERVES ? text : trouble);
	if (trouble && told_news(s->told, text))
		log_error("%s", text);
}

void service_begun(const struct service_setup *s, const char *name, const char *what,
    const struct conf_address *list, size_t count)
{
	struct buffer at = BUFFER_INIT;

	sigset_t hup;

	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	told_tell(s->told, s->number, TOLD_SERVES, NULL);
	sigprocmask(SIG_UNBLOCK, &hup, NULL);
	if (s->number > 0)
		return;
	told_news(s->told, NULL);
	for (size_t i = 0; i < count; i++)
		buffer_printf(&at, "%s%s", i ? ", " : "", list[i].text);
	log_info("%s: %s at %s, by %u process%s", name, what, buffer_str(&at), s->processes,
	    s->processes == 1 ? "" : "es");
	buffer_free(&at);
}

bool user_is_ours(const char *name)
{
	struct passwd *pw = getpwnam(name);

	return pw && pw->pw_uid == geteuid();
}
