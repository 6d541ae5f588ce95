/* SPDX-License-Identifier: BSD-2-Clause */
/* fold ENTRIES [BATCH [LENGTH]]: what an entry costs between durable in the log and shown, without
 * its signature: CPU µs on one thread and bytes written, by part, for the last tenth of a store of
 * so many entries and for all of it.
 *
 * Twelve people write posts with natural headers, a fifth of which begin threads; replies go mostly
 * to what is recent, one in fifty to anything. A transaction for the log and contents, then one for
 * the views, BATCH entries each: all as the relay does it. Signatures are made up: verifying is
 * timed beside it, with what a worker does besides. KEEP=1 leaves the store. */
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "forum/forum.h"
#include "forum/query.h"
#include "msg/content.h"
#include "store/views.h"

enum { PEOPLE = 12, TOPICS = 6, OPEN = 256, PARTS = 5, SLICE = 256 };
enum part { PART_WORKER, PART_LOG, PART_LOG_COMMIT, PART_FOLD, PART_COMMIT };
static const char *const part_names[PARTS] = {"worker", "log", "log_commit", "fold", "commit"};

struct id {
	uint8_t bytes[ID_LEN];
};

/* A thread that is answered at the moment: the last things said in it. */
struct talk {
	struct id said[4];
	uint8_t count;
	uint8_t topic;
};

struct cost {
	double cpu[PARTS];
	uint64_t written, received, entries;
};

struct bench {
	char dir[64], path[96];
	struct store *s;
	struct forum *forum;
	struct charter charter;
	struct verifier founder;
	struct key root, registrar, people[PEOPLE];
	uint64_t sequence, said;
	struct binding binding;
	uint32_t no;
	struct id *ids, topics[TOPICS];
	struct talk open[OPEN];
	size_t count, content_len;
	uint64_t random, time;
	/* The batch under way. */
	struct forum_entry *run;
	struct buffer *messages, *contents;
	uint8_t (*salts)[SALT_LEN];
	size_t waiting;
	struct cost now, all, late;
};

static void check(int err, const char *what)
{
	if (err == OK)
		return;
	fprintf(stderr, "fold: %s: %s\n", what, error_text(err));
	exit(EXIT_FAILURE);
}

static uint64_t chance(struct bench *b, uint64_t below)
{
	uint64_t x = b->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) % below;
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint64_t written(void)
{
	char line[96];
	unsigned long long n = 0;
	FILE *f = fopen("/proc/self/io", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "wchar: %llu", &n) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return n;
}

/* ---- messages ---- */

static void entry_add(struct bench *b, struct header *h, const struct key *by, bool real)
{
	size_t n = b->waiting++;
	struct buffer *out = &b->messages[n];
	struct forum_entry *e = &b->run[n];
	static const uint8_t unsigned_yet[SIG_LEN];

	h->version = 1;
	h->time = b->time += chance(b, 60000);
	h->sequence = ++b->sequence;
	memcpy(h->signer, by->public, KEY_LEN);
	if (h->kind == KIND_TOPIC || h->kind == KIND_POST) {
		struct content c = {.subject = bytes_str("A subject of the usual length")};
		static char text[65536];
		buffer_reset(&b->contents[n]);
		for (size_t i = 0; i < b->content_len; i++)
			text[i] = (char)('a' + chance(b, 26));
		c.text = bytes_of(text, b->content_len);
		check(content_encode(&b->contents[n], &c), "content");
		randombytes_buf(b->salts[n], SALT_LEN);
		h->has_commitment = true;
		h->bucket = bucket_of(b->contents[n].len);
		commitment_make(h->commitment, &b->binding, h->signer, b->salts[n],
		    buffer_bytes(&b->contents[n]));
	}
	buffer_reset(out);
	if (real)
		check(message_sign(out, &b->binding, h, by), "signing");
	else
		check(header_encode(out, h), "encoding");
	if (!real)
		buffer_add(out, unsigned_yet, SIG_LEN);

	double from = cpu();
	*e = (struct forum_entry){.message = buffer_bytes(out)};
	e->parsed = message_parse(e->message, &e->header);
	message_id(e->id, e->message, &b->binding);
	b->now.cpu[PART_WORKER] += cpu() - from;
}

