/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulator's command line: seeds, replays, tables. */
#include "tests/sim/sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: sim [--first S] [--seeds N]   run N seeds from S on (1, 300)\n"
    "       sim --seed S [--without PARTS] [--trace] [--plan]\n"
    "                                     one seed, perhaps without some of its parts (3,7-9)\n"
    "       sim --table NAME              measure: steady, catchup, texts, frontier, join\n"
    "       --jobs N                      so many at a time; by default one per processor\n"
    "       --stop                        end at the first that fails\n"
    "       --tap                         say so in TAP\n"
    "       --no-shrink                   don't look for what a failing seed can do without\n";

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
	enum { FIRST = 1, SEEDS, SEED, WITHOUT, TRACE, PLAN, TABLE, NO_SHRINK, STOP, JOBS, TAP };
	static const struct option options[] = {{"first", 1, NULL, FIRST},
	    {"seeds", 1, NULL, SEEDS}, {"seed", 1, NULL, SEED}, {"without", 1, NULL, WITHOUT},
	    {"trace", 0, NULL, TRACE}, {"plan", 0, NULL, PLAN}, {"table", 1, NULL, TABLE},
	    {"no-shrink", 0, NULL, NO_SHRINK}, {"stop", 0, NULL, STOP}, {"jobs", 1, NULL, JOBS},
	    {"tap", 0, NULL, TAP}, {NULL, 0, NULL, 0}};
	struct runs runs = {.first = 1, .count = MIX, .shrinks = true, .program = argv[0]};
	uint64_t seed = 0;
	const char *without = "", *table = NULL;
	bool trace = false, plan = false, ok;
	char failure[512];
	struct plan *p;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case FIRST:
			runs.first = strtoull(optarg, NULL, 10);
			break;
		case SEEDS:
			runs.count = strtoull(optarg, NULL, 10);
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
			runs.shrinks = false;
			break;
		case STOP:
			runs.stops = true;
			break;
		case JOBS:
			runs.jobs = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case TAP:
			runs.tap = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (crypto_start() != OK || runs.first == 0)
		return 2;
	if (table)
		return table_run(table);
	if (seed == 0)
		return runs_do(&runs);
	p = plan_new(seed);
	leave_out(p, without);
	if (plan)
		plan_print(p, stdout);
	ok = plan ? true : plan_run(p, trace, failure);
	if (!plan)
		printf("seed %" PRIu64 "%s: %s\n", seed, ok ? "" : " FAILED", failure);
	plan_free(p);
	return ok ? 0 : 1;
}
