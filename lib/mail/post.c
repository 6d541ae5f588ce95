/* SPDX-License-Identifier: BSD-2-Clause */
/* Header fields and bodies of a post (RFC 5322, MIME). */
#include "mail/post.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "mail/message_id.h"
#include "mail/write.h"

const char *mail_state_name(enum mail_state state)
{
	static const char *const names[] = {
	    [MAIL_PRESENT] = "present",
	    [MAIL_MISSING] = "missing",
	    [MAIL_ERASED] = "erased",
	    [MAIL_HIDDEN] = "hidden",
	    [MAIL_UNREADABLE] = "unreadable",
	};
	return names[state];
}

/* ---- the author ---- */

struct bytes mail_local_part(
    const struct mail_author *a, const struct header *header, char hex[static 2 * KEY_LEN + 1])
{
	if (a->handle.len > 0)
		return a->handle;
	if (a->device)
		hex_encode(hex, a->identity, IDENTITY_LEN);
	else
		hex_encode(hex, header->signer, KEY_LEN);
	return bytes_str(hex);
}

void mail_mailbox(
    struct buffer *out, const char *field, const struct mail_author *a, const struct header *header)
{
	char hex[2 * KEY_LEN + 1];

	field_mailbox(out, field,
	    a->name.len > 0     ? a->name
	    : a->handle.len > 0 ? a->handle
				: a->organisation,
	    mail_local_part(a, header, hex), a->organisation);
}

/* ---- the header ---- */

static void place_write(struct buffer *out, const char *field, const struct mail_place *at)
{
	char hex[2 * ID_LEN + 1];

	if (!at->present)
		return;
	hex_encode(hex, at->id, ID_LEN);
	buffer_printf(out, "%s: %s\n", field, hex);
}

void mail_people(struct buffer *out, const struct mail_post *p)
{
	if (p->imported) {
		if (p->imported->author.len > 0)
			field_author(out, "From", p->imported->author);
		if (p->imported->date != 0)
			field_date(out, "Date", p->imported->date);
	} else {
		mail_mailbox(out, "From", &p->author, p->header);
		field_date(out, "Date", (int64_t)p->header->time);
	}
}

void mail_ids(struct buffer *out, const struct mail_post *p, bool (*usable)(struct bytes id))
{
	const struct bytes *refs = p->ancestors;
	size_t count = p->ancestor_count;
	struct buffer own = BUFFER_INIT;
	struct bytes id;

	message_id_add(&own, p->at.id, p->author.organisation,
	    p->imported && usable(p->imported->message_id) ? p->imported->message_id
							   : bytes_of(NULL, 0));
	id = buffer_bytes(&own);
	field_ids(out, "Message-ID", &id, 1, message_id_usable);
	/* Mails of another forum, which have names of their own here, answer each other by them. */
	if (p->imported && p->imported->reference_count > 0 &&
	    (count == 0 || !message_id_native(p->imported->message_id))) {
		refs = p->imported->references;
		count = p->imported->reference_count;
	}
	while (count > 0 && !usable(refs[count - 1]))
		count--;
	if (count > 0)
		field_ids(out, "In-Reply-To", &refs[count - 1], 1, usable);
	field_ids(out, "References", refs, count, usable);
	out->failed |= own.failed;
	buffer_free(&own);
}

void mail_facts(struct buffer *out, const struct mail_post *p)
{
	char hex[2 * ID_LEN + 1];

	if (p->header->lang.len > 0)
		buffer_printf(out, "Content-Language: %.*s\n", (int)p->header->lang.len,
		    (const char *)p->header->lang.data);
	place_write(out, "X-Convene-Id", &p->at);
	buffer_printf(out, "X-Convene-Log: %.*s %llu\n", (int)p->at.log.len,
	    (const char *)p->at.log.data, (unsigned long long)p->at.index);
	hex_encode(hex, p->topic, ID_LEN);
	buffer_printf(out, "X-Convene-Topic: %s\n", hex);
	if (p->header->kind == KIND_TOPIC)
		buffer_add_str(out, "X-Convene-Kind: topic\n");
	if (p->imported) {
		mail_mailbox(out, "X-Convene-Imported-By", &p->author, p->header);
		field_text(out, "X-Convene-Source", p->imported->source);
	}
	if (p->state != MAIL_PRESENT)
		buffer_printf(out, "X-Convene-State: %s\n", mail_state_name(p->state));
	place_write(out, "X-Convene-Amended", &p->amendment);
	place_write(out, "X-Convene-Erased", &p->erasure);
}

