/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/signer: whatever happens to the process or to its lock file, no two checkpoints are ever
 * signed that can't belong to one history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/encode.h"
#include "signer_fixture.h"

#define LOCK_LEN 1024 /* two records */

static struct place place;

static int setup(void **state)
{
	(void)state;
	place_make(&place);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	place_clear(&place);
	return access(place.folder, F_OK) == 0;
}

static int locked(struct core **c)
{
	char why[512] = "";
	int err;

	*c = place_opened(&place);
	err = core_lock(*c, place.lock, place.cosigned, why);
	if (err) {
		/* The operator is told which file. */
		assert_non_null(strstr(why, place.lock));
		core_free(*c);
		*c = NULL;
	}
	return err;
}

static struct core *ready(void)
{
	struct core *c;

	assert_int_equal(locked(&c), OK);
	return c;
}

static uint64_t head_of(const struct core *c)
{
	const struct head *head = core_head(c);
	uint8_t expected[HASH_LEN];

	if (head->size > 0) {
		root_of(0, head->size, expected);
		assert_memory_equal(head->root, expected, HASH_LEN);
	}
	return head->size;
}

/* Ask for history h at a size, with its proof from `from`; sign, or nothing comes out. */
static int sign_from(struct core *c, uint64_t from, uint64_t size, uint64_t h)
{
	struct verifier key;
	struct buffer note = BUFFER_INIT;
	struct tree_hash proof[64];
	struct checkpoint cp;
	uint8_t root[HASH_LEN];
	int err;

	assert_int_equal(verifier_make(&key, bytes_str(place.own.log_name), VERIFIER_ED25519,
			     place.own.log.public),
	    OK);
	root_of(h, size, root);
	err = core_checkpoint(
	    c, size, root, proof, from <= size ? proof_of(h, from, size, proof) : 0, &note);
	if (err) {
		assert_int_equal(note.len, 0);
	} else {
		assert_int_equal(checkpoint_open(buffer_bytes(&note), &key, &cp), OK);
		assert_int_equal(cp.size, size);
		assert_memory_equal(cp.root, root, HASH_LEN);
	}
	buffer_free(&note);
	return err;
}

static int sign(struct core *c, uint64_t size, uint64_t h)
{
	return sign_from(c, core_head(c)->size, size, h);
}

/* At this head, and nothing below, beside or apart from it. */
static void stands_at(struct core *c, uint64_t size)
{
	static const uint8_t zeros[HASH_LEN];
	struct buffer note = BUFFER_INIT;

	assert_int_equal(head_of(c), size);
	assert_int_equal(core_checkpoint(c, 0, zeros, NULL, 0, &note), ERR_RANGE);
	assert_int_equal(core_checkpoint(c, UINT64_C(1) << 63, zeros, NULL, 0, &note), ERR_RANGE);
	if (size > 0) {
		assert_int_equal(core_checkpoint(c, size, zeros, NULL, 0, &note), ERR_FORK);
		assert_int_equal(core_checkpoint(c, size + 1, zeros, NULL, 0, &note), ERR_PROOF);
		if (size > 1)
			assert_int_equal(sign(c, size - 1, 0), ERR_FORK);
		assert_int_equal(sign(c, size, 0), OK); /* the same again adds nothing */
		assert_int_equal(sign_from(c, 0, size + 1, 0), ERR_PROOF);
		/* The right proof of a history that left ours. */
		if (size > 5)
			assert_int_equal(sign(c, size + 7, 1), ERR_PROOF);
	} else {
		/* From nothing, nothing is to be proven. */
		assert_int_equal(sign_from(c, 3, 9, 0), ERR_PROOF);
	}
	assert_int_equal(note.len, 0);
	assert_int_equal(head_of(c), size);
}

static void stands_after_restart(uint64_t size)
{
	struct core *c = ready();

	stands_at(c, size);
	core_free(c);
}

/* ---- the rule ---- */

