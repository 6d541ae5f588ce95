/* SPDX-License-Identifier: BSD-2-Clause */
/* Make the store of an organisation whose daemon has not run yet: its credential, participants,
 * topics and posts, each committed to, signed, sealed in batches, as the daemon would have done it
 * in years.
 *
 *     fill CONFIG --entries N [--authors N] [--content BYTES] [--seed N] [--fold] [--devices FILE]
 *
 * The libraries are the daemon's: lib/msg signs, lib/log grows the tree, daemon/signer/core signs
 * checkpoints and keeps its lock file, lib/store appends. Nothing is checked that was made here:
 * that is what others are measured at. --fold: also the views, without verifying. --devices: the
 * participants' secret keys, one per line: handle, seed, identity, index of the ENROL, highest
 * sequence; for who goes on posting. Prints one JSON object. */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/pool.h"
#include "daemon/parent/parent.h"
#include "daemon/signer/core.h"
#include "fill.h"
#include "forum/forum.h"
#include "log/replica.h"
#include "msg/content.h"
#include "store/views.h"

#define STEP_MS 40000 /* between posts, on the average */

struct work {
	struct job job;
	struct run run;
	int result;
};

static struct {
	struct conf *conf;
	struct charter *charter;
	struct credential credential;
	struct core *core;
	struct store *store;
	struct forum *forum; /* NULL: views stay behind */
	struct replica *replica;
	uint32_t log;
	struct world world;
	uint64_t entries, leaf_bytes, content_bytes;
	const char *devices;
	bool fold;
} fill;

static void need(int err, const char *what)
{
	if (err == OK)
		return;
	fprintf(stderr, "fill: %s: %s\n", what, error_text(err));
	exit(1);
}

/* ---- what there must be ---- */

static void papers_open(const char *path)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	char lock[4096], cosigned[4096], why[512] = "";
	struct core_setup setup;
	bool pinned;
	int err = conf_load(&fill.conf, path, &errors);

	conf_errors_print(stderr, &errors);
	need(err, path);
	need(data_prepare(fill.conf), fill.conf->node.data);
	need(charter_read(fill.conf, &fill.charter), "the charter");
	need(credential_read(fill.conf, fill.charter, &fill.credential), "the credential");
	setup = (struct core_setup){.charter = buffer_bytes(&fill.charter->note),
	    .log_name = fill.credential.binding.log_name,
	    .credential = buffer_bytes(&fill.credential.message),
	    .keys = fill.conf->node.keys};
	err = core_open(&fill.core, &setup, &pinned, why);
	need(err, why);
	snprintf(lock, sizeof lock, "%s/signer.lock", fill.conf->node.signer_data);
	snprintf(cosigned, sizeof cosigned, "%s/signer.cosigned", fill.conf->node.signer_data);
	err = core_lock(fill.core, lock, cosigned, why);
	need(err, why);
	if (core_head(fill.core)->size > 0)
		need(ERR_EXISTS, "this organisation's log has begun");
}

static int entries_read(
    void *ctx, uint64_t first, size_t count, size_t max_bytes, struct buffer *out, size_t *got)
{
	(void)ctx;
	return fill.store->ops->read(fill.store, fill.log, first, count, max_bytes, out, got);
}

static void store_begin(void)
{
	struct bytes name = bytes_str(fill.credential.binding.log_name);
	struct store *s;
	char path[4096];

	snprintf(path, sizeof path, "%s/convene.db", fill.conf->node.data);
	need(store_open(&fill.store, &store_sqlite, path, 0), path);
	s = fill.store;
	need(s->ops->begin(s), path);
	need(s->ops->meta_put(s, "forum", bytes_of(fill.charter->forum, HASH_LEN)), "the forum");
	need(s->ops->log_add(s, name, fill.credential.binding.digest, &fill.log), "the log");
	need(s->ops->commit(s), path);
	if (fill.fold) {
		int err = views_prepare(s);

		need(err == 1 ? OK : err, "the views");
		need(forum_new(&fill.forum, s, fill.charter), "the forum");
	}
	fill.replica = replica_new(
	    &fill.credential.log, (struct replica_reader){entries_read, NULL});
	need(fill.replica ? OK : ERR_NOMEM, "the log");
}

/* ---- one batch: signed for, and durable ---- */

