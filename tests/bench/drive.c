/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands, one a line, each answered by a line of JSON:
 *
 *     node NAME SOCKET ADDRESS...        a node, its control socket, and where it listens
 *     people NODE COUNT                  enrol so many more, and stay connected
 *     topic NODE                         open the topic that posts are about
 *     sign NODE CLIENTS COUNT BYTES      posts by the first CLIENTS people, made ahead
 *     post WINDOW                        send them, WINDOW at a time for each client
 *     watch NODE COUNT                   so many more subscribers
 *     pace NODE RATE                     send them, RATE a second (0: one by one), until all are
 *                                        shown to NODE's subscriber
 *     fan NODE WINDOW DROPS              send them, WINDOW at a time in all, until all are shown to
 *                                        all of NODE's subscribers; DROPS of these lose their
 *                                        connection
 *     idle NODE COUNT                    connections that say nothing after HELLO
 *     leave NODE                         end subscribers and idle connections
 *     wait SECONDS
 *
 * Waiting times are counted from when a post was due, so that one that could not be sent because of
 * those before it counts. */
#include "tests/bench/drive.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

#define WORDS_MAX (ADDRESSES_MAX + 3)

struct drive drive = {.net = {NET_DEFAULTS}};

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("drive: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	fflush(NULL);
	_exit(1);
}

void *allocate(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		die("out of memory");
	return p;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static void turn(const bool *done, uint64_t end)
{
	struct timeval second = {1, 0};
	struct event *tick = event_new(drive.base, -1, EV_PERSIST, wake, NULL);

	if (!tick || event_add(tick, &second) != 0)
		die("out of memory");
	while (!*done && now_ns() < end)
		event_base_loop(drive.base, EVLOOP_ONCE);
	event_free(tick);
}

void loop_until(const bool *done, double seconds)
{
	turn(done, now_ns() + (uint64_t)(seconds * 1e9));
	if (!*done)
		die("what was waited for did not come within %g s", seconds);
}

void loop_some(const bool *done)
{
	turn(done, now_ns() + 1000000000);
}

static void stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

void loop_for(double seconds)
{
	struct timeval tv = {
	    (time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
	bool done = false;

	event_base_once(drive.base, -1, EV_TIMEOUT, stop, &done, &tv);
	loop_until(&done, seconds + 10);
}

/* ---- nodes ---- */

struct node *node_find(const char *name)
{
	for (struct node *n = drive.nodes; n; n = n->next) {
		if (strcmp(n->name, name) == 0)
			return n;
	}
	die("there is no node %s", name);
}

static void node_add(size_t count, char **words)
{
	struct node *n = allocate(1, sizeof *n);

	if (count < 3 || strlen(words[0]) > NAME_MAX_LEN || strlen(words[1]) >= sizeof n->control)
		die("node takes a name, a socket and addresses");
	snprintf(n->name, sizeof n->name, "%s", words[0]);
	snprintf(n->control, sizeof n->control, "%s", words[1]);
	for (size_t i = 2; i < count; i++)
		snprintf(n->addresses[n->address_count++], sizeof n->addresses[0], "%s", words[i]);
	n->next = drive.nodes;
	drive.nodes = n;
}

static void idle_open(size_t i, void *ctx)
{
	struct node *node = ctx;
	struct conn *c = allocate(1, sizeof *c);

	(void)i;
	conn_open(c, node, NULL, NULL);
	node->idle[node->idle_count++] = c;
}

static void idle_add(struct node *node, size_t count)
{
	node->idle = realloc(node->idle, (node->idle_count + count) * sizeof *node->idle);
	if (!node->idle)
		die("out of memory");
	conn_open_all(count, idle_open, node);
}

static void leave(struct node *node)
{
	watch_leave(node);
	for (size_t i = 0; i < node->idle_count; i++) {
		conn_drop(node->idle[i]);
		free(node->idle[i]);
	}
	node->idle_count = 0;
}

/* ---- commands ---- */

static size_t number(size_t count, char **words, size_t at)
{
	char *end;
	unsigned long long value;

	if (at >= count)
		die("a number is missing");
	value = strtoull(words[at], &end, 10);
	if (*end || end == words[at])
		die("%s is no number", words[at]);
	return (size_t)value;
}

/* Posts go, and what they did is told. */
static bool run_command(const char *what, size_t count, char **words)
{
	struct run run;

	if (strcmp(what, "post") == 0) {
		posts_send(&run, number(count, words, 0));
		tell_posts(&run);
	} else if (strcmp(what, "pace") == 0 && count == 2) {
		posts_pace(&run, node_find(words[0]), strtod(words[1], NULL));
		tell_shown(&run, node_find(words[0]));
	} else if (strcmp(what, "fan") == 0 && count == 3) {
		posts_fan(
		    &run, node_find(words[0]), number(count, words, 1), number(count, words, 2));
		tell_fan(&run, node_find(words[0]));
	} else {
		return false;
	}
	return true;
}

static void command(const char *what, size_t count, char **words)
{
	uint64_t began = now_ns(), cpu = cpu_ns();

	if (run_command(what, count, words))
		return;
	if (strcmp(what, "wait") == 0 && count == 1)
		loop_for(strtod(words[0], NULL));
	else if (strcmp(what, "node") == 0)
		node_add(count, words);
	else if (count == 0)
		die("what is %s?", what);
	else if (strcmp(what, "people") == 0)
		people_add(node_find(words[0]), number(count, words, 1));
	else if (strcmp(what, "topic") == 0)
		topic_open(node_find(words[0]));
	else if (strcmp(what, "sign") == 0)
		posts_sign(node_find(words[0]), number(count, words, 1), number(count, words, 2),
		    number(count, words, 3));
	else if (strcmp(what, "watch") == 0)
		watch_add(node_find(words[0]), number(count, words, 1));
	else if (strcmp(what, "idle") == 0)
		idle_add(node_find(words[0]), number(count, words, 1));
	else if (strcmp(what, "leave") == 0)
		leave(node_find(words[0]));
	else
		die("what is %s?", what);
	printf("{\"seconds\": %.6f, \"cpu_s\": %.6f}\n", (double)(now_ns() - began) / 1e9,
	    (double)(cpu_ns() - cpu) / 1e9);
}

static void start(void)
{
	struct event_config *config = event_config_new();
	struct rlimit files;

	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	/* Without it timers go by whole milliseconds. */
	if (!config || event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) != 0)
		die("out of memory");
	drive.base = event_base_new_with_config(config);
	event_config_free(config);
	drive.net.base = drive.base;
	drive.net.handshake_ms = 60000; /* thousands at once take their time */
	if (!drive.base || crypto_start() != OK || tls_new(&drive.net.tls, NULL, "") != OK)
		die("event loop and TLS can't be set up");
}

int main(void)
{
	char line[8192], *words[WORDS_MAX], *rest;

	start();
	while (fgets(line, sizeof line, stdin)) {
		size_t count = 0;

		for (char *word = strtok_r(line, " \n", &rest); word && count < WORDS_MAX;
		     word = strtok_r(NULL, " \n", &rest))
			words[count++] = word;
		if (count > 0)
			command(words[0], count - 1, words + 1);
		fflush(stdout);
	}
	return 0;
}
