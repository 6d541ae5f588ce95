/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/compose.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "client/output.h"

size_t utf8_len(const uint8_t *p, size_t left)
{
	uint8_t c = p[0], low = 0x80, high = 0xbf;
	size_t len = c < 0x80                 ? 1
		     : c >= 0xc2 && c <= 0xdf ? 2
		     : c >= 0xe0 && c <= 0xef ? 3
		     : c >= 0xf0 && c <= 0xf4 ? 4
					      : 0;

	if (len == 0 || len > left)
		return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF, all show in the second byte.
	 */
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (len > 1 && (p[1] < low || p[1] > high))
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

size_t utf8_broken(struct bytes text)
{
	size_t at = 0;

	while (at < text.len) {
		size_t len = utf8_len(text.data + at, text.len - at);

		if (len == 0)
			break;
		at += len;
	}
	return at;
}

int typed_add(struct buffer *out, struct bytes in, const char *what, bool raw, struct trouble *t)
{
	size_t at = utf8_broken(in);
	const uint8_t *nul = in.len ? memchr(in.data, '\0', in.len) : NULL;
	int err = OK;

	if (at < in.len) {
		trouble_set(t, ERR_TEXT,
		    "%s is not UTF-8: byte %zu (hexadecimal %02x) belongs to no character", what,
		    at, in.data[at]);
		trouble_hint(t, "Save it as UTF-8; iconv(1) can convert it.");
		return ERR_TEXT;
	}
	if (nul)
		return trouble_set(
		    t, ERR_TEXT, "%s holds a NUL, at byte %zu", what, (size_t)(nul - in.data));
	if (raw)
		buffer_add(out, in.data, in.len);
	else
		err = text_nfc(out, in);
	if (!err && out->failed)
		err = ERR_NOMEM;
	return err ? trouble_set(t, err, "%s can't be taken: %s", what, error_text(err)) : OK;
}

/* ---- where the text comes from ---- */

bool text_blank(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] == '\0' || !strchr(" \t\r\n", b.data[i]))
			return false;
	return true;
}

static int stdin_read(struct buffer *out, struct trouble *t)
{
	for (;;) {
		uint8_t *room = buffer_reserve(out, 65536);
		ssize_t n = room ? read(STDIN_FILENO, room, 65536) : -1;

		if (!room)
			return no_memory(t);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return trouble_errno(t, "standard input can't be read");
		if (n == 0)
			return OK;
		out->len += (size_t)n;
		if (out->len > COMPOSE_MAX)
			return trouble_set(t, ERR_TOO_LARGE,
			    "standard input holds more than %d MiB", COMPOSE_MAX >> 20);
	}
}

bool compose_by_editor(const char *file)
{
	return !file && isatty(STDIN_FILENO) == 1;
}

int compose_take(struct buffer *out, const char *file, struct trouble *t)
{
	int err;

	if (!file || strcmp(file, "-") == 0)
		return stdin_read(out, t);
	err = file_read(file, COMPOSE_MAX, out, t);
	return err == ERR_NOTFOUND ? (t->err = ERR_IO) : err;
}

int compose_edit(const char *path, struct trouble *t)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction interrupt, quit;
	const char *editor = getenv("VISUAL");
	int status, saved;
	pid_t pid, done;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = "vi";
	fflush(stdout);
	/* Keys that interrupt are the editor's as long as it has the terminal. */
	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	pid = fork();
	if (pid == 0) {
		sigaction(SIGINT, &interrupt, NULL);
		sigaction(SIGQUIT, &quit, NULL);
		/* By the shell, since people write "emacs -nw" and more into $EDITOR; the path is
		 * passed as a word of its own. */
		execl(
		    "/bin/sh", "sh", "-c", "eval \"$0 \\\"\\$1\\\"\"", editor, path, (char *)NULL);
		_exit(127);
	}
	saved = errno;
	do {
		done = pid < 0 ? pid : waitpid(pid, &status, 0);
	} while (pid > 0 && done < 0 && errno == EINTR);
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	if (pid < 0)
		errno = saved;
	if (done < 0)
		return trouble_errno(t, "the editor %.100s can't be run", editor);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		trouble_set(t, ERR_IO, "the editor %.100s ended with trouble", editor);
		trouble_hint(t, "Set $VISUAL or $EDITOR to one that you like, or give the text "
				"with --file.");
		return ERR_IO;
	}
	return OK;
}
