/* SPDX-License-Identifier: BSD-2-Clause */
/* The keepers of what readers connect to (service.h). Once the parent has given up its privileges,
 * it can't make a process of another user any more. So each service has a keeper: forked with its
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

#define ORDER_RELOAD 'r'
#define ORDER_STOP 's'
#define STOP_WAIT_MS 3000 /* for answers under way */
#define WORKERS_MAX 64
#define BEHIND 5 /* nice: a third of a core against one who wants it whole */

/* ---- the keeper's process ---- */

struct worker {
	pid_t pid; /* 0: none */
	struct pause pause;
};

struct keeping {
	const struct service *service;
	struct service_setup setup;
	struct worker workers[WORKERS_MAX];
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
	sigprocmask(SIG_SETMASK, &k->unblocked, NULL);
	snprintf(name, sizeof name, "convened-%.4s-%u", k->service->name, i);
	prctl(PR_SET_NAME, name);
	k->setup.number = i;
	exit(k->service->run(&k->setup) == 0 ? 0 : EXIT_RELAY);
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
			if (!k->stopping)
				died_say(k->service->name, status, "it is started again");
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

static void orders_take(struct keeping *k)
{
	char order;
	ssize_t n;

	while ((n = recv(k->line, &order, 1, MSG_DONTWAIT)) > 0) {
		if (order == ORDER_STOP)
			told_stop = 1;
		if (order == ORDER_RELOAD) {
			config_refresh(&k->setup.conf);
			workers_signal(k, SIGHUP);
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
		if (k->line >= 0)
			close(k->line);
	}
}

static void keeper_run(
    struct keeper *keeper, struct keepers *all, struct relay_setup *setup, int line)
{
	static struct keeping k;
	char name[32]; /* of which the system keeps 15 */

	inherited_drop(setup, all, keeper);
	snprintf(name, sizeof name, "convened-%.6s", keeper->service->name);
	prctl(PR_SET_NAME, name);
	if (privileges_drop(service_user(keeper->service, setup->conf)) != OK)
		_exit(EXIT_SETUP);
	/* When both want a core, what has been written goes before what is read. */
	setpriority(PRIO_PROCESS, 0, BEHIND);
	/* Whoever takes one process of this user over shall not read along in the others. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	config_refresh(&setup->conf);
	k.service = keeper->service;
	k.line = line;
	k.unblocked = all->unblocked;
	k.setup = (struct service_setup){.conf = setup->conf,
	    .charter = setup->charter,
	    .credential = setup->credential,
	    .listeners = keeper->listeners,
	    .listener_count = keeper->listener_count,
	    .processes = service_processes(keeper->service, setup->conf)};
	if (k.setup.processes > WORKERS_MAX)
		k.setup.processes = WORKERS_MAX;
	keep(&k);
	_exit(0);
}

/* ---- the parent's side ---- */

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

	if (!user || (own && strcmp(user, own) == 0))
		log_warning("%s: runs as the user of the node, whose files and keys it could read "
			    "if it were taken over; give it a user of its own",
		    s->name);
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
		if (listeners_open(list, count, &k->listeners, &k->listener_count) != OK)
			return ERR_IO;
	}
	/* All sockets first: one that can't be had stops the start, as those of the relay do. */
	for (size_t i = 0; i < all->count; i++)
		keeper_start(&all->list[i], all, setup);
	return OK;
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

			close(k->line);
			k->line = -1;
			k->pid = 0;
			pause_after(&k->pause);
			died_say(k->service->name, status,
			    again ? "it is started again"
				  : "as another user it can only be started with convened");
			k->gone = !again;
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
