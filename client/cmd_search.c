/* SPDX-License-Identifier: BSD-2-Clause */
/* convene search. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/cmd.h"
#include "client/copy.h"
#include "search/fold.h"
#include "client/session.h"
#include "client/show.h"

#define LIMIT 20
#define LIMIT_MAX 10000
#define AROUND 60 /* bytes of a line before and after what was found, at least */

/* ---- the line in which a word stands ---- */

static bool folds_to(struct bytes text, struct bytes word)
{
	struct buffer folded = BUFFER_INIT;
	bool found = search_fold(&folded, text) == OK && folded.len > 0 &&
		     memmem(folded.data, folded.len, word.data, word.len) != NULL;

	buffer_free(&folded);
	return found;
}

/* Onto the beginning of a character, away from `from`. */
static size_t boundary(struct bytes text, size_t at, bool up)
{
	while (at > 0 && at < text.len && (text.data[at] & 0xc0) == 0x80)
		at += up ? 1 : (size_t)-1;
	return at;
}

/* Where in the text a word is that its folded form has: the shortest beginning that has it, and of
 * that the shortest end. Each is found by halving. */
static bool word_find(struct bytes text, struct bytes word, size_t *begin, size_t *end)
{
	size_t low = 0, high = text.len;

	if (!folds_to(text, word))
		return false;
	while (low < high) {
		size_t middle = boundary(text, low + (high - low) / 2, false);

		if (middle <= low)
			middle = boundary(text, low + 1, true);
		if (middle >= high)
			break;
		if (folds_to(bytes_of(text.data, middle), word))
			high = middle;
		else
			low = middle;
	}
	*end = high;
	low = 0;
	while (low < high) {
		size_t middle = boundary(text, low + (high - low) / 2, false);

		if (middle <= low)
			middle = boundary(text, low + 1, true);
		if (middle >= high)
			break;
		if (folds_to(bytes_of(text.data + middle, *end - middle), word))
			low = middle;
		else
			high = middle;
	}
	*begin = low;
	return true;
}

/* What stands around the first of the words that the text has, within its line. */
static bool snippet_of(struct buffer *out, struct bytes text, const struct buffer *words, int count)
{
	size_t begin, end, from, to;

	for (int i = 0; i < count; i++) {
		if (!word_find(text, buffer_bytes(&words[i]), &begin, &end))
			continue;
		from = begin > AROUND ? boundary(text, begin - AROUND, true) : 0;
		to = end + 2 * AROUND < text.len ? boundary(text, end + 2 * AROUND, false)
						 : text.len;
		for (size_t at = begin; at > from; at--)
			if (text.data[at - 1] == '\n')
				from = at;
		for (size_t at = end; at < to; at++)
			if (text.data[at] == '\n')
				to = at;
		if (from > 0 && text.data[from - 1] != '\n')
			buffer_add_str(out, "\xe2\x80\xa6");
		for (size_t at = from; at < to; at++)
			buffer_add_u8(out, text.data[at] == '\n' ? ' ' : text.data[at]);
		if (to < text.len && text.data[to] != '\n')
			buffer_add_str(out, "\xe2\x80\xa6");
		return true;
	}
	return false;
}

/* Of the text; else of what else is searched; else how the text begins. */
static void snippet(
    struct buffer *out, const struct content *c, const struct buffer *words, int count)
{
	struct bytes head = c->text;

	if (snippet_of(out, c->text, words, count))
		return;
	for (size_t i = 0; i < c->part_count; i++)
		if (snippet_of(out, c->parts[i].name, words, count))
			return;
	while (head.len > 0 && (head.data[0] == '\n' || head.data[0] == ' '))
		head = bytes_of(head.data + 1, head.len - 1);
	head = text_head(text_first_line(head), 3 * AROUND);
	buffer_add(out, head.data, head.len);
}

/* ---- what was found ---- */

static void found_print(const struct shown *s, struct bytes subject, struct bytes line)
{
	struct buffer who = BUFFER_INIT;
	char id[9], when[24];

	shown_author(&who, s);
	printf("%s  ", id_short(id, s->id));
	print_line(10, "%s  %s", time_local(when, s->header.time), buffer_str(&who));
	if (subject.len > 0)
		print_labelled(2, "Thread: ", subject);
	print_text(line, 2);
	buffer_free(&who);
}

