/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"
#include "client/archive/mail.h"

#define R "\xef\xbf\xbd" /* U+FFFD */
#define FROM "From: Ana <ana@example.org>\n"

static struct mail_reader *reader; /* with a limit of 64 KiB */
static struct mail mail;
static char why[128];

static int read_with(struct mail_reader *r, const void *data, size_t len)
{
	mail_clear(&mail);
	uint8_t *copy = malloc(len > 0 ? len : 1); /* of the exact size, for sanitizers */
	assert_non_null(copy);
	memcpy(copy, data, len);
	int err = mail_read(r, bytes_of(copy, len), &mail, why);
	struct mail_ids ids;
	int ids_err = mail_ids_read(r, bytes_of(copy, len), &ids);
	if (err == OK) {
		assert_int_equal(ids_err, OK);
		assert_true(mail.content.imported.present);
		assert_true(bytes_equal(ids.message_id, mail.content.imported.message_id));
		assert_int_equal(ids.reference_count, mail.content.imported.reference_count);
		for (size_t i = 0; i < ids.reference_count; i++)
			assert_true(
			    bytes_equal(ids.references[i], mail.content.imported.references[i]));
		assert_true(mail.content.imported.date == (ids.date == INT64_MIN ? 0 : ids.date));
	}
	mail_ids_free(&ids);
	free(copy); /* the mail stands by itself */
	if (err == OK)
		assert_string_equal(why, "");
	else
		assert_true(why[0] != '\0' && mail.memory == NULL);
	return err;
}

static int read_mail(const char *s)
{
	return read_with(reader, s, strlen(s));
}

/* What is read has to be a content that everybody can parse, and within the limit. */
static void good(const char *s)
{
	struct buffer b = BUFFER_INIT;
	struct content c;
	if (read_mail(s) != OK)
		fail_msg("refused: %s", why);
	assert_int_equal(mail.content.imported.source.len, 0);
	mail.content.imported.source = bytes_str("an archive");
	assert_int_equal(content_encode(&b, &mail.content), OK);
	assert_true(b.len <= 65536);
	assert_int_equal(content_parse(buffer_bytes(&b), &c), OK);
	assert_true(text_is_utf8(c.imported.author));
	content_clear(&c);
	buffer_free(&b);
}

static void is(struct bytes got, const char *expected)
{
	if (!bytes_equal(got, bytes_str(expected)))
		fail_msg("`%.*s` is not `%s`", (int)got.len, (const char *)got.data, expected);
}

static void is_part(size_t i, const char *name, const char *type, const char *data)
{
	assert_true(i < mail.content.part_count);
	is(mail.content.parts[i].name, name);
	is(mail.content.parts[i].media_type, type);
	is(mail.content.parts[i].data, data);
	assert_int_equal(mail.content.parts[i].omitted, 0);
}

/* ---- header ---- */

static void plain_mail(void **state)
{
	(void)state;
	good(FROM "Date: Tue, 4 Mar 2014 15:06:07 +0000\nSubject: A question\n"
		  "Message-ID: <1@example.org>\nReferences: <a@x> <b@x>\n\nHello.\n\nAna\n");
	is(mail.content.subject, "A question");
	is(mail.content.text, "Hello.\n\nAna\n");
	is(mail.content.imported.author, "Ana <ana@example.org>");
	is(mail.content.imported.message_id, "1@example.org");
	is(mail.content.imported.references[0], "a@x");
	is(mail.content.imported.references[1], "b@x");
	assert_int_equal(mail.content.imported.reference_count, 2);
	assert_true(mail.content.imported.date == 1393945567000);
	assert_int_equal(mail.content.part_count, 0);
	assert_int_equal(mail.losses.guessed, 0);
}

static void crlf_mail(void **state)
{
	(void)state;
	good("From: ana@example.org\r\nSubject: a\r\n folded one\r\nMessage-ID:\r\n <1@x>\r\n\r\n"
	     "Hello.\r\n\r\nAna");
	is(mail.content.subject, "a folded one");
	is(mail.content.imported.message_id, "1@x");
	is(mail.content.text, "Hello.\n\nAna");
}

