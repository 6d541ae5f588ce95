/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever note_parse() takes can be put together again from its parts, merged, and signed once
 * more. */
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "crypto/note.h"
#include "target.h"

static struct key key;
static struct verifier signer, cosigner;

static void start(void)
{
	static const uint8_t seed[32] = "fuzz_note";
	if (signer.type != 0)
		return;
	crypto_once();
	key_from_seed(&key, seed);
	REQUIRE(verifier_make(&signer, bytes_str("log.example/1"), 1, key.public) == OK);
	REQUIRE(verifier_make(&cosigner, bytes_str("log.example/cosigner"), 4, key.public) == OK);
}

/* Every line says what its parts say. */
static void check_lines(const struct note *note)
{
	static uint8_t field[NOTE_MAX];
	size_t total = 0;
	struct note_signature s;
	/* Lines are counted from the first each time. */
	size_t step = note->count > 32 ? note->count / 8 : 1;
	for (size_t i = 0; i < note->count; i += step) {
		size_t len = sizeof field;
		REQUIRE(note_signature(note, i, &s) == OK);
		REQUIRE(verifier_name_valid(s.name));
		REQUIRE(base64_decode(field, &len, (const char *)s.blob.data, s.blob.len) == OK);
		REQUIRE(len > 4 && memcmp(field, s.id, 4) == 0);
		REQUIRE(s.line.len == 4 + s.name.len + 1 + s.blob.len + 1);
		total += s.line.len;
	}
	REQUIRE(step > 1 || total == note->signatures.len);
	REQUIRE(note_signature(note, note->count, &s) == ERR_RANGE);
}

static void check_signing(const struct note *note, const struct buffer *whole)
{
	struct buffer more = BUFFER_INIT;
	struct note again;
	uint64_t time = 0;
	buffer_add(&more, whole->data, whole->len);
	REQUIRE(note_sign(&more, note->text, bytes_str(signer.name), &key) == OK);
	REQUIRE(note_cosign(&more, note->text, bytes_str(cosigner.name), &key, 86400) == OK);
	int err = note_parse(&again, buffer_bytes(&more));
	if (err == ERR_TOO_LARGE) {
		REQUIRE(more.len > NOTE_MAX || note->count + 2 > NOTE_SIGNATURES_MAX);
	} else {
		REQUIRE(err == OK && again.count == note->count + 2);
		/* What the input said for our keys counts as well. */
		int was = note_verify(note, &signer, NULL), is = note_verify(&again, &signer, NULL);
		REQUIRE(is == (was == ERR_UNSIGNED ? OK : was));
		was = note_verify(note, &cosigner, NULL);
		is = note_verify(&again, &cosigner, &time);
		REQUIRE(is == (was == ERR_UNSIGNED ? OK : was));
		REQUIRE(is != OK || time >= 86400);
	}
	buffer_free(&more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct note note;
	start();
	int err = note_parse(&note, bytes_of(data, size));
	if (err != OK) {
		REQUIRE(err == ERR_TOO_LARGE || err == ERR_TEXT || err == ERR_MALFORMED);
		return 0;
	}
	check_lines(&note);
	struct buffer merged = BUFFER_INIT;
	REQUIRE(note_merge(&merged, &note, &note) == OK);
	REQUIRE(bytes_equal(buffer_bytes(&merged), bytes_of(data, size)));
	check_signing(&note, &merged);
	buffer_free(&merged);
	return 0;
}
