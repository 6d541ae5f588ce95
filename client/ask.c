/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking for a participant: the node or else the copy, and finding what a person means. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "client/copy.h"
#include "client/session.h"

int id_parse(uint8_t id[static ID_LEN], size_t *len, char hex[static 65], const char *text,
    const char *what, struct trouble *t)
{
	size_t n = strlen(text);
	bool good = n >= 8 && n <= 64;

	for (size_t i = 0; good && i < n; i++) {
		char c = text[i];

		hex[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
		good = (hex[i] >= '0' && hex[i] <= '9') || (hex[i] >= 'a' && hex[i] <= 'f');
	}
	if (!good) {
		trouble_set(t, ERR_INVALID, "%.80s is not the id of a %s", text, what);
		trouble_hint(t, "An id is 8 to 64 of the digits 0-9 and a-f, as `convene topics` "
				"and `convene threads` show them.");
		return ERR_INVALID;
	}
	hex[n] = '\0';
	*len = n / 2;
	return hex_decode(id, *len, hex, 2 * *len);
}

/* ---- the node, or else the copy ---- */

/* Whether an answer must come from the copy. A node that is not who it must be is no reason to be
 * content with that. */
static bool node_away(struct session *s, int err, const struct trouble *t)
{
	if (!err || exit_of(t) != EXIT_UNREACHABLE)
		return false;
	if (s->client) {
		session_disconnect(s);
		s->unreachable = *t;
	}
	return true;
}

static int no_node(const struct session *s, struct trouble *t)
{
	*t = s->unreachable;
	return t->err;
}

/* Open the copy, where there is one. */
static int copy_instead(struct session *s, struct trouble *t)
{
	int err = session_copy(s, false, t);

	if (err != ERR_NOTFOUND)
		return err;
	no_node(s, t);
	trouble_hint(
	    t, "`convene sync` keeps topics, to be read without the node; nothing is kept yet.");
	return t->err;
}

void copy_tell(struct session *s)
{
	uint64_t synced = copy_synced(s->copy);
	struct trouble note;
	char when[24];
	size_t len;

	if (s->told)
		return;
	s->told = true;
	memset(&note, 0, sizeof note);
	if (!s->offline)
		snprintf(note.text, sizeof note.text, "%.380s; ", s->unreachable.text);
	len = strlen(note.text);
	if (synced)
		snprintf(note.text + len, sizeof note.text - len, "this is your copy of %s",
		    time_local(when, synced));
	else
		snprintf(note.text + len, sizeof note.text - len,
		    "this is what is here of the last sync");
	complain(s->in->program->name, &note);
}

/* It isn't in the copy: for the one who asks, the node is away. */
static int not_kept(struct session *s, const char *topic, int err, struct trouble *t)
{
	char text[sizeof t->text];

	if (err != ERR_NOTFOUND)
		return err;
	snprintf(text, sizeof text, "%.160s", t->text);
	*t = s->unreachable;
	if (s->offline)
		trouble_set(t, ERR_CLOSED, "%.160s", text);
	else
		trouble_set(t, ERR_CLOSED, "%.300s, and %.160s", s->unreachable.text, text);
	trouble_hint(t, "`convene sync %s` keeps it, when the node can be reached.", topic);
	return t->err;
}

int ask_topics(struct session *s, struct frames *out, struct trouble *t)
{
	int err = s->client ? client_topics(s->client, out, t) : no_node(s, t);

	if (!node_away(s, err, t))
		return err;
	err = copy_instead(s, t);
	if (!err)
		err = copy_topics(s->copy, out, t);
	if (!err)
		copy_tell(s);
	return err;
}

int ask_threads(struct session *s, const uint8_t *topic, size_t len, uint32_t limit,
    uint32_t offset, struct frames *out, struct trouble *t)
{
	int err = s->client ? client_threads(s->client, topic, len, limit, offset, out, t)
			    : no_node(s, t);
	char hex[9] = "";

	if (!node_away(s, err, t))
		return err;
	hex_encode(hex, topic, len < 4 ? len : 4);
	err = copy_instead(s, t);
	if (!err)
		err = not_kept(s, hex, copy_threads(s->copy, topic, len, limit, offset, out, t), t);
	if (!err)
		copy_tell(s);
	return err;
}

int ask_thread(struct session *s, const uint8_t *id, size_t len, struct frames *out,
    uint64_t *missing, struct trouble *t)
{
	int err = s->client ? client_thread(s->client, id, len, out, missing, t) : no_node(s, t);

	if (!node_away(s, err, t))
		return err;
	err = copy_instead(s, t);
	if (!err)
		err = not_kept(s, "TOPIC", copy_thread(s->copy, id, len, out, missing, t), t);
	if (!err)
		copy_tell(s);
	return err;
}

int ask_post(
    struct session *s, const uint8_t *id, size_t len, struct frames *out, struct trouble *t)
{
	uint64_t missing;
	int err = s->client ? client_post(s->client, id, len, out, t) : no_node(s, t);

	/* Offline the thread costs nobody else anything. */
	return node_away(s, err, t) ? ask_thread(s, id, len, out, &missing, t) : err;
}

int ask_logs(struct session *s, struct frames *out, struct trouble *t)
{
	return s->client ? client_logs(s->client, out, t) : no_node(s, t);
}

/* Title or beginning of the id. */
static bool topic_is(const Convene__Topic *topic, const char *text, const char *hex)
{
	char id[2 * ID_LEN + 1];

	if (topic->id.len != ID_LEN || topic->log.len != DIGEST_LEN)
		return false;
	hex_encode(id, topic->id.data, ID_LEN);
	return (hex && strncmp(id, hex, strlen(hex)) == 0) ||
	       bytes_equal(bytes_of_pb(topic->title), bytes_str(text));
}

int find_topic(
    const struct frames *topics, const char *text, const Convene__Topic **topic, struct trouble *t)
{
	uint8_t id[ID_LEN];
	char hex[65];
	size_t len;
	bool is_id = id_parse(id, &len, hex, text, "topic", t) == OK;

	*topic = NULL;
	for (size_t i = 0; i < topics->count; i++) {
		const Convene__Topics *m = (const Convene__Topics *)topics->list[i];

		for (size_t j = 0; j < m->n_topics; j++) {
			if (!topic_is(m->topics[j], text, is_id ? hex : NULL))
				continue;
			if (*topic) {
				trouble_set(
				    t, ERR_EXISTS, "several topics are called \"%.80s\"", text);
				trouble_hint(t, "%s",
				    is_id ? "Give more of the id: `convene topics --json` has "
					    "it whole."
					  : "Give the id: `convene topics` shows it.");
				return ERR_EXISTS;
			}
			*topic = m->topics[j];
		}
	}
	if (*topic)
		return OK;
	trouble_set(t, ERR_NOTFOUND, "there is no topic \"%.80s\" here", text);
	trouble_hint(t, "`convene topics` lists them; give the id, its first 8 digits at least, or "
			"the whole title.");
	return ERR_NOTFOUND;
}
