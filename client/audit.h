/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands in a log of one person: their devices and messages, read entry by entry, and what is
 * odd about it (SPEC.md 4.4, 6). Pure: the entries come from whoever asks the node. One owner. */
#ifndef CLIENT_AUDIT_H
#define CLIENT_AUDIT_H

#include "client/device.h"
#include "log/tree.h"
#include "member/roster.h"

enum audit_way { BY_INVITE, BY_DEVICE, BY_RECOVERY };

struct audit_device {
	uint8_t key[KEY_LEN];
	enum audit_way way;
	uint8_t endorser[KEY_LEN]; /* BY_DEVICE */
	bool recovered;            /* it, or whoever vouches for it */
	uint64_t number, enrolled; /* log and index */
	uint8_t enrol_id[ID_LEN];
	uint64_t time; /* of the ENROL, advisory */
	bool revoked;
	uint64_t revoked_at, revoked_time;
	uint8_t reason;
	bool by_itself;
	uint64_t messages, sequence; /* in all logs; of its last message */
	bool known; /* audit_judge(): of the same person, as far as is known here */
};

struct audit_message {
	uint8_t id[ID_LEN];
	uint64_t number, index, sequence;
	size_t device;
};

/* Sequences between two messages of a device that are not in the log. */
struct audit_gap {
	size_t device;
	uint64_t from, to, number, index; /* index: of the message behind it */
};

enum audit_level { AUDIT_NOTE, AUDIT_WRONG };

struct audit_finding {
	enum audit_level level;
	const char *name; /* stable, for programs */
	uint64_t index;   /* where in the newest log; UINT64_MAX: nowhere */
	char text[400];
};

struct audit {
	uint8_t identity[IDENTITY_LEN];
	const struct charter *charter;
	struct binding binding; /* of the log that is being read */
	uint64_t number;
	struct roster *roster;
	struct tree *tree;
	struct audit_device *devices;
	struct audit_message *messages;
	struct audit_gap *gaps;
	struct audit_finding *findings;
	size_t device_count, message_count, gap_count, finding_count;
	size_t device_room, message_room, gap_room, finding_room;
	bool sorted;
};

void audit_init(
    struct audit *a, const struct charter *charter, const uint8_t identity[static IDENTITY_LEN]);
void audit_free(struct audit *a);

/* Begin the next log: log 1, or the successor of the one that was read, up to the size that it
 * names. ERR_NOMEM; ERR_INVALID: it follows another, or another size. */
int audit_log(struct audit *a, const struct credential *c);
/* Its next entry. ERR_NOMEM; ERR_INVALID: entry 0 is not the credential. Odd entries are no error.
 */
int audit_entry(struct audit *a, struct bytes leaf);
/* The root of what was read of it, and how much that is. */
uint64_t audit_size(const struct audit *a);
void audit_root(const struct audit *a, uint8_t out[static HASH_LEN]);

/* What is kept here of one's own, for audit_judge(): NULL for somebody else's identity. */
struct audit_own {
	const uint8_t *key;                /* of this device */
	const struct own_devices *devices; /* said to be one's own */
	uint64_t sequence;                 /* the highest used here */
	/* Whether a message with this sequence was refused, dropped, or waits. */
	bool (*accounted)(void *ctx, uint64_t sequence);
	void *ctx;
};

/* When all is read: fill in what is found about devices, gaps and this device's messages. */
int audit_judge(struct audit *a, const struct audit_own *own);
/* A message by its id; NULL: it is not in the logs that were read. */
const struct audit_message *audit_find(struct audit *a, const uint8_t id[static ID_LEN]);
int audit_add(struct audit *a, enum audit_level level, const char *name, uint64_t index,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Nothing is AUDIT_WRONG. */
bool audit_good(const struct audit *a);

#endif
