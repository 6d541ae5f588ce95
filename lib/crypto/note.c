/* SPDX-License-Identifier: BSD-2-Clause */
/* The form of a note is checked whole by note_parse(), so that everything after it can walk the
 * lines without asking again. Lines of keys that we don't know are checked just as well: a note
 * that we relay must parse at every other reader. */
#include "crypto/note.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"

static const char dash[] = "\xe2\x80\x94 "; /* U+2014, space */

enum {
	DASH_LEN = sizeof dash - 1,
	ID_LEN = 4,
	TIME_LEN = 8,
	FIELD_MAX = ID_LEN + TIME_LEN + SIG_LEN, /* of the types that we check */
	TIME_LINE_MAX = 48,
	CHECKS_MAX = 8, /* different signatures of one key; its owner could make hundreds, all of them good */
};

/* UTF-8 without bytes below 0x20 but LF, as every part of a note must be. */
static bool is_note_text(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] < 0x20 && in.data[i] != '\n')
			return false;
	return text_is_utf8(in);
}

/* Whether this is canonical base64. Goes in steps, since a signature may be as long as a note. */
static bool is_base64(struct bytes blob)
{
	enum { STEP = 1024 };
	uint8_t raw[STEP / 4 * 3];
	for (size_t pos = 0; pos < blob.len; pos += STEP) {
		size_t take = blob.len - pos < STEP ? blob.len - pos : STEP;
		size_t len = sizeof raw;
		if (base64_decode(raw, &len, (const char *)blob.data + pos, take) != OK)
			return false;
		/* Padding is for the end only. */
		if (len < sizeof raw && take == STEP && pos + STEP < blob.len)
			return false;
	}
	return true;
}

/* Take the first line off `rest` and find its parts. What it leaves unchecked is the name, and the
 * base64 past its first eight characters, which must hold an id and at least one more byte. */
static int line_next(struct bytes *rest, struct note_signature *out)
{
	const uint8_t *end = memchr(rest->data, '\n', rest->len);
	if (end == NULL)
		return ERR_MALFORMED;
	out->line = bytes_of(rest->data, (size_t)(end - rest->data) + 1);
	if (out->line.len <= DASH_LEN || memcmp(out->line.data, dash, DASH_LEN) != 0)
		return ERR_MALFORMED;

	const uint8_t *name = out->line.data + DASH_LEN;
	const uint8_t *space = memchr(name, ' ', (size_t)(end - name));
	if (space == NULL)
		return ERR_MALFORMED;
	out->name = bytes_of(name, (size_t)(space - name));
	out->blob = bytes_of(space + 1, (size_t)(end - space) - 1);

	uint8_t head[6];
	size_t len = sizeof head;
	if (out->blob.len < 8 || base64_decode(head, &len, (const char *)out->blob.data, 8) != OK ||
	    len <= ID_LEN)
		return ERR_MALFORMED;
	memcpy(out->id, head, ID_LEN);
	*rest = bytes_of(end + 1, rest->len - out->line.len);
	return OK;
}

int note_parse(struct note *out, struct bytes in)
{
	if (in.len > NOTE_MAX)
		return ERR_TOO_LARGE;
	if (!is_note_text(in))
		return ERR_TEXT;

	/* The last empty line ends the text, which may hold others. */
	size_t split = in.len;
	while (split >= 2 && (in.data[split - 1] != '\n' || in.data[split - 2] != '\n'))
		split--;
	if (split < 2)
		return ERR_MALFORMED;

	struct bytes rest = bytes_of(in.data + split, in.len - split);
	struct note made = {bytes_of(in.data, split - 1), rest, 0};
	while (rest.len > 0) {
		struct note_signature s;
		int err = line_next(&rest, &s);
		if (err != OK)
			return err;
		if (!verifier_name_valid(s.name) || !is_base64(s.blob))
			return ERR_MALFORMED;
		if (++made.count > NOTE_SIGNATURES_MAX)
			return ERR_TOO_LARGE;
	}
	if (made.count == 0)
		return ERR_MALFORMED;
	*out = made;
	return OK;
}

int note_signature(const struct note *note, size_t i, struct note_signature *out)
{
	if (i >= note->count)
		return ERR_RANGE;
	struct bytes rest = note->signatures;
	int err;
	do
		err = line_next(&rest, out);
	while (err == OK && i-- > 0);
	return err;
}

/* What a cosignature signs. ERR_NOMEM. */
static int cosigned(struct buffer *out, uint64_t seconds, struct bytes text)
{
	char head[TIME_LINE_MAX];
	int len = snprintf(head, sizeof head, "cosignature/v1\ntime %" PRIu64 "\n", seconds);
	buffer_reserve(out, (size_t)len + text.len);
	buffer_add(out, head, (size_t)len);
	buffer_add(out, text.data, text.len);
	return out->failed ? ERR_NOMEM : OK;
}

static int signature_check(
    const struct note *note, const struct verifier *key, struct bytes blob, uint64_t *time)
{
	uint8_t field[FIELD_MAX];
	size_t len = sizeof field;
	if (base64_decode(field, &len, (const char *)blob.data, blob.len) != OK)
		return ERR_SIGNATURE;

	if (key->type == VERIFIER_ED25519) {
		if (len != ID_LEN + SIG_LEN)
			return ERR_SIGNATURE;
		return key_verify(key->public, field + ID_LEN, note->text);
	}

	assert(key->type == VERIFIER_COSIGNATURE);
	if (len != FIELD_MAX)
		return ERR_SIGNATURE;
	*time = get_u64(field + ID_LEN);
	if (*time > INT64_MAX)
		return ERR_SIGNATURE;
	struct buffer message = BUFFER_INIT;
	int err = cosigned(&message, *time, note->text);
	if (err == OK)
		err = key_verify(key->public, field + ID_LEN + TIME_LEN, buffer_bytes(&message));
	buffer_free(&message);
	return err;
}

