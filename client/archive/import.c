/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/archive/order.h"
#include "client/output.h"

#define SCAN_TELL 256 /* mails between two words about how far it is */

enum entry_state {
	ENTRY_NEW,
	ENTRY_SENT, /* signed, on its way */
	ENTRY_DONE,
	ENTRY_PRESENT, /* the journal had it */
	ENTRY_REFUSED,
};

struct entry {
	struct source_place place;
	uint8_t key[MAIL_KEY_LEN];
	uint8_t id[ID_LEN]; /* ENTRY_SENT, ENTRY_DONE */
	uint64_t text;      /* the beginning of its raw text's hash */
	int64_t time;       /* 0: now */
	uint32_t heir;      /* of a refused one that answers nothing: the first that answers it */
	uint16_t omitted, alternatives, guessed;
	uint8_t state;
};

struct import {
	struct source *source;
	struct reading *reading;
	struct journal *journal;
	const struct import_events *events;
	void *ctx;
	struct order *order;
	struct entry *entries;
	size_t room;
	uint32_t *first_present; /* by thread: a mail that is there, or ORDER_NONE */
	struct buffer ghosts;    /* of the mail in hand */
	uint64_t to_post, posted;
	struct import_report report;
};

int import_new(struct import **out, struct source *source, struct reading *reading,
    const struct import_events *events, void *ctx, struct trouble *t)
{
	struct import *im = calloc(1, sizeof *im);

	*out = NULL;
	if (im)
		im->order = order_new();
	if (!im || !im->order) {
		import_free(im);
		return no_memory(t);
	}
	im->source = source;
	im->reading = reading;
	im->events = events;
	im->ctx = ctx;
	*out = im;
	return OK;
}

void import_free(struct import *im)
{
	if (!im)
		return;
	order_free(im->order);
	free(im->entries);
	free(im->first_present);
	buffer_free(&im->ghosts);
	free(im);
}

static void refuse(struct import *im, const struct source_place *place, int err, const char *why)
{
	const struct import_refusal refusal = {.file = source_path(im->source, place->file),
	    .mail = place->number,
	    .line = place->line,
	    .why = why[0] ? why : error_text(err)};

	im->report.refused++;
	im->events->refused(im->ctx, &refusal);
}

static void repeat_tell(
    struct import *im, const struct source_place *place, const struct source_place *first)
{
	const char *path = source_path(im->source, first->file), *slash = strrchr(path, '/');
	char why[512];
	const struct import_refusal repeat = {.file = source_path(im->source, place->file),
	    .mail = place->number,
	    .line = place->line,
	    .why = why};

	im->report.repeated_other_text++;
	if (!im->events->repeated)
		return;
	if (first->file != place->file)
		snprintf(why, sizeof why,
		    "it is left out for mail %" PRIu32 " (line %" PRIu64
		    ") of %.300s, which has its Message-ID and differs from it",
		    first->number, first->line, slash ? slash + 1 : path);
	else
		snprintf(why, sizeof why,
		    "it is left out for mail %" PRIu32 " (line %" PRIu64
		    "), which has its Message-ID and differs from it",
		    first->number, first->line);
	im->events->repeated(im->ctx, &repeat);
}

/* ---- first time through ---- */

/* Whether a mail that comes twice is the same; the empty lines at its end belong to the file. */
static uint64_t text_digest(struct bytes raw)
{
	uint8_t hash[HASH_LEN];

	while (raw.len > 0 && (raw.data[raw.len - 1] == '\n' || raw.data[raw.len - 1] == '\r'))
		raw.len--;
	hash_of(hash, raw.data, raw.len);
	return get_u64(hash);
}

static bool date_good(int64_t date, int64_t now)
{
	return date > 0 && date <= now;
}

static int entry_add(struct import *im, const struct source_place *place, uint64_t text,
    const struct reading_ids *ids, int64_t now, struct trouble *t)
{
	struct entry *e;
	uint32_t mail;
	int err = order_add(im->order, ids->key, ids->references, ids->count, &mail);

	if (err == ERR_EXISTS) {
		im->report.repeated++;
		if (im->entries[mail].text != text)
			repeat_tell(im, place, &im->entries[mail].place);
		return OK;
	}
	if (err == ERR_RANGE)
		return trouble_set(
		    t, ERR_INVALID, "this archive is too large to be imported at once");
	if (mail >= im->room) {
		size_t room = im->room ? im->room + im->room / 2 : 1024;
		struct entry *larger = realloc(im->entries, room * sizeof *larger);

		if (!larger)
			return no_memory(t);
		im->entries = larger;
		im->room = room;
	}
	if (err)
		return no_memory(t);
	e = &im->entries[mail];
	*e = (struct entry){.place = *place, .text = text, .heir = ORDER_NONE};
	memcpy(e->key, ids->key, MAIL_KEY_LEN);
	/* SPEC.md 8.3; what has no date stands beside its neighbour. */
	e->time = date_good(ids->date, now)     ? ids->date
		  : date_good(place->date, now) ? place->date
		  : mail > 0                    ? e[-1].time
						: 0;
	return OK;
}