static const struct {
	const char *value, *text;
} subjects[] = {
    {" plain", "plain"},
    {"", ""},
    {"  \t spaces  inside \t ", "spaces  inside"},
    {" folded\n line", "folded line"},
    {" folded\n\twith a tab", "folded\twith a tab"},
    {" a\x1b[31m\x07 control", "a\x1b[31m\x07 control"},
    {" a lone\rreturn", "a lone return"},
    {" =?utf-8?q?Reuni=C3=A3o_de_amanh=C3=A3?=", "Reunião de amanhã"},
    {" =?UTF-8?Q?Reuni=c3=a3o?= de =?utf-8?b?YW1hbmjDow==?=!", "Reunião de amanhã!"},
    {" =?iso-8859-1?Q?Reuni=E3o?=", "Reunião"},
    {" =?gb2312?B?xOO6w6Osy8C95w==?=", "你好，死界"},
    {" =?big5?B?p0GmbqFBpUCsyQ==?=", "你好，世界"},
    {" =?ISO-2022-JP?B?GyRCJDMkcyRLJEEkTxsoQg==?=", "こんにちは"},
    {" =?koi8-r?B?8NLJ18XUIM3J0g==?=", "Привет мир"},
    {" =?windows-1256?Q?=E3=D1=CD=C8=C7?=", "مرحبا"},
    {" =?iso-8859-8-i?Q?=F9=EC=E5=ED?=", "שלום"},
    /* Words side by side: without the space between, and characters that were cut in two. */
    {" =?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
    {" =?utf-8?q?a?=\n =?utf-8?q?b?=", "ab"},
    {" =?utf-8?q?a?= b", "a b"},
    {" =?utf-8?q?=E4=BD?= =?utf-8?q?=A0?=", "你"},
    {" =?utf-8?b?5L0=?=\n =?utf-8?b?oA==?=", "你"},
    {" =?utf-8?q?=C3=A9?= =?koi8-r?q?=CD?=", "éм"},
    /* Not quite words, and words that aren't quite right. */
    {" =?utf-8?q?not closed", "=?utf-8?q?not closed"},
    {" =?utf-8?x?other?=", "=?utf-8?x?other?="},
    {" =?utf-8?q?", "=?utf-8?q?"},
    {" =?=?utf-8?q?a?=", "=?a"},
    {" =?utf-8?q?two words?=", "two words"},
    {" [list]=?utf-8?q?=C3=A9?=x", "[list]éx"},
    {" =?utf-8*pt?q?n=C3=A3o?=", "não"},
    {" =?utf-8?q?=ZZ=4?=", "=ZZ=4"},
    {" =?utf-8?q?"
     "?=",
	""},
    {" =?utf-8?b?w6k?=", "é"},
    {" =?utf-8?b?w6k====?=", "é"},
    {" =?utf-8?q?=00=0D=0Aa?=", R "  a"},
    {" =?no-such?q?caf=E9?=", "café"},
    {" =?utf-8?q?caf=E9?=", "café"},
    {" =?us-ascii?q?caf=C3=A9?=", "café"},
    /* Bytes outside ASCII. */
    {" caf\xc3\xa9", "café"},
    {" caf\xe9 =?utf-8?q?=C3=A9?=", "café é"},
    {" =?utf-8?q?=C3=A9?= caf\xe9", "é café"},
    {" \x93quoted\x94", "“quoted”"},
};

static void subject_decoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		char s[512];
		snprintf(s, sizeof(s), "Subject:%s\n\n", subjects[i].value);
		good(s);
		is(mail.content.subject, subjects[i].text);
	}
	static const char nul[] = "Subject: a\0b\n\n";
	assert_int_equal(read_with(reader, nul, sizeof(nul) - 1), OK);
	is(mail.content.subject, "a" R "b");
}

static void header_guesses(void **state)
{
	(void)state;
	good("Subject: =?utf-8?q?=C3=A9?=\n" FROM "\n");
	assert_int_equal(mail.losses.guessed, 0);
	good("Subject: caf\xc3\xa9\n" FROM "\n");
	assert_int_equal(mail.losses.guessed, 1);
	good("Subject: =?utf-8?q?=E9?=\nFrom: \xe9\n\n");
	assert_int_equal(mail.losses.guessed, 2);
}

static void authors(void **state)
{
	(void)state;
	good("From: =?utf-8?q?Jo=C3=A3o?=\n <joao@example.org>\n\n");
	is(mail.content.imported.author, "João <joao@example.org>");
	good("From: ana at example.org (Ana\n B.)\n\n");
	is(mail.content.imported.author, "ana at example.org (Ana B.)");
	good("Sender: s@x\nReply-To: r@x\nFrom: f@x\n\n");
	is(mail.content.imported.author, "f@x");
	good("Reply-To: r@x\nSender: s@x\nFrom: \n\n");
	is(mail.content.imported.author, "s@x");
	good("Reply-To: r@x\n\n");
	is(mail.content.imported.author, "r@x");
	good("Subject: x\n\n");
	is(mail.content.imported.author, "");
}

static const struct {
	const char *field, *id;
} ids[] = {
    {"Message-ID: <a@x>", "a@x"},
    {"message-id:<a@x>", "a@x"},
    {"MESSAGE-ID : <a@x>", "a@x"},
    {"Message-ID: (a comment) <a@x> <b@x>", "a@x"},
    {"Message-ID: <a.long.one.that.was.\n folded@x>", "a.long.one.that.was.folded@x"},
    {"Message-ID: <<a@x>>", "a@x"},
    {"Message-ID:  a@x (no brackets)", "a@x"},
    {"Message-ID: <a@x", "a@x"},
    {"Message-ID: <> <a@x>", "a@x"},
    {"Message-ID: <>", ""},
    {"Message-ID:", ""},
    {"Message-ID: <a\x01@x>", "a@x"},
    {"Message-ID: <caf\xe9@x>", "café@x"},
    {"Message-ID: <a@x>\nMessage-ID: <b@x>", "a@x"},
    {"X-Message-ID: <a@x>", ""},
};

