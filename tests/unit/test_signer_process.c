/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/signer as a process: a relay that asks for anything, in any order, while the signer is
 * killed between any two steps and in the middle of them, never gets two signed heads of one log
 * that can't belong to one history.
 *
 * SIGNER_SEED and SIGNER_STEPS choose another run of the hostile relay, and a longer one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/signer/process.h"
#include "daemon/signer/signer.h"
#include "signer_fixture.h"

static struct place place;
static struct signer_process signer = {-1, -1, false};

static int setup(void **state)
{
	(void)state;
	place_make(&place);
	return 0;
}

static void ends(void)
{
	int status;

	if (signer.fd >= 0)
		close(signer.fd);
	if (signer.pid > 0) {
		assert_int_equal(waitpid(signer.pid, &status, 0), signer.pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	signer = (struct signer_process){-1, -1, false};
}

static int teardown(void **state)
{
	(void)state;
	ends();
	place_clear(&place);
	return access(place.folder, F_OK) == 0;
}

static int try_start(char *why, int (*drop)(const void *ctx))
{
	struct signer_start start = {.setup = place_setup(&place),
	    .drop = drop,
	    .lock = place.lock,
	    .cosigned = place.cosigned};
	bool pinned;

	return signer_process_start(&signer, &start, &pinned, why);
}

static void starts(void)
{
	char why[512];
	int err = try_start(why, NULL);

	if (err)
		fail_msg("the signer does not start: %s", why);
}

static void killed(void)
{
	int status;

	assert_int_equal(kill(signer.pid, SIGKILL), 0);
	assert_int_equal(waitpid(signer.pid, &status, 0), signer.pid);
	assert_true(WIFSIGNALED(status));
	signer.pid = -1;
}

/* ---- packets ---- */

static void packet_send(const void *data, size_t len)
{
	assert_int_equal(send(signer.fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* The next answer, if it comes in time. */
static bool answer_get(uint64_t *id, int *code, struct buffer *payload, unsigned wait_ms)
{
	struct timeval tv = {wait_ms / 1000, (suseconds_t)(wait_ms % 1000 * 1000)};
	uint8_t packet[ANSWER_MAX + 1];
	struct bytes part;
	ssize_t n;

	assert_int_equal(setsockopt(signer.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), 0);
	do
		n = recv(signer.fd, packet, sizeof packet, wait_ms ? 0 : MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	assert_int_equal(answer_decode(bytes_of(packet, (size_t)n), id, code, &part), OK);
	buffer_reset(payload);
	buffer_add(payload, part.data, part.len);
	return true;
}

static void answers(uint64_t id, int code)
{
	struct buffer payload = BUFFER_INIT;
	uint64_t got = 0;
	int err = 1;

	assert_true(answer_get(&got, &err, &payload, 20000));
	assert_int_equal(got, id);
	assert_int_equal(err, code);
	buffer_free(&payload);
}

/* ---- what it takes, and stands ---- */

static void test_packets(void **state)
{
	static uint8_t big[REQUEST_MAX + 5000];
	struct request head = {.id = 99, .type = REQUEST_HEAD};
	struct buffer packet = BUFFER_INIT;
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};

	(void)state;
	starts();
	assert_int_equal(request_encode(&packet, &head), OK);
	packet_send(packet.data, packet.len);
	answers(99, OK);
	packet_send("", 0);
	answers(0, ERR_MALFORMED);
	packet_send("1234567", 7);
	answers(0, ERR_MALFORMED);
	put_u64(big, 5);
	for (unsigned type = 0; type < 256; type++) {
		big[8] = (uint8_t)type;
		packet_send(big, 9);
		answers(5, type == REQUEST_HEAD               ? OK
			   : type == 0 || type > REQUEST_LAST ? ERR_UNKNOWN_KIND
			   : type == REQUEST_REGISTRAR        ? ERR_MALFORMED
							      : ERR_MALFORMED);
	}
	big[8] = REQUEST_COSIGN;
	for (size_t len = REQUEST_MAX - 2; len < sizeof big; len += 500) {
		packet_send(big, len);
		answers(5, len > REQUEST_MAX ? ERR_TOO_LARGE : ERR_MALFORMED);
	}
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		assert_int_equal(kill(signer.pid, signals[i]), 0);
	packet_send(packet.data, packet.len);
	answers(99, OK);
	buffer_free(&packet);
	ends();
}

/* Who never reads stops nobody else. */
static void test_not_read(void **state)
{
	struct request head = {.type = REQUEST_HEAD};
	struct buffer packet = BUFFER_INIT, payload = BUFFER_INIT;
	unsigned got = 0;
	uint64_t id;
	int code;

	(void)state;
	starts();
	for (head.id = 1; head.id <= 5000; head.id++) {
		buffer_reset(&packet);
		assert_int_equal(request_encode(&packet, &head), OK);
		packet_send(packet.data, packet.len);
	}
	while (answer_get(&id, &code, &payload, 200)) {
		assert_int_equal(code, OK);
		got++;
	}
	assert_in_range(got, 10, 5000);
	packet_send(packet.data, packet.len);
	answers(5000, OK);
	buffer_free(&packet);
	buffer_free(&payload);
	ends();
}

static bool says(const char *file, const char *line)
{
	char path[64], text[8192] = "";
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)signer.pid, file);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof text - 1) > 0);
	close(fd);
	return strstr(text, line) != NULL;
}

static void test_confined(void **state)
{
	(void)state;
	starts();
	assert_true(says("limits", "Max open files            0                    0  "));
	assert_true(says("limits", "Max core file size        0                    0  "));
	assert_true(says("status", "NoNewPrivs:\t1"));
	assert_true(says("comm", "convened-signer"));
	ends();
}

/* ---- starts that fail ---- */

static int refused(const void *ctx)
{
	(void)ctx;
	return ERR_NOTFOUND;
}

static void test_start_fails(void **state)
{
	char why[512];
	struct core *c;

	(void)state;
	key_put(&place, "log", "log", 5);
	assert_int_equal(try_start(why, NULL), ERR_KEY);
	assert_non_null(strstr(why, "log.key: not the log key that the credential names"));
	assert_int_equal(signer.pid, -1);
	keys_put(&place);
	/* It has said so itself. */
	assert_int_equal(try_start(why, refused), ERR_NOTFOUND);
	assert_string_equal(why, "");
	c = place_ready(&place);
	assert_int_equal(try_start(why, NULL), ERR_BUSY);
	assert_non_null(strstr(why, "another convened uses this data folder"));
	core_free(c);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left */
	starts();
	ends();
}

/* ---- the relay's side ---- */

static void test_client(void **state)
{
	struct credential own;
	struct signer_link *s;
	struct buffer note = BUFFER_INIT, message = BUFFER_INIT, line = BUFFER_INIT;
	struct tree_hash proof[64];
	uint8_t root[HASH_LEN], got[HASH_LEN];
	struct org n1, n2, n3;
	uint64_t size;
	struct request stale = {.id = 1, .type = REQUEST_HEAD};
	struct buffer packet = BUFFER_INIT;

	(void)state;
	assert_int_equal(credential_open(&own, place.forum, bytes_str(place.own.log_name),
			     buffer_bytes(&place.own.node)),
	    OK);
	org_make(&n1, 1, 1, 0, place.forum);
	org_make(&n2, 2, 1, 0, place.forum);
	org_make(&n3, 3, 1, 0, place.forum);
	starts();
	/* A relay that was killed before it read its answers. */
	assert_int_equal(request_encode(&packet, &stale), OK);
	packet_send(packet.data, packet.len);
	packet_send(packet.data, packet.len);
	assert_int_equal(signer_connect(&s, signer.fd, &own), OK);
	signer_head(s, &size, got);
	assert_int_equal(size, 0);
	root_of(0, 4, root);
	assert_int_equal(signer_checkpoint(s, 4, root, NULL, 0, &note), OK);
	signer_head(s, &size, got);
	assert_int_equal(size, 4);
	assert_memory_equal(got, root, HASH_LEN);
	root_of(0, 9, root);
	assert_int_equal(signer_checkpoint(s, 9, root, NULL, 0, &note), ERR_PROOF);
	assert_int_equal(signer_checkpoint(s, 9, root, proof, 65, &note), ERR_TOO_LARGE);
	assert_int_equal(signer_checkpoint(s, 9, root, proof, proof_of(0, 4, 9, proof), &note), OK);

	assert_int_equal(
	    signer_introduce(s, bytes_str(n3.log_name), buffer_bytes(&n3.node), &size, got),
	    ERR_NOT_MEMBER);
	assert_int_equal(
	    signer_introduce(s, bytes_str(n1.log_name), buffer_bytes(&n1.node), &size, got), OK);
	assert_int_equal(
	    signer_introduce(s, bytes_str(n2.log_name), buffer_bytes(&n2.node), &size, got), OK);
	admit_make(&message, &n1, &n3);
	assert_int_equal(signer_admit(s, n1.binding.digest, buffer_bytes(&message)), OK);
	buffer_reset(&message);
	admit_make(&message, &n2, &n3);
	assert_int_equal(signer_admit(s, n2.binding.digest, buffer_bytes(&message)), OK);
	assert_int_equal(
	    signer_introduce(s, bytes_str(n3.log_name), buffer_bytes(&n3.node), &size, got), OK);
	assert_int_equal(size, 0);
	buffer_reset(&note);
	note_make(&note, &n3, 0, 7);
	assert_int_equal(signer_cosign(s, buffer_bytes(&note), NULL, 0, &line), OK);
	assert_non_null(strstr(buffer_str(&line), "n0.example/cosigner "));
	assert_int_equal(
	    signer_introduce(s, bytes_str(n3.log_name), buffer_bytes(&n3.node), &size, got), OK);
	assert_int_equal(size, 7);

	struct header h = {.version = 1, .kind = KIND_POST, .sequence = 1, .time = FIXTURE_TIME};

	buffer_reset(&message);
	assert_int_equal(signer_registrar(s, &h, &message), ERR_REFUSED);
	assert_memory_equal(signer_registrar_key(s), place.own.registrar.public, KEY_LEN);
	assert_memory_equal(h.signer, place.own.registrar.public, KEY_LEN);
	h.kind = KIND_REVOKE;

	struct revoke_body revoke = {.reason = 2};
	struct buffer body = BUFFER_INIT;

	memcpy(revoke.device_key, n1.root.public, KEY_LEN);
	assert_int_equal(revoke_body_encode(&body, &revoke), OK);
	h.body = buffer_bytes(&body);
	assert_int_equal(signer_registrar(s, &h, &message), OK);
	assert_int_equal(
	    message_verify(buffer_bytes(&message), &place.own.binding, place.own.registrar.public),
	    OK);
	/* It dies: so much is said, and nothing hangs. */
	killed();
	assert_int_equal(signer_registrar(s, &h, &message), ERR_CLOSED);
	assert_int_equal(signer_checkpoint(s, 9, root, NULL, 0, &note), ERR_CLOSED);
	signer_free(s);
	close(signer.fd);
	signer.fd = -1;
	assert_int_equal(signer_connect(&s, -1, &own), ERR_CLOSED);
	signer_free(NULL);
	credential_clear(&own);
	org_free(&n1);
	org_free(&n2);
	org_free(&n3);
	buffer_free(&body);
	buffer_free(&note);
	buffer_free(&message);
	buffer_free(&line);
	buffer_free(&packet);
}

/* ---- the hostile relay ---- */

#define LOGS 4 /* ours, and those of n1, n2 and n3, whom the two have admitted */
#define SIGNED_MAX 20000
#define PENDING 64

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * UINT64_C(2685821657736338717) >> 16) % n;
}

