/* SPDX-License-Identifier: BSD-2-Clause */
/* The news server: sockets and signals around the command machine (session.h) and the catalogue. It
 * reads the store, writes nothing but DATA/news/numbers, and holds no key but that of its
 * certificate. */
#include "daemon/nntp/nntp.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/web/crowd.h"
#include "daemon/web/sandbox.h"
#include "daemon/web/tls.h"

#define LOOK_MS 250 /* for what is new */

static uint64_t now(void *ctx)
{
	(void)ctx;
	return clock_wall_ms();
}

/* ---- what the config says ---- */

static void words_set(struct nntp *n)
{
	const struct conf *conf = n->setup->conf;

	n->url[0] = '\0';
	if (conf->web.url)
		snprintf(n->url, sizeof n->url, "%s", conf->web.url);
	if (n->url[0])
		snprintf(n->writing, sizeof n->writing,
		    "here one reads; to write, open %.200s/ in a browser, or use convene(1)",
		    n->url);
	else
		snprintf(n->writing, sizeof n->writing, "here one reads; to write, use convene(1)");
}

static int tls_begin(struct nntp *n)
{
	const struct conf *conf = n->setup->conf;
	char why[TLS_WHY_LEN];
	int err;

	if (!conf->nntp.certificate)
		return OK;
	err = web_tls_new(&n->tls, "nntp", conf->nntp.certificate, conf->nntp.key, why);
	if (err) {
		service_tell(n->setup, TOLD_NONE, why,
		    "no news is served until that is mended; it is tried again");
		told_read(n->setup->told, n->setup->number);
		n->waits = true;
	}
	return err;
}

static void tls_again(struct nntp *n)
{
	const struct conf *conf = n->setup->conf;
	char why[TLS_WHY_LEN];
	bool bad = n->tls && web_tls_reload(
				 n->tls, "nntp", conf->nntp.certificate, conf->nntp.key, why) != OK;

	service_tell(n->setup, TOLD_SERVES, bad ? why : NULL,
	    "the certificate that was read before stays in use");
	told_read(n->setup->told, n->setup->number);
}

static void on_reload(evutil_socket_t fd, short what, void *ctx)
{
	struct nntp *n = ctx;
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *fresh = NULL;

	(void)fd;
	(void)what;
	/* What is wrong with it, the relay tells. */
	if (conf_load(&fresh, n->setup->conf->file, &errors) == OK &&
	    conf_reloadable(n->setup->conf, fresh, NULL)) {
		conf_free(n->setup->conf);
		n->setup->conf = fresh;
		words_set(n);
		catalogue_set_url(n->catalogue, n->url[0] ? n->url : NULL);
	} else {
		conf_free(fresh);
	}
	conf_errors_free(&errors);
	tls_again(n);
	log_reopen();
}

/* ---- the loop ---- */

static void on_terminate(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(((struct nntp *)ctx)->base);
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
	struct nntp *n = ctx;
	bool more = catalogue_update(n->catalogue, clock_wall_ms(), clock_mono_ms());
	struct timeval next = {0, more ? 0 : LOOK_MS * 1000};

	(void)fd;
	(void)what;
	event_add(n->looking, &next);
}

static int loop_begin(struct nntp *n)
{
	struct timeval at_once = {0, 0};

	n->base = event_base_new();
	n->accepts = calloc(n->setup->listener_count + 1, sizeof *n->accepts);
	n->crowd = crowd_new();
	if (!n->base || !n->accepts || !n->crowd)
		return ERR_NOMEM;
	n->looking = evtimer_new(n->base, on_look, n);
	n->terminate = evsignal_new(n->base, SIGTERM, on_terminate, n);
	n->reload = evsignal_new(n->base, SIGHUP, on_reload, n);
	if (!n->looking || !n->terminate || !n->reload)
		return ERR_NOMEM;
	event_add(n->terminate, NULL);
	event_add(n->reload, NULL);
	event_add(n->looking, &at_once);
	for (size_t i = 0; i < n->setup->listener_count; i++) {
		n->accepts[i] = event_new(
		    n->base, n->setup->listeners[i], EV_READ | EV_PERSIST, conn_accept, n);
		if (!n->accepts[i] || event_add(n->accepts[i], NULL) != 0)
			return ERR_NOMEM;
	}
	return OK;
}

static void event_end(struct event *e)
{
	if (e)
		event_free(e);
}

static void nntp_clear(struct nntp *n)
{
	conns_close(n);
	for (size_t i = 0; n->accepts && i < n->setup->listener_count; i++)
		event_end(n->accepts[i]);
	free(n->accepts);
	event_end(n->looking);
	event_end(n->terminate);
	event_end(n->reload);
	crowd_free(n->crowd);
	catalogue_free(n->catalogue);
	web_tls_free(n->tls);
	if (n->base)
		event_base_free(n->base);
}

static void waits_tell(struct nntp *n, const char *path, const char *what)
{
	char why[TOLD_TEXT];

	snprintf(why, sizeof why, "nntp: %.300s: %s", path, what);
	service_tell(
	    n->setup, TOLD_NONE, why, "no news is served until that is mended; it is tried again");
	told_read(n->setup->told, n->setup->number);
	n->waits = true;
}

static int catalogue_begin_at(struct nntp *n, char *store, char *numbers, size_t room)
{
	const struct conf *conf = n->setup->conf;
	struct catalogue_setup setup = {.store = store,
	    .numbers = numbers,
	    .organisation = conf->node.name,
	    .forum = n->forum,
	    .url = n->url[0] ? n->url : NULL};
	int err;

	snprintf(store, room, "%s/convene.db", conf->node.data);
	snprintf(numbers, room, "%s/news/numbers", conf->node.data);
	err = catalogue_new(&n->catalogue, &setup);
	if (err == ERR_SCHEMA)
		log_error(
		    "%s is no file of article numbers; without it all is numbered anew", numbers);
	else if (err == ERR_IO)
		waits_tell(n, numbers, strerror(errno));
	else if (err)
		log_error("%s: %s", numbers, error_text(err));
	return err;
}

int nntp_run(struct service_setup *setup)
{
	static struct nntp n;
	static char store[4096], numbers[4096], name[ORG_NAME_MAX + 1];
	int err;

	n = (struct nntp){.setup = setup};
	signal(SIGPIPE, SIG_IGN);
	snprintf(n.forum, sizeof n.forum, "%s", setup->charter->name);
	snprintf(name, sizeof name, "%s", setup->conf->node.name);
	words_set(&n);
	n.server = (struct nntp_server){.name = name, .writing = n.writing, .now = now};
	err = tls_begin(&n);
	if (!err)
		err = catalogue_begin_at(&n, store, numbers, sizeof store);
	/* The file of numbers is open: nothing else is written. */
	if (!err &&
	    !sandbox_enter(setup->conf, setup->conf->nntp.certificate, setup->conf->nntp.key))
		log_warning("nntp: this kernel has no Landlock; only its user keeps the news "
			    "server from writing files");
	if (!err)
		err = loop_begin(&n);
	if (!err)
		service_begun(setup, "nntp", "news", setup->conf->nntp.listen,
		    setup->conf->nntp.listen_count);
	if (!err)
		event_base_dispatch(n.base);
	nntp_clear(&n);
	return !err ? 0 : n.waits ? SERVICE_WAITS : 1;
}
