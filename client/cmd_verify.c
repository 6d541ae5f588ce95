/* SPDX-License-Identifier: BSD-2-Clause */
/* convene verify: everything about a message that can be checked without trusting the node that
 * shows it, link by link:
 *
 *     text -> commitment -> author's signature -> place in the log -> signed head -> log key ->
 * credential -> root key -> charter
 *
 * and in words what was not checked, so that nobody takes the list for more than it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/cmd.h"
#include "client/verify.h"
#include "log/checkpoint.h"
#include "member/receipt.h"

/* ---- author ---- */

static void check_author(struct verifying *v)
{
	struct bytes message = bytes_of_pb(v->proof->message);
	char signer[9];

	if (message_parse(message, &v->header) != OK)
		check(v, "signature", CHECK_BAD, "this is no well-formed message of version 1");
	else if (message_verify(message, &v->binding, v->header.signer) != OK)
		check(v, "signature", CHECK_BAD,
		    "the author's signature does not verify for this forum and log");
	else
		check(v, "signature", CHECK_GOOD,
		    "the key %s… has signed it, for this forum and this log",
		    id_short(signer, v->header.signer));
}

static void check_content(struct verifying *v)
{
	struct buffer content = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	struct trouble t;

	if (!v->header.has_commitment)
		return;
	if (client_content(v->s.client, v->id, salt, &content, &t) != OK)
		check(v, "content", CHECK_NOT, "the text: %.200s", t.text);
	else if (content_check(&v->header, &v->binding, salt, buffer_bytes(&content)) != OK)
		check(v, "content", CHECK_BAD,
		    "the text and attachments (%zu bytes) are not those that were signed",
		    content.len);
	else
		check(v, "content", CHECK_GOOD,
		    "the text and attachments (%zu bytes) are those that were signed", content.len);
	buffer_free(&content);
}

/* ---- log ---- */

static const Convene__LogInfo *log_find(const struct verifying *v, struct bytes name)
{
	for (size_t i = 0; i < v->logs.count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)v->logs.list[i];

		for (size_t j = 0; j < m->n_logs; j++)
			if (bytes_equal(bytes_of_pb(m->logs[j]->name), name))
				return m->logs[j];
	}
	return NULL;
}

/* Who is a founder needs nobody's word: the forum's id is the hash of the text that says it. The
 * founder's number, or SIZE_MAX. */
static size_t founder(const struct verifying *v, const struct credential *c)
{
	for (size_t i = 0; v->charter && i < v->charter->member_count; i++)
		if (strcmp(v->charter->members[i].name, c->organisation) == 0 &&
		    memcmp(v->charter->members[i].public, c->root_key, KEY_LEN) == 0)
			return i;
	return SIZE_MAX;
}

static void check_credential(struct verifying *v)
{
	const Convene__LogInfo *info = log_find(v, bytes_of_pb(v->proof->log));
	const struct node_address *own = &v->s.home.node;
	int err = info ? credential_open(&v->origin, own->forum, bytes_of_pb(info->name),
			     bytes_of_pb(info->credential))
		       : ERR_NOTFOUND;

	v->has_origin = err == OK;
	if (err) {
		check(v, "credential", CHECK_BAD,
		    "the node shows no valid credential of that log (%s)", error_text(err));
		return;
	}
	check(v, "credential", CHECK_GOOD,
	    "the log's key is named by a credential that a root key of %s has signed",
	    v->origin.organisation);
	if (strcmp(own->organisation, v->origin.organisation) == 0 &&
	    memcmp(own->root_key, v->origin.root_key, KEY_LEN) == 0)
		check(v, "root", CHECK_GOOD,
		    "that root key is the one of your own organisation, as your invite had it");
	else if (founder(v, &v->origin) != SIZE_MAX)
		check(v, "root", CHECK_GOOD,
		    "that root key is %s's in the charter, which every founder has signed",
		    v->origin.organisation);
	else
		check(v, "root", CHECK_NOT,
		    "that %s is a member with this root key: it is not a founder, and who admitted "
		    "it was not looked up",
		    v->origin.organisation);
}

