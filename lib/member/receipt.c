/* SPDX-License-Identifier: BSD-2-Clause */
#include "member/receipt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "log/checkpoint.h"
#include "member/anchor.h"
#include "member/credential.h"
#include "member/members.h"
#include "msg/body.h"

static const char first_line[] = "convene receipt v1";
static const char paper_word[] = "paper ", proof_word[] = "proof ";

#define PAPERS_MAX 4096
#define PROOFS_MAX 1000 /* as many organisations as a charter may ask for */

/* ---- writing ---- */

static void base64_add(struct buffer *out, struct bytes b)
{
	char *text = malloc(BASE64_LEN(b.len) + 1);

	if (!text) {
		out->failed = true;
		return;
	}
	base64_encode(text, b.data, b.len);
	buffer_add_str(out, text);
	free(text);
}

int receipt_write(struct buffer *out, const uint8_t forum[static HASH_LEN], struct bytes entry,
    const struct receipt_paper *papers, size_t paper_count, const struct bytes *proofs,
    size_t proof_count)
{
	char hex[2 * HASH_LEN + 1];

	hex_encode(hex, forum, HASH_LEN);
	buffer_printf(out, "%s\n%s\n", first_line, hex);
	base64_add(out, entry);
	buffer_add_str(out, "\n");
	for (size_t i = 0; i < paper_count; i++) {
		buffer_add_str(out, paper_word);
		buffer_add(out, papers[i].log_name.data, papers[i].log_name.len);
		buffer_add_str(out, " ");
		base64_add(out, papers[i].message);
		buffer_add_str(out, "\n");
	}
	buffer_add_str(out, "\n");
	for (size_t i = 0; i < proof_count; i++) {
		buffer_printf(out, "%s%zu\n", proof_word, proofs[i].len);
		buffer_add(out, proofs[i].data, proofs[i].len);
	}
	return out->failed ? ERR_NOMEM : OK;
}

/* ---- reading ---- */

/* A paper that was checked: a NODE, or an ADMIT whose log's NODE is `by`. */
struct paper {
	struct bytes log_name;
	struct buffer message;
	struct header header;
	struct credential node; /* of a NODE */
	bool is_node;
	const struct credential *by;
	struct admit_body admit;
};

struct checking {
	const struct charter *charter;
	struct paper *papers;
	size_t paper_count;
	struct members *members;
	struct anchor *anchor;
	struct receipt *receipt;
	const struct credential *origin;
	bool *seats; /* filled, by seat */
	size_t filled;
	char *why;
};

static bool line_take(struct bytes *in, struct bytes *line)
{
	const uint8_t *end = in->len ? memchr(in->data, '\n', in->len) : NULL;

	if (!end)
		return false;
	*line = bytes_of(in->data, (size_t)(end - in->data));
	*in = bytes_of(end + 1, in->len - line->len - 1);
	return true;
}

/* What stands behind a word, if it does. */
static bool word_take(struct bytes *line, const char *word)
{
	size_t len = strlen(word);

	if (line->len < len || memcmp(line->data, word, len) != 0)
		return false;
	*line = bytes_of(line->data + len, line->len - len);
	return true;
}

static int base64_take(struct buffer *out, struct bytes text, size_t max)
{
	size_t len = text.len;
	uint8_t *room;
	int err;

	if (text.len == 0 || text.len > BASE64_LEN(max))
		return ERR_MALFORMED;
	room = buffer_reserve(out, text.len);
	if (!room)
		return ERR_NOMEM;
	err = base64_decode(room, &len, (const char *)text.data, text.len);
	out->len += err ? 0 : len;
	return err;
}

