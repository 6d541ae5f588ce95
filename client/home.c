/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/output.h"

#define NODE_MAX 4096

static const char *const states[] = {
    [HOME_JOINING] = "joining", [HOME_REQUESTED] = "requested", [HOME_ENROLLED] = "enrolled"};

int home_find(struct home *h, struct trouble *t)
{
	const char *own = getenv("CONVENE_HOME"), *config = getenv("XDG_CONFIG_HOME"),
		   *user = getenv("HOME");
	int n;

	memset(h, 0, sizeof *h);
	h->lock = -1;
	if (own && *own)
		n = snprintf(h->path, sizeof h->path, "%s", own);
	else if (config && *config == '/')
		n = snprintf(h->path, sizeof h->path, "%s/convene", config);
	else if (user && *user)
		n = snprintf(h->path, sizeof h->path, "%s/.config/convene", user);
	else
		n = -1;
	if (n > 0 && (size_t)n < sizeof h->path)
		return OK;
	trouble_set(t, ERR_IO, "there is no telling where your folder is");
	trouble_hint(t, "Set CONVENE_HOME to the folder that holds, or shall hold, your key.");
	return ERR_IO;
}

/* ---- the file `node` ---- */

void home_format(struct buffer *out, const struct home *h)
{
	char forum[2 * HASH_LEN + 1], identity[2 * IDENTITY_LEN + 1],
	    root_text[VERIFIER_TEXT_MAX + 1] = "";
	struct verifier root;

	if (verifier_make(
		&root, bytes_str(h->node.organisation), VERIFIER_ED25519, h->node.root_key) == OK)
		verifier_format(root_text, &root);
	hex_encode(forum, h->node.forum, HASH_LEN);
	hex_encode(identity, h->identity, IDENTITY_LEN);
	buffer_printf(out,
	    "convene node v1\naddress: %s\nroot: %s\nforum: %s\nlog: %s\nserial: %llu\nidentity: "
	    "%s\nhandle: %s\nstate: %s\n",
	    h->node.address, root_text, forum, h->log_name, (unsigned long long)h->node.serial,
	    identity, h->handle, states[h->state]);
}

static int text_take(char *out, size_t room, struct bytes value)
{
	if (value.len >= room || !text_is_utf8(value) || memchr(value.data, '\0', value.len))
		return ERR_MALFORMED;
	memcpy(out, value.data, value.len);
	out[value.len] = '\0';
	return OK;
}

static int field_take(struct home *h, const char *name, struct bytes value)
{
	const char *text = (const char *)value.data;
	struct bytes organisation;
	struct verifier root;
	uint8_t digest[DIGEST_LEN];
	uint64_t number;

	if (strcmp(name, "address") == 0)
		return value.len == 0 ? ERR_MALFORMED
				      : text_take(h->node.address, sizeof h->node.address, value);
	if (strcmp(name, "root") == 0) {
		if (verifier_parse(&root, value) != OK || root.type != VERIFIER_ED25519 ||
		    !org_name_valid(bytes_str(root.name)))
			return ERR_MALFORMED;
		memcpy(h->node.organisation, root.name, strlen(root.name) + 1);
		memcpy(h->node.root_key, root.public, KEY_LEN);
		return OK;
	}
	if (strcmp(name, "forum") == 0)
		return hex_decode(h->node.forum, HASH_LEN, text, value.len);
	if (strcmp(name, "log") == 0)
		return log_name_parse(value, &organisation, digest, &number) == OK
			   ? text_take(h->log_name, sizeof h->log_name, value)
			   : ERR_MALFORMED;
	if (strcmp(name, "serial") == 0)
		return decimal_parse(&h->node.serial, text, value.len, UINT64_MAX);
	if (strcmp(name, "identity") == 0)
		return hex_decode(h->identity, IDENTITY_LEN, text, value.len);
	if (strcmp(name, "handle") == 0)
		return text_take(h->handle, sizeof h->handle, value);
	if (strcmp(name, "state") == 0) {
		for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
			if (bytes_equal(value, bytes_str(states[i]))) {
				h->state = (enum home_state)i;
				return OK;
			}
		return ERR_MALFORMED;
	}
	return OK; /* a later version's */
}

