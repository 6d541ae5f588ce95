/* SPDX-License-Identifier: BSD-2-Clause */
/* convene sync. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "client/cmd.h"
#include "client/copy.h"
#include "client/session.h"

#define TELL_MS 200

/* ---- --list ---- */

struct listing {
	struct table *table;
	json_t *list;
	uint64_t bytes;
	size_t kept;
};

static int topic_row(void *ctx, const struct copy_topic *topic)
{
	struct listing *l = ctx;
	char id[9], when[24], size[16];
	json_t *o = json_object();

	if (topic->kept) {
		json_put(o, "id", json_hex(topic->id, ID_LEN));
		json_put(o, "title", json_bytes(topic->title));
		json_put(o, "synced", json_integer((json_int_t)topic->synced));
		json_put(o, "cursor", json_integer((json_int_t)topic->cursor));
		json_put(o, "posts", json_integer((json_int_t)topic->posts));
		json_put(o, "bytes", json_integer((json_int_t)topic->bytes));
		json_array_append(l->list, o);
		table_cell(l->table, "%s", id_short(id, topic->id));
		table_cell(l->table, "%llu", (unsigned long long)topic->posts);
		table_cell(l->table, "%s", size_text(size, topic->bytes));
		table_cell(l->table, "%s", time_local(when, topic->synced));
		if (topic->title.len > 0)
			table_text(l->table, topic->title);
		else
			table_cell(l->table, "(no title here)");
		l->bytes += topic->bytes;
		l->kept++;
	}
	json_decref(o);
	return OK;
}

static int list_print(const struct invocation *in, struct copy *c, struct trouble *t)
{
	struct listing l = {
	    .table = table_new("ID\tPOSTS>\tSIZE>\tAS OF\tTITLE"), .list = json_array()};
	int err = copy_each(c, topic_row, &l, t);
	json_t *o = json_object();

	if (!err && in->json) {
		json_put(o, "topics", json_incref(l.list));
		json_print(json_incref(o));
	} else if (!err) {
		char size[16];

		table_print(l.table);
		if (l.kept > 0)
			printf("\n%zu topic%s, %s.\n", l.kept, l.kept == 1 ? "" : "s",
			    size_text(size, l.bytes));
		else
			printf("No topic is kept; `convene sync TOPIC` keeps one.\n");
	}
	json_decref(o);
	json_decref(l.list);
	table_free(l.table);
	return err;
}

/* ---- --drop ---- */

static int topic_drop(
    const struct invocation *in, struct copy *c, const char *name, struct trouble *t)
{
	struct frames topics = {NULL, 0};
	const Convene__Topic *topic;
	int err = copy_topics(c, &topics, t);

	if (!err)
		err = find_topic(&topics, name, &topic, t);
	if (!err)
		err = copy_keep(c, topic, false, t);
	if (!err && !in->json) {
		struct buffer title = BUFFER_INIT;

		text_isolate(&title, bytes_of_pb(topic->title));
		print_sentence(0,
		    "The topic %s is no longer kept, and what was here of it is erased.",
		    title.len > 0 ? buffer_str(&title) : name);
		buffer_free(&title);
	}
	frames_free(&topics);
	return err;
}

/* What needs no node: so it isn't asked. */
static int copy_command(const struct invocation *in)
{
	const char *name;
	struct copy *c = NULL;
	struct home home = {.lock = -1};
	struct trouble t;
	int pos = 0, err = home_open(&home, &t);

	if (!err)
		err = copy_open(&c, &home, false, &t);
	while (!err && (name = option_next(in, "drop", &pos)))
		err = topic_drop(in, c, name, &t);
	if (!err && (option_given(in, "list") || in->json))
		err = list_print(in, c, &t);
	copy_close(c);
	home_close(&home);
	return err ? session_complain(in, &t) : EXIT_DONE;
}

/* ---- fetching ---- */

struct teller {
	uint64_t last;
	bool shown;
};

static void progress_tell(void *ctx, const struct copy_progress *p)
{
	struct teller *teller = ctx;
	uint64_t now = clock_mono_ms();
	char size[16];

	if (now - teller->last < TELL_MS)
		return;
	teller->last = now;
	teller->shown = true;
	fprintf(stderr, "\r\033[K%llu posts, %s", (unsigned long long)p->posts,
	    size_text(size, p->bytes));
}

static void progress_end(struct teller *teller)
{
	if (teller->shown)
		fprintf(stderr, "\r\033[K");
}

static int any_kept(void *ctx, const struct copy_topic *topic)
{
	*(size_t *)ctx += topic->kept;
	return OK;
}

/* Ids of what is kept, one behind the other. */
static int kept_ids(void *ctx, const struct copy_topic *topic)
{
	if (topic->kept)
		buffer_add(ctx, topic->id, ID_LEN);
	return OK;
}

