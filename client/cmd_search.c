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
#include "client/session.h"
#include "client/show.h"
#include "search/search.h"

#define LIMIT 20
#define LIMIT_MAX 10000
#define PAGE 100  /* of the node's answers */
#define AROUND 60 /* bytes of a line before and after what was found, at least */

/* ---- what is asked ---- */

/* As one query: an operand of several words is a phrase, and `topic` one more restriction. */
static int query_make(
    struct search_query **out, const struct invocation *in, struct buffer *text, struct trouble *t)
{
	const char *why;
	int err;

	for (int i = 0; i < in->count; i++) {
		const char *word = in->operands[i];
		bool phrase = strpbrk(word, " \t\n") && !strpbrk(word, "\":");

		buffer_add_str(text, i > 0 ? " " : "");
		buffer_add_str(text, phrase ? "\"" : "");
		buffer_add_str(text, word);
		buffer_add_str(text, phrase ? "\"" : "");
	}
	if (text->failed)
		out_of_memory();
	err = search_parse(out, buffer_bytes(text), &why);
	return err ? trouble_set(t, err, "that can't be searched for: %s", why) : OK;
}

/* ---- the line in which a word stands ---- */

static bool snippet_of(struct buffer *out, struct bytes text, const struct search_query *q)
{
	struct search_span line, found;

	if (search_snippet(q, text, AROUND, true, &line, &found, 1) == 0)
		return false;
	if (line.from > 0 && text.data[line.from - 1] != '\n')
		buffer_add_str(out, "\xe2\x80\xa6");
	for (size_t at = line.from; at < line.to; at++)
		buffer_add_u8(out, text.data[at] == '\n' ? ' ' : text.data[at]);
	if (line.to < text.len && text.data[line.to] != '\n')
		buffer_add_str(out, "\xe2\x80\xa6");
	return true;
}

/* Of the text; else of what else is searched; else how the text begins. */
static void snippet(struct buffer *out, const struct content *c, const struct search_query *q)
{
	struct bytes head = c->text;

	if (snippet_of(out, c->text, q))
		return;
	for (size_t i = 0; i < c->part_count; i++)
		if (snippet_of(out, c->parts[i].name, q))
			return;
	while (head.len > 0 && (head.data[0] == '\n' || head.data[0] == ' '))
		head = bytes_of(head.data + 1, head.len - 1);
	head = text_head(text_first_line(head), (size_t)3 * AROUND);
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

static int item_found(struct session *s, const Convene__Item *item, const struct search_query *q,
    json_t *list, struct trouble *t)
{
	struct buffer subject = BUFFER_INIT, line = BUFFER_INIT, safe = BUFFER_INIT;
	struct shown shown;
	int err = OK;

	shown_open(&shown, item, s->home.node.forum, NULL);
	if (item->thread.len == ID_LEN && s->copy)
		err = copy_subject(s->copy, item->thread.data, &subject, t);
	else if (shown.has_content)
		buffer_add(&subject, shown.content.subject.data, shown.content.subject.len);
	if (shown.has_content)
		snippet(&line, &shown.content, q);
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

static int found_show(struct session *s, const struct frames *frames, const struct search_query *q,
    size_t limit, bool further, struct trouble *t)
{
	const struct invocation *in = s->in;
	json_t *list = json_array(), *o = json_object();
	size_t count = 0;
	int err = OK;

	for (size_t i = 0; i < frames->count; i++) {
		const Convene__Items *m = (const Convene__Items *)frames->list[i];

		/* Of the copy, one more than is shown was asked for. */
		for (size_t j = 0; j < m->n_items && !err; j++) {
			if (count < limit)
				err = item_found(s, m->items[j], q, list, t);
			else
				further = true;
			count += count < limit;
		}
	}
	if (!err && in->json) {
		json_put(o, "items", json_incref(list));
		json_put(o, "more", json_boolean(further));
		json_print(json_incref(o));
	} else if (!err && count == 0) {
		print_sentence(0, s->copy ? "No post in your copy has what you ask for."
					  : "Your node has no post with what you ask for.");
	} else if (!err && further) {
		printf("\nThe newest %zu; --limit shows more.\n", count);
	}
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

	if (err == ERR_NOTFOUND && s->client)
		return OK;
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

/* ---- the node, where nothing is kept here ---- */

/* Page by page, until there are enough. */
static int node_search(struct session *s, struct buffer *query, const Convene__Topic *topic,
    size_t limit, struct frames *out, bool *further, struct trouble *t)
{
	char hex[2 * ID_LEN + 1];
	uint64_t next = UINT64_MAX, before;
	size_t count = 0;
	int err = OK;

	*out = (struct frames){NULL, 0};
	if (topic && topic->id.len == ID_LEN) {
		hex_encode(hex, topic->id.data, ID_LEN);
		buffer_printf(query, " topic:%s", hex);
	}
	do {
		struct frames page;
		size_t wanted = limit - count < PAGE ? limit - count : PAGE;

		before = next;
		err = client_search(
		    s->client, buffer_bytes(query), next, (uint32_t)wanted, &page, &next, t);
		for (size_t i = 0; i < page.count && !err; i++) {
			count += ((const Convene__Items *)page.list[i])->n_items;
			err = frames_add(out, page.list[i]) == OK ? OK : no_memory(t);
			page.list[i] = NULL;
		}
		if (err)
			break;
		free(page.list);
		/* A node that doesn't get on would keep us for ever. */
	} while (next > 0 && next < before && count < limit);
	*further = next > 0;
	return err;
}

int cmd_search(const struct invocation *in)
{
	const char *name = option_value(in, "topic"), *most = option_value(in, "limit");
	struct frames topics = {NULL, 0}, found = {NULL, 0};
	const Convene__Topic *topic = NULL;
	struct search_query *q = NULL;
	struct buffer query = BUFFER_INIT;
	uint64_t limit = LIMIT;
	bool further = false;
	struct session s;
	struct trouble t;
	int code, err;

	if (most && (decimal_parse(&limit, most, strlen(most), LIMIT_MAX) != OK || limit == 0))
		return complain_usage(in->program->name, in->command->name,
		    "--limit wants a number from 1 to %d, not %s", LIMIT_MAX, most);
	err = session_open(&s, in, false, &t);
	if (!err)
		err = query_make(&q, in, &query, &t);
	if (!err)
		err = refresh(&s, &t);
	if (!err && name)
		err = s.copy ? copy_topics(s.copy, &topics, &t)
			     : client_topics(s.client, &topics, &t);
	if (!err && name)
		err = find_topic(&topics, name, &topic, &t);
	if (!err && s.copy)
		err = copy_search(
		    s.copy, topic ? topic->id.data : NULL, q, (size_t)limit + 1, &found, &t);
	else if (!err)
		err = node_search(&s, &query, topic, (size_t)limit, &found, &further, &t);
	if (!err && s.copy && !s.client)
		copy_tell(&s);
	if (!err)
		err = found_show(&s, &found, q, (size_t)limit, further, &t);
	code = err ? session_complain(in, &t) : EXIT_DONE;
	frames_free(&topics);
	frames_free(&found);
	search_query_free(q);
	buffer_free(&query);
	session_close(&s);
	return code;
}
