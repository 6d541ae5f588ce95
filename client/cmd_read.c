/* SPDX-License-Identifier: BSD-2-Clause */
/* convene read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "client/cmd.h"
#include "client/compose.h"
#include "client/erasure.h"
#include "client/session.h"
#include "client/show.h"

#define INDENT_MAX 24 /* deeper answers are set no further in */

/* All items of an answer, in order. */
struct thread {
	struct shown *list;
	size_t count;
	const Convene__Items *last; /* frame; NULL: none */
};

static int thread_open(
    struct thread *th, const struct frames *frames, const struct session *s, struct trouble *t)
{
	size_t total = 0;

	for (size_t i = 0; i < frames->count; i++)
		total += ((const Convene__Items *)frames->list[i])->n_items;
	th->count = 0;
	th->last = NULL;
	th->list = calloc(total + 1, sizeof *th->list);
	if (!th->list)
		return no_memory(t);
	for (size_t i = 0; i < frames->count; i++) {
		const Convene__Items *m = (const Convene__Items *)frames->list[i];

		th->last = m;
		for (size_t j = 0; j < m->n_items; j++)
			shown_open(
			    &th->list[th->count++], m->items[j], s->home.node.forum, s->client);
	}
	return OK;
}

static void thread_close(struct thread *th)
{
	for (size_t i = 0; i < th->count; i++)
		shown_clear(&th->list[i]);
	free(th->list);
	*th = (struct thread){NULL, 0, NULL};
}

/* What was asked for: from the item with this id on, as long as it is answered; all if it isn't
 * among them (a missing root's id). */
static void subtree(const struct thread *th, const char *hex, bool all, size_t *first, size_t *end)
{
	char id[2 * ID_LEN + 1];
	size_t at = 0;

	*first = 0;
	*end = th->count;
	for (; at < th->count; at++) {
		hex_encode(id, th->list[at].id, ID_LEN);
		if (strncmp(id, hex, strlen(hex)) == 0)
			break;
	}
	if (all || at == th->count || th->list[at].item->depth == 0)
		return;
	*first = at;
	for (*end = at + 1;
	     *end < th->count && th->list[*end].item->depth > th->list[at].item->depth;)
		++*end;
}

/* ---- attachments into a folder ---- */

