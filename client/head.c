/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/head_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "log/fork.h"

#define HEAD "head"
#define EVIDENCE "evidence"
#define TRIES 3 /* of a log that grows while we look */

/* ---- judging ---- */

int head_data_check(const Convene__Data *d, uint64_t first, const struct verifier *log,
    struct head_shown *out, struct tree_hash *leaf, struct tree_hash proof[static TREE_PROOF_MAX],
    size_t *count)
{
	struct bytes entry;
	size_t pos = 0;
	int err = checkpoint_open(bytes_of_pb(d->checkpoint), log, &out->at);

	if (err)
		return err;
	out->note = bytes_of_pb(d->checkpoint);
	*count = d->proof.len / HASH_LEN;
	if (d->first != first || d->proof.len % HASH_LEN != 0 || *count > TREE_PROOF_MAX ||
	    leaves_next(bytes_of_pb(d->leaves), &pos, &entry) != OK || pos != d->leaves.len)
		return ERR_MALFORMED;
	leaf_hash(leaf, entry);
	if (*count > 0)
		memcpy(proof, d->proof.data, d->proof.len);
	return range_verify(first, leaf, 1, out->at.size, proof, *count, out->at.root);
}

/* Its proof says which root it had at the kept size. */
int head_judge_grown(const struct head *kept, const struct verifier *log, const Convene__Data *next,
    struct head_shown *out)
{
	struct tree_hash leaf, root, range[TREE_PROOF_MAX], proof[64];
	size_t hashes, count;
	int err = head_data_check(next, kept->at.size, log, out, &leaf, range, &hashes);

	if (!err)
		err = range_consistency(
		    kept->at.size, &leaf, 1, out->at.size, range, hashes, &root, proof, &count);
	if (err || memcmp(root.bytes, kept->at.root, HASH_LEN) == 0)
		return err;
	err = fork_proof_make(
	    &out->proof, buffer_bytes(&kept->note), out->note, &root, proof, count, log);
	return err ? err : ERR_FORK;
}

int head_judge(const struct head *kept, const struct verifier *log, const Convene__Data *next,
    const Convene__Data *last, struct head_shown *out)
{
	struct tree_hash leaf, range[TREE_PROOF_MAX];
	size_t hashes;
	int err;

	*out = (struct head_shown){.proof = BUFFER_INIT};
	if (next)
		return head_judge_grown(kept, log, next, out);
	if (!last)
		return ERR_RANGE;
	err = head_data_check(last, kept->at.size - 1, log, out, &leaf, range, &hashes);
	if (err)
		return err;
	if (out->at.size > kept->at.size)
		return ERR_BUSY;
	if (memcmp(out->at.root, kept->at.root, HASH_LEN) == 0)
		return OK;
	err = fork_proof_make(
	    &out->proof, buffer_bytes(&kept->note), out->note, NULL, NULL, 0, log);
	return err ? err : ERR_FORK;
}

/* ---- the file ---- */

int head_read(struct head *h, const char *home, struct trouble *t)
{
	char path[PATH_LEN];
	struct note note;
	int err = path_join(path, home, HEAD, t);

	*h = (struct head){.note = BUFFER_INIT};
	if (!err)
		err = file_read(path, NOTE_MAX, &h->note, t);
	if (err)
		return err == ERR_NOTFOUND ? OK : err;
	/* Its signature is checked with the log's key, when that is known. */
	if (note_parse(&note, buffer_bytes(&h->note)) == OK &&
	    checkpoint_parse(note.text, &h->at) == OK)
		return OK;
	head_clear(h);
	trouble_set(
	    t, ERR_MALFORMED, "%.300s is damaged: it holds the newest head of your log", path);
	trouble_hint(t, "Without that file a new one is begun; what was seen before is then not "
			"compared any more.");
	return t->err;
}

void head_clear(struct head *h)
{
	buffer_free(&h->note);
	memset(&h->at, 0, sizeof h->at);
}

/* Write it down, unless another program has written a later one meanwhile; where the home is busy,
 * the next command does it. */
static int head_keep(struct session *s, struct bytes note, uint64_t size, struct trouble *t)
{
	bool held = s->home.lock >= 0;
	struct head other;
	struct trouble busy;
	int err;

	if (home_lock(&s->home, false, &busy) != OK)
		return OK;
	err = head_read(&other, s->home.path, t);
	if (!err && (other.at.size < size ||
			strcmp(other.at.origin, client_node(s->client)->binding.log_name) != 0))
		err = file_write(s->home.path, HEAD, note, t);
	head_clear(&other);
	if (!held)
		home_close(&s->home);
	return err;
}

/* ---- evidence ---- */