struct signed_head {
	uint64_t h, size;
};

/* A request under way, and what is asked for in it. */
struct asked {
	enum request_type type;
	unsigned log;
	uint64_t h, size;
};

static struct {
	struct org org[LOGS];
	struct signed_head *heads[LOGS];
	size_t count[LOGS];
	/* The largest size signed and its history: what a clever one builds on. */
	uint64_t top[LOGS], newest[LOGS];
	struct asked asked[PENDING]; /* by id modulo */
	uint64_t id;
	unsigned signatures, refused, kills, garbage;
} relay;

/* All that was ever signed belongs to one history. */
static void head_signed(unsigned log, uint64_t h, uint64_t size)
{
	for (size_t i = 0; i < relay.count[log]; i++) {
		struct signed_head *o = &relay.heads[log][i];

		if (!heads_agree(o->h, o->size, h, size))
			fail_msg("log %u: signed %llu of history %llu and %llu of history %llu",
			    log, (unsigned long long)o->size, (unsigned long long)o->h,
			    (unsigned long long)size, (unsigned long long)h);
	}
	assert_true(relay.count[log] < SIGNED_MAX);
	relay.heads[log][relay.count[log]++] = (struct signed_head){h, size};
	if (size > relay.top[log]) {
		relay.top[log] = size;
		relay.newest[log] = h;
	}
	relay.signatures++;
}

