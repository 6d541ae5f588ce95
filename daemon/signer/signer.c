/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/signer/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "crypto/keyfile.h"

/* Two records written in turn, so that one whole record always survives a crash in the middle of a
 * write. */
#define RECORD_LEN 512
#define RECORD_MAGIC "convene head 1\n"

struct signer {
	struct key log_key, registrar_key;
	struct binding binding;
	int lock;
	uint64_t turn; /* of the newest record */
	uint64_t size;
	uint8_t root[HASH_LEN];
};

static int load(struct key *key, const char *keys, const char *role, const char *passphrase,
    const uint8_t *expected, char *why)
{
	char path[400];
	int err;

	snprintf(path, sizeof path, "%s/%s.key", keys, role);
	err = keyfile_load(path, role, key, passphrase);
	if (!err && memcmp(key->public, expected, KEY_LEN) != 0) {
		snprintf(why, 512, "%s: not the %s key that the credential names", path, role);
		return ERR_KEY;
	}
	if (err)
		snprintf(why, 512, "%s: %s%s", path, error_text(err),
		    err == ERR_REFUSED ? " (others can read it: chmod 600)" : "");
	return err;
}

int signer_open(struct signer **out, const char *keys, const struct credential *credential,
    const char *passphrase, char *why)
{
	struct signer *s = calloc(1, sizeof *s);
	int err;

	*out = NULL;
	if (!s)
		return ERR_NOMEM;
	s->lock = -1;
	s->binding = credential->binding;
	err = load(&s->log_key, keys, "log", passphrase, credential->log.public, why);
	if (!err)
		err = load(&s->registrar_key, keys, "registrar", passphrase,
		    credential->node.registrar_key, why);
	if (err) {
		signer_free(s);
		return err;
	}
	*out = s;
	return OK;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	key_wipe(&s->log_key);
	key_wipe(&s->registrar_key);
	if (s->lock >= 0)
		close(s->lock);
	free(s);
}

/* ---- the lock file ---- */

static void record_make(const struct signer *s, uint64_t turn, uint64_t size,
    const uint8_t root[static HASH_LEN], uint8_t out[static RECORD_LEN])
{
	struct buffer b = BUFFER_INIT;
	uint8_t sum[HASH_LEN];

	memset(out, 0, RECORD_LEN);
	buffer_add_str(&b, RECORD_MAGIC);
	buffer_add_u64(&b, turn);
	buffer_add_u64(&b, size);
	buffer_add(&b, root, HASH_LEN);
	buffer_add(&b, s->binding.log_name, sizeof s->binding.log_name);
	hash_of(sum, b.data, b.len);
	buffer_add(&b, sum, HASH_LEN);
	if (!b.failed)
		memcpy(out, b.data, b.len);
	buffer_free(&b);
}

/* Whether these bytes are a whole record of this log. */
static bool record_read(struct signer *s, const uint8_t in[static RECORD_LEN])
{
	const uint8_t *at = in + strlen(RECORD_MAGIC);
	uint8_t again[RECORD_LEN];
	uint64_t turn = get_u64(at), size = get_u64(at + 8);

	record_make(s, turn, size, at + 16, again);
	if (memcmp(again, in, RECORD_LEN) != 0)
		return false;
	if (turn > s->turn) {
		s->turn = turn;
		s->size = size;
		memcpy(s->root, at + 16, HASH_LEN);
	}
	return true;
}

/* A new file's name must survive a power failure as what is in it does. */
static int folder_sync(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, err;

	err = fd >= 0 && fsync(fd) == 0 ? OK : ERR_IO;
	if (fd >= 0)
		close(fd);
	free(folder);
	return err;
}

int signer_lock(struct signer *s, const char *lock, char *why)
{
	static const uint8_t zeros[RECORD_LEN];
	uint8_t records[2 * RECORD_LEN];
	ssize_t len;
	bool any;

	s->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0) {
		snprintf(why, 512, "%s: %s%s", lock, strerror(errno),
		    errno == EACCES ? "; the data folder and all in it must belong to the user "
				      "that the daemon runs as"
				    : "");
		return ERR_IO;
	}
	if (flock(s->lock, LOCK_EX | LOCK_NB) != 0) {
		snprintf(why, 512, "%s: another convened uses this data folder", lock);
		return ERR_BUSY;
	}
	memset(records, 0, sizeof records);
	len = pread(s->lock, records, sizeof records, 0);
	if (len < 0 || (len == 0 && folder_sync(lock) != OK)) {
		snprintf(why, 512, "%s: %s", lock, strerror(errno));
		return ERR_IO;
	}
	if (len == 0)
		return OK; /* new: nothing was ever signed */
	any = record_read(s, records);
	any |= record_read(s, records + RECORD_LEN);
	/* The first write of all goes to the second record, so that the file has its full length
	 * once anything was signed, and a shorter one whose first record has begun was cut. */
	if (len == sizeof records ? any : memcmp(records, zeros, RECORD_LEN) == 0)
		return OK;
	snprintf(
	    why, 512, "%s: damaged, or of another log; what has been signed is not known", lock);
	return ERR_MALFORMED;
}

void signer_head(const struct signer *s, uint64_t *size, uint8_t root[static HASH_LEN])
{
	*size = s->size;
	memcpy(root, s->root, HASH_LEN);
}

/* Remember a head before anything signed about it leaves. */
static int head_put(struct signer *s, uint64_t size, const uint8_t root[static HASH_LEN])
{
	uint8_t record[RECORD_LEN];
	uint64_t turn = s->turn + 1;

	record_make(s, turn, size, root, record);
	errno = 0;
	if (pwrite(s->lock, record, RECORD_LEN, (off_t)(turn % 2 * RECORD_LEN)) != RECORD_LEN ||
	    fdatasync(s->lock) != 0)
		return errno == ENOSPC ? ERR_NOSPACE : ERR_IO;
	s->turn = turn;
	s->size = size;
	memcpy(s->root, root, HASH_LEN);
	return OK;
}

int signer_checkpoint(
    struct signer *s, uint64_t size, const uint8_t root[static HASH_LEN], struct buffer *note)
{
	struct checkpoint c = {.size = size};
	bool again = size == s->size && memcmp(root, s->root, HASH_LEN) == 0;
	int err;

	if (size < s->size || (size == s->size && !again) || size == 0)
		return ERR_FORK;
	if (!again) {
		err = head_put(s, size, root);
		if (err)
			return err;
	}
	memcpy(c.origin, s->binding.log_name, sizeof c.origin);
	memcpy(c.root, root, HASH_LEN);
	return checkpoint_sign(note, &c, &s->log_key);
}

int signer_registrar(struct signer *s, struct header *header, struct buffer *message)
{
	if (header->kind != KIND_ENROL && header->kind != KIND_REVOKE)
		return ERR_REFUSED;
	memcpy(header->signer, s->registrar_key.public, KEY_LEN);
	return message_sign(message, &s->binding, header, &s->registrar_key);
}

const uint8_t *signer_registrar_key(const struct signer *s)
{
	return s->registrar_key.public;
}