int import_scan(struct import *im, struct trouble *t)
{
	int64_t now = (int64_t)clock_wall_ms();
	struct source_place place;
	struct bytes raw;
	char why[128];
	int more;

	while ((more = source_next(im->source, &place, &raw, why)) == 1) {
		uint64_t text = text_digest(raw);
		struct reading_ids ids;
		int err = OK;

		im->report.mails++;
		if (why[0] == '\0')
			err = reading_ids(im->reading, &place, raw, &ids, why);
		if (source_shrank(im->source))
			snprintf(why, sizeof why, "its file became shorter while it was read");
		if (err == ERR_NOMEM)
			return no_memory(t);
		if (err || why[0])
			refuse(im, &place, err, why);
		else if ((err = entry_add(im, &place, text, &ids, now, t)) != OK)
			return err;
		if (im->report.mails % SCAN_TELL == 0)
			im->events->progress(im->ctx, IMPORT_READING, source_done(im->source),
			    source_size(im->source), NULL);
	}
	return more ? no_memory(t) : OK;
}

/* ---- order ---- */

struct asking {
	struct import *im;
	struct trouble *t;
};

/* A post of somebody else's that calls itself so. */
static int claimed_find(
    struct journal *j, const uint8_t key[static MAIL_KEY_LEN], struct ref *out, struct trouble *t)
{
	uint8_t claimed[MAIL_KEY_LEN];

	mail_key_claimed(claimed, key);
	return journal_find(j, claimed, out, t);
}

/* Whether the post of a mail is somebody else's, who imported the same. */
static int same_find(struct import *im, struct entry *e, struct ref *out, struct trouble *t)
{
	uint8_t same[MAIL_KEY_LEN], content_key[MAIL_KEY_LEN];
	struct mail_losses losses;
	struct bytes raw, encoded;
	struct content content;
	char why[128] = "";
	int err = claimed_find(im->journal, e->key, out, t);

	if (err)
		return err;
	err = source_read(im->source, &e->place, &raw, why);
	if (!err)
		err = reading_content(im->reading, &e->place,
		    source_path(im->source, e->place.file), raw, &encoded, &losses, why);
	if (!err)
		err = content_parse(encoded, &content);
	if (!err) {
		err = mail_key_of_content(content_key, &content);
		content_clear(&content);
	}
	if (err)
		/* What is no good is refused when its turn comes. */
		return err == ERR_NOMEM ? no_memory(t) : ERR_NOTFOUND;
	mail_key_same(same, e->key, content_key);
	err = journal_find(im->journal, same, out, t);
	return err ? err : journal_learn(im->journal, e->key, out, t);
}

static int absent_ask(void *ctx, uint32_t number, const uint8_t key[static MAIL_KEY_LEN])
{
	const struct asking *a = ctx;
	uint8_t heir[MAIL_KEY_LEN];
	struct ref post;
	int err = journal_find(a->im->journal, key, &post, a->t);

	(void)number;
	if (err != ERR_NOTFOUND)
		return err ? err : PLACE_TOPIC;
	err = journal_absent(a->im->journal, key, heir, a->t);
	/* An heir that is in this archive is found without our help. */
	if (!err && order_find(a->im->order, heir) == ORDER_NONE)
		err = journal_find(a->im->journal, heir, &post, a->t);
	else if (!err)
		err = ERR_NOTFOUND;
	if (err != ERR_NOTFOUND)
		return err ? err : PLACE_HEIR;
	err = claimed_find(a->im->journal, key, &post, a->t);
	return err == ERR_NOTFOUND ? PLACE_NOWHERE : err ? err : PLACE_TOPIC;
}

/* Which of the mails are there. */
static int present_find(struct import *im, struct trouble *t)
{
	for (uint32_t i = 0; i < order_count(im->order); i++) {
		uint32_t *first = &im->first_present[order_thread(im->order, i)];
		struct entry *e = &im->entries[i];
		struct ref post;
		int err = journal_find(im->journal, e->key, &post, t);

		if (err == ERR_NOTFOUND)
			err = same_find(im, e, &post, t);
		if (err == ERR_NOTFOUND)
			continue;
		if (err)
			return err;
		e->state = ENTRY_PRESENT;
		im->report.present++;
		if (*first == ORDER_NONE)
			*first = i;
	}
	return OK;
}

