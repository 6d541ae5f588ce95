/* SPDX-License-Identifier: BSD-2-Clause */
/* What is answered is here already, so nobody is asked before the editor opens: over a thin link
 * that would take seconds. */
#include "client/screen/write.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/language.h"
#include "client/posting.h"
#include "client/screen/screen_inside.h"

/* ---- what is printed on the way ---- */

struct catching {
	int out, error, file;
};

static void catch_begin(struct catching *c)
{
	fflush(stdout);
	c->file = memfd_create("said", MFD_CLOEXEC);
	c->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	c->error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (c->file >= 0 && c->out >= 0 && c->error >= 0) {
		dup2(c->file, STDOUT_FILENO);
		dup2(c->file, STDERR_FILENO);
	}
}

static void catch_end(struct catching *c, struct buffer *said)
{
	uint8_t *room = buffer_reserve(said, 4096);
	ssize_t n;

	fflush(stdout);
	if (c->out >= 0) {
		dup2(c->out, STDOUT_FILENO);
		close(c->out);
	}
	if (c->error >= 0) {
		dup2(c->error, STDERR_FILENO);
		close(c->error);
	}
	if (c->file < 0)
		return;
	n = room ? pread(c->file, room, 4096, 0) : -1;
	said->len += n > 0 ? (size_t)n : 0;
	close(c->file);
}

/* ---- the same for both ---- */

static int begin(
    struct posting *p, const struct invocation *in, bool offline, enum act act, struct trouble *t)
{
	int err;

	memset(p, 0, sizeof *p);
	p->in = in;
	p->s.in = in;
	p->s.offline = offline;
	err = home_open(&p->s.home, t);
	writing_init(&p->w, act, p->s.home.path);
	p->draft.kind = KIND_POST;
	return err ? err : posting_enrolled(p, t);
}

/* Where it is now tells what became of it. */
static enum written become(const struct posting *p)
{
	static const struct {
		enum outbox_box box;
		enum written is;
	} ends[] = {{BOX_WAITING, WRITTEN_WAITS}, {BOX_REFUSED, WRITTEN_REFUSED}};
	struct outbox o;
	struct trouble t;

	if (outbox_open(&o, p->s.home.path, &t) != OK)
		return WRITTEN_WAITS;
	for (size_t i = 0; i < 2; i++) {
		Convene__Submit *submit;

		if (outbox_get(&o, ends[i].box, p->w.sequence, &submit, &t) == OK) {
			message_free(&submit->base);
			return ends[i].is;
		}
	}
	return WRITTEN_SEALED;
}

static void trouble_add(struct buffer *said, const struct trouble *t)
{
	buffer_printf(said, "%s.%s%s\n", t->text, t->hint[0] ? "\n" : "", t->hint);
}

static enum written go_on(
    struct posting *p, const char *subject, struct buffer *said, int err, struct trouble *t)
{
	struct catching c;
	bool same;
	int code;
	enum written is = WRITTEN_FAILED;

	if (!err)
		err = posting_options(p, subject, t);
	if (!err)
		err = posting_placed(p, t);
	if (!err)
		err = posting_write(p, t);
	if (err == ERR_TEXT && p->w.number == 0) {
		posting_free(p);
		return WRITTEN_NOTHING;
	}
	if (!err) {
		printf("%s\n", _("Sending …"));
		catch_begin(&c);
		err = posting_send(p, &code, &same, t);
		catch_end(&c, said);
		is = err ? WRITTEN_FAILED : become(p);
	}
	if (err) {
		posting_rescue(p, t);
		trouble_add(said, t);
	}
	posting_free(p);
	return is;
}

enum written write_reply(const struct invocation *in, const struct screen *s, struct buffer *said)
{
	const struct post *to = screen_post(s);
	const struct posts *among = screen_posts(s);
	struct posting p;
	struct trouble t;
	struct ref topic;
	int err;

	if (!to)
		return WRITTEN_NOTHING;
	err = begin(&p, in, s->offline, ACT_REPLY, &t);
	/* A thread stands in its root's topic (SPEC.md 13.2). */
	topic = to->shown.header.topic;
	if (among == &s->posts && among->count > 0 && among->list[0]->depth == 0 &&
	    !among->list[0]->item->parent_missing && among->list[0]->shown.signature)
		topic = among->list[0]->shown.header.topic;
	place_take(&p.s, to->item, &to->shown, &topic, &p.at);
	if (!err && !to->shown.signature)
		err = trouble_set(&t, ERR_SIGNATURE, "its signature is not good");
	return go_on(&p, NULL, said, err, &t);
}

enum written write_thread(const struct invocation *in, const struct screen *s, struct buffer *said)
{
	const struct topic_row *topic = topic_find(s, s->topic);
	struct buffer subject = BUFFER_INIT;
	struct posting p;
	struct trouble t;
	enum written is;
	int err = begin(&p, in, s->offline, ACT_POST, &t);

	if (!err && (!topic || !topic->at.present))
		err = trouble_set(&t, ERR_NOTFOUND, "the topic is not here");
	if (!err) {
		p.at.kind = KIND_TOPIC;
		p.at.at = topic->at;
		p.at.has_content = topic->title.len > 0;
		buffer_add(&p.at.memory, topic->title.data, topic->title.len);
		p.at.content.subject = buffer_bytes(&p.at.memory);
	}
	buffer_add(&subject, s->typed.data, s->typed.len);
	is = go_on(&p, buffer_str(&subject), said, err, &t);
	buffer_free(&subject);
	return is;
}
