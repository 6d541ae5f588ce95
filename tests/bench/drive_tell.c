/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run was like, as a line of JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/drive.h"

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* In ms: the smallest value that so many percent do not exceed. */
static double percentile(const uint64_t *sorted, size_t count, double percent)
{
	size_t at = (size_t)((double)count * percent / 100);

	return count == 0 ? 0 : (double)sorted[at < count ? at : count - 1] / 1e6;
}

static uint64_t waited(const struct post *p, bool for_shown)
{
	uint64_t end = for_shown ? p->shown : p->accepted;

	return end > p->due ? end - p->due : 0;
}

static void tell_waits(const char *what, bool for_shown)
{
	uint64_t *list = allocate(drive.post_count + 1, sizeof *list);
	size_t count = 0;

	for (size_t i = 0; i < drive.post_count; i++) {
		const struct post *p = &drive.posts[i];

		if (for_shown ? p->shown : p->accepted)
			list[count++] = waited(p, for_shown);
	}
	qsort(list, count, sizeof *list, compare);
	printf(", \"%s\": {\"count\": %zu, \"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f, "
	       "\"max_ms\": %.4f}",
	    what, count, percentile(list, count, 50), percentile(list, count, 90),
	    percentile(list, count, 99), percentile(list, count, 100));
	free(list);
}

static void tell_run(const struct run *run)
{
	printf("{\"posts\": %zu, \"clients\": %zu, \"bytes\": %llu, \"seconds\": %.6f, "
	       "\"cpu_s\": %.6f",
	    drive.post_count, drive.client_count, (unsigned long long)drive.bytes,
	    (double)(run->ended - run->began) / 1e9, (double)run->cpu / 1e9);
	tell_waits("accepted", false);
}

void tell_posts(const struct run *run)
{
	tell_run(run);
	printf("}\n");
}

/* Whoever else subscribed there must have been shown the same; the first is told of. */
void tell_shown(const struct run *run, const struct node *node)
{
	const struct watcher *w = node->watchers[0];

	tell_run(run);
	tell_waits("shown", true);
	printf(", \"bare\": %llu, \"repeated\": %llu, \"others\": %llu}\n",
	    (unsigned long long)w->bare, (unsigned long long)w->repeated,
	    (unsigned long long)w->others);
}

void tell_fan(const struct run *run, const struct node *node)
{
	uint64_t items = 0, bare = 0, repeated = 0, lost = 0;
	unsigned drops = 0;

	for (size_t i = 0; i < node->watcher_count; i++) {
		const struct watcher *w = node->watchers[i];

		items += w->items;
		bare += w->bare;
		repeated += w->repeated;
		drops += w->drops;
		lost += w->items < drive.post_count ? drive.post_count - w->items : 0;
	}
	tell_run(run);
	tell_waits("shown", true);
	printf(", \"subscribers\": %zu, \"deliveries\": %llu, \"bare\": %llu, \"repeated\": %llu, "
	       "\"lost\": %llu, \"drops\": %u}\n",
	    node->watcher_count, (unsigned long long)items, (unsigned long long)bare,
	    (unsigned long long)repeated, (unsigned long long)lost, drops);
}