static void test_rule(void **state)
{
	struct core *s = ready();
	struct stat st;

	(void)state;
	stands_at(s, 0);
	assert_int_equal(sign(s, 1, 0), OK);
	stands_at(s, 1);
	assert_int_equal(sign(s, 2, 0), OK);
	assert_int_equal(sign(s, 70, 0), OK);
	stands_at(s, 70);
	/* Equal size, another root; and what that history goes on to. */
	assert_int_equal(sign(s, 70, 2), ERR_FORK);
	assert_int_equal(sign(s, 71, 2), ERR_PROOF);
	assert_int_equal(sign_from(s, 49, 71, 2), ERR_PROOF);
	assert_int_equal(sign(s, 71, 0), OK);
	stands_at(s, 71);
	core_free(s);
	assert_int_equal(stat(place.lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, LOCK_LEN);
}

static int learn(struct core *c, uint64_t from, uint64_t size, uint64_t h)
{
	struct tree_hash proof[64];
	struct buffer note = BUFFER_INIT;
	int err;

	note_make(&note, &place.own, h, size);
	err = core_learn(c, buffer_bytes(&note), proof, proof_of(h, from, size, proof));
	buffer_free(&note);
	return err;
}

/* What the key signed and the lock file forgot: by its own signature, with a proof, and never back.
 */
static void test_learn(void **state)
{
	struct buffer note = BUFFER_INIT;
	struct core *s = ready();
	struct org other;

	(void)state;
	/* An empty lock file, as after the disk was lost. */
	assert_int_equal(learn(s, 0, 40, 0), OK);
	stands_at(s, 40);
	/* An older one. */
	assert_int_equal(learn(s, 40, 70, 0), OK);
	assert_int_equal(learn(s, 70, 70, 0), OK);
	stands_at(s, 70);
	assert_int_equal(learn(s, 30, 40, 0), ERR_STALE);
	assert_int_equal(learn(s, 0, 80, 0), ERR_PROOF);
	/* The same key has signed another history. */
	assert_int_equal(learn(s, 70, 70, 2), ERR_FORK);
	assert_int_equal(learn(s, 70, 90, 2), ERR_PROOF);
	assert_int_equal(learn(s, 49, 90, 2), ERR_PROOF);
	/* Another's log, a forged note, no note. */
	org_make(&other, 1, 1, 0, place.forum);
	note_make(&note, &other, 0, 90);
	assert_int_not_equal(core_learn(s, buffer_bytes(&note), NULL, 0), OK);
	buffer_reset(&note);
	note_make(&note, &place.own, 0, 90);
	note.data[note.len - 9] ^= 1;
	assert_int_not_equal(core_learn(s, buffer_bytes(&note), NULL, 0), OK);
	assert_int_not_equal(core_learn(s, bytes_of(NULL, 0), NULL, 0), OK);
	stands_at(s, 70);
	core_free(s);
	stands_after_restart(70);
	buffer_free(&note);
	org_free(&other);
}

/* Any two heads of any two histories: signed if, and only if, the second extends the first. */
static void test_any_two(void **state)
{
	(void)state;
	for (uint64_t size = 3; size < 60; size += 4) {
		for (uint64_t next = 3; next < 70; next += 3) {
			uint64_t h = 1 + (size + next) % 2;
			bool apart = size > history_leaves_at[h];
			struct core *s = ready();
			int err;

			assert_int_equal(sign(s, size, 0), OK);
			err = sign(s, next, h);
			assert_int_equal(err, next < size             ? ERR_FORK
					      : apart && next == size ? ERR_FORK
					      : apart                 ? ERR_PROOF
								      : OK);
			core_free(s);
			unlink(place.lock);
		}
	}
}

/* The largest size that a log can have. */
static void test_last(void **state)
{
	struct core *s = ready();
	struct buffer note = BUFFER_INIT;
	uint8_t root[HASH_LEN];
	uint64_t last = (UINT64_C(1) << 63) - 1;

	(void)state;
	root_of(0, 9, root);
	assert_int_equal(core_checkpoint(s, last, root, NULL, 0, &note), OK);
	assert_true(note.len > 0);
	buffer_reset(&note);
	assert_int_equal(core_checkpoint(s, last + 1, root, NULL, 0, &note), ERR_RANGE);
	assert_int_equal(core_checkpoint(s, last - 1, root, NULL, 0, &note), ERR_FORK);
	assert_int_equal(note.len, 0);
	buffer_free(&note);
	core_free(s);
}

static void test_reopen(void **state)
{
	(void)state;
	stands_after_restart(0);
	for (uint64_t size = 1; size < 40; size += 1 + size % 3) {
		struct core *s = ready();

		assert_int_equal(sign(s, size, 0), OK);
		core_free(s);
		stands_after_restart(size);
	}
}

/* A note is appended; what stood before it stays. */
static void test_appends(void **state)
{
	struct core *s = ready();
	struct buffer note = BUFFER_INIT, again = BUFFER_INIT;
	uint8_t root[HASH_LEN];

	(void)state;
	root_of(0, 3, root);
	buffer_add_str(&note, "before");
	assert_int_equal(core_checkpoint(s, 3, root, NULL, 0, &note), OK);
	assert_int_equal(core_checkpoint(s, 3, root, NULL, 0, &again), OK);
	assert_int_equal(note.len, 6 + again.len);
	assert_memory_equal(note.data, "before", 6);
	assert_memory_equal(note.data + 6, again.data, again.len);
	buffer_free(&note);
	buffer_free(&again);
	core_free(s);
}

/* ---- crashes ---- */

/* In the child: sign on and on, and hand each size over a pipe as a signer does over a socket. */
static void sign_for_ever(int out)
{
	struct core *s = place_ready(&place);

	for (uint64_t size = core_head(s)->size + 1; size <= HISTORY_LEN; size++) {
		if (sign(s, size, 0) != OK || write(out, &size, sizeof size) != sizeof size)
			_exit(2);
	}
	for (;;)
		pause();
}

static void test_killed(void **state)
{
	uint64_t highest = 0, total = 0, random = 88172645463325252u;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct timespec wait = {0, 0};
		int pipes[2], status;
		uint64_t size;
		struct core *s;
		pid_t pid;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		wait.tv_nsec = (long)(random % (round % 4 ? 4000000 : 30000000));
		assert_int_equal(pipe(pipes), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			close(pipes[0]);
			sign_for_ever(pipes[1]);
		}
		close(pipes[1]);
		nanosleep(&wait, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		while (read(pipes[0], &size, sizeof size) == sizeof size)
			highest = size;
		close(pipes[0]);
		/* It died between remembering and releasing, or not: one step at most. */
		s = ready();
		assert_in_range(head_of(s), highest, highest + 1);
		highest = head_of(s);
		if (highest < HISTORY_LEN - 10)
			stands_at(s, highest);
		core_free(s);
		if (highest > HISTORY_LEN - 40) {
			unlink(place.lock);
			total += highest;
			highest = 0;
		}
	}
	assert_true(total + highest > 10);
}

/* The power goes while a record is being written: any part of it, over what was there. */
static void test_torn_write(void **state)
{
	uint8_t before[LOCK_LEN] = {0}, after[LOCK_LEN], torn[LOCK_LEN];

	(void)state;
	for (uint64_t size = 1; size < 5; size++) {
		struct core *s = ready();
		size_t at = size % 2 ? LOCK_LEN / 2 : 0;

		assert_int_equal(sign(s, size, 0), OK);
		core_free(s);
		assert_int_equal(bytes_read(place.lock, after, LOCK_LEN), LOCK_LEN);
		/* One record stays as it was. */
		assert_memory_equal(
		    after + LOCK_LEN / 2 - at, before + LOCK_LEN / 2 - at, LOCK_LEN / 2);
		for (size_t len = 0; len < LOCK_LEN / 2; len += 7) {
			memcpy(torn, before, LOCK_LEN);
			memcpy(torn + at, after + at, len);
			/* The first of all also makes the file. */
			bytes_write(place.lock, torn, size == 1 ? at + len : LOCK_LEN);
			s = ready();
			assert_true(head_of(s) == size - 1 || memcmp(torn, after, LOCK_LEN) == 0);
			assert_int_equal(sign(s, size, 0), OK);
			core_free(s);
			stands_after_restart(size);
		}
		bytes_write(place.lock, after, LOCK_LEN);
		memcpy(before, after, LOCK_LEN);
	}
}

/* ---- a lock file that can't be trusted ---- */

static void test_damaged(void **state)
{
	uint8_t good[LOCK_LEN], bad[LOCK_LEN];
	struct core *s = ready();

	(void)state;
	for (uint64_t size = 1; size < 4; size++)
		assert_int_equal(sign(s, size, 0), OK);
	core_free(s);
	assert_int_equal(bytes_read(place.lock, good, LOCK_LEN), LOCK_LEN);
	/* Both records, anywhere. */
	for (size_t i = 0; i < LOCK_LEN / 2; i += 3) {
		memcpy(bad, good, LOCK_LEN);
		bad[i] ^= 0x40;
		bad[LOCK_LEN / 2 + (i * 5) % (LOCK_LEN / 2)] ^= 1;
		bytes_write(place.lock, bad, LOCK_LEN);
		assert_int_equal(locked(&s), ERR_MALFORMED);
	}
	/* The older one alone is what a torn write leaves. */
	memcpy(bad, good, LOCK_LEN);
	bad[100] ^= 1;
	bytes_write(place.lock, bad, LOCK_LEN);
	stands_after_restart(3);
	/* Zeros, text, too short. */
	memset(bad, 0, LOCK_LEN);
	bytes_write(place.lock, bad, LOCK_LEN);
	assert_int_equal(locked(&s), ERR_MALFORMED);
	memset(bad, 'x', LOCK_LEN);
	bytes_write(place.lock, bad, LOCK_LEN);
	assert_int_equal(locked(&s), ERR_MALFORMED);
	for (size_t len = 1; len < LOCK_LEN; len += 11) {
		bytes_write(place.lock, good, len);
		assert_int_equal(locked(&s), ERR_MALFORMED);
	}
	bytes_write(place.lock, good, LOCK_LEN);
	stands_after_restart(3);
}

/* Another log's: of the same organisation, under another key. */
static void test_foreign_lock(void **state)
{
	struct place other = place;
	struct core *s;

	(void)state;
	org_make(&other.own, 0, 1, 1, place.forum);
	key_put(&place, "log", "log", 6);
	s = place_ready(&other);
	struct buffer note = BUFFER_INIT;
	uint8_t root[HASH_LEN];

	root_of(0, 5, root);
	assert_int_equal(core_checkpoint(s, 5, root, NULL, 0, &note), OK);
	core_free(s);
	buffer_free(&note);
	org_free(&other.own);

	key_put(&place, "log", "log", 2);
	assert_int_equal(locked(&s), ERR_MALFORMED);
}

/* The log has ended and its successor begins: with nothing signed, whatever the crash left, and
 * never the other way round. */
static void test_successor(void **state)
{
	struct org next, first = place.own;
	uint8_t pair[LOCK_LEN], fresh[LOCK_LEN], kept[LOCK_LEN], torn[LOCK_LEN];
	char ended[200], hex[2 * DIGEST_LEN + 1];
	struct core *s = ready();

	(void)state;
	assert_int_equal(sign(s, 3, 0), OK);
	assert_int_equal(sign(s, 5, 0), OK);
	core_free(s);
	assert_int_equal(bytes_read(place.lock, pair, LOCK_LEN), LOCK_LEN);
	org_make(&next, 0, 2, 255, place.forum);
	assert_string_equal(first.log_name + strlen(first.log_name) - 2, "/1");
	key_put(&place, "log", "log", (uint8_t)(2 + 255 * 4));
	place.own = next;

	/* Whole, and cut in the middle of being overwritten, before the second record and after. */
	stands_after_restart(0);
	assert_int_equal(bytes_read(place.lock, fresh, LOCK_LEN), LOCK_LEN);
	for (size_t at = 0; at <= LOCK_LEN; at += 256) {
		memcpy(torn, fresh, at);
		memcpy(torn + at, pair + at, LOCK_LEN - at);
		bytes_write(place.lock, torn, LOCK_LEN);
		stands_after_restart(0);
	}
	hex_encode(hex, first.binding.digest, DIGEST_LEN);
	snprintf(ended, sizeof ended, "%s.ended-%s", place.lock, hex);
	int fd = open(ended, O_RDONLY);
	assert_int_equal(read(fd, kept, LOCK_LEN), LOCK_LEN);
	close(fd);
	assert_int_equal(unlink(ended), 0);

	/* It goes on by its own rule, and is not begun again. */
	s = ready();
	assert_int_equal(sign(s, 7, 1), OK);
	core_free(s);
	s = ready();
	assert_int_equal(core_head(s)->size, 7);
	assert_int_equal(sign_from(s, 0, 7, 0), ERR_FORK);
	core_free(s);

	/* The old log is not signed any more, and its lock file is nothing to a third log. */
	key_put(&place, "log", "log", 2);
	place.own = first;
	assert_int_equal(locked(&s), ERR_MALFORMED);
	place.own = next;
	key_put(&place, "log", "log", 42);
	org_free(&place.own);
	org_make(&place.own, 0, 2, 10, place.forum);
	assert_int_equal(locked(&s), ERR_MALFORMED);
	org_free(&first);
}

static void test_two_holders(void **state)
{
	struct core *first = ready(), *second;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(locked(&second), ERR_BUSY);
	pid = fork();
	if (pid == 0) {
		struct core *s = place_opened(&place);
		char why[512];

		_exit(core_lock(s, place.lock, place.cosigned, why) == ERR_BUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(sign(first, 1, 0), OK);
	core_free(first);
	stands_after_restart(1);
}

static void test_no_place(void **state)
{
	struct core *s = place_opened(&place);
	char path[120], why[512] = "";

	(void)state;
	snprintf(path, sizeof path, "%s/absent/signer.lock", place.folder);
	assert_int_equal(core_lock(s, path, place.cosigned, why), ERR_IO);
	assert_non_null(strstr(why, path));
	core_free(s);
	/* What another put there to point elsewhere. */
	snprintf(path, sizeof path, "%s/elsewhere", place.folder);
	assert_int_equal(symlink(path, place.lock), 0);
	assert_int_equal(locked(&s), ERR_IO);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- a disk that takes nothing more ---- */

static void limit_set(rlim_t limit)
{
	struct rlimit r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
	r.rlim_cur = limit;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

/* No signature without a record: also when half of it went to the disk. */
static void test_full_disk(void **state)
{
	static const rlim_t limits[] = {0, 100, 512, 600, 700};

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	for (uint64_t size = 0; size < 4; size++) {
		for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
			/* Where the next record goes. */
			bool fits = size % 2 == 1 && limits[i] >= LOCK_LEN / 2;
			struct core *s = ready();

			limit_set(limits[i]);
			assert_int_equal(fits ? ERR_IO : sign(s, size + 1, 1), ERR_IO);
			limit_set(RLIM_INFINITY);
			stands_at(s, size);
			core_free(s);
			stands_after_restart(size);
			s = ready();
			assert_int_equal(sign(s, size == 0 ? 1 : size, 0), OK);
			core_free(s);
			if (size == 0)
				unlink(place.lock);
		}
		struct core *s = ready();

		assert_int_equal(sign(s, size + 1, 0), OK);
		stands_at(s, size + 1);
		core_free(s);
	}
}

/* ---- the registrar ---- */

static int registrar_sign(struct core *c, struct header *h, struct bytes body)
{
	struct buffer header = BUFFER_INIT, message = BUFFER_INIT;
	struct header parsed;
	int err;

	h->body = body;
	assert_int_equal(header_encode(&header, h), OK);
	err = core_registrar(c, buffer_bytes(&header), &message);
	if (err) {
		assert_int_equal(message.len, 0);
	} else {
		assert_int_equal(message_parse(buffer_bytes(&message), &parsed), OK);
		assert_int_equal(parsed.kind, h->kind);
		assert_int_equal(message_verify(buffer_bytes(&message), &place.own.binding,
				     place.own.registrar.public),
		    OK);
	}
	buffer_free(&header);
	buffer_free(&message);
	return err;
}

static void test_registrar(void **state)
{
	struct core *s = ready();
	struct key device = fixture_key(0xd0), endorser = fixture_key(0xd1);
	struct enrol_body enrol = {.custody = 1};
	struct revoke_body revoke = {.reason = 1};
	struct target_body erase = {
	    .target = {.present = true, .log = {3}, .id = {4}}, .reason = 2};
	struct buffer body = BUFFER_INIT, other = BUFFER_INIT;
	struct header h = {.version = 1, .sequence = 7, .time = FIXTURE_TIME};

	(void)state;
	memcpy(h.signer, place.own.registrar.public, KEY_LEN);
	memset(enrol.identity, 9, IDENTITY_LEN);
	memcpy(enrol.device_key, device.public, KEY_LEN);
	memcpy(revoke.device_key, device.public, KEY_LEN);
	device_sign(enrol.device_signature, DEVICE_DOMAIN, &place.own.binding, enrol.identity,
	    device.public, 1, &device);
	assert_int_equal(enrol_body_encode(&body, &enrol), OK);
	for (h.kind = 1; h.kind < 300; h.kind++)
		assert_int_equal(registrar_sign(s, &h, buffer_bytes(&body)),
		    h.kind == KIND_ENROL                            ? OK
		    : h.kind == KIND_REVOKE || h.kind == KIND_ERASE ? ERR_MALFORMED
								    : ERR_REFUSED);
	h.kind = KIND_REVOKE;
	assert_int_equal(revoke_body_encode(&other, &revoke), OK);
	assert_int_equal(registrar_sign(s, &h, buffer_bytes(&other)), OK);
	h.kind = KIND_ERASE;
	buffer_reset(&other);
	assert_int_equal(erase_body_encode(&other, &erase), OK);
	assert_int_equal(registrar_sign(s, &h, buffer_bytes(&other)), OK);
	h.kind = KIND_ENROL;
	/* In the name of another key. */
	memcpy(h.signer, place.own.root.public, KEY_LEN);
	assert_int_equal(registrar_sign(s, &h, buffer_bytes(&body)), ERR_KEY);
	memcpy(h.signer, place.own.registrar.public, KEY_LEN);
	/* A key that has not signed; an endorser that has not. */
	buffer_reset(&body);
	enrol.custody = 0;
	assert_int_equal(enrol_body_encode(&body, &enrol), OK);
	assert_int_equal(registrar_sign(s, &h, buffer_bytes(&body)), ERR_SIGNATURE);
	enrol.custody = 1;
	enrol.has_endorsement = true;
	memcpy(enrol.endorser, endorser.public, KEY_LEN);
	memcpy(enrol.endorsement, enrol.device_signature, SIG_LEN);
	buffer_reset(&body);
	assert_int_equal(enrol_body_encode(&body, &enrol), OK);
	assert_int_equal(registrar_sign(s, &h, buffer_bytes(&body)), ERR_SIGNATURE);
	device_sign(enrol.endorsement, ENDORSE_DOMAIN, &place.own.binding, enrol.identity,
	    device.public, 1, &endorser);
	buffer_reset(&body);
	assert_int_equal(enrol_body_encode(&body, &enrol), OK);
	assert_int_equal(registrar_sign(s, &h, buffer_bytes(&body)), OK);
	/* Not a header. */
	assert_int_equal(core_registrar(s, bytes_str("x"), &other), ERR_MALFORMED);
	buffer_free(&body);
	buffer_free(&other);
	core_free(s);
}

/* ---- the keys, and what says whose they are ---- */

static void refuses_with(const struct core_setup *in, int err, const char *file, const char *word)
{
	struct core *s = (struct core *)&place;
	char why[512] = "";
	bool pinned;

	assert_int_equal(core_open(&s, in, &pinned, why), err);
	assert_null(s);
	assert_non_null(strstr(why, file));
	assert_non_null(strstr(why, word));
}

static void refuses(int err, const char *file, const char *word)
{
	struct core_setup in = place_setup(&place);

	refuses_with(&in, err, file, word);
	keys_put(&place);
	core_free(place_opened(&place));
}

static void test_keys(void **state)
{
	char path[120];

	(void)state;
	key_put(&place, "log", "log", 5);
	refuses(ERR_KEY, "log.key", "not the log key that the credential names");
	key_put(&place, "registrar", "registrar", 5);
	refuses(ERR_KEY, "registrar.key", "not the registrar key that the credential names");
	key_put(&place, "cosigner", "cosigner", 5);
	refuses(ERR_KEY, "cosigner.key", "not the cosigner key that the credential names");
	/* Mixed up. */
	key_put(&place, "registrar", "log", 3);
	refuses(ERR_KEY, "log.key", "");
	key_put(&place, "log", "registrar", 2);
	refuses(ERR_KEY, "registrar.key", "");
	snprintf(path, sizeof path, "%s/registrar.key", place.keys);
	unlink(path);
	refuses(ERR_NOTFOUND, "registrar.key", "");
	snprintf(path, sizeof path, "%s/log.key", place.keys);
	assert_int_equal(chmod(path, 0640), 0);
	refuses(ERR_REFUSED, "log.key", "chmod 600");
	assert_int_equal(truncate(path, 20), 0);
	refuses(ERR_MALFORMED, "log.key", "");
	core_free(NULL);
}

static void test_papers(void **state)
{
	struct core_setup in = place_setup(&place);
	uint8_t other_forum[HASH_LEN];
	struct org other;

	(void)state;
	in.charter.len -= 3;
	refuses_with(&in, ERR_MALFORMED, "charter", "");
	in = place_setup(&place);
	in.credential.len--;
	refuses_with(&in, ERR_MALFORMED, "credential", "");
	memset(other_forum, 1, sizeof other_forum);
	org_make(&other, 0, 1, 0, other_forum);
	in.log_name = other.log_name;
	in.credential = buffer_bytes(&other.node);
	refuses_with(&in, ERR_OTHER_FORUM, "credential", "");
	org_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_rule, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_learn, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_any_two, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_last, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_appends, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_torn_write, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_foreign_lock, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_successor, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_two_holders, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_registrar, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_papers, setup, teardown),
	};
	int failed;

	if (crypto_start() != OK)
		return 1;
	histories_make();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	histories_free();
	return failed;
}
