/* SPDX-License-Identifier: BSD-2-Clause */
/* The head of an HTTP request, a path in it, and the route to a page. What is taken has one length
 * and one target. */
#include <stdlib.h>
#include <string.h>

#include "daemon/web/head.h"
#include "daemon/web/route.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 5);
	struct head h;
	struct found f;
	int status;

	if (!text || size > HEAD_MAX) {
		free(text);
		return 0;
	}
	memcpy(text, data, size);
	/* As http_request.c finds it: an empty line is at its end and nowhere before. */
	for (size_t i = 0; i + 3 < size; i++)
		if (memcmp(text + i, "\r\n\r\n", 4) == 0)
			size = i;
	memcpy(text + size, "\r\n\r\n", 5);
	status = http_head_parse(&h, text, size + 4);
	if (status) {
		REQUIRE(status >= 400 && status <= 505);
		REQUIRE(h.close && h.path[0] == '\0' && h.length == 0);
		free(text);
		return 0;
	}
	REQUIRE(h.path[0] == '/');
	REQUIRE(strlen(h.path) + strlen(h.query) <= TARGET_MAX);
	REQUIRE(strcspn(h.query, " \r\n") == strlen(h.query));
	REQUIRE(h.method == METHOD_POST || h.length == 0);
	REQUIRE(!strchr(h.accept_language, '\n') && !strchr(h.if_none_match, '\r'));
	accepts_gzip(h.accept_encoding);
	tag_matches(h.if_none_match, "\"abc\"");
	if (http_head_decode(h.path)) {
		route_find(&f, h.path);
		REQUIRE(!f.route || f.digits <= 2 * ID_LEN);
		/* Nowhere else. */
		REQUIRE(!f.crooked || !f.route || (f.straight[0] == '/' && f.straight[1] != '/'));
	}
	free(text);
	return 0;
}
