/* SPDX-License-Identifier: BSD-2-Clause */
/* The process: set up, take requests to what answers them, take over a new config, end. */
#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/web/sandbox.h"
#include "daemon/web/web_inside.h"
#include "msg/frame.h"

#define RETRY_MS 500 /* of a store that could not be opened */
#define ASKING_MAX 4 /* requests that the relay has, of one address */
#define PROOF_KEPT_MS 5000
#define GATE_TYPE "application/x-convene"
#define FINISH_MS 1500
#define DAY_MS 86400000
#define SEARCH_PERCENT 40      /* of the process's time */
#define SHARE_MIN 16           /* connections of one address that a process takes in any case */
#define LOOSE_MAX (128u << 20) /* bytes of answers for who takes them slowly */

/* ---- the store ---- */

static void reader_lost(struct web *w, int err)
{
	if (err != w->reader_trouble)
		log_warning(
		    "web: the store is not to be had: %s; it is tried again", error_text(err));
	w->reader_trouble = err;
	reader_close(w->reader);
	w->reader = NULL;
	w->state = 0;
	w->reader_retry = clock_mono_ms() + RETRY_MS;
}

int web_begin(struct web *w, uint64_t *state)
{
	int err;

	if (!w->reader) {
		if (clock_mono_ms() < w->reader_retry)
			return ERR_NOTFOUND;
		err = reader_open(&w->reader, w->store, w->node.conf->node.name);
		if (err) {
			reader_lost(w, err);
			return err;
		}
	}
	err = reader_begin(w->reader, state);
	if (err) {
		reader_lost(w, err);
		return err;
	}
	w->reader_trouble = OK;
	w->state = *state;
	w->state_at = clock_mono_ms();
	return OK;
}

void web_end(struct web *w)
{
	reader_end(w->reader);
}

uint64_t web_state(struct web *w)
{
	uint64_t state;

	if (w->state && clock_mono_ms() - w->state_at < STATE_MS)
		return w->state;
	if (web_begin(w, &state) != OK)
		return 0;
	web_end(w);
	return state;
}

/* ---- pages ---- */

const struct web_node *web_node(const struct web *w)
{
	return &w->node;
}

const char *static_url(const struct web *w, const char *name)
{
	return static_set_url(w->files, name);
}

const char *request_query(const struct request *q, const char *name)
{
	const char *value = q->query ? evhttp_find_header(q->query, name) : NULL;

	return value && text_is_utf8(bytes_str(value)) ? value : "";
}

void web_error(struct web *w, struct exchange *x, int status)
{
	const struct head *h = exchange_head(x);
	struct variant v = {.negotiated = true, .language = language_accepted(h->accept_language)};
	struct request q = {.web = w,
	    .language = v.language,
	    .path = "/",
	    .rest = "",
	    .query_text = "",
	    .now = clock_wall_ms()};
	struct answer a = {.status = status};

	language_use(v.language);
	page_error(&q, &a, status);
	a.status = status;
	if (a.body.failed)
		buffer_reset(&a.body);
	respond_answer(w, x, &a, &v, bytes_of(NULL, 0), 0);
	buffer_free(&a.body);
}

/* An id that was given by its beginning, whole. Within web_begin(). */
static int id_complete(struct web *w, struct found *f)
{
	uint8_t id[ID_LEN];
	int err = query_resolve(reader_store(w->reader), bytes_of(f->id, f->digits / 2), id);

	/* An odd digit is not in the question. */
	if (!err && f->digits % 2 && (id[f->digits / 2] ^ f->id[f->digits / 2]) & 0xf0)
		err = ERR_NOTFOUND;
	if (!err)
		memcpy(f->id, id, ID_LEN);
	return err;
}

