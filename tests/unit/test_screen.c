/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader's state machine: keys and news in, jobs and rows out. Nothing is asked and nothing is
 * drawn for real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/screen/screen.h"
#include "msg/message.h"

#define LOG "isoc.example/00112233445566778899aabbccddeeff/1"

static uint8_t forum[HASH_LEN] = {9};
static struct binding binding;
static struct key key;
static struct screen screen;
static struct canvas canvas;
static struct job asked[64];
static size_t asked_count;
static struct home home;
static struct seen *seen;
static const uint8_t topic_id[ID_LEN] = {7};

static void ask(void *ctx, const struct job *job)
{
	(void)ctx;
	assert_true(asked_count < 64);
	asked[asked_count++] = *job;
}

static ProtobufCBinaryData copied(const void *data, size_t len)
{
	ProtobufCBinaryData b = {len, malloc(len ? len : 1)};

	memcpy(b.data, data, len);
	return b;
}

static ProtobufCBinaryData text(const char *s)
{
	return copied(s, strlen(s));
}

/* A signed post. `id` gets its id; `parent` NULL: it begins a thread. */
static Convene__Item *post_item(const char *subject, const char *said, uint64_t time,
    const uint8_t *parent, const uint8_t *thread, unsigned depth, uint8_t id[static ID_LEN])
{
	static uint64_t sequence;
	struct content c = {.subject = bytes_str(subject), .text = bytes_str(said)};
	struct header h = {.version = 1,
	    .sequence = ++sequence,
	    .kind = KIND_POST,
	    .time = time,
	    .has_commitment = true};
	struct buffer content = BUFFER_INIT, message = BUFFER_INIT;
	uint8_t salt[SALT_LEN] = {3};
	Convene__Item *i = calloc(1, sizeof *i);

	convene__item__init(i);
	assert_int_equal(content_encode(&content, &c), OK);
	memcpy(h.signer, key.public, KEY_LEN);
	h.topic.present = true;
	memcpy(h.topic.id, topic_id, ID_LEN);
	if (parent) {
		h.parent.present = true;
		memcpy(h.parent.id, parent, ID_LEN);
	}
	h.bucket = bucket_of(content.len);
	commitment_make(h.commitment, &binding, key.public, salt, buffer_bytes(&content));
	assert_int_equal(message_sign(&message, &binding, &h, &key), OK);
	message_id(id, buffer_bytes(&message), &binding);
	i->log = text(LOG);
	i->message = copied(message.data, message.len);
	i->salt = copied(salt, SALT_LEN);
	i->content = copied(content.data, content.len);
	i->organisation = text("isoc.example");
	i->handle = text("ann");
	i->thread = copied(thread ? thread : id, ID_LEN);
	i->topic = copied(topic_id, ID_LEN);
	i->depth = depth;
	i->arrival = sequence;
	buffer_free(&content);
	buffer_free(&message);
	return i;
}

/* ---- news ---- */

static struct news *news_of(enum news_kind kind)
{
	struct news *n = calloc(1, sizeof *n);

	n->kind = kind;
	n->no = screen.asked;
	if (asked_count > 0)
		n->job = asked[asked_count - 1];
	return n;
}

static void tell(struct news *n)
{
	screen_news(&screen, n);
	news_free(n);
}

static void tell_topics(void)
{
	struct news *n = news_of(NEWS_TOPICS);
	Convene__Topics *m = calloc(1, sizeof *m);

	convene__topics__init(m);
	m->n_topics = 2;
	m->topics = calloc(2, sizeof *m->topics);
	for (size_t i = 0; i < 2; i++) {
		Convene__Topic *t = m->topics[i] = calloc(1, sizeof *t);
		uint8_t id[ID_LEN] = {(uint8_t)(7 + i)};

		convene__topic__init(t);
		t->id = copied(id, ID_LEN);
		t->log = copied(binding.digest, DIGEST_LEN);
		t->title = text(i == 0 ? "First \033[31mtopic" : "Second topic");
		t->posts = 3;
		t->latest = 86400000;
	}
	n->frames.list = calloc(1, sizeof *n->frames.list);
	n->frames.list[n->frames.count++] = &m->base;
	tell(n);
}

static void tell_threads(size_t count, const uint8_t *first)
{
	struct news *n = news_of(NEWS_THREADS);
	Convene__Threads *m = calloc(1, sizeof *m);

	convene__threads__init(m);
	m->n_threads = count;
	m->threads = calloc(count, sizeof *m->threads);
	for (size_t i = 0; i < count; i++) {
		Convene__Thread *t = m->threads[i] = calloc(1, sizeof *t);
		uint8_t id[ID_LEN] = {100, (uint8_t)(n->job.offset + i)};
		char title[32];

		convene__thread__init(t);
		snprintf(title, sizeof title, "Thread %u", (unsigned)(n->job.offset + i));
		t->id = copied(i == 0 && first ? first : id, ID_LEN);
		t->subject = text(title);
		t->organisation = text("isoc.example");
		t->handle = text("ann");
		t->posts = 3;
		t->latest = 86400000;
	}
	n->frames.list = calloc(1, sizeof *n->frames.list);
	n->frames.list[n->frames.count++] = &m->base;
	tell(n);
}

