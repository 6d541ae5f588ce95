/* SPDX-License-Identifier: BSD-2-Clause */
/* A reader of a node, over TLS, by the client library: when it is served, and how long threads
 * take.
 *
 *     reader INVITE [--threads N] [--seed N]
 *
 * The invite is not used: it says where the node is and who it must be. Tries to connect until it
 * is answered (30 s). One JSON object: `served`, the moment of the first whole answer to what a
 * front page asks for, by the clock CLOCK_MONOTONIC; then for threads of a random topic at a random
 * place in its list, read whole one at a time: p50, p95, p99 in ms, how many posts they had; and
 * the same for the pages of the list that they were chosen from. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "client/client.h"
#include "fill.h"
#include "quantile.h"

#define PAGE 50
#define DEEPEST 1000 /* threads into a list: who reads further has searched */
#define WAIT_MS 30000

static void need(int err, const char *what, const struct trouble *t)
{
	if (err == OK)
		return;
	fprintf(stderr, "reader: %s: %s\n", what, t ? t->text : error_text(err));
	exit(1);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Connect, and ask what topics there are, until that is answered. */
static struct client *served(const struct node_address *where, struct frames *topics)
{
	struct timespec pause = {0, 2000000};
	double end = now_ms() + WAIT_MS;
	struct client *c = NULL;
	struct trouble t;
	int err;

	for (;;) {
		err = client_open(&c, where, WAIT_MS, &t);
		if (!err)
			err = client_topics(c, topics, &t);
		if (!err)
			return c;
		client_close(c);
		c = NULL;
		if (now_ms() > end)
			need(err, where->address, &t);
		nanosleep(&pause, NULL);
	}
}

static const Convene__Topic *topic_pick(const struct frames *topics, uint64_t random)
{
	size_t count = 0, n;

	for (size_t i = 0; i < topics->count; i++)
		count += ((const Convene__Topics *)topics->list[i])->n_topics;
	need(count > 0 ? OK : ERR_NOTFOUND, "topics", NULL);
	n = (size_t)(random % count);
	for (size_t i = 0;; i++) {
		const Convene__Topics *m = (const Convene__Topics *)topics->list[i];

		if (n < m->n_topics)
			return m->topics[n];
		n -= m->n_topics;
	}
}

/* One page of a topic's list, and one of its threads, whole. Returns its posts. */
static size_t thread_read(struct client *c, const struct frames *topics, uint64_t *random,
    double *page_ms, double *thread_ms)
{
	const Convene__Topic *topic = topic_pick(topics, random_next(random));
	uint64_t deep = topic->threads < DEEPEST ? topic->threads : DEEPEST, missing;
	uint32_t offset = (uint32_t)(deep > 0 ? random_next(random) % deep : 0);
	const Convene__Threads *page;
	struct frames list, items;
	struct trouble t;
	size_t posts = 0;
	double began = now_ms();

	need(client_threads(c, topic->id.data, topic->id.len, PAGE, offset, &list, &t), "threads",
	    &t);
	*page_ms = now_ms() - began;
	page = (const Convene__Threads *)list.list[0];
	need(page->n_threads > 0 ? OK : ERR_NOTFOUND, "threads", NULL);
	began = now_ms();
	need(client_thread(
		 c, page->threads[0]->id.data, page->threads[0]->id.len, &items, &missing, &t),
	    "a thread", &t);
	*thread_ms = now_ms() - began;
	for (size_t i = 0; i < items.count; i++)
		posts += ((const Convene__Items *)items.list[i])->n_items;
	frames_free(&list);
	frames_free(&items);
	return posts;
}

static void told(const char *name, double *ms, size_t count)
{
	printf(", \"%s_p50\": %.4f, \"%s_p95\": %.4f, \"%s_p99\": %.4f", name,
	    quantile(ms, count, 0.50), name, quantile(ms, count, 0.95), name,
	    quantile(ms, count, 0.99));
}

int main(int argc, char **argv)
{
	static const struct option list[] = {
	    {"threads", 1, NULL, 't'}, {"seed", 1, NULL, 's'}, {NULL, 0, NULL, 0}};
	struct invite invite;
	struct frames topics;
	struct client *c;
	size_t count = 0, posts = 0;
	uint64_t random = 1;
	int option;

	while ((option = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (option == 't')
			count = strtoull(optarg, NULL, 10);
		else if (option == 's')
			random = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: reader INVITE [--threads N] [--seed N]\n");
		return 2;
	}
	need(crypto_start(), "randomness", NULL);
	need(invite_parse(&invite, bytes_str(argv[optind])), "the invite", NULL);
	c = served(&invite.node, &topics);
	printf("{\"served\": %.6f", now_ms() / 1e3);
	if (count > 0) {
		double *pages = calloc(count, sizeof *pages),
		       *threads = calloc(count, sizeof *threads);

		need(pages && threads ? OK : ERR_NOMEM, "threads", NULL);
		for (size_t i = 0; i < count; i++)
			posts += thread_read(c, &topics, &random, &pages[i], &threads[i]);
		told("page", pages, count);
		told("thread", threads, count);
		printf(", \"posts\": %.2f", (double)posts / (double)count);
		free(pages);
		free(threads);
	}
	printf("}\n");
	frames_free(&topics);
	client_close(c);
	return 0;
}