static void redirect(struct web *w, struct exchange *x, int status, const char *path)
{
	struct answer a = {.status = status, .type = "text/plain"};
	struct variant v = {.language = LANGUAGES};
	const struct head *h = exchange_head(x);
	struct buffer to = BUFFER_INIT;

	for (const unsigned char *p = (const unsigned char *)path; *p; p++)
		if (*p > 0x20 && *p < 0x7f && !strchr("\"<>\\^`{|}%?#", *p))
			buffer_add_u8(&to, *p);
		else
			buffer_printf(&to, "%%%02X", *p);
	if (h->query[0])
		buffer_printf(&to, "?%s", h->query);
	/* "//host" would lead elsewhere. */
	if (to.failed || to.len >= sizeof a.location || path[0] != '/' || path[1] == '/') {
		web_error(w, x, 404);
	} else {
		snprintf(a.location, sizeof a.location, "%s", buffer_str(&to));
		respond_answer(w, x, &a, &v, bytes_of(NULL, 0), 0);
	}
	buffer_free(&to);
}

static void redirect_whole(struct web *w, struct exchange *x, const struct found *f)
{
	char path[1200], hex[2 * ID_LEN + 1];
	const char *second = strchr(f->path + 1, '/') + 1;

	hex_encode(hex, f->id, ID_LEN);
	snprintf(path, sizeof path, "%s%s%.*s%s%s", f->chosen ? "/" : "",
	    f->chosen ? language_tag(f->language) : "", (int)(second - f->path), f->path, hex,
	    second + f->digits);
	redirect(w, x, 302, path);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* A page that isn't kept yet. */
static void page_make(struct web *w, struct exchange *x, struct found *f, const struct variant *v,
    const char *text, struct bytes key)
{
	struct evkeyvalq query;
	struct request q = {.web = w,
	    .language = v->language,
	    .language_chosen = f->chosen,
	    .path = f->path,
	    .rest = f->rest,
	    .query_text = text,
	    .query = &query,
	    .now = clock_wall_ms()};
	struct answer a = {.status = 0};
	/* Without words it is a form. */
	bool search = f->route->page == page_search && *text;
	uint64_t state, began;
	int err;

	if (search && !share_may(&w->searching, now_us())) {
		web_error(w, x, 503);
		return;
	}
	err = web_begin(w, &state);
	if (err) {
		web_error(w, x, 503);
		return;
	}
	if (cache_loose() > LOOSE_MAX && !http_make_way(w->http)) {
		web_end(w);
		web_error(w, x, 503);
		return;
	}
	if (f->digits > 0 && f->digits < 2 * ID_LEN) {
		err = id_complete(w, f);
		web_end(w);
		if (err)
			web_error(w, x, 404);
		else
			redirect_whole(w, x, f);
		return;
	}
	TAILQ_INIT(&query);
	if (evhttp_parse_query_str(text, &query) != 0) {
		web_end(w);
		web_error(w, x, 400);
		return;
	}
	memcpy(q.id, f->id, ID_LEN);
	q.reader = w->reader;
	language_use(v->language);
	began = now_us();
	f->route->page(&q, &a);
	if (search)
		share_took(&w->searching, now_us() - began);
	web_end(w);
	respond_answer(w, x, &a, v, key, state);
	evhttp_clear_headers(&query);
	buffer_free(&a.body);
}

static void page_serve(struct web *w, struct exchange *x, struct found *f)
{
	const struct head *h = exchange_head(x);
	struct variant v = {.negotiated = !f->chosen,
	    .language = f->chosen ? f->language : language_accepted(h->accept_language),
	    .gzip = accepts_gzip(h->accept_encoding)};
	uint64_t state = web_state(w);
	char query[QUERY_MAX];
	struct buffer key = BUFFER_INIT;

	if (!state) {
		web_error(w, x, 503);
		return;
	}
	if (!route_query(query, f->route, h->query)) {
		web_error(w, x, 414);
		return;
	}
	/* The NUL can't be in a path, as a '?' can. Some pages name days before this one. */
	buffer_printf(&key, "%c%c%c%llu%s", '0' + (int)v.language, v.negotiated ? 'n' : 'c',
	    v.gzip ? 'z' : '-', (unsigned long long)(clock_wall_ms() / DAY_MS), f->path);
	buffer_add_u8(&key, 0);
	buffer_add_str(&key, query);
	if (key.failed)
		web_error(w, x, 503);
	else if (!respond_cached(w, x, buffer_bytes(&key), state))
		page_make(w, x, f, &v, query, buffer_bytes(&key));
	buffer_free(&key);
}

/* ---- the gate ---- */

/* A request of ours under way. */
struct asked {
	struct web *web;
	struct exchange *x;
	struct gate_request *request;
	struct buffer proof; /* not empty: what the proof is kept under */
	bool over;           /* it was answered before gate_ask() returned */
};

static void asked_gone(void *ctx)
{
	struct asked *a = ctx;

	gate_forget(a->request);
	buffer_free(&a->proof);
	free(a);
}

static void gate_error(struct web *w, struct exchange *x, int status, const char *text)
{
	char line[200];
	int n = snprintf(line, sizeof line, "%s\n", text);

	respond_plain(w, x, status, "text/plain; charset=utf-8", bytes_of(line, (size_t)n));
}

/* A proof may become a better one, which does not change the store; nobody is in a hurry. */
static uint64_t proof_time(void)
{
	return clock_mono_ms() / PROOF_KEPT_MS + 1;
}

static void proof_give(struct asked *a, uint8_t type, struct bytes payload)
{
	ProtobufCMessage *m;

	if (type != FRAME_PROOF || message_unpack(&m, frame_descriptor(type), payload) != OK) {
		web_error(a->web, a->x, 404);
		return;
	}
	const Convene__Proof *p = (const Convene__Proof *)m;
	struct bytes receipt = bytes_of_pb(p->receipt);

	respond_kept(a->web, a->x, "text/plain; charset=utf-8",
	    receipt.len > 0 ? receipt : bytes_of_pb(p->proof), buffer_bytes(&a->proof),
	    proof_time());
	message_free(m);
}

static void asked_done(void *ctx, int err, uint8_t type, struct bytes payload)
{
	struct asked *a = ctx;
	struct buffer body = BUFFER_INIT;
	bool proof = a->proof.len > 0;

	if (!err && proof) {
		proof_give(a, type, payload);
	} else if (!err) {
		buffer_add_u8(&body, type);
		buffer_add(&body, payload.data, payload.len);
		respond_plain(a->web, a->x, 200, GATE_TYPE, buffer_bytes(&body));
		buffer_free(&body);
	} else if (proof) {
		web_error(a->web, a->x, err == ERR_TIMEOUT ? 504 : 503);
	} else {
		gate_error(a->web, a->x,
		    err == ERR_TIMEOUT ? 504
		    : err == ERR_BUSY  ? 503
				       : 502,
		    err == ERR_TIMEOUT ? "The node has not answered in time."
		    : err == ERR_BUSY  ? "Too much is under way; try again in a moment."
				       : "The node can't be reached.");
	}
	buffer_free(&a->proof);
	if (a->request)
		free(a);
	else
		a->over = true;
}

/* `proof`: what the proof is asked for by; empty: it isn't one. */
static void ask(
    struct web *w, struct exchange *x, uint8_t type, struct bytes payload, struct bytes proof)
{
	struct asked *a;

	/* Whoever asks for very much takes the others' turns. */
	if (!exchange_asks(x, ASKING_MAX)) {
		gate_error(w, x, 503, "Too much is under way; try again in a moment.");
		return;
	}
	a = calloc(1, sizeof *a);
	if (!a) {
		gate_error(w, x, 503, "There is no memory.");
		return;
	}
	*a = (struct asked){.web = w, .x = x};
	buffer_add(&a->proof, proof.data, proof.len);
	a->request = gate_ask(w->gate, type, payload, asked_done, a);
	if (a->request) {
		exchange_body_drop(x);
		exchange_later(x, asked_gone, a);
		return;
	}
	if (!a->over)
		gate_error(w, x, 503, "There is no memory.");
	buffer_free(&a->proof);
	free(a);
}

/* Another origin's page can send this type only after asking, and is never allowed to. */
static bool is_gate_type(const char *text)
{
	size_t len = strcspn(text, " ;\t");

	return len == strlen(GATE_TYPE) && strncmp(text, GATE_TYPE, len) == 0;
}

static bool is_ours(const struct head *h)
{
	return !h->sec_fetch_site[0] || strcmp(h->sec_fetch_site, "same-origin") == 0 ||
	       strcmp(h->sec_fetch_site, "none") == 0;
}

static void gate_serve(struct web *w, struct exchange *x)
{
	const struct head *h = exchange_head(x);
	struct bytes body = exchange_body(x);
	ProtobufCMessage *m;
	bool alone = true;

	if (h->method != METHOD_POST) {
		gate_error(w, x, 405, "This takes POST.");
		return;
	}
	if (!is_gate_type(h->content_type)) {
		gate_error(w, x, 415, "This takes " GATE_TYPE ".");
		return;
	}
	if (!is_ours(h)) {
		gate_error(w, x, 403, "This is for the pages of this node.");
		return;
	}
	if (body.len < 1 || !gate_passes(body.data[0], body.len - 1)) {
		gate_error(
		    w, x, body.len < 1 ? 400 : 403, "A frame of this type doesn't pass here.");
		return;
	}
	body = bytes_of(body.data + 1, body.len - 1);
	if (exchange_body(x).data[0] == FRAME_THREAD_GET) {
		/* A whole thread takes many frames; there is a page for it. */
		alone = message_unpack(&m, frame_descriptor(FRAME_THREAD_GET), body) == OK;
		if (alone) {
			alone = ((const Convene__ThreadGet *)m)->alone;
			message_free(m);
		}
	}
	if (!alone)
		gate_error(w, x, 403, "Only a message alone can be asked for here.");
	else
		ask(w, x, exchange_body(x).data[0], body, bytes_of(NULL, 0));
}

static void proof_serve(struct web *w, struct exchange *x, struct found *f)
{
	Convene__ProofGet get = CONVENE__PROOF_GET__INIT;
	struct buffer payload = BUFFER_INIT;
	uint8_t *to;
	char key[2 * ID_LEN + 8]; /* no path looks like it */
	size_t len;

	memcpy(key, "proof ", 6);
	hex_encode(key + 6, f->id, ID_LEN);
	key[6 + f->digits] = '\0';
	if (respond_cached(w, x, bytes_str(key), proof_time()))
		return;
	get.id = pb_of(bytes_of(f->id, (f->digits + 1) / 2));
	if (f->digits % 2)
		get.id.len--;
	len = protobuf_c_message_get_packed_size(&get.base);
	to = buffer_reserve(&payload, len);
	if (to)
		payload.len = protobuf_c_message_pack(&get.base, to);
	ask(w, x, FRAME_PROOF_GET, buffer_bytes(&payload), bytes_str(key));
	buffer_free(&payload);
}

/* ---- news ---- */

static bool id_given(
    const struct evkeyvalq *query, const char *name, uint8_t id[static ID_LEN], const uint8_t **out)
{
	const char *text = evhttp_find_header(query, name);

	*out = text && *text ? id : NULL;
	return !*out || hex_decode(id, ID_LEN, text, strlen(text)) == OK;
}

static void live_serve(struct web *w, struct exchange *x)
{
	const struct head *h = exchange_head(x);
	uint8_t topic[ID_LEN], thread[ID_LEN];
	const uint8_t *by_topic = NULL, *by_thread = NULL;
	uint64_t after = UINT64_MAX;
	struct evkeyvalq query;
	const char *text;
	int status = 0;

	TAILQ_INIT(&query);
	if (evhttp_parse_query_str(h->query, &query) != 0 ||
	    !id_given(&query, "topic", topic, &by_topic) ||
	    !id_given(&query, "thread", thread, &by_thread))
		status = 400;
	text = h->last_event_id[0] ? h->last_event_id : evhttp_find_header(&query, "after");
	if (!status && text && *text && decimal_parse(&after, text, strlen(text), INT64_MAX) != OK)
		status = 400;
	if (!status && h->method == METHOD_HEAD)
		respond_plain(w, x, 200, "text/event-stream", bytes_of(NULL, 0));
	else if (!status)
		status = live_begin(w->live, x, by_topic, by_thread, after);
	evhttp_clear_headers(&query);
	if (status)
		web_error(w, x, status);
}

/* ---- requests ---- */

static void static_serve(struct web *w, struct exchange *x, const char *rest)
{
	const struct static_file *f = static_set_find(w->files, rest);

	if (f)
		respond_static(w, x, f);
	else
		web_error(w, x, 404);
}

static void on_request(void *ctx, struct exchange *x, int status)
{
	const struct head *h = exchange_head(x);
	struct web *w = ctx;
	struct found f;

	if (status) {
		web_error(w, x, status);
		return;
	}
	if (!http_head_decode(h->path)) {
		web_error(w, x, 400);
		return;
	}
	route_find(&f, h->path);
	if (f.route && f.route->kind != ROUTE_GATE && h->method != METHOD_GET &&
	    h->method != METHOD_HEAD) {
		web_error(w, x, 405);
		return;
	}
	if (!f.route) {
		web_error(w, x, h->method == METHOD_OTHER || h->method == METHOD_POST ? 405 : 404);
		return;
	}
	if (f.crooked && f.route->kind == ROUTE_PAGE) {
		redirect(w, x, 301, f.straight);
		return;
	}
	switch (f.route->kind) {
	case ROUTE_PAGE:
		page_serve(w, x, &f);
		break;
	case ROUTE_STATIC:
		static_serve(w, x, f.rest);
		break;
	case ROUTE_LIVE:
		live_serve(w, x);
		break;
	case ROUTE_GATE:
		gate_serve(w, x);
		break;
	case ROUTE_PROOF:
		proof_serve(w, x, &f);
		break;
	}
}

/* Only the gate takes a body, and of one type: nobody else's is waited for. */
static int on_body(void *ctx, const struct head *h)
{
	char path[TARGET_MAX + 1];
	struct found f;

	(void)ctx;
	if (snprintf(path, sizeof path, "%s", h->path) >= (int)sizeof path ||
	    !http_head_decode(path))
		return 400;
	route_find(&f, path);
	if (!f.route || f.route->kind != ROUTE_GATE)
		return 405;
	return is_gate_type(h->content_type) ? is_ours(h) ? 0 : 403 : 415;
}

/* ---- the process ---- */

static struct http_limits limits_of(const struct web *w)
{
	const struct conf_web *c = &w->node.conf->web;
	unsigned n = w->setup->processes, all = c->connections_per_address;
	unsigned share = (all + n - 1) / n, least = all < SHARE_MIN ? all : SHARE_MIN;

	/* The system gives a socket's connections to the processes as it likes: a browser's may
	 * all be of one. */
	return (struct http_limits){.connections = (c->connections + n - 1) / n,
	    .per_address = share > least ? share : least,
	    .body = GATE_BODY_MAX};
}

static void limits_set(struct web *w)
{
	const struct conf_web *c = &w->node.conf->web;
	struct http_limits limits = limits_of(w);
	unsigned n = w->setup->processes;

	http_limit(w->http, &limits);
	live_limit(w->live, (c->listeners + n - 1) / n);
	cache_resize(w->cache, (size_t)c->cache_mib << 20);
}

static void on_hup(evutil_socket_t fd, short what, void *ctx)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct web *w = ctx;
	struct conf *fresh = NULL, *old = w->setup->conf;
	char why[TLS_WHY_LEN];

	(void)fd;
	(void)what;
	/* What is wrong with it, the relay says. */
	if (conf_load(&fresh, old->file, &errors) == OK && conf_reloadable(old, fresh, NULL) &&
	    !fresh->web.certificate == !old->web.certificate) {
		w->setup->conf = fresh;
		w->node.conf = fresh;
		gate_conf(w->gate, fresh);
		conf_free(old);
		log_set_level(fresh->log.level);
		limits_set(w);
		/* Pages show what the config says of the operator. */
		cache_resize(w->cache, 0);
		cache_resize(w->cache, (size_t)fresh->web.cache_mib << 20);
	} else {
		conf_free(fresh);
	}
	conf_errors_free(&errors);
	log_reopen();
	service_tell(w->setup, TOLD_SERVES,
	    w->tls && web_tls_reload(w->tls, "web", w->node.conf->web.certificate,
			  w->node.conf->web.key, why) != OK
		? why
		: NULL,
	    "the certificate that was read before stays in use");
	told_read(w->setup->told, w->setup->number);
}

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
	struct timeval tv = {FINISH_MS / 1000, FINISH_MS % 1000 * 1000};
	struct web *w = ctx;

	(void)fd;
	(void)what;
	event_base_loopexit(w->base, &tv);
	http_finish(w->http);
}

