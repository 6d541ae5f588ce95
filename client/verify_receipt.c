/* SPDX-License-Identifier: BSD-2-Clause */
/* A receipt (SPEC.md 9.5), offline: the charter says who the members are, and everything else is in
 * the file. */
#include "client/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/cmd.h"
#include "client/files.h"

static int charter_read(struct verifying *v, const char *path, struct trouble *t)
{
	struct buffer note = BUFFER_INIT;
	struct home home = {.lock = -1};
	char kept[PATH_LEN];
	const char *who = NULL;
	int err = OK;

	if (!path) {
		err = home_find(&home, t);
		if (!err)
			err = path_join(kept, home.path, "charter", t);
		path = kept;
	}
	if (!err)
		err = file_read(path, NOTE_MAX, &note, t);
	if (err)
		trouble_hint(t,
		    "A receipt is checked by the forum's charter: give it with --charter "
		    "FILE. `convene topics` keeps that of your own forum.");
	if (!err && (err = charter_open(&v->charter, buffer_bytes(&note), NULL, &who)) != OK)
		trouble_set(t, err, "%.300s is no charter: %s%s%.100s", path, error_text(err),
		    who ? ": " : "", who ? who : "");
	buffer_free(&note);
	return err;
}

/* ERR_MALFORMED, ERR_NOT_CANONICAL: there is nothing to check. */
static int check_receipt(struct verifying *v, struct bytes text)
{
	struct buffer who = BUFFER_INIT;
	char why[200], forum[17], signer[9];
	struct receipt *r;
	int err = receipt_verify(&r, text, v->charter, why);

	hex_encode(forum, v->charter->forum, 8);
	if (err) {
		check(v, "receipt", CHECK_BAD, "%.200s", why);
		receipt_free(r);
		return err;
	}
	v->binding = r->binding;
	v->index = r->index;
	v->cosigned = r->count;
	memcpy(v->id, r->id, ID_LEN);
	verify_cosigners(&who, r);
	check(v, "root", CHECK_GOOD,
	    r->founder
		? "%s is a founder by the charter of the forum %s…, and has signed the key of "
		  "this log"
		: "%s is a member by the charter of the forum %s… and by who admitted it, and "
		  "has signed the key of this log",
	    r->organisation, forum);
	check(v, "inclusion", CHECK_GOOD,
	    "the message stands at %llu in that log, under heads that the log's key has signed",
	    (unsigned long long)r->index);
	check(v, "cosignatures", CHECK_GOOD, "others held it durably, and have cosigned: %.200s",
	    buffer_str(&who));
	check(v, "anchored", CHECK_GOOD,
	    "that is what the charter asks for (%u): the message is anchored", r->needed);
	if (!r->signature) {
		v->header = r->header;
		check(v, "signature", CHECK_GOOD,
		    "the key %s… has signed the message, for this forum and this log",
		    id_short(signer, r->header.signer));
	} else {
		check(v, "signature", CHECK_BAD, "the author's signature: %s",
		    error_text(r->signature));
	}
	check(v, "enrolment", CHECK_NOT, "whose key that is: the log says it");
	check(v, "content", CHECK_NOT, "what it says: a receipt holds no text");
	receipt_free(r);
	buffer_free(&who);
	return OK;
}

int verify_receipt(const struct invocation *in, const char *path)
{
	struct verifying v = {.count = 0};
	struct buffer text = BUFFER_INIT;
	struct trouble t;
	int code, err = file_read(path, RECEIPT_MAX, &text, &t);

	if (!err)
		err = charter_read(&v, option_value(in, "charter"), &t);
	if (!err) {
		err = check_receipt(&v, buffer_bytes(&text));
		if (err == ERR_MALFORMED || err == ERR_NOT_CANONICAL) {
			trouble_set(&t, err, "%.300s is no receipt, or it is damaged (%s)", path,
			    v.checks[v.count - 1].text);
			trouble_hint(&t, "`convene verify POST --receipt FILE` writes one.");
		} else {
			err = OK;
		}
	}
	code = err ? session_complain(in, &t) : verify_tell(&v, in->json);
	charter_free(v.charter);
	buffer_free(&text);
	return code;
}
