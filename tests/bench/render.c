/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages without a server: render STORE CHARTER ORGANISATION PATH … writes what would be served for
 * each path; -n N renders each so often and says what that took. For looking at pages, and for a
 * profiler. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "daemon/web/pages.h"

struct web {
	struct web_node node;
	struct conf conf;
	struct binding binding;
	uint8_t root[KEY_LEN];
};

static char query_value[1200];

const struct web_node *web_node(const struct web *w)
{
	return &w->node;
}

const char *static_url(const struct web *w, const char *name)
{
	static char room[4][64];
	static unsigned at;

	(void)w;
	at = (at + 1) % 4;
	snprintf(room[at], sizeof room[at], "/static/%s", name);
	return room[at];
}

const char *request_query(const struct request *q, const char *name)
{
	size_t len = strlen(name);
	const char *p = q->query_text;

	while (*p) {
		size_t n = strcspn(p, "&");

		if (n > len && strncmp(p, name, len) == 0 && p[len] == '=') {
			snprintf(query_value, sizeof query_value, "%.*s", (int)(n - len - 1),
			    p + len + 1);
			return query_value;
		}
		p += n + (p[n] == '&');
	}
	return "";
}

static const struct {
	const char *path; /* @: an id */
	page_fn *page;
} routes[] = {
    {"/", page_front},
    {"/topic/@/feed", feed_topic},
    {"/topic/@", page_topic},
    {"/thread/@/feed", feed_thread},
    {"/thread/@", page_thread},
    {"/m/@/part/*", page_part},
    {"/m/@/*", page_raw},
    {"/m/@", page_message},
    {"/by/*", page_author},
    {"/search", page_search},
    {"/since/*", page_since},
    {"/since", page_since},
    {"/feed", feed_all},
    {"/about", page_about},
    {"/help", page_help},
};

static bool route_fits(const char *pattern, const char *path, struct request *q)
{
	for (; *pattern; pattern++) {
		if (*pattern == '@') {
			if (strlen(path) < 2 * ID_LEN ||
			    hex_decode(q->id, ID_LEN, path, 2 * ID_LEN) != OK)
				return false;
			path += 2 * ID_LEN;
		} else if (*pattern == '*') {
			q->rest = path;
			return true;
		} else if (*pattern != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

static void render(struct web *w, struct reader *r, const char *target, struct answer *a)
{
	char path[2000];
	struct request q = {.web = w,
	    .reader = r,
	    .path = path,
	    .rest = "",
	    .query_text = "",
	    .now = clock_wall_ms()};
	char *query;
	page_fn *page = NULL;

	snprintf(path, sizeof path, "%s", target);
	query = strchr(path, '?');
	if (query) {
		*query = '\0';
		q.query_text = query + 1;
	}
	if (strlen(path) >= 3 && path[0] == '/' && (path[3] == '/' || path[3] == '\0')) {
		enum language l = language_by_tag(path + 1, 2);

		if (l != LANGUAGES) {
			q.language = l;
			q.language_chosen = true;
			q.path = path[3] ? path + 3 : "/";
		}
	}
	language_use(q.language);
	for (size_t i = 0; i < sizeof routes / sizeof routes[0] && !page; i++)
		if (route_fits(routes[i].path, q.path, &q))
			page = routes[i].page;
	if (strncmp(q.path, "/by/", 4) == 0 && strlen(q.path) > 9 &&
	    strcmp(q.path + strlen(q.path) - 5, "/feed") == 0)
		page = feed_author;
	if (page)
		page(&q, a);
	else
		page_error(&q, a, 404);
}

static uint64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void file_take(struct buffer *out, const char *path)
{
	FILE *f = fopen(path, "r");
	uint8_t piece[4096];
	size_t n;

	while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
		buffer_add(out, piece, n);
	if (f)
		fclose(f);
}

/* Beside the store is the index. */
static char *data_of(const char *store)
{
	const char *slash = strrchr(store, '/');

	return slash ? strndup(store, (size_t)(slash - store)) : strdup(".");
}

static struct web *web_make(const char *store, const char *charter, const char *organisation)
{
	struct buffer note = BUFFER_INIT;
	struct web *w = calloc(1, sizeof *w);
	struct charter *c;

	file_take(&note, charter);
	if (!w || charter_open(&c, buffer_bytes(&note), NULL, NULL) != OK) {
		fprintf(stderr, "%s: not a charter\n", charter);
		exit(1);
	}
	buffer_free(&note);
	w->conf.node.name = strdup(organisation);
	w->conf.node.data = data_of(store);
	w->conf.web.operator= strdup("The secretariat of this organisation");
	w->conf.web.contact = strdup("mailto:forum@isoc.example");
	w->node = (struct web_node){&w->conf, c, &w->binding, w->root};
	return w;
}

int main(int argc, char **argv)
{
	struct answer a = {0};
	struct reader *r;
	uint64_t state;
	long times = 1;
	int c;

	while ((c = getopt(argc, argv, "n:")) == 'n')
		times = atol(optarg);
	if (argc - optind < 4) {
		fprintf(stderr, "usage: render [-n N] STORE CHARTER ORGANISATION PATH ...\n");
		return 2;
	}
	language_start();
	struct web *w = web_make(argv[optind], argv[optind + 1], argv[optind + 2]);
	int err = reader_open(&r, argv[optind], argv[optind + 2]);

	if (err) {
		fprintf(stderr, "%s: %s\n", argv[optind], error_text(err));
		return 1;
	}
	for (int i = optind + 3; i < argc; i++) {
		uint64_t began = cpu_us();

		for (long n = 0; n < times; n++) {
			struct buffer body = a.body;

			buffer_reset(&body);
			a = (struct answer){.status = 200, .body = body};
			err = reader_begin(r, &state);
			if (err) {
				fprintf(stderr, "%s\n", error_text(err));
				return 1;
			}
			render(w, r, argv[i], &a);
			reader_end(r);
		}
		if (times > 1)
			fprintf(stderr, "%8.1f us %8zu bytes %d %s\n",
			    (double)(cpu_us() - began) / (double)times, a.body.len, a.status,
			    argv[i]);
		else
			fwrite(a.body.data, 1, a.body.len, stdout);
		if (a.status >= 300 && a.status < 400)
			fprintf(stderr, "%d %s\n", a.status, a.location);
	}
	buffer_free(&a.body);
	reader_close(r);
	page_time_end();
	free(w->conf.node.data);
	charter_free((struct charter *)w->node.charter);
	free(w->conf.node.name);
	free(w->conf.web.operator);
	free(w->conf.web.contact);
	free(w);
	return 0;
}
