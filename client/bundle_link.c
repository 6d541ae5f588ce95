/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/bundle_link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/output.h"

#define READ_MAX (64 * 1024)
#define FULL_AT (128 * 1024) /* bytes queued below which the offer goes on */

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

struct bundle_link {
	int fd;
	FILE *file;
	struct bundle_offer *offer;
	struct buffer in, out;
	struct trouble *t; /* of the turn under way */
};

static int link_read(void *ctx, uint64_t offset, size_t len, struct buffer *out)
{
	struct bundle_link *l = ctx;
	uint8_t *room = buffer_reserve(out, len);

	if (!room)
		return no_memory(l->t);
	if (fseeko(l->file, (off_t)offset, SEEK_SET) != 0)
		return trouble_errno(l->t, "the bundle can't be read");
	if (fread(room, 1, len, l->file) != len) {
		if (ferror(l->file))
			return trouble_errno(l->t, "the bundle can't be read");
		return trouble_set(l->t, ERR_STALE, "the bundle became shorter while it was read");
	}
	out->len += len;
	return OK;
}

static int link_send(void *ctx, uint8_t type, uint32_t stream, struct bytes payload)
{
	struct bundle_link *l = ctx;
	int err = frame_add_raw(&l->out, type, stream, payload);

	return err ? trouble_set(
			 l->t, err, "a frame of the bundle can't be sent: %s", error_text(err))
		   : OK;
}

static size_t link_backlog(void *ctx)
{
	return ((struct bundle_link *)ctx)->out.len;
}

int bundle_link_open(struct bundle_link **out, const char *socket_path, struct bundle_index *index,
    FILE *file, struct trouble *t)
{
	struct bundle_link *l = calloc(1, sizeof *l);
	int err;

	*out = NULL;
	if (!l)
		return no_memory(t);
	l->fd = -1;
	l->file = file;
	l->t = t;
	l->offer = bundle_offer_new(
	    index, &(struct bundle_offer_io){l, link_read, link_send, link_backlog});
	err = l->offer ? control_open(socket_path, &l->fd, t) : no_memory(t);
	if (!err)
		err = bundle_offer_hello(l->offer, "convenectl " PACKAGE_VERSION);
	if (err)
		bundle_link_close(l);
	else
		*out = l;
	return err;
}

void bundle_link_close(struct bundle_link *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	bundle_offer_free(l->offer);
	buffer_free(&l->in);
	buffer_free(&l->out);
	free(l);
}

struct bundle_offer *bundle_link_offer(struct bundle_link *l)
{
	return l->offer;
}

static int gone(struct trouble *t)
{
	trouble_set(t, ERR_CLOSED, "the daemon has closed the connection");
	trouble_hint(t, "Its log says why. Then run the same command again: it goes on.");
	return ERR_CLOSED;
}

static int refused(const struct frame *f, struct trouble *t)
{
	ProtobufCMessage *m;
	const Convene__Error *e;
	struct bytes said;

	if (message_unpack(&m, frame_descriptor(FRAME_ERROR), f->payload) != OK)
		return gone(t);
	e = (const Convene__Error *)m;
	said = e->text.len > 0 ? bytes_of_pb(e->text) : bytes_str(refusal_text(e->code));
	trouble_set(t, refusal_error(e->code), "the node takes no more of the bundle: %.*s",
	    (int)(said.len < 400 ? said.len : 400), (const char *)said.data);
	t->err = t->err ? t->err : ERR_REFUSED;
	t->code = e->code ? e->code : CONVENE__CODE__INTERNAL;
	message_free(m);
	return t->err;
}

static int frames_take(struct bundle_link *l)
{
	struct frame f;
	size_t at = 0, need;
	int err;

	while (
	    (err = frame_peek(bytes_of(l->in.data + at, l->in.len - at), false, &f, &need)) == OK) {
		at += need;
		if (f.type == FRAME_ERROR)
			return refused(&f, l->t);
		l->t->err = OK;
		err = bundle_offer_receive(l->offer, &f);
		if (err && !l->t->err)
			trouble_set(
			    l->t, err, "the daemon's %s can't be taken", frame_name(f.type));
		if (err)
			return err;
	}
	buffer_drain(&l->in, at);
	return err == ERR_TRUNCATED
		   ? OK
		   : trouble_set(l->t, err, "the daemon does not speak this protocol");
}

static int receive(struct bundle_link *l)
{
	uint8_t *room = buffer_reserve(&l->in, READ_MAX);
	ssize_t n;

	if (!room)
		return no_memory(l->t);
	n = recv(l->fd, room, READ_MAX, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return OK;
	if (n <= 0)
		return gone(l->t);
	l->in.len += (size_t)n;
	return frames_take(l);
}

static int transmit(struct bundle_link *l)
{
	ssize_t n = send(l->fd, l->out.data, l->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return OK;
	if (n < 0) {
		/* Why it ended may still be there to read. */
		int err = receive(l);

		return err ? err : gone(l->t);
	}
	buffer_drain(&l->out, (size_t)n);
	l->t->err = OK;
	return l->out.len < FULL_AT ? bundle_offer_writable(l->offer) : OK;
}

int bundle_link_turn(struct bundle_link *l, unsigned idle_ms, unsigned most_ms, struct trouble *t)
{
	uint64_t begin = clock_mono_ms();
	int err = OK;

	l->t = t;
	while (!err && clock_mono_ms() - begin < most_ms) {
		struct pollfd p = {l->fd, POLLIN, 0};
		int n;

		if (l->out.len > 0)
			p.events |= POLLOUT;
		n = poll(&p, 1, (int)idle_ms);
		if (n < 0 && errno != EINTR)
			return trouble_errno(t, "waiting for the daemon failed");
		if (n == 0)
			break;
		if (n > 0 && (p.revents & POLLOUT))
			err = transmit(l);
		if (!err && n > 0 && (p.revents & (POLLIN | POLLHUP | POLLERR)))
			err = receive(l);
	}
	return err;
}