static void reference(struct bench *b, struct ref *ref, const struct id *id)
{
	ref->present = true;
	memcpy(ref->log, b->binding.digest, DIGEST_LEN);
	memcpy(ref->id, id->bytes, ID_LEN);
}

static void post_add(struct bench *b, bool real)
{
	struct header h = {.kind = KIND_POST, .lang = bytes_str("en")};
	const struct id *parent = NULL;
	struct talk *t;

	/* Of those that are open, the newer ones more often. */
	if (b->said < 100 || chance(b, 5) == 0) {
		t = &b->open[b->said % OPEN];
		*t = (struct talk){.topic = (uint8_t)chance(b, TOPICS)};
	} else {
		uint64_t back = chance(b, OPEN);
		back = back * chance(b, OPEN) / OPEN;
		t = &b->open[(b->said + OPEN - back) % OPEN];
		if (t->count > 0)
			parent = &t->said[chance(b, t->count)];
		if (chance(b, 50) == 0)
			parent = &b->ids[chance(b, b->count)];
	}
	reference(b, &h.topic, &b->topics[t->topic]);
	if (parent != NULL)
		reference(b, &h.parent, parent);
	else
		b->said++;
	entry_add(b, &h, &b->people[chance(b, PEOPLE)], real);
	struct id *id = &t->said[t->count < 4 ? t->count++ : (uint8_t)chance(b, 4)];
	memcpy(id->bytes, b->run[b->waiting - 1].id, ID_LEN);
	b->ids[b->count++] = *id;
}

static void topic_add(struct bench *b, size_t n)
{
	struct header h = {.kind = KIND_TOPIC};

	entry_add(b, &h, &b->people[0], false);
	memcpy(b->topics[n].bytes, b->run[b->waiting - 1].id, ID_LEN);
	b->ids[b->count++] = b->topics[n];
}

static void person_add(struct bench *b, size_t n)
{
	struct enrol_body body = {0};
	struct header h = {.kind = KIND_ENROL};
	struct buffer encoded = BUFFER_INIT;
	struct key *key = &b->people[n];

	key_generate(key);
	memcpy(body.identity, key->public, IDENTITY_LEN);
	memcpy(body.device_key, key->public, KEY_LEN);
	device_sign(body.device_signature, DEVICE_DOMAIN, &b->binding, body.identity,
	    body.device_key, 0, key);
	check(enrol_body_encode(&encoded, &body), "enrolling");
	h.body = buffer_bytes(&encoded);
	entry_add(b, &h, &b->registrar, false);
	buffer_free(&encoded);
}

/* ---- as the relay does it ---- */

static void log_store(struct bench *b, size_t first)
{
	struct buffer leaves = BUFFER_INIT;
	size_t blocks = (first + b->waiting) / TREE_BLOCK - first / TREE_BLOCK;
	struct tree_hash *roots = calloc(blocks + 1, sizeof(*roots));
	uint64_t *wanted = calloc(b->waiting, sizeof(*wanted));

	for (size_t i = 0; i < b->waiting; i++) {
		buffer_add_u16(&leaves, (uint16_t)b->messages[i].len);
		buffer_add(&leaves, b->messages[i].data, b->messages[i].len);
	}
	struct store_append a = {.log = b->no,
	    .expected = first,
	    .leaves = buffer_bytes(&leaves),
	    .count = b->waiting,
	    .size = first + b->waiting,
	    .checkpoint = bytes_str("note"),
	    .blocks = roots,
	    .block_count = blocks,
	    .wanted = wanted};
	double from = cpu();
	check(b->s->ops->begin(b->s), "begin");
	check(b->s->ops->append(b->s, &a), "append");
	for (size_t i = 0; i < b->waiting; i++)
		if (b->run[i].header.has_commitment)
			check(b->s->ops->content_put(b->s, b->no, first + i, b->run[i].id,
				  b->salts[i], buffer_bytes(&b->contents[i])),
			    "content_put");
	double committing = cpu();
	check(b->s->ops->commit(b->s), "commit");
	b->now.cpu[PART_LOG] += committing - from;
	b->now.cpu[PART_LOG_COMMIT] += cpu() - committing;
	buffer_free(&leaves);
	free(roots);
	free(wanted);
}