static int paper_parse(struct checking *c, struct bytes line)
{
	const uint8_t *space = memchr(line.data, ' ', line.len);
	struct paper *p = &c->papers[c->paper_count];
	int err;

	if (c->paper_count == PAPERS_MAX || !space)
		return ERR_MALFORMED;
	c->paper_count++;
	p->log_name = bytes_of(line.data, (size_t)(space - line.data));
	err = base64_take(
	    &p->message, bytes_of(space + 1, line.len - p->log_name.len - 1), MESSAGE_MAX);
	if (!err)
		err = message_parse(buffer_bytes(&p->message), &p->header);
	if (err)
		return err;
	if (p->header.kind == KIND_NODE) {
		p->is_node = true;
		return credential_open_newer(
		    &p->node, c->charter->forum, p->log_name, buffer_bytes(&p->message));
	}
	return p->header.kind == KIND_ADMIT ? admit_body_parse(p->header.body, &p->admit)
					    : ERR_UNKNOWN_KIND;
}

/* The first lines; `in` then begins with the proofs. */
static int head_parse(struct checking *c, struct bytes *in)
{
	uint8_t forum[HASH_LEN];
	struct bytes line;
	int err;

	if (!line_take(in, &line) || !bytes_equal(line, bytes_str(first_line)) ||
	    !line_take(in, &line))
		return ERR_MALFORMED;
	err = hex_decode(forum, HASH_LEN, (const char *)line.data, line.len);
	if (!err && memcmp(forum, c->charter->forum, HASH_LEN) != 0)
		err = ERR_OTHER_FORUM;
	if (!err && !line_take(in, &line))
		err = ERR_MALFORMED;
	if (!err)
		err = base64_take(&c->receipt->entry, line, MESSAGE_MAX);
	if (err)
		return err;
	for (;;) {
		if (!line_take(in, &line))
			return ERR_MALFORMED;
		if (line.len == 0)
			return OK;
		err = word_take(&line, paper_word) ? paper_parse(c, line) : ERR_MALFORMED;
		if (err)
			return err;
	}
}

/* ---- members and cosigners ---- */

/* An ADMIT is by the root key of its log, which a NODE of that log shows. */
static int admit_check(struct checking *c, struct paper *p)
{
	for (size_t i = 0; i < c->paper_count && !p->by; i++) {
		if (c->papers[i].is_node && bytes_equal(c->papers[i].log_name, p->log_name))
			p->by = &c->papers[i].node;
	}
	if (!p->by)
		return ERR_NOTFOUND;
	if (memcmp(p->header.signer, p->by->root_key, KEY_LEN) != 0)
		return ERR_WRONG_ROOT;
	/* Or one organisation would count as two, under two names. */
	if (memcmp(p->admit.root_key, p->by->root_key, KEY_LEN) == 0)
		return ERR_KEY;
	return message_verify(buffer_bytes(&p->message), &p->by->binding, p->by->root_key);
}

static int members_make(struct checking *c)
{
	c->members = members_new(c->charter);
	if (!c->members)
		return ERR_NOMEM;
	for (size_t i = 0; i < c->paper_count; i++) {
		struct paper *p = &c->papers[i];
		int err = p->is_node ? OK : admit_check(c, p);

		if (!err && !p->is_node)
			err = members_admit(c->members, bytes_str(p->by->organisation),
			    p->by->root_key, p->admit.name, p->admit.root_key);
		if (err < 0)
			return err;
	}
	return OK;
}

static int cosigners_make(struct checking *c)
{
	c->anchor = anchor_new(c->charter);
	c->seats = calloc(c->paper_count + c->charter->anchor_name_count + 1, sizeof *c->seats);
	if (!c->anchor || !c->seats)
		return ERR_NOMEM;
	for (size_t i = 0; i < c->paper_count; i++) {
		const struct credential *n = &c->papers[i].node;

		if (c->papers[i].is_node &&
		    members_has(c->members, bytes_str(n->organisation), n->root_key) &&
		    anchor_learn(c->anchor, n->organisation, n->root_key, &n->node.cosigner,
			n->node.serial) == ERR_NOMEM)
			return ERR_NOMEM;
	}
	return OK;
}

/* ---- proofs ---- */

