/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's side of a connection, with a node that answers what it likes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "client/client.h"
#include "msg/frame.h"

#define CHUNK 65536
#define FLOOD (768 * 1024 * 1024) /* six times what a client holds */

static char path[64];

static bool send_all(int fd, struct bytes b)
{
	while (b.len > 0) {
		ssize_t n = send(fd, b.data, b.len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		b = bytes_of(b.data + n, b.len - (size_t)n);
	}
	return true;
}

static void chunk_add(struct buffer *out, uint32_t stream, size_t len)
{
	static uint8_t data[CHUNK], salt[SALT_LEN];
	Convene__ContentChunk chunk = CONVENE__CONTENT_CHUNK__INIT;

	chunk.total = len;
	chunk.salt = pb_of(bytes_of(salt, SALT_LEN));
	chunk.data = pb_of(bytes_of(data, len));
	if (frame_add(out, FRAME_CONTENT, stream, &chunk.base) != OK)
		_exit(1);
}

/* Wait for something to be asked. */
static void hear(int fd)
{
	uint8_t some[256];

	if (recv(fd, some, sizeof some, 0) <= 0)
		_exit(1);
}

/* Answer the first request, then that one again and again, and at last the second. */
static void serve(int listening)
{
	struct buffer out = BUFFER_INIT, last = BUFFER_INIT;
	int fd = accept(listening, NULL, NULL); /* it only looks whether somebody is there */

	close(fd);
	fd = accept(listening, NULL, NULL);
	hear(fd);
	chunk_add(&out, 1, 10);
	send_all(fd, buffer_bytes(&out));
	hear(fd);
	buffer_reset(&out);
	chunk_add(&out, 1, CHUNK);
	for (size_t sent = 0; sent < FLOOD; sent += CHUNK)
		if (!send_all(fd, buffer_bytes(&out)))
			_exit(0);
	chunk_add(&last, 2, 10);
	send_all(fd, buffer_bytes(&last));
	_exit(0);
}

static int listen_at(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(path, sizeof path, "/tmp/convene-client.%ld", (long)getpid());
	unlink(path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(fd, 2), 0);
	return fd;
}

static void test_answers_again_and_again(void **state)
{
	static const uint8_t id[ID_LEN] = {1};
	int listening = listen_at();
	struct buffer content = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	struct client *c;
	struct trouble t;
	pid_t node = fork();

	(void)state;
	if (node == 0)
		serve(listening);
	close(listening);
	assert_int_equal(client_open_local(&c, path, 20000, &t), OK);
	assert_int_equal(client_content(c, id, salt, &content, &t), OK);
	assert_int_equal(content.len, 10);
	assert_int_equal(client_content(c, id, salt, &content, &t), ERR_MALFORMED);
	assert_non_null(strstr(t.text, "goes on answering"));
	client_close(c);
	buffer_free(&content);
	kill(node, SIGKILL);
	waitpid(node, NULL, 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers_again_and_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
