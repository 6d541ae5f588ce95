/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/static.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "crypto/hash.h"

struct static_set {
	char hash[2 * HASH_LEN + 1];
	size_t count;
	char (*urls)[96];
};

int static_set_new(struct static_set **out)
{
	struct static_set *s = *out = calloc(1, sizeof *s);
	struct hash *h = hash_new();
	uint8_t sum[HASH_LEN];

	while (s && static_files[s->count].name)
		s->count++;
	if (s)
		s->urls = calloc(s->count + 1, sizeof *s->urls);
	if (!s || !h || !s->urls) {
		hash_free(h);
		static_set_free(s);
		*out = NULL;
		return ERR_NOMEM;
	}
	hash_start(h);
	for (size_t i = 0; i < s->count; i++) {
		hash_add(h, static_files[i].name, strlen(static_files[i].name) + 1);
		hash_add(h, static_files[i].data, static_files[i].len);
	}
	hash_finish(h, sum);
	hash_free(h);
	hex_encode(s->hash, sum, sizeof sum);
	s->hash[STATIC_HASH_LEN] = '\0';
	for (size_t i = 0; i < s->count; i++)
		snprintf(
		    s->urls[i], sizeof *s->urls, "/static/%.16s/%s", s->hash, static_files[i].name);
	return OK;
}

void static_set_free(struct static_set *s)
{
	if (s)
		free(s->urls);
	free(s);
}

static size_t find(const struct static_set *s, const char *name)
{
	size_t i = 0;

	while (i < s->count && strcmp(static_files[i].name, name) != 0)
		i++;
	return i;
}

const char *static_set_url(const struct static_set *s, const char *name)
{
	return s->urls[find(s, name)];
}

const struct static_file *static_set_find(const struct static_set *s, const char *rest)
{
	size_t i;

	if (strncmp(rest, s->hash, STATIC_HASH_LEN) != 0 || rest[STATIC_HASH_LEN] != '/')
		return NULL;
	i = find(s, rest + STATIC_HASH_LEN + 1);
	return i < s->count ? &static_files[i] : NULL;
}

const char *static_type(const char *name)
{
	const char *dot = strrchr(name, '.');

	return !dot                         ? "application/octet-stream"
	       : strcmp(dot, ".css") == 0   ? "text/css; charset=utf-8"
	       : strcmp(dot, ".js") == 0    ? "text/javascript; charset=utf-8"
	       : strcmp(dot, ".svg") == 0   ? "image/svg+xml"
	       : strcmp(dot, ".png") == 0   ? "image/png"
	       : strcmp(dot, ".woff2") == 0 ? "font/woff2"
					    : "application/octet-stream";
}