static bool is_founder(const struct charter *c, const struct credential *n)
{
	for (size_t i = 0; i < c->member_count; i++) {
		if (strcmp(c->members[i].name, n->organisation) == 0 &&
		    memcmp(c->members[i].public, n->root_key, KEY_LEN) == 0)
			return true;
	}
	return false;
}

/* Whose log the first proof is of: all are of that. */
static int origin_find(struct checking *c, struct bytes note)
{
	struct checkpoint head;
	struct note n;
	int err = note_parse(&n, note);

	if (!err)
		err = checkpoint_parse(n.text, &head);
	for (size_t i = 0; i < c->paper_count && !err && !c->origin; i++) {
		if (c->papers[i].is_node &&
		    bytes_equal(c->papers[i].log_name, bytes_str(head.origin)))
			c->origin = &c->papers[i].node;
	}
	if (!err && !c->origin) {
		snprintf(c->why, 200, "the credential of the entry's log is not with it");
		return ERR_NOTFOUND;
	}
	if (!err &&
	    !members_has(c->members, bytes_str(c->origin->organisation), c->origin->root_key)) {
		snprintf(c->why, 200, "that %.100s is a member does not follow from it",
		    c->origin->organisation);
		return ERR_NOT_MEMBER;
	}
	if (!err) {
		c->receipt->binding = c->origin->binding;
		strcpy(c->receipt->organisation, c->origin->organisation);
		c->receipt->founder = is_founder(c->charter, c->origin);
	}
	return err;
}

static void cosigner_add(
    struct checking *c, const struct cosigner *who, uint64_t size, uint64_t seconds)
{
	struct receipt_cosigner *o = &c->receipt->cosigners[c->receipt->count++];

	c->seats[who->seat] = true;
	strcpy(o->organisation, who->organisation);
	memcpy(o->root_key, who->root_key, KEY_LEN);
	o->size = size;
	o->seconds = seconds;
}

/* Whose this line is, of those that count: OK with the organisation; ERR_UNSIGNED: nobody's; or
 * what is wrong with it. Of several keys of one id any may have made it. */
static int line_judge(struct checking *c, const struct note *note, const struct note_signature *sig,
    const struct cosigner **who, uint64_t *seconds)
{
	struct buffer text = BUFFER_INIT;
	struct note alone;
	int err = ERR_UNSIGNED;

	buffer_add(&text, note->text.data, note->text.len);
	buffer_add(&text, "\n", 1);
	buffer_add(&text, sig->line.data, sig->line.len);
	for (size_t i = 0; i < c->paper_count && err; i++) {
		const struct credential *n = &c->papers[i].node;
		const struct verifier *key = &n->node.cosigner;

		if (!c->papers[i].is_node || memcmp(key->id, sig->id, sizeof key->id) != 0 ||
		    !bytes_equal(bytes_str(key->name), sig->name))
			continue;
		*who = anchor_of(c->anchor, n->organisation, n->root_key);
		if (!*who || !anchor_counts(*who, c->origin->organisation, c->origin->root_key))
			continue;
		err = text.failed ? ERR_NOMEM : note_parse(&alone, buffer_bytes(&text));
		if (!err)
			err = note_verify(&alone, key, seconds);
	}
	buffer_free(&text);
	return err;
}

/* Every line by a key that a paper names must verify. */
static int note_count(struct checking *c, const struct note *note, uint64_t size)
{
	int err = OK;

	for (size_t i = 0; i < note->count && !err; i++) {
		const struct cosigner *who;
		struct note_signature sig;
		uint64_t seconds = 0;

		err = note_signature(note, i, &sig);
		if (!err)
			err = line_judge(c, note, &sig, &who, &seconds);
		if (!err && !c->seats[who->seat])
			cosigner_add(c, who, size, seconds);
		if (err == ERR_UNSIGNED)
			err = OK;
		if (err)
			snprintf(c->why, 200, "the cosignature of %.*s does not verify",
			    (int)(sig.name.len < 100 ? sig.name.len : 100),
			    (const char *)sig.name.data);
	}
	return err;
}

