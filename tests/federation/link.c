/* SPDX-License-Identifier: BSD-2-Clause */
/* See link.h for what this emulates.
 *
 *   link [-p] [-s SEED] [-c COMMAND]... LINK...
 *
 * LINK is NAMESPACE,ADDRESS,NAMESPACE,ADDRESS, or with -p PORT,TARGET,PORT,TARGET[,...]. Commands
 * come from -c and, one a line, from standard input, each answered by "ok", or "error" and a
 * sentence; the first "ok" says that the links are there. At the end of the input, or on SIGTERM,
 * the counts are printed, as `stats` does.
 *
 *   [N[<|>]] delay 100ms | loss 1% | rate 10mbit | queue 64kb | down | up | oneway
 *   seed NUMBER
 *   stats
 *
 * N is a link, the first one being 0, and without it all are meant; > is the direction from a to b,
 * < that from b to a. oneway: what b sends does not arrive. seed: each lane loses
 * packets of the same numbers, counted from here, as it did after the last time. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/federation/link.h"

#define FDS_MAX 2048
#define LINKS_MAX 256
#define INPUT_MAX 1000

static struct link links[LINKS_MAX];
static size_t link_count;
static volatile sig_atomic_t stopped;

/* A number and its unit; `units` are pairs of a name and a factor. */
struct unit {
	const char *name;
	double factor;
};

static bool value_parse(double *out, const char *text, const struct unit *units)
{
	char *end;

	*out = text ? strtod(text, &end) : -1;
	if (!text || end == text || *out < 0)
		return false;
	for (; units->name; units++) {
		if (strcasecmp(end, units->name) == 0) {
			*out *= units->factor;
			return true;
		}
	}
	return false;
}