static int signal_take(
    struct event **out, struct web *w, int signum, void (*fn)(evutil_socket_t, short, void *))
{
	*out = evsignal_new(w->base, signum, fn, w);
	return *out && event_add(*out, NULL) == 0 ? OK : ERR_NOMEM;
}

/* May browsers be told that this host speaks TLS only? That holds for all its ports; where the
 * address names one, others may be somebody else's. */
static bool tls_only(const struct web *w)
{
	const char *url = w->node.conf->web.url, *host = url ? strstr(url, "://") : NULL;

	if (host)
		host = host[3] == '[' ? strchr(host, ']') : host + 3;
	return w->tls && !(host && host[strcspn(host, ":/")] == ':');
}

static int web_start(struct web *w)
{
	struct service_setup *s = w->setup;
	const struct conf_web *c = &s->conf->web;
	struct http_limits limits;
	struct gate_setup gate;
	char why[TLS_WHY_LEN];
	int err = OK;

	w->node = (struct web_node){.conf = s->conf,
	    .charter = s->charter,
	    .binding = &s->credential->binding,
	    .root_key = s->credential->root_key};
	snprintf(w->store, sizeof w->store, "%s/convene.db", s->conf->node.data);
	w->base = event_base_new();
	if (!w->base)
		return ERR_NOMEM;
	gate = (struct gate_setup){.base = w->base,
	    .conf = s->conf,
	    .credential = s->credential,
	    .processes = s->processes};
	limits = limits_of(w);
	if (c->certificate) {
		err = web_tls_new(&w->tls, "web", c->certificate, c->key, why);
		if (err)
			service_tell(s, TOLD_NONE, why,
			    "no pages are served until that is mended; it is tried again");
		if (err)
			told_read(s->told, s->number);
		w->waits = err != OK;
	}
	if (!err)
		err = static_set_new(&w->files);
	if (!err)
		err = cache_new(&w->cache, (size_t)c->cache_mib << 20);
	if (!err)
		err = respond_new(&w->respond, tls_only(w));
	if (!err)
		err = gate_new(&w->gate, &gate);
	if (!err)
		err = live_new(&w->live, w);
	if (!err)
		err = http_new(&w->http, w->base, &limits, on_request, on_body, w);
	if (!err)
		limits_set(w);
	if (!err)
		err = signal_take(&w->term, w, SIGTERM, on_term);
	if (!err)
		err = signal_take(&w->hup, w, SIGHUP, on_hup);
	for (size_t i = 0; !err && i < s->listener_count; i++)
		err = http_listen(w->http, s->listeners[i], w->tls);
	return err;
}

