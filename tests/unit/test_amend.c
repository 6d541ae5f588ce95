/* SPDX-License-Identifier: BSD-2-Clause */
/* What an amendment takes over from the text before it, and when there is nothing to amend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "client/posting.h"
#include "msg/body.h"

static const struct content_part old_parts[] = {
    {{(const uint8_t *)"a.pdf", 5}, {(const uint8_t *)"application/pdf", 15},
	{(const uint8_t *)"PDF", 3}, 0},
    {{(const uint8_t *)"film.ogg", 8}, {(const uint8_t *)"video/ogg", 9}, {NULL, 0}, 777777},
};
static const struct content_mention old_mention = {
    .name = {(const uint8_t *)"bob", 3}, .log = {1}, .identity = {2}};
static struct bytes references[2];

/* A message of ours with all that a content can have; `text` is what was written now. */
static void begin(struct posting *p, bool imported, const char *text)
{
	struct content c = {.subject = bytes_str("Old title"),
	    .text = bytes_str("cafe\xcc\x81 by bob"), /* not NFC */
	    .mentions = &old_mention,
	    .mention_count = 1,
	    .parts = old_parts,
	    .part_count = 2};

	references[0] = bytes_str("1@x.example");
	references[1] = bytes_str("2@x.example");
	if (imported)
		c.imported = (struct content_imported){.present = true,
		    .author = bytes_str("Jane <j@x.example>"),
		    .message_id = bytes_str("3@x.example"),
		    .source = bytes_str("list"),
		    .date = -5,
		    .references = references,
		    .reference_count = 2};
	memset(p, 0, sizeof *p);
	writing_init(&p->w, ACT_AMEND, "/nonexistent");
	p->s.home.lock = -1;
	p->placed = true;
	p->at.kind = KIND_POST;
	p->at.at = (struct ref){.present = true, .log = {7}, .id = {8}, .index = 9};
	assert_int_equal(content_encode(&p->at.memory, &c), OK);
	assert_int_equal(content_parse(buffer_bytes(&p->at.memory), &p->at.content), OK);
	p->at.has_content = true;
	buffer_add_str(&p->at.lang, "fr");
	buffer_add_str(&p->w.text, text);
}

static void end(struct posting *p)
{
	writing_free(&p->w);
	place_clear(&p->at);
	buffer_free(&p->ready);
	buffer_free(&p->body);
	buffer_free(&p->content);
}

static bool is(struct bytes b, const char *text)
{
	return bytes_equal(b, bytes_str(text));
}

static void test_carries_over(void **state)
{
	struct target_body body;
	struct posting p;
	struct content c;
	struct trouble t;
	bool same;

	(void)state;
	for (int imported = 0; imported < 2; imported++) {
		begin(&p, imported, "cafe\xcc\x81, new\n");
		assert_int_equal(posting_check(&p, &same, &t), OK);
		assert_false(same);
		assert_int_equal(posting_content(&p, &t), OK);
		assert_int_equal(content_parse(buffer_bytes(&p.content), &c), OK);
		assert_true(is(c.subject, "Old title"));
		assert_true(is(c.text, "caf\xc3\xa9, new\n"));
		assert_int_equal(c.mention_count, 1);
		assert_true(is(c.mentions[0].name, "bob"));
		assert_int_equal(c.part_count, 2);
		assert_true(is(c.parts[0].data, "PDF") && is(c.parts[0].name, "a.pdf"));
		assert_true(c.parts[1].omitted == 777777 && c.parts[1].data.len == 0);
		assert_int_equal(c.imported.present, imported);
		if (imported) {
			assert_true(is(c.imported.author, "Jane <j@x.example>") &&
				    is(c.imported.message_id, "3@x.example") &&
				    is(c.imported.source, "list") && c.imported.date == -5);
			assert_int_equal(c.imported.reference_count, 2);
			assert_true(is(c.imported.references[1], "2@x.example"));
		}
		content_clear(&c);
		assert_int_equal(amend_body_parse(p.draft.body, &body), OK);
		assert_memory_equal(body.target.id, p.at.at.id, ID_LEN);
		assert_memory_equal(body.target.log, p.at.at.log, DIGEST_LEN);
		end(&p);
	}
}