/* Keep what was named; or, where nothing is kept yet, all there is. */
static int topics_keep(struct session *s, const struct buffer *before, struct trouble *t)
{
	const struct invocation *in = s->in;
	struct frames topics = {NULL, 0};
	const Convene__Topic *topic;
	size_t kept = 0, count = 0;
	bool all;
	int err = copy_each(s->copy, any_kept, &kept, t);

	if (err || (in->count == 0 && kept > 0 && before->len == 0))
		return err;
	all = in->count == 0 && before->len == 0;
	err = client_topics(s->client, &topics, t);
	for (int i = 0; i < in->count && !err; i++) {
		err = find_topic(&topics, in->operands[i], &topic, t);
		if (!err)
			err = copy_keep(s->copy, topic, true, t);
	}
	for (size_t i = 0; i < topics.count && !err; i++) {
		const Convene__Topics *m = (const Convene__Topics *)topics.list[i];

		for (size_t j = 0; j < m->n_topics && !err; j++) {
			bool wanted = all;

			if (m->topics[j]->id.len != ID_LEN)
				continue;
			for (size_t at = 0; at < before->len && !wanted; at += ID_LEN)
				wanted = memcmp(before->data + at, m->topics[j]->id.data, ID_LEN) ==
					 0;
			if (wanted)
				err = copy_keep(s->copy, m->topics[j], true, t);
			count += wanted && !err;
		}
	}
	if (!err && all && !in->json)
		print_sentence(0,
		    "Nothing was kept yet; from now on all topics that are here now: %zu.", count);
	frames_free(&topics);
	return err;
}

static int not_kept(void *ctx, const struct copy_topic *topic)
{
	*(size_t *)ctx += !topic->kept;
	return OK;
}

/* Topics that were opened since are kept by nobody's wish: so that is said. */
static void others_tell(struct copy *c)
{
	size_t others = 0;
	struct trouble t;

	if (copy_each(c, not_kept, &others, &t) == OK && others > 0)
		print_sentence(0, "%zu other topic%s not kept; `convene sync TOPIC` keeps one.",
		    others, others == 1 ? " is" : "s are");
}

static void counts_print(const struct invocation *in, const struct copy_progress *p, uint64_t bytes)
{
	char size[16];

	if (in->json) {
		json_t *o = json_object();

		json_put(o, "topics", json_integer((json_int_t)p->topics));
		json_put(o, "posts", json_integer((json_int_t)p->posts));
		json_put(o, "amended", json_integer((json_int_t)p->amended));
		json_put(o, "erased", json_integer((json_int_t)p->erased));
		json_put(o, "bad", json_integer((json_int_t)p->bad));
		json_put(o, "gone", json_integer((json_int_t)p->gone));
		json_put(o, "bytes", json_integer((json_int_t)bytes));
		json_print(o);
		return;
	}
	printf("%llu topic%s: %llu new post%s", (unsigned long long)p->topics,
	    p->topics == 1 ? "" : "s", (unsigned long long)p->posts, p->posts == 1 ? "" : "s");
	if (p->amended > 0)
		printf(", %llu amended", (unsigned long long)p->amended);
	if (p->erased > 0)
		printf(", %llu erased", (unsigned long long)p->erased);
	printf("; %s received.\n", size_text(size, bytes));
	if (p->gone > 0)
		print_sentence(0,
		    "%llu of the topics kept here %s at the node no more; what is here stays.",
		    (unsigned long long)p->gone, p->gone == 1 ? "is" : "are");
	if (p->bad > 0)
		print_sentence(0,
		    "!! %llu message%s left out: what the node sent is not what was signed.",
		    (unsigned long long)p->bad, p->bad == 1 ? " was" : "s were");
}

/* Throw the copy away, and remember what was kept in it, if it can be read. */
static int begin_anew(struct session *s, struct buffer *before, struct trouble *t)
{
	if (session_copy(s, false, t) == OK) {
		int err = copy_each(s->copy, kept_ids, before, t);

		copy_close(s->copy);
		s->copy = NULL;
		if (err)
			return err;
	}
	return copy_remove(&s->home, t);
}

int cmd_sync(const struct invocation *in)
{
	struct buffer before = BUFFER_INIT;
	struct teller teller = {0};
	struct copy_progress p = {0};
	struct session s;
	struct trouble t;
	int code, err;

	if (option_given(in, "list") || option_given(in, "drop")) {
		if (in->count > 0)
			return complain_usage(in->program->name, in->command->name,
			    "--list and --drop take no further topics");
		return copy_command(in);
	}
	err = session_open(&s, in, true, &t);
	if (!err && option_given(in, "anew"))
		err = begin_anew(&s, &before, &t);
	if (!err)
		err = session_copy(&s, true, &t);
	if (!err)
		err = topics_keep(&s, &before, &t);
	if (!err)
		err = copy_sync(s.copy, s.client,
		    isatty(STDERR_FILENO) == 1 && !in->json ? progress_tell : NULL, &teller, &p,
		    &t);
	progress_end(&teller);
	if (err) {
		if (!t.hint[0] && exit_of(&t) == EXIT_UNREACHABLE)
			trouble_hint(
			    &t, "What has come is kept; the next sync goes on from there.");
		code = session_complain(in, &t);
	} else {
		counts_print(in, &p, client_received(s.client));
		if (in->count == 0 && !in->json)
			others_tell(s.copy);
		code = p.bad > 0 ? EXIT_UNVERIFIED : EXIT_DONE;
	}
	buffer_free(&before);
	session_close(&s);
	return code;
}
