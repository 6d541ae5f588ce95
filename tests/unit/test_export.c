/* SPDX-License-Identifier: BSD-2-Clause */
/* Posts as mails and as lines of JSON: nothing is lost, nothing is injected, nothing depends on
 * when or where. What is written is read again by a small reader of mail of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/archive/export.h"
#include "mail/write.h"
#include "client/archive/mbox.h"
#include "mail/message_id.h"

#define LOG "isoc.example/00112233445566778899aabbccddeeff/1"
#define HEX_ID "abababababababababababababababababababababababababababababababab"
#define LINE_LONGEST 998

static struct header header;
static struct content content;
static struct content_imported imported;
static struct mail_post post;
static struct buffer out, value, body;

static void reset(void)
{
	header = (struct header){.kind = KIND_POST, .time = UINT64_C(1780000180123)};
	content = (struct content){.text = bytes_str("what was said\n")};
	imported = (struct content_imported){.present = true};
	post = (struct mail_post){.header = &header,
	    .content = &content,
	    .at = {.present = true, .log = bytes_str(LOG), .index = 7},
	    .author = {.organisation = bytes_str("isoc.example"),
		.device = true,
		.handle = bytes_str("alice")}};
	memset(post.at.id, 0xab, ID_LEN);
	memset(post.topic, 0xcd, ID_LEN);
}

/* ---- a reader ---- */

/* Encoded words of our own kind, decoded; the space between two of them dropped. */
static void words_decode(struct buffer *to, const char *text)
{
	bool after = false;

	while (*text) {
		const char *end = strncmp(text, "=?utf-8?B?", 10) == 0 ? strstr(text, "?=") : NULL;
		uint8_t bytes[128];
		size_t len = sizeof bytes;

		if (end) {
			assert_int_equal(
			    base64_decode(bytes, &len, text + 10, (size_t)(end - text) - 10), OK);
			/* RFC 2047: each of them is whole characters. */
			assert_true(text_is_utf8(bytes_of(bytes, len)));
			if (after)
				to->len--;
			buffer_add(to, bytes, len);
			text = end + 2;
			after = *text == ' ' && strncmp(text + 1, "=?", 2) == 0;
		}
		if (*text)
			buffer_add(to, text++, 1);
	}
}

/* A header field's value: unfolded and decoded; NULL: there is none. It must be there once. */
static const char *field(const char *name)
{
	struct buffer raw = BUFFER_INIT;
	const char *all = buffer_str(&out), *at = NULL, *p;
	char begin[64];

	snprintf(begin, sizeof begin, "\n%s: ", name);
	for (p = all; p < strstr(all, "\n\n") && (p = strstr(p, begin)) && p < strstr(all, "\n\n");
	     p++) {
		assert_null(at);
		at = p + strlen(begin);
	}
	if (!at)
		return NULL;
	for (p = at; *p != '\n' || p[1] == ' '; p++)
		if (*p != '\n')
			buffer_add(&raw, p, 1);
	/* Readers take such spaces away. */
	assert_true(raw.len > 0 && raw.data[0] != ' ' && raw.data[raw.len - 1] != ' ');
	buffer_reset(&value);
	words_decode(&value, buffer_str(&raw));
	buffer_free(&raw);
	return buffer_str(&value);
}

static uint8_t hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* The text between `begin` and `end` by its transfer encoding. */
static void decode(const uint8_t *begin, const uint8_t *end, const char *transfer)
{
	buffer_reset(&body);
	if (strcmp(transfer, "base64") == 0) {
		while (begin < end) {
			const uint8_t *nl = memchr(begin, '\n', (size_t)(end - begin));
			uint8_t line[64];
			size_t len = sizeof line;

			assert_non_null(nl);
			assert_int_equal(
			    base64_decode(line, &len, (const char *)begin, (size_t)(nl - begin)),
			    OK);
			buffer_add(&body, line, len);
			begin = nl + 1;
		}
	} else if (strcmp(transfer, "quoted-printable") == 0) {
		const uint8_t *line = begin;

		for (; begin < end; begin++) {
			assert_true(begin - line <= 76 - (*begin != '\n'));
			if (*begin == '\n')
				line = begin + 1;
			/* Spaces at the end of a line may be lost. */
			assert_false((*begin == ' ' || *begin == '\t') && begin[1] == '\n');
			if (*begin != '=') {
				buffer_add(&body, begin, 1);
			} else if (begin[1] == '\n') {
				line = ++begin + 1;
			} else {
				buffer_add_u8(&body, (uint8_t)(hex_digit((char)begin[1]) << 4 |
							       hex_digit((char)begin[2])));
				begin += 2;
				assert_true(begin - line < 76);
			}
		}
	} else {
		buffer_add(&body, begin, (size_t)(end - begin));
	}
}

