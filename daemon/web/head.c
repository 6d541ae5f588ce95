/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/head.h"

#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"

void http_head_clear(struct head *out)
{
	static char none[1];

	*out = (struct head){.path = none,
	    .query = "",
	    .close = true,
	    .accept_encoding = "",
	    .accept_language = "",
	    .content_type = "",
	    .if_none_match = "",
	    .last_event_id = "",
	    .sec_fetch_site = ""};
}

/* RFC 9110 5.6.2 */
static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			(c && strchr("!#$%&'*+-.^_`|~", c))))
			return false;
	}
	return len > 0;
}

static bool is_target(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] == 0x7f || text[i] == '#' || (text[i] & 0x80))
			return false;
	return len > 0;
}

/* What a proxy would be asked for: scheme and host are taken off. */
static char *origin_form(char *target)
{
	char *slash;
	size_t skip = strncasecmp(target, "http://", 7) == 0    ? 7
		      : strncasecmp(target, "https://", 8) == 0 ? 8
								: 0;

	if (skip == 0)
		return *target == '/' ? target : NULL;
	slash = strchr(target + skip, '/');
	return slash && slash > target + skip ? slash : NULL;
}

static int request_line(struct head *h, char *line, unsigned *minor)
{
	char *target = strchr(line, ' '), *version;
	size_t method;
	char *mark;

	if (!target)
		return 400;
	method = (size_t)(target - line);
	*target++ = '\0';
	version = strchr(target, ' ');
	if (!version || !is_token(line, method))
		return 400;
	*version++ = '\0';
	if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.')
		return 400;
	if (version[5] != '1' || (version[7] != '0' && version[7] != '1'))
		return 505;
	*minor = version[7] == '1';
	if ((size_t)(version - target) > TARGET_MAX + 1)
		return 414;
	if (!is_target(target, strlen(target)) || !(target = origin_form(target)))
		return 400;
	h->method = strcmp(line, "GET") == 0    ? METHOD_GET
		    : strcmp(line, "HEAD") == 0 ? METHOD_HEAD
		    : strcmp(line, "POST") == 0 ? METHOD_POST
						: METHOD_OTHER;
	h->path = target;
	mark = strchr(target, '?');
	if (mark) {
		*mark = '\0';
		h->query = mark + 1;
	}
	return 0;
}

/* Whether a list of words holds one. */
static bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		list += strspn(list, " \t,");
		if (strncasecmp(list, word, len) == 0 && (!list[len] || strchr(" \t,", list[len])))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

struct seen {
	unsigned hosts;
	bool keep, close, encoding;
};

static int field(struct head *h, struct seen *seen, const char *name, const char *value)
{
	static const struct {
		const char *name;
		size_t at;
	} kept[] = {{"accept-encoding", offsetof(struct head, accept_encoding)},
	    {"accept-language", offsetof(struct head, accept_language)},
	    {"content-type", offsetof(struct head, content_type)},
	    {"if-none-match", offsetof(struct head, if_none_match)},
	    {"last-event-id", offsetof(struct head, last_event_id)},
	    {"sec-fetch-site", offsetof(struct head, sec_fetch_site)}};

	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		if (strcasecmp(name, kept[i].name) == 0) {
			*(const char **)(void *)((char *)h + kept[i].at) = value;
			return 0;
		}
	}
	if (strcasecmp(name, "host") == 0)
		seen->hosts++;
	else if (strcasecmp(name, "connection") == 0) {
		seen->keep |= list_has(value, "keep-alive");
		seen->close |= list_has(value, "close");
	} else if (strcasecmp(name, "transfer-encoding") == 0)
		seen->encoding = true;
	else if (strcasecmp(name, "expect") == 0) {
		if (strcasecmp(value, "100-continue") != 0)
			return 417;
		h->expects = true;
	} else if (strcasecmp(name, "content-length") == 0) {
		/* Twice the same would be allowed; who sends that has something in mind. */
		if (h->has_length ||
		    decimal_parse(&h->length, value, strlen(value), INT64_MAX) != OK)
			return 400;
		h->has_length = true;
	}
	return 0;
}

