/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections: who is it, a peer or a client, and may it (SPEC.md 10.3). After that a peer's frames
 * go to lib/sync.
 *
 * Two nodes that dial each other at once would end up with two links. Both keep the one that was
 * opened by the node whose name is the smaller, so that they agree without a word. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/relay/state.h"

#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS 30000
#define RETRY_AWAY_MS 1000 /* while nobody answers there: a cut that has healed is soon noticed */
#define CROSSING_MS \
	15000 /* a connection made within this time was dialled before the link was up */
#define RATE_LOG_MS 60000 /* the same trouble with a peer is told once a minute */
#define STRANGERS_TOLD \
	200 /* and that with others so often: a line costs them a packet, and us disk */

static const struct channel_events events;

static struct peer *peer_by_name(struct relay *r, struct bytes name)
{
	struct peer *p = r->peers;

	while (p && !bytes_equal(bytes_str(p->conf->name), name))
		p = p->next;
	return p;
}

static void peer_trouble(struct peer *p, const char *text)
{
	uint64_t now = clock_mono_ms();
	bool same = strcmp(p->last_error, text) == 0 && now - p->last_error_at < RATE_LOG_MS;

	if (!same) {
		snprintf(p->last_error, sizeof p->last_error, "%s", text);
		p->last_error_at = now;
		log_warning("peer %s: %s", p->conf->name, text);
	}
}

void stranger_trouble(struct session *s, const char *text)
{
	struct relay *r = s->relay;
	uint64_t now = clock_mono_ms();

	if (now - r->strangers_since >= RATE_LOG_MS) {
		r->strangers_since = now;
		r->strangers_told = 0;
	}
	if (++r->strangers_told <= STRANGERS_TOLD)
		log_info("%s: %s", channel_address(s->channel), text);
	else if (r->strangers_told == STRANGERS_TOLD + 1)
		log_info("more trouble with clients is not logged this minute");
}

/* ---- dialling ---- */

