/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes are a mail, or are refused with a reason. What is read of one is a content that fits
 * the limit and that everybody can parse, with the same ids as its header alone gives. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "client/archive/mail.h"
#include "target.h"

static const uint64_t limits[] = {65536, 1024};

static bool one_line(struct bytes s)
{
	return text_is_utf8(s) && (s.len == 0 || (memchr(s.data, '\n', s.len) == NULL &&
						     memchr(s.data, '\r', s.len) == NULL &&
						     memchr(s.data, '\0', s.len) == NULL));
}

static void check_ids(const struct mail_ids *ids, const struct content_imported *im)
{
	REQUIRE(bytes_equal(ids->message_id, im->message_id));
	REQUIRE(ids->reference_count == im->reference_count && im->reference_count <= 4096);
	REQUIRE(one_line(ids->message_id) && ids->message_id.len <= 998);
	for (size_t i = 0; i < ids->reference_count; i++) {
		REQUIRE(bytes_equal(ids->references[i], im->references[i]));
		REQUIRE(ids->references[i].len > 0 && one_line(ids->references[i]));
		REQUIRE(!bytes_equal(ids->references[i], ids->message_id));
	}
}

static void check(const struct mail *m, uint64_t limit)
{
	struct buffer encoded = BUFFER_INIT;
	struct content again, c = m->content;
	c.imported.source = bytes_str("an archive");
	REQUIRE(content_encode(&encoded, &c) == OK && encoded.len <= limit);
	REQUIRE(content_parse(buffer_bytes(&encoded), &again) == OK);
	content_clear(&again);
	buffer_free(&encoded);
	REQUIRE(one_line(c.subject) && one_line(c.imported.author));
	REQUIRE(c.text.len == 0 || memchr(c.text.data, '\0', c.text.len) == NULL);
	for (size_t i = 0; i < c.part_count; i++) {
		REQUIRE(one_line(c.parts[i].name) && one_line(c.parts[i].media_type));
		REQUIRE(c.parts[i].media_type.len > 0);
		REQUIRE(c.parts[i].omitted == 0 || c.parts[i].data.len == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mail_reader *reader[2];
	struct bytes raw = bytes_of(data, size);
	for (size_t i = 0; i < 2; i++) {
		struct mail m;
		struct mail_ids ids;
		char why[128];
		if (reader[i] == NULL)
			REQUIRE(
			    mail_reader_new(&reader[i], i == 0 ? NULL : "koi8-r", limits[i]) == OK);
		int err = mail_read(reader[i], raw, &m, why);
		int ids_err = mail_ids_read(reader[i], raw, &ids);
		REQUIRE(err == OK || err == ERR_MALFORMED || err == ERR_TOO_LARGE);
		REQUIRE((err == OK) == (why[0] == '\0') && memchr(why, '\0', sizeof(why)) != NULL);
		REQUIRE(ids_err == (err == ERR_MALFORMED ? ERR_MALFORMED : OK));
		if (err == OK) {
			check_ids(&ids, &m.content.imported);
			check(&m, limits[i]);
		}
		mail_ids_free(&ids);
		mail_clear(&m);
	}
	return 0;
}
