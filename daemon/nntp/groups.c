/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/nntp/groups.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"

#define PREFIX_MAX 24
#define TITLE_MAX 40

/* Append a slug, or `otherwise`. */
static void words_add(char *out, struct bytes text, size_t max, const char *otherwise)
{
	struct buffer slug = BUFFER_INIT;

	text_slug(&slug, text, max);
	strcat(out, slug.len > 0 ? buffer_str(&slug) : otherwise);
	buffer_free(&slug);
}

void groups_prefix(char out[static NEWS_NAME_MAX + 1], const char *forum)
{
	/* RFC 5536 section 3.1.4 and older software keep these for themselves. */
	static const char *const reserved[] = {
	    "all", "control", "ctl", "example", "junk", "local", "poster", "to"};

	out[0] = '\0';
	words_add(out, bytes_str(forum), PREFIX_MAX, "forum");
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (strcmp(out, reserved[i]) == 0)
			strcat(out, "-forum");
}

void group_name(char out[static NEWS_NAME_MAX + 1], const char *prefix, struct bytes title,
    const uint8_t topic[static ID_LEN])
{
	char digits[2 * GROUP_ID_LEN + 1];

	hex_encode(digits, topic, GROUP_ID_LEN);
	snprintf(out, NEWS_NAME_MAX + 1, "%s.", prefix);
	words_add(out, title, TITLE_MAX, "topic");
	strcat(out, "-");
	strcat(out, digits);
}

bool group_name_read(struct bytes name, const char *prefix, uint8_t id[static GROUP_ID_LEN])
{
	const char *text = (const char *)name.data;
	size_t begin = strlen(prefix), digits = 2 * GROUP_ID_LEN;

	if (name.len > NEWS_NAME_MAX || name.len < begin + 3 + digits ||
	    memcmp(text, prefix, begin) != 0 || text[begin] != '.' ||
	    text[name.len - digits - 1] != '-')
		return false;
	for (size_t i = begin + 1; i < name.len; i++)
		if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
			text[i] == '-'))
			return false;
	return hex_decode(id, GROUP_ID_LEN, text + name.len - digits, digits) == OK;
}