static int part_save(const struct content_part *p, const char *folder, struct trouble *t)
{
	struct buffer name = BUFFER_INIT;
	char path[PATH_LEN];
	int fd = -1, err = OK;

	attachment_name(&name, p->name);
	for (int n = 1; n < 1000 && fd < 0; n++) {
		struct buffer numbered = BUFFER_INIT;

		if (n > 1)
			buffer_printf(&numbered, "%d-", n);
		buffer_add(&numbered, name.data, name.len);
		err = path_join(path, folder, buffer_str(&numbered), t);
		buffer_free(&numbered);
		if (err)
			break;
		/* Never over a file that is there: the name is somebody else's choice. */
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	buffer_free(&name);
	if (err)
		return err;
	if (fd < 0)
		return trouble_errno(t, "the attachment can't be saved as %.300s", path);
	if (file_fill(fd, p->data) != OK)
		err = trouble_errno(t, "%.300s can't be written", path);
	if (close(fd) != 0 && !err)
		err = trouble_errno(t, "%.300s can't be written", path);
	if (!err)
		fprintf(stderr, "Saved %s\n", path);
	return err;
}

static int parts_save(
    const struct thread *th, size_t first, size_t end, const char *folder, struct trouble *t)
{
	int err = OK;

	if (mkdir(folder, 0777) != 0 && errno != EEXIST)
		return trouble_errno(t, "the folder %.300s can't be made", folder);
	for (size_t i = first; i < end; i++)
		for (size_t j = 0;
		     th->list[i].has_content && j < th->list[i].content.part_count && !err; j++)
			if (th->list[i].content.parts[j].omitted == 0)
				err = part_save(&th->list[i].content.parts[j], folder, t);
	return err;
}

/* ---- read ---- */

/* Most of a narrow terminal is for the text. */
static unsigned indent_max(void)
{
	unsigned quarter = (unsigned)output_columns() / 4;

	return output_terminal() && quarter < INDENT_MAX ? quarter : INDENT_MAX;
}

static void thread_print(const struct thread *th, size_t first, size_t end, uint64_t missing)
{
	const struct shown *root = &th->list[0];
	unsigned base = th->list[first].item->depth;
	struct bytes title = root->has_content ? root->content.subject : bytes_of(NULL, 0);
	unsigned deepest = indent_max();
	char id[9];

	if (title.len > 0)
		print_labelled(0, "Thread: ", title);
	else
		printf("(%s)\n", root->has_content ? "a thread without a title"
						   : "the thread's title is not here");
	printf("%zu message%s", end - first, end - first == 1 ? "" : "s");
	if (end - first < th->count)
		printf(" of %zu in thread %s", th->count,
		    id_short(
			id, root->item->thread.len == ID_LEN ? root->item->thread.data : root->id));
	if (missing > 0)
		printf(", %llu message%s not yet here", (unsigned long long)missing,
		    missing == 1 ? "" : "s");
	printf("\n");
	for (size_t i = first; i < end; i++) {
		unsigned depth = th->list[i].item->depth > base ? th->list[i].item->depth - base
								: 0;

		printf("\n");
		shown_print(
		    &th->list[i], depth * 2 < deepest ? (int)depth * 2 : (int)deepest, title, NULL);
	}
}

/* Who has confirmed that the post that was asked for is gone; the rest of the answer needs nothing
 * of that. */
static Convene__Erasure *confirmed(struct session *s, const struct thread *th, size_t first)
{
	Convene__Erasure *e = NULL;
	struct trouble t;

	if (first < th->count && th->list[first].erasure.good && s->client &&
	    erasure_ask(s, th->list[first].id, ID_LEN, &e, &t) != OK)
		return NULL;
	return e;
}

static void thread_json_print(
    const struct thread *th, size_t first, size_t end, uint64_t missing, const Convene__Erasure *e)
{
	json_t *o = json_object(), *list = json_array();

	for (size_t i = first; i < end; i++)
		json_array_append_new(list, shown_json(&th->list[i]));
	json_put(o, "missing", json_integer((json_int_t)missing));
	json_put(o, "items", list);
	if (e)
		json_put(o, "erasure", erasure_json(e));
	if (th->last && th->last->n_without > 0)
		json_put(o, "without", without_json(th->last->without, th->last->n_without));
	json_print(o);
}

static int read_show(const struct invocation *in, struct session *s, const struct thread *th,
    const char *hex, uint64_t missing)
{
	Convene__Erasure *e;
	const char *folder = option_value(in, "save");
	size_t first, end;
	struct trouble t;
	int code = EXIT_DONE;

	subtree(th, hex, option_given(in, "all"), &first, &end);
	e = confirmed(s, th, first);
	if (in->json)
		thread_json_print(th, first, end, missing, e);
	else if (th->count > 0)
		thread_print(th, first, end, missing);
	else
		printf("Nothing of this thread is here yet; %llu messages are missing.\n",
		    (unsigned long long)missing);
	if (e && !in->json) {
		printf("\n");
		erasure_print(e, 0);
	}
	if (th->last && !in->json && th->last->n_without > 0) {
		printf("\n");
		without_print(th->last->without, th->last->n_without);
	}
	message_free((ProtobufCMessage *)e);
	if (folder && parts_save(th, first, end, folder, &t) != OK)
		code = session_complain(in, &t);
	for (size_t i = first; i < end && !code; i++)
		code = shown_good(&th->list[i]) ? EXIT_DONE : EXIT_UNVERIFIED;
	return code;
}

int cmd_read(const struct invocation *in)
{
	struct frames frames = {NULL, 0};
	struct thread th = {NULL, 0, NULL};
	uint8_t id[ID_LEN];
	char hex[65];
	size_t len;
	struct session s;
	struct trouble t;
	uint64_t missing = 0;
	int code, err = id_parse(id, &len, hex, in->operands[0], "thread or post", &t);

	if (err)
		return session_complain(in, &t);
	err = session_open(&s, in, false, &t);
	if (!err)
		err = ask_thread(&s, id, len, &frames, &missing, &t);
	if (err && exit_of(&t) == EXIT_NOT_FOUND && !t.hint[0])
		trouble_hint(&t, "`convene threads TOPIC` lists the threads of a topic.");
	if (!err)
		err = thread_open(&th, &frames, &s, &t);
	code = err ? session_complain(in, &t) : read_show(in, &s, &th, hex, missing);
	thread_close(&th);
	frames_free(&frames);
	session_close(&s);
	return code;
}
