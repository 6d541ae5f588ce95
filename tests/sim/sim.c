/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulator's command line: seeds, replays, shrinking, tables. */
#include "tests/sim/sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX 300 /* of a processor, for one seed */

static const char usage[] =
    "usage: sim [--first S] [--seeds N]   run N seeds from S on (1, 300)\n"
    "       sim --seed S [--without PARTS] [--trace] [--plan]\n"
    "                                     one seed, perhaps without some of its parts (3,7-9)\n"
    "       sim --table NAME              measure: steady, catchup, frontier, join\n"
    "       --stop                        end at the first that fails\n"
    "       --no-shrink                   don't look for what a failing seed can do without\n";

/* In a process of its own: a run may also end in an assertion, or not at all. */
static bool run_apart(const struct plan *p, char *failure)
{
	int fd[2], status = 0;
	ssize_t got;
	pid_t child;

	fflush(stdout);
	if (pipe(fd) != 0 || (child = fork()) < 0) {
		perror("sim");
		exit(2);
	}
	if (child == 0) {
		bool ok;

		close(fd[0]);
		alarm(SECONDS_MAX);
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
		    WTERMSIG(status) == SIGALRM ? "it does not end" : "it died", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void print_replay(const struct plan *p)
{
	bool first = true;

	printf("replay: tests/sim/sim --seed %" PRIu64, p->seed);
	for (size_t i = 0; i < p->count; i++) {
		size_t end = i;

		if (!p->parts[i].out)
			continue;
		while (end + 1 < p->count && p->parts[end + 1].out)
			end++;
		printf("%s%zu", first ? " --without " : ",", i);
		if (end > i)
			printf("-%zu", end);
		first = false;
		i = end;
	}
	printf(" --trace\n");
}

/* Leave out halves, quarters, … of what is left, as long as it still fails. */
static void shrink(struct plan *p, char *failure)
{
	char other[512];
	bool *out = malloc(p->count * sizeof *out);

	if (!out)
		abort();
	for (size_t run = p->count; run > 0; run /= 2) {
		for (size_t i = 0; i < p->count; i += run) {
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

static int run_seeds(uint64_t first, uint64_t count, bool shrinks, bool stops)
{
	unsigned failed = 0;
	char failure[512];

	for (uint64_t seed = first; seed < first + count && !(stops && failed); seed++) {
		struct plan *p = plan_new(seed);

		if (!run_apart(p, failure)) {
			failed++;
			printf("seed %" PRIu64 " FAILED: %s\n", seed, failure);
			if (shrinks) {
				shrink(p, failure);
				printf("smallest that fails: %s\n", failure);
				plan_print(p);
			}
			print_replay(p);
			fflush(stdout);
		} else if (getenv("SIM_VERBOSE")) {
			printf("seed %" PRIu64 ": %zu nodes, %s\n", seed, p->nodes, failure);
			fflush(stdout);
		}
		plan_free(p);
	}
	printf("%" PRIu64 " seeds from %" PRIu64 ": %u failed\n", count, first, failed);
	return failed ? 1 : 0;
}

static void leave_out(struct plan *p, const char *text)
{
	while (*text) {
		char *end;
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		for (unsigned long i = from; i <= to && i < p->count; i++)
			p->parts[i].out = true;
		if (end == text)
			return;
		text = *end ? end + 1 : end;
	}
}

int main(int argc, char **argv)
{
	enum { FIRST = 1, SEEDS, SEED, WITHOUT, TRACE, PLAN, TABLE, NO_SHRINK, STOP };
	static const struct option options[] = {{"first", 1, NULL, FIRST},
	    {"seeds", 1, NULL, SEEDS}, {"seed", 1, NULL, SEED}, {"without", 1, NULL, WITHOUT},
	    {"trace", 0, NULL, TRACE}, {"plan", 0, NULL, PLAN}, {"table", 1, NULL, TABLE},
	    {"no-shrink", 0, NULL, NO_SHRINK}, {"stop", 0, NULL, STOP}, {NULL, 0, NULL, 0}};
	uint64_t first = 1, seeds = 300, seed = 0;
	const char *without = "", *table = NULL;
	bool trace = false, plan = false, shrinks = true, stops = false, ok;
	char failure[512];
	struct plan *p;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case FIRST:
			first = strtoull(optarg, NULL, 10);
			break;
		case SEEDS:
			seeds = strtoull(optarg, NULL, 10);
			break;
		case SEED:
			seed = strtoull(optarg, NULL, 10);
			break;
		case WITHOUT:
			without = optarg;
			break;
		case TRACE:
			trace = true;
			break;
		case PLAN:
			plan = true;
			break;
		case TABLE:
			table = optarg;
			break;
		case NO_SHRINK:
			shrinks = false;
			break;
		case STOP:
			stops = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (crypto_start() != OK)
		return 2;
	if (table)
		return table_run(table);
	if (seed == 0)
		return run_seeds(first, seeds, shrinks, stops);
	p = plan_new(seed);
	leave_out(p, without);
	if (plan)
		plan_print(p);
	ok = plan ? true : plan_run(p, trace, failure);
	if (!plan)
		printf("seed %" PRIu64 "%s: %s\n", seed, ok ? "" : " FAILED", failure);
	plan_free(p);
	return ok ? 0 : 1;
}