static void check_inclusion(struct verifying *v)
{
	struct tree_hash hashes[64], leaf;
	size_t count;
	int err;

	if (tlog_proof_parse(bytes_of_pb(v->proof->proof), &v->index, hashes, &count, &v->note) !=
	    OK) {
		check(v, "head", CHECK_BAD, "the node's proof is not a tlog-proof");
		return;
	}
	err = v->has_origin ? checkpoint_open(v->note, &v->origin.log, &v->head) : ERR_UNSIGNED;
	if (err) {
		check(v, "head", CHECK_BAD, "the log's head is not signed by the log's key (%s)",
		    error_text(err));
		return;
	}
	check(v, "head", CHECK_GOOD, "the log's key has signed a head over %llu entries",
	    (unsigned long long)v->head.size);
	leaf_hash(&leaf, bytes_of_pb(v->proof->message));
	err = inclusion_verify(v->index, v->head.size, &leaf, hashes, count, v->head.root);
	check(v, "inclusion", err ? CHECK_BAD : CHECK_GOOD,
	    err ? "the message does not stand at %llu in the log under that head"
		: "the message stands at %llu in the log under that head",
	    (unsigned long long)v->index);
}

/* ---- other organisations ---- */

/* Of a log in dispute (SPEC.md 11.9) the proofs of both histories are good. */
static void check_fork(struct verifying *v)
{
	const Convene__LogInfo *info = log_find(v, bytes_of_pb(v->proof->log));

	if (info && info->state == CONVENE__LOG_STATE__DISPUTED)
		check(v, "fork", CHECK_BAD,
		    "this log is DISPUTED: its key has signed two histories, and which of them "
		    "stands is not known until the organisation begins another log");
	else
		check(v, "fork", CHECK_NOT,
		    "that nobody is shown another history of this log: for that, ask another node "
		    "as well");
}

/* The receipt proves it by itself, with the charter. Without one nobody but the node has been
 * heard.
 */
static void check_cosignatures(struct verifying *v)
{
	struct bytes text = bytes_of_pb(v->proof->receipt);
	struct buffer who = BUFFER_INIT;
	struct receipt *r = NULL;
	char why[200];
	int err;

	if (!v->charter)
		return;
	if (text.len == 0) {
		check(v, "cosignatures", CHECK_NOT,
		    v->charter->anchor > 0
			? "that other organisations hold it too: the charter asks that %u cosign, "
			  "and "
			  "the node knows of too few"
			: "that other organisations hold it too: the charter asks nobody (%u) to "
			  "cosign",
		    v->charter->anchor);
		return;
	}
	err = receipt_verify(&r, text, v->charter, why);
	if (!err && memcmp(r->id, v->id, ID_LEN) != 0) {
		err = ERR_PROOF;
		snprintf(why, sizeof why, "it is of another message");
	}
	if (err) {
		check(v, "anchored", CHECK_BAD, "the receipt that the node shows: %.200s", why);
	} else {
		verify_cosigners(&who, r);
		v->cosigned = r->count;
		v->anchored = true;
		check(v, "cosignatures", CHECK_GOOD,
		    "others hold it durably, and have cosigned: %.200s", buffer_str(&who));
		check(v, "anchored", CHECK_GOOD,
		    "that is what the charter asks for (%u): the message is anchored", r->needed);
	}
	receipt_free(r);
	buffer_free(&who);
}

/* ---- asking ---- */

