/* SPDX-License-Identifier: BSD-2-Clause */
/* A keeper of what readers connect to (service.h). Once the parent has given up its privileges, it
 * can't make a process of another user any more. So each service has a keeper: forked with its
 * sockets while there are privileges, it becomes the service's user at once, and from then on does
 * nothing but start the processes that serve, and start them again. It parses nothing either.
 *
 * The two speak by a socket, because signals don't pass between users: a byte for each signal, and
 * its end says that the parent is gone. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/parent/parent.h"

#define STOP_WAIT_MS 3000 /* for answers under way */
#define WORKERS_MAX TOLD_PROCESSES_MAX
#define BEHIND 5 /* nice: a third of a core against one who wants it whole */

struct worker {
	pid_t pid; /* 0: none */
	struct pause pause;
};

struct keeping {
	const struct service *service;
	struct service_setup setup;
	struct worker workers[WORKERS_MAX];
	char name[32]; /* "web process" */
	sigset_t unblocked;
	int line;
	bool stopping;
};

static volatile sig_atomic_t told_stop;

static void on_signal(int signum)
{
	if (signum == SIGTERM)
		told_stop = 1;
}

static void worker_start(struct keeping *k, unsigned i)
{
	struct worker *w = &k->workers[i];
	pid_t keeper = getpid();
	char name[32]; /* of which the system keeps 15 */
	sigset_t mask;

	pause_begin(&w->pause);
	w->pid = fork();
	if (w->pid < 0) {
		log_error("%s: fork: %s", k->service->name, strerror(errno));
		w->pid = 0;
		pause_after(&w->pause);
		return;
	}
	if (w->pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != keeper)
		_exit(EXIT_RELAY);
	close(k->line);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	/* Who reloads while it starts is heard as soon as it serves: service_begun(). */
	mask = k->unblocked;
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	snprintf(name, sizeof name, "convened-%.4s-%u", k->service->name, i);
	prctl(PR_SET_NAME, name);
	k->setup.number = i;
	switch (k->service->run(&k->setup)) {
	case 0:
		exit(0);
	case SERVICE_WAITS:
		exit(EXIT_WAITS);
	default:
		exit(EXIT_RELAY);
	}
}

static void workers_reap(struct keeping *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < k->setup.processes; i++) {
			struct worker *w = &k->workers[i];

			if (w->pid != pid)
				continue;
			w->pid = 0;
			pause_after(&w->pause);
			told_gone(k->setup.told, i);
			if (!k->stopping &&
			    !(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_WAITS))
				died_say(k->name, status, "it is started again");
		}
	}
}

static bool workers_signal(struct keeping *k, int signum)
{
	bool any = false;

	for (unsigned i = 0; i < k->setup.processes; i++) {
		if (k->workers[i].pid > 0) {
			kill(k->workers[i].pid, signum);
			any = true;
		}
	}
	return any;
}

/* What all its processes would stumble over: groups are those that it has from its start. */
static void folder_look(const struct service *s, const struct conf *conf, struct told *told)
{
	const char *data = conf->node.data, *user = service_user(s, conf), *own = conf->node.user;
	char why[TOLD_TEXT];

	if (access(data, R_OK | X_OK) == 0 || errno != EACCES) {
		told_barred(told, NULL);
		return;
	}
	if (user && own)
		snprintf(why, sizeof why,
		    "%.300s can't be read by the user %.32s (%s.user): put it into the group of "
		    "%.32s (node.user), and start convened again",
		    data, user, s->name, own);
	else
		snprintf(
		    why, sizeof why, "%.300s can't be read by the %s processes", data, s->name);
	told_barred(told, why);
	log_error("%s", why);
}

static void orders_take(struct keeping *k)
{
	char order;
	ssize_t n;

	while ((n = recv(k->line, &order, 1, MSG_DONTWAIT)) > 0) {
		if (order == ORDER_STOP)
			told_stop = 1;
		if (order == ORDER_RELOAD) {
			config_refresh(&k->setup.conf);
			folder_look(k->service, k->setup.conf, k->setup.told);
			told_news(k->setup.told, NULL); /* whoever reloads wants to hear it */
			workers_signal(k, SIGHUP);
			for (unsigned i = 0; i < k->setup.processes; i++)
				pause_over(&k->workers[i].pause);
		}
	}
	if (n == 0)
		told_stop = 1;
}