static void message_ids(void **state)
{
	(void)state;
	char s[2048], longest[1001];
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		snprintf(s, sizeof(s), "%s\nSubject: x\n\n", ids[i].field);
		good(s);
		is(mail.content.imported.message_id, ids[i].id);
	}
	memset(longest, 'a', sizeof(longest));
	longest[998] = '\0';
	snprintf(s, sizeof(s), "Message-ID: <%s>\n\n", longest);
	good(s);
	is(mail.content.imported.message_id, longest);
	snprintf(s, sizeof(s), "Message-ID: <%sa>\n\n", longest);
	good(s);
	is(mail.content.imported.message_id, "");
}

static void references(void **state)
{
	(void)state;
	good("Message-ID: <me@x>\nIn-Reply-To: Your message of \"Tue\" <b@x> <new@x>\n"
	     "References: <a@x>\n\t<b@x><c@x> junk <me@x> <a@x> <>\n <fol\n ded@x>\n\n");
	static const char *const expected[] = {"a@x", "b@x", "c@x", "folded@x", "new@x"};
	assert_int_equal(mail.content.imported.reference_count, 5);
	for (size_t i = 0; i < 5; i++)
		is(mail.content.imported.references[i], expected[i]);
	good("In-Reply-To: <a@x>\n\n");
	assert_int_equal(mail.content.imported.reference_count, 1);
	good("References: a@x b@x\nIn-Reply-To: nothing\n\n");
	assert_int_equal(mail.content.imported.reference_count, 0);
}

static void many_references(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	buffer_add_str(&b, "Message-ID: <5@x>\nReferences:");
	for (int i = 0; i < 5000; i++)
		buffer_printf(&b, " <%d@x> <7@x>", i);
	buffer_add_str(&b, "\nIn-Reply-To: <last@x>\n\n");
	good(buffer_str(&b));
	assert_int_equal(mail.content.imported.reference_count, 4096);
	is(mail.content.imported.references[0], "0@x");
	is(mail.content.imported.references[1], "906@x");
	is(mail.content.imported.references[4094], "4999@x");
	is(mail.content.imported.references[4095], "last@x");
	buffer_free(&b);
}

static const struct {
	const char *fields;
	int64_t date;
} dates[] = {
    {"Date: Tue, 4 Mar 2014 15:06:07 +0000", 1393945567000},
    {"Date: Tue, 4 Mar 2014 16:06:07 +0100 (CET)", 1393945567000},
    {"Date: 4 Mar 2014 10:06:07 EST", 1393945567000},
    {"Date: Tue, 4 Mar 14 15:06:07 GMT", 1393945567000},
    {"Date: Tue, 4 Mar 97 15:06:07 GMT", 857487967000},
    {"Date: Tue,\n 4 Mar 2014 15:06:07 +0000", 1393945567000},
    {"Date: Fri, 1 Jan 2106 00:00:00 +0000", 4291747200000},
    {"Date: Fri, 31 Dec 9999 23:59:59 +0000", 253402300799000},
    {"Date: yesterday", 0},
    {"Date:", 0},
    {"Date: yesterday\nReceived: from a by b; Tue, 4 Mar 2014 15:06:07 +0000\n"
     "Received: from c by a; Tue, 4 Mar 2013 15:06:07 +0000",
	1393945567000},
    {"Received: from a by b;\n\tTue, 4 Mar 2014 15:06:07 +0000", 1393945567000},
    {"Received: from a by b", 0},
    {"Subject: no date", 0},
};

static void date_of_mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		char s[512];
		snprintf(s, sizeof(s), "%s\nX: y\n\n", dates[i].fields);
		good(s);
		if (mail.content.imported.date != dates[i].date)
			fail_msg(
			    "%s: %lld", dates[i].fields, (long long)mail.content.imported.date);
	}
}

static void where_a_header_ends(void **state)
{
	(void)state;
	good("From ana@example.org Tue Mar  4 15:06:07 2014\nSubject: a\n\nText\n");
	is(mail.content.subject, "a");
	is(mail.content.text, "Text\n");
	good(">From ana Tue Mar  4 15:06:07 2014\nSubject: a\n\nText\n");
	is(mail.content.subject, "a");
	good("\xef\xbb\xbfSubject: a\n\nText\n");
	is(mail.content.subject, "a");
	good("Subject: a\nThis is text: without an empty line.\n");
	is(mail.content.text, "This is text: without an empty line.\n");
	good("Subject: a\n");
	is(mail.content.text, "");
	good("Subject: a");
	is(mail.content.subject, "a");
	good("Subject: a\n\n\n\nText\n\n");
	is(mail.content.text, "\n\nText\n\n");
	good("Subject: a\n\nFrom here\n>From there\n");
	is(mail.content.text, "From here\n>From there\n");
}

static void no_mail(void **state)
{
	(void)state;
	static const char *const none[] = {"", "\n", "\n\nSubject: a\n", "Hello, all\n", " a: b\n",
	    "\177ELF\001", "From ana\n", "From ana\n\nText\n", ": a\n"};
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct mail_ids id;
		assert_int_equal(read_mail(none[i]), ERR_MALFORMED);
		assert_string_equal(why, "it does not begin with a header");
		assert_int_equal(mail_ids_read(reader, bytes_str(none[i]), &id), ERR_MALFORMED);
		mail_ids_free(&id);
	}
}

