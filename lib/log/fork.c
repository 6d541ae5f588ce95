/* SPDX-License-Identifier: BSD-2-Clause */
/* Why two heads (a, Ra) and (b, Rb) with a < b prove a fork: the consistency proof from (a, R') to
 * (b, Rb) verifies for one R' only, so Rb fixes the root at a to be R'; and the log's key signed
 * Ra, another one, at that size. */
#include "log/fork.h"

#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "msg/wire.h"

#define LINE_BYTES 57 /* that make 76 characters */
#define LINE_CHARS BASE64_LEN(LINE_BYTES)

enum { FIELD_SMALLER = 1, FIELD_LARGER, FIELD_ROOT, FIELD_PROOF };

int fork_proof_check(struct bytes smaller_note, struct bytes larger_note,
    const struct tree_hash *substituted_root, const struct tree_hash *proof, size_t count,
    const struct verifier *log)
{
	struct checkpoint a, b;
	int err;

	if (count > FORK_HASHES_MAX)
		return ERR_TOO_LARGE;
	err = checkpoint_open(smaller_note, log, &a);
	if (!err)
		err = checkpoint_open(larger_note, log, &b);
	if (err)
		return err;
	if (a.size > b.size)
		return ERR_MALFORMED;
	if (a.size == b.size) {
		if (substituted_root || count > 0)
			return ERR_MALFORMED;
		return memcmp(a.root, b.root, HASH_LEN) != 0 ? OK : ERR_PROOF;
	}
	if (!substituted_root)
		return ERR_MALFORMED;
	if (memcmp(substituted_root->bytes, a.root, HASH_LEN) == 0)
		return ERR_PROOF;
	return consistency_verify(a.size, b.size, proof, count, substituted_root->bytes, b.root);
}

int fork_proof_encode(struct buffer *out, const struct fork_proof *f)
{
	struct bytes root = bytes_of(f->root.bytes, f->has_root ? HASH_LEN : 0);
	size_t start = out->len;

	if (f->count > FORK_HASHES_MAX || f->smaller.len == 0 || f->larger.len == 0)
		return ERR_INVALID;
	wire_add_bytes(out, FIELD_SMALLER, f->smaller);
	wire_add_bytes(out, FIELD_LARGER, f->larger);
	wire_add_bytes(out, FIELD_ROOT, root);
	wire_add_bytes(out, FIELD_PROOF, bytes_of(f->proof, f->count * sizeof f->proof[0]));
	if (!out->failed && out->len - start <= FORK_MAX)
		return OK;
	out->len = start;
	return out->failed ? ERR_NOMEM : ERR_TOO_LARGE;
}

int fork_proof_decode(struct bytes in, struct fork_proof *out)
{
	struct wire_reader reader;
	struct wire_field field;
	int err;

	if (in.len > FORK_MAX)
		return ERR_TOO_LARGE;
	memset(out, 0, sizeof *out);
	wire_reader_start(&reader, in);
	while ((err = wire_next(&reader, &field)) == OK) {
		size_t len = field.bytes.len;

		if (field.number > FIELD_PROOF)
			continue; /* a later version's */
		if (!field.is_bytes)
			return ERR_MALFORMED;
		switch (field.number) {
		case FIELD_SMALLER:
			out->smaller = field.bytes;
			break;
		case FIELD_LARGER:
			out->larger = field.bytes;
			break;
		case FIELD_ROOT:
			if (len != HASH_LEN)
				return ERR_MALFORMED;
			memcpy(out->root.bytes, field.bytes.data, len);
			out->has_root = true;
			break;
		case FIELD_PROOF:
			if (len % HASH_LEN != 0)
				return ERR_MALFORMED;
			if (len > sizeof out->proof)
				return ERR_TOO_LARGE;
			memcpy(out->proof, field.bytes.data, len);
			out->count = len / HASH_LEN;
			break;
		}
	}
	if (err != ERR_NOTFOUND)
		return err;
	return out->smaller.len && out->larger.len ? OK : ERR_MALFORMED;
}

