/* SPDX-License-Identifier: BSD-2-Clause */
/* Content, built and read (SPEC.md section 7), through protobuf-c under a budget.
 *
 * Depth is scanned before protobuf-c sees a byte, and it allocates from a
 * budget of 64 KiB + 16 × length: hostile content costs its sender's memory
 * limit, never ours. A parsed struct content owns its memory. Any thread. */
#ifndef MSG_CONTENT_H
#define MSG_CONTENT_H

#include "base/buffer.h"
#include "msg/message.h"

#define CONTENT_MAX 2097152 /* bytes: no charter allows more (SPEC.md 3.1) */

struct content_part {
	struct bytes name, media_type, data;
	uint64_t omitted; /* size of what an import left out; then there is no data */
};
struct content_mention {
	struct bytes name;
	uint8_t log[DIGEST_LEN];
	uint8_t identity[IDENTITY_LEN];
};

struct content_profile {
	bool present;
	struct bytes handle, name, group, region;
	const struct bytes *languages;
	size_t language_count;
};

struct content_imported {
	bool present;
	struct bytes author, message_id, source;
	int64_t date;
	const struct bytes *references;
	size_t reference_count;
};

struct content {
	struct bytes subject, text;
	const struct content_mention *mentions;
	size_t mention_count;
	const struct content_part *parts;
	size_t part_count;
	struct content_imported imported;
	struct content_profile profile;
	void
	    *memory; /* content_parse()'s; NULL in one that the caller fills for content_encode() */
};

/* Append the encoding. ERR_INVALID for counts above section 7's limits. */
int content_encode(struct buffer *out, const struct content *c);

/* ERR_MALFORMED, ERR_TOO_LARGE (limits or budget), ERR_TEXT (subject, text, names not UTF-8).
 * `in` must outlive `out`. Free with content_clear(), also harmless after a failure. */
int content_parse(struct bytes in, struct content *out);
void content_clear(struct content *c);

#endif