static void checkpoint_make(struct bytes leaves, struct replica_batch **batch)
{
	struct buffer note = BUFFER_INIT;
	struct tree_hash proof[64];
	uint8_t root[HASH_LEN];
	size_t count = 0;
	uint64_t size;

	need(replica_propose(fill.replica, leaves, &size, root), "the tree");
	need(replica_propose_proof(fill.replica, leaves, proof, &count), "the tree");
	need(core_checkpoint(fill.core, size, root, proof, count, &note), "the checkpoint");
	need(replica_stage_own(fill.replica, leaves, buffer_bytes(&note), batch), "the log");
	buffer_free(&note);
}

static void run_fold(const struct run *r)
{
	static struct forum_entry entries[FILL_BATCH];
	struct forum_result result;

	for (size_t i = 0; i < r->count; i++) {
		const struct made *m = &r->made[i];

		entries[i] = (struct forum_entry){
		    .message = bytes_of(r->leaves.data + m->message, m->message_len),
		    .header = m->header};
		memcpy(entries[i].id, m->id, ID_LEN);
	}
	memset(&result, 0, sizeof result);
	need(forum_fold(fill.forum, fill.log, r->first, entries, r->count, &result), "the fold");
	need(forum_flush(fill.forum), "the fold");
	need(result.invalid > 0 ? ERR_INVALID : OK, "an entry that was made here");
}

static void run_store(const struct run *r)
{
	struct store *s = fill.store;
	struct replica_batch *b;
	struct store_append a;

	checkpoint_make(buffer_bytes(&r->leaves), &b);
	a = (struct store_append){.log = fill.log,
	    .expected = b->first,
	    .leaves = buffer_bytes(&b->leaves),
	    .count = b->count,
	    .size = b->first + b->count,
	    .checkpoint = buffer_bytes(&b->note),
	    .blocks = b->blocks,
	    .block_count = b->block_count};
	memcpy(a.root, b->root, HASH_LEN);
	need(s->ops->begin(s), "the store");
	need(s->ops->append(s, &a), store_error(s));
	for (size_t i = 0; i < r->count; i++) {
		const struct made *m = &r->made[i];

		fill.content_bytes += m->content_len;
		fill.leaf_bytes += m->message_len;
		if (m->content_len > 0)
			need(s->ops->content_put(s, fill.log, r->first + i, m->id, m->salt,
				 bytes_of(r->contents.data + m->content, m->content_len)),
			    store_error(s));
	}
	if (fill.forum)
		run_fold(r);
	need(s->ops->commit(s), store_error(s));
	replica_committed(fill.replica);
}

static void run_clear(struct run *r)
{
	buffer_free(&r->leaves);
	buffer_free(&r->contents);
	free(r->sequences);
}

/* ---- the beginning: credential, participants, topics ---- */

static void enrol(struct run *r, size_t n, uint64_t time)
{
	struct author *a = &fill.world.authors[n];
	struct buffer body = BUFFER_INIT, header = BUFFER_INIT, message = BUFFER_INIT,
		      content = BUFFER_INIT;
	struct bytes language = bytes_str(language_tag(a->language));
	struct enrol_body b = {.custody = 0};
	char handle[32], name[32];
	struct content c = {
	    .profile = {.present = true, .languages = &language, .language_count = 1}};
	struct header h = {
	    .version = 1, .kind = KIND_ENROL, .sequence = n + 1, .time = time + n * STEP_MS};
	uint8_t salt[SALT_LEN];

	snprintf(handle, sizeof handle, "person%zu", n);
	snprintf(name, sizeof name, "Person %zu", n);
	c.profile.handle = bytes_str(handle);
	c.profile.name = bytes_str(name);
	random_fill(salt, sizeof salt);
	memcpy(b.identity, a->identity, IDENTITY_LEN);
	memcpy(b.device_key, a->key.public, KEY_LEN);
	device_sign(b.device_signature, DEVICE_DOMAIN, &fill.world.binding, b.identity,
	    b.device_key, b.custody, &a->key);
	memcpy(h.signer, fill.credential.node.registrar_key, KEY_LEN);
	need(content_encode(&content, &c), "a profile");
	content_commit(&h, &fill.world, salt, buffer_bytes(&content));
	need(enrol_body_encode(&body, &b), "an enrolment");
	h.body = buffer_bytes(&body);
	need(header_encode(&header, &h), "an enrolment");
	need(core_registrar(fill.core, buffer_bytes(&header), &message), "an enrolment");
	a->enrolled = r->count;
	need(run_add(r, &h, NULL, buffer_bytes(&message), buffer_bytes(&content), salt),
	    "an enrolment");
	buffer_free(&body);
	buffer_free(&header);
	buffer_free(&message);
	buffer_free(&content);
}