int fork_proof_make(struct buffer *out, struct bytes smaller_note, struct bytes larger_note,
    const struct tree_hash *substituted_root, const struct tree_hash *proof, size_t count,
    const struct verifier *log)
{
	struct buffer smaller = BUFFER_INIT, larger = BUFFER_INIT;
	struct fork_proof f = {0};
	int err;

	err = fork_proof_check(smaller_note, larger_note, substituted_root, proof, count, log);
	if (!err)
		err = checkpoint_reduce(&smaller, smaller_note, log);
	if (!err)
		err = checkpoint_reduce(&larger, larger_note, log);
	if (!err) {
		f.smaller = buffer_bytes(&smaller);
		f.larger = buffer_bytes(&larger);
		f.has_root = substituted_root != NULL;
		if (f.has_root)
			f.root = *substituted_root;
		f.count = count;
		if (count > 0)
			memcpy(f.proof, proof, count * sizeof f.proof[0]);
		err = fork_proof_encode(out, &f);
	}
	buffer_free(&smaller);
	buffer_free(&larger);
	return err;
}

int fork_proof_build(struct buffer *out, struct bytes one, struct bytes other,
    const struct verifier *log, const struct tree *tree, tree_fetch *fetch, void *ctx)
{
	struct tree_hash proof[FORK_HASHES_MAX], root;
	struct checkpoint a, b;
	size_t count;
	int err;

	err = checkpoint_open(one, log, &a);
	if (!err)
		err = checkpoint_open(other, log, &b);
	if (err)
		return err;
	if (a.size > b.size)
		return fork_proof_build(out, other, one, log, tree, fetch, ctx);
	if (a.size == b.size) {
		if (memcmp(a.root, b.root, HASH_LEN) == 0)
			return ERR_NOTFOUND;
		return fork_proof_make(out, one, other, NULL, NULL, 0, log);
	}
	err = tree_root_at(tree, b.size, fetch, ctx, root.bytes);
	if (!err && memcmp(root.bytes, b.root, HASH_LEN) != 0)
		err = ERR_PROOF;
	if (!err)
		err = tree_root_at(tree, a.size, fetch, ctx, root.bytes);
	if (!err && memcmp(root.bytes, a.root, HASH_LEN) == 0)
		err = ERR_NOTFOUND;
	if (!err)
		err = tree_prove_consistency(tree, a.size, b.size, fetch, ctx, proof, &count);
	return err ? err : fork_proof_make(out, one, other, &root, proof, count, log);
}

static const char file_line[] = "convene fork proof v1\n";

int fork_file_write(struct buffer *out, struct bytes encoded)
{
	if (encoded.len == 0 || encoded.len > FORK_MAX)
		return encoded.len ? ERR_TOO_LARGE : ERR_INVALID;
	buffer_add_str(out, file_line);
	for (size_t at = 0; at < encoded.len; at += LINE_BYTES) {
		char line[LINE_CHARS + 1];
		size_t rest = encoded.len - at;

		base64_encode(line, encoded.data + at, rest < LINE_BYTES ? rest : LINE_BYTES);
		buffer_add_str(out, line);
		buffer_add(out, "\n", 1);
	}
	return out->failed ? ERR_NOMEM : OK;
}

/* Decode the lines. Only the last may be shorter, or end in padding. */
static int lines_decode(struct bytes in, struct buffer *out)
{
	size_t start = out->len;

	for (size_t at = 0; at < in.len;) {
		uint8_t decoded[LINE_BYTES];
		const uint8_t *line = in.data + at, *end = memchr(line, '\n', in.len - at);
		size_t len = sizeof decoded, chars = end ? (size_t)(end - line) : 0;
		int err;

		at += chars + 1;
		if (chars == 0 || chars > LINE_CHARS || (chars < LINE_CHARS && at < in.len))
			return ERR_MALFORMED;
		err = base64_decode(decoded, &len, (const char *)line, chars);
		if (err)
			return err;
		if (len < LINE_BYTES && at < in.len)
			return ERR_MALFORMED;
		buffer_add(out, decoded, len);
		if (out->failed)
			return ERR_NOMEM;
		if (out->len - start > FORK_MAX)
			return ERR_TOO_LARGE;
	}
	return out->len > start ? OK : ERR_MALFORMED;
}

int fork_file_read(struct bytes in, struct buffer *encoded)
{
	const size_t skip = sizeof file_line - 1;
	size_t start = encoded->len;
	int err;

	if (in.len < skip || memcmp(in.data, file_line, skip) != 0)
		return ERR_MALFORMED;
	err = lines_decode(bytes_of(in.data + skip, in.len - skip), encoded);
	if (err)
		encoded->len = start;
	return err;
}
