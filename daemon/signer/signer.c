/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/signer/signer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "daemon/signer/request.h"

struct signer_link {
	int fd;
	pthread_mutex_t lock; /* one request at a time */
	uint64_t id;
	uint64_t size;
	uint8_t root[HASH_LEN];
	uint8_t registrar_key[KEY_LEN];
};

/* Answers to a relay that was killed may still come: they have other ids. */
static int receive(struct signer_link *s, struct buffer *payload)
{
	uint8_t packet[ANSWER_MAX];
	struct bytes part;
	uint64_t id;
	int code;

	for (;;) {
		ssize_t n = recv(s->fd, packet, sizeof packet, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_CLOSED;
		if (answer_decode(bytes_of(packet, (size_t)n), &id, &code, &part) != OK)
			return ERR_MALFORMED;
		if (id != s->id)
			continue;
		if (!code)
			buffer_add(payload, part.data, part.len);
		return payload->failed ? ERR_NOMEM : code;
	}
}

static int exchange(struct signer_link *s, struct request *r, struct buffer *payload)
{
	struct buffer packet = BUFFER_INIT;
	ssize_t n;
	int err;

	pthread_mutex_lock(&s->lock);
	r->id = ++s->id;
	err = request_encode(&packet, r);
	if (!err) {
		do
			n = send(s->fd, packet.data, packet.len, MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		err = n < 0 ? ERR_CLOSED : receive(s, payload);
	}
	pthread_mutex_unlock(&s->lock);
	buffer_free(&packet);
	return err;
}

/* For requests whose answer is appended as it is. */
static int ask(struct signer_link *s, struct request *r, struct buffer *out)
{
	struct buffer payload = BUFFER_INIT;
	int err = exchange(s, r, &payload);

	if (!err && payload.len == 0)
		err = ERR_MALFORMED;
	if (!err)
		buffer_add(out, payload.data, payload.len);
	if (!err && out->failed)
		err = ERR_NOMEM;
	buffer_free(&payload);
	return err;
}

/* For those whose answer is a head. */
static int ask_head(
    struct signer_link *s, struct request *r, uint64_t *size, uint8_t root[static HASH_LEN])
{
	struct buffer payload = BUFFER_INIT;
	int err = exchange(s, r, &payload);

	if (!err && payload.len != 8 + HASH_LEN)
		err = ERR_MALFORMED;
	if (!err) {
		*size = get_u64(payload.data);
		memcpy(root, payload.data + 8, HASH_LEN);
	}
	buffer_free(&payload);
	return err;
}

int signer_connect(struct signer_link **out, int fd, const struct credential *own)
{
	struct signer_link *s = calloc(1, sizeof *s);
	struct request r = {.type = REQUEST_HEAD};
	int err;

	*out = NULL;
	if (!s)
		return ERR_NOMEM;
	s->fd = fd;
	pthread_mutex_init(&s->lock, NULL);
	random_fill(&s->id, sizeof s->id);
	memcpy(s->registrar_key, own->node.registrar_key, KEY_LEN);
	err = ask_head(s, &r, &s->size, s->root);
	if (err) {
		signer_free(s);
		return err;
	}
	*out = s;
	return OK;
}

void signer_free(struct signer_link *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void signer_head(const struct signer_link *s, uint64_t *size, uint8_t root[static HASH_LEN])
{
	*size = s->size;
	memcpy(root, s->root, HASH_LEN);
}

static int proof_set(struct request *r, const struct tree_hash *proof, size_t count)
{
	if (count > PROOF_HASHES_MAX)
		return ERR_TOO_LARGE;
	if (count > 0)
		memcpy(r->proof, proof, count * sizeof *proof);
	r->proof_count = count;
	return OK;
}

int signer_checkpoint(struct signer_link *s, uint64_t size, const uint8_t root[static HASH_LEN],
    const struct tree_hash *proof, size_t count, struct buffer *note)
{
	struct request r = {.type = REQUEST_CHECKPOINT, .size = size};
	int err = proof_set(&r, proof, count);

	memcpy(r.root, root, HASH_LEN);
	if (!err)
		err = ask(s, &r, note);
	if (!err) {
		s->size = size;
		memcpy(s->root, root, HASH_LEN);
	}
	return err;
}

int signer_learn(struct signer_link *s, struct bytes note, uint64_t size,
    const uint8_t root[static HASH_LEN], const struct tree_hash *proof, size_t count)
{
	struct request r = {.type = REQUEST_LEARN, .body = note};
	struct buffer none = BUFFER_INIT;
	int err = proof_set(&r, proof, count);

	if (!err)
		err = exchange(s, &r, &none);
	buffer_free(&none);
	if (!err) {
		s->size = size;
		memcpy(s->root, root, HASH_LEN);
	}
	return err;
}

int signer_introduce(struct signer_link *s, struct bytes log_name, struct bytes node,
    uint64_t *size, uint8_t root[static HASH_LEN])
{
	struct request r = {.type = REQUEST_INTRODUCE, .log_name = log_name, .body = node};

	return ask_head(s, &r, size, root);
}

int signer_admit(struct signer_link *s, const uint8_t log[static DIGEST_LEN], struct bytes message)
{
	struct request r = {.type = REQUEST_ADMIT, .body = message};
	struct buffer none = BUFFER_INIT;
	int err;

	memcpy(r.digest, log, DIGEST_LEN);
	err = exchange(s, &r, &none);
	buffer_free(&none);
	return err;
}

int signer_cosign(struct signer_link *s, struct bytes note, const struct tree_hash *proof,
    size_t count, struct buffer *line)
{
	struct request r = {.type = REQUEST_COSIGN, .body = note};
	int err = proof_set(&r, proof, count);

	return err ? err : ask(s, &r, line);
}

int signer_registrar(struct signer_link *s, struct header *header, struct buffer *message)
{
	struct request r = {.type = REQUEST_REGISTRAR};
	struct buffer encoded = BUFFER_INIT;
	int err;

	memcpy(header->signer, s->registrar_key, KEY_LEN);
	err = header_encode(&encoded, header);
	r.body = buffer_bytes(&encoded);
	if (!err)
		err = ask(s, &r, message);
	buffer_free(&encoded);
	return err;
}

const uint8_t *signer_registrar_key(const struct signer_link *s)
{
	return s->registrar_key;
}