/* ---- one text ---- */

static const struct {
	const char *fields, *body, *text;
	unsigned guessed;
} texts[] = {
    {"", "Ol\xc3\xa1\n", "Olá\n", 1},
    {"Content-Type: text/plain; charset=utf-8\n", "Ol\xc3\xa1\n", "Olá\n", 0},
    {"Content-Type: text/plain; charset=\"ISO-8859-1\"\n", "Ol\xe1\n", "Olá\n", 0},
    {"Content-Type: text/plain; charset=us-ascii\n", "Ol\xe1\n", "Olá\n", 1},
    {"Content-Type: TEXT/PLAIN; CHARSET=koi8-r\n", "\xed\xc9\xd2\n", "Мир\n", 0},
    {"Content-Type: text\n", "Plain\n", "Plain\n", 0},
    {"Content-Type: text; charset=koi8-r\n", "\xed\xc9\xd2\n", "Мир\n", 0},
    {"Content-Type:\n", "Plain\n", "Plain\n", 0},
    {"Content-Type: text/plain; format=flowed; delsp=yes\n", "> a \n> b\n-- \nme\n",
	"> a \n> b\n-- \nme\n", 0},
    {"Content-Transfer-Encoding: 8bit\n", "=41\n", "=41\n", 0},
    {"Content-Transfer-Encoding: no-such\n", "=41\n", "=41\n", 0},
    {"Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8\n",
	"Ol=C3=A1, soft=\n break =3D=zz end=", "Olá, soft break ==zz end", 0},
    {"Content-Transfer-Encoding: Quoted-Printable\n", "a=\r\nb=0D=0Ac\r\n", "ab\nc\n", 0},
    {"Content-Transfer-Encoding: base64\nContent-Type: text/plain; charset=utf-8\n", "T2zD\noQ==\n",
	"Olá", 0},
    {"Content-Transfer-Encoding: BASE64\nContent-Type: text/plain; charset=utf-8\n",
	"T2z*D!\n--\noQ", "Olá", 0},
    {"Content-Transfer-Encoding: base64\n", "Zm9vDQpiYXIK", "foo\nbar\n", 0},
    {"Content-Transfer-Encoding: base64\n", "Z", "", 0},
    {"Content-Transfer-Encoding: x-uuencode\n", "begin 644 a\n#0V%T\n`\nend\n", "Cat", 0},
    {"Content-Transfer-Encoding: x-uuencode\n", "Not so\n", "Not so\n", 0},
    {"Content-Disposition: attachment; filename=a.txt\n", "Alone\n", "Alone\n", 0},
};

static void one_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char s[1024];
		snprintf(s, sizeof(s), FROM "%s\n%s", texts[i].fields, texts[i].body);
		good(s);
		is(mail.content.text, texts[i].text);
		assert_int_equal(mail.content.part_count, 0);
		assert_int_equal(mail.losses.guessed, texts[i].guessed);
	}
	static const char nul[] = FROM "\na\0b\n";
	assert_int_equal(read_with(reader, nul, sizeof(nul) - 1), OK);
	is(mail.content.text, "a" R "b\n");
}

static void fallback(void **state)
{
	(void)state;
	struct mail_reader *r;
	static const char s[] =
	    "Subject: \xcc\xe8\xf0\nContent-Type: text/plain; charset=us-ascii\n"
	    "\n\xcf\xf0\xe8\xe2\xe5\xf2\n";
	assert_int_equal(mail_reader_new(&r, "no-such-charset", 65536), ERR_INVALID);
	assert_null(r);
	assert_int_equal(mail_reader_new(&r, "../windows-1251", 65536), ERR_INVALID);
	assert_int_equal(mail_reader_new(&r, "windows-1251", 65536), OK);
	assert_int_equal(read_with(r, s, sizeof(s) - 1), OK);
	is(mail.content.subject, "Мир");
	is(mail.content.text, "Привет\n");
	assert_int_equal(mail.losses.guessed, 2);
	mail_reader_free(r);
	mail_reader_free(NULL);
}

/* ---- several parts ---- */

#define MIXED "Content-Type: multipart/mixed; boundary=m\n\n"
#define ALTERNATIVE "Content-Type: multipart/alternative; boundary=\"a b\"\n\n"
#define HTML "Content-Type: text/html; charset=utf-8\n\n"

static void texts_and_parts(void **state)
{
	(void)state;
	good(FROM MIXED "Preamble\n--m\n\nFirst\n--m\nContent-Type: image/PNG; name=a.png\n"
			"Content-Transfer-Encoding: base64\n\niVBO\n"
			"--m \nContent-Type: text/plain\nContent-Disposition: inline\n\nFooter\n\n"
			"--m\nContent-Type: text/plain; name=b.txt\n\nA file\n"
			"--m\nContent-Disposition: attachment\n\nAnother\n"
			"--m--\nEpilogue\n--m\n\nNothing\n");
	is(mail.content.text, "First\n\nFooter\n");
	assert_int_equal(mail.content.part_count, 3);
	is_part(0, "a.png", "image/png", "\x89PN");
	is_part(1, "b.txt", "text/plain", "A file");
	is_part(2, "", "text/plain", "Another");
	assert_int_equal(mail.losses.omitted, 0);
}