static void cost_add(struct cost *to, const struct cost *c)
{
	for (int i = 0; i < PARTS; i++)
		to->cpu[i] += c->cpu[i];
	to->written += c->written;
	to->received += c->received;
	to->entries += c->entries;
}

static void batch_take(struct bench *b, size_t first, bool late)
{
	struct forum_result result;
	uint64_t before = written(), invalid = 0;

	log_store(b, first);
	double from = cpu();
	check(b->s->ops->begin(b->s), "begin");
	for (size_t done = 0, count; done < b->waiting; done += count, invalid += result.invalid) {
		count = b->waiting - done < SLICE ? b->waiting - done : SLICE;
		check(forum_fold(b->forum, b->no, first + done, b->run + done, count, &result),
		    "fold");
	}
	check(forum_flush(b->forum), "fold");
	double committing = cpu();
	check(b->s->ops->commit(b->s), "commit");
	b->now.cpu[PART_FOLD] += committing - from;
	b->now.cpu[PART_COMMIT] += cpu() - committing;
	if (invalid > 0)
		check(ERR_INVALID, "an entry");
	b->now.written = written() - before;
	b->now.entries = b->waiting;
	for (size_t i = 0; i < b->waiting; i++)
		b->now.received += b->messages[i].len + b->contents[i].len;
	cost_add(&b->all, &b->now);
	if (late)
		cost_add(&b->late, &b->now);
	b->now = (struct cost){0};
	b->waiting = 0;
}