static int fields(struct head *h, struct seen *seen, char *at, char *end)
{
	for (unsigned count = 0; at < end; count++) {
		char *stop = memchr(at, '\r', (size_t)(end - at)), *colon, *last;
		int status;

		if (count == FIELDS_MAX)
			return 431;
		if (!stop || stop[1] != '\n')
			return 400;
		*stop = '\0';
		colon = memchr(at, ':', (size_t)(stop - at));
		if (!colon || !is_token(at, (size_t)(colon - at)))
			return 400;
		*colon++ = '\0';
		for (const char *p = colon; p < stop; p++)
			if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
				return 400;
		colon += strspn(colon, " \t");
		for (last = stop; last > colon && (last[-1] == ' ' || last[-1] == '\t'); last--)
			last[-1] = '\0';
		status = field(h, seen, at, colon);
		if (status)
			return status;
		at = stop + 2;
	}
	return 0;
}

int http_head_parse(struct head *out, char *text, size_t len)
{
	struct seen seen = {0};
	char *end = text + len - 2, *stop; /* `end`: behind the last field's CR LF */
	const char *language;
	unsigned minor = 0;
	int status = 400;

	http_head_clear(out);
	stop = memchr(text, '\r', len);
	if (stop && stop[1] == '\n' && !memchr(text, '\0', len)) {
		*stop = '\0';
		status = request_line(out, text, &minor);
		if (!status)
			status = fields(out, &seen, stop + 2, end);
		if (!status && (seen.hosts > 1 || (minor == 1 && seen.hosts == 0)))
			status = 400;
		if (!status && seen.encoding)
			status = out->has_length ? 400 : 501;
		/* What follows would be taken for a request by one, for a body by another. */
		if (!status && out->method != METHOD_POST && out->length > 0)
			status = 400;
	}
	if (status) {
		language = out->accept_language;
		http_head_clear(out);
		out->accept_language = language;
		return status;
	}
	out->close = seen.close || (minor == 0 && !seen.keep);
	out->expects = out->expects && minor == 1;
	return 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

bool http_head_decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from == '%') {
			int hi = digit(from[1]), lo = hi < 0 ? -1 : digit(from[2]);

			if (lo < 0 || (hi == 0 && lo == 0))
				return false;
			*to++ = (char)(hi << 4 | lo);
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return text_is_utf8(bytes_str(text));
}

bool accepts_gzip(const char *f)
{
	bool any = false;

	while (*f) {
		size_t len, word;
		const char *q;
		bool none = false, star;

		f += strspn(f, " \t,");
		len = strcspn(f, ",");
		word = strcspn(f, " \t,;");
		q = memchr(f, ';', len);
		if (q) {
			q += 1 + strspn(q + 1, " \t");
			/* "q=0", "q=0.000" */
			if ((*q == 'q' || *q == 'Q') && q[1] == '=')
				none = q[2] == '0' && strspn(q + 3, ".0") + 3 == strcspn(q, " \t,");
		}
		star = word == 1 && *f == '*';
		if ((word == 4 && strncasecmp(f, "gzip", 4) == 0) ||
		    (word == 6 && strncasecmp(f, "x-gzip", 6) == 0))
			return !none;
		any |= star && !none;
		f += len;
	}
	return any;
}

/* What counts of a tag, without W/, quotes, and the mark of the compressed form. */
static struct bytes tag_core(const char *tag, size_t len)
{
	if (len >= 2 && tag[0] == 'W' && tag[1] == '/') {
		tag += 2;
		len -= 2;
	}
	if (len < 2 || tag[0] != '"' || tag[len - 1] != '"')
		return bytes_of(NULL, 0);
	tag++;
	len -= 2;
	if (len > 5 && memcmp(tag + len - 5, "-gzip", 5) == 0)
		len -= 5;
	return bytes_of(tag, len);
}

bool tag_matches(const char *f, const char *tag)
{
	struct bytes core = tag_core(tag, strlen(tag));

	if (strcmp(f, "*") == 0)
		return true;
	while (*f) {
		size_t len;
		struct bytes other;

		f += strspn(f, " \t,");
		len = strcspn(f, ", \t");
		other = tag_core(f, len);
		if (other.len > 0 && bytes_equal(core, other))
			return true;
		f += len;
	}
	return false;
}