int note_verify(const struct note *note, const struct verifier *key, uint64_t *time)
{
	struct bytes rest = note->signatures, name = bytes_str(key->name), checked = {NULL, 0};
	uint64_t newest = 0;
	unsigned checks = 0;
	while (rest.len > 0) {
		struct note_signature s;
		uint64_t seconds = 0;
		int err = line_next(&rest, &s);
		if (err != OK)
			return err;
		if (memcmp(s.id, key->id, ID_LEN) != 0 || !bytes_equal(s.name, name))
			continue;
		/* Anyone can repeat a line 512 times; only the key's owner can make different ones.
		 */
		if (checked.data != NULL && bytes_equal(s.blob, checked))
			continue;
		if (++checks > CHECKS_MAX)
			return ERR_TOO_LARGE;
		err = signature_check(note, key, s.blob, &seconds);
		if (err != OK)
			return err;
		checked = s.blob;
		if (seconds > newest)
			newest = seconds;
	}
	if (checked.data == NULL)
		return ERR_UNSIGNED;
	if (key->type == VERIFIER_COSIGNATURE && time != NULL)
		*time = newest;
	return OK;
}

static void line_add(
    struct buffer *out, const struct verifier *v, const uint8_t *signature, size_t len)
{
	uint8_t field[FIELD_MAX];
	char blob[BASE64_LEN(FIELD_MAX) + 1];
	assert(ID_LEN + len <= sizeof field);
	memcpy(field, v->id, ID_LEN);
	memcpy(field + ID_LEN, signature, len);
	base64_encode(blob, field, ID_LEN + len);
	buffer_add(out, dash, DASH_LEN);
	buffer_add_str(out, v->name);
	buffer_add_u8(out, ' ');
	buffer_add_str(out, blob);
	buffer_add_u8(out, '\n');
}

/* Whether `text` can be a note's: else no reader would take what we sign. */
static int text_check(struct bytes text)
{
	if (text.len > NOTE_MAX)
		return ERR_TOO_LARGE;
	if (!is_note_text(text))
		return ERR_TEXT;
	return text.len > 0 && text.data[text.len - 1] == '\n' ? OK : ERR_INVALID;
}

int note_sign(struct buffer *out, struct bytes text, struct bytes name, const struct key *key)
{
	struct verifier v;
	int err = text_check(text);
	if (err == OK)
		err = verifier_make(&v, name, VERIFIER_ED25519, key->public);
	if (err != OK)
		return err;
	/* From here on nothing reads `text`, which may lie in `out`. */
	uint8_t signature[SIG_LEN];
	key_sign(signature, key, text);
	line_add(out, &v, signature, sizeof signature);
	return out->failed ? ERR_NOMEM : OK;
}

int note_cosign(struct buffer *out, struct bytes text, struct bytes name, const struct key *key,
    uint64_t seconds)
{
	struct verifier v;
	int err = seconds > INT64_MAX ? ERR_INVALID : text_check(text);
	if (err == OK)
		err = verifier_make(&v, name, VERIFIER_COSIGNATURE, key->public);
	if (err != OK)
		return err;
	struct buffer message = BUFFER_INIT;
	err = cosigned(&message, seconds, text);
	if (err == OK) {
		uint8_t signature[TIME_LEN + SIG_LEN];
		put_u64(signature, seconds);
		key_sign(signature + TIME_LEN, key, buffer_bytes(&message));
		line_add(out, &v, signature, sizeof signature);
		if (out->failed)
			err = ERR_NOMEM;
	}
	buffer_free(&message);
	return err;
}

/* Whether one of the `lines` is `line`. */
static bool has_line(struct bytes lines, struct bytes line)
{
	struct note_signature s;
	while (lines.len > 0 && line_next(&lines, &s) == OK)
		if (bytes_equal(s.line, line))
			return true;
	return false;
}

int note_merge(struct buffer *out, const struct note *a, const struct note *b)
{
	if (!bytes_equal(a->text, b->text))
		return ERR_INVALID;
	size_t start = out->len, count = a->count;
	buffer_add(out, a->text.data, a->text.len);
	buffer_add_u8(out, '\n');
	buffer_add(out, a->signatures.data, a->signatures.len);

	struct bytes rest = b->signatures;
	int err = OK;
	while (rest.len > 0 && err == OK) {
		struct bytes before = bytes_of(b->signatures.data, b->signatures.len - rest.len);
		struct note_signature s;
		err = line_next(&rest, &s);
		if (err != OK || has_line(a->signatures, s.line) || has_line(before, s.line))
			continue;
		buffer_add(out, s.line.data, s.line.len);
		count++;
	}
	if (out->failed)
		return ERR_NOMEM;
	if (err == OK && (count > NOTE_SIGNATURES_MAX || out->len - start > NOTE_MAX))
		err = ERR_TOO_LARGE;
	if (err != OK)
		out->len = start;
	return err;
}