static const char *body_text(void)
{
	const uint8_t *at = memmem(out.data, out.len, "\n\n", 2);

	decode(at + 2, out.data + out.len - 1, field("Content-Transfer-Encoding"));
	return buffer_str(&body);
}

/* What holds of every mail: one separator, at the beginning; short lines; an empty line at its end;
 * all header lines are fields or go on. */
static void render(void)
{
	bool head = true;

	buffer_reset(&out);
	export_mail(&out, &post);
	assert_false(out.failed);
	assert_true(out.len > 2 && memcmp(out.data + out.len - 2, "\n\n", 2) == 0);
	for (size_t at = 0; at < out.len;) {
		const uint8_t *nl = memchr(out.data + at, '\n', out.len - at);
		struct bytes line = bytes_of(out.data + at, (size_t)(nl - (out.data + at)));

		assert_true(line.len <= LINE_LONGEST);
		assert_int_equal(at == 0, mbox_must_quote(line));
		head &= line.len > 0;
		if (head && at > 0) {
			/* Where lines are folded stands one space, which all readers take for one.
			 */
			assert_true(line.data[0] == ' '
					? line.data[1] != ' '
					: memmem(line.data, line.len, ": ", 2) != NULL);
			for (size_t i = 0; i < line.len; i++)
				assert_true(line.data[i] >= ' ' && line.data[i] != 0x7f);
		}
		at += line.len + 1;
	}
}

/* ---- mails ---- */

static void test_whole(void **state)
{
	(void)state;
	reset();
	content.subject = bytes_str("A first draft");
	header.lang = bytes_str("en");
	render();
	assert_string_equal(buffer_str(&out),
	    "From alice@isoc.example Thu May 28 20:29:40 2026\n"
	    "From: alice <alice@isoc.example>\n"
	    "Date: Thu, 28 May 2026 20:29:40 +0000\n"
	    "Subject: A first draft\n"
	    "Message-ID: <" HEX_ID "@isoc.example>\n"
	    "Content-Language: en\n"
	    "X-Convene-Id: " HEX_ID "\n"
	    "X-Convene-Log: " LOG " 7\n"
	    "X-Convene-Topic: cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\n"
	    "MIME-Version: 1.0\n"
	    "Content-Type: text/plain; charset=utf-8\n"
	    "Content-Transfer-Encoding: 7bit\n"
	    "\n"
	    "what was said\n"
	    "\n");
}

static void test_subjects(void **state)
{
	static const char *const exact[] = {
	    "plain",
	    "two  spaces, and more   of them",
	    " begins with one",
	    "ends with one ",
	    "a關於互聯網治理的討論關於互聯網治理的討論關於互聯網治理的討論",
	    ("two  at  every  place  and  so  nowhere  to  fold  it  although  it  is  longer  "
	     "than  a  line  should  be"),
	    "tab\there, bell\a, escape\x1b[31m, delete\x7f",
	    "=?utf-8?B?YWJj?= as it stands",
	    "a=?b",
	    "שלום עולם",
	    "关于互联网治理的讨论关于互联网治理的讨论关于互联网治理的讨论关于互联网治理的讨论",
	    ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
	     "fifteen sixteen seventeen eighteen nineteen twenty"),
	};
	char lots[5001];

	(void)state;
	reset();
	for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
		content.subject = bytes_str(exact[i]);
		render();
		assert_string_equal(field("Subject"), exact[i]);
	}
	memset(lots, 'x', sizeof lots - 1);
	lots[sizeof lots - 1] = '\0';
	content.subject = bytes_str(lots);
	render();
	assert_string_equal(field("Subject"), lots);
	for (size_t i = 0; i < sizeof lots - 1; i++)
		lots[i] = i % 2 || i == 0 || i + 2 > sizeof lots - 1 ? 'x' : ' ';
	render();
	assert_string_equal(field("Subject"), lots);
	for (size_t i = 60; i < 300; i += 30)
		memcpy(lots + i, "  ", 2);
	render();
	assert_string_equal(field("Subject"), lots);
	memset(lots + 1, ' ', sizeof lots - 3);
	render();
	assert_string_equal(field("Subject"), lots);
	content.subject = bytes_str("");
	render();
	assert_null(field("Subject"));
}