static void crlf_parts(void **state)
{
	(void)state;
	good("From: a@x\r\nContent-Type: multipart/mixed;\r\n boundary=m\r\n\r\n--m\r\n\r\n"
	     "Text\r\n\r\n--m\r\nContent-Type: a/b\r\n\r\nx\r\ny\r\n--m--\r\n");
	is(mail.content.text, "Text\n");
	is_part(0, "", "a/b", "x\r\ny");
}

static void alternatives(void **state)
{
	(void)state;
	/* As mail programs send it: alternative, related, and a file beside. */
	good(FROM MIXED "--m\n" ALTERNATIVE "--a b\nContent-Type: text/plain\n\nPlain\n--a b\n"
			"Content-Type: multipart/related; boundary=r\n\n--r\n" HTML "<p>Plain</p>\n"
			"--r\nContent-Type: image/gif\nContent-ID: <1>\n\nGIF\n--r--\n--a b--\n"
			"--m\nContent-Type: application/pdf; name=\"x.pdf\"\n\n%PDF\n--m--\n");
	is(mail.content.text, "Plain");
	assert_int_equal(mail.content.part_count, 2);
	is_part(0, "", "image/gif", "GIF");
	is_part(1, "x.pdf", "application/pdf", "%PDF");
	assert_int_equal(mail.losses.alternatives, 1);

	/* Whatever comes first; a calendar is no text; a second plain one is a part. */
	good(FROM ALTERNATIVE "--a b\n" HTML "<p>One</p>\n--a b\n\nOne\n--a b\n\nTwo\n"
			      "--a b\nContent-Type: text/calendar\n\nBEGIN\n--a b--\n");
	is(mail.content.text, "One");
	is_part(0, "", "text/plain", "Two");
	is_part(1, "", "text/calendar", "BEGIN");
	assert_int_equal(mail.losses.alternatives, 1);

	/* An empty plain text is nobody's alternative. */
	good(FROM ALTERNATIVE "--a b\n\n \n--a b\n" HTML "<p>Words</p>\n--a b--\n");
	is(mail.content.text, "Words\n");
	is_part(0, "", "text/html", "<p>Words</p>");
	assert_int_equal(mail.losses.alternatives, 0);
}

static void html_only(void **state)
{
	(void)state;
	good(FROM "Content-Type: text/html; charset=iso-8859-1\n"
		  "Content-Transfer-Encoding: quoted-printable\n\n"
		  "<html><head><title>No</title><style>p {}</style></head><body>\n"
		  "<h1>Ol=E1</h1><p>um  &lt;dois&gt;\n tr&ecirc;s<br>quatro"
		  "<script>alert('no')</script><ul><li>a<li>b</ul>"
		  "<pre>x  y\nz</pre><a href=3D'http://x'>&#1513;&#8207;</a>");
	is(mail.content.text, "Olá\n\num <dois> três\nquatro\n\na\nb\n\nx  y\nz\n\n\u05e9\u200f\n");
	assert_int_equal(mail.content.part_count, 1);
	is(mail.content.parts[0].media_type, "text/html");
	assert_memory_equal(mail.content.parts[0].data.data, "<html>", 6);
	assert_int_equal(mail.losses.guessed, 0);
	assert_int_equal(mail.losses.alternatives, 0);

	/* The document's own word on its charset, where the mail has none. */
	good(FROM "Content-Type: text/html\n\n<meta http-equiv=\"Content-Type\" "
		  "content=\"text/html; charset=koi8-r\">\xed\xc9\xd2");
	is(mail.content.text, "Мир\n");
	assert_int_equal(mail.losses.guessed, 0);
	good(FROM "Content-Type: text/html; charset=utf-8\n\n"
		  "<meta charset=\"koi8-r\"><b title='a > b'>\xd0\x9c</b>ir");
	is(mail.content.text, "Мir\n");

	/* A list's footer behind it. */
	good(FROM MIXED "--m\n" HTML "<b>Words</b>\n--m\n\nA list's footer\n--m--\n");
	is(mail.content.text, "Words\n\nA list's footer");
	is_part(0, "", "text/html", "<b>Words</b>");

	/* Not what comes as a file, unless it comes alone. */
	good(FROM MIXED "--m\nContent-Type: text/html\nContent-Disposition: attachment\n\n"
			"<b>File</b>\n--m--\n");
	is(mail.content.text, "File\n");
	good(FROM MIXED "--m\nContent-Type: text/html\nContent-Disposition: attachment\n\n"
			"<b>File</b>\n--m\n\nText\n--m--\n");
	is(mail.content.text, "Text");
	is_part(0, "", "text/html", "<b>File</b>");
}