int head_evidence(
    const struct session *s, const char *name, struct bytes data, char path[static PATH_LEN])
{
	char folder[PATH_LEN];
	struct trouble t;
	int err = path_join(folder, s->home.path, EVIDENCE, &t);

	if (!err)
		err = folder_make(folder, &t);
	if (!err)
		err = file_write(folder, name, data, &t);
	return err ? err : path_join(path, folder, name, &t);
}

int head_evidence_notes(const struct session *s, const struct head *kept,
    const struct head_shown *shown, char path[static PATH_LEN])
{
	char name[64];
	int err;

	snprintf(name, sizeof name, "seen-%llu.note", (unsigned long long)kept->at.size);
	err = head_evidence(s, name, buffer_bytes(&kept->note), path);
	snprintf(name, sizeof name, "shown-%llu.note", (unsigned long long)shown->at.size);
	return err || shown->note.len == 0 ? err : head_evidence(s, name, shown->note, path);
}

static int tell_fork(const struct session *s, const struct head *kept,
    const struct head_shown *shown, struct trouble *t)
{
	struct buffer file = BUFFER_INIT;
	char path[PATH_LEN], name[80];
	int err = head_evidence_notes(s, kept, shown, path);

	snprintf(name, sizeof name, "fork-%llu-%llu", (unsigned long long)kept->at.size,
	    (unsigned long long)shown->at.size);
	if (!err)
		err = fork_file_write(&file, buffer_bytes(&shown->proof));
	if (!err)
		err = head_evidence(s, name, buffer_bytes(&file), path);
	buffer_free(&file);
	trouble_set(t, ERR_FORK,
	    "the node shows another history of its log than it did before: at %llu entries, and "
	    "both are signed. Nothing was asked of it, or sent to it",
	    (unsigned long long)kept->at.size);
	if (err)
		trouble_hint(t, "The proof of it could not be written (%s).", error_text(err));
	else
		trouble_hint(t,
		    "This is proven by %.120s: send it to other organisations of the forum; "
		    "`convenectl verify-fork` checks it.",
		    path);
	return ERR_FORK;
}

static int tell_smaller(const struct session *s, const struct head *kept,
    const struct head_shown *shown, struct trouble *t)
{
	char path[PATH_LEN] = "";

	head_evidence_notes(s, kept, shown, path);
	trouble_set(t, ERR_FORK,
	    "the node shows %llu entries of its log, and it has shown %llu before: it has gone "
	    "back. "
	    "Nothing was asked of it, or sent to it",
	    (unsigned long long)shown->at.size, (unsigned long long)kept->at.size);
	trouble_hint(t,
	    "If it is being restored from a backup, it comes forward again within minutes. Else "
	    "ask "
	    "the organisation; both heads are in %.100s/" EVIDENCE ".",
	    s->home.path);
	return ERR_FORK;
}

/* ---- asking ---- */

/* The answer to a request that was sent, or NULL where the node has no such entry. */
static int entry_take(struct session *s, uint32_t stream, ProtobufCMessage **out, struct trouble *t)
{
	int err = client_next(s->client, stream, FRAME_DATA, HEAD_ASK_MS, out, t);

	return err && t->code == CONVENE__CODE__NOT_FOUND ? OK : err;
}

/* Both requests go at once: a connection costs one round trip for it. */
static int entries_ask(struct session *s, uint64_t size, ProtobufCMessage **next,
    ProtobufCMessage **last, struct trouble *t)
{
	Convene__EntriesGet get = CONVENE__ENTRIES_GET__INIT;
	uint32_t first_stream, second_stream;
	int err;

	*next = *last = NULL;
	get.log = pb_of(bytes_of(client_node(s->client)->binding.digest, DIGEST_LEN));
	get.first = size;
	get.count = 1;
	err = client_send(s->client, FRAME_ENTRIES_GET, &get.base, &first_stream, t);
	if (!err && size > 0) {
		get.first = size - 1;
		err = client_send_also(s->client, FRAME_ENTRIES_GET, &get.base, &second_stream, t);
	}
	if (!err)
		err = entry_take(s, first_stream, next, t);
	if (!err && size > 0)
		err = entry_take(s, second_stream, last, t);
	return err;
}

/* What was seen of the log before this one stays as a file. */
static int before_keep(struct session *s, const struct head *before, struct trouble *t)
{
	const struct credential *node = client_node(s->client);
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	uint64_t number = 0;
	char name[64];
	int err;

	log_name_parse(bytes_str(before->at.origin), &organisation, digest, &number);
	snprintf(name, sizeof name, HEAD ".%llu", (unsigned long long)number);
	err = file_write(s->home.path, name, buffer_bytes(&before->note), t);
	if (!err)
		remark(s->in->program->name,
		    "%s has begun another log, number %llu, where there was number %llu; the "
		    "newest head that was seen of that is kept in %.200s/%s",
		    node->organisation, (unsigned long long)node->number,
		    (unsigned long long)number, s->home.path, name);
	return err;
}

