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

#include "base/encode.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/web/sandbox.h"
#include "daemon/web/web_inside.h"

#define FINISH_MS 1500
#define SEARCH_PERCENT 40 /* of the process's time */
#define SHARE_MIN 16      /* connections of one address that a process takes in any case */

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
		serve_redirect(w, x, 301, f.straight);
		return;
	}
	switch (f.route->kind) {
	case ROUTE_PAGE:
		serve_page(w, x, &f);
		break;
	case ROUTE_STATIC:
		static_serve(w, x, f.rest);
		break;
	case ROUTE_LIVE:
		live_serve(w, x);
		break;
	case ROUTE_GATE:
		serve_gate(w, x);
		break;
	case ROUTE_PROOF:
		serve_proof(w, x, &f);
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
	return serve_gate_refuses(h);
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
	if (conf_load(&fresh, old->file, &errors) == OK && conf_reloadable(old, fresh, NULL)) {
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