static int item_found(struct session *s, const Convene__Item *item, const struct buffer *words,
    int count, json_t *list, struct trouble *t)
{
	struct buffer subject = BUFFER_INIT, line = BUFFER_INIT, safe = BUFFER_INIT;
	struct shown shown;
	int err = OK;

	shown_open(&shown, item, s->home.node.forum, NULL);
	if (item->thread.len == ID_LEN)
		err = copy_subject(s->copy, item->thread.data, &subject, t);
	if (shown.has_content)
		snippet(&line, &shown.content, words, count);
	if (!err && s->in->json) {
		json_t *o = shown_json(&shown);

		json_put(o, "subject", json_bytes(buffer_bytes(&subject)));
		json_put(o, "snippet", json_bytes(buffer_bytes(&line)));
		json_array_append_new(list, o);
	} else if (!err) {
		text_line(&safe, buffer_bytes(&line));
		found_print(&shown, buffer_bytes(&subject), buffer_bytes(&safe));
	}
	buffer_free(&subject);
	buffer_free(&line);
	buffer_free(&safe);
	shown_clear(&shown);
	return err;
}

static int found_show(
    struct session *s, const struct frames *frames, size_t limit, struct trouble *t)
{
	const struct invocation *in = s->in;
	struct buffer *words = calloc((size_t)in->count + 1, sizeof *words);
	json_t *list = json_array(), *o = json_object();
	size_t count = 0;
	int err = OK;

	if (!words)
		out_of_memory();
	for (int i = 0; i < in->count; i++)
		search_fold(&words[i], bytes_str(in->operands[i]));
	for (size_t i = 0; i < frames->count; i++) {
		const Convene__Items *m = (const Convene__Items *)frames->list[i];

		for (size_t j = 0; j < m->n_items && !err && count < limit; j++, count++)
			err = item_found(s, m->items[j], words, in->count, list, t);
		/* One more than shown was asked for. */
		if (!err && in->json)
			json_put(o, "more", json_boolean(m->n_items > limit));
		else if (!err && m->n_items > limit)
			printf("\nThe newest %zu; --limit shows more.\n", limit);
	}
	if (!err && in->json) {
		json_put(o, "items", json_incref(list));
		json_print(json_incref(o));
	} else if (!err && count == 0) {
		print_sentence(0, "No post in your copy has %s.",
		    in->count == 1 ? "this word" : "all of these words");
	}
	for (int i = 0; i < in->count; i++)
		buffer_free(&words[i]);
	free(words);
	json_decref(list);
	json_decref(o);
	return err;
}

/* Look at what came since. A sync that fails leaves what there is, which is then told. */
static int refresh(struct session *s, struct trouble *t)
{
	struct copy_progress p;
	struct trouble why;
	int err = session_copy(s, false, t);

	if (err == ERR_NOTFOUND) {
		trouble_hint(t, "`convene sync` keeps topics; what is kept can be searched.");
		return err;
	}
	if (!err && s->client && copy_sync(s->copy, s->client, NULL, NULL, &p, &why) != OK) {
		session_disconnect(s);
		s->unreachable = why;
	}
	return err;
}

int cmd_search(const struct invocation *in)
{
	const char *name = option_value(in, "topic"), *most = option_value(in, "limit");
	struct frames topics = {NULL, 0}, found = {NULL, 0};
	const Convene__Topic *topic = NULL;
	uint64_t limit = LIMIT;
	struct session s;
	struct trouble t;
	int code, err;

	if (most && (decimal_parse(&limit, most, strlen(most), LIMIT_MAX) != OK || limit == 0))
		return complain_usage(in->program->name, in->command->name,
		    "--limit wants a number from 1 to %d, not %s", LIMIT_MAX, most);
	err = session_open(&s, in, false, &t);
	if (!err)
		err = refresh(&s, &t);
	if (!err && name)
		err = copy_topics(s.copy, &topics, &t);
	if (!err && name)
		err = find_topic(&topics, name, &topic, &t);
	if (!err)
		err = copy_search(s.copy, topic ? topic->id.data : NULL, in->operands, in->count,
		    (size_t)limit + 1, &found, &t);
	if (!err && !s.client)
		copy_tell(&s);
	if (!err)
		err = found_show(&s, &found, (size_t)limit, &t);
	code = err ? session_complain(in, &t) : EXIT_DONE;
	frames_free(&topics);
	frames_free(&found);
	session_close(&s);
	return code;
}