int import_order(struct import *im, struct journal *journal, struct trouble *t)
{
	struct asking a = {im, t};
	int err = OK;

	im->journal = journal;
	if (journal)
		err = order_ask(im->order, absent_ask, &a);
	if (!err && order_link(im->order) != OK)
		err = no_memory(t);
	if (err)
		return err;
	im->first_present = malloc((order_nodes(im->order) + (size_t)1) * sizeof(uint32_t));
	if (!im->first_present)
		return no_memory(t);
	memset(im->first_present, 0xff, (order_nodes(im->order) + (size_t)1) * sizeof(uint32_t));
	if (journal)
		err = journal_begin(journal, t);
	if (journal && !err) {
		err = present_find(im, t);
		if (err)
			journal_rollback(journal);
		else
			err = journal_commit(journal, t);
	}
	im->to_post = order_count(im->order) - im->report.present;
	return err;
}

/* ---- what a mail answers ---- */

static bool has_post(const struct entry *e)
{
	return e->state == ENTRY_SENT || e->state == ENTRY_DONE || e->state == ENTRY_PRESENT;
}

static int ref_of_entry(struct import *im, uint32_t mail, struct ref *out, struct trouble *t)
{
	const struct entry *e = &im->entries[mail];
	int err;

	if (e->state != ENTRY_PRESENT) {
		/* The log is our own; the submitter knows it. */
		*out = (struct ref){.present = true};
		memcpy(out->id, e->id, ID_LEN);
		return OK;
	}
	err = journal_find(im->journal, e->key, out, t);
	return err == ERR_NOTFOUND ? trouble_set(t, ERR_STORE, "the journal of imports has changed")
				   : err;
}

static int ref_of_absent(struct import *im, uint32_t number, struct ref *out, struct trouble *t)
{
	const uint8_t *key = order_key(im->order, number);
	uint8_t heir[MAIL_KEY_LEN];
	int err = journal_find(im->journal, key, out, t);

	if (err == ERR_NOTFOUND)
		err = journal_absent(im->journal, key, heir, t);
	else
		return err;
	if (!err)
		err = journal_find(im->journal, heir, out, t);
	if (err == ERR_NOTFOUND)
		err = claimed_find(im->journal, key, out, t);
	return err == ERR_NOTFOUND ? trouble_set(t, ERR_STORE, "the journal of imports has changed")
				   : err;
}

/* As order_parent() says; in the place of one that was refused, what that answers, or else the
 * first that answers it. Where nothing is answered, a post of the same thread that the topic had
 * before. */
static int parent_find(struct import *im, uint32_t mail, struct ref *out, struct trouble *t)
{
	uint32_t absent, top = ORDER_NONE, at = order_parent(im->order, mail, &absent), first;

	*out = (struct ref){.present = false};
	for (; at != ORDER_NONE; at = order_parent(im->order, at, &absent)) {
		const struct entry *e = &im->entries[at];

		if (has_post(e))
			return ref_of_entry(im, at, out, t);
		top = at;
		if (e->heir != ORDER_NONE && e->heir != mail && has_post(&im->entries[e->heir]))
			return ref_of_entry(im, e->heir, out, t);
	}
	if (absent != ORDER_NONE)
		return ref_of_absent(im, absent, out, t);
	first = im->first_present[order_thread(im->order, mail)];
	if (im->entries[mail].state == ENTRY_NEW && first != ORDER_NONE)
		return ref_of_entry(im, first, out, t);
	if (top != ORDER_NONE)
		im->entries[top].heir = mail;
	return OK;
}

/* ---- second time through ---- */

static void ghost_add(void *ctx, const uint8_t key[static MAIL_KEY_LEN])
{
	buffer_add(ctx, key, MAIL_KEY_LEN);
}

