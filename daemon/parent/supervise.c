/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting signer and relay, and watching over them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/parent/parent.h"

#define LOCK_WAIT_MS 10000 /* for a daemon that is about to stop */

/* Whether a daemon has run with this data folder, or will be told that one has: by its store, or by
 * what `convenectl recover` has left there. */
static bool was_used(const struct conf *conf)
{
	static const char *const names[] = {"convene.db", "recover"};
	char path[4096];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", conf->node.data, names[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static void waits_say(void)
{
	log_info("waits for another convened to leave this data folder");
}

int signer_begin(struct relay_setup *setup, struct signer_process *signer)
{
	const struct conf *conf = setup->conf;
	char lock[4096], cosigned[4096], why[512];
	struct signer_start start = {
	    .setup = {.charter = buffer_bytes(&setup->charter->note),
		.log_name = setup->credential->binding.log_name,
		.credential = buffer_bytes(&setup->credential->message),
		.keys = conf->node.keys,
		.used = was_used(conf)},
	    .passphrase = passphrase_read,
	    .drop = privileges_drop,
	    .ctx = signer_user(conf),
	    .lock = lock,
	    .cosigned = cosigned,
	    .wait_ms = LOCK_WAIT_MS,
	    .waits = waits_say,
	};
	bool pinned;
	int err;

	snprintf(lock, sizeof lock, "%s/signer.lock", conf->node.signer_data);
	snprintf(cosigned, sizeof cosigned, "%s/signer.cosigned", conf->node.signer_data);
	err = signer_process_start(signer, &start, &pinned, why);
	if (err && why[0])
		log_error("%s", why);
	else if (!err && !pinned)
		log_warning("keys may be written to swap space: the limit of locked memory is "
			    "too low (ulimit -l)");
	if (!err && !signer->vouches)
		log_warning("%s was missing: what has been vouched for of others' logs is not "
			    "known, and nothing is cosigned until `convenectl credential "
			    "--new-key cosigner` and a restart",
		    cosigned);
	setup->signer = signer->fd;
	setup->vouches = signer->vouches;
	return err;
}

/* ---- what ends, and starts again ---- */

void pause_begin(struct pause *p)
{
	p->began = clock_mono_ms();
}

void pause_after(struct pause *p)
{
	uint64_t now = clock_mono_ms();

	if (p->seconds == 0 || now - p->began > PAUSE_MAX_S * 1000)
		p->seconds = 1;
	p->due = now + p->seconds * 1000;
	p->seconds = p->seconds < PAUSE_MAX_S / 2 ? p->seconds * 2 : PAUSE_MAX_S;
}

void pause_over(struct pause *p)
{
	*p = (struct pause){.due = 0};
}

void died_say(const char *who, int status, const char *next)
{
	if (WIFSIGNALED(status))
		log_error("the %s ended by signal %d (%s); %s", who, WTERMSIG(status),
		    strsignal(WTERMSIG(status)), next);
	else
		log_error("the %s ended with status %d; %s", who, WEXITSTATUS(status), next);
}

void config_refresh(struct conf **conf)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *fresh = NULL;

	if (conf_load(&fresh, (*conf)->file, &errors) == OK &&
	    conf_reloadable(*conf, fresh, NULL)) {
		conf_free(*conf);
		*conf = fresh;
	} else {
		conf_free(fresh);
	}
	conf_errors_free(&errors);
}

/* ---- the relay ---- */

static void on_signal(int signum)
{
	(void)signum;
}

static void signals_set(void (*handler)(int))
{
	static const int list[] = {SIGHUP, SIGUSR1, SIGTERM, SIGINT, SIGCHLD};
	struct sigaction sa = {.sa_handler = handler};

	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		sigaction(list[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static pid_t relay_start_child(struct relay_setup *setup, struct keepers *keepers)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	/* If the parent is killed, nobody is left to restart or stop us. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_RELAY);
	signals_set(SIG_DFL);
	sigprocmask(SIG_SETMASK, &keepers->unblocked, NULL);
	/* A keeper knows by the end of its line that the parent is gone. */
	for (size_t i = 0; i < keepers->count; i++) {
		if (keepers->list[i].line >= 0)
			close(keepers->list[i].line);
		for (size_t j = 0; j < keepers->list[i].listener_count; j++)
			close(keepers->list[i].listeners[j]);
	}
	prctl(PR_SET_NAME, "convened-relay");
	setup->parent = parent;
	exit(relay_run(setup) == 0 ? 0 : EXIT_RELAY);
}

/* Without a signer nothing can be sealed, and only a new start may read the keys. The relay ends
 * in order: what it has accepted stays in the inbox. */
static int signer_died(int status, pid_t relay)
{
	died_say("signer", status, "convened stops, and has to be started again");
	if (relay > 0) {
		kill(relay, SIGTERM);
		while (waitpid(relay, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return EXIT_SIGNER;
}

/* Wait for a signal, or until then (mono ms). 0: it is time. */
static int signal_wait(const sigset_t *all, uint64_t until)
{
	uint64_t now = clock_mono_ms(), ms = until > now ? until - now : 0;
	struct timespec ts = {(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)};
	int signum = until == UINT64_MAX ? sigwaitinfo(all, NULL) : sigtimedwait(all, NULL, &ts);

	return signum > 0 ? signum : 0;
}

int supervise(
    struct relay_setup *setup, const struct signer_process *signer, struct keepers *keepers)
{
	struct pause pause = {.due = 0};
	uint64_t due, next;
	sigset_t all;
	pid_t pid = 0;
	bool stopping = false;
	int status = 0, signer_status = 0, signum;

	/* Signals are taken only in signal_wait(), so that none is lost between a look and a wait.
	 */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &keepers->unblocked);
	signals_set(on_signal);
	for (;;) {
		if (waitpid(signer->pid, &signer_status, WNOHANG) != 0)
			return signer_died(signer_status, pid);
		next = stopping ? UINT64_MAX : keepers_look(keepers, setup);
		if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
			pid = 0;
			if (stopping || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
				return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0
										     : EXIT_RELAY;
			died_say("relay", status, "it is started again");
			/* One that can't even start tells so quickly: give up when nothing helps.
			 */
			if (pause.seconds == PAUSE_MAX_S &&
			    clock_mono_ms() - pause.began <= PAUSE_MAX_S * 1000)
				return EXIT_RELAY;
			pause_after(&pause);
		}
		due = pid > 0 ? UINT64_MAX : pause.due;
		if (due <= clock_mono_ms()) {
			if (pause.due > 0)
				config_refresh(&setup->conf);
			pause_begin(&pause);
			pid = relay_start_child(setup, keepers);
			if (pid < 0) {
				log_error("fork: %s", strerror(errno));
				return EXIT_SETUP;
			}
			due = UINT64_MAX;
		}
		signum = signal_wait(&all, due < next ? due : next);
		if (signum == SIGHUP || signum == SIGUSR1)
			keepers_reload(keepers);
		if (signum == SIGHUP && pid > 0)
			kill(pid, SIGHUP);
		if (signum == SIGTERM || signum == SIGINT) {
			stopping = true;
			keepers_stop(keepers);
			if (pid <= 0)
				return EXIT_RELAY;
			kill(pid, SIGTERM);
		}
	}
}