int home_parse(struct home *h, struct bytes text, unsigned *line)
{
	static const char *const needed[] = {
	    "address", "root", "forum", "log", "identity", "state"};
	unsigned seen = 0;

	for (*line = 1; text.len > 0; (*line)++) {
		const uint8_t *nl = memchr(text.data, '\n', text.len);
		size_t len = nl ? (size_t)(nl - text.data) : text.len;
		const uint8_t *colon = memchr(text.data, ':', len);
		char name[16];

		if (!nl)
			return ERR_MALFORMED;
		if (*line == 1) {
			if (!bytes_equal(bytes_of(text.data, len), bytes_str("convene node v1")))
				return ERR_VERSION;
		} else if (!colon || (size_t)(colon - text.data) >= sizeof name ||
			   (size_t)(colon - text.data) + 2 > len || colon[1] != ' ') {
			return ERR_MALFORMED;
		} else {
			size_t name_len = (size_t)(colon - text.data);

			memcpy(name, text.data, name_len);
			name[name_len] = '\0';
			if (field_take(h, name, bytes_of(colon + 2, len - name_len - 2)) != OK)
				return ERR_MALFORMED;
			for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
				if (strcmp(name, needed[i]) == 0)
					seen |= 1u << i;
		}
		text = bytes_of(nl + 1, text.len - len - 1);
	}
	return seen == (1u << (sizeof needed / sizeof needed[0])) - 1 ? OK : ERR_MALFORMED;
}

int home_open(struct home *h, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	char path[PATH_LEN];
	unsigned line = 0;
	int err = home_find(h, t);

	if (!err)
		err = path_join(path, h->path, "node", t);
	if (!err)
		err = file_read(path, NODE_MAX, &text, t);
	if (err == ERR_NOTFOUND) {
		trouble_set(t, ERR_IO, "nobody has joined a forum from here (%.300s)", h->path);
		trouble_hint(t,
		    "Ask an organisation of the forum for an invite, then: `convene join INVITE`.");
		err = ERR_IO;
	}
	if (!err && (err = home_parse(h, buffer_bytes(&text), &line)) != OK)
		err = trouble_set(t, ERR_IO, "%.300s, line %u: this can't be read", path, line);
	buffer_free(&text);
	return err;
}

int home_save(const struct home *h, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	int err = folder_make(h->path, t);

	home_format(&text, h);
	if (!err && text.failed)
		err = no_memory(t);
	if (!err)
		err = file_write(h->path, "node", buffer_bytes(&text), t);
	buffer_free(&text);
	return err;
}

void home_handle_set(struct home *h, struct bytes handle)
{
	if (handle.len == 0 || !text_is_utf8(handle))
		return;
	for (size_t i = 0; i < handle.len; i++)
		if (handle.data[i] < 0x20 || handle.data[i] == 0x7f)
			return; /* the file `node` is made of lines */
	text_take(h->handle, sizeof h->handle, handle);
}

void home_close(struct home *h)
{
	if (h->lock >= 0)
		close(h->lock);
	h->lock = -1;
}

int home_lock(struct home *h, bool wait, struct trouble *t)
{
	char path[PATH_LEN];
	int fd, err = path_join(path, h->path, "lock", t);

	if (err || h->lock >= 0)
		return err;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return trouble_errno(t, "%.300s can't be opened", path);
	while (flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
		if (errno == EINTR)
			continue;
		err = errno == EWOULDBLOCK ? trouble_set(t, ERR_BUSY,
						 "another convene is at work with %.300s", h->path)
					   : trouble_errno(t, "%.300s can't be locked", path);
		close(fd);
		return err;
	}
	h->lock = fd;
	return OK;
}
