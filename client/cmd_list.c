/* SPDX-License-Identifier: BSD-2-Clause */
/* convene topics, convene threads. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "client/cmd.h"
#include "client/session.h"
#include "client/show.h"

#define ARCHIVED_COLUMNS 24

static void author_cell(
    struct table *table, ProtobufCBinaryData handle, ProtobufCBinaryData organisation)
{
	struct buffer text = BUFFER_INIT;

	author_text(&text, bytes_of_pb(handle), bytes_of(NULL, 0), bytes_of_pb(organisation));
	table_cell(table, "%s", buffer_str(&text));
	buffer_free(&text);
}

/* The name in an author's line of an archive: `Name <address>` or `address (Name)`; else all of it.
 */
static struct bytes archived_name(struct bytes line)
{
	const uint8_t *open = memchr(line.data, '<', line.len);
	struct bytes name = line;

	if (open && open > line.data) {
		name.len = (size_t)(open - line.data);
	} else if ((open = memchr(line.data, '(', line.len)) && line.data[line.len - 1] == ')') {
		name = bytes_of(open + 1, (size_t)(line.data + line.len - open) - 2);
	}
	while (name.len > 0 && (name.data[name.len - 1] == ' ' || name.data[name.len - 1] == '"'))
		name.len--;
	while (name.len > 0 && (name.data[0] == ' ' || name.data[0] == '"'))
		name = bytes_of(name.data + 1, name.len - 1);
	return name.len > 0 ? name : line;
}

static void archived_cell(struct table *table, ProtobufCBinaryData author)
{
	struct buffer text = BUFFER_INIT;

	archived_text(&text, archived_name(bytes_of_pb(author)), ARCHIVED_COLUMNS);
	table_cell(table, "%s", buffer_str(&text));
	buffer_free(&text);
}

/* A title may be missing: its content hasn't come, or the node hides it. */
static void title_cell(struct table *table, ProtobufCBinaryData title, ProtobufCBinaryData hidden)
{
	struct buffer text = BUFFER_INIT;

	if (hidden.len > 0) {
		hidden_text(&text, bytes_of_pb(hidden));
		table_cell(table, "%s", buffer_str(&text));
		buffer_free(&text);
	} else if (title.len > 0)
		table_text(table, bytes_of_pb(title));
	else
		table_cell(table, "(no title here)");
}

static json_t *topic_json(const Convene__Topic *t)
{
	json_t *o = json_object();

	json_put(o, "id", json_hex(t->id.data, t->id.len));
	json_put(o, "log", json_hex(t->log.data, t->log.len));
	json_put(o, "index", json_integer((json_int_t)t->index));
	json_put(o, "title", json_bytes(bytes_of_pb(t->title)));
	json_put(o, "description", json_bytes(bytes_of_pb(t->description)));
	json_put(o, "threads", json_integer((json_int_t)t->threads));
	json_put(o, "posts", json_integer((json_int_t)t->posts));
	json_put(o, "latest", json_integer((json_int_t)t->latest));
	json_put(o, "organisation", json_bytes(bytes_of_pb(t->organisation)));
	json_put(o, "handle", json_bytes(bytes_of_pb(t->handle)));
	if (t->hidden.len > 0)
		json_put(o, "hidden", json_bytes(bytes_of_pb(t->hidden)));
	return o;
}

/* The last frame says what of the whole is missing; an answer has one at least. */
static const Convene__Topics *last_topics(const struct frames *frames)
{
	static const Convene__Topics none = CONVENE__TOPICS__INIT;

	return frames->count > 0 ? (const Convene__Topics *)frames->list[frames->count - 1] : &none;
}

static const Convene__Threads *last_threads(const struct frames *frames)
{
	static const Convene__Threads none = CONVENE__THREADS__INIT;

	return frames->count > 0 ? (const Convene__Threads *)frames->list[frames->count - 1]
				 : &none;
}

static int topics_print(const struct invocation *in, const struct frames *frames)
{
	struct table *table = table_new("ID\tTHREADS>\tPOSTS>\tLATEST\tTITLE");
	json_t *list = json_array(), *o;
	size_t count = 0;
	char id[9], when[24];

	for (size_t i = 0; i < frames->count; i++) {
		const Convene__Topics *m = (const Convene__Topics *)frames->list[i];

		for (size_t j = 0; j < m->n_topics; j++) {
			const Convene__Topic *t = m->topics[j];

			if (t->id.len != ID_LEN)
				continue;
			count++;
			if (in->json) {
				json_array_append_new(list, topic_json(t));
				continue;
			}
			table_cell(table, "%s", id_short(id, t->id.data));
			table_cell(table, "%llu", (unsigned long long)t->threads);
			table_cell(table, "%llu", (unsigned long long)t->posts);
			table_cell(table, "%s", time_local(when, t->latest));
			title_cell(table, t->title, t->hidden);
		}
	}
	if (in->json) {
		o = json_object();
		json_put(o, "topics", list);
		if (last_topics(frames)->n_without > 0)
			json_put(o, "without",
			    without_json(
				last_topics(frames)->without, last_topics(frames)->n_without));
		json_print(o);
	} else {
		table_print(table);
		if (count == 0)
			print_sentence(0, "There are no topics yet. `convene topic TITLE` opens "
					  "one, if the charter "
					  "lets you.");
		without_print(last_topics(frames)->without, last_topics(frames)->n_without);
		json_decref(list);
	}
	table_free(table);
	return EXIT_DONE;
}

