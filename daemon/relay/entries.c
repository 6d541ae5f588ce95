/* SPDX-License-Identifier: BSD-2-Clause */
/* The logs themselves, for whoever checks for himself: LOGS_GET, ENTRIES_GET, PROOF_GET,
 * CONTENT_GET. */
#include <string.h>

#include "base/error.h"
#include "daemon/relay/answer.h"
#include "daemon/relay/moderate.h"

#define ENTRIES_MAX 1024
#define RECEIPT_SENT 98304 /* bytes: a PROOF has a limit */

static int info_folded(void *ctx, const struct store_log *row)
{
	Convene__LogInfo *m = ctx;

	m->folded = row->folded;
	return OK;
}

void logs_get(struct session *s, uint32_t stream)
{
	struct relay *r = s->relay;
	uint8_t frontier[HASH_LEN];

	struct answer a = {.session = s};
	ProtobufCBinaryData *without;
	size_t without_count = carry_without(&a, &without);

	sync_frontier(r->sync, frontier);
	for (struct relay_log *l = r->logs; l || r->logs == NULL; l = l->next) {
		Convene__Logs m = CONVENE__LOGS__INIT;
		Convene__LogInfo info, *list = &info;

		m.frontier = pb_of(bytes_of(frontier, HASH_LEN));
		m.last = !l || !l->next;
		if (m.last) {
			m.without = without;
			m.n_without = without_count;
		}
		if (l) {
			convene__log_info__init(&info);
			r->reader->ops->log_get(r->reader, l->no, info_folded, &info);
			r->reader->ops->wanted_count(r->reader, l->no, &info.contents_missing);
			info.name = pb_of(bytes_str(l->credential.binding.log_name));
			info.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
			info.size = replica_held(l->replica);
			/* The store may be ahead of us by what it has just taken. */
			if (info.folded > info.size)
				info.folded = info.size;
			info.root = pb_of(bytes_of(replica_held_root(l->replica), HASH_LEN));
			info.credential = pb_of(buffer_bytes(&l->credential.message));
			info.checkpoint = pb_of(replica_shown(l->replica));
			info.uncarried = !l->carried;
			info.anchored = sync_anchored(r->sync, l->no);
			info.state = replica_ended(l->replica) ? LOG_BROKEN : l->state;
			m.logs = &list;
			m.n_logs = 1;
		}
		channel_send(s->channel, FRAME_LOGS, stream, &m.base);
		if (!l)
			break;
	}
	answer_end(&a);
}

void entries_get(struct session *s, uint32_t stream, const Convene__EntriesGet *m)
{
	struct relay *r = s->relay;
	struct relay_log *l = log_by_digest(r, m->log.data, m->log.len);
	struct tree_hash proof[TREE_PROOF_MAX];
	struct buffer leaves = BUFFER_INIT;
	Convene__Data d = CONVENE__DATA__INIT;
	size_t got = 0, hashes = 0,
	       count = m->count == 0 || m->count > ENTRIES_MAX ? ENTRIES_MAX : m->count;
	uint64_t held = l ? replica_held(l->replica) : 0;
	int err;

	if (!l) {
		client_error(s, stream, CONVENE__CODE__NOT_FOUND, "this node holds no such log");
		return;
	}
	if (m->first >= held) {
		client_error(
		    s, stream, CONVENE__CODE__NOT_FOUND, "the log has no entry at that index here");
		return;
	}
	if (count > held - m->first)
		count = (size_t)(held - m->first);
	err = r->reader->ops->read(r->reader, l->no, m->first, count, ANSWER_BYTES, &leaves, &got);
	if (!err)
		err = replica_prove_shown(l->replica, m->first, m->first + got, proof, &hashes);
	if (err) {
		client_error(s, stream, CONVENE__CODE__INTERNAL, error_text(err));
	} else {
		d.log = m->log;
		d.first = m->first;
		d.leaves = pb_of(buffer_bytes(&leaves));
		d.checkpoint = pb_of(replica_shown(l->replica));
		d.proof = pb_of(bytes_of(proof, hashes * HASH_LEN));
		channel_send(s->channel, FRAME_DATA, stream, &d.base);
	}
	buffer_free(&leaves);
}

/* Where a message stands, by an id or its beginning. */
static int locate(struct relay *r, struct bytes prefix, uint8_t id[static ID_LEN],
    struct relay_log **l, uint64_t *index)
{
	uint32_t no;
	int err = OK;

	if (prefix.len == ID_LEN)
		memcpy(id, prefix.data, ID_LEN);
	else
		err = query_resolve(r->reader, prefix, id);
	if (!err)
		err = query_message(r->reader, id, &no, index);
	if (!err)
		*l = log_by_no(r, no);
	return err ? err : *l ? OK : ERR_NOTFOUND;
}

