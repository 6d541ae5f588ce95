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
#include "client/files.h"
#include "client/session.h"
#include "log/checkpoint.h"

#define CHECKS_MAX 16

enum result { CHECK_GOOD, CHECK_BAD, CHECK_NOT };

struct check {
	const char *name; /* stable, for programs */
	enum result result;
	char text[300];
};

struct verifying {
	struct session s;
	Convene__Proof *proof;
	struct frames logs;
	struct charter *charter;
	struct credential origin;
	bool has_origin;
	struct binding binding;
	struct header header;
	struct checkpoint head;
	uint8_t id[ID_LEN];
	uint64_t index;
	struct bytes note;
	size_t cosigned; /* by other organisations */
	bool anchored;
	struct check checks[CHECKS_MAX];
	size_t count;
};

static void check(struct verifying *v, const char *name, enum result result, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void check(struct verifying *v, const char *name, enum result result, const char *fmt, ...)
{
	struct check *c = &v->checks[v->count];
	va_list ap;

	if (v->count == CHECKS_MAX)
		return;
	v->count++;
	c->name = name;
	c->result = result;
	va_start(ap, fmt);
	vsnprintf(c->text, sizeof c->text, fmt, ap);
	va_end(ap);
}

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

static bool policy_names(const struct charter *c, const char *organisation)
{
	if (!c->anchor_names)
		return true;
	for (size_t i = 0; i < c->anchor_name_count; i++)
		if (strcmp(c->anchor_names[i], organisation) == 0)
			return true;
	return false;
}

/* The founder whose cosigner, as this log's credential names it, has signed the note; SIZE_MAX:
 * none. The origin's own never counts. */
static size_t cosigner(
    const struct verifying *v, const struct note *note, const Convene__LogInfo *l)
{
	struct credential c;
	size_t who = SIZE_MAX;

	if (credential_open(
		&c, v->s.home.node.forum, bytes_of_pb(l->name), bytes_of_pb(l->credential)) == OK &&
	    strcmp(c.organisation, v->origin.organisation) != 0 &&
	    note_verify(note, &c.node.cosigner, NULL) == OK)
		who = founder(v, &c);
	credential_clear(&c);
	return who;
}

static void check_cosignatures(struct verifying *v)
{
	struct buffer who = BUFFER_INIT;
	size_t counted = 0;
	struct note note;
	bool *seen;

	if (v->head.size == 0 || !v->charter || note_parse(&note, v->note) != OK)
		return;
	/* An organisation counts once, however many logs the node says it has. */
	seen = calloc(v->charter->member_count + 1, sizeof *seen);
	for (size_t i = 0; seen && i < v->logs.count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)v->logs.list[i];

		for (size_t j = 0; j < m->n_logs; j++) {
			size_t f = cosigner(v, &note, m->logs[j]);

			if (f == SIZE_MAX || seen[f])
				continue;
			seen[f] = true;
			buffer_printf(
			    &who, "%s%s", who.len ? ", " : "", v->charter->members[f].name);
			v->cosigned++;
			counted += policy_names(v->charter, v->charter->members[f].name);
		}
	}
	free(seen);
	v->anchored = v->charter->anchor > 0 && counted >= v->charter->anchor;
	if (v->cosigned > 0)
		check(v, "cosignatures", CHECK_GOOD,
		    "%zu other founder%s cosigned that head: %.200s", v->cosigned,
		    v->cosigned == 1 ? "" : "s", buffer_str(&who));
	else
		check(v, "cosignatures", CHECK_NOT,
		    "that others hold it too: this head bears no cosignature that is known here to "
		    "be another founder's");
	if (v->charter->anchor > 0 && v->cosigned > 0)
		check(v, "anchored", v->anchored ? CHECK_GOOD : CHECK_NOT,
		    v->anchored ? "that is what the charter asks for: the message is anchored"
				: "that it is anchored: the charter asks for %u",
		    v->charter->anchor);
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

/* SPEC.md 9.5. Enough cosignatures, or it would not be one. */
static int receipt_write(const struct verifying *v, const char *path, struct trouble *t)
{
	struct buffer out = BUFFER_INIT;
	char forum[2 * HASH_LEN + 1], *entry = malloc(BASE64_LEN(v->proof->message.len) + 1);
	FILE *f;
	int err = OK;

	if (!v->anchored) {
		free(entry);
		trouble_set(t, ERR_PROOF,
		    "there is no receipt yet: too few organisations have cosigned, by what the "
		    "charter asks for");
		trouble_hint(t, "Nodes of version 0.1 do not cosign yet; the proof itself holds: "
				"`convene verify` without --receipt.");
		return ERR_PROOF;
	}
	if (!entry)
		return no_memory(t);
	hex_encode(forum, v->binding.forum, HASH_LEN);
	base64_encode(entry, v->proof->message.data, v->proof->message.len);
	buffer_printf(
	    &out, "convene receipt v1\n%s\n%s\n\nproof %zu\n", forum, entry, v->proof->proof.len);
	buffer_add(&out, v->proof->proof.data, v->proof->proof.len);
	f = fopen(path, "wxe");
	if (!f || fwrite(out.data, 1, out.len, f) != out.len)
		err = trouble_errno(t, "the receipt %.300s can't be written", path);
	if (f && fclose(f) != 0 && !err)
		err = trouble_errno(t, "the receipt %.300s can't be written", path);
	buffer_free(&out);
	free(entry);
	return err;
}

/* ---- telling ---- */

static const char *const result_names[] = {
    [CHECK_GOOD] = "good", [CHECK_BAD] = "bad", [CHECK_NOT] = "unchecked"};

static void programs_print(const struct verifying *v, bool good)
{
	json_t *o = json_object(), *list = json_array();
	const char *kind = kind_name(v->header.kind);

	for (size_t i = 0; i < v->count; i++) {
		json_t *c = json_object();

		json_put(c, "name", json_string(v->checks[i].name));
		json_put(c, "result", json_string(result_names[v->checks[i].result]));
		json_put(c, "text", json_bytes(bytes_str(v->checks[i].text)));
		json_array_append_new(list, c);
	}
	json_put(o, "id", json_hex(v->id, ID_LEN));
	json_put(o, "log", json_string(v->binding.log_name));
	json_put(o, "index", json_integer((json_int_t)v->index));
	json_put(o, "size", json_integer((json_int_t)v->head.size));
	json_put(o, "kind", kind ? json_string(kind) : json_integer(v->header.kind));
	json_put(o, "signer", json_hex(v->header.signer, KEY_LEN));
	json_put(o, "cosigned", json_integer((json_int_t)v->cosigned));
	json_put(o, "result", json_string(good ? "good" : "bad"));
	json_put(o, "checks", list);
	json_print(o);
}

static void list_print(
    const struct verifying *v, enum result result, const char *title, const char *mark)
{
	struct buffer text = BUFFER_INIT;
	bool first = true;

	for (size_t i = 0; i < v->count; i++) {
		if (v->checks[i].result != result)
			continue;
		if (first)
			printf("\n%s\n", title);
		first = false;
		buffer_reset(&text);
		text_isolate(&text, bytes_str(v->checks[i].text));
		printf("  %s ", mark);
		print_sentence(4, "%s", buffer_str(&text));
	}
	buffer_free(&text);
}

static void people_print(const struct verifying *v, bool good)
{
	const char *kind = kind_name(v->header.kind);
	char hex[2 * ID_LEN + 1];

	hex_encode(hex, v->id, ID_LEN);
	printf("%s\n%s in %s\n", hex, kind ? kind : "a message", v->binding.log_name);
	list_print(v, CHECK_BAD, "WRONG:", "✗");
	list_print(v, CHECK_GOOD, "Checked here, and right:", "✓");
	list_print(v, CHECK_NOT, "Not checked:", "·");
	printf("\n%s\n", good ? "Nothing is wrong with it." : "Do not rely on this message.");
}

int cmd_verify(const struct invocation *in)
{
	struct verifying v = {.count = 0};
	const char *receipt = option_value(in, "receipt");
	bool good = true;
	struct trouble t;
	int code, err = session_open(&v.s, in, true, &t);

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
		check(&v, "fork", CHECK_NOT,
		    "that nobody is shown another history of this log: for that, ask another node "
		    "as well");
		for (size_t i = 0; i < v.count; i++)
			good &= v.checks[i].result != CHECK_BAD;
		(in->json ? programs_print : people_print)(&v, good);
		code = good ? EXIT_DONE : EXIT_UNVERIFIED;
		if (receipt && good && receipt_write(&v, receipt, &t) != OK)
			code = session_complain(in, &t);
	}
	message_free(v.proof ? &v.proof->base : NULL);
	frames_free(&v.logs);
	charter_free(v.charter);
	credential_clear(&v.origin);
	session_close(&v.s);
	return code;
}
