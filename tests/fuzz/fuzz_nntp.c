/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever a client sends, in whatever pieces, the news server's command machine answers line by
 * line, in pieces that are bounded, and the same whether it is sent at once or a byte at a time. */
#include <string.h>

#include "../unit/news_fixture.h"
#include "daemon/nntp/session_inside.h"
#include "daemon/nntp/wildmat.h"
#include "target.h"

#define ANSWERS_MAX (64 << 20) /* of one input: it can ask for large lists many times */

/* Everything is lines of CR LF, and none holds either by itself. */
static void lines_check(struct bytes out)
{
	for (size_t at = 0; at < out.len;) {
		const uint8_t *cr = memchr(out.data + at, '\r', out.len - at);

		REQUIRE(cr && cr + 1 < out.data + out.len && cr[1] == '\n');
		REQUIRE(!memchr(out.data + at, '\n', (size_t)(cr - (out.data + at))));
		at = (size_t)(cr + 2 - out.data);
	}
}

static void run(const uint8_t *data, size_t size, size_t piece, struct buffer *out)
{
	struct news_fixture news = {.source = {&fixture_ops}};
	struct nntp_session *s;

	REQUIRE(session_new(&s, &news.source, &fixture_server) == OK);
	for (size_t at = 0; at < size && out->len < ANSWERS_MAX;) {
		size_t room = session_room(s), n = size - at < piece ? size - at : piece, last;

		if (session_over(s))
			break;
		n = n < room ? n : room;
		REQUIRE(session_take(s, bytes_of(data + at, n)) == OK);
		at += n;
		do {
			last = out->len;
			if (!session_run(s, out))
				break;
			REQUIRE(out->len - last <= 4 * PIECE_BYTES);
		} while (out->len < ANSWERS_MAX);
	}
	session_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole = BUFFER_INIT, bytes = BUFFER_INIT;

	run(data, size, SIZE_MAX, &whole);
	REQUIRE(!whole.failed);
	lines_check(buffer_bytes(&whole));
	if (whole.len < (1 << 20) && size < 4096) {
		run(data, size, 1, &bytes);
		REQUIRE(bytes_equal(buffer_bytes(&whole), buffer_bytes(&bytes)));
	}
	if (size > 1) {
		struct bytes pattern = bytes_of(data + 1, data[0] % size);
		struct bytes rest = bytes_of(data + 1 + pattern.len, size - 1 - pattern.len);

		if (wildmat_valid(pattern))
			wildmat_match(pattern, rest);
		pattern_match(pattern, rest);
	}
	buffer_free(&whole);
	buffer_free(&bytes);
	return 0;
}