static const struct unit times[] = {{"ms", 1e6}, {"s", 1e9}, {"us", 1e3}, {NULL, 0}};
static const struct unit parts[] = {{"%", 0.01}, {"", 1}, {NULL, 0}};
static const struct unit rates[] = {
    {"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {NULL, 0}};
static const struct unit sizes[] = {{"b", 1}, {"kb", 1024}, {"mb", 1048576}, {NULL, 0}};

static bool settings_change(struct settings *s, const char *verb, const char *value)
{
	double n;

	if (strcmp(verb, "delay") == 0 && value_parse(&n, value, times) && n < 6e10)
		s->delay = (uint64_t)n;
	else if (strcmp(verb, "loss") == 0 && value_parse(&n, value, parts) && n <= 1)
		s->loss = n;
	else if (strcmp(verb, "rate") == 0 && value_parse(&n, value, rates))
		s->rate = (uint64_t)n;
	else if (strcmp(verb, "queue") == 0 && value_parse(&n, value, sizes))
		s->queue = (uint64_t)n;
	else if (strcmp(verb, "down") == 0 && !value)
		s->down = true;
	else if (strcmp(verb, "up") == 0 && !value)
		s->down = false;
	else
		return false;
	return true;
}

static void stats_print(void)
{
	printf("[");
	for (size_t i = 0; i < 2 * link_count; i++) {
		const struct counts *c = &links[i / 2].lane[i % 2].counts;

		printf("%s{\"link\": %zu, \"from\": \"%c\", \"in\": %llu, \"in_bytes\": %llu, "
		       "\"out\": %llu, \"out_bytes\": %llu, \"lost\": %llu, \"full\": %llu, "
		       "\"cut\": %llu, \"queue_bytes\": %llu, \"late_us\": %llu}",
		    i ? ", " : "", i / 2, i % 2 ? 'b' : 'a', (unsigned long long)c->in,
		    (unsigned long long)c->in_bytes, (unsigned long long)c->out,
		    (unsigned long long)c->out_bytes, (unsigned long long)c->lost,
		    (unsigned long long)c->full, (unsigned long long)c->cut,
		    (unsigned long long)c->queue, (unsigned long long)(c->late / 1000));
	}
	printf("]\n");
	fflush(stdout);
}

static void seed_all(unsigned long seed)
{
	for (size_t i = 0; i < 2 * link_count; i++) {
		unsigned short *chance = links[i / 2].lane[i % 2].chance;

		chance[0] = (unsigned short)seed;
		chance[1] = (unsigned short)(seed >> 16);
		chance[2] = (unsigned short)(i + 1);
		for (int k = 0; k < 20; k++)
			erand48(chance); /* the first ones of neighbours are alike */
	}
}

/* False: it is no command. */
static bool command_run(char *line)
{
	char *save = NULL, *word = strtok_r(line, " \t\n", &save), *value;
	size_t first = 0, last = link_count;
	bool lane[2] = {true, true};

	if (word && strcmp(word, "stats") == 0) {
		stats_print();
		return true;
	}
	if (word && ((*word >= '0' && *word <= '9') || *word == '<' || *word == '>')) {
		char *end = word;

		if (*word >= '0' && *word <= '9') {
			first = strtoul(word, &end, 10);
			last = first + 1;
		}
		lane[0] = *end != '<';
		lane[1] = *end != '>';
		if ((*end && strcmp(end, "<") != 0 && strcmp(end, ">") != 0) || last > link_count)
			return false;
		word = strtok_r(NULL, " \t\n", &save);
	}
	value = strtok_r(NULL, " \t\n", &save);
	if (word && value && strcmp(word, "seed") == 0) {
		seed_all(strtoul(value, NULL, 10));
		return true;
	}
	for (size_t i = first; i < last; i++) {
		for (size_t k = 0; k < 2; k++) {
			struct settings *s = &links[i].lane[k].settings;

			if (word && strcmp(word, "oneway") == 0 && !value)
				s->down = k == 1;
			else if (!word || (lane[k] && !settings_change(s, word, value)))
				return false;
		}
	}
	return true;
}

static void command_answer(char *line)
{
	char copy[INPUT_MAX];

	snprintf(copy, sizeof copy, "%s", line);
	if (command_run(line))
		printf("ok\n");
	else
		printf("error: \"%s\" is no command, or names no link\n", copy);
	fflush(stdout);
}

/* Whole lines of standard input; false at its end. */
static bool input_read(void)
{
	static char text[INPUT_MAX];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, text + len, sizeof text - 1 - len);
	char *end;

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	len += (size_t)n;
	text[len] = '\0';
	while ((end = strchr(text, '\n'))) {
		*end = '\0';
		command_answer(text);
		len -= (size_t)(end + 1 - text);
		memmove(text, end + 1, len + 1);
	}
	return len < sizeof text - 1;
}

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void run(const struct wiring *w)
{
	static struct pollfd fds[FDS_MAX];
	sigset_t awake;

	sigemptyset(&awake);
	while (!stopped) {
		uint64_t now = now_ns(), next = w->ready(now);
		struct timespec ts, *timeout = NULL;
		size_t n;

		if (next != UINT64_MAX) {
			now = now_ns();
			next = next > now ? next - now : 0;
			ts = (struct timespec){(time_t)(next / NS), (long)(next % NS)};
			timeout = &ts;
		}
		fds[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
		n = 1 + w->wait(fds + 1, FDS_MAX - 1);
		/* The signals are let in only here, so that none is missed. */
		if (ppoll(fds, n, timeout, &awake) > 0 && fds[0].revents && !input_read())
			break;
	}
}

int main(int argc, char **argv)
{
	const struct wiring *w = &tun_wiring;
	char *commands[32];
	size_t command_count = 0;
	unsigned long seed = 1;
	int option;
	sigset_t held;

	while ((option = getopt(argc, argv, "ps:c:")) != -1) {
		if (option == 'p')
			w = &proxy_wiring;
		else if (option == 's')
			seed = strtoul(optarg, NULL, 10);
		else if (option == 'c' && command_count < 32)
			commands[command_count++] = optarg;
		else
			return 2;
	}
	if (optind == argc || argc - optind > LINKS_MAX) {
		fprintf(stderr, "usage: link [-p] [-s SEED] [-c COMMAND]... LINK...\n");
		return 2;
	}
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_BLOCK, &held, NULL);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	/* 50 us by default: much for a packet at 100 Mbit/s. */
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	for (int i = optind; i < argc; i++) {
		links[link_count].lane[0].settings.queue = 256 * 1024;
		links[link_count].lane[1].settings.queue = 256 * 1024;
		if (!w->add(&links[link_count], link_count, argv[i]))
			return 1;
		link_count++;
	}
	seed_all(seed);
	for (size_t i = 0; i < command_count; i++) {
		if (!command_run(commands[i])) {
			fprintf(stderr, "link: a command is wrong\n");
			return 2;
		}
	}
	printf("ok\n");
	fflush(stdout);
	run(w);
	stats_print();
	return 0;
}
