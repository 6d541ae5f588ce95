/* SPDX-License-Identifier: BSD-2-Clause */
#include "log/checkpoint.h"

#include <assert.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"

#define SIZE_LAST INT64_MAX /* C2SP: below 2^63 */

/* Cut the next line off. False when there is no newline. */
static bool line_next(struct bytes *rest, struct bytes *line)
{
	const uint8_t *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;

	if (!end)
		return false;
	*line = bytes_of(rest->data, (size_t)(end - rest->data));
	*rest = bytes_of(end + 1, rest->len - line->len - 1);
	return true;
}

static int hash_parse(struct bytes line, uint8_t out[static HASH_LEN])
{
	size_t len = HASH_LEN;

	/* The exact length goes first, so that a short hash and a long one are malformed alike. */
	if (line.len != BASE64_LEN(HASH_LEN))
		return ERR_MALFORMED;
	int err = base64_decode(out, &len, (const char *)line.data, line.len);
	if (err)
		return err == ERR_NOT_CANONICAL ? err : ERR_MALFORMED;
	return len == HASH_LEN ? OK : ERR_MALFORMED;
}

int checkpoint_text(struct buffer *out, const struct checkpoint *c)
{
	char root[BASE64_LEN(HASH_LEN) + 1];

	if (c->size == 0 || c->size > SIZE_LAST || c->origin[0] == '\0' || strchr(c->origin, '\n'))
		return ERR_INVALID;
	base64_encode(root, c->root, HASH_LEN);
	buffer_printf(out, "%s\n%llu\n%s\n", c->origin, (unsigned long long)c->size, root);
	return out->failed ? ERR_NOMEM : OK;
}

int checkpoint_parse(struct bytes text, struct checkpoint *out)
{
	struct bytes origin, size, root;
	struct checkpoint c;
	int err;

	if (!line_next(&text, &origin) || !line_next(&text, &size) || !line_next(&text, &root) ||
	    text.len > 0)
		return ERR_MALFORMED;
	if (origin.len == 0 || origin.len > VERIFIER_NAME_MAX ||
	    memchr(origin.data, '\0', origin.len))
		return ERR_MALFORMED;
	memset(&c, 0, sizeof c);
	memcpy(c.origin, origin.data, origin.len);
	err = decimal_parse(&c.size, (const char *)size.data, size.len, SIZE_LAST);
	if (!err && c.size == 0)
		err = ERR_RANGE;
	if (!err)
		err = hash_parse(root, c.root);
	if (!err)
		*out = c;
	return err;
}

int checkpoint_open(struct bytes bytes, const struct verifier *log, struct checkpoint *out)
{
	struct checkpoint c;
	struct note note;
	int err;

	if (log->type != VERIFIER_ED25519)
		return ERR_KEY;
	err = note_parse(&note, bytes);
	if (!err)
		err = checkpoint_parse(note.text, &c);
	if (!err && strcmp(c.origin, log->name) != 0)
		err = ERR_OTHER_FORUM;
	if (!err)
		err = note_verify(&note, log, NULL);
	if (!err)
		*out = c;
	return err;
}

int checkpoint_reduce(struct buffer *out, struct bytes in, const struct verifier *log)
{
	struct note_signature signature;
	struct note note;
	int err = note_parse(&note, in);

	for (size_t i = 0; !err && i < note.count; i++) {
		err = note_signature(&note, i, &signature);
		if (err || !bytes_equal(signature.name, bytes_str(log->name)) ||
		    memcmp(signature.id, log->id, sizeof log->id) != 0)
			continue;
		buffer_add(out, note.text.data, note.text.len);
		buffer_add(out, "\n", 1);
		buffer_add(out, signature.line.data, signature.line.len);
		return out->failed ? ERR_NOMEM : OK;
	}
	return err ? err : ERR_UNSIGNED;
}

int checkpoint_sign(struct buffer *out, const struct checkpoint *c, const struct key *log_key)
{
	struct buffer text = BUFFER_INIT;
	size_t start = out->len;
	int err;

	err = checkpoint_text(&text, c);
	if (!err) {
		buffer_add(out, text.data, text.len);
		buffer_add(out, "\n", 1);
		err = note_sign(out, buffer_bytes(&text), bytes_str(c->origin), log_key);
	}
	if (!err && out->failed)
		err = ERR_NOMEM;
	if (err)
		out->len = start;
	buffer_free(&text);
	return err;
}

static const char proof_line[] = "c2sp.org/tlog-proof@v1";

int tlog_proof_write(struct buffer *out, uint64_t index, const struct tree_hash *hashes,
    size_t count, struct bytes note)
{
	if (index >= SIZE_LAST || count > 64 || note.len == 0)
		return ERR_INVALID;
	buffer_printf(out, "%s\nindex %llu\n", proof_line, (unsigned long long)index);
	for (size_t i = 0; i < count; i++) {
		char text[BASE64_LEN(HASH_LEN) + 1];

		base64_encode(text, hashes[i].bytes, HASH_LEN);
		buffer_add_str(out, text);
		buffer_add(out, "\n", 1);
	}
	buffer_add(out, "\n", 1);
	buffer_add(out, note.data, note.len);
	return out->failed ? ERR_NOMEM : OK;
}

int tlog_proof_parse(struct bytes in, uint64_t *index, struct tree_hash hashes[static 64],
    size_t *count, struct bytes *note)
{
	static const char prefix[] = "index ";
	const size_t skip = sizeof prefix - 1;
	struct bytes line;
	size_t n = 0;
	int err;

	if (!line_next(&in, &line) || !bytes_equal(line, bytes_str(proof_line)))
		return ERR_MALFORMED;
	if (!line_next(&in, &line) || line.len < skip || memcmp(line.data, prefix, skip) != 0)
		return ERR_MALFORMED;
	err = decimal_parse(index, (const char *)line.data + skip, line.len - skip, SIZE_LAST - 1);
	if (err)
		return err;
	for (;;) {
		if (!line_next(&in, &line))
			return ERR_MALFORMED;
		if (line.len == 0)
			break;
		if (n == 64)
			return ERR_TOO_LARGE;
		err = hash_parse(line, hashes[n++].bytes);
		if (err)
			return err;
	}
	if (in.len == 0)
		return ERR_MALFORMED;
	if (in.len > NOTE_MAX)
		return ERR_TOO_LARGE;
	*count = n;
	*note = in;
	return OK;
}

void leaves_add(struct buffer *out, struct bytes leaf)
{
	assert(leaf.len <= UINT16_MAX);
	buffer_add_u16(out, (uint16_t)leaf.len);
	buffer_add(out, leaf.data, leaf.len);
}

int leaves_next(struct bytes leaves, size_t *pos, struct bytes *leaf)
{
	size_t rest = leaves.len - *pos, len;

	assert(*pos <= leaves.len);
	if (rest == 0)
		return ERR_NOTFOUND;
	if (rest < 2)
		return ERR_MALFORMED;
	len = get_u16(leaves.data + *pos);
	if (len > rest - 2)
		return ERR_MALFORMED;
	*leaf = bytes_of(leaves.data + *pos + 2, len);
	*pos += 2 + len;
	return OK;
}