/* ---- the body ---- */

static void text_write(
    struct buffer *out, struct bytes text, const char *boundary, enum mail_use use)
{
	enum transfer transfer = use == MAIL_MBOX ? transfer_of(text, boundary)
						  : transfer_loose(text, boundary);
	bool bare = transfer == TRANSFER_7BIT || transfer == TRANSFER_8BIT;

	buffer_printf(out,
	    "Content-Type: text/plain; charset=%s\nContent-Transfer-Encoding: %s\n\n", "utf-8",
	    transfer_name(transfer));
	if (use == MAIL_NEWS_HEAD)
		return;
	body_write(out, text, transfer);
	if (use == MAIL_NEWS && bare && text.len > 0 && text.data[text.len - 1] != '\n')
		buffer_add_u8(out, '\n');
}

static bool begins_with(struct bytes text, const char *word)
{
	size_t len = strlen(word);

	return text.len >= len && strncasecmp((const char *)text.data, word, len) == 0;
}

/* An attached mail, or report of one, must not be encoded (RFC 2046 section 5.2), and in what calls
 * itself a multipart a reader would look for parts. What can't stand bare is no more than bytes,
 * with its type beside. */
static void part_write(struct buffer *out, const struct content_part *part, const char *boundary)
{
	enum transfer transfer = part->omitted > 0 ? TRANSFER_7BIT : TRANSFER_BASE64;
	bool message = begins_with(part->media_type, "message/");

	if ((message && !transfer_inner(part->data, boundary, &transfer)) ||
	    begins_with(part->media_type, "multipart/")) {
		buffer_add_str(out, "Content-Type: application/octet-stream\n");
		field_text(out, "X-Convene-Media-Type", part->media_type);
		transfer = TRANSFER_BASE64;
	} else {
		field_media_type(out, part->media_type);
	}
	field_attachment(out, part->name);
	if (part->omitted > 0)
		buffer_printf(out, "X-Convene-Omitted: %llu\n", (unsigned long long)part->omitted);
	buffer_printf(out, "Content-Transfer-Encoding: %s\n\n", transfer_name(transfer));
	if (part->omitted == 0)
		body_write(out, part->data, transfer);
}

void mail_content(struct buffer *out, const struct mail_post *p, enum mail_use use)
{
	const struct content *c = p->content;
	char boundary[2 * ID_LEN + 3] = "=_";

	buffer_add_str(out, "MIME-Version: 1.0\n");
	if (!c) {
		text_write(out, p->notice, NULL, use);
		return;
	}
	if (c->part_count == 0) {
		text_write(out, c->text, NULL, use);
		return;
	}
	/* Nothing that is encoded can hold "=_", and what isn't is searched for the boundary. */
	hex_encode(boundary + 2, p->at.id, ID_LEN);
	buffer_printf(out, "Content-Type: multipart/mixed;\n boundary=\"%s\"\n\n", boundary);
	if (use == MAIL_NEWS_HEAD)
		return;
	buffer_printf(out, "--%s\n", boundary);
	text_write(out, c->text, boundary, use);
	for (size_t i = 0; i < c->part_count; i++) {
		buffer_printf(out, "\n--%s\n", boundary);
		part_write(out, &c->parts[i], boundary);
	}
	buffer_printf(out, "\n--%s--\n", boundary);
}