static void dial_later(struct peer *p)
{
	uint8_t jitter;
	uint64_t ms;
	struct timeval tv;

	if (!p->conf->address.text[0] || p->relay->stopping)
		return;
	/* Nodes that lost each other at the same moment should not all come back at the same
	 * moment. */
	random_fill(&jitter, 1);
	ms = p->retry_ms + p->retry_ms * jitter / 1024;
	tv = (struct timeval){(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	p->retry_ms = p->retry_ms * 2 < RETRY_MAX_MS ? p->retry_ms * 2 : RETRY_MAX_MS;
	event_add(p->timer, &tv);
}

static struct session *session_new(struct relay *r)
{
	struct session *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->relay = r;
	s->next = r->sessions;
	s->at = &r->sessions;
	if (s->next)
		s->next->at = &s->next;
	r->sessions = s;
	return s;
}

static void session_free(struct session *s)
{
	*s->at = s->next;
	if (s->next)
		s->next->at = s->at;
	free(s);
}

static void on_dial(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;
	struct session *s;

	(void)fd;
	(void)what;
	if (p->link || p->dialling)
		return;
	s = session_new(p->relay);
	if (s) {
		s->peer = p;
		s->outgoing = true;
		s->channel = channel_connect(&p->relay->net, p->conf->address.text, &events, s);
		if (s->channel) {
			p->dialling = s->channel;
			return;
		}
		session_free(s);
	}
	dial_later(p);
}

struct session *session_accept(struct relay *r, int fd, bool tls)
{
	struct session *s = session_new(r);

	if (!s) {
		evutil_closesocket(fd);
		return NULL;
	}
	s->local = !tls;
	s->channel = channel_accept(&r->net, fd, tls, &events, s);
	if (!s->channel) {
		session_free(s);
		return NULL;
	}
	return s;
}

/* ---- HELLO ---- */

/* What we do beyond this version's least (SPEC.md 10.3). */
#define FEATURE_PACKED "zstd-contents"
#define FEATURE_WITNESS "witness"

static bool has_feature(const Convene__Hello *m, const char *name)
{
	for (size_t i = 0; i < m->n_features; i++) {
		if (bytes_equal(bytes_of_pb(m->features[i]), bytes_str(name)))
			return true;
	}
	return false;
}

static void hello_send(struct session *s)
{
	Convene__Hello m = CONVENE__HELLO__INIT;
	const struct relay *r = s->relay;
	ProtobufCBinaryData features[] = {
	    pb_of(bytes_str(FEATURE_PACKED)), pb_of(bytes_str(FEATURE_WITNESS))};

	m.version_min = PROTOCOL_VERSION_MIN;
	m.version_max = PROTOCOL_VERSION_MAX;
	m.role = CONVENE__ROLE__PEER;
	m.forum = pb_of(bytes_of(r->charter->forum, HASH_LEN));
	m.log = pb_of(bytes_str(r->node->binding.log_name));
	m.credential = pb_of(buffer_bytes(&r->node->message));
	m.features = features;
	m.n_features = sizeof features / sizeof *features;
	m.software = pb_of(bytes_str("convened " PACKAGE_VERSION));
	channel_send(s->channel, FRAME_HELLO, 0, &m.base);
}

static void refuse(struct session *s, uint32_t code, int err, const char *text)
{
	struct peer *p = s->peer;

	/* Who dials us and fails has proven nothing of who it is: its trouble is not told as the
	 * peer's, nor over what is known of it. */
	if (p && s->outgoing) {
		peer_trouble(p, text);
	} else if (p) {
		if (!p->link)
			snprintf(p->last_error, sizeof p->last_error, "%s", text);
		stranger_trouble(s, text);
	}
	channel_refuse(s->channel, code, err, text);
}

static void client_greet(struct session *s)
{
	struct relay *r = s->relay;
	size_t same = 0;

	for (struct session *other = r->sessions; other; other = other->next)
		same += other->is_client &&
			strcmp(channel_host(other->channel), channel_host(s->channel)) == 0;
	if (r->client_count >= r->conf->limits.clients) {
		refuse(s, CONVENE__CODE__BUSY, ERR_BUSY,
		    "this node has as many clients as it takes; try again later");
	} else if (same >= r->conf->limits.clients_per_address) {
		refuse(s, CONVENE__CODE__BUSY, ERR_BUSY, "too many connections from this address");
	} else {
		s->is_client = s->greeted = true;
		r->client_count++;
		channel_greeted(s->channel);
		channel_polite(s->channel);
	}
}

/* Take this connection as the link to its peer, or leave the one that there is. */
static void link_up(struct session *s, bool can_pack, bool witness)
{
	struct peer *p = s->peer;
	struct relay *r = s->relay;
	uint64_t now = clock_mono_ms();

	if (p->link) {
		bool ours_is_kept = strcmp(r->conf->node.name, p->conf->name) < 0;

		if (p->outgoing != s->outgoing && s->outgoing != ours_is_kept &&
		    now - p->since < CROSSING_MS) {
			channel_close(s->channel);
			/* But who has lost the link dials as well: then this ends it. */
			channel_ping(p->channel);
			return;
		}
		/* Another one in the same direction, or long after: the old one is dead, and its
		 * end has not reached us. */
		struct session *old = NULL;

		for (struct session *other = r->sessions; other; other = other->next) {
			if (other->channel == p->channel)
				old = other;
		}
		sync_link_down(r->sync, p->link, now);
		p->link = NULL;
		r->link_count--;
		if (old) {
			old->peer = NULL;
			channel_close(old->channel);
		}
	}
	/* It is a link from here on: when it closes, whoever it belongs to by then, the peer can be
	 * dialled again. */
	if (p->dialling == s->channel)
		p->dialling = NULL;
	s->greeted = true;
	channel_greeted(s->channel);
	channel_watch(s->channel);
	p->channel = s->channel;
	p->outgoing = s->outgoing;
	p->can_pack = can_pack;
	p->since = now;
	p->link = sync_link_up(r->sync, s, p->conf->name, now);
	if (!p->link) {
		channel_fail(s->channel, ERR_NOMEM, "out of memory");
		return;
	}
	if (witness)
		sync_link_witness(p->link);
	sync_link_compress(p->link, p->conf->compress && p->can_pack);
	r->link_count++;
	event_del(p->timer);
	log_info("peer %s: linked (%s %s)", p->conf->name,
	    s->outgoing ? "we dialled" : "it dialled from", channel_address(s->channel));
	tick_soon(r);
}

/* A serial seen of this root key: the highest wins, on disk too. */
struct serial_job {
	struct store_job job;
	uint8_t root[KEY_LEN];
	uint64_t serial;
	struct buffer message;
};

static int serial_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct serial_job *j = (struct serial_job *)job;

	(void)forum;
	return writer->ops->serial_put(writer, j->root, j->serial, buffer_bytes(&j->message));
}

static void serial_done(struct store_job *job)
{
	struct serial_job *j = (struct serial_job *)job;

	buffer_free(&j->message);
	free(j);
}

static void serial_keep(struct relay *r, const struct credential *c)
{
	struct serial_job *j = calloc(1, sizeof *j);

	if (!j)
		return;
	memcpy(j->root, c->root_key, KEY_LEN);
	j->serial = c->node.serial;
	buffer_add(&j->message, c->message.data, c->message.len);
	j->job.run = serial_run;
	j->job.done = serial_done;
	storage_submit(r, &j->job);
}

static void peer_hello(struct session *s, const Convene__Hello *m)
{
	struct relay *r = s->relay;
	struct bytes organisation;
	uint8_t digest[DIGEST_LEN], pin[HASH_LEN];
	uint64_t number, serial = 0;
	struct credential c;
	struct peer *p;
	char text[400];
	int err;

	if (log_name_parse(bytes_of_pb(m->log), &organisation, digest, &number) != OK) {
		refuse(s, CONVENE__CODE__MALFORMED, ERR_MALFORMED, "HELLO holds no log name");
		return;
	}
	p = peer_by_name(r, organisation);
	if (!p) {
		snprintf(text, sizeof text,
		    "%.*s is not a peer of %s: no peer block there names it", (int)organisation.len,
		    (const char *)organisation.data, r->conf->node.name);
		refuse(s, CONVENE__CODE__NOT_A_PEER, ERR_REFUSED, text);
		return;
	}
	if (s->peer && s->peer != p) {
		snprintf(text, sizeof text, "at this address answers %s, not %s", p->conf->name,
		    s->peer->conf->name);
		refuse(s, CONVENE__CODE__WRONG_ROOT, ERR_WRONG_ROOT, text);
		return;
	}
	if (!s->peer)
		s->peer = p;
	if (m->forum.len != HASH_LEN || memcmp(m->forum.data, r->charter->forum, HASH_LEN) != 0) {
		snprintf(text, sizeof text, "%s and %s have different charters: not the same forum",
		    p->conf->name, r->conf->node.name);
		refuse(s, CONVENE__CODE__WRONG_FORUM, ERR_OTHER_FORUM, text);
		return;
	}
	err = credential_open_newer(
	    &c, r->charter->forum, bytes_of_pb(m->log), bytes_of_pb(m->credential));
	if (err) {
		snprintf(text, sizeof text, "the credential of %s does not verify: %s",
		    p->conf->name, error_text(err));
		refuse(s, CONVENE__CODE__BAD_SIGNATURE, err, text);
		credential_clear(&c);
		return;
	}
	r->reader->ops->serial_get(r->reader, c.root_key, &serial, NULL);
	if (memcmp(c.root_key, p->conf->root.public, KEY_LEN) != 0) {
		snprintf(text, sizeof text,
		    "the root key of %s is not the one in the peer block of %s", p->conf->name,
		    r->conf->node.name);
		refuse(s, CONVENE__CODE__WRONG_ROOT, ERR_WRONG_ROOT, text);
	} else if (c.node.serial < serial) {
		snprintf(text, sizeof text,
		    "the credential of %s has serial %llu, and %llu was seen before", p->conf->name,
		    (unsigned long long)c.node.serial, (unsigned long long)serial);
		refuse(s, CONVENE__CODE__WRONG_TLS_KEY, ERR_WRONG_TLS, text);
	} else if (channel_pin(s->channel, pin) != OK || !credential_has_pin(&c, pin)) {
		snprintf(text, sizeof text,
		    "the TLS key in use is not one that the credential of %s names", p->conf->name);
		refuse(s, CONVENE__CODE__WRONG_TLS_KEY, ERR_WRONG_TLS, text);
	} else if (r->link_count >= r->conf->limits.peers && !p->link) {
		refuse(s, CONVENE__CODE__BUSY, ERR_BUSY, "this node has as many links as it takes");
	} else {
		if (c.node.serial > serial)
			serial_keep(r, &c);
		link_up(s, has_feature(m, FEATURE_PACKED), has_feature(m, FEATURE_WITNESS));
	}
	credential_clear(&c);
}

static void hello_frame(struct session *s, const struct frame *frame)
{
	ProtobufCMessage *any;
	const Convene__Hello *m;
	char text[200];

	if (message_unpack(&any, frame_descriptor(FRAME_HELLO), frame->payload) != OK) {
		refuse(s, CONVENE__CODE__MALFORMED, ERR_MALFORMED, "HELLO does not parse");
		return;
	}
	m = (const Convene__Hello *)any;
	if (m->version_min > PROTOCOL_VERSION_MAX || m->version_max < PROTOCOL_VERSION_MIN) {
		snprintf(text, sizeof text,
		    "unsupported version: you speak %u to %u, %s speaks %d to %d", m->version_min,
		    m->version_max, s->relay->conf->node.name, PROTOCOL_VERSION_MIN,
		    PROTOCOL_VERSION_MAX);
		refuse(s, CONVENE__CODE__VERSION, ERR_VERSION, text);
	} else if (m->role == CONVENE__ROLE__PEER) {
		peer_hello(s, m);
	} else if (m->role != CONVENE__ROLE__CLIENT || s->outgoing) {
		refuse(s, CONVENE__CODE__UNEXPECTED, ERR_REFUSED,
		    "HELLO names no role that is expected here");
	} else if (m->forum.len > 0 &&
		   (m->forum.len != HASH_LEN ||
		       memcmp(m->forum.data, s->relay->charter->forum, HASH_LEN) != 0)) {
		refuse(s, CONVENE__CODE__WRONG_FORUM, ERR_OTHER_FORUM,
		    "this node belongs to another forum");
	} else {
		client_greet(s);
	}
	message_free(any);
}

/* The operator gives us a bundle (SPEC.md 9.7, 10.6): a link whose peer is a file. */
static void bundle_hello(struct session *s, const struct frame *frame)
{
	struct relay *r = s->relay;
	ProtobufCMessage *any;
	const Convene__Hello *m;

	if (message_unpack(&any, frame_descriptor(FRAME_HELLO), frame->payload) != OK) {
		refuse(s, CONVENE__CODE__MALFORMED, ERR_MALFORMED, "HELLO does not parse");
		return;
	}
	m = (const Convene__Hello *)any;
	if (m->role != CONVENE__ROLE__PEER || m->log.len > 0) {
		refuse(s, CONVENE__CODE__UNEXPECTED, ERR_REFUSED,
		    "on this socket, HELLO begins a bundle and names no log");
	} else if (m->version_min > PROTOCOL_VERSION_MAX || m->version_max < PROTOCOL_VERSION_MIN) {
		refuse(s, CONVENE__CODE__VERSION, ERR_VERSION, "a bundle of another version");
	} else if (m->forum.len != HASH_LEN ||
		   memcmp(m->forum.data, r->charter->forum, HASH_LEN) != 0) {
		refuse(s, CONVENE__CODE__WRONG_FORUM, ERR_OTHER_FORUM,
		    "this node belongs to another forum than the bundle");
	} else {
		s->bundle = sync_link_up(r->sync, s, "a bundle", clock_mono_ms());
		if (s->bundle)
			sync_link_fixed(s->bundle);
		else
			channel_fail(s->channel, ERR_NOMEM, "out of memory");
		tick_soon(r);
	}
	message_free(any);
}

/* ---- channel events ---- */

static void on_open(void *ctx, struct channel *ch)
{
	struct session *s = ctx;

	s->channel = ch;
	s->reached = true;
	if (s->local) {
		s->greeted = true;
		channel_polite(ch);
	} else {
		hello_send(s);
	}
}

static void error_frame(struct session *s, const struct frame *frame)
{
	const Convene__Error *m;
	ProtobufCMessage *any;
	struct buffer said = BUFFER_INIT;
	char text[256];

	if (message_unpack(&any, frame_descriptor(FRAME_ERROR), frame->payload) != OK)
		return;
	m = (const Convene__Error *)any;
	if (s->peer && frame->stream == 0) {
		/* A stranger's bytes, of which the status makes JSON. */
		text_line(&said, bytes_of_pb(m->text));
		snprintf(text, sizeof text, "it refuses us: %s", buffer_str(&said));
		while (!text_is_utf8(bytes_str(text)))
			text[strlen(text) - 1] = '\0';
		peer_trouble(s->peer, text);
		channel_close(s->channel);
		buffer_free(&said);
	}
	message_free(any);
}

static void on_frame(void *ctx, struct channel *ch, const struct frame *frame)
{
	struct session *s = ctx;

	(void)ch;
	if (frame->type == FRAME_ERROR) {
		error_frame(s, frame);
	} else if (s->local && frame->type == FRAME_CONTROL) {
		control_frame(s, frame);
	} else if (s->bundle && frame->type < FRAME_SUBMIT) {
		sync_receive(s->relay->sync, s->bundle, frame, clock_mono_ms());
		recover_step(s->relay);
		tick_soon(s->relay);
	} else if (s->local && frame->type == FRAME_HELLO) {
		bundle_hello(s, frame);
	} else if (s->local) {
		client_frame(s, frame); /* what participants ask, operators may ask here */
	} else if (!s->greeted) {
		hello_frame(s, frame);
	} else if (s->is_client) {
		client_frame(s, frame);
	} else if (s->peer && s->peer->channel == s->channel && s->peer->link) {
		/* It takes us as well: what was wrong is over. */
		s->peer->retry_ms = RETRY_FIRST_MS;
		s->peer->last_error[0] = '\0';
		sync_receive(s->relay->sync, s->peer->link, frame, clock_mono_ms());
		carry_settle(s->relay);
		links_learned(s->relay);
		tick_soon(s->relay);
	}
}

static void on_writable(void *ctx, struct channel *ch)
{
	struct session *s = ctx;

	if (s->peer && s->peer->channel == ch && s->peer->link)
		sync_link_writable(s->relay->sync, s->peer->link, clock_mono_ms());
	else if (s->bundle)
		sync_link_writable(s->relay->sync, s->bundle, clock_mono_ms());
	else if (s->is_client || s->local)
		client_writable(s);
}

static void on_closed(void *ctx, struct channel *ch, int err, const char *text)
{
	struct session *s = ctx;
	struct relay *r = s->relay;
	struct peer *p = s->peer;

	if (s->is_client)
		r->client_count--;
	client_closed(s);
	control_closed(s);
	if (s->bundle)
		sync_link_down(r->sync, s->bundle, clock_mono_ms());
	if (p && p->channel == ch) {
		p->channel = NULL;
		if (p->link) {
			sync_link_down(r->sync, p->link, clock_mono_ms());
			p->link = NULL;
			p->since = clock_mono_ms();
			r->link_count--;
			if (err && err != ERR_CLOSED)
				peer_trouble(p, text);
			else
				log_info("peer %s: link down: %s", p->conf->name, text);
		}
		dial_later(p);
	} else if (p && p->dialling == ch) {
		if (!s->reached && p->retry_ms > RETRY_AWAY_MS)
			p->retry_ms = RETRY_AWAY_MS;
		if (err && !p->link)
			peer_trouble(p, text);
		if (!p->link)
			dial_later(p);
	} else if (!p && err && err != ERR_CLOSED) {
		stranger_trouble(s, text);
	}
	if (p && p->dialling == ch)
		p->dialling = NULL;
	session_free(s);
	if (r->stopping && !r->sessions)
		event_base_loopbreak(r->base);
}

static const struct channel_events events = {on_open, on_frame, on_writable, on_closed};

void links_learned(struct relay *r)
{
	if (r->recovering)
		recover_step(r);
	if (!r->learning || r->recovering)
		return;
	for (struct peer *p = r->peers; p; p = p->next) {
		if (!p->link || !sync_link_compared(p->link))
			return;
	}
	seal_allowed(r);
}

/* ---- start, reload, stop ---- */

static int peer_add(struct relay *r, const struct conf_peer *conf)
{
	struct peer *p = calloc(1, sizeof *p), **at = &r->peers;
	struct timeval now = {0, 0};

	if (!p)
		return ERR_NOMEM;
	p->relay = r;
	p->conf = conf;
	p->since = clock_mono_ms();
	p->retry_ms = RETRY_FIRST_MS;
	p->timer = event_new(r->base, -1, 0, on_dial, p);
	if (!p->timer) {
		free(p);
		return ERR_NOMEM;
	}
	while (*at)
		at = &(*at)->next;
	*at = p;
	if (conf->address.text[0])
		event_add(p->timer, &now);
	return OK;
}

static void peer_remove(struct relay *r, struct peer *p)
{
	struct peer **at = &r->peers;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (p->link) {
		sync_link_down(r->sync, p->link, clock_mono_ms());
		r->link_count--;
	}
	for (struct session *s = r->sessions; s; s = s->next) {
		if (s->peer == p) {
			s->peer = NULL;
			channel_close(s->channel);
		}
	}
	event_free(p->timer);
	free(p);
}

int links_start(struct relay *r)
{
	int err = OK;

	for (size_t i = 0; i < r->conf->peer_count && !err; i++)
		err = peer_add(r, &r->conf->peers[i]);
	return err;
}

/* The config was loaded again: keep the links whose block is the same, whatever their place in the
 * file. */
void links_update(struct relay *r, const struct conf *old)
{
	struct peer *next;

	(void)old;
	for (struct peer *p = r->peers; p; p = next) {
		const struct conf_peer *same = NULL;

		next = p->next;
		for (size_t i = 0; i < r->conf->peer_count; i++) {
			const struct conf_peer *c = &r->conf->peers[i];

			if (strcmp(c->name, p->conf->name) == 0 &&
			    strcmp(c->address.text, p->conf->address.text) == 0 &&
			    verifier_equal(&c->root, &p->conf->root))
				same = c;
		}
		if (!same) {
			peer_remove(r, p);
			continue;
		}
		p->conf = same;
		if (p->link)
			sync_link_compress(p->link, same->compress && p->can_pack);
	}
	for (size_t i = 0; i < r->conf->peer_count; i++) {
		if (!peer_by_name(r, bytes_str(r->conf->peers[i].name)))
			peer_add(r, &r->conf->peers[i]);
	}
}

void links_stop(struct relay *r)
{
	for (struct peer *p = r->peers; p; p = p->next)
		event_del(p->timer);
	for (struct session *s = r->sessions; s; s = s->next)
		channel_refuse(
		    s->channel, CONVENE__CODE__SHUTTING_DOWN, OK, "this node is stopping");
}

void links_free(struct relay *r)
{
	while (r->sessions)
		channel_drop(r->sessions->channel); /* its `closed` frees the session */
	while (r->peers)
		peer_remove(r, r->peers);
}
