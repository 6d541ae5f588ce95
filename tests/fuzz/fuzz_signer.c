/* SPDX-License-Identifier: BSD-2-Clause */
/* What a relay may send to the signer: steps of u8 what ‖ u8 length ‖ bytes.
 *
 * No fuzzer can sign or prove, so steps other than a raw packet say what is asked for, and are made
 * up here. Every packet has an answer; what decodes encodes the same; and whatever the order, all
 * that is signed of a log belongs to one history. */
#include <string.h>

#include "../unit/signer_fixture.h"
#include "target.h"

enum step {
	STEP_PACKET,
	STEP_CHECKPOINT,
	STEP_COSIGN,
	STEP_INTRODUCE,
	STEP_ADMIT,
	STEP_RESTART,
	STEP_LEARN,
	STEPS
};
enum { ORGS = 4, SIGNED_MAX = 128 };

static struct place place;
static struct org org[ORGS];
static struct core *core;
static struct {
	uint64_t h[SIGNED_MAX], size[SIGNED_MAX];
	size_t count;
} seen[ORGS];

/* Nothing here is about a power failure, and the disk is slow. */
int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static void finish(void)
{
	core_free(core);
	for (unsigned i = 1; i < ORGS; i++)
		org_free(&org[i]);
	place_clear(&place);
	histories_free();
}

static void start(void)
{
	if (place.folder[0])
		return;
	NEED(crypto_start() == OK);
	histories_make();
	place_make(&place);
	org[0] = place.own;
	for (unsigned i = 1; i < ORGS; i++)
		org_make(&org[i], i, 1, 0, place.forum);
	atexit(finish);
}

static void restart(void)
{
	core_free(core);
	core = place_ready(&place);
}

/* Returns the code. */
static int deliver(struct bytes packet)
{
	struct buffer answer = BUFFER_INIT;
	struct bytes payload;
	uint64_t id;
	int code;

	request_answer(core, packet, 1790000000, &answer);
	NEED(!answer.failed && answer.len <= ANSWER_MAX);
	NEED(answer_decode(buffer_bytes(&answer), &id, &code, &payload) == OK);
	NEED(id == (packet.len >= 8 ? get_u64(packet.data) : 0));
	NEED(code == OK || payload.len == 0);
	buffer_free(&answer);
	return code;
}

static int ask(const struct request *r)
{
	struct buffer packet = BUFFER_INIT;
	struct request back;
	int code;

	NEED(request_encode(&packet, r) == OK);
	NEED(request_decode(buffer_bytes(&packet), &back) == OK && back.type == r->type);
	code = deliver(buffer_bytes(&packet));
	buffer_free(&packet);
	return code;
}

static void raw(struct bytes packet)
{
	struct buffer again = BUFFER_INIT;
	uint64_t before = core_head(core)->size;
	struct request r;

	if (request_decode(packet, &r) == OK) {
		NEED(request_encode(&again, &r) == OK);
		NEED(bytes_equal(buffer_bytes(&again), packet));
		/* From nothing any root will do; and then nobody could guess it. */
		if (r.type == REQUEST_CHECKPOINT && before == 0)
			goto out;
	}
	deliver(packet);
	NEED(core_head(core)->size == before);
out:
	buffer_free(&again);
}

static void signed_one(unsigned log, uint64_t h, uint64_t size)
{
	for (size_t i = 0; i < seen[log].count; i++)
		NEED(heads_agree(seen[log].h[i], seen[log].size[i], h, size));
	if (seen[log].count < SIGNED_MAX) {
		seen[log].h[seen[log].count] = h;
		seen[log].size[seen[log].count++] = size;
	}
}

static void head(enum step what, const uint8_t arg[static 6])
{
	unsigned log = what == STEP_COSIGN ? arg[0] % ORGS : 0;
	uint64_t h = arg[1] % HISTORIES, size = 1 + arg[2] % HISTORY_LEN, from = arg[3];
	struct request r = {.id = 7, .type = REQUEST_CHECKPOINT, .size = size};
	struct buffer note = BUFFER_INIT;

	r.proof_count = proof_of(h, from <= size ? from : 0, size, r.proof);
	if (arg[4] & 1)
		r.proof[arg[5] % 8].bytes[3] ^= arg[4];
	root_of(h, size, r.root);
	if (what != STEP_CHECKPOINT) {
		r.type = what == STEP_COSIGN ? REQUEST_COSIGN : REQUEST_LEARN;
		note_make(&note, &org[log], h, size);
		r.body = buffer_bytes(&note);
	}
	if (ask(&r) == OK)
		signed_one(log, h, size);
	buffer_free(&note);
}

static void papers(enum step what, const uint8_t arg[static 6])
{
	const struct org *by = &org[arg[0] % ORGS];
	struct request r = {.id = 8, .type = REQUEST_INTRODUCE};
	struct buffer message = BUFFER_INIT;

	r.log_name = bytes_str(by->log_name);
	buffer_add(&message, by->node.data, by->node.len);
	if (what == STEP_ADMIT) {
		r.type = REQUEST_ADMIT;
		buffer_reset(&message);
		memcpy(r.digest, by->binding.digest, DIGEST_LEN);
		admit_make(&message, by, &org[arg[1] % ORGS]);
	}
	/* A forged one is refused, also one that is known already. */
	if (arg[4])
		message.data[(size_t)arg[2] * 3 % message.len] ^= arg[4];
	r.body = buffer_bytes(&message);
	NEED(ask(&r) != OK || arg[4] == 0);
	buffer_free(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	start();
	unlink(place.lock);
	unlink(place.cosigned);
	memset(seen, 0, sizeof seen);
	restart();
	while (size >= 2) {
		enum step what = data[0] % STEPS;
		size_t len = data[1] < size - 2 ? data[1] : size - 2;
		uint8_t arg[6] = {0};

		memcpy(arg, data + 2, len < 6 ? len : 6);
		switch (what) {
		case STEP_PACKET:
			raw(bytes_of(data + 2, len));
			break;
		case STEP_CHECKPOINT:
		case STEP_COSIGN:
		case STEP_LEARN:
			head(what, arg);
			break;
		case STEP_INTRODUCE:
		case STEP_ADMIT:
			papers(what, arg);
			break;
		default:
			restart();
		}
		data += 2 + len;
		size -= 2 + len;
	}
	return 0;
}