static void topic(struct run *r, size_t n, uint64_t time)
{
	struct author *a = &fill.world.authors[n % fill.world.author_count];
	struct buffer title = BUFFER_INIT, text = BUFFER_INIT, content = BUFFER_INIT;
	uint64_t random = fill.world.seed + n;
	struct content c = {.memory = NULL};
	struct header h = {.version = 1,
	    .kind = KIND_TOPIC,
	    .sequence = ++a->sequence,
	    .time = time,
	    .lang = bytes_str(language_tag(a->language))};
	uint8_t salt[SALT_LEN];

	random_fill(salt, sizeof salt);
	memcpy(h.signer, a->key.public, KEY_LEN);
	text_add(&title, &random, a->language, 30);
	text_add(&text, &random, a->language, 200);
	c.subject = buffer_bytes(&title);
	c.text = buffer_bytes(&text);
	need(content_encode(&content, &c), "a topic");
	content_commit(&h, &fill.world, salt, buffer_bytes(&content));
	fill.world.topics[n] = (struct ref){.present = true, .index = r->count};
	need(run_add(r, &h, &a->key, bytes_of(NULL, 0), buffer_bytes(&content), salt), "a topic");
	memcpy(fill.world.topics[n].log, fill.world.binding.digest, DIGEST_LEN);
	memcpy(fill.world.topics[n].id, r->made[r->count - 1].id, ID_LEN);
	buffer_free(&title);
	buffer_free(&text);
	buffer_free(&content);
}

static uint64_t beginning(void)
{
	static struct run r;
	uint8_t salt[SALT_LEN] = {0};
	uint64_t count, time = fill.world.first_time - 86400000;

	r.world = &fill.world;
	need(run_add(
		 &r, NULL, NULL, buffer_bytes(&fill.credential.message), bytes_of(NULL, 0), salt),
	    "the credential");
	for (size_t n = 0; n < fill.world.author_count; n++)
		enrol(&r, n, time);
	for (size_t n = 0; n < FILL_TOPICS; n++)
		topic(&r, n, fill.world.first_time - 1000);
	for (size_t i = 0; i < r.count; i++)
		need(message_parse(
			 bytes_of(r.leaves.data + r.made[i].message, r.made[i].message_len),
			 &r.made[i].header),
		    "an entry that was made here");
	run_store(&r);
	count = r.count;
	run_clear(&r);
	return count;
}

/* ---- the posts ---- */

static void on_work(struct job *job)
{
	struct work *w = (struct work *)job;

	w->result = run_make(&w->run);
}

static void on_done(struct job *job)
{
	struct work *w = (struct work *)job;

	need(w->result, "a post");
	w->job.work = NULL; /* made */
}

/* Batches are made by the pool and stored here, in order; `ring` holds those on their way, and
 * batch b may answer posts of batch b - FILL_LAG, which has been stored when b begins. */
static void posts(struct pool *pool, uint64_t first)
{
	static struct open_post open[FILL_LAG][FILL_OPEN];
	static size_t open_count[FILL_LAG];
	struct work *ring[FILL_LAG] = {NULL};
	struct pollfd wait = {.fd = pool_fd(pool), .events = POLLIN};
	uint64_t next = first, made = 0, stored = 0;

	while (next < fill.entries || stored < made) {
		while (next < fill.entries && made - stored < FILL_LAG) {
			struct work *w = calloc(1, sizeof *w);
			size_t size = fill.world.author_count * sizeof(uint64_t);

			need(w ? OK : ERR_NOMEM, "a batch");
			w->run.world = &fill.world;
			w->run.first = next;
			w->run.count = fill.entries - next < FILL_BATCH
					   ? (size_t)(fill.entries - next)
					   : FILL_BATCH;
			w->run.sequences = malloc(size);
			need(w->run.sequences ? OK : ERR_NOMEM, "a batch");
			for (size_t i = 0; i < fill.world.author_count; i++)
				w->run.sequences[i] = fill.world.authors[i].sequence;
			for (size_t i = 0; i < w->run.count; i++)
				fill.world.authors[author_of(&fill.world, next + i)].sequence++;
			w->run.open_count = open_count[made % FILL_LAG];
			memcpy(w->run.open, open[made % FILL_LAG], sizeof w->run.open);
			w->job.work = on_work;
			w->job.done = on_done;
			next += w->run.count;
			ring[made++ % FILL_LAG] = w;
			pool_submit(pool, &w->job);
		}
		pool_collect(pool);
		if (ring[stored % FILL_LAG]->job.work) {
			poll(&wait, 1, -1);
			continue;
		}
		struct work *w = ring[stored % FILL_LAG];

		run_store(&w->run);
		open_count[stored % FILL_LAG] = w->run.opens_count;
		memcpy(open[stored % FILL_LAG], w->run.opens, sizeof w->run.opens);
		stored++;
		run_clear(&w->run);
		free(w);
	}
}

