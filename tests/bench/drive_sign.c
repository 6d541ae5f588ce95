/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages made ahead: what is measured is the node, not who writes to it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "msg/content.h"
#include "tests/bench/drive.h"

#define THREAD_POSTS 20 /* the first begins the thread, the others answer it */
#define MARK_LEN 8

void message_make(struct buffer *out, struct person *by, struct header *h, struct bytes content,
    uint8_t salt[static SALT_LEN], uint8_t id[static ID_LEN])
{
	const struct binding *b = &by->conn.node->binding;
	size_t at = out->len;

	h->version = 1;
	memcpy(h->signer, by->key.public, KEY_LEN);
	h->sequence = ++by->sequence;
	h->time = clock_wall_ms();
	h->lang = bytes_str("en");
	h->has_commitment = true;
	h->bucket = bucket_of(content.len);
	random_fill(salt, SALT_LEN);
	commitment_make(h->commitment, b, h->signer, salt, content);
	if (message_sign(out, b, h, &by->key) != OK || out->failed)
		die("a message can't be made");
	message_id(id, bytes_of(out->data + at, out->len - at), b);
}

void submission_send(struct person *by, uint32_t stream, struct bytes message,
    const uint8_t salt[static SALT_LEN], struct bytes content)
{
	const struct binding *b = &by->conn.node->binding;
	Convene__Submission one = CONVENE__SUBMISSION__INIT, *list = &one;
	Convene__Submit m = CONVENE__SUBMIT__INIT;

	one.message = pb_of(message);
	one.salt = pb_of(bytes_of(salt, SALT_LEN));
	one.content = pb_of(content);
	m.forum = pb_of(bytes_of(b->forum, HASH_LEN));
	m.log = pb_of(bytes_str(b->log_name));
	m.submissions = &list;
	m.n_submissions = 1;
	channel_send_now(by->conn.channel, FRAME_SUBMIT, stream, &m.base);
}

/* ---- which post a message is ---- */

/* R of a signature is as good as a hash, and is there already. */
static uint64_t mark_of(struct bytes message)
{
	uint64_t mark = 0;

	if (message.len > SIG_LEN)
		memcpy(&mark, message.data + message.len - SIG_LEN, MARK_LEN);
	return mark;
}

static struct post **place_of(uint64_t mark)
{
	size_t at = (size_t)mark & drive.mark_mask;
	struct post *p;

	while ((p = drive.by_mark[at]) &&
	       mark_of(bytes_of(drive.arena.data + p->message, p->message_len)) != mark)
		at = (at + 1) & drive.mark_mask;
	return &drive.by_mark[at];
}

struct post *post_find(struct bytes message)
{
	return drive.by_mark ? *place_of(mark_of(message)) : NULL;
}

static void marks_make(void)
{
	size_t size = 64;

	while (size < 2 * drive.post_count)
		size *= 2;
	free(drive.by_mark);
	drive.by_mark = allocate(size, sizeof(struct post *));
	drive.mark_mask = size - 1;
	for (size_t i = 0; i < drive.post_count; i++) {
		struct post *p = &drive.posts[i];

		*place_of(mark_of(bytes_of(drive.arena.data + p->message, p->message_len))) = p;
	}
}

/* ---- the posts ---- */

/* Words that do not repeat as a line would: nothing on the way may gain by that. */
static void text_write(struct buffer *out, size_t size)
{
	static const char letters[] = "etaoinshrdlucmfwypvbgkjqxz";
	uint8_t random[4096];
	size_t at = sizeof random, end = out->len + size;

	while (out->len < end) {
		if (at == sizeof random) {
			random_fill(random, sizeof random);
			at = 0;
		}
		buffer_add_u8(out, random[at] < 40 ? ' ' : (uint8_t)letters[random[at] % 26]);
		at++;
	}
}

static void post_make(struct post *p, struct buffer *text, size_t size)
{
	struct header h = {.kind = KIND_POST, .topic = p->by->conn.node->topic};
	bool begins = p->by->thread_posts % THREAD_POSTS == 0;
	struct content c = {.subject = bytes_str(begins ? "A thread" : "")};
	uint8_t id[ID_LEN];

	buffer_reset(text);
	text_write(text, size);
	c.text = buffer_bytes(text);
	if (!begins)
		h.parent = p->by->thread;
	p->content = drive.arena.len;
	if (content_encode(&drive.arena, &c) != OK || drive.arena.failed)
		die("a content can't be made");
	p->content_len = (uint32_t)(drive.arena.len - p->content);
	/* The message goes behind it, which may move both. */
	struct buffer message = BUFFER_INIT;

	message_make(&message, p->by, &h, bytes_of(drive.arena.data + p->content, p->content_len),
	    p->salt, id);
	p->message = drive.arena.len;
	p->message_len = (uint32_t)message.len;
	buffer_add(&drive.arena, message.data, message.len);
	buffer_free(&message);
	drive.bytes += p->message_len + SALT_LEN + p->content_len;
	if (begins) {
		p->by->thread.present = true;
		memcpy(p->by->thread.log, p->by->conn.node->binding.digest, DIGEST_LEN);
		memcpy(p->by->thread.id, id, ID_LEN);
	}
	p->by->thread_posts++;
}

void posts_sign(struct node *node, size_t clients, size_t count, size_t size)
{
	struct buffer text = BUFFER_INIT;

	if (clients == 0 || clients > node->people_count || !node->topic.present)
		die("%s has %zu people%s", node->name, node->people_count,
		    node->topic.present ? "" : ", and no topic");
	free(drive.posts);
	buffer_reset(&drive.arena);
	drive.posts = allocate(count + 1, sizeof *drive.posts);
	drive.post_count = count;
	drive.client_count = clients;
	drive.posted_at = node;
	drive.bytes = 0;
	for (size_t i = 0; i < count; i++) {
		drive.posts[i].by = node->people[i % clients];
		post_make(&drive.posts[i], &text, size);
	}
	if (drive.arena.failed)
		die("out of memory");
	marks_make();
	watch_reset();
	buffer_free(&text);
}