static void test_injection(void **state)
{
	static const char evil[] = "x\nBcc: eve@example.org\r\n\r\nFrom eve\0y";
	const char *cleaned = "x\xef\xbf\xbd"
			      "Bcc: eve@example.org\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
			      "From eve\xef\xbf\xbdy";
	struct bytes all = bytes_of(evil, sizeof evil - 1);
	struct content_part part = {.name = all, .media_type = all, .data = bytes_str("data")};

	(void)state;
	reset();
	content.subject = all;
	content.parts = &part;
	content.part_count = 1;
	post.author.name = all;
	post.author.handle = all;
	render();
	assert_string_equal(field("Subject"), cleaned);
	assert_null(field("Bcc"));
	assert_memory_equal(field("From"), cleaned, strlen(cleaned));
	assert_non_null(strstr(buffer_str(&out),
	    "\nContent-Type: application/octet-stream\nX-Convene-Media-Type: =?utf-8?B?"));
	imported.author = imported.source = imported.message_id = all;
	imported.references = &all;
	imported.reference_count = 1;
	post.imported = &imported;
	render();
	assert_string_equal(field("From"), cleaned);
	assert_null(field("Bcc"));
	assert_null(field("References"));
	assert_string_equal(field("Message-ID"), "<" HEX_ID "@isoc.example>");
}

static void author_is(const char *author, const char *begin)
{
	imported.author = bytes_str(author);
	render();
	assert_string_equal(field("From"), author);
	assert_non_null(strstr(buffer_str(&out), begin));
}

static void test_authors(void **state)
{
	(void)state;
	reset();
	post.imported = &imported;
	author_is("Ann Example <ann@example.org>", "\nFrom: Ann Example <ann@example.org>\n");
	author_is("ann at example.org (Ann)", "\nFrom: ann at example.org (Ann)\n");
	author_is("Åse <ase@example.org>", "\nFrom: =?utf-8?B?w4VzZQ==?= <ase@example.org>\n");
	author_is("\"Å, B.\" <ase@example.org>", "?= <ase@example.org>\n");
	author_is("Åse  <ase@example.org>", "\nFrom: =?utf-8?B?");
	author_is("Åse<ase@example.org>", "\nFrom: =?utf-8?B?");
	author_is("Åse <åse@example.org>", "\nFrom: =?utf-8?B?");
	author_is("<å>", "\nFrom: =?utf-8?B?");
	/* What an archive did not have is not made up. */
	imported.author = bytes_str("");
	render();
	assert_null(field("From"));
	assert_null(field("Date"));
	assert_string_equal(field("X-Convene-Imported-By"), "alice <alice@isoc.example>");
	post.imported = NULL;
	post.author.handle = bytes_str("ål.ice.");
	post.author.name = bytes_str("Ål, \"ice\"");
	render();
	assert_string_equal(field("From"), "Ål, \"ice\" <%C3%A5l.ice%2E@isoc.example>");
	post.author.name = bytes_str("Smith, \"J\" \\");
	render();
	assert_string_equal(
	    field("From"), "\"Smith, \\\"J\\\" \\\\\" <%C3%A5l.ice%2E@isoc.example>");
	post.author = (struct mail_author){.organisation = bytes_str("isoc.example")};
	render();
	assert_string_equal(field("From"),
	    "\"isoc.example\" "
	    "<0000000000000000000000000000000000000000000000000000000000000000@isoc.example>");
}