static void broken_html(void **state)
{
	(void)state;
	static const char *const pieces[] = {"<", "</", "<p", "<p a='", "<!--", "<!", "<?", "&",
	    "&#", "&#x110000;", "<b><i></b></i>", "<script>", "<table><td>", "<<a>>", "</html>x",
	    "<body><body>"};
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		char s[256];
		snprintf(s, sizeof(s), FROM HTML "Word %s", pieces[i]);
		good(s);
		assert_true(mail.content.text.len >= 4);
		assert_memory_equal(mail.content.text.data, "Word", 4);
	}
	struct buffer b = BUFFER_INIT;
	buffer_add_str(&b, FROM HTML "Word ");
	for (int i = 0; i < 6000; i++)
		buffer_add_str(&b, "<i>x</b>");
	good(buffer_str(&b));
	assert_memory_equal(mail.content.text.data, "Word x", 6);
	buffer_free(&b);
}

static void attached_mail(void **state)
{
	(void)state;
	good(FROM MIXED "--m\n\nSee below\n--m\nContent-Type: message/rfc822\n\n"
			"Subject: inner\nContent-Type: multipart/mixed; boundary=n\n\n"
			"--n\n\nInner\n--n--\n--m--\n");
	is(mail.content.text, "See below");
	assert_int_equal(mail.content.part_count, 1);
	is_part(0, "", "message/rfc822",
	    "Subject: inner\nContent-Type: multipart/mixed; boundary=n\n\n--n\n\nInner\n--n--");
	good(FROM "Content-Type: multipart/digest; boundary=m\n\n--m\n\nSubject: one\n\nA\n"
		  "--m\nContent-Type: text/plain\n\nText\n--m--\n");
	is(mail.content.text, "Text");
	is_part(0, "", "message/rfc822", "Subject: one\n\nA");
}

static void signatures(void **state)
{
	(void)state;
	good(FROM "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; "
		  "boundary=m\n\n--m\n\nSigned\n\n--m\n"
		  "Content-Type: application/pgp-signature; name=signature.asc\n\nPGP\n--m--\n");
	is(mail.content.text, "Signed\n");
	is_part(0, "signature.asc", "application/pgp-signature", "PGP");
	good(FROM "Content-Type: multipart/encrypted; boundary=m\n\n--m\n"
		  "Content-Type: application/pgp-encrypted\n\nVersion: 1\n--m\n"
		  "Content-Type: application/octet-stream\n\nPGP\n--m--\n");
	is(mail.content.text, "");
	is_part(0, "", "application/pgp-encrypted", "Version: 1");
	is_part(1, "", "application/octet-stream", "PGP");
	good(
	    FROM "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n"
		 "Content-Transfer-Encoding: base64\n\nMIID\n");
	is(mail.content.text, "");
	is_part(0, "smime.p7m", "application/pkcs7-mime", "0\x82\x03");
}

static const struct {
	const char *fields, *name, *type;
} named[] = {
    {"Content-Type: a/b; name=x.y", "x.y", "a/b"},
    {"Content-Type: a/b; name=x.y\nContent-Disposition: attachment; filename=\"z w.q\"", "z w.q",
	"a/b"},
    {"Content-Type: a/b; name=\"=?iso-8859-1?q?Ol=E1?=.txt\"", "Olá.txt", "a/b"},
    {"Content-Type: a/b\nContent-Disposition: attachment; filename*=utf-8'pt'Ol%C3%A1.txt",
	"Olá.txt", "a/b"},
    {"Content-Type: a/b\nContent-Disposition: attachment;\n filename*0*=windows-1251''%CC%E8;\n"
     " filename*1*=%F0;\n filename*2=.txt",
	"Мир.txt", "a/b"},
    {"Content-Type: a/b\nContent-Disposition: attachment; filename=Ol\xe1", "Olá", "a/b"},
    {"Content-Type: a/b\nContent-Disposition: attachment; filename=\"a\n b\"", "a b", "a/b"},
    {"Content-Type: a/b; name=../../x", "../../x", "a/b"},
    {"Content-Disposition: attachment; filename=t.txt", "t.txt", "text/plain"},
    {"Content-Type: nonsense; name=n\nContent-Disposition: attachment", "n", "text/plain"},
    {"Content-Type: Application/X-Foo(comment)", "", "application/x-foo"},
};

static void names(void **state)
{
	(void)state;
	char s[1024];
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		snprintf(s, sizeof(s), FROM MIXED "--m\n\nText\n--m\n%s\n\ndata\n--m--\n",
		    named[i].fields);
		good(s);
		is_part(0, named[i].name, named[i].type, "data");
	}
	char longest[400];
	memset(longest, 'x', sizeof(longest));
	longest[399] = '\0';
	snprintf(s, sizeof(s), FROM "Content-Type: a/b; name=\"%.254s\xc3\xa9%s\"\n\n", longest,
	    longest);
	good(s);
	assert_int_equal(mail.content.parts[0].name.len, 254);
}

