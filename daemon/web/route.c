/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/route.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"

#define DIGITS_MIN 8

static const char none[] = "";

static const struct route table[] = {
    {"/", ROUTE_PAGE, page_front, "page\0"},
    {"/topic/#", ROUTE_PAGE, page_topic, "page\0"},
    {"/topic/#/feed", ROUTE_PAGE, feed_topic, none},
    {"/thread/#", ROUTE_PAGE, page_thread, "page\0"},
    {"/thread/#/feed", ROUTE_PAGE, feed_thread, none},
    {"/m/#", ROUTE_PAGE, page_message, none},
    {"/m/#/raw", ROUTE_PAGE, page_raw, none},
    {"/m/#/content", ROUTE_PAGE, page_raw, none},
    {"/m/#/proof", ROUTE_PROOF, NULL, none},
    {"/m/#/part/*", ROUTE_PAGE, page_part, none},
    {"/by/*/feed", ROUTE_PAGE, feed_author, none},
    {"/by/*", ROUTE_PAGE, page_author, "before\0"},
    {"/search", ROUTE_PAGE, page_search, "q\0before\0"},
    {"/since/*", ROUTE_PAGE, page_since, none},
    {"/since", ROUTE_PAGE, page_since, "date\0"},
    {"/feed", ROUTE_PAGE, feed_all, none},
    {"/about", ROUTE_PAGE, page_about, none},
    {"/help", ROUTE_PAGE, page_help, none},
    {"/join", ROUTE_PAGE, page_join, none},
    {"/write", ROUTE_PAGE, page_write, "topic\0parent\0amend\0"},
    {"/outbox", ROUTE_PAGE, page_outbox, none},
    {"/you", ROUTE_PAGE, page_keys, none},
    {"/live", ROUTE_LIVE, NULL, none},
    {"/gate", ROUTE_GATE, NULL, none},
    {"/static/*", ROUTE_STATIC, NULL, none},
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The id that begins `at`: how many digits. 0: none. */
static size_t take_id(struct found *f, const char *at)
{
	char low[2 * ID_LEN + 1] = "";
	size_t n = 0;

	while (n < 2 * ID_LEN && is_hex(at[n])) {
		low[n] = at[n] >= 'A' && at[n] <= 'F' ? (char)(at[n] + ('a' - 'A')) : at[n];
		f->crooked |= low[n] != at[n];
		n++;
	}
	if (n < DIGITS_MIN || is_hex(at[n]))
		return 0;
	memset(low + n, '0', 2 * ID_LEN - n);
	return hex_decode(f->id, ID_LEN, low, 2 * ID_LEN) == OK ? n : 0;
}

static bool rest_is(struct found *f, const char *text, size_t len)
{
	if (len >= sizeof f->rest)
		return false;
	memcpy(f->rest, text, len);
	f->rest[len] = '\0';
	return true;
}

static bool matches(struct found *f, const char *pattern, const char *path)
{
	f->digits = 0;
	f->rest[0] = '\0';
	f->crooked = false;
	for (; *pattern; pattern++) {
		if (*pattern == '#') {
			f->digits = take_id(f, path);
			if (f->digits == 0)
				return false;
			path += f->digits;
			if (pattern[1] && *path && !rest_is(f, path + 1, strlen(path + 1)))
				return false;
		} else if (*pattern == '*') {
			size_t tail = strlen(pattern + 1), len = strlen(path);

			return len > tail && strcmp(path + len - tail, pattern + 1) == 0 &&
			       rest_is(f, path, len - tail);
		} else if (*pattern != *path++) {
			return false;
		}
	}
	/* One slash too many is forgiven. */
	f->crooked |= path[0] == '/' && path[1] == '\0';
	return *path == '\0' || strcmp(path, "/") == 0;
}

static void straighten(struct found *f)
{
	size_t len = strlen(f->path), n = 0;
	char *to = f->straight;
	bool id = f->digits > 0;
	const char *at = id ? strchr(f->path + 1, '/') + 1 : f->path;

	if (len + 4 > sizeof f->straight) {
		f->route = NULL;
		return;
	}
	if (f->chosen)
		n = (size_t)sprintf(to, "/%s", language_tag(f->language));
	memcpy(to + n, f->path, len + 1);
	for (size_t i = 0; id && i < f->digits; i++) {
		char *c = &to[n + (size_t)(at - f->path) + i];

		*c = *c >= 'A' && *c <= 'F' ? (char)(*c + ('a' - 'A')) : *c;
	}
	n += len;
	if (len > 1 && to[n - 1] == '/')
		to[n - 1] = '\0';
}

void route_find(struct found *out, const char *path)
{
	size_t tag = strcspn(path + (*path == '/'), "/");
	enum language l;

	*out = (struct found){.path = path, .language = LANGUAGE_EN};
	/* The tag as it is and no other spelling: one page, one path in a language. */
	l = *path == '/' && tag == 2 ? language_by_tag(path + 1, 2) : LANGUAGES;
	if (l < LANGUAGES && strncmp(path + 1, language_tag(l), 2) == 0) {
		out->chosen = true;
		out->language = l;
		out->path = path[3] ? path + 3 : "/";
		out->crooked = false;
	}
	for (size_t i = 0; i < sizeof table / sizeof *table && !out->route; i++)
		if (matches(out, table[i].path, out->path))
			out->route = &table[i];
	if (out->route && out->chosen && path[3] == '\0') {
		strcpy(out->straight, path);
		strcat(out->straight, "/");
		out->crooked = true;
	} else if (out->route && out->crooked) {
		straighten(out);
	}
}

/* A parameter, as it stands in a query: "name=value". */
static bool parameter_add(char *out, size_t *len, const char *query, const char *name)
{
	size_t n = strlen(name), whole;

	for (const char *at = query; *at; at += whole + (at[whole] == '&')) {
		whole = strcspn(at, "&");
		if (whole <= n + 1 || strncmp(at, name, n) != 0 || at[n] != '=')
			continue;
		if (*len + (*len > 0) + whole >= QUERY_MAX)
			return false;
		if (*len > 0)
			out[(*len)++] = '&';
		memcpy(out + *len, at, whole);
		*len += whole;
		break;
	}
	out[*len] = '\0';
	return true;
}

bool route_query(char out[static QUERY_MAX], const struct route *r, const char *query)
{
	size_t len = 0;

	out[0] = '\0';
	for (const char *name = r->known; *name; name += strlen(name) + 1)
		if (!parameter_add(out, &len, query, name))
			return false;
	return true;
}