static void answer_take(uint64_t id, int code, struct bytes payload)
{
	const struct asked *a = &relay.asked[id % PENDING];
	struct buffer whole = BUFFER_INIT;
	struct verifier key;
	struct checkpoint cp;
	struct note n;

	if (code) {
		relay.refused++;
		return;
	}
	if (a->type == REQUEST_CHECKPOINT) {
		assert_int_equal(verifier_make(&key, bytes_str(place.own.log_name),
				     VERIFIER_ED25519, place.own.log.public),
		    OK);
		assert_int_equal(checkpoint_open(payload, &key, &cp), OK);
		assert_int_equal(cp.size, a->size);
		head_signed(a->log, a->h, a->size);
	} else if (a->type == REQUEST_COSIGN) {
		assert_int_equal(verifier_make(&key, bytes_str("n0.example/cosigner"),
				     VERIFIER_COSIGNATURE, place.own.cosigner.public),
		    OK);
		note_make(&whole, &relay.org[a->log], a->h, a->size);
		buffer_add(&whole, payload.data, payload.len);
		assert_int_equal(note_parse(&n, buffer_bytes(&whole)), OK);
		assert_int_equal(note_verify(&n, &key, NULL), OK);
		head_signed(a->log, a->h, a->size);
	} else if (a->type == REQUEST_LEARN) {
		head_signed(a->log, a->h, a->size);
	}
	buffer_free(&whole);
}

