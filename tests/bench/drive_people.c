/* SPDX-License-Identifier: BSD-2-Clause */
/* Participants: invited over the control socket, enrolled over TLS, as people are. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/client.h"
#include "msg/body.h"
#include "msg/content.h"
#include "tests/bench/drive.h"

#define ENROL_SECONDS 120

static size_t enrolled;
static bool done;

/* Letters no two of which look alike, so that no handle is refused for looking like another. */
static void handle_write(char handle[static 16], size_t number)
{
	snprintf(handle, 16, "p%06zu", number);
	for (char *p = handle + 1; *p; p++)
		*p = "abcdefghjk"[*p - '0'];
}

static void invite_get(struct person *p)
{
	const char *argv[] = {"invite", "--handle", p->handle};
	struct buffer answer = BUFFER_INIT;
	struct invite invite;
	struct trouble t;
	const char *text;
	json_t *json;

	if (control_call(p->conn.node->control, 3, argv, bytes_of(NULL, 0), &answer, &t) != OK)
		die("no invite: %s", t.text);
	json = json_loads(buffer_str(&answer), 0, NULL);
	text = json_string_value(json_object_get(json, "invite"));
	if (!text || invite_parse(&invite, bytes_str(text)) != OK)
		die("what was asked for is not an invite: %.200s", buffer_str(&answer));
	memcpy(p->secret, invite.secret, sizeof p->secret);
	json_decref(json);
	buffer_free(&answer);
}

static void redeem(struct person *p)
{
	Convene__Redeem m = CONVENE__REDEEM__INIT;
	struct content c = {.profile = {.present = true, .handle = bytes_str(p->handle)}};
	const struct binding *b = &p->conn.node->binding;
	struct buffer content = BUFFER_INIT;
	uint8_t salt[SALT_LEN], signature[SIG_LEN];

	random_fill(salt, sizeof salt);
	device_sign(signature, DEVICE_DOMAIN, b, p->identity, p->key.public, 0, &p->key);
	if (content_encode(&content, &c) != OK)
		die("a profile can't be made");
	m.secret = pb_of(bytes_of(p->secret, sizeof p->secret));
	m.identity = pb_of(bytes_of(p->identity, IDENTITY_LEN));
	m.device_key = pb_of(bytes_of(p->key.public, KEY_LEN));
	m.device_signature = pb_of(bytes_of(signature, SIG_LEN));
	m.salt = pb_of(bytes_of(salt, SALT_LEN));
	m.content = pb_of(buffer_bytes(&content));
	channel_send(p->conn.channel, FRAME_REDEEM, 1, &m.base);
	buffer_free(&content);
}

static void enrol_frame(struct conn *c, const struct frame *frame)
{
	struct person *p = c->owner;

	if (frame->type != FRAME_REDEEMED || p->enrolled)
		conn_surprise(c, frame);
	p->enrolled = true;
	done = ++enrolled == c->node->people_count;
}

static void person_open(size_t i, void *ctx)
{
	struct node *node = ctx;
	struct person *p = allocate(1, sizeof *p);

	(void)i;
	p->conn.node = node;
	key_generate(&p->key);
	random_fill(p->identity, IDENTITY_LEN);
	handle_write(p->handle, node->people_count);
	invite_get(p);
	conn_open(&p->conn, node, enrol_frame, p);
	node->people[node->people_count++] = p;
}

void people_add(struct node *node, size_t count)
{
	size_t before = node->people_count;

	node->people = realloc(node->people, (before + count) * sizeof *node->people);
	if (!node->people)
		die("out of memory");
	conn_open_all(count, person_open, node);
	enrolled = before;
	done = count == 0;
	for (size_t i = before; i < node->people_count; i++)
		redeem(node->people[i]);
	loop_until(&done, ENROL_SECONDS);
}

static void topic_frame(struct conn *c, const struct frame *frame)
{
	ProtobufCMessage *any;
	const Convene__Submitted *m;

	if (frame->type != FRAME_SUBMITTED ||
	    message_unpack(&any, frame_descriptor(FRAME_SUBMITTED), frame->payload) != OK)
		conn_surprise(c, frame);
	m = (const Convene__Submitted *)any;
	if (m->n_outcomes != 1 || m->outcomes[0]->status == CONVENE__STATUS__REFUSED)
		die("the topic was refused");
	message_free(any);
	done = true;
}

void topic_open(struct node *node)
{
	struct content c = {.subject = bytes_str("What is measured")};
	struct header h = {.kind = KIND_TOPIC};
	struct buffer message = BUFFER_INIT, content = BUFFER_INIT;
	uint8_t salt[SALT_LEN];
	struct person *p;

	if (node->people_count == 0)
		die("%s has nobody who could open a topic", node->name);
	p = node->people[0];
	if (content_encode(&content, &c) != OK)
		die("a topic can't be made");
	node->topic.present = true;
	memcpy(node->topic.log, node->binding.digest, DIGEST_LEN);
	message_make(&message, p, &h, buffer_bytes(&content), salt, node->topic.id);
	p->conn.frame = topic_frame;
	done = false;
	submission_send(p, 1, buffer_bytes(&message), salt, buffer_bytes(&content));
	loop_until(&done, ENROL_SECONDS);
	buffer_free(&message);
	buffer_free(&content);
}
