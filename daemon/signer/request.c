/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/signer/request.h"

#include <string.h>

#include "base/error.h"

/* ---- the forms ---- */

int request_encode(struct buffer *out, const struct request *r)
{
	size_t start = out->len;

	if (r->proof_count > PROOF_HASHES_MAX || r->body.len > CORE_NOTE_MAX ||
	    r->log_name.len > VERIFIER_NAME_MAX)
		return ERR_TOO_LARGE;
	buffer_add_u64(out, r->id);
	buffer_add_u8(out, (uint8_t)r->type);
	switch (r->type) {
	case REQUEST_HEAD:
		break;
	case REQUEST_CHECKPOINT:
		buffer_add_u64(out, r->size);
		buffer_add(out, r->root, HASH_LEN);
		buffer_add(out, r->proof, r->proof_count * HASH_LEN);
		break;
	case REQUEST_INTRODUCE:
		buffer_add_u16(out, (uint16_t)r->log_name.len);
		buffer_add(out, r->log_name.data, r->log_name.len);
		buffer_add(out, r->body.data, r->body.len);
		break;
	case REQUEST_ADMIT:
		buffer_add(out, r->digest, DIGEST_LEN);
		buffer_add(out, r->body.data, r->body.len);
		break;
	case REQUEST_COSIGN:
	case REQUEST_LEARN:
		buffer_add_u16(out, (uint16_t)r->body.len);
		buffer_add(out, r->body.data, r->body.len);
		buffer_add(out, r->proof, r->proof_count * HASH_LEN);
		break;
	case REQUEST_REGISTRAR:
		buffer_add(out, r->body.data, r->body.len);
		break;
	default:
		out->len = start;
		return ERR_INVALID;
	}
	if (!out->failed)
		return OK;
	out->len = start;
	return ERR_NOMEM;
}

/* The first `len` bytes of what is left. */
static bool take(struct bytes *rest, size_t len, struct bytes *out)
{
	if (rest->len < len)
		return false;
	*out = bytes_of(rest->data, len);
	*rest = bytes_of(rest->data + len, rest->len - len);
	return true;
}

static bool take_sized(struct bytes *rest, struct bytes *out)
{
	struct bytes len;

	return take(rest, 2, &len) && take(rest, get_u16(len.data), out);
}

static bool take_proof(struct bytes rest, struct request *r)
{
	if (rest.len % HASH_LEN != 0 || rest.len > sizeof r->proof)
		return false;
	if (rest.len > 0)
		memcpy(r->proof, rest.data, rest.len);
	r->proof_count = rest.len / HASH_LEN;
	return true;
}

static bool payload_decode(struct bytes rest, struct request *r)
{
	struct bytes part;

	switch (r->type) {
	case REQUEST_HEAD:
		return rest.len == 0;
	case REQUEST_CHECKPOINT:
		if (!take(&rest, 8, &part))
			return false;
		r->size = get_u64(part.data);
		if (!take(&rest, HASH_LEN, &part))
			return false;
		memcpy(r->root, part.data, HASH_LEN);
		return take_proof(rest, r);
	case REQUEST_INTRODUCE:
		r->body = rest;
		return take_sized(&r->body, &r->log_name) && r->body.len <= MESSAGE_MAX;
	case REQUEST_ADMIT:
		if (!take(&rest, DIGEST_LEN, &part))
			return false;
		memcpy(r->digest, part.data, DIGEST_LEN);
		r->body = rest;
		return rest.len <= MESSAGE_MAX;
	case REQUEST_COSIGN:
	case REQUEST_LEARN:
		return take_sized(&rest, &r->body) && r->body.len <= CORE_NOTE_MAX &&
		       take_proof(rest, r);
	case REQUEST_REGISTRAR:
		r->body = rest;
		return rest.len <= MESSAGE_MAX - SIG_LEN;
	}
	return false;
}

int request_decode(struct bytes in, struct request *out)
{
	out->id = in.len >= 8 ? get_u64(in.data) : 0;
	out->log_name = out->body = bytes_of(NULL, 0);
	out->proof_count = 0;
	if (in.len > REQUEST_MAX)
		return ERR_TOO_LARGE;
	if (in.len < 9)
		return ERR_MALFORMED;
	if (in.data[8] < REQUEST_HEAD || in.data[8] > REQUEST_LAST)
		return ERR_UNKNOWN_KIND;
	out->type = (enum request_type)in.data[8];
	return payload_decode(bytes_of(in.data + 9, in.len - 9), out) ? OK : ERR_MALFORMED;
}

void answer_encode(struct buffer *out, uint64_t id, int code, struct bytes payload)
{
	buffer_add_u64(out, id);
	buffer_add_u32(out, (uint32_t)-code);
	if (!code)
		buffer_add(out, payload.data, payload.len);
}

int answer_decode(struct bytes in, uint64_t *id, int *code, struct bytes *payload)
{
	if (in.len < 12 || in.len > ANSWER_MAX || get_u32(in.data + 8) > 1000)
		return ERR_MALFORMED;
	*id = get_u64(in.data);
	*code = -(int)get_u32(in.data + 8);
	*payload = bytes_of(in.data + 12, in.len - 12);
	return OK;
}

/* ---- doing it ---- */

static void head_put(struct buffer *out, const struct head *head)
{
	buffer_add_u64(out, head->size);
	buffer_add(out, head->root, HASH_LEN);
}

static int act(struct core *core, const struct request *r, uint64_t seconds, struct buffer *out)
{
	const struct head *head;
	int err;

	switch (r->type) {
	case REQUEST_HEAD:
		head_put(out, core_head(core));
		return OK;
	case REQUEST_CHECKPOINT:
		return core_checkpoint(core, r->size, r->root, r->proof, r->proof_count, out);
	case REQUEST_INTRODUCE:
		err = core_introduce(core, r->log_name, r->body, &head);
		if (!err)
			head_put(out, head);
		return err;
	case REQUEST_ADMIT:
		return core_admit(core, r->digest, r->body);
	case REQUEST_COSIGN:
		return core_cosign(core, r->body, r->proof, r->proof_count, seconds, out);
	case REQUEST_REGISTRAR:
		return core_registrar(core, r->body, out);
	case REQUEST_LEARN:
		return core_learn(core, r->body, r->proof, r->proof_count);
	}
	return ERR_UNKNOWN_KIND;
}

void request_answer(struct core *core, struct bytes packet, uint64_t seconds, struct buffer *answer)
{
	struct buffer payload = BUFFER_INIT;
	struct request r;
	int err = request_decode(packet, &r);

	if (!err)
		err = act(core, &r, seconds, &payload);
	if (!err && payload.failed)
		err = ERR_NOMEM;
	answer_encode(answer, r.id, err, buffer_bytes(&payload));
	buffer_free(&payload);
}