static void test_attachments(void **state)
{
	static const struct {
		enum parts_rule rule;
		size_t fresh, wanted;
	} cases[] = {{PARTS_DEFAULT, 0, 2}, {PARTS_DEFAULT, 1, 1}, {PARTS_KEEP, 1, 3},
	    {PARTS_DROP, 0, 0}, {PARTS_DROP, 1, 1}};
	struct content_part fresh = {
	    bytes_str("b.txt"), bytes_str("text/plain"), bytes_str("b"), 0};
	struct posting p;
	struct content c;
	struct trouble t;
	bool same;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin(&p, false, "cafe\xcc\x81 by bob");
		p.w.parts = cases[i].rule;
		p.attachments.list = &fresh;
		p.attachments.count = cases[i].fresh;
		assert_int_equal(posting_check(&p, &same, &t), OK);
		assert_int_equal(same, i == 0);
		assert_int_equal(posting_content(&p, &t), OK);
		assert_int_equal(content_parse(buffer_bytes(&p.content), &c), OK);
		assert_int_equal(c.part_count, cases[i].wanted);
		if (cases[i].fresh)
			assert_true(is(c.parts[c.part_count - 1].name, "b.txt"));
		/* A text that wasn't changed keeps its very bytes. */
		assert_true(is(c.text, "cafe\xcc\x81 by bob"));
		content_clear(&c);
		end(&p);
	}
}

static void check_is(
    const char *text, const char *subject, const char *lang, int wanted, bool same_wanted)
{
	struct posting p;
	struct trouble t;
	bool same;

	begin(&p, false, text);
	buffer_add_str(&p.w.subject, subject);
	buffer_add_str(&p.w.lang, lang);
	assert_int_equal(posting_check(&p, &same, &t), wanted);
	assert_int_equal(same, same_wanted);
	end(&p);
}

static void test_unchanged(void **state)
{
	(void)state;
	check_is("cafe\xcc\x81 by bob", "", "", OK, true);
	check_is("cafe\xcc\x81 by bob\n\n", "", "", OK, true);
	check_is("cafe\xcc\x81 by bob", "Old title", "fr", OK, true);
	check_is("cafe\xcc\x81 by bob", "New title", "", OK, false);
	check_is("cafe\xcc\x81 by bob", "", "en", OK, false);
	check_is(" cafe\xcc\x81 by bob", "", "", OK, false);
	check_is("", "", "", ERR_TEXT, false);
	check_is(" \n", "New title", "", OK, false); /* nothing came by the pipe: the text stays */
	check_is("\xff", "", "", ERR_TEXT, false);
}

static void test_reply(void **state)
{
	struct buffer quotation = BUFFER_INIT;
	struct posting p;
	struct trouble t;
	bool same;

	(void)state;
	begin(&p, false, "");
	p.w.act = ACT_REPLY;
	buffer_add_str(&p.at.author, "alice@isoc.example");
	posting_quotation(&p, &quotation);
	buffer_add(&p.w.text, quotation.data, quotation.len);
	buffer_add_str(&p.w.text, "\n\n");
	assert_int_equal(posting_check(&p, &same, &t), ERR_TEXT);
	buffer_add_str(&p.w.text, "Yes.");
	assert_int_equal(posting_check(&p, &same, &t), OK);
	assert_int_equal(posting_content(&p, &t), OK);
	assert_int_equal(p.draft.body.len, 0);
	/* An erased text is not quoted. */
	p.at.erased = true;
	buffer_reset(&quotation);
	posting_quotation(&p, &quotation);
	assert_int_equal(quotation.len, 0);
	buffer_free(&quotation);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_carries_over),
	    cmocka_unit_test(test_attachments),
	    cmocka_unit_test(test_unchanged),
	    cmocka_unit_test(test_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