int web_run(struct service_setup *setup)
{
	struct web *w = calloc(1, sizeof *w);
	bool waits = false;
	int err = ERR_NOMEM;

	language_start();
	if (w) {
		w->setup = setup;
		w->searching.percent = SEARCH_PERCENT;
		err = web_start(w);
		if (!err)
			service_begun(setup, "web", "pages", setup->conf->web.listen,
			    setup->conf->web.listen_count);
		if (!err &&
		    !sandbox_enter(
			setup->conf, setup->conf->web.certificate, setup->conf->web.key) &&
		    setup->number == 0)
			log_warning(
			    "web: this kernel has no Landlock: a process that was taken over "
			    "could write where its user may");
		if (!err)
			event_base_dispatch(w->base);
		else if (!w->waits)
			log_error("web: %s", error_text(err));
		waits = w->waits;
		http_free(w->http);
		live_free(w->live);
		gate_free(w->gate);
		if (w->term)
			event_free(w->term);
		if (w->hup)
			event_free(w->hup);
		reader_close(w->reader);
		respond_free(w->respond);
		cache_free(w->cache);
		static_set_free(w->files);
		web_tls_free(w->tls);
		if (w->base)
			event_base_free(w->base);
		free(w);
	}
	return !err ? 0 : waits ? SERVICE_WAITS : 1;
}