void proof_get(struct session *s, uint32_t stream, const Convene__ProofGet *m)
{
	struct relay *r = s->relay;
	struct buffer entry = BUFFER_INIT, text = BUFFER_INIT, receipt = BUFFER_INIT;
	struct tree_hash hashes[64];
	Convene__Proof answer = CONVENE__PROOF__INIT;
	struct relay_log *l = NULL;
	uint8_t id[ID_LEN];
	struct bytes leaf;
	uint64_t index;
	size_t count;
	int err = locate(r, bytes_of_pb(m->id), id, &l, &index);

	if (!err)
		err = log_entry(r, l->no, index, &entry, &leaf);
	if (!err)
		err = replica_prove_inclusion_shown(l->replica, index, hashes, &count);
	if (!err)
		err = tlog_proof_write(&text, index, hashes, count, replica_shown(l->replica));
	if (err == ERR_RANGE && l->end != UINT64_MAX && replica_held(l->replica) >= l->end) {
		client_error(s, stream, CONVENE__CODE__NOT_FOUND,
		    "this log has ended, and no signed head over what stands of it is held here: "
		    "the successor's first entry names the root that stands");
	} else if (err == ERR_RANGE) {
		client_error(s, stream, CONVENE__CODE__BUSY,
		    "this log is still being fetched; ask again later");
	} else if (err) {
		answer_error(s, stream, err, "message");
	} else {
		answer.log = pb_of(bytes_str(l->credential.binding.log_name));
		answer.message = pb_of(leaf);
		answer.proof = pb_of(buffer_bytes(&text));
		answer.status = CONVENE__STATUS__SEALED;
		if (index < sync_anchored(r->sync, l->no)) {
			answer.status = CONVENE__STATUS__ANCHORED;
			err = receipt_make(r, l, index, leaf, &receipt);
		}
		/* Without its receipt the proof is good all the same. */
		if (err || receipt.failed || receipt.len > RECEIPT_SENT)
			buffer_reset(&receipt);
		answer.receipt = pb_of(buffer_bytes(&receipt));
		channel_send(s->channel, FRAME_PROOF, stream, &answer.base);
	}
	buffer_free(&entry);
	buffer_free(&text);
	buffer_free(&receipt);
}

/* Whether clients are not to have this content; the operator's own programs are. */
static bool is_hidden(const struct session *s, const struct relay_log *l, uint64_t index,
    const uint8_t id[static ID_LEN])
{
	struct relay *r = s->relay;
	struct buffer entry = BUFFER_INIT;
	struct signer signer;
	struct author author;
	bool hidden = false;
	struct bytes leaf;
	struct header h;

	if (!s->local && log_entry(r, l->no, index, &entry, &leaf) == OK &&
	    message_parse(leaf, &h) == OK)
		hidden = moderate_message(r, id, &h) ||
			 (query_signer(r->reader, l->no, h.signer, &signer, &author) == OK &&
			     moderate_author(r, &author));
	buffer_free(&entry);
	return hidden;
}

void content_get(struct session *s, uint32_t stream, const Convene__ContentGet *m)
{
	struct relay *r = s->relay;
	struct buffer content = BUFFER_INIT;
	struct relay_log *l = NULL;
	Convene__ContentChunk c;
	uint8_t id[ID_LEN], salt[SALT_LEN];
	bool hidden;
	uint64_t index;
	int err = locate(r, bytes_of_pb(m->id), id, &l, &index);

	if (err) {
		answer_error(s, stream, err, "message");
		return;
	}
	err = r->reader->ops->content_get(r->reader, l->no, index, id, salt, &content);
	hidden = !err && is_hidden(s, l, index, id);
	if (hidden)
		err = ERR_NOTFOUND;
	if (err || content.failed) {
		Convene__ContentNone none = CONVENE__CONTENT_NONE__INIT;

		none.log = pb_of(bytes_of(l->credential.binding.digest, DIGEST_LEN));
		none.index = index;
		none.reason = err == ERR_REFUSED ? CONVENE__ABSENCE__ERASED
			      : hidden           ? CONVENE__ABSENCE__HIDDEN
						 : CONVENE__ABSENCE__MISSING;
		channel_send(s->channel, FRAME_CONTENT_NONE, stream, &none.base);
	}
	for (size_t at = 0;
	     !err && !content.failed &&
	     chunk_make(&c, l->credential.binding.digest, index, salt, buffer_bytes(&content), at);
	     at += CHUNK_LEN)
		channel_send(s->channel, FRAME_CONTENT, stream, &c.base);
	buffer_free(&content);
}
