/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever comes in, what goes out is UTF-8, without controls, with its direction marks paired, and
 * does not change when it is done again. */
#include <string.h>

#include <unicode/utf8.h>

#include "base/error.h"
#include "base/text.h"
#include "target.h"

static void check_shown(struct bytes out, bool one_line)
{
	bool isolates[64];
	size_t depth = 0;
	REQUIRE(text_is_utf8(out));
	for (size_t i = 0; i < out.len;) {
		UChar32 c;
		U8_NEXT(out.data, i, out.len, c);
		bool ends = c == '\n' || c == 0x2028 || c == 0x2029;
		if (ends)
			REQUIRE(!one_line && depth == 0);
		else if (one_line || c != '\t')
			REQUIRE(c >= 0x20 && (c < 0x7f || c >= 0xa0));
		if ((c >= 0x202a && c <= 0x202e && c != 0x202c) || (c >= 0x2066 && c <= 0x2068)) {
			REQUIRE(depth < 64);
			isolates[depth++] = c >= 0x2066;
		} else if (c == 0x202c || c == 0x2069) {
			REQUIRE(depth > 0 && isolates[--depth] == (c == 0x2069));
		}
	}
	REQUIRE(depth == 0);
}

static void check_form(void (*form)(struct buffer *, struct bytes), struct bytes in, bool one_line)
{
	struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;
	form(&once, in);
	form(&twice, buffer_bytes(&once));
	REQUIRE(!once.failed && !twice.failed);
	check_shown(buffer_bytes(&once), one_line);
	REQUIRE(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
	buffer_free(&once);
	buffer_free(&twice);
}

static void check_nfc(struct bytes in)
{
	struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;
	int rc = text_nfc(&once, in);
	REQUIRE((rc == OK) == text_is_utf8(in));
	if (rc == OK) {
		REQUIRE(text_nfc(&twice, buffer_bytes(&once)) == OK);
		REQUIRE(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
	}
	buffer_free(&once);
	buffer_free(&twice);
}

static void check_handle(struct bytes in)
{
	char handle[HANDLE_MAX + 1], again[HANDLE_MAX + 1], skeleton[SKELETON_MAX + 1];
	if (handle_prepare(handle, in, NULL) != OK)
		return;
	REQUIRE(handle[0] != '\0' && strpbrk(handle, " @/+") == NULL && handle[0] != '.');
	REQUIRE(handle_prepare(again, bytes_str(handle), NULL) == OK);
	REQUIRE(strcmp(handle, again) == 0);
	if (handle_skeleton(skeleton, handle, NULL) == OK)
		REQUIRE(text_is_utf8(bytes_str(skeleton)));
	struct buffer shown = BUFFER_INIT;
	text_line(&shown, bytes_str(handle));
	REQUIRE(bytes_equal(buffer_bytes(&shown), bytes_str(handle)));
	buffer_free(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct buffer isolated = BUFFER_INIT;
	check_form(text_block, in, false);
	check_form(text_line, in, true);
	text_isolate(&isolated, in);
	check_shown(buffer_bytes(&isolated), true);
	buffer_free(&isolated);
	check_nfc(in);
	check_handle(in);
	REQUIRE(text_width(in) <= 2 * size);
	lang_valid(in);
	org_name_valid(in);
	return 0;
}
