/* SPDX-License-Identifier: BSD-2-Clause */
/* The inbox beside a log that has grown by what peers gave back. Of what was accepted here, some
 * stands in the log already, since it was sealed in an earlier life or is sent again by somebody
 * who had no answer: it leaves the inbox, and its content goes to its entry. The rest follows the
 * log, in its order. What can't any more, because its signer has since signed that sequence
 * otherwise, or was revoked, would stand in the log without effect for ever: it is put into the
 * folder `left-out`, and whoever sends it again is told.
 *
 * Crash points: the files are durable before the transaction that drops the rows; a crash before
 * that leaves the rows, and all is decided again. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "daemon/relay/state.h"

enum fate { FATE_WAITS, FATE_SEALED, FATE_LEFT };

struct decided {
	uint64_t no, index;
	enum fate fate;
};

struct merge {
	struct intake_job before; /* what was accepted by then is durable */
	struct store_job job;
	char folder[4096];
	uint32_t log;
	struct binding binding;
	struct roster *roster; /* of the log as it stands, */
	struct roster *ahead;  /* and with what follows it */
	struct store *writer;
	struct forum *forum;
	struct decided *list, *current;
	size_t count, cap, sealed, left;
	void (*done)(struct relay *r, int err, uint64_t size);
};

#define merge_of_store(j) ((struct merge *)((char *)(j)-offsetof(struct merge, job)))

static void merge_free(struct merge *m)
{
	roster_free(m->roster);
	roster_free(m->ahead);
	free(m->list);
	free(m);
}

/* ---- deciding ---- */

static int fate_of(struct merge *m, const struct store_inbox *row, struct decided *d)
{
	struct roster_entry e = {.index = roster_next(m->ahead), .message = row->message};
	struct verdict v;
	struct header h;
	uint32_t log;
	int err = query_message(m->writer, row->id, &log, &d->index);

	if (!err && log == m->log) {
		d->fate = FATE_SEALED;
		return OK;
	}
	if (err && err != ERR_NOTFOUND)
		return err;
	memcpy(e.id, row->id, ID_LEN);
	e.parsed = message_parse(row->message, &h);
	e.header = &h;
	e.signature = e.parsed == OK ? message_verify(row->message, &m->binding, h.signer)
				     : ERR_SIGNATURE;
	roster_check(m->ahead, &e, &v);
	d->fate = v.valid && v.effect ? FATE_WAITS : FATE_LEFT;
	return d->fate == FATE_WAITS ? roster_judge(m->ahead, &e, &v) : OK;
}

static int row_decide(void *ctx, const struct store_inbox *row)
{
	struct merge *m = ctx;

	if (m->count == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		void *grown = realloc(m->list, cap * sizeof *m->list);

		if (!grown)
			return ERR_NOMEM;
		m->list = grown;
		m->cap = cap;
	}
	m->list[m->count] = (struct decided){.no = row->no};
	return fate_of(m, row, &m->list[m->count++]);
}

/* ---- doing ---- */

static int content_give(struct merge *m, const struct store_inbox *row, uint64_t index)
{
	const struct store_backend *ops = m->writer->ops;
	int err;

	if (row->content.len == 0)
		return OK;
	err = ops->content_put(m->writer, m->log, index, row->id, row->salt, row->content);
	if (err == ERR_EXISTS)
		return OK;
	if (err == ERR_REFUSED) /* erased in the meantime */
		return ops->content_drop(m->writer, m->log, index, row->id, false);
	return err ? err
		   : forum_content(m->forum, m->log, index, row->message, row->id, row->content);
}

