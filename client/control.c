/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's end of the control socket (SPEC.md section 10.6): one command, one answer, on a
 * blocking socket. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "client/output.h"

int control_open(const char *path, int *out, struct trouble *t)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof sun.sun_path)
		return trouble_set(t, ERR_INVALID,
		    "the path of the control socket, %.200s, is too long for a socket", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0) {
		*out = fd;
		return OK;
	}
	trouble_errno(t, "no daemon answers at %.300s", path);
	if (errno == EACCES || errno == EPERM) {
		trouble_hint(t, "Run this as the user that convened runs as.");
	} else {
		t->err = ERR_CLOSED;
		trouble_hint(t, "Is convened running, with this data folder?");
	}
	if (fd >= 0)
		close(fd);
	return t->err;
}

static int send_all(int fd, struct bytes b)
{
	while (b.len > 0) {
		ssize_t n = send(fd, b.data, b.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_CLOSED;
		b.data += n;
		b.len -= (size_t)n;
	}
	return OK;
}

/* Read until a whole frame lies in `in`. */
static int frame_read(int fd, struct buffer *in, struct frame *frame)
{
	size_t need;
	int err;

	while ((err = frame_peek(buffer_bytes(in), false, frame, &need)) == ERR_TRUNCATED) {
		uint8_t *room = buffer_reserve(in, need - in->len);
		ssize_t n;

		if (!room)
			return ERR_NOMEM;
		n = recv(fd, room, need - in->len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_CLOSED;
		in->len += (size_t)n;
	}
	return err;
}

static int reply_take(const struct frame *frame, struct buffer *json, struct trouble *t)
{
	ProtobufCMessage *m = NULL;
	struct bytes said;
	uint32_t code;
	int err = ERR_MALFORMED;

	if (frame->type == FRAME_CONTROL_REPLY || frame->type == FRAME_ERROR)
		err = message_unpack(&m, frame_descriptor(frame->type), frame->payload);
	if (err)
		return trouble_set(t, ERR_MALFORMED,
		    "what answers on the control socket does not speak this protocol");
	if (frame->type == FRAME_ERROR) {
		code = ((const Convene__Error *)m)->code;
		said = bytes_of_pb(((const Convene__Error *)m)->text);
		code = code ? code : CONVENE__CODE__INTERNAL;
	} else {
		code = ((const Convene__ControlReply *)m)->code;
		said = bytes_of_pb(((const Convene__ControlReply *)m)->text);
		buffer_add(json, ((const Convene__ControlReply *)m)->json.data,
		    ((const Convene__ControlReply *)m)->json.len);
	}
	if (json->failed) {
		err = no_memory(t);
	} else if (code) {
		if (said.len == 0)
			said = bytes_str(refusal_text(code));
		err = trouble_set(t, refusal_error(code), "%.*s",
		    (int)(said.len < 500 ? said.len : 500), (const char *)said.data);
		t->code = code;
	}
	message_free(m);
	return err;
}

int control_call(const char *socket_path, int argc, const char *const *argv, struct bytes input,
    struct buffer *json, struct trouble *t)
{
	Convene__Control request = CONVENE__CONTROL__INIT;
	ProtobufCBinaryData *args = calloc((size_t)argc + 1, sizeof *args);
	struct buffer out = BUFFER_INIT, in = BUFFER_INIT;
	struct frame frame;
	int fd = -1, err;

	if (!args)
		return no_memory(t);
	for (int i = 0; i < argc; i++)
		args[i] = pb_of(bytes_str(argv[i]));
	request.n_args = (size_t)argc;
	request.args = args;
	request.input = pb_of(input);
	err = frame_add(&out, FRAME_CONTROL, 1, &request.base);
	if (err) {
		trouble_set(t, err, "this is more than the control socket takes (%u bytes)",
		    frame_limit(FRAME_CONTROL));
		goto done;
	}
	err = control_open(socket_path, &fd, t);
	if (err)
		goto done;
	err = send_all(fd, buffer_bytes(&out));
	if (!err)
		err = frame_read(fd, &in, &frame);
	if (err) {
		trouble_set(t, err, "the daemon closed the control socket without an answer");
		trouble_hint(t, "Its log says why.");
		goto done;
	}
	err = reply_take(&frame, json, t);
done:
	if (fd >= 0)
		close(fd);
	free(args);
	buffer_free(&out);
	buffer_free(&in);
	return err;
}