static void broken_parts(void **state)
{
	(void)state;
	/* No boundary, or none that comes: it is text, and not lost. */
	good(FROM "Content-Type: multipart/mixed\n\nText\n");
	is(mail.content.text, "Text\n");
	good(FROM "Content-Type: multipart/mixed; boundary=m; charset=koi8-r\n\n\xed\xc9\xd2\n");
	is(mail.content.text, "Мир\n");
	/* The end is cut off. */
	good(FROM MIXED "--m\n\nText\n--m\nContent-Type: a/b\n\nda");
	is(mail.content.text, "Text");
	is_part(0, "", "a/b", "da");
	good(FROM MIXED "--m\n\nText\n--m");
	is(mail.content.text, "Text");
	/* Lines that only look like it. */
	good(FROM MIXED "--m\n\n--mm\n --m\n--m-\n---m\n--m -\n--m--\n");
	is(mail.content.text, "--mm\n --m\n--m-\n---m\n--m -");
	/* An inner multipart without its end, and one with the outer boundary. */
	good(FROM MIXED "--m\n" ALTERNATIVE "--a b\n\nInner\n--m\nContent-Type: a/b\n\nx\n--m--\n");
	is(mail.content.text, "Inner");
	is_part(0, "", "a/b", "x");
	good(FROM MIXED "--m\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\nText\n--m--\n");
	is(mail.content.text, "Text");
	assert_int_equal(mail.content.part_count, 0);
	/* A part without an empty line, and empty ones. */
	good(FROM MIXED "--m\nContent-Type: text/plain\nText at once\n--m\n--m\n\n--m--\n");
	is(mail.content.text, "Text at once");
}

/* ---- limits ---- */

static void add_repeated(struct buffer *b, const char *s, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buffer_add_str(b, s);
}

static void parts_omitted(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	buffer_add_str(&b, FROM MIXED "--m\n\nText\n--m\nContent-Type: a/b; name=big\n\n");
	add_repeated(&b, "0123456789abcdef", 4096);
	buffer_add_str(&b, "\n--m\nContent-Type: a/b; name=small\n\nsmall\n--m\n"
			   "Content-Type: a/b; name=half\nContent-Transfer-Encoding: base64\n\n");
	add_repeated(&b, "QUJDREVGR0hJSktM", 3000);
	buffer_add_str(&b, "\n--m\nContent-Type: a/b; name=other\n\n");
	add_repeated(&b, "0123456789abcdef", 3000);
	buffer_add_str(&b, "\n--m--\n");
	good(buffer_str(&b));
	is(mail.content.text, "Text");
	assert_int_equal(mail.content.part_count, 4);
	is(mail.content.parts[0].name, "big");
	is(mail.content.parts[0].media_type, "a/b");
	assert_int_equal(mail.content.parts[0].data.len, 0);
	assert_int_equal(mail.content.parts[0].omitted, 65536);
	is_part(1, "small", "a/b", "small");
	assert_int_equal(mail.content.parts[2].data.len, 36000);
	assert_int_equal(mail.content.parts[3].omitted, 48000);
	assert_int_equal(mail.losses.omitted, 2);
	buffer_free(&b);
}

/* To the byte: what fits is kept, and nothing is over the limit. */
static void exact_limit(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT, encoded = BUFFER_INIT;
	struct mail_reader *r;
	bool kept = true;
	char source[65];
	memset(source, 's', 64);
	source[64] = '\0';
	assert_int_equal(mail_reader_new(&r, NULL, 4096), OK);
	for (size_t len = 3800; len < 4100; len++) {
		buffer_reset(&b);
		buffer_reset(&encoded);
		buffer_add_str(&b, FROM MIXED "--m\n\nText\n--m\nContent-Type: a/b\n\n");
		add_repeated(&b, "x", len);
		buffer_add_str(&b, "\n--m--\n");
		assert_int_equal(read_with(r, b.data, b.len), OK);
		mail.content.imported.source = bytes_str(source);
		assert_int_equal(content_encode(&encoded, &mail.content), OK);
		assert_true(encoded.len <= 4096);
		bool now = mail.losses.omitted == 0;
		if (kept && !now)
			assert_in_range(len, 3900, 4060);
		assert_false(!kept && now);
		kept = now;
	}
	assert_false(kept);
	mail_reader_free(r);
	buffer_free(&b);
	buffer_free(&encoded);
}

static void text_over_limit(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	buffer_add_str(&b, FROM "\n");
	add_repeated(&b, "0123456789abcdef", 75264);
	assert_int_equal(read_mail(buffer_str(&b)), ERR_TOO_LARGE);
	assert_string_equal(why, "its text of 1,204,224 bytes is over the forum's limit");
	buffer_reset(&b);
	buffer_add_str(&b, FROM "Subject: ");
	add_repeated(&b, "0123456789abcdef", 5000);
	buffer_add_str(&b, "\n\n");
	assert_int_equal(read_mail(buffer_str(&b)), ERR_TOO_LARGE);
	assert_non_null(strstr(why, "header"));
	/* A header that is refused before anything in it is looked at. */
	buffer_reset(&b);
	buffer_add_str(&b, FROM);
	add_repeated(&b, "References: <a@b>\n <c@d>\n", MAIL_HEADER_MAX / 24);
	buffer_add_str(&b, "\nText\n");
	assert_int_equal(read_mail(buffer_str(&b)), ERR_TOO_LARGE);
	assert_non_null(strstr(why, "header"));
	/* And markup without a word in it, which would fit. */
	buffer_reset(&b);
	buffer_add_str(&b, FROM "Content-Type: text/html\n\n");
	add_repeated(&b, "<p></p><p></p>\n", MAIL_TEXT_MAX / 15 + 1);
	assert_int_equal(read_mail(buffer_str(&b)), ERR_TOO_LARGE);
	assert_non_null(strstr(why, "text"));
	buffer_free(&b);
}

