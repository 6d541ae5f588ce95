/* SPDX-License-Identifier: BSD-2-Clause */
/* A successor must not change what was seen of the log before it (SPEC.md 4.4, 12.5): its entry 0
 * says how much of that stands, under which root. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "client/head_inside.h"
#include "log/fork.h"
#include "member/credential.h"
#include "msg/body.h"

/* The root at `size` of a log whose head is larger, by its entry at `size`. */
static int root_at(const Convene__Data *d, uint64_t size, const struct verifier *log,
    struct head_shown *shown, struct tree_hash *root)
{
	struct tree_hash leaf, range[TREE_PROOF_MAX], proof[64];
	size_t hashes, count;
	int err = head_data_check(d, size, log, shown, &leaf, range, &hashes);

	return err ? err
		   : range_consistency(
			 size, &leaf, 1, shown->at.size, range, hashes, root, proof, &count);
}

int head_judge_before(const struct head *kept, const struct verifier *log, uint64_t size,
    const uint8_t wanted[static HASH_LEN], const Convene__Data *next, const Convene__Data *end,
    struct head_shown *out)
{
	struct head_shown other = {.proof = BUFFER_INIT};
	struct tree_hash root;
	int err;

	*out = (struct head_shown){.proof = BUFFER_INIT};
	if (kept->at.size > size)
		return ERR_RANGE;
	if (kept->at.size == size)
		return memcmp(kept->at.root, wanted, HASH_LEN) == 0 ? OK : ERR_FORK;
	if (!next)
		return ERR_NOTFOUND;
	err = head_judge_grown(kept, log, next, out);
	if (err)
		return err;
	/* One head must hold both: what was kept, and what stands. */
	if (out->at.size == size)
		return memcmp(out->at.root, wanted, HASH_LEN) == 0 ? OK : ERR_FORK;
	if (out->at.size < size || !end)
		return ERR_NOTFOUND;
	err = root_at(end, size, log, &other, &root);
	if (!err &&
	    (other.at.size != out->at.size || memcmp(other.at.root, out->at.root, HASH_LEN) != 0))
		err = ERR_BUSY;
	if (!err && memcmp(root.bytes, wanted, HASH_LEN) != 0)
		err = ERR_FORK;
	return err;
}

/* ---- asking ---- */

/* One entry of the log before. OK with NULL: the node answers, and doesn't show it. */
static int entry_ask(struct session *s, const uint8_t digest[static DIGEST_LEN], uint64_t index,
    ProtobufCMessage **out, struct trouble *t)
{
	Convene__EntriesGet get = CONVENE__ENTRIES_GET__INIT;
	uint32_t stream;
	int err;

	*out = NULL;
	get.log = pb_of(bytes_of(digest, DIGEST_LEN));
	get.first = index;
	get.count = 1;
	err = client_send(s->client, FRAME_ENTRIES_GET, &get.base, &stream, t);
	if (!err)
		err = client_next(s->client, stream, FRAME_DATA, HEAD_ASK_MS, out, t);
	return err && t->code ? OK : err;
}

/* The log's key, from its entry 0: its name follows from the keys that are named there. */
static int key_ask(struct session *s, const struct head *kept,
    const uint8_t digest[static DIGEST_LEN], struct credential *out, struct trouble *t)
{
	struct bytes leaf = bytes_of(NULL, 0);
	struct checkpoint at;
	ProtobufCMessage *m;
	size_t pos = 0;
	int err = entry_ask(s, digest, 0, &m, t);

	memset(out, 0, sizeof *out);
	if (err || !m)
		return err;
	if (leaves_next(bytes_of_pb(((const Convene__Data *)m)->leaves), &pos, &leaf) != OK ||
	    credential_open(out, s->home.node.forum, bytes_str(kept->at.origin), leaf) != OK) {
		credential_clear(out);
		memset(out, 0, sizeof *out); /* as if it showed none */
	} else if (checkpoint_open(buffer_bytes(&kept->note), &out->log, &at) != OK) {
		err = trouble_set(t, ERR_SIGNATURE,
		    "the head that is kept here of %.180s is not signed by that log's key",
		    kept->at.origin);
	}
	message_free(m);
	return err;
}

/* The root key decides which of two histories stands, and may be honest: after a fork somebody has
 * seen the other one. So the new log is followed; that it is so must not pass unseen. */