/* The first one of a log: whatever proves itself. `before`: of the log before it, or NULL. */
static int head_begin(struct session *s, const struct head *before, struct trouble *t)
{
	const struct verifier *log = &client_node(s->client)->log;
	struct tree_hash leaf, proof[TREE_PROOF_MAX];
	struct head_shown shown = {.proof = BUFFER_INIT};
	struct bytes entry = bytes_of(NULL, 0);
	ProtobufCMessage *next, *last;
	size_t count, pos = 0;
	int err = entries_ask(s, 0, &next, &last, t);

	if (!err && next) {
		const Convene__Data *d = (const Convene__Data *)next;

		err = head_data_check(d, 0, log, &shown, &leaf, proof, &count);
		if (err)
			trouble_set(
			    t, err, "the node shows no valid head of its log: %s", error_text(err));
		else if (before && leaves_next(bytes_of_pb(d->leaves), &pos, &entry) == OK)
			err = head_before(s, before, entry, t);
		if (!err && before)
			err = before_keep(s, before, t);
		if (!err)
			err = head_keep(s, shown.note, shown.at.size, t);
	}
	message_free(next);
	message_free(last);
	return err;
}

/* The head of a log that has no entry where we look, for the evidence. */
static void smaller_find(struct session *s, struct frames *logs, struct head_shown *out)
{
	const struct credential *node = client_node(s->client);
	struct trouble t;

	if (client_logs(s->client, logs, &t) != OK)
		return;
	for (size_t i = 0; i < logs->count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)logs->list[i];

		for (size_t j = 0; j < m->n_logs; j++) {
			struct bytes note = bytes_of_pb(m->logs[j]->checkpoint);

			if (checkpoint_open(note, &node->log, &out->at) == OK)
				out->note = note;
		}
	}
}

static int head_compare(struct session *s, const struct head *kept, struct trouble *t)
{
	const struct verifier *log = &client_node(s->client)->log;
	struct frames logs = {NULL, 0};
	struct head_shown shown = {.proof = BUFFER_INIT};
	ProtobufCMessage *next, *last;
	int err = entries_ask(s, kept->at.size, &next, &last, t), found;

	if (err)
		return err;
	found = head_judge(
	    kept, log, (const Convene__Data *)next, (const Convene__Data *)last, &shown);
	switch (found) {
	case OK:
		if (shown.at.size > kept->at.size)
			err = head_keep(s, shown.note, shown.at.size, t);
		break;
	case ERR_FORK:
		err = tell_fork(s, kept, &shown, t);
		break;
	case ERR_RANGE:
		smaller_find(s, &logs, &shown);
		/* Or it has come forward in this moment. */
		err = shown.at.size >= kept->at.size ? ERR_BUSY : tell_smaller(s, kept, &shown, t);
		break;
	case ERR_BUSY:
		err = ERR_BUSY;
		break;
	default:
		err = trouble_set(
		    t, found, "the node shows no valid head of its log: %s", error_text(found));
	}
	buffer_free(&shown.proof);
	message_free(next);
	message_free(last);
	frames_free(&logs);
	return err;
}

/* A successor has a larger number (SPEC.md 4.4). */
static int log_changed(struct session *s, const struct head *kept, struct trouble *t)
{
	const struct credential *node = client_node(s->client);
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN];
	uint64_t number = 0;

	log_name_parse(bytes_str(kept->at.origin), &organisation, digest, &number);
	if (node->number > number)
		return head_begin(s, kept, t);
	trouble_set(t, ERR_FORK,
	    "the node speaks for log number %llu of %s, %.180s, which is not the one that it had",
	    (unsigned long long)node->number, node->organisation, node->binding.log_name);
	trouble_hint(
	    t, "One root key must not begin two such logs. Ask the organisation, and others.");
	return ERR_FORK;
}

int head_follow(struct session *s, struct trouble *t)
{
	const struct credential *node = s->client ? client_node(s->client) : NULL;
	struct checkpoint seen;
	struct head kept;
	int err;

	if (!node)
		return OK; /* the control socket: nothing is carried for the operator */
	err = head_read(&kept, s->home.path, t);
	if (err)
		return err;
	if (kept.at.size == 0)
		err = head_begin(s, NULL, t);
	else if (strcmp(kept.at.origin, node->binding.log_name) != 0)
		err = log_changed(s, &kept, t);
	else if (checkpoint_open(buffer_bytes(&kept.note), &node->log, &seen) != OK)
		err = trouble_set(t, ERR_SIGNATURE,
		    "%.300s/" HEAD " holds a head that your log's key has not signed",
		    s->home.path);
	else
		for (int i = 0; i < TRIES && (i == 0 || err == ERR_BUSY); i++)
			err = head_compare(s, &kept, t);
	head_clear(&kept);
	/* A log that grows faster than we look does go on. */
	return err == ERR_BUSY ? OK : err;
}
