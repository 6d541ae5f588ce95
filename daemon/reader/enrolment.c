/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/reader/enrolment.h"

#include <string.h>

#include "base/error.h"
#include "forum/query.h"
#include "log/checkpoint.h"
#include "msg/body.h"

#define RECOVERY_STEPS_MAX 64 /* endorsements that are followed back */

int entry_read(
    struct store *s, uint32_t log_no, uint64_t index, struct buffer *out, struct bytes *leaf)
{
	size_t got = 0, pos = out->len;
	int err = s->ops->read(s, log_no, index, 1, MESSAGE_MAX, out, &got);

	if (!err && (got != 1 || out->failed))
		err = out->failed ? ERR_NOMEM : ERR_STORE;
	return err ? err : leaves_next(buffer_bytes(out), &pos, leaf);
}

/* The ENROL of a device: its time, and how it came about. `b` points into `message`. */
static int enrol_read(struct store *s, const struct signer *of, struct buffer *message,
    struct enrol_body *b, uint64_t *time)
{
	struct bytes leaf;
	struct header h;
	uint64_t index;
	uint32_t no;
	int err = query_message(s, of->enrol_id, &no, &index);

	if (!err)
		err = entry_read(s, no, index, message, &leaf);
	if (!err)
		err = message_parse(leaf, &h);
	if (!err)
		err = h.kind == KIND_ENROL ? enrol_body_read(h.body, b) : ERR_MALFORMED;
	if (!err)
		*time = h.time;
	return err;
}

uint64_t enrolment_recovered(struct store *s, uint32_t log_no, const uint8_t key[static KEY_LEN])
{
	struct buffer message = BUFFER_INIT;
	uint64_t when = 1;
	uint8_t at[KEY_LEN];

	memcpy(at, key, KEY_LEN);
	for (int i = 0; i < RECOVERY_STEPS_MAX; i++) {
		struct enrol_body b;
		struct signer of;
		uint64_t time;

		if (query_signer(s, log_no, at, &of, NULL) != OK) {
			when = i > 0;
			break;
		}
		if (!of.recovery) {
			when = 0;
			break;
		}
		buffer_reset(&message);
		if (enrol_read(s, &of, &message, &b, &time) != OK)
			break;
		if (b.recovery) {
			when = time;
			break;
		}
		memcpy(at, b.endorser, KEY_LEN);
	}
	buffer_free(&message);
	return when;
}