static void tell_other(const struct session *s, const struct head *kept,
    const struct head_shown *shown, const struct credential *c)
{
	char path[PATH_LEN] = "", name[80];
	struct buffer file = BUFFER_INIT;
	struct trouble t;

	head_evidence_notes(s, kept, shown, path);
	snprintf(name, sizeof name, "successor-%llu", (unsigned long long)c->number);
	head_evidence(s, name, buffer_bytes(&c->message), path);
	snprintf(name, sizeof name, "fork-%llu-%llu", (unsigned long long)kept->at.size,
	    (unsigned long long)shown->at.size);
	if (shown->proof.len > 0 && fork_file_write(&file, buffer_bytes(&shown->proof)) == OK)
		head_evidence(s, name, buffer_bytes(&file), path);
	buffer_free(&file);
	trouble_set(&t, ERR_FORK,
	    "the node's new log goes on from ANOTHER HISTORY of the one before it than you were "
	    "shown: %llu entries stand, and the %llu that were seen here are not the first of them",
	    (unsigned long long)c->node.previous_size, (unsigned long long)kept->at.size);
	trouble_hint(&t,
	    "Ask the organisation why, and others. What is yours and missing has to be signed "
	    "again. "
	    "What was shown is kept in %.100s/evidence.",
	    s->home.path);
	complain(s->in->program->name, &t);
}

static int compare(struct session *s, const struct head *kept, const struct credential *c,
    const uint8_t digest[static DIGEST_LEN], struct trouble *t)
{
	const struct node_body *node = &c->node;
	struct head_shown shown = {.proof = BUFFER_INIT};
	struct credential before = {.number = 0};
	ProtobufCMessage *next = NULL, *end = NULL;
	int err = OK, found;

	if (kept->at.size < node->previous_size) {
		err = key_ask(s, kept, digest, &before, t);
		if (!err && before.number)
			err = entry_ask(s, digest, kept->at.size, &next, t);
		if (!err && next)
			err = entry_ask(s, digest, node->previous_size, &end, t);
	}
	if (!err) {
		found = head_judge_before(kept, &before.log, node->previous_size,
		    node->previous_root, (const Convene__Data *)next, (const Convene__Data *)end,
		    &shown);
		if (found == ERR_FORK)
			tell_other(s, kept, &shown, c);
		else if (found == ERR_RANGE)
			remark(s->in->program->name,
			    "of the log before it %llu entries were seen, and %llu stand: what is "
			    "yours among the others has to be signed again",
			    (unsigned long long)kept->at.size,
			    (unsigned long long)node->previous_size);
		else if (found)
			remark(s->in->program->name,
			    "the node does not show that what stands of the log before it, %llu "
			    "entries, goes on from the %llu that were seen here; another node may",
			    (unsigned long long)node->previous_size,
			    (unsigned long long)kept->at.size);
	}
	buffer_free(&shown.proof);
	credential_clear(&before);
	message_free(next);
	message_free(end);
	return err;
}

int head_before(struct session *s, const struct head *kept, struct bytes leaf, struct trouble *t)
{
	const struct credential *now = client_node(s->client);
	uint8_t digest[DIGEST_LEN];
	struct bytes organisation;
	struct credential c;
	uint64_t number = 0;
	int err = credential_open(&c, s->home.node.forum, bytes_str(now->binding.log_name), leaf);

	if (!err && memcmp(c.root_key, s->home.node.root_key, KEY_LEN) != 0)
		err = ERR_WRONG_ROOT;
	if (!err)
		err = log_name_parse(bytes_str(kept->at.origin), &organisation, digest, &number);
	if (err) {
		err = trouble_set(t, err,
		    "the first entry of the node's new log is not a credential of your "
		    "organisation: %s",
		    error_text(err));
	} else if (bytes_equal(c.node.previous_log, bytes_str(kept->at.origin))) {
		err = compare(s, kept, &c, digest, t);
	} else if (c.number == number + 1) {
		trouble_set(t, ERR_FORK,
		    "the node's new log, number %llu, goes on from another log %llu than the one "
		    "that was seen here",
		    (unsigned long long)c.number, (unsigned long long)number);
		trouble_hint(t, "One root key must not begin two such logs. Ask the organisation, "
				"and others.");
		err = ERR_FORK;
	} else {
		remark(s->in->program->name,
		    "logs in between were never seen here, so what stands of log %llu is not "
		    "compared with what was seen of it",
		    (unsigned long long)number);
	}
	credential_clear(&c);
	return err;
}