int cmd_topics(const struct invocation *in)
{
	struct frames frames = {NULL, 0};
	struct session s;
	struct trouble t;
	int code, err = session_open(&s, in, false, &t);

	if (!err)
		err = ask_topics(&s, &frames, &t);
	code = err ? session_complain(in, &t) : topics_print(in, &frames);
	frames_free(&frames);
	session_close(&s);
	return code;
}

/* ---- threads ---- */

static json_t *thread_json(const Convene__Thread *t)
{
	json_t *o = json_object();

	json_put(o, "id", json_hex(t->id.data, t->id.len));
	json_put(o, "log", json_hex(t->log.data, t->log.len));
	json_put(o, "subject", json_bytes(bytes_of_pb(t->subject)));
	json_put(o, "lang", json_bytes(bytes_of_pb(t->lang)));
	json_put(o, "time", json_integer((json_int_t)t->time));
	json_put(o, "posts", json_integer((json_int_t)t->posts));
	json_put(o, "latest", json_integer((json_int_t)t->latest));
	json_put(o, "organisation", json_bytes(bytes_of_pb(t->organisation)));
	json_put(o, "handle", json_bytes(bytes_of_pb(t->handle)));
	if (t->archived_author.len > 0)
		json_put(o, "archived_author", json_bytes(bytes_of_pb(t->archived_author)));
	if (t->hidden.len > 0)
		json_put(o, "hidden", json_bytes(bytes_of_pb(t->hidden)));
	json_put(o, "root_missing", json_boolean(t->root_missing));
	return o;
}

static int threads_print(const struct invocation *in, const struct frames *frames,
    const Convene__Topic *topic, uint32_t limit)
{
	struct table *table = table_new("ID\tPOSTS>\tLATEST\tAUTHOR\tSUBJECT");
	struct buffer hidden = BUFFER_INIT;
	json_t *list = json_array(), *o;
	size_t count = 0;
	char id[9], when[24];

	for (size_t i = 0; i < frames->count; i++) {
		const Convene__Threads *m = (const Convene__Threads *)frames->list[i];

		for (size_t j = 0; j < m->n_threads; j++) {
			const Convene__Thread *t = m->threads[j];

			if (t->id.len != ID_LEN)
				continue;
			count++;
			if (in->json) {
				json_array_append_new(list, thread_json(t));
				continue;
			}
			table_cell(table, "%s", id_short(id, t->id.data));
			table_cell(table, "%llu", (unsigned long long)t->posts);
			table_cell(table, "%s", time_local(when, t->latest));
			if (t->root_missing) {
				table_cell(table, "-");
				table_cell(table, "(the first message is not here yet)");
			} else {
				if (t->archived_author.len > 0)
					archived_cell(table, t->archived_author);
				else
					author_cell(table, t->handle, t->organisation);
				title_cell(table, t->subject, t->hidden);
			}
		}
	}
	if (in->json) {
		o = json_object();
		json_put(o, "topic", topic_json(topic));
		json_put(o, "threads", list);
		if (last_threads(frames)->n_without > 0)
			json_put(o, "without",
			    without_json(
				last_threads(frames)->without, last_threads(frames)->n_without));
		json_print(o);
	} else {
		if (topic->hidden.len > 0) {
			hidden_text(&hidden, bytes_of_pb(topic->hidden));
			print_line(4, "Topic: %s", buffer_str(&hidden));
			buffer_free(&hidden);
		} else if (topic->title.len > 0) {
			print_labelled(0, "Topic: ", bytes_of_pb(topic->title));
		} else {
			printf("Topic: (no title here)\n");
		}
		if (topic->description.len > 0)
			print_text(bytes_of_pb(topic->description), 2);
		printf("\n");
		table_print(table);
		if (count == 0)
			printf("No threads. `convene post %s --subject …` begins one.\n",
			    id_short(id, topic->id.data));
		else if (count == limit && topic->threads > count)
			printf(
			    "\nThe newest %zu of %llu threads; --limit and --skip show others.\n",
			    count, (unsigned long long)topic->threads);
		without_print(last_threads(frames)->without, last_threads(frames)->n_without);
		json_decref(list);
	}
	table_free(table);
	return EXIT_DONE;
}

static int number_option(
    const struct invocation *in, const char *name, uint32_t fallback, uint32_t max, uint32_t *out)
{
	const char *text = option_value(in, name);
	uint64_t value = fallback;

	if (text && decimal_parse(&value, text, strlen(text), max) != OK)
		return complain_usage(in->program->name, in->command->name,
		    "--%s wants a number up to %u, not %s", name, max, text);
	*out = (uint32_t)value;
	return EXIT_DONE;
}

int cmd_threads(const struct invocation *in)
{
	struct frames topics = {NULL, 0}, threads = {NULL, 0};
	const Convene__Topic *topic = NULL;
	struct session s;
	struct trouble t;
	uint32_t limit, skip;
	int err, code = number_option(in, "limit", THREADS_DEFAULT, THREADS_MAX, &limit);

	if (!code)
		code = number_option(in, "skip", 0, UINT32_MAX, &skip);
	if (code)
		return code;
	err = session_open(&s, in, false, &t);
	if (!err)
		err = ask_topics(&s, &topics, &t);
	if (!err)
		err = find_topic(&topics, in->operands[0], &topic, &t);
	if (!err)
		err = ask_threads(&s, topic->id.data, topic->id.len, limit, skip, &threads, &t);
	code = err ? session_complain(in, &t) : threads_print(in, &threads, topic, limit);
	frames_free(&threads);
	frames_free(&topics);
	session_close(&s);
	return code;
}