static int gather(struct verifying *v, const char *text, struct trouble *t)
{
	Convene__ProofGet get = CONVENE__PROOF_GET__INIT;
	Convene__CharterGet charter = CONVENE__CHARTER_GET__INIT;
	ProtobufCMessage *m;
	uint8_t id[ID_LEN];
	char hex[65], found[2 * ID_LEN + 1];
	size_t len;
	int err = id_parse(id, &len, hex, text, "message", t);

	if (err)
		return err;
	get.id = pb_of(bytes_of(id, len));
	err = client_call(v->s.client, FRAME_PROOF_GET, &get.base, FRAME_PROOF, &m, t);
	if (err)
		return err;
	v->proof = (Convene__Proof *)m;
	if (binding_make(&v->binding, v->s.home.node.forum, bytes_of_pb(v->proof->log)) != OK)
		return trouble_set(t, ERR_MALFORMED, "the node names a log that can't be");
	message_id(v->id, bytes_of_pb(v->proof->message), &v->binding);
	hex_encode(found, v->id, ID_LEN);
	if (strncmp(found, hex, strlen(hex)) != 0)
		return trouble_set(t, ERR_PROOF,
		    "the node was asked for %s, and shows the message %.16s…", hex, found);
	err = ask_logs(&v->s, &v->logs, t);
	if (!err)
		err = client_call(
		    v->s.client, FRAME_CHARTER_GET, &charter.base, FRAME_CHARTER, &m, t);
	if (err)
		return err;
	err = charter_open(
	    &v->charter, bytes_of_pb(((const Convene__Charter *)m)->note), NULL, NULL);
	message_free(m);
	if (!err && memcmp(v->charter->forum, v->s.home.node.forum, HASH_LEN) != 0)
		err = ERR_OTHER_FORUM;
	if (err) {
		charter_free(v->charter);
		v->charter = NULL;
		check(v, "charter", CHECK_BAD,
		    "the charter that the node shows is not this forum's (%s)", error_text(err));
	}
	return OK;
}

static int receipt_keep(const struct verifying *v, const char *path, struct trouble *t)
{
	FILE *f;
	int err = OK;

	if (!v->anchored && v->charter && v->charter->anchor == 0) {
		trouble_set(t, ERR_PROOF,
		    "by this forum's charter nobody has to cosign, so there are no receipts");
		trouble_hint(t, "The proof itself holds: `convene verify` without --receipt. That "
				"the organisation shows everybody the same log is its word alone.");
		return ERR_PROOF;
	}
	if (!v->anchored) {
		trouble_set(t, ERR_PROOF,
		    "there is no receipt yet: too few organisations have cosigned, by what the "
		    "charter asks for");
		trouble_hint(t, "Try again later; the proof itself holds: `convene verify` without "
				"--receipt.");
		return ERR_PROOF;
	}
	f = fopen(path, "wxe");
	if (!f ||
	    fwrite(v->proof->receipt.data, 1, v->proof->receipt.len, f) != v->proof->receipt.len)
		err = trouble_errno(t, "the receipt %.300s can't be written", path);
	if (f && fclose(f) != 0 && !err)
		err = trouble_errno(t, "the receipt %.300s can't be written", path);
	return err;
}

/* What can't be the beginning of an id is the name of a file. */
static bool is_file(const char *operand)
{
	return strspn(operand, "0123456789abcdefABCDEF") != strlen(operand) || strlen(operand) > 64;
}

int cmd_verify(const struct invocation *in)
{
	struct verifying v = {.count = 0};
	const char *receipt = option_value(in, "receipt");
	struct trouble t;
	int code, err;

	if (is_file(in->operands[0]) && receipt)
		return complain_usage(in->program->name, in->command->name,
		    "%.300s is taken for a receipt's file; --receipt writes one for a message, "
		    "given by "
		    "its id",
		    in->operands[0]);
	if (is_file(in->operands[0]))
		return verify_receipt(in, in->operands[0]);
	err = session_open(&v.s, in, true, &t);

	if (!err)
		err = gather(&v, in->operands[0], &t);
	if (err) {
		if (exit_of(&t) == EXIT_NOT_FOUND && !t.hint[0])
			trouble_hint(&t, "A message just sent may not be in the log yet.");
		code = session_complain(in, &t);
	} else {
		check_author(&v);
		check_content(&v);
		check_credential(&v);
		check_inclusion(&v);
		check_cosignatures(&v);
		check(&v, "enrolment", CHECK_NOT,
		    "that the key was enrolled, and for whom, when it signed: the node says so; "
		    "only the whole log proves it");
		check_fork(&v);
		code = verify_tell(&v, in->json);
		if (receipt && code == EXIT_DONE) {
			if (receipt_keep(&v, receipt, &t) != OK)
				code = session_complain(in, &t);
			else if (!in->json)
				print_sentence(0,
				    "The receipt is in %s: with the forum's charter it proves this "
				    "to anybody.",
				    receipt);
		}
	}
	message_free(v.proof ? &v.proof->base : NULL);
	frames_free(&v.logs);
	charter_free(v.charter);
	credential_clear(&v.origin);
	session_close(&v.s);
	return code;
}
