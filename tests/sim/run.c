/* SPDX-License-Identifier: BSD-2-Clause */
/* Many seeds, each in a process of its own and one per processor at a time; and making those that
 * fail small. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_MAX 900   /* of a processor, for one run */
#define SHRINK_SECONDS 90 /* for making one seed small */
#define JOBS_MAX 64

/* In a process of its own: a run may also end in an assertion, or not at all. */
static bool run_apart(const struct plan *p, char *failure)
{
	int fd[2], status = 0;
	ssize_t got;
	pid_t child;

	fflush(NULL);
	if (pipe(fd) != 0 || (child = fork()) < 0) {
		perror("sim");
		exit(2);
	}
	if (child == 0) {
		bool ok;

		close(fd[0]);
		setrlimit(RLIMIT_CPU, &(struct rlimit){SECONDS_MAX, SECONDS_MAX});
		ok = plan_run(p, false, failure);
		if (write(fd[1], failure, strlen(failure) + 1) < 0)
			_exit(2);
		_exit(ok ? 0 : 1);
	}
	close(fd[1]);
	got = read(fd[0], failure, 511);
	failure[got > 0 ? got : 0] = '\0';
	close(fd[0]);
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		snprintf(failure, 512, "%s (signal %d)",
		    WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL ? "it does not end"
									       : "it died",
		    WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- one seed ---- */

static void print_replay(FILE *out, const struct plan *p, const char *program)
{
	bool first = true;

	fprintf(out, "replay: %s --seed %" PRIu64, program, p->seed);
	for (size_t i = 0; i < p->count; i++) {
		size_t end = i;

		if (!p->parts[i].out)
			continue;
		while (end + 1 < p->count && p->parts[end + 1].out)
			end++;
		fprintf(out, "%s%zu", first ? " --without " : ",", i);
		if (end > i)
			fprintf(out, "-%zu", end);
		first = false;
		i = end;
	}
	fprintf(out, " --trace\n");
}

/* Leave out halves, quarters, … of what is left, as long as it still fails. */
static void shrink(struct plan *p, char *failure)
{
	time_t until = time(NULL) + SHRINK_SECONDS;
	char other[512];
	bool *out = malloc(p->count * sizeof *out);

	if (!out)
		return;
	for (size_t run = p->count; run > 0; run /= 2) {
		for (size_t i = 0; i < p->count && time(NULL) < until; i += run) {
			bool any = false;

			for (size_t k = i; k < i + run && k < p->count; k++) {
				out[k - i] = p->parts[k].out;
				any |= !p->parts[k].out;
				p->parts[k].out = true;
			}
			if (any && !run_apart(p, other)) {
				memcpy(failure, other, sizeof other);
				continue;
			}
			for (size_t k = i; k < i + run && k < p->count; k++)
				p->parts[k].out = out[k - i];
		}
	}
	free(out);
}

/* What there is to say about a seed: a line, and when it failed, how to see it again. */
static bool run_seed(uint64_t seed, const struct runs *r, FILE *out)
{
	struct plan *p = plan_new(seed);
	char failure[512];
	bool ok = run_apart(p, failure);
	struct rusage took;

	if (ok) {
		getrusage(RUSAGE_CHILDREN, &took);
		fprintf(out, "%zu nodes, %s, %ld.%02ld s, %ld MiB\n", p->nodes, failure,
		    (long)took.ru_utime.tv_sec, (long)took.ru_utime.tv_usec / 10000,
		    took.ru_maxrss / 1024);
	} else {
		fprintf(out, "%s\n", failure);
		if (r->shrinks) {
			shrink(p, failure);
			fprintf(out, "smallest that fails: %s\n", failure);
			plan_print(p, out);
		}
		print_replay(out, p, r->program);
	}
	plan_free(p);
	return ok;
}

/* ---- many ---- */

struct work {
	pid_t child;
	uint64_t seed;
	FILE *said;
};

static void work_start(struct work *w, uint64_t seed, const struct runs *r)
{
	fflush(NULL);
	w->seed = seed;
	w->said = tmpfile();
	if (!w->said || (w->child = fork()) < 0) {
		perror("sim");
		exit(2);
	}
	if (w->child == 0) {
		bool ok = run_seed(seed, r, w->said);

		_exit(fflush(w->said) == 0 && ok ? 0 : 1);
	}
}

/* All of a file, in lines that begin with `before`. */
static void copy_lines(FILE *from, FILE *to, const char *before)
{
	char line[1024];

	while (fgets(line, sizeof line, from))
		fprintf(to, "%s%s", before, line);
}

/* In TAP the details come last, where whoever shows the end of a long log shows them. */
static void report(const struct runs *r, struct work *w, bool ok, FILE *later)
{
	char line[1024] = "";

	rewind(w->said);
	if (!fgets(line, sizeof line, w->said))
		snprintf(line, sizeof line, "it died\n");
	if (r->tap) {
		printf("%s %" PRIu64 " - seed %" PRIu64 ": %s", ok ? "ok" : "not ok",
		    w->seed - r->first + 1, w->seed, line);
		if (!ok)
			fprintf(later, "# seed %" PRIu64 ": %s", w->seed, line);
		copy_lines(w->said, later, "# ");
	} else if (!ok) {
		printf("seed %" PRIu64 " FAILED: %s", w->seed, line);
		copy_lines(w->said, stdout, "");
	} else if (getenv("SIM_VERBOSE")) {
		printf("seed %" PRIu64 ": %s", w->seed, line);
	}
	fflush(stdout);
	fclose(w->said);
}

static struct work *work_wait(struct work *work, unsigned jobs, bool *ok)
{
	int status;
	pid_t child = wait(&status);

	*ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	for (unsigned i = 0; child > 0 && i < jobs; i++) {
		if (work[i].child == child)
			return &work[i];
	}
	perror("sim");
	exit(2);
}

/* The order of seeds: of each 300 the large ones first, so that no processor has to wait for
 * another's last. */
static uint64_t seed_at(uint64_t k)
{
	uint64_t place = k % MIX;

	place = place < MIX - MIX_SMALL ? MIX - 1 - place : place - (MIX - MIX_SMALL);
	return k / MIX * MIX + place + 1;
}

static unsigned processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < 1 ? 1 : n > JOBS_MAX ? JOBS_MAX : (unsigned)n;
}

int runs_do(const struct runs *r)
{
	struct work work[JOBS_MAX] = {{0}};
	unsigned jobs = r->jobs == 0 ? processors() : r->jobs < JOBS_MAX ? r->jobs : JOBS_MAX;
	uint64_t k = (r->first - 1) / MIX * MIX, end = r->first + r->count, begun = 0, failed = 0;
	unsigned busy = 0;
	FILE *later = tmpfile();

	if (!later)
		return 2;
	if (r->tap)
		printf("1..%" PRIu64 "\n", r->count);
	for (;;) {
		struct work *w = work;
		bool ok;

		while (busy < jobs && begun < r->count && !(r->stops && failed > 0)) {
			uint64_t seed = seed_at(k++);

			if (seed < r->first || seed >= end)
				continue;
			while (w->said)
				w++;
			work_start(w, seed, r);
			begun++;
			busy++;
		}
		if (busy == 0)
			break;
		w = work_wait(work, jobs, &ok);
		report(r, w, ok, later);
		*w = (struct work){0};
		busy--;
		failed += !ok;
	}
	rewind(later);
	copy_lines(later, stdout, "");
	fclose(later);
	printf("%s%" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " failed\n", r->tap ? "# " : "",
	    begun, r->first, failed);
	return failed ? 1 : 0;
}