static void nest(struct buffer *b, int depth)
{
	buffer_reset(b);
	buffer_add_str(b, FROM);
	for (int i = 0; i < depth; i++)
		buffer_printf(b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	buffer_add_str(b, "\nText\n");
	for (int i = depth; i-- > 0;)
		buffer_printf(b, "--b%d--\n", i);
}

static void nesting(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	nest(&b, 32);
	good(buffer_str(&b));
	is(mail.content.text, "Text");
	nest(&b, 33);
	assert_int_equal(read_mail(buffer_str(&b)), ERR_TOO_LARGE);
	assert_string_equal(why, "its parts are nested more than 32 deep");
	nest(&b, 10000);
	assert_int_equal(read_mail(buffer_str(&b)), ERR_TOO_LARGE);
	buffer_reset(&b);
	buffer_add_str(&b, FROM);
	add_repeated(&b, "Content-Type: message/rfc822\n\n", 1000);
	good(buffer_str(&b));
	assert_int_equal(mail.content.part_count, 1);
	buffer_free(&b);
}

static void part_count(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	buffer_add_str(&b, FROM MIXED);
	add_repeated(&b, "--m\nContent-Type: a/b\n\n\n", 256);
	buffer_add_str(&b, "--m--\n");
	good(buffer_str(&b));
	assert_int_equal(mail.content.part_count, 256);
	buffer_reset(&b);
	buffer_add_str(&b, FROM MIXED);
	add_repeated(&b, "--m\nContent-Type: a/b\n\n\n", 257);
	buffer_add_str(&b, "--m--\n");
	assert_int_equal(read_mail(buffer_str(&b)), ERR_TOO_LARGE);
	assert_string_equal(why, "it has more than 256 parts");
	buffer_reset(&b);
	buffer_add_str(&b, FROM MIXED);
	add_repeated(&b, "--m\n" ALTERNATIVE, 3000);
	assert_int_equal(read_mail(buffer_str(&b)), ERR_TOO_LARGE);
	buffer_free(&b);
}

/* ---- any bytes ---- */

static void cut_anywhere(void **state)
{
	(void)state;
	static const char s[] = FROM
	    "Subject: =?utf-8?q?=C3=A9?= =?koi8-r?b?w4k=?=\nMessage-ID: <1@x>\n"
	    "Date: Tue, 4 Mar 2014 15:06:07 +0000\nReferences: <a@x> <b@x>\n" MIXED
	    "--m\n" ALTERNATIVE "--a b\nContent-Transfer-Encoding: base64\n\nT2zDoQ==\n"
	    "--a b\n" HTML "<p>Ol&aacute;</p>\n--a b--\n--m\n"
	    "Content-Type: a/b; name*0*=utf-8''%C3%A1; name*1=b\n"
	    "Content-Transfer-Encoding: quoted-printable\n\n=41=\n=C3\n--m--\n";
	for (size_t len = 5; len < sizeof(s); len++)
		assert_int_equal(read_with(reader, s, len), OK);
	is(mail.content.text, "Olá");
	is_part(0, "áb", "a/b", "A\xc3");
}

static int finish(void **state)
{
	(void)state;
	mail_clear(&mail);
	mail_clear(&mail);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_mail),
	    cmocka_unit_test(crlf_mail),
	    cmocka_unit_test(subject_decoded),
	    cmocka_unit_test(header_guesses),
	    cmocka_unit_test(authors),
	    cmocka_unit_test(message_ids),
	    cmocka_unit_test(references),
	    cmocka_unit_test(many_references),
	    cmocka_unit_test(date_of_mail),
	    cmocka_unit_test(where_a_header_ends),
	    cmocka_unit_test(no_mail),
	    cmocka_unit_test(one_text),
	    cmocka_unit_test(fallback),
	    cmocka_unit_test(texts_and_parts),
	    cmocka_unit_test(crlf_parts),
	    cmocka_unit_test(alternatives),
	    cmocka_unit_test(html_only),
	    cmocka_unit_test(broken_html),
	    cmocka_unit_test(attached_mail),
	    cmocka_unit_test(signatures),
	    cmocka_unit_test(names),
	    cmocka_unit_test(broken_parts),
	    cmocka_unit_test(parts_omitted),
	    cmocka_unit_test(exact_limit),
	    cmocka_unit_test(text_over_limit),
	    cmocka_unit_test(nesting),
	    cmocka_unit_test(part_count),
	    cmocka_unit_test(cut_anywhere),
	};
	if (mail_reader_new(&reader, NULL, 65536) != OK)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, finish);
	mail_reader_free(reader);
	return failed;
}