/* As a Submission, which can be looked at, and sent. */
static int put_aside(struct merge *m, const struct store_inbox *row)
{
	Convene__Submission s = CONVENE__SUBMISSION__INIT;
	struct buffer bytes = BUFFER_INIT;
	char path[4096 + 100], id[2 * ID_LEN + 1];
	uint8_t *room;
	int fd, err = OK;

	s.message = pb_of(row->message);
	s.salt = pb_of(bytes_of(row->salt, SALT_LEN));
	s.content = pb_of(row->content);
	room = buffer_reserve(&bytes, convene__submission__get_packed_size(&s));
	if (!room)
		return ERR_NOMEM;
	bytes.len = convene__submission__pack(&s, room);
	hex_encode(id, row->id, ID_LEN);
	snprintf(path, sizeof path, "%s/left-out", m->folder);
	if (mkdir(path, 0700) == 0)
		err = folder_sync(m->folder);
	snprintf(path, sizeof path, "%s/left-out/%s", m->folder, id);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || file_fill(fd, buffer_bytes(&bytes)) != OK || fsync(fd) != 0)
		err = ERR_IO;
	if (fd >= 0)
		close(fd);
	snprintf(path, sizeof path, "%s/left-out", m->folder);
	if (!err)
		err = folder_sync(path);
	if (!err)
		log_warning("the message %s was accepted, and can't follow what peers gave back of "
			    "our log: it is kept in %s",
		    id, path);
	buffer_free(&bytes);
	return err;
}

static int row_do(void *ctx, const struct store_inbox *row)
{
	struct merge *m = ctx;
	const struct decided *d = m->current;

	return d->fate == FATE_SEALED ? content_give(m, row, d->index) : put_aside(m, row);
}

static int merge_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct merge *m = merge_of_store(job);
	const struct roster *folded = forum_roster(forum, m->log);
	int err;

	m->writer = writer;
	m->forum = forum;
	if (!folded)
		return ERR_NOTFOUND;
	m->roster = roster_copy(folded);
	m->ahead = roster_copy(folded);
	err = m->roster && m->ahead ? OK : ERR_NOMEM;
	if (!err)
		err = store_intake_move(writer);
	if (!err)
		err = writer->ops->inbox_each(writer, 0, SIZE_MAX, row_decide, m);
	for (size_t i = 0; i < m->count && !err; i++) {
		const struct decided *d = m->current = &m->list[i];

		if (d->fate == FATE_WAITS)
			continue;
		err = writer->ops->inbox_each(writer, d->no - 1, 1, row_do, m);
		if (!err)
			err = writer->ops->inbox_remove(writer, d->no);
		m->sealed += d->fate == FATE_SEALED;
		m->left += d->fate == FATE_LEFT;
	}
	return forum_spoilt(job, err);
}

static void merge_done(struct store_job *job)
{
	struct merge *m = merge_of_store(job);
	struct relay *r = job->relay;
	uint64_t size = 0;
	int err = job->result;

	if (!err) {
		size = roster_next(m->roster);
		r->left_out += m->left;
		if (m->sealed + m->left > 0)
			log_info("of what was accepted, %zu stood in our log already, and %zu "
				 "can't follow it",
			    m->sealed, m->left);
		logs_own_credential(r);
		/* Of a text that peers had erased, what waited here may be in the journal. */
		atomic_store(&r->writer.erased, true);
		err = inbox_reload(r, m->roster);
		m->roster = NULL;
	}
	m->done(r, err, size);
	merge_free(m);
}

static void merge_behind(struct intake_job *job)
{
	storage_submit(job->relay, &((struct merge *)job)->job);
}

void merge_start(struct relay *r, void (*done)(struct relay *r, int err, uint64_t size))
{
	struct merge *m = calloc(1, sizeof *m);

	if (!m) {
		done(r, ERR_NOMEM, 0);
		return;
	}
	snprintf(m->folder, sizeof m->folder, "%s", r->conf->node.data);
	m->log = r->own->no;
	m->binding = r->node->binding;
	m->done = done;
	m->job.run = merge_run;
	m->job.done = merge_done;
	m->before.done = merge_behind;
	ingest_flush(r);
	intake_submit(r, &m->before);
}