static void test_dates(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} dates[] = {
	    {1, "Thu, 01 Jan 1970 00:00:00 +0000"},
	    {-1, "Wed, 31 Dec 1969 23:59:59 +0000"},
	    {951827696999, "Tue, 29 Feb 2000 12:34:56 +0000"},
	    {253402300799999, "Fri, 31 Dec 9999 23:59:59 +0000"},
	    {253402300800000, NULL},
	    {INT64_MAX, NULL},
	    {INT64_MIN, NULL},
	};

	(void)state;
	reset();
	post.imported = &imported;
	for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
		imported.date = dates[i].ms;
		render();
		if (dates[i].text)
			assert_string_equal(field("Date"), dates[i].text);
		else
			assert_null(field("Date"));
	}
}

static void test_ids(void **state)
{
	static struct bytes refs[1000];
	static char text[1000][40];
	struct buffer wanted = BUFFER_INIT;

	(void)state;
	reset();
	post.imported = &imported;
	imported.message_id = bytes_str("one@example.org");
	for (int i = 0; i < 1000; i++) {
		snprintf(text[i], sizeof text[i], "reference-%d@lists.example.org", i);
		refs[i] = bytes_str(text[i]);
		buffer_printf(&wanted, "%s<%s>", i ? " " : "", text[i]);
	}
	imported.references = refs;
	imported.reference_count = 1000;
	/* An import's own references come before what the forum knows. */
	post.ancestors = refs;
	post.ancestor_count = 1;
	render();
	assert_string_equal(field("Message-ID"), "<one@example.org>");
	assert_string_equal(field("References"), buffer_str(&wanted));
	assert_string_equal(field("In-Reply-To"), "<reference-999@lists.example.org>");
	refs[999] = bytes_str("no id");
	render();
	assert_string_equal(field("In-Reply-To"), "<reference-998@lists.example.org>");
	imported.reference_count = 0;
	render();
	assert_string_equal(field("References"), "<reference-0@lists.example.org>");
	post.ancestor_count = 0;
	render();
	assert_null(field("References"));
	assert_null(field("In-Reply-To"));
	buffer_free(&wanted);
}