static int proof_check(struct checking *c, struct bytes text, bool first)
{
	struct receipt *r = c->receipt;
	struct tree_hash hashes[64], leaf;
	struct checkpoint head;
	struct bytes bytes;
	struct note note;
	uint64_t index;
	size_t count;
	int err = tlog_proof_parse(text, &index, hashes, &count, &bytes);

	if (!err && first)
		err = origin_find(c, bytes);
	if (!err)
		err = checkpoint_open(bytes, &c->origin->log, &head);
	if (err)
		return err;
	leaf_hash(&leaf, buffer_bytes(&r->entry));
	if (first)
		r->index = index;
	err = index == r->index
		  ? inclusion_verify(index, head.size, &leaf, hashes, count, head.root)
		  : ERR_PROOF;
	if (err) {
		snprintf(c->why, 200, "the entry does not stand at %llu under a head of %llu",
		    (unsigned long long)r->index, (unsigned long long)head.size);
		return err;
	}
	err = note_parse(&note, bytes);
	return err ? err : note_count(c, &note, head.size);
}

static int proofs_check(struct checking *c, struct bytes in)
{
	struct bytes line;
	size_t count = 0;
	int err = OK;

	c->receipt->cosigners = calloc(c->paper_count + 1, sizeof *c->receipt->cosigners);
	if (!c->receipt->cosigners)
		return ERR_NOMEM;
	while (in.len > 0 && !err) {
		uint64_t len;

		if (count == PROOFS_MAX || !line_take(&in, &line) ||
		    !word_take(&line, proof_word) ||
		    decimal_parse(&len, (const char *)line.data, line.len, in.len) != OK)
			return ERR_MALFORMED;
		err = proof_check(c, bytes_of(in.data, (size_t)len), count++ == 0);
		in = bytes_of(in.data + len, in.len - (size_t)len);
	}
	if (!err && count == 0)
		err = ERR_MALFORMED;
	return err;
}

static int all_check(struct checking *c, struct bytes text)
{
	struct receipt *r = c->receipt;
	struct bytes entry;
	int err = head_parse(c, &text);

	if (!err)
		err = members_make(c);
	if (!err)
		err = cosigners_make(c);
	if (!err)
		err = proofs_check(c, text);
	if (err)
		return err;
	entry = buffer_bytes(&r->entry);
	message_id(r->id, entry, &r->binding);
	r->signature = message_parse(entry, &r->header);
	if (!r->signature)
		r->signature = message_verify(entry, &r->binding, r->header.signer);
	r->needed = c->charter->anchor;
	if (r->needed > 0 && r->count >= r->needed)
		return OK;
	snprintf(
	    c->why, 200, "%zu have cosigned, and the charter asks for %u", r->count, r->needed);
	return ERR_NOT_COMPLETE;
}

int receipt_verify(
    struct receipt **out, struct bytes text, const struct charter *charter, char why[static 200])
{
	struct checking c = {.charter = charter, .why = why};
	int err = ERR_NOMEM;

	*out = c.receipt = calloc(1, sizeof *c.receipt);
	c.papers = calloc(PAPERS_MAX, sizeof *c.papers);
	why[0] = '\0';
	if (c.receipt && c.papers)
		err = text.len > RECEIPT_MAX ? ERR_TOO_LARGE : all_check(&c, text);
	if (err && !why[0])
		snprintf(why, 200, "%s", error_text(err));
	for (size_t i = 0; i < c.paper_count; i++) {
		buffer_free(&c.papers[i].message);
		credential_clear(&c.papers[i].node);
	}
	free(c.papers);
	free(c.seats);
	members_free(c.members);
	anchor_free(c.anchor);
	return err;
}

void receipt_free(struct receipt *r)
{
	if (!r)
		return;
	buffer_free(&r->entry);
	free(r->cosigners);
	free(r);
}