static void authors_make(size_t count)
{
	struct world *w = &fill.world;

	w->authors = calloc(count, sizeof *w->authors);
	need(w->authors ? OK : ERR_NOMEM, "the authors");
	w->author_count = count;
	for (size_t i = 0; i < count; i++) {
		uint64_t random = w->seed * 1000003 + i;

		key_generate(&w->authors[i].key);
		random_fill(w->authors[i].identity, IDENTITY_LEN);
		w->authors[i].language = (uint8_t)language_pick(random_next(&random));
	}
}

static void devices_write(void)
{
	FILE *f = fopen(fill.devices, "we");

	need(f ? OK : ERR_IO, fill.devices);
	for (size_t i = 0; i < fill.world.author_count; i++) {
		const struct author *a = &fill.world.authors[i];
		char seed[65], identity[2 * IDENTITY_LEN + 1];

		hex_encode(seed, a->key.secret, 32);
		hex_encode(identity, a->identity, IDENTITY_LEN);
		fprintf(f, "person%zu %s %s %llu %llu\n", i, seed, identity,
		    (unsigned long long)a->enrolled, (unsigned long long)a->sequence);
	}
	need(fclose(f) == 0 ? OK : ERR_IO, fill.devices);
}

static void report(double seconds)
{
	char id[2 * ID_LEN + 1];

	printf(
	    "{\"log\": \"%s\", \"entries\": %llu, \"leaf_bytes\": %llu, \"content_bytes\": %llu, "
	    "\"seconds\": %.3f, \"topics\": [",
	    fill.world.binding.log_name, (unsigned long long)replica_held(fill.replica),
	    (unsigned long long)fill.leaf_bytes, (unsigned long long)fill.content_bytes, seconds);
	for (size_t i = 0; i < FILL_TOPICS; i++) {
		hex_encode(id, fill.world.topics[i].id, ID_LEN);
		printf("%s\"%s\"", i > 0 ? ", " : "", id);
	}
	printf("]}\n");
}

static size_t options(int argc, char **argv)
{
	static const struct option list[] = {{"entries", 1, NULL, 'n'}, {"authors", 1, NULL, 'a'},
	    {"content", 1, NULL, 'c'}, {"seed", 1, NULL, 's'}, {"fold", 0, NULL, 'f'},
	    {"devices", 1, NULL, 'd'}, {NULL, 0, NULL, 0}};
	size_t authors = 50;
	int c;

	fill.world.content_len = 600;
	fill.world.seed = 1;
	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
		switch (c) {
		case 'n':
			fill.entries = strtoull(optarg, NULL, 10);
			break;
		case 'a':
			authors = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			fill.world.content_len = strtoull(optarg, NULL, 10);
			break;
		case 's':
			fill.world.seed = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			fill.fold = true;
			break;
		case 'd':
			fill.devices = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (optind + 1 != argc || authors == 0 || authors + FILL_TOPICS + 1 > FILL_BATCH ||
	    fill.world.content_len < 100 || fill.entries > UINT32_MAX) {
		fprintf(stderr, "usage: fill CONFIG --entries N [--authors N] [--content BYTES] "
				"[--seed N] [--fold] [--devices FILE]\n");
		exit(2);
	}
	return authors;
}

int main(int argc, char **argv)
{
	size_t authors = options(argc, argv);
	uint64_t began = clock_mono_ms();
	struct pool *pool;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	need(crypto_start(), "randomness");
	papers_open(argv[optind]);
	words_make(fill.world.seed);
	fill.world.binding = fill.credential.binding;
	fill.world.step_ms = STEP_MS;
	fill.world.first_time = clock_wall_ms() - 3600000 - fill.entries * STEP_MS;
	authors_make(authors);
	store_begin();
	pool = pool_new("fill", cores > 0 ? (unsigned)cores : 1, NULL);
	need(pool ? OK : ERR_NOMEM, "threads");
	posts(pool, beginning());
	pool_free(pool);
	if (fill.devices)
		devices_write();
	report((double)(clock_mono_ms() - began) / 1e3);
	forum_free(fill.forum);
	store_close(fill.store);
	replica_free(fill.replica);
	core_free(fill.core);
	credential_clear(&fill.credential);
	charter_free(fill.charter);
	conf_free(fill.conf);
	free(fill.world.authors);
	return 0;
}
