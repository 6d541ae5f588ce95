/* SPDX-License-Identifier: BSD-2-Clause */
/* The parent and its keepers (keeper.c): starting them, looking after them, passing signals on. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/parent/parent.h"

static void keeper_start(struct keeper *k, struct keepers *all, struct relay_setup *setup)
{
	int pair[2];

	pause_begin(&k->pause);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		log_error("%s: %s", k->service->name, strerror(errno));
		pause_after(&k->pause);
		return;
	}
	k->pid = fork();
	if (k->pid == 0) {
		close(pair[0]);
		keeper_run(k, all, setup, pair[1]);
	}
	close(pair[1]);
	if (k->pid < 0) {
		log_error("%s: fork: %s", k->service->name, strerror(errno));
		close(pair[0]);
		k->pid = 0;
		pause_after(&k->pause);
		return;
	}
	k->line = pair[0];
}

/* What no sandbox can keep apart: files of one user, and signals. */
static void user_shared_say(const struct service *s, const struct conf *conf)
{
	const char *user = service_user(s, conf), *own = conf->node.user;

	if (geteuid() != 0)
		log_warning("%s: runs as the user of the node, whose files and keys it could read "
			    "if it were taken over; started as root, it could have one of its own "
			    "(%s.user)",
		    s->name, s->name);
	else if (!user || (own && strcmp(user, own) == 0))
		log_warning("%s: runs as the user of the node, whose files and keys it could read "
			    "if it were taken over; give it a user of its own (%s.user)",
		    s->name, s->name);
}

static struct told **told_of(struct relay_setup *setup, const struct service *s)
{
	return &setup->told[s - service_table];
}

int keepers_begin(struct keepers *all, struct relay_setup *setup)
{
	sigprocmask(SIG_SETMASK, NULL, &all->unblocked);
	for (const struct service *s = service_table; s->name; s++) {
		struct keeper *k = &all->list[all->count];
		size_t count;
		const struct conf_address *list = service_listen(s, setup->conf, &count);

		if (count == 0)
			continue;
		*k = (struct keeper){.service = s, .line = -1};
		user_shared_say(s, setup->conf);
		all->count++;
		k->told = told_new();
		if (!k->told)
			return ERR_NOMEM;
		*told_of(setup, s) = k->told;
		if (listeners_open(s->name, list, count, &k->listeners, &k->listener_count) != OK)
			return ERR_IO;
	}
	/* All sockets first: one that can't be had stops the start, as those of the relay do. */
	for (size_t i = 0; i < all->count; i++)
		keeper_start(&all->list[i], all, setup);
	return OK;
}

/* Its processes end with it, and nobody but it says so of them. */
static void keeper_gone(struct keeper *k)
{
	for (unsigned i = 0; i < TOLD_PROCESSES_MAX; i++)
		told_tell(k->told, i, TOLD_NONE, NULL);
	told_barred(k->told, k->gone ? "its keeper has ended: start convened again" : NULL);
}

/* May the parent, as who it is now, make that process again? */
static bool keeper_again(const struct keeper *k, const struct relay_setup *setup)
{
	const char *user = service_user(k->service, setup->conf), *own = setup->conf->node.user;

	return geteuid() == 0 || !user || (own && strcmp(user, own) == 0) || user_is_ours(user);
}

uint64_t keepers_look(struct keepers *all, struct relay_setup *setup)
{
	uint64_t next = UINT64_MAX, now = clock_mono_ms();
	int status;

	for (size_t i = 0; i < all->count; i++) {
		struct keeper *k = &all->list[i];

		if (k->pid > 0 && waitpid(k->pid, &status, WNOHANG) == k->pid) {
			bool again = keeper_again(k, setup);
			char name[32];

			close(k->line);
			k->line = -1;
			k->pid = 0;
			pause_after(&k->pause);
			snprintf(name, sizeof name, "keeper of %s", k->service->name);
			died_say(name, status,
			    again ? "it is started again"
				  : "as another user it can only be started with convened");
			k->gone = !again;
			keeper_gone(k);
		}
		if (k->pid == 0 && !k->gone && k->pause.due <= now)
			keeper_start(k, all, setup);
		if (k->pid == 0 && !k->gone && k->pause.due < next)
			next = k->pause.due;
	}
	return next;
}

static void keepers_tell(struct keepers *all, char order)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i].line >= 0)
			send(all->list[i].line, &order, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void keepers_reload(struct keepers *all)
{
	keepers_tell(all, ORDER_RELOAD);
}

void keepers_stop(struct keepers *all)
{
	keepers_tell(all, ORDER_STOP);
}

void keepers_end(struct keepers *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct keeper *k = &all->list[i];

		if (k->line >= 0)
			close(k->line);
		k->line = -1;
	}
	for (size_t i = 0; i < all->count; i++) {
		struct keeper *k = &all->list[i];

		while (k->pid > 0 && waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
			;
		k->pid = 0;
		for (size_t j = 0; j < k->listener_count; j++)
			close(k->listeners[j]);
		free(k->listeners);
		k->listeners = NULL;
		k->listener_count = 0;
	}
	all->count = 0;
}
