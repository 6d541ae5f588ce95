/* SPDX-License-Identifier: BSD-2-Clause */
/* A content as it is exported: whatever it holds, it is one mail and one line, and none of it is a
 * header field that we didn't write. What is read as a frontier is written as the same bytes. */
#include <string.h>

#include "base/error.h"
#include "client/archive/export.h"
#include "client/archive/mbox.h"
#include "target.h"

#define LINE_LONGEST 1100 /* a Message-ID may have 998 bytes by itself */

static void mail_check(struct bytes mail)
{
	bool head = true;

	REQUIRE(mail.len > 2 && memcmp(mail.data + mail.len - 2, "\n\n", 2) == 0);
	for (size_t at = 0; at < mail.len;) {
		const uint8_t *nl = memchr(mail.data + at, '\n', mail.len - at);
		struct bytes line = bytes_of(mail.data + at, (size_t)(nl - (mail.data + at)));

		REQUIRE(mbox_must_quote(line) == (at == 0));
		REQUIRE(line.len <= LINE_LONGEST);
		head &= line.len > 0;
		if (head && at > 0 && line.data[0] != ' ')
			REQUIRE(memmem(line.data, line.len, ": ", 2) != NULL &&
				strchr("FDSMICRX", line.data[0]));
		for (size_t i = 0; head && i < line.len; i++)
			REQUIRE(line.data[i] >= ' ' && line.data[i] != 0x7f);
		at += line.len + 1;
	}
}

static void frontier_check(struct bytes text)
{
	struct buffer out = BUFFER_INIT;
	struct frontier f;
	unsigned line;

	if (frontier_parse(&f, text, &line) == OK) {
		frontier_format(&out, &f);
		REQUIRE(bytes_equal(buffer_bytes(&out), text));
	}
	frontier_free(&f);
	buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header h = {.kind = KIND_POST, .time = 1};
	struct buffer out = BUFFER_INIT, again = BUFFER_INIT;
	struct content c;

	if (content_parse(bytes_of(data, size), &c) == OK) {
		struct mail_post p = {.header = &h,
		    .at = {.present = true, .log = bytes_str("a.example/x/1")},
		    .author = {.organisation = bytes_str("a.example"),
			.handle = c.profile.handle,
			.name = c.profile.name},
		    .content = &c,
		    .imported = c.imported.present ? &c.imported : NULL};

		export_mail(&out, &p);
		export_mail(&again, &p);
		REQUIRE(bytes_equal(buffer_bytes(&out), buffer_bytes(&again)));
		mail_check(buffer_bytes(&out));
		buffer_reset(&out);
		REQUIRE(export_line(&out, &p) == OK);
		REQUIRE(memchr(out.data, '\n', out.len) == out.data + out.len - 1);
	}
	content_clear(&c);
	frontier_check(bytes_of(data, size));
	buffer_free(&out);
	buffer_free(&again);
	return 0;
}
