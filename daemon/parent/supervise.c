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

#include "base/error.h"
#include "base/log.h"
#include "daemon/parent/parent.h"

#define RESTART_MAX_S 30
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

/* ---- the relay ---- */

static volatile sig_atomic_t stop_wanted, reload_wanted;

static void on_signal(int signum)
{
	if (signum == SIGHUP)
		reload_wanted = 1;
	else if (signum != SIGCHLD)
		stop_wanted = 1;
}

static void signals_set(void (*handler)(int))
{
	static const int list[] = {SIGHUP, SIGTERM, SIGINT, SIGCHLD};
	struct sigaction sa = {.sa_handler = handler};

	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		sigaction(list[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static pid_t relay_start_child(struct relay_setup *setup, const sigset_t *unblocked)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	/* If the parent is killed, nobody is left to restart or stop us. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_RELAY);
	signals_set(SIG_DFL);
	sigprocmask(SIG_SETMASK, unblocked, NULL);
	prctl(PR_SET_NAME, "convened-relay");
	exit(relay_run(setup) == 0 ? 0 : EXIT_RELAY);
}

/* The file may have been changed and taken over by the relay since we read it. */
static void config_refresh(struct relay_setup *setup)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *fresh = NULL;

	if (conf_load(&fresh, setup->conf->file, &errors) == OK &&
	    conf_reloadable(setup->conf, fresh, NULL)) {
		conf_free(setup->conf);
		setup->conf = fresh;
	} else {
		conf_free(fresh);
	}
	conf_errors_free(&errors);
}

static void died_say(const char *who, int status, const char *next)
{
	if (WIFSIGNALED(status))
		log_error("the %s ended by signal %d (%s); %s", who, WTERMSIG(status),
		    strsignal(WTERMSIG(status)), next);
	else
		log_error("the %s ended with status %d; %s", who, WEXITSTATUS(status), next);
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

int supervise(struct relay_setup *setup, const struct signer_process *signer)
{
	sigset_t all, unblocked;
	unsigned wait_s = 1;
	pid_t pid = -1;
	time_t started = 0;
	int status = 0, signer_status = 0;

	/* Signals are taken only in sigsuspend(), so that none is lost between a look and a wait.
	 */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &unblocked);
	signals_set(on_signal);
	for (;;) {
		if (waitpid(signer->pid, &signer_status, WNOHANG) != 0)
			return signer_died(signer_status, pid);
		if (pid < 0) {
			pid = relay_start_child(setup, &unblocked);
			started = time(NULL);
			if (pid < 0) {
				log_error("fork: %s", strerror(errno));
				return EXIT_SETUP;
			}
		}
		if (waitpid(pid, &status, WNOHANG) == 0) {
			sigsuspend(&unblocked);
			if (stop_wanted)
				kill(pid, SIGTERM);
			else if (reload_wanted)
				kill(pid, SIGHUP);
			reload_wanted = 0;
			continue;
		}
		pid = -1;
		if (stop_wanted || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
			return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EXIT_RELAY;
		died_say("relay", status, "it is started again");
		/* One that can't even start tells so quickly: don't spin, and give up when nothing
		 * helps. */
		if (time(NULL) - started > RESTART_MAX_S)
			wait_s = 1;
		else if (wait_s > RESTART_MAX_S)
			return EXIT_RELAY;
		struct timespec ts = {wait_s, 0};
		int signum = sigtimedwait(&all, NULL, &ts);
		if (signum > 0)
			on_signal(signum); /* it is taken by this, and would be lost */
		if (stop_wanted)
			return EXIT_RELAY;
		wait_s *= 2;
		config_refresh(setup);
	}
}