static void add(struct news *n, Convene__Item *item)
{
	struct post *p = post_take(item, forum, NULL);

	assert_int_equal(posts_insert(&n->posts, n->posts.count, p), OK);
}

/* ---- looking ---- */

static bool shows(const char *wanted)
{
	struct buffer all = BUFFER_INIT;
	bool found;

	screen_draw(&screen, &canvas, 0);
	for (int row = 0; row < canvas.rows; row++) {
		canvas_row_text(&canvas, row, &all);
		buffer_add_u8(&all, '\n');
	}
	found = strstr(buffer_str(&all), wanted) != NULL;
	buffer_free(&all);
	return found;
}

static enum wish press(unsigned k)
{
	return screen_key(&screen, k, 1000000);
}

static uint8_t root_id[ID_LEN], answer_id[ID_LEN];

static void to_thread(void)
{
	struct news *n;
	Convene__Item *root, *answer;

	screen_begin(&screen);
	assert_int_equal(asked[0].kind, JOB_TOPICS);
	tell_topics();
	press(K_ENTER);
	root = post_item("Who?", "The root.", 1000, NULL, NULL, 0, root_id);
	tell_threads(2, root_id);
	press(K_ENTER);
	answer = post_item("", "> The root.\nAn answer.", 2000, root_id, root_id, 1, answer_id);
	n = news_of(NEWS_POSTS);
	add(n, root);
	add(n, answer);
	tell(n);
}

static void test_way_down(void **state)
{
	(void)state;
	screen_begin(&screen);
	assert_true(shows("Asking the node"));
	tell_topics();
	assert_true(shows("First \ufffd[31mtopic") && shows("Second topic") && shows("     3 "));
	press('j');
	press('k');
	press('l');
	/* no more than the screen shows */
	assert_int_equal(asked[1].kind, JOB_THREADS);
	assert_int_equal(asked[1].limit, 22);
	assert_memory_equal(asked[1].id, topic_id, ID_LEN);
	tell_threads(22, NULL);
	assert_int_equal(asked_count, 2);
	press('G');
	assert_int_equal(asked[2].offset, 22);
	press('j');
	assert_int_equal(asked_count, 3); /* it is asked already */
	tell_threads(1, NULL);
	press('G');
	assert_true(shows("Thread 22"));
	press('G');
	assert_int_equal(asked_count, 3); /* that was the last */
	press('q');
	assert_true(shows("Second topic"));
	assert_int_equal(press(K_LEFT), WISH_NONE);
	assert_int_equal(press('q'), WISH_QUIT);
}

static void test_messages(void **state)
{
	(void)state;
	to_thread();
	assert_int_equal(asked[2].kind, JOB_THREAD);
	assert_true(shows("2 messages") && shows("* ann@isoc.example Who?"));
	assert_true(shows("* └ ann@isoc.example An answer."));
	press(K_ENTER);
	assert_true(shows("The root.") && shows("1/2"));
	assert_int_equal(press('r'), WISH_REPLY);
	assert_memory_equal(screen_post(&screen)->shown.id, root_id, ID_LEN);
	press(K_TAB);
	assert_true(shows("An answer.") && shows("2/2"));
	press(K_TAB);
	assert_true(shows("Nothing else is unread here."));
	press('n');
	assert_true(shows("This is the last message."));
	press('q');
	assert_false(shows("* "));
	press('q');
	assert_true(shows(" Thread 0"));
	press('q');
	assert_true(shows("     1 ")); /* of three */
}

static void test_live(void **state)
{
	struct news *n;
	uint8_t id[ID_LEN];

	(void)state;
	to_thread();
	press('j');
	n = news_of(NEWS_LIVE);
	add(n, post_item("", "Before it.", 1500, root_id, root_id, 1, id));
	n->number = 70;
	tell(n);
	assert_int_equal(screen.arrival, 70);
	assert_true(shows("3 messages") && shows("├ ann@isoc.example Before it."));
	/* the selected one stays it, and nothing comes twice */
	assert_memory_equal(screen_post(&screen)->shown.id, answer_id, ID_LEN);
	n = news_of(NEWS_LIVE);
	add(n, post_item("New thread", "Text.", 3000, NULL, NULL, 0, id));
	tell(n);
	assert_true(shows("3 messages"));
	press('q');
	assert_true(shows("New thread") && shows("    4    4"));
	press('q');
	assert_true(shows("     5 "));
	/* cut off, and there again: what waits is sent */
	tell(news_of(NEWS_CUT));
	assert_false(shows("live"));
	asked_count = 0;
	tell(news_of(NEWS_CONNECTED));
	assert_true(shows("live"));
	assert_int_equal(asked_count, 1);
	assert_int_equal(asked[0].kind, JOB_FLUSH);
}