static void start(struct bench *b)
{
	struct node_body node = {.serial = 1, .tls_pin_count = 1};
	struct key log, cosigner;
	struct buffer *credential = &b->messages[0];
	char name[VERIFIER_NAME_MAX + 1];

	key_generate(&b->root);
	key_generate(&b->registrar);
	key_generate(&log);
	key_generate(&cosigner);
	check(verifier_make(&b->founder, bytes_str("a.example"), VERIFIER_ED25519, b->root.public),
	    "founder");
	b->charter = (struct charter){.name = (char *)(uintptr_t) "forum",
	    .purpose = (char *)(uintptr_t) "measuring",
	    .admit = 1,
	    .topics = TOPICS_BY_PARTICIPANTS,
	    .content_limit = 1048576,
	    .members = &b->founder,
	    .member_count = 1};
	memcpy(node.log_key, log.public, KEY_LEN);
	memcpy(node.registrar_key, b->registrar.public, KEY_LEN);
	check(verifier_make(&node.cosigner, bytes_str("a.example/cosigner"), VERIFIER_COSIGNATURE,
		  cosigner.public),
	    "cosigner");
	check(credential_make(credential, name, b->charter.forum, "a.example", 1, &b->root, &node,
		  1, 1790000000000),
	    "credential");
	check(binding_make(&b->binding, b->charter.forum, bytes_str(name)), "binding");
	b->time = 1790000000000;
	b->run[0] = (struct forum_entry){.message = buffer_bytes(credential)};
	b->run[0].parsed = message_parse(b->run[0].message, &b->run[0].header);
	message_id(b->run[0].id, b->run[0].message, &b->binding);
	b->waiting = 1;
	b->sequence = 1;

	snprintf(b->dir, sizeof(b->dir), "%s/convene-bench.XXXXXX",
	    getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	if (mkdtemp(b->dir) == NULL)
		check(ERR_IO, b->dir);
	snprintf(b->path, sizeof(b->path), "%s/store.db", b->dir);
	check(store_open(&b->s, &store_sqlite, b->path, 0), "store");
	check(views_prepare(b->s) < 0 ? ERR_STORE : OK, "views");
	check(b->s->ops->begin(b->s), "begin");
	check(b->s->ops->log_add(b->s, bytes_str(name), b->binding.digest, &b->no), "log");
	check(b->s->ops->commit(b->s), "commit");
	check(forum_new(&b->forum, b->s, &b->charter), "forum");
	for (size_t i = 0; i < PEOPLE; i++)
		person_add(b, i);
	for (size_t i = 0; i < TOPICS; i++)
		topic_add(b, i);
}

static void cost_print(const char *when, const struct cost *c)
{
	double n = (double)c->entries, sum = 0;

	printf("%-5s", when);
	for (int i = 0; i < PARTS; i++) {
		printf(" %s %.2f", part_names[i], c->cpu[i] / n);
		if (i >= PART_FOLD)
			sum += c->cpu[i] / n;
	}
	printf(" | shown %.2f µs, written %.2f per byte received (%.0f B per entry)\n", sum,
	    (double)c->written / (double)c->received, (double)c->written / n);
}

/* What a worker does, verifying included, and the library's part of it alone. */
static void verify_measure(struct bench *b)
{
	enum { TIMES = 2000 };
	uint8_t key[KEY_LEN] = {0};
	double all = 0, alone = 0;

	for (int i = 0; i < TIMES; i++) {
		b->waiting = 0;
		b->count--; /* not for anybody to answer */
		post_add(b, true);
		struct bytes m = buffer_bytes(&b->messages[0]);
		struct header h;
		uint8_t id[ID_LEN];
		double from = cpu();
		check(message_parse(m, &h), "parsing");
		check(message_verify(m, &b->binding, h.signer), "verifying");
		message_id(id, m, &b->binding);
		all += cpu() - from;
		memcpy(key, h.signer, KEY_LEN);
		from = cpu();
		/* Not what was signed: that is found out at the end. */
		if (crypto_sign_verify_detached(
			m.data + m.len - SIG_LEN, m.data, m.len - SIG_LEN, key) == 0)
			check(ERR_INVALID, "a signature");
		alone += cpu() - from;
	}
	printf("verify: a worker %.2f µs per message, the library's call alone %.2f\n", all / TIMES,
	    alone / TIMES);
	b->waiting = 0;
}

/* A relay has other threads, and locks cost what they cost then. */
static void *sleeper(void *arg)
{
	pause();
	return arg;
}

static void stop(struct bench *b)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
	char name[128];

	forum_free(b->forum);
	store_close(b->s);
	if (getenv("KEEP") != NULL) {
		printf("store: %s\n", b->path);
		return;
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", b->path, ends[i]);
		unlink(name);
	}
	rmdir(b->dir);
}

int main(int argc, char **argv)
{
	static struct bench b;
	size_t entries = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
	size_t batch = argc > 2 ? strtoul(argv[2], NULL, 10) : 2048;

	b.content_len = argc > 3 ? strtoul(argv[3], NULL, 10) : 560;
	if (entries < 1000 || batch < 1 || b.content_len < 1 || b.content_len > 65536) {
		fprintf(stderr, "usage: fold [ENTRIES [BATCH [LENGTH]]]\n");
		return EXIT_FAILURE;
	}
	pthread_t thread;
	check(crypto_start(), "crypto");
	check(pthread_create(&thread, NULL, sleeper, NULL) == 0 ? OK : ERR_NOMEM, "thread");
	size_t room = batch < 64 ? 64 : batch;
	b.run = calloc(room, sizeof(*b.run));
	b.messages = calloc(room, sizeof(*b.messages));
	b.contents = calloc(room, sizeof(*b.contents));
	b.salts = calloc(room, sizeof(*b.salts));
	b.ids = calloc(entries + room, sizeof(*b.ids));
	if (!b.run || !b.messages || !b.contents || !b.salts || !b.ids)
		check(ERR_NOMEM, "start");
	start(&b);
	size_t first = b.waiting;
	batch_take(&b, 0, false);
	while (first < entries) {
		while (b.waiting < batch)
			post_add(&b, false);
		size_t count = b.waiting;
		batch_take(&b, first, first >= entries - entries / 10);
		first += count;
	}
	cost_print("all", &b.all);
	cost_print("last", &b.late);
	verify_measure(&b);
	stop(&b);
	return EXIT_SUCCESS;
}
