/* SPDX-License-Identifier: BSD-2-Clause */
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
#include "crypto/note.h"

#define DASH "\xe2\x80\x94 "
#define TEXT "a\nb\n"

static struct key key;
static struct verifier signer, cosigner;

/* A published file; `out` is empty when the corpus isn't here. */
static bool corpus_read(struct buffer *out, const char *name)
{
	const char *corpus = getenv("CONVENE_CORPUS");
	char path[4096], part[4096];
	snprintf(path, sizeof path, "%s/vectors/%s", corpus == NULL ? "../shared" : corpus, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return false;
	for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
		buffer_add(out, part, n);
	fclose(f);
	return true;
}

static int check(struct bytes in, const struct verifier *v, uint64_t *time)
{
	struct note note;
	int err = note_parse(&note, in);
	return err != OK ? err : note_verify(&note, v, time);
}

/* Flip each bit. Where anything but a line of a key other than `v` changes, nothing may verify. */
static void assert_no_flip_verifies(struct buffer *b, const struct verifier *v)
{
	struct note note;
	assert_int_equal(note_parse(&note, buffer_bytes(b)), OK);
	size_t begin = b->len, end = b->len;
	for (size_t i = 0; i < note.count; i++) {
		struct note_signature s;
		note_signature(&note, i, &s);
		if (memcmp(s.id, v->id, 4) == 0) {
			begin = (size_t)(s.line.data - b->data);
			end = begin + s.line.len;
		}
	}
	size_t text_end = note.text.len + 1;
	for (size_t i = 0; i < b->len; i++) {
		bool ours = i < text_end || (i >= begin && i < end);
		for (int bit = 0; bit < 8; bit++) {
			b->data[i] ^= (uint8_t)(1 << bit);
			int err = check(buffer_bytes(b), v, NULL);
			assert_true(err != OK || !ours);
			b->data[i] ^= (uint8_t)(1 << bit);
		}
	}
	assert_int_equal(check(buffer_bytes(b), v, NULL), OK);
	for (size_t len = 0; len < end; len++)
		assert_int_not_equal(check(bytes_of(b->data, len), v, NULL), OK);
}

static void test_c2sp_example(void **state)
{
	(void)state;
	struct buffer note = BUFFER_INIT, text = BUFFER_INIT;
	if (!corpus_read(&note, "C2SP_C2SP/signed-note-example.note") ||
	    !corpus_read(&text, "C2SP_C2SP/signed-note-example.vkey"))
		skip();
	struct verifier v;
	text.len -= text.data[text.len - 1] == '\n';
	assert_int_equal(verifier_parse(&v, buffer_bytes(&text)), OK);
	assert_int_equal(check(buffer_bytes(&note), &v, NULL), OK);
	assert_no_flip_verifies(&note, &v);
	print_message(
	    "# vectors: C2SP_C2SP/signed-note-example.note: 1 verifies, no bit flipped does\n");
	buffer_free(&note);
	buffer_free(&text);
}

static void test_tessera(void **state)
{
	(void)state;
	struct buffer text = BUFFER_INIT, note = BUFFER_INIT, first = BUFFER_INIT;
	if (!corpus_read(&text, "transparency-dev_tessera/testdata/log.vkey"))
		skip();
	struct verifier v;
	text.len -= text.data[text.len - 1] == '\n';
	assert_int_equal(verifier_parse(&v, buffer_bytes(&text)), OK);
	for (int i = 0; i <= 15; i++) {
		char name[100];
		snprintf(
		    name, sizeof name, "transparency-dev_tessera/testdata/log/checkpoint.%d", i);
		buffer_reset(&note);
		assert_true(corpus_read(&note, name));
		assert_int_equal(check(buffer_bytes(&note), &v, NULL), OK);
		if (i == 0)
			buffer_add(&first, note.data, note.len);
	}
	/* The signature of one under the text of another. */
	struct note a, b;
	note_parse(&a, buffer_bytes(&first));
	note_parse(&b, buffer_bytes(&note));
	b.signatures = a.signatures;
	assert_int_equal(note_verify(&b, &v, NULL), ERR_SIGNATURE);
	assert_no_flip_verifies(&note, &v);
	print_message(
	    "# vectors: transparency-dev_tessera/testdata/log/checkpoint.N: 16 notes verify\n");
	buffer_free(&text);
	buffer_free(&note);
	buffer_free(&first);
}

#define SUNLIGHT "FiloSottile_sunlight/cmd/skylight/testdata/"

static void test_sunlight(void **state)
{
	(void)state;
	static const struct {
		const char *path, *key;
	} cases[] = {
	    {SUNLIGHT "witness2/88ad7a28caeb0b2aa890fdf0304c2fcaf59fca2ee140134ff8c1300bac493482/"
		      "checkpoint",
		"witness2.example.org+2e55b896+BIZ7fpceQWd60IfqQeS9IAnmNOCZjMDne8lZuguz/bi9"},
	    {SUNLIGHT "witness/000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706/"
		      "checkpoint",
		"witness.example.org+b8a2cf20+BFLN3yikSfFkVAJtrnh/CiY3Zozkoy7clp+P7XB28qUN"},
	    {SUNLIGHT
		"witness/mirror/000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706/"
		"checkpoint",
		"mirror.example.org+3fb148ef+BAAjjch9GyYz0sJsJx7ALhbdAtz2ov0unbzSl1vMp94O"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buffer note = BUFFER_INIT;
		struct verifier v, other;
		uint64_t time = 0;
		if (!corpus_read(&note, cases[i].path))
			skip();
		assert_int_equal(verifier_parse(&v, bytes_str(cases[i].key)), OK);
		verifier_parse(&other, bytes_str(cases[(i + 1) % 3].key));
		assert_int_equal(check(buffer_bytes(&note), &v, &time), OK);
		assert_int_equal(time, 0x69546780);
		assert_int_equal(check(buffer_bytes(&note), &other, &time), ERR_UNSIGNED);
		assert_no_flip_verifies(&note, &v);
		buffer_free(&note);
	}
	print_message(
	    "# vectors: " SUNLIGHT "witness*: 3 cosignatures verify, no bit flipped does\n");
}

/* Append TEXT, the empty line and our signature. */
static void signed_text(struct buffer *b)
{
	buffer_add_str(b, TEXT "\n");
	assert_int_equal(
	    note_sign(b, bytes_of(b->data, strlen(TEXT)), bytes_str(signer.name), &key), OK);
}

static int form(const char *text)
{
	struct note note;
	return note_parse(&note, bytes_str(text));
}

static void test_form(void **state)
{
	(void)state;
	static const char *const good[] = {
	    "a\n\n" DASH "n AAAAAAA=\n",
	    "\n\n" DASH "n AAAAAAA=\n",
	    "a\n\n\nb\n\n" DASH "n AAAAAAA=\n",
	    "a\n\n\n" DASH "n AAAAAAA=\n",
	    "a\n\n" DASH "n AAAAAAAA\n" DASH "n AAAAAAAA\n" DASH "\xe4\xb8\xad AAAAAAAAAA==\n",
	    DASH "n AAAAAAA=\n\n" DASH "n AAAAAAA=\n",
	};
	static const char *const malformed[] = {
	    "",
	    "\n",
	    "\n\n",
	    "a\n",
	    "a\n\n",
	    "a",
	    DASH "n AAAAAAA=\n",
	    "\n" DASH "n AAAAAAA=\n",
	    "a\n" DASH "n AAAAAAA=\n",
	    "a\n\n" DASH "n AAAAAAA=",
	    "a\n\n" DASH "n AAAAAAA=\n\n",
	    "a\n\n" DASH "n AAAAAAA=\nb\n",
	    "a\n\n" DASH "n\n",
	    "a\n\n" DASH "n \n",
	    "a\n\n" DASH "\n",
	    "a\n\n" DASH " AAAAAAA=\n",
	    "a\n\n" DASH " n AAAAAAA=\n",
	    "a\n\n" DASH "n  AAAAAAA=\n",
	    "a\n\n" DASH "n AAAAAAA= \n",
	    "a\n\n" DASH "n o AAAAAAA=\n",
	    "a\n\n" DASH "n+ AAAAAAA=\n",
	    "a\n\n" DASH "n\xc2\xa0o AAAAAAA=\n",
	    "a\n\n" DASH "n AAAAAA==\n",
	    "a\n\n" DASH "n AAAAAAA\n",
	    "a\n\n" DASH "n AAAAAAB=\n",
	    "a\n\n" DASH "n AAAA=AAA\n",
	    "a\n\n" DASH "n AAA=AAAA\n",
	    "a\n\n" DASH "n AAAA-AAA\n",
	    "a\n\n- n AAAAAAA=\n",
	    "a\n\n\xe2\x80\x94n AAAAAAA=\n",
	    "a\n\n" DASH "n AAAAAAAAAAA\n",
	    "a\n\n" DASH "n AAAAAAAA====\n",
	};
	static const char *const text[] = {
	    "a\r\n\n" DASH "n AAAAAAA=\n",
	    "a\tb\n\n" DASH "n AAAAAAA=\n",
	    "\xff\n\n" DASH "n AAAAAAA=\n",
	    "a\n\n" DASH "n\x1f AAAAAAA=\n",
	    "a\n\n" DASH "n\xed\xa0\x80 AAAAAAA=\n",
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(form(good[i]), OK);
	for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
		if (form(malformed[i]) != ERR_MALFORMED)
			fail_msg("%zu: %s", i, malformed[i]);
	for (size_t i = 0; i < sizeof text / sizeof *text; i++)
		assert_int_equal(form(text[i]), ERR_TEXT);
	struct note note;
	assert_int_equal(note_parse(&note, bytes_of("\0\n\n" DASH "n AAAAAAA=\n", 20)), ERR_TEXT);
	assert_int_equal(note_parse(&note, bytes_of(NULL, 0)), ERR_MALFORMED);
}

/* The last empty line divides, and the parts are where they should be. */
static void test_parts(void **state)
{
	(void)state;
	const char *in = "a\n\n\nb\n\n" DASH "n AQIDBAU=\n" DASH "m BQYHCAkKCw==\n";
	struct note note;
	struct note_signature s;
	assert_int_equal(note_parse(&note, bytes_str(in)), OK);
	assert_true(bytes_equal(note.text, bytes_str("a\n\n\nb\n")));
	assert_int_equal(note.count, 2);
	assert_int_equal(note_signature(&note, 0, &s), OK);
	assert_true(bytes_equal(s.name, bytes_str("n")));
	assert_memory_equal(s.id, "\1\2\3\4", 4);
	assert_int_equal(note_signature(&note, 1, &s), OK);
	assert_true(bytes_equal(s.blob, bytes_str("BQYHCAkKCw==")));
	assert_true(bytes_equal(s.line, bytes_str(DASH "m BQYHCAkKCw==\n")));
	assert_memory_equal(s.id, "\5\6\7\10", 4);
	assert_int_equal(note_signature(&note, 2, &s), ERR_RANGE);
	assert_int_equal(note_signature(&note, SIZE_MAX, &s), ERR_RANGE);
}

static void test_sign(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	uint64_t time = 7;
	signed_text(&b);
	assert_int_equal(check(buffer_bytes(&b), &signer, &time), OK);
	assert_int_equal(time, 7);
	assert_int_equal(check(buffer_bytes(&b), &cosigner, NULL), ERR_UNSIGNED);
	size_t one = b.len;
	assert_int_equal(note_cosign(&b, bytes_str(TEXT), bytes_str(cosigner.name), &key, 1), OK);
	assert_int_equal(check(buffer_bytes(&b), &cosigner, &time), OK);
	assert_int_equal(time, 1);
	/* Of several the latest, in either order. */
	assert_int_equal(
	    note_cosign(&b, bytes_str(TEXT), bytes_str(cosigner.name), &key, INT64_MAX), OK);
	assert_int_equal(note_cosign(&b, bytes_str(TEXT), bytes_str(cosigner.name), &key, 0), OK);
	assert_int_equal(check(buffer_bytes(&b), &cosigner, &time), OK);
	assert_true(time == INT64_MAX);
	assert_int_equal(check(buffer_bytes(&b), &signer, NULL), OK);
	b.len = one;
	assert_no_flip_verifies(&b, &signer);

	b.len = 0;
	struct bytes n = bytes_str("n");
	assert_int_equal(note_sign(&b, bytes_str("a"), n, &key), ERR_INVALID);
	assert_int_equal(note_sign(&b, bytes_str(""), n, &key), ERR_INVALID);
	assert_int_equal(note_sign(&b, bytes_str("a\r\n"), n, &key), ERR_TEXT);
	assert_int_equal(note_sign(&b, bytes_str("a\n"), bytes_str("n n"), &key), ERR_INVALID);
	assert_int_equal(note_cosign(&b, bytes_str("a\n"), bytes_str(""), &key, 1), ERR_INVALID);
	assert_int_equal(note_cosign(&b, bytes_str("a"), n, &key, 1), ERR_INVALID);
	assert_int_equal(
	    note_cosign(&b, bytes_str("a\n"), n, &key, (uint64_t)INT64_MAX + 1), ERR_INVALID);
	assert_int_equal(b.len, 0);
	buffer_free(&b);
}

/* What c2sp.org/tlog-cosignature has signed. */
static void test_cosigned_bytes(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	struct note note;
	struct note_signature s;
	uint8_t field[76];
	size_t len = sizeof field;
	buffer_add_str(&b, TEXT "\n");
	note_cosign(&b, bytes_str(TEXT), bytes_str("c"), &key, 1679315147);
	assert_int_equal(note_parse(&note, buffer_bytes(&b)), OK);
	assert_int_equal(note_signature(&note, 0, &s), OK);
	assert_int_equal(base64_decode(field, &len, (const char *)s.blob.data, s.blob.len), OK);
	assert_int_equal(len, 76);
	assert_int_equal(get_u64(field + 4), 1679315147);
	assert_int_equal(
	    key_verify(key.public, field + 12, bytes_str("cosignature/v1\ntime 1679315147\n" TEXT)),
	    OK);
	buffer_free(&b);
}

static void add_line(struct buffer *b, const char *name, const uint8_t *field, size_t len)
{
	char *blob = malloc(BASE64_LEN(len) + 1);
	base64_encode(blob, field, len);
	buffer_printf(b, DASH "%s %s\n", name, blob);
	free(blob);
}

/* Keys that we don't know, post-quantum ones among them, are stepped over; a wrong one that we know
 * isn't. */
static void test_others(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	uint8_t field[4 + 8 + 2420];
	memset(field, 0x5a, sizeof field);
	buffer_add_str(&b, TEXT "\n");
	for (int i = 0; i < 16; i++)
		add_line(&b, "ml-dsa.example", field, sizeof field);
	add_line(&b, signer.name, field, 5); /* our name, another id */
	memcpy(field, signer.id, 4);
	add_line(&b, "another.example", field, 68); /* our id, another name */
	assert_int_equal(check(buffer_bytes(&b), &signer, NULL), ERR_UNSIGNED);
	assert_int_equal(note_sign(&b, bytes_str(TEXT), bytes_str(signer.name), &key), OK);
	assert_int_equal(check(buffer_bytes(&b), &signer, NULL), OK);
	size_t good = b.len;
	/* Wrong, too short, too long: beside the right one, and of any length. */
	static const size_t lengths[] = {68, 5, 67, 69, 76, sizeof field};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		b.len = good;
		add_line(&b, signer.name, field, lengths[i]);
		assert_int_equal(check(buffer_bytes(&b), &signer, NULL), ERR_SIGNATURE);
	}
	b.len = good;
	memcpy(field, cosigner.id, 4);
	add_line(&b, cosigner.name, field, 68);
	assert_int_equal(check(buffer_bytes(&b), &cosigner, NULL), ERR_SIGNATURE);
	assert_int_equal(check(buffer_bytes(&b), &signer, NULL), OK);
	buffer_free(&b);
}

/* Base64 is checked in steps: that must be the same as all at once, above all at their borders. */
static void test_long_field(void **state)
{
	(void)state;
	static uint8_t field[3000], decoded[sizeof field];
	static const char strange[] = "=B-";
	for (size_t len = 5; len <= sizeof field; len += len < 760 || len > 780 ? 97 : 1) {
		struct buffer b = BUFFER_INIT;
		struct note note;
		buffer_add_str(&b, "a\n\n");
		add_line(&b, "n", field, len);
		assert_int_equal(note_parse(&note, buffer_bytes(&b)), OK);
		size_t blob_len = BASE64_LEN(len);
		char *blob = (char *)b.data + b.len - 1 - blob_len;
		for (size_t i = 0; i < 3 * blob_len; i++) {
			char *c = blob + i / 3, was = *c;
			*c = strange[i % 3];
			size_t got = sizeof decoded;
			bool good = base64_decode(decoded, &got, blob, blob_len) == OK && got > 4;
			int err = note_parse(&note, buffer_bytes(&b));
			assert_int_equal(err, good ? OK : ERR_MALFORMED);
			*c = was;
			if (i > 30 && i < 3 * blob_len - 50 && (i / 3) % 1024 == 8)
				i += 3 * 1000;
		}
		buffer_free(&b);
	}
}

static void test_limits(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	struct note note;
	buffer_add_str(&b, "a\n\n");
	for (int i = 0; i < NOTE_SIGNATURES_MAX; i++)
		buffer_printf(&b, DASH "n%d AAAAAAA=\n", i);
	assert_int_equal(note_parse(&note, buffer_bytes(&b)), OK);
	assert_int_equal(note.count, NOTE_SIGNATURES_MAX);
	buffer_add_str(&b, DASH "n AAAAAAA=\n");
	assert_int_equal(note_parse(&note, buffer_bytes(&b)), ERR_TOO_LARGE);

	static char text[NOTE_MAX + 1];
	static const char end[] = "\n\n" DASH "n AAAAAAA=\n";
	memset(text, 'x', sizeof text);
	memcpy(text + NOTE_MAX - strlen(end), end, strlen(end));
	assert_int_equal(note_parse(&note, bytes_of(text, NOTE_MAX)), OK);
	assert_int_equal(note_parse(&note, bytes_of(text, NOTE_MAX + 1)), ERR_TOO_LARGE);
	buffer_free(&b);
}

static void test_merge(void **state)
{
	(void)state;
	const char *a = "t\n\n" DASH "a AAAAAAE=\n" DASH "b AAAAAAI=\n";
	const char *b = "t\n\n" DASH "c AAAAAAM=\n" DASH "b AAAAAAI=\n" DASH "a AAAAAAQ=\n" DASH
			"c AAAAAAM=\n";
	struct buffer out = BUFFER_INIT;
	struct note na, nb, other;
	assert_int_equal(note_parse(&na, bytes_str(a)), OK);
	assert_int_equal(note_parse(&nb, bytes_str(b)), OK);
	assert_int_equal(note_parse(&other, bytes_str("u\n\n" DASH "c AAAAAAM=\n")), OK);
	buffer_add_str(&out, "before ");
	assert_int_equal(note_merge(&out, &na, &nb), OK);
	assert_string_equal(buffer_str(&out),
	    "before t\n\n" DASH "a AAAAAAE=\n" DASH "b AAAAAAI=\n" DASH "c AAAAAAM=\n" DASH
	    "a AAAAAAQ=\n");
	buffer_reset(&out);
	assert_int_equal(note_merge(&out, &na, &na), OK);
	assert_string_equal(buffer_str(&out), a);
	buffer_reset(&out);
	assert_int_equal(note_merge(&out, &na, &other), ERR_INVALID);
	assert_int_equal(out.len, 0);

	/* 300 and 300 are too many; 300 and the same 300 aren't. */
	struct buffer many[2] = {BUFFER_INIT, BUFFER_INIT};
	for (int i = 0; i < 600; i++) {
		if (i % 300 == 0)
			buffer_add_str(&many[i / 300], "t\n\n");
		buffer_printf(&many[i / 300], DASH "n%d AAAAAAA=\n", i);
	}
	assert_int_equal(note_parse(&na, buffer_bytes(&many[0])), OK);
	assert_int_equal(note_parse(&nb, buffer_bytes(&many[1])), OK);
	assert_int_equal(note_merge(&out, &na, &nb), ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	assert_int_equal(note_merge(&out, &na, &na), OK);
	buffer_free(&many[0]);
	buffer_free(&many[1]);
	buffer_free(&out);
}

static int start(void **state)
{
	(void)state;
	int err = crypto_start();
	key_generate(&key);
	verifier_make(&signer, bytes_str("isoc.example/00/1"), VERIFIER_ED25519, key.public);
	verifier_make(
	    &cosigner, bytes_str("isoc.example/cosigner"), VERIFIER_COSIGNATURE, key.public);
	return err;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_c2sp_example),
	    cmocka_unit_test(test_tessera),
	    cmocka_unit_test(test_sunlight),
	    cmocka_unit_test(test_form),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_sign),
	    cmocka_unit_test(test_cosigned_bytes),
	    cmocka_unit_test(test_others),
	    cmocka_unit_test(test_long_field),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_merge),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