static void test_copy_and_failures(void **state)
{
	struct news *n;

	(void)state;
	screen_begin(&screen);
	n = news_of(NEWS_FAILED);
	n->trouble = (struct trouble){.err = ERR_CLOSED, .text = "nobody answers", .hint = "Try."};
	n->copy = true;
	tell(n);
	assert_true(shows("nobody answers.") && shows("Try.") && shows("offline"));
	press('x');
	assert_false(shows("nobody answers"));
	screen_begin(&screen);
	screen.copy = true;
	tell(news_of(NEWS_CONNECTED));
	tell_topics();
	assert_false(shows("offline"));
	/* who is typing goes on */
	press('/');
	press('z');
	n = news_of(NEWS_FAILED);
	n->trouble = (struct trouble){.err = ERR_CLOSED, .text = "nobody answers"};
	tell(n);
	assert_true(shows("Search for: z"));
	press(K_ESCAPE);
	/* said on standard error meanwhile */
	n = news_of(NEWS_SAID);
	snprintf(n->trouble.text, sizeof n->trouble.text, "convene: sent 1 message that waited.");
	tell(n);
	assert_true(shows(" sent 1 message"));
}

static void test_prompts(void **state)
{
	(void)state;
	to_thread();
	press('/');
	assert_true(shows("Search for:"));
	press(0x89c4);
	press(0x6a21);
	press('x');
	press(K_BACKSPACE);
	assert_true(shows("Search for: 规模"));
	press(K_ENTER);
	assert_int_equal(asked[asked_count - 1].kind, JOB_SEARCH);
	assert_string_equal(asked[asked_count - 1].words, "规模");
	assert_true(asked[asked_count - 1].before == UINT64_MAX);
	tell(news_of(NEWS_FOUND));
	assert_true(shows("Nothing was found"));
	press('q');
	press('w');
	press('S');
	assert_int_equal(press(K_ENTER), WISH_THREAD);
	press('w');
	assert_int_equal(press(K_ESCAPE), WISH_NONE);
	press('w');
	press(' ');
	assert_int_equal(press(K_ENTER), WISH_NONE);
	/* all is read: only when that is said */
	press('c');
	press('n');
	assert_true(shows("     3 "));
	press('c');
	press('y');
	assert_true(shows("       3 ")); /* how many there are, and none unread */
	assert_int_equal(screen.topics[0].unread, 0);
	assert_int_equal(screen.topics[1].unread, 3);
}

/* Whatever is pressed, on screens of any size. */
static void test_any_keys(void **state)
{
	static const unsigned keys[] = {K_UP, K_DOWN, K_LEFT, K_RIGHT, K_PAGE_UP, K_PAGE_DOWN,
	    K_HOME, K_END, K_ENTER, K_ESCAPE, K_BACKSPACE, K_TAB, 'j', 'k', 'g', 'G', 'n', 'p', 't',
	    'c', 'y', '/', 'x', 'B', '?', 'w', 'u', 0x5e9, 0x301, ' ', 'q', 'b'};
	uint32_t seed = 5;

	(void)state;
	to_thread();
	for (int i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		press(keys[(seed >> 16) % (sizeof keys / sizeof *keys)]);
		if (i % 50 == 0)
			screen_resize(
			    &screen, 1 + (int)(seed >> 20) % 30, 1 + (int)(seed >> 12) % 90);
		if (i % 7 == 0)
			screen_draw(&screen, &canvas, i % 3);
		asked_count = 0;
	}
}

static int setup(void **state)
{
	static const uint8_t seed[32] = {1};
	char folder[] = "/tmp/convene-screen-XXXXXX";
	struct trouble t;

	(void)state;
	assert_int_equal(crypto_start(), OK);
	key_from_seed(&key, seed);
	assert_int_equal(binding_make(&binding, forum, bytes_str(LOG)), OK);
	assert_non_null(mkdtemp(folder));
	memset(&home, 0, sizeof home);
	snprintf(home.path, sizeof home.path, "%s", folder);
	assert_int_equal(seen_open(&seen, &home, &t), OK);
	screen_init(&screen, seen, ask, NULL);
	screen_resize(&screen, 24, 80);
	asked_count = 0;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"seen.db", "seen.db-wal", "seen.db-shm"};
	char path[PATH_LEN + 16];

	(void)state;
	screen_free(&screen);
	canvas_free(&canvas);
	seen_close(seen);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", home.path, names[i]);
		unlink(path);
	}
	return rmdir(home.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_way_down, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_live, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_copy_and_failures, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_prompts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_any_keys, setup, teardown)};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