static void test_message_ids(void **state)
{
	static const char *const bad[] = {
	    "", "a b", "a\nb", "<a@b>", "a>", "\x7f", "a\xc2\x85z", "a\xff"};
	char lots[MESSAGE_ID_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(message_id_usable(bytes_str(bad[i])));
	assert_false(message_id_usable(bytes_of("a\0b", 3)));
	assert_true(message_id_usable(bytes_str("a@b")));
	assert_true(message_id_usable(bytes_str("ü@[::1]")));
	memset(lots, 'x', sizeof lots);
	assert_true(message_id_usable(bytes_of(lots, MESSAGE_ID_MAX)));
	assert_false(message_id_usable(bytes_of(lots, MESSAGE_ID_MAX + 1)));
}

/* What has the form of the forum's own names is nobody's from an archive. */
static void test_native_ids(void **state)
{
	static const uint8_t own[ID_LEN] = {1};
	char id[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF@a.example";
	struct buffer name = BUFFER_INIT;

	(void)state;
	assert_true(message_id_native(bytes_str(id)));
	message_id_add(&name, own, bytes_str("b.example"), bytes_str(id));
	assert_memory_equal(buffer_str(&name), "0100", 4);
	assert_string_equal(buffer_str(&name) + 64, "@b.example");
	assert_false(message_id_native(bytes_str(id + 1)));
	assert_false(message_id_native(bytes_of(id, 64)));
	id[5] = 'g';
	assert_false(message_id_native(bytes_str(id)));
	buffer_reset(&name);
	message_id_add(&name, own, bytes_str("b.example"), bytes_str(id));
	assert_string_equal(buffer_str(&name), id);
	buffer_free(&name);
}

static void text_is(struct bytes text, const char *transfer)
{
	content.text = text;
	render();
	if (transfer)
		assert_string_equal(field("Content-Transfer-Encoding"), transfer);
	body_text();
	assert_int_equal(body.len, text.len);
	if (text.len > 0)
		assert_memory_equal(body.data, text.data, text.len);
}

static void test_texts(void **state)
{
	static char line[2000];

	(void)state;
	reset();
	text_is(bytes_str(""), "7bit");
	text_is(bytes_str("a\n"), "7bit");
	text_is(bytes_str("\n\na\n"), "7bit");
	text_is(bytes_str("ä\n"), "8bit");
	text_is(bytes_str("a"), "quoted-printable");
	text_is(bytes_str("\n"), "quoted-printable");
	text_is(bytes_str("a\n\n"), "quoted-printable");
	text_is(bytes_str("a\n\n\n"), "quoted-printable");
	text_is(bytes_str("a \nb\t\n c \n"), "7bit");
	text_is(bytes_str("a \nb\t\n c "), "quoted-printable");
	text_is(bytes_str("a\r\nb\rc\n"), NULL);
	text_is(bytes_str("one\r\ntwo\r\nthree\r\n and so on\r\n"), "quoted-printable");
	text_is(bytes_of("a\0b\n", 4), NULL);
	text_is(bytes_str("From here\n"), "quoted-printable");
	text_is(bytes_str("so\n>>From there\n"), "quoted-printable");
	text_is(bytes_str("From"), "quoted-printable");
	text_is(bytes_str("From: me\nfrom me\n"), "7bit");
	text_is(bytes_str("日本語\nFrom here\n日本語日本語日本語\n"), "base64");
	memset(line, 'x', sizeof line);
	line[998] = '\n';
	text_is(bytes_of(line, 999), "7bit");
	line[998] = 'x';
	line[999] = '\n';
	text_is(bytes_of(line, 1000), "quoted-printable");
	/* Folded lines begin where a text may say anything. */
	for (size_t i = 0; i + 5 <= sizeof line; i += 5)
		memcpy(line + i, "From ", 5);
	text_is(bytes_of(line, sizeof line), NULL);
	memset(line, '>', sizeof line);
	memcpy(line + 1900, "From ", 5);
	text_is(bytes_of(line, sizeof line), NULL);
}

/* Texts of the pieces that hurt, by a fixed seed. */
static void test_random_texts(void **state)
{
	static const char *const pieces[] = {
	    "From ", ">", "\n", "\n", " ", "\t", "=", "é", "中", "\r", "a", "word ", "--", "=_"};
	uint32_t seed = 7;

	(void)state;
	reset();
	for (int n = 0; n < 3000; n++) {
		struct buffer text = BUFFER_INIT;
		size_t count = (seed >> 8) % 60;

		for (size_t i = 0; i < count; i++) {
			seed = seed * 1664525 + 1013904223;
			buffer_add_str(&text, pieces[(seed >> 16) % 14]);
		}
		seed = seed * 1664525 + 1013904223;
		text_is(buffer_bytes(&text), NULL);
		buffer_free(&text);
	}
}

/* The bytes of part `n` of a multipart (0: the text), decoded. */
static void part_is(size_t n, const char *transfer, struct bytes data)
{
	const char *boundary = "\n--=_" HEX_ID;
	size_t len = strlen(boundary);
	const uint8_t *at = memmem(out.data, out.len, boundary, len), *end, *text;

	for (; n > 0; n--)
		at = memmem(at + len, out.len - (size_t)(at + len - out.data), boundary, len);
	assert_non_null(at);
	at += len;
	end = memmem(at, out.len - (size_t)(at - out.data), boundary, len);
	text = memmem(at, (size_t)(end - at), "\n\n", 2);
	assert_true(end && text);
	decode(text + 2, end, transfer);
	assert_int_equal(body.len, data.len);
	if (data.len > 0)
		assert_memory_equal(body.data, data.data, data.len);
}

static void test_parts(void **state)
{
	uint8_t bytes[700];
	const char *mail = "From: a\n\ntext\n", *hostile = "Subject: x\n\nFrom y\n",
		   *open = "Status: failed\n\n\n";
	struct content_part parts[] = {
	    {.name = bytes_str("draft.pdf"),
		.media_type = bytes_str("application/pdf"),
		.data = bytes_of(bytes, sizeof bytes)},
	    {.name = bytes_str("a \"b\" ü/../c\n"),
		.media_type = bytes_str("text/plain; charset=\"us-ascii; x\"; name=y")},
	    {.name = bytes_str("big.iso"),
		.media_type = bytes_str("application/x-iso"),
		.omitted = 5000000000},
	    {.media_type = bytes_str("message/rfc822"), .data = bytes_str(mail)},
	    {.media_type = bytes_str("message/rfc822"), .data = bytes_str(hostile)},
	    {.media_type = bytes_str("multipart/mixed; boundary=x"), .data = bytes_str("--x\n")},
	    {.media_type = bytes_str("no type"), .data = bytes_str("From x\n")},
	    {.media_type = bytes_str("text/plain; x=\"\\\""), .data = bytes_str("")},
	    {.media_type = bytes_str("message/delivery-status"), .data = bytes_str(open)},
	    {.media_type = bytes_str("Message/rfc822"), .data = bytes_str("a: \x1b\xff no end")},
	    {.media_type = bytes_str("message/rfc822"), .data = bytes_str("a: \x1b\xff\r\n")},
	};
	const char *all;

	(void)state;
	reset();
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7);
	content.parts = parts;
	content.part_count = sizeof parts / sizeof parts[0];
	content.text = bytes_str("--=_" HEX_ID "--\n");
	render();
	part_is(0, "quoted-printable", content.text);
	part_is(1, "base64", parts[0].data);
	part_is(2, "base64", parts[1].data);
	part_is(3, "7bit", bytes_str(""));
	part_is(4, "7bit", parts[3].data);
	part_is(5, "base64", parts[4].data);
	part_is(6, "base64", parts[5].data);
	part_is(7, "base64", parts[6].data);
	part_is(8, "base64", parts[7].data);
	part_is(9, "7bit", parts[8].data);
	part_is(10, "8bit", parts[9].data);
	part_is(11, "base64", parts[10].data);
	all = buffer_str(&out);
	assert_non_null(strstr(all, "Content-Type: application/pdf\n"
				    "Content-Disposition: attachment; filename=\"draft.pdf\"\n"));
	assert_non_null(strstr(all, "Content-Type: text/plain; charset=\"us-ascii; x\"; name=y\n"));
	assert_non_null(strstr(all, "filename*0*=utf-8''a%20%22b%22%20%C3%BC%2F..%2Fc%EF%BF%BD\n"));
	assert_non_null(strstr(all, "X-Convene-Omitted: 5000000000\n"));
	assert_non_null(strstr(all, "X-Convene-Media-Type: multipart/mixed; boundary=x\n"));
	assert_non_null(strstr(all, "X-Convene-Media-Type: no type\n"));
	assert_non_null(strstr(all, "X-Convene-Media-Type: text/plain; x=\"\\\"\n"));
}

static void test_states(void **state)
{
	(void)state;
	reset();
	post.content = NULL;
	post.state = MAIL_ERASED;
	post.erasure = post.at;
	header.kind = KIND_TOPIC;
	render();
	assert_string_equal(field("X-Convene-State"), "erased");
	assert_string_equal(field("X-Convene-Erased"), HEX_ID);
	assert_string_equal(field("X-Convene-Kind"), "topic");
	assert_string_equal(body_text(), "");
	reset();
	post.amendment = post.at;
	render();
	assert_string_equal(field("X-Convene-Amended"), HEX_ID);
	assert_null(field("X-Convene-State"));
}

/* ---- JSON ---- */

static void test_json(void **state)
{
	struct bytes ref = bytes_str("zero@example.org");
	struct content_part parts[] = {{.name = bytes_str("a"),
					   .media_type = bytes_str("text/plain"),
					   .data = bytes_of("\0\xff", 2)},
	    {.name = bytes_str("b"), .omitted = 9}};

	(void)state;
	reset();
	content.text = bytes_of("a\0\n\"é𝄞", 10);
	content.parts = parts;
	content.part_count = 2;
	imported.author = bytes_str("Ann");
	imported.references = &ref;
	imported.reference_count = 1;
	imported.date = -5000;
	post.imported = &imported;
	post.amendment = post.at;
	header.parent.present = true;
	buffer_reset(&out);
	assert_int_equal(export_line(&out, &post), OK);
	assert_string_equal(buffer_str(&out),
	    "{\"amended\":{\"id\":\"" HEX_ID "\",\"index\":7,\"log\":\"" LOG "\"},"
	    "\"author\":{\"handle\":\"alice\",\"identity\":\"00000000000000000000000000000000\","
	    "\"organisation\":\"isoc.example\"},\"id\":\"" HEX_ID "\","
	    "\"imported\":{\"author\":\"Ann\",\"date\":-5000,\"references\":[\"zero@example.org\"]}"
	    ","
	    "\"index\":7,\"log\":\"" LOG "\",\"parent\":"
	    "\"0000000000000000000000000000000000000000000000000000000000000000\","
	    "\"parts\":[{\"data\":\"AP8=\",\"media_type\":\"text/plain\",\"name\":\"a\"},"
	    "{\"media_type\":\"\",\"name\":\"b\",\"omitted\":9}],\"state\":\"present\","
	    "\"subject\":\"\",\"text\":\"a\\u0000\\n\\\"\\u00E9\\uD834\\uDD1E\","
	    "\"thread\":\"0000000000000000000000000000000000000000000000000000000000000000\","
	    "\"time\":1780000180123,"
	    "\"topic\":\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\","
	    "\"type\":\"post\"}\n");
}

/* ---- frontiers ---- */

#define ROOT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define A "a.example/00112233445566778899aabbccddeeff/1"

static void test_frontier(void **state)
{
	static const char *const bad[] = {"", "convene frontier v1", "convene frontier v2\n",
	    "convene frontier v1\n" A " 5 " ROOT, "convene frontier v1\n" A " 0 " ROOT "\n",
	    "convene frontier v1\n" A " 05 " ROOT "\n", "convene frontier v1\n" A " 5 AA==\n",
	    "convene frontier v1\n" A " 5 " ROOT " \n", "convene frontier v1\n" A " 5\n",
	    "convene frontier v1\n" A "\n", "convene frontier v1\n\n",
	    "convene frontier v1\nno-log 5 " ROOT "\n",
	    "convene frontier v1\n" A " 5 " ROOT "\n" A " 6 " ROOT "\n",
	    "convene frontier v1\n" LOG " 5 " ROOT "\n" A " 6 " ROOT "\n"};
	const char *good = "convene frontier v1\n" A " 5 " ROOT "\n" LOG " 9007199254740991 " ROOT
			   "\n";
	struct frontier f, g = {NULL, 0};
	uint8_t hash[HASH_LEN], again[HASH_LEN];
	unsigned line;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(frontier_parse(&f, bytes_str(bad[i]), &line), ERR_MALFORMED);
		frontier_free(&f);
	}
	assert_int_equal(frontier_parse(&f, bytes_str(good), &line), OK);
	assert_int_equal(f.count, 2);
	assert_int_equal(frontier_find(&f, LOG)->size, 9007199254740991);
	assert_null(frontier_find(&f, "a.example"));
	buffer_reset(&out);
	frontier_format(&out, &f);
	assert_string_equal(buffer_str(&out), good);
	/* The order in which it was put together plays no part. */
	for (size_t i = f.count; i-- > 0;)
		assert_int_equal(
		    frontier_add(&g, bytes_str(f.logs[i].name), f.logs[i].size, f.logs[i].root),
		    OK);
	frontier_sort(&g);
	assert_int_equal(frontier_hash(&f, hash), OK);
	assert_int_equal(frontier_hash(&g, again), OK);
	assert_memory_equal(hash, again, HASH_LEN);
	buffer_reset(&out);
	frontier_format(&out, &g);
	assert_string_equal(buffer_str(&out), good);
	frontier_free(&f);
	frontier_free(&g);
	assert_int_equal(frontier_parse(&f, bytes_str("convene frontier v1\n"), &line), OK);
	assert_int_equal(f.count, 0);
	frontier_free(&f);
}

static int teardown(void **state)
{
	(void)state;
	buffer_free(&out);
	buffer_free(&value);
	buffer_free(&body);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_subjects),
	    cmocka_unit_test(test_injection),
	    cmocka_unit_test(test_authors),
	    cmocka_unit_test(test_dates),
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_message_ids),
	    cmocka_unit_test(test_native_ids),
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_random_texts),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_states),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_frontier),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