/* Read what has come, or wait for the answer to the newest request. */
static void answers_read(bool all)
{
	struct buffer payload = BUFFER_INIT;
	uint64_t id;
	int code;

	while (answer_get(&id, &code, &payload, all ? 20000 : 0)) {
		if (id > 0 && id <= relay.id && relay.id - id < PENDING)
			answer_take(id, code, buffer_bytes(&payload));
		if (id == relay.id)
			break;
	}
	buffer_free(&payload);
}

static void head_ask(struct request *r, struct asked *a, struct buffer *note)
{
	static const uint64_t steps[] = {0, 0, 1, 1, 1, 2};
	uint64_t top, from;

	a->log = (unsigned)random_below(LOGS);
	a->type = r->type = a->log == 0 ? REQUEST_CHECKPOINT : REQUEST_COSIGN;
	a->h = random_below(3) > 0 ? relay.newest[a->log] : random_below(HISTORIES);
	top = relay.top[a->log];
	/* Near to what is signed, mostly: that is where it matters. */
	a->size = random_below(40) == 0 ? 1 + random_below(top + 20) : top + steps[random_below(6)];
	if (random_below(8) == 0 && top > 1)
		a->size = top - 1;
	if (a->size > HISTORY_LEN)
		a->size = HISTORY_LEN;
	if (a->size == 0)
		a->size = 1;
	from = random_below(4) == 0 ? random_below(a->size + 1) : top < a->size ? top : a->size;
	r->proof_count = proof_of(a->h, from, a->size, r->proof);
	if (random_below(6) == 0)
		r->proof[0].bytes[0] ^= 1;
	if (random_below(12) == 0)
		r->proof_count = random_below(4);
	r->size = a->size;
	root_of(a->h, a->size, r->root);
	if (a->log == 0 && random_below(6) == 0)
		a->type = r->type = REQUEST_LEARN;
	if (a->type != REQUEST_CHECKPOINT) {
		note_make(note, a->log == 0 ? &place.own : &relay.org[a->log], a->h, a->size);
		r->body = buffer_bytes(note);
	}
}

static void garbage_send(const struct buffer *packet)
{
	uint8_t junk[2048];
	size_t len = packet->len < sizeof junk ? packet->len : sizeof junk;

	memcpy(junk, packet->data, len);
	switch (random_below(3)) {
	case 0:
		len = random_below(len + 1);
		break;
	case 1:
		junk[8 + random_below(len - 8)] ^= (uint8_t)(1 + random_below(255));
		break;
	default:
		for (size_t i = 8; i < len; i++)
			junk[i] = (uint8_t)random_below(256);
	}
	/* Under an id that no other answer has. */
	if (len >= 8)
		put_u64(junk, 0);
	packet_send(junk, len);
	relay.garbage++;
}

