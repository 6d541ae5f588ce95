/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/signer/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/signer/request.h"

#define WHY_LEN 512

/* What the child says once, before it serves. */
struct report {
	int code;
	bool pinned, vouches;
	char why[WHY_LEN];
};

/* ---- serving ---- */

/* Who does not read has no answer: waiting for them would stop all others. False: nobody is there
 * any more. */
static bool answer_send(int fd, const struct buffer *answer)
{
	ssize_t n = send(fd, answer->data, answer->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n >= 0 || (errno != EPIPE && errno != ECONNRESET && errno != ENOTCONN);
}

void signer_serve(struct core *core, int fd)
{
	static uint8_t packet[REQUEST_MAX + 1]; /* one more tells a packet that is too long */
	struct timespec pause = {0, 10000000};
	struct buffer answer = BUFFER_INIT;

	for (;;) {
		ssize_t n = recv(fd, packet, sizeof packet, 0);

		if (n < 0 && (errno == EINTR || errno == ENOMEM || errno == ENOBUFS))
			continue;
		if (n < 0)
			break;
		buffer_reset(&answer);
		request_answer(core, bytes_of(packet, (size_t)n), clock_wall_ms() / 1000, &answer);
		/* An empty packet looks like the end; only at the end nobody takes the answer. */
		if (!answer.failed && !answer_send(fd, &answer))
			break;
		if (n == 0)
			nanosleep(&pause, NULL);
	}
	buffer_free(&answer);
}

/* ---- becoming the signer ---- */

static void signals_ignore(void)
{
	static const int list[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGXFSZ};
	sigset_t none;

	/* A terminal's ^C goes to all, and the relay has to seal once more: the end is the end of
	 * the socket. */
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		signal(list[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void memory_guard(void)
{
	struct rlimit none = {0, 0};

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
}

/* Everything else is closed, and no descriptor will ever be free again. */
static int files_close(int fd, int lock, int cosigned)
{
	int keep[3] = {fd, lock, cosigned}, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct rlimit none = {0, 0};
	unsigned from = 3;

	if (null < 0)
		return ERR_IO;
	for (int i = 0; i < 3; i++) {
		if (i != fd && i != lock && i != cosigned && i != null)
			dup2(null, i);
	}
	for (int i = 0; i < 2; i++) {
		for (int j = i + 1; j < 3; j++) {
			if (keep[j] < keep[i]) {
				int swap = keep[i];

				keep[i] = keep[j];
				keep[j] = swap;
			}
		}
	}
	for (int i = 0; i < 3; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from && close_range(from, (unsigned)keep[i] - 1, 0) != 0)
			return ERR_IO;
		from = (unsigned)keep[i] + 1;
	}
	if (close_range(from, ~0U, 0) != 0 || setrlimit(RLIMIT_NOFILE, &none) != 0)
		return ERR_IO;
	return OK;
}

static int lock_wait(struct core *core, const struct signer_start *start, char *why)
{
	struct timespec pause = {0, 100000000};
	uint64_t until = clock_mono_ms() + start->wait_ms;
	bool said = !start->waits || start->wait_ms == 0;
	int err;

	while ((err = core_lock(core, start->lock, start->cosigned, why)) == ERR_BUSY &&
	       clock_mono_ms() < until) {
		if (!said)
			start->waits();
		said = true;
		nanosleep(&pause, NULL);
	}
	return err;
}

/* The order: keys while they may be read, then another user, then what is written. */
static int prepare(
    struct core **core, const struct signer_start *start, int fd, struct report *report)
{
	struct core_setup setup = start->setup;
	char *passphrase = start->passphrase ? start->passphrase() : NULL;
	int lock, cosigned, err;

	setup.passphrase = passphrase;
	err = core_open(core, &setup, &report->pinned, report->why);
	if (passphrase)
		secret_wipe(passphrase, strlen(passphrase));
	free(passphrase);
	if (!err && start->drop)
		err = start->drop(start->ctx);
	if (err)
		return err;
	memory_guard(); /* changing the user may have undone it */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	err = lock_wait(*core, start, report->why);
	if (err)
		return err;
	report->vouches = core_vouches(*core);
	log_close();
	core_files(*core, &lock, &cosigned);
	err = files_close(fd, lock, cosigned);
	if (err)
		snprintf(
		    report->why, WHY_LEN, "the signer can't close its files: %s", strerror(errno));
	return err;
}

static void run(const struct signer_start *start, int fd)
{
	struct report report = {.code = OK};
	struct core *core = NULL;

	prctl(PR_SET_NAME, "convened-signer");
	memory_guard();
	signals_ignore();
	report.code = prepare(&core, start, fd, &report);
	if (send(fd, &report, sizeof report, MSG_NOSIGNAL) == sizeof report && !report.code)
		signer_serve(core, fd);
	core_free(core);
	_exit(0);
}

/* ---- the parent's side ---- */

static int failed(struct signer_process *out, int err)
{
	if (out->fd >= 0)
		close(out->fd);
	if (out->pid > 0)
		waitpid(out->pid, NULL, 0);
	*out = (struct signer_process){-1, -1, false};
	return err;
}

int signer_process_start(
    struct signer_process *out, const struct signer_start *start, bool *pinned, char *why)
{
	struct report report = {.code = ERR_IO};
	int pair[2] = {-1, -1};
	ssize_t n;

	why[0] = '\0';
	*pinned = false;
	*out = (struct signer_process){-1, -1, false};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		goto impossible;
	out->fd = pair[0];
	out->pid = fork();
	if (out->pid == 0) {
		close(pair[0]);
		run(start, pair[1]);
	}
	close(pair[1]);
	if (out->pid < 0)
		goto impossible;
	do
		n = recv(out->fd, &report, sizeof report, 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof report) {
		snprintf(why, WHY_LEN, "the signer ended while it started");
		return failed(out, ERR_IO);
	}
	if (report.code) {
		memcpy(why, report.why, WHY_LEN);
		return failed(out, report.code);
	}
	*pinned = report.pinned;
	out->vouches = report.vouches;
	return OK;
impossible:
	snprintf(why, WHY_LEN, "the signer can't be started: %s", strerror(errno));
	return failed(out, ERR_IO);
}
