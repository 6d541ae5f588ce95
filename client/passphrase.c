/* SPDX-License-Identifier: BSD-2-Clause */
/* The device's key and its passphrase. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "client/home.h"
#include "client/output.h"
#include "crypto/keyfile.h"

#define PASSPHRASE_MAX 1024
#define KEY_NAME "device.key"

/* One line from the terminal, not shown. ERR_PASSPHRASE when there is no terminal. */
static int terminal_ask(const char *question, char out[static PASSPHRASE_MAX])
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios before, quiet;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return ERR_PASSPHRASE;
	if (tcgetattr(fd, &before) != 0) {
		close(fd);
		return ERR_PASSPHRASE;
	}
	quiet = before;
	/* ISIG off as well: an interrupt would leave the terminal mute. Ctrl-C ends the line
	 * instead, and is refused below. */
	quiet.c_lflag &= (tcflag_t) ~(ECHO | ISIG);
	tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "%s", question);
	while (len + 1 < PASSPHRASE_MAX) {
		n = read(fd, out + len, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || out[len] == '\n' || out[len] == '\3')
			break;
		len++;
	}
	if (len > 0 && out[len] == '\3')
		len = 0;
	out[len] = '\0';
	dprintf(fd, "\n");
	tcsetattr(fd, TCSAFLUSH, &before);
	close(fd);
	return len ? OK : ERR_PASSPHRASE;
}

/* ERR_NOTFOUND: no such file is named. */
static int file_ask(char out[static PASSPHRASE_MAX], struct trouble *t)
{
	const char *path = getenv("CONVENE_PASSPHRASE_FILE");
	FILE *f;
	int err = OK;

	if (!path || !*path)
		return ERR_NOTFOUND;
	f = fopen(path, "re");
	if (!f) {
		err = trouble_errno(t, "the passphrase file %.300s can't be read", path);
		return err;
	}
	setvbuf(f, NULL, _IONBF, 0);
	if (!fgets(out, PASSPHRASE_MAX, f))
		out[0] = '\0';
	fclose(f);
	out[strcspn(out, "\r\n")] = '\0';
	if (!out[0])
		err = trouble_set(t, ERR_PASSPHRASE,
		    "the first line of the passphrase file %.300s is empty", path);
	return err;
}

int home_key(const struct home *h, struct key *key, struct trouble *t)
{
	char path[PATH_LEN], passphrase[PASSPHRASE_MAX] = "";
	int err = path_join(path, h->path, KEY_NAME, t), asked;

	if (err)
		return err;
	err = keyfile_load(path, "device", key, NULL);
	if (err == ERR_PASSPHRASE) {
		asked = file_ask(passphrase, t);
		if (asked == ERR_NOTFOUND) {
			asked = terminal_ask("Passphrase of your key: ", passphrase);
			if (asked)
				trouble_set(t, asked,
				    "your key needs its passphrase, and there is no terminal to "
				    "ask at, or nothing was typed");
			if (asked)
				trouble_hint(t, "Name a file with it in CONVENE_PASSPHRASE_FILE.");
		}
		if (asked)
			return asked;
		err = keyfile_load(path, "device", key, passphrase);
		secret_wipe(passphrase, sizeof passphrase);
	}
	if (err == OK)
		return OK;
	if (err == ERR_PASSPHRASE)
		return trouble_set(t, err, "this is not the passphrase of %.300s", path);
	if (err == ERR_IO)
		return trouble_errno(t, "your key %.300s can't be read", path);
	trouble_set(t, ERR_IO, "your key %.300s can't be read: %s", path, error_text(err));
	if (err == ERR_REFUSED)
		trouble_hint(t, "Others may read it. Close it: chmod 600 %.200s", path);
	else if (err == ERR_NOTFOUND)
		trouble_hint(t,
		    "Put your copy of it there. Without one, ask the organisation for another "
		    "invite, and join anew from another folder (CONVENE_HOME).");
	return ERR_IO;
}

int home_key_make(const struct home *h, bool passphrase, struct key *key, struct trouble *t)
{
	char path[PATH_LEN], first[PASSPHRASE_MAX] = "", again[PASSPHRASE_MAX] = "";
	int err = path_join(path, h->path, KEY_NAME, t);

	if (!err)
		err = folder_make(h->path, t);
	if (!err && passphrase) {
		err = file_ask(first, t);
		if (err == ERR_NOTFOUND) {
			err = terminal_ask("A passphrase for your key: ", first);
			if (!err)
				err = terminal_ask("Once more: ", again);
			if (!err && strcmp(first, again) != 0)
				err = trouble_set(t, ERR_PASSPHRASE, "the two passphrases differ");
			else if (err)
				trouble_set(t, err, "no passphrase was given");
		}
	}
	if (!err) {
		key_generate(key);
		err = keyfile_save(path, "device", key, passphrase ? first : NULL);
		if (err == ERR_IO)
			trouble_errno(t, "your key %.300s can't be written", path);
		else if (err)
			trouble_set(
			    t, err, "your key %.300s can't be written: %s", path, error_text(err));
		if (err)
			key_wipe(key);
	}
	secret_wipe(first, sizeof first);
	secret_wipe(again, sizeof again);
	return err;
}