static void request_send(struct request *r)
{
	struct buffer packet = BUFFER_INIT;

	assert_int_equal(request_encode(&packet, r), OK);
	packet_send(packet.data, packet.len);
	if (random_below(10) == 0)
		garbage_send(&packet);
	buffer_free(&packet);
}

static struct asked *request_new(struct request *r, enum request_type type)
{
	struct asked *a;

	*r = (struct request){.id = ++relay.id, .type = type};
	a = &relay.asked[r->id % PENDING];
	*a = (struct asked){.type = type};
	return a;
}

static void introduce(const struct org *o)
{
	struct request r;

	request_new(&r, REQUEST_INTRODUCE);
	r.log_name = bytes_str(o->log_name);
	r.body = buffer_bytes(&o->node);
	request_send(&r);
}

static void admit(const struct org *by)
{
	struct buffer message = BUFFER_INIT;
	struct request r;

	request_new(&r, REQUEST_ADMIT);
	memcpy(r.digest, by->binding.digest, DIGEST_LEN);
	admit_make(&message, by, &relay.org[3]);
	r.body = buffer_bytes(&message);
	request_send(&r);
	buffer_free(&message);
}

static void ask(void)
{
	struct buffer note = BUFFER_INIT;
	struct request r;
	uint64_t what = random_below(12);

	if (what == 0) {
		request_new(&r, REQUEST_HEAD);
		request_send(&r);
	} else if (what == 1) {
		introduce(&relay.org[random_below(LOGS)]);
	} else if (what == 2) {
		admit(&relay.org[1 + random_below(2)]);
	} else {
		head_ask(&r, request_new(&r, REQUEST_CHECKPOINT), &note);
		request_send(&r);
	}
	buffer_free(&note);
}

/* Killed where it stands; what it had released can still be read. */
static void kill_and_start(void)
{
	struct timespec wait = {0, (long)random_below(random_below(2) ? 200000 : 4000000)};

	nanosleep(&wait, NULL);
	killed();
	answers_read(false);
	close(signer.fd);
	relay.kills++;
	starts();
	if (random_below(6) == 0)
		return;
	for (unsigned i = 1; i < LOGS - 1; i++) {
		introduce(&relay.org[i]);
		admit(&relay.org[i]);
	}
	introduce(&relay.org[LOGS - 1]);
	answers_read(true);
}

static void test_hostile(void **state)
{
	const char *seed = getenv("SIGNER_SEED"), *steps = getenv("SIGNER_STEPS");
	unsigned long count = steps ? strtoul(steps, NULL, 10) : 900;

	(void)state;
	random_state = seed ? strtoull(seed, NULL, 10) : 20261122;
	memset(&relay, 0, sizeof relay);
	relay.org[0] = place.own;
	for (unsigned i = 1; i < LOGS; i++)
		org_make(&relay.org[i], i, 1, 0, place.forum);
	for (unsigned i = 0; i < LOGS; i++)
		relay.heads[i] = calloc(SIGNED_MAX, sizeof *relay.heads[i]);
	starts();
	for (unsigned long i = 0; i < count; i++) {
		ask();
		switch (random_below(8)) {
		case 0:
			kill_and_start();
			break;
		case 1: /* several under way, which contradict each other */
			for (uint64_t more = random_below(PENDING / 4); more > 0; more--)
				ask();
			if (random_below(2) == 0)
				kill_and_start();
			else
				answers_read(true);
			break;
		default:
			answers_read(true);
		}
	}
	print_message("%u signatures, %u refused, %u packets of nonsense, %u kills\n",
	    relay.signatures, relay.refused, relay.garbage, relay.kills);
	assert_true(relay.kills > count / 20);
	/* It was no idle run. */
	assert_true(relay.signatures > count / 20);
	for (unsigned i = 0; i < LOGS; i++)
		assert_true(relay.count[i] > 1);
	assert_true(relay.refused > relay.signatures / 4);
	for (unsigned i = 0; i < LOGS; i++) {
		free(relay.heads[i]);
		if (i > 0)
			org_free(&relay.org[i]);
	}
	ends();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_packets, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_not_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_confined, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_start_fails, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_client, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
	};
	int failed;

	if (crypto_start() != OK)
		return 1;
	histories_make();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	histories_free();
	return failed;
}