static uint16_t small(unsigned n)
{
	return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

static void count_in(struct import *im, struct entry *e)
{
	e->state = ENTRY_DONE;
	im->posted++;
	im->report.imported++;
	im->report.omitted_parts += e->omitted;
	im->report.alternatives += e->alternatives;
	im->report.guessed_charsets += e->guessed;
}

/* Read one, and send it on its way. */
static int entry_post(struct import *im, uint32_t place, struct submitter *submitter,
    struct submit_post *post, struct trouble *t)
{
	uint32_t mail = order_at(im->order, place);
	struct entry *e = &im->entries[mail];
	struct mail_losses losses;
	struct bytes raw;
	char why[128] = "";
	int err = source_read(im->source, &e->place, &raw, why);

	if (!err)
		err = reading_content(im->reading, &e->place,
		    source_path(im->source, e->place.file), raw, &post->content, &losses, why);
	if (err == ERR_NOMEM)
		return no_memory(t);
	/* Behind the reading, so that it holds for all that was read. */
	if ((!err || raw.len > 0) && text_digest(raw) != e->text) {
		snprintf(why, sizeof why, "its file was changed while this import ran");
		err = ERR_INVALID;
	}
	if (err) {
		refuse(im, &e->place, err, why);
		e->state = ENTRY_REFUSED;
		im->posted++;
		return OK;
	}
	err = parent_find(im, mail, &post->parent, t);
	if (err)
		return err;
	e->omitted = small(losses.omitted);
	e->alternatives = small(losses.alternatives);
	e->guessed = small(losses.guessed);
	if (!submitter) {
		count_in(im, e);
		return OK;
	}
	buffer_reset(&im->ghosts);
	post->absent_count = order_ghosts(im->order, mail, ghost_add, &im->ghosts);
	if (im->ghosts.failed)
		return no_memory(t);
	post->absent = (const uint8_t(*)[MAIL_KEY_LEN])im->ghosts.data;
	post->tag = place;
	memcpy(post->key, e->key, MAIL_KEY_LEN);
	post->time = e->time ? (uint64_t)e->time : clock_wall_ms();
	err = submit_add(submitter, post, e->id, t);
	if (!err)
		e->state = ENTRY_SENT;
	return err;
}

/* What was added from this place on is to be added again. */
static uint32_t rewind_to(struct import *im, uint32_t from, uint32_t until)
{
	for (uint32_t i = from; i < until; i++) {
		struct entry *e = &im->entries[order_at(im->order, i)];

		if (e->state == ENTRY_SENT)
			e->state = ENTRY_NEW;
	}
	return from;
}

int import_post(struct import *im, struct submitter *submitter, const struct ref *topic,
    struct bytes lang, struct trouble *t)
{
	uint32_t count = order_count(im->order), i = 0;
	struct submit_post post = {.lang = lang};
	int err = OK;

	if (topic)
		post.topic = *topic;
	for (;;) {
		while (i < count && !err) {
			uint32_t mail = order_at(im->order, i), absent, above;
			const struct entry *e = &im->entries[mail];
			struct ref parent;

			if (e->state == ENTRY_NEW) {
				err = entry_post(im, i, submitter, &post, t);
			} else if (e->state == ENTRY_PRESENT) {
				/* It may be the heir of one that was refused, then and now. */
				above = order_parent(im->order, mail, &absent);
				if (above != ORDER_NONE &&
				    im->entries[above].state == ENTRY_REFUSED)
					err = parent_find(im, mail, &parent, t);
			}
			if (!err && ++i % SCAN_TELL == 0 && !submitter)
				im->events->progress(
				    im->ctx, IMPORT_POSTING, im->posted, im->to_post, NULL);
		}
		if (!err && submitter)
			err = submit_finish(submitter, t);
		if (err != SUBMIT_AGAIN)
			return err;
		i = rewind_to(im, submit_from(submitter), i < count ? i + 1 : count);
		err = OK;
	}
}

static void on_accepted(void *ctx, uint32_t tag)
{
	struct import *im = ctx;

	count_in(im, &im->entries[order_at(im->order, tag)]);
}

static void on_refused(void *ctx, uint32_t tag, const char *why)
{
	struct import *im = ctx;
	struct entry *e = &im->entries[order_at(im->order, tag)];
	char text[256];

	snprintf(text, sizeof text, "the node refuses it: %s", why);
	refuse(im, &e->place, ERR_REFUSED, text);
	e->state = ENTRY_REFUSED;
	im->posted++;
}

static void on_waiting(void *ctx, const char *why)
{
	struct import *im = ctx;

	im->events->progress(im->ctx, IMPORT_POSTING, im->posted, im->to_post, why);
}

const struct submit_events import_submit_events = {
    .accepted = on_accepted, .refused = on_refused, .waiting = on_waiting};

/* ---- what came of it ---- */

void import_report(const struct import *im, struct import_report *out)
{
	uint64_t *sizes = im->first_present
			      ? calloc(order_nodes(im->order) + (size_t)1, sizeof *sizes)
			      : NULL;

	*out = im->report;
	for (uint32_t i = 0; sizes && i < order_count(im->order); i++) {
		uint64_t *size = &sizes[order_thread(im->order, i)];

		if (im->entries[i].state == ENTRY_REFUSED)
			continue;
		out->threads += ++*size == 1;
		if (*size > out->largest_thread)
			out->largest_thread = *size;
	}
	free(sizes);
}
