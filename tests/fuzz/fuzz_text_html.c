/* SPDX-License-Identifier: BSD-2-Clause */
/* A message's text as HTML: whatever it is, its only tags are ours, they nest, and every attribute
 * is one that we wrote. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/web/pages.h"
#include "tests/fuzz/target.h"

static const char *const tags[] = {
    "<p dir=\"auto\">",
    "<pre dir=\"auto\">",
    "<blockquote>",
    "<details>",
    "<summary>",
    "<div class=\"sig\">",
};
static const char link_head[] = "<a rel=\"nofollow noopener\" dir=\"ltr\" href=\"http";

static const char *name_end(const char *p)
{
	while (*p >= 'a' && *p <= 'z')
		p++;
	return p;
}

/* What a tag that begins here is: its end, or NULL when it is none of ours. */
static const char *tag_end(const char *p)
{
	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
		if (strncmp(p, tags[i], strlen(tags[i])) == 0)
			return p + strlen(tags[i]);
	if (strncmp(p, link_head, strlen(link_head)) == 0) {
		p += strlen(link_head);
		while ((uint8_t)*p > ' ' && (uint8_t)*p < 0x7f && !strchr("\"'<>", *p))
			p++;
		return p[0] == '"' && p[1] == '>' ? p + 2 : NULL;
	}
	return NULL;
}

static void check(const char *p)
{
	const char *open[64];
	size_t depth = 0;

	while (*p) {
		if (*p == '&') {
			p = strchr(p, ';');
			if (!p)
				abort();
		} else if (*p == '>' || *p == '"' || *p == '\'') {
			abort();
		} else if (strncmp(p, "<br>", 4) == 0) {
			p += 3;
		} else if (strncmp(p, "</", 2) == 0) {
			const char *end = name_end(p + 2);

			if (*end != '>' || depth == 0 ||
			    strncmp(open[depth - 1], p + 2, (size_t)(end - p - 2)) != 0 ||
			    name_end(open[depth - 1]) - open[depth - 1] != end - p - 2)
				abort();
			depth--;
			p = end;
		} else if (*p == '<') {
			const char *end = tag_end(p);

			if (!end || depth == 64)
				abort();
			open[depth++] = p + 1;
			p = end - 1;
		}
		p++;
	}
	if (depth > 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer out = BUFFER_INIT;
	size_t max = size > 0 ? (size_t)data[0] << (data[0] % 8) : 0;

	text_html((struct html){&out}, bytes_of(data, size), max > 0 ? max : SIZE_MAX);
	if (out.failed || !text_is_utf8(buffer_bytes(&out)))
		abort();
	if (out.len > 0 && memchr(out.data, '\0', out.len))
		abort();
	check(buffer_str(&out));
	buffer_free(&out);
	return 0;
}
