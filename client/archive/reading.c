/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/archive/inside.h"
#include "client/output.h"

#define SUBJECT_CHARACTERS 200 /* characters of a text's first line */

struct reading {
	struct reading_terms terms;
	struct mail_reader *mails;
	struct buffer text, subject, content;
	uint8_t (*references)[MAIL_KEY_LEN];
	size_t room;
};

int reading_new(struct reading **out, const struct reading_terms *terms, struct trouble *t)
{
	struct reading *r = calloc(1, sizeof *r);
	/* The archive's name is put in behind the reader's back. */
	uint64_t name = 16 + (terms->name ? strlen(terms->name) : PATH_LEN);
	int err = ERR_NOMEM;

	*out = NULL;
	if (r) {
		r->terms = *terms;
		err = mail_reader_new(
		    &r->mails, terms->charset, terms->limit > name ? terms->limit - name : 1);
	}
	if (err) {
		reading_free(r);
		if (err == ERR_NOMEM)
			return no_memory(t);
		trouble_set(t, err, "%.60s is no charset that is known here", terms->charset);
		trouble_hint(t, "As windows-1252, iso-8859-15, koi8-r, gb18030, shift_jis.");
		return err;
	}
	*out = r;
	return OK;
}

void reading_free(struct reading *r)
{
	if (!r)
		return;
	mail_reader_free(r->mails);
	buffer_free(&r->text);
	buffer_free(&r->subject);
	buffer_free(&r->content);
	free(r->references);
	free(r);
}

/* ---- texts ---- */

static int text_take(struct reading *r, struct bytes raw, bool *guessed, char why[static 128])
{
	size_t i = 0;

	buffer_reset(&r->text);
	*guessed = text_decode(&r->text, raw, NULL, r->terms.charset);
	if (r->text.failed)
		return ERR_NOMEM;
	if (r->text.len >= 3 && memcmp(r->text.data, "\xef\xbb\xbf", 3) == 0)
		buffer_drain(&r->text, 3);
	while (i < r->text.len && strchr(" \t\r\n\f", r->text.data[i]))
		i++;
	if (i < r->text.len) {
		if (!memchr(raw.data, '\0', raw.len) ||
		    !memmem(r->text.data, r->text.len, "\xef\xbf\xbd", 3))
			return OK;
		snprintf(why, 128,
		    "it has NUL bytes: it is no text, or one in UTF-16, which iconv makes UTF-8");
		return ERR_MALFORMED;
	}
	snprintf(why, 128, "it is empty");
	return ERR_MALFORMED;
}

/* The first line that says something, cut between characters. */
static void subject_take(struct reading *r)
{
	const uint8_t *p = r->text.data, *end = p + r->text.len, *stop, *nl;
	size_t characters = 0;

	while (strchr(" \t\r\n\f", *p))
		p++; /* there is something else: text_take() saw it */
	nl = memchr(p, '\n', (size_t)(end - p));
	end = nl ? nl : end;
	for (stop = p; stop < end; stop++) {
		if ((*stop & 0xc0) != 0x80 && ++characters > SUBJECT_CHARACTERS)
			break;
	}
	buffer_reset(&r->subject);
	buffer_add(&r->subject, p, (size_t)(stop - p));
	while (stop == end && r->subject.len > 0 &&
	       strchr(" \t\r\f", r->subject.data[r->subject.len - 1]))
		r->subject.len--;
	if (stop < end)
		buffer_add_str(&r->subject, "…");
}

static int text_content(struct reading *r, const struct source_place *place, struct bytes name,
    struct bytes raw, struct mail_losses *losses, char why[static 128])
{
	struct content c = {.imported = {.present = true, .source = name}};
	int64_t date = r->terms.date != INT64_MIN ? r->terms.date : place->date;
	bool guessed;
	int err = text_take(r, raw, &guessed, why);

	if (err)
		return err;
	losses->guessed = guessed;
	subject_take(r);
	c.subject = buffer_bytes(&r->subject);
	c.text = buffer_bytes(&r->text);
	if (date != INT64_MIN)
		c.imported.date = date;
	if (r->terms.author)
		c.imported.author = bytes_str(r->terms.author);
	err = content_encode(&r->content, &c);
	if (!err && r->content.len > r->terms.limit) {
		char bytes[32];

		snprintf(why, 128, "its text of %s bytes is over the forum's limit",
		    grouped(bytes, c.text.len));
		err = ERR_TOO_LARGE;
	}
	return err;
}

/* ---- mails ---- */

static int references_take(struct reading *r, const struct mail_ids *ids)
{
	if (ids->reference_count > r->room) {
		void *larger = realloc(r->references, ids->reference_count * MAIL_KEY_LEN);

		if (!larger)
			return ERR_NOMEM;
		r->references = larger;
		r->room = ids->reference_count;
	}
	for (size_t i = 0; i < ids->reference_count; i++)
		mail_key_of_id(r->references[i], ids->references[i]);
	return OK;
}

/* A mail without an id is known by all that it says. */
static int content_key(
    struct reading *r, struct bytes raw, uint8_t key[static MAIL_KEY_LEN], char why[static 128])
{
	struct mail mail;
	int err = mail_read(r->mails, raw, &mail, why);

	if (!err)
		err = mail_key_of_content(key, &mail.content);
	mail_clear(&mail);
	return err;
}

int reading_ids(struct reading *r, const struct source_place *place, struct bytes raw,
    struct reading_ids *out, char why[static 128])
{
	struct mail_ids ids;
	bool guessed;
	int err;

	*out = (struct reading_ids){.date = INT64_MIN};
	if (r->terms.form == SOURCE_TEXT) {
		err = text_take(r, raw, &guessed, why);
		if (!err)
			mail_key_of_text(out->key, buffer_bytes(&r->text));
		out->date = r->terms.date != INT64_MIN ? r->terms.date : place->date;
		return err;
	}
	err = mail_ids_read(r->mails, raw, &ids);
	if (err == ERR_MALFORMED)
		snprintf(why, 128, "it does not begin with a header, so it is no mail");
	else if (err == ERR_TOO_LARGE)
		snprintf(why, 128, "its header is over %d kB", MAIL_HEADER_MAX / 1024);
	if (!err)
		err = references_take(r, &ids);
	if (!err && ids.message_id.len > 0)
		mail_key_of_id(out->key, ids.message_id);
	else if (!err)
		err = content_key(r, raw, out->key, why);
	out->references = (const uint8_t(*)[MAIL_KEY_LEN])r->references;
	out->count = err ? 0 : ids.reference_count;
	out->date = ids.date;
	mail_ids_free(&ids);
	return err;
}

int reading_content(struct reading *r, const struct source_place *place, const char *path,
    struct bytes raw, struct bytes *content, struct mail_losses *losses, char why[static 128])
{
	const char *slash = strrchr(path, '/');
	struct bytes name = bytes_str(r->terms.name ? r->terms.name : slash ? slash + 1 : path);
	struct mail mail;
	int err;

	*losses = (struct mail_losses){.omitted = 0};
	buffer_reset(&r->content);
	if (r->terms.form == SOURCE_TEXT) {
		err = text_content(r, place, name, raw, losses, why);
	} else {
		err = mail_read(r->mails, raw, &mail, why);
		if (!err) {
			mail.content.imported.source = name;
			*losses = mail.losses;
			err = content_encode(&r->content, &mail.content);
			if (err && err != ERR_NOMEM)
				snprintf(
				    why, 128, "it has more parts or references than a post can");
		}
		mail_clear(&mail);
	}
	*content = buffer_bytes(&r->content);
	return err;
}