/* Until the next of them is to be started; -1: nothing is due. */
static int workers_due(struct keeping *k)
{
	uint64_t now = clock_mono_ms(), next = UINT64_MAX;

	for (unsigned i = 0; i < k->setup.processes; i++) {
		struct worker *w = &k->workers[i];

		if (w->pid == 0 && w->pause.due <= now)
			worker_start(k, i);
		if (w->pid == 0 && w->pause.due < next)
			next = w->pause.due;
	}
	return next == UINT64_MAX ? -1 : next > now ? (int)(next - now) : 0;
}

static void workers_stop(struct keeping *k)
{
	uint64_t until = clock_mono_ms() + STOP_WAIT_MS;
	struct timespec ts = {0, 10000000};

	k->stopping = true;
	workers_signal(k, SIGTERM);
	for (;;) {
		workers_reap(k);
		if (!workers_signal(k, 0))
			return;
		if (clock_mono_ms() > until)
			workers_signal(k, SIGKILL);
		nanosleep(&ts, NULL);
	}
}

static void keep(struct keeping *k)
{
	struct sigaction sa = {.sa_handler = on_signal};
	sigset_t waiting = k->unblocked, taken;

	/* A terminal's ^C goes to all; when to stop, the parent says. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	/* Taken only in ppoll(), so that none is lost between a look and a wait. */
	sigemptyset(&taken);
	sigaddset(&taken, SIGTERM);
	sigaddset(&taken, SIGCHLD);
	sigaddset(&taken, SIGHUP); /* from the fork on, for the processes */
	sigprocmask(SIG_SETMASK, &taken, NULL);
	sigdelset(&waiting, SIGTERM);
	sigdelset(&waiting, SIGCHLD);
	while (!told_stop) {
		struct pollfd p = {.fd = k->line, .events = POLLIN};
		int ms = workers_due(k);
		struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

		if (ppoll(&p, 1, ms < 0 ? NULL : &ts, &waiting) > 0)
			orders_take(k);
		workers_reap(k);
	}
	workers_stop(k);
}

/* What the parent has open or in memory and this service has no business with. */
static void inherited_drop(struct relay_setup *setup, struct keepers *all, struct keeper *mine)
{
	key_wipe(&setup->tls_key);
	if (setup->signer >= 0)
		close(setup->signer);
	if (setup->control >= 0)
		close(setup->control);
	for (size_t i = 0; i < setup->listener_count; i++)
		close(setup->listeners[i]);
	for (size_t i = 0; i < all->count; i++) {
		struct keeper *k = &all->list[i];

		for (size_t j = 0; k != mine && j < k->listener_count; j++)
			close(k->listeners[j]);
		if (k != mine)
			told_leave(k->told);
		if (k->line >= 0)
			close(k->line);
	}
}

void keeper_run(struct keeper *keeper, struct keepers *all, struct relay_setup *setup, int line)
{
	static struct keeping k;
	char name[32]; /* of which the system keeps 15 */

	inherited_drop(setup, all, keeper);
	snprintf(name, sizeof name, "convened-%.6s", keeper->service->name);
	prctl(PR_SET_NAME, name);
	if (privileges_drop(service_user(keeper->service, setup->conf)) != OK)
		_exit(EXIT_SETUP);
	folder_look(keeper->service, setup->conf, keeper->told);
	/* When both want a core, what has been written goes before what is read. */
	setpriority(PRIO_PROCESS, 0, BEHIND);
	/* Whoever takes one process of this user over shall not read along in the others. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	config_refresh(&setup->conf);
	k.service = keeper->service;
	snprintf(k.name, sizeof k.name, "%s process", keeper->service->name);
	k.line = line;
	k.unblocked = all->unblocked;
	k.setup = (struct service_setup){.conf = setup->conf,
	    .charter = setup->charter,
	    .credential = setup->credential,
	    .listeners = keeper->listeners,
	    .listener_count = keeper->listener_count,
	    .told = keeper->told,
	    .processes = service_processes(keeper->service, setup->conf)};
	keep(&k);
	_exit(0);
}
