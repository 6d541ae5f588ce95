/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes are an archive: its mails follow each other, in it, and what is cut out is all there is
 * but for separators, and an empty line in front of them. A mail written into a new file, with its
 * lines quoted where mbox_must_quote() says so, comes back as one. */
#include <string.h>

#include "client/archive/mbox.h"
#include "target.h"

#define SEPARATOR "From a Tue Mar  4 15:06:07 2014\n"

static uint64_t count_lines(const uint8_t *from, const uint8_t *to)
{
	uint64_t n = 0;
	while (from < to)
		n += *from++ == '\n';
	return n;
}

/* The mail alone in a file. */
static void write_again(struct bytes raw)
{
	struct buffer file = BUFFER_INIT;
	struct mbox m;
	struct mbox_mail mail;
	size_t before;
	buffer_add_str(&file, SEPARATOR);
	for (size_t i = 0; i < raw.len;) {
		const uint8_t *lf = memchr(raw.data + i, '\n', raw.len - i);
		size_t end = lf != NULL ? (size_t)(lf - raw.data) + 1 : raw.len;
		struct bytes line = bytes_of(raw.data + i, end - i);
		if (mbox_must_quote(line))
			buffer_add_u8(&file, '>');
		buffer_add(&file, line.data, line.len);
		i = end;
	}
	buffer_add_str(&file, "\n\n");
	REQUIRE(!file.failed);
	mbox_open(&m, buffer_bytes(&file), &before);
	REQUIRE(before == 0 && mbox_next(&m, &mail));
	REQUIRE(mail.date == 1393945567000);
	REQUIRE(mail.raw.len + sizeof(SEPARATOR) - 1 + 1 == file.len);
	REQUIRE(!mbox_next(&m, &mail));
	buffer_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mbox m;
	struct mbox_mail mail;
	size_t before;
	mbox_open(&m, bytes_of(data, size), &before);
	REQUIRE(before <= size);
	const uint8_t *end = data;
	uint64_t line = 0;
	while (mbox_next(&m, &mail)) {
		REQUIRE(mail.raw.data > end && mail.raw.len > 0);
		REQUIRE(mail.raw.data + mail.raw.len <= data + size);
		REQUIRE(mail.line > line);
		REQUIRE(mail.line == count_lines(data, mail.raw.data));
		line = mail.line;
		end = mail.raw.data + mail.raw.len;
		write_again(mail.raw);
	}
	if (line > 0) /* nothing is left but the file's own empty line */
		REQUIRE((size_t)(data + size - end) <= 2);
	else
		REQUIRE(before == size || before + 3 == size);
	return 0;
}
