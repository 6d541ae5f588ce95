/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/relay/relay.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/forks.h"
#include "daemon/relay/moderate.h"
#include "daemon/relay/pages.h"
#include "store/views.h"

#define HOUSEKEEPING_MS 1000
#define TRIM_BYTES                                                                            \
	(4 << 20)    /* what each thread may keep of what it has freed: giving it back to the \
			system, and taking it again, costs more than the batch it was for */
#define STOP_MS 2000 /* for connections to hear of it */

/* ---- the config, again ---- */

void relay_reload(struct relay *r, char *why, size_t len)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *fresh = NULL;
	const char *what = NULL;

	if (conf_load(&fresh, r->conf->file, &errors) != OK) {
		snprintf(why, len, "%s:%u: %s%s; the old config stays",
		    errors.file ? errors.file : r->conf->file,
		    errors.count ? errors.list[0].line : 0,
		    errors.count ? errors.list[0].message : "not readable",
		    errors.count > 1 ? " (convened -n lists all mistakes)" : "");
	} else if (!conf_reloadable(r->conf, fresh, &what)) {
		snprintf(why, len,
		    "%s can't change without a restart (`convenectl stop`, then start convened "
		    "again); the old config stays",
		    what);
		conf_free(fresh);
	} else {
		const struct conf *old = r->conf;

		r->conf = fresh;
		log_set_level(fresh->log.level);
		r->net.handshake_ms = (uint64_t)fresh->limits.handshake_seconds * 1000;
		links_update(r, old);
		carry_update(r);
		moderate_carry(r);
		conf_free((struct conf *)(uintptr_t)old);
		log_reopen();
		log_info("config loaded again");
	}
	conf_errors_free(&errors);
	if (why[0])
		log_error("reload: %s", why);
}

/* ---- the loop's own events ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tick_soon(arg);
}

static void on_accepted(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ingest_flush(arg);
}

static void on_seal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	seal_due(arg);
}

static void on_housekeeping(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;

	(void)fd;
	(void)what;
	held_stale(r);
	recover_step(r);
	if (r->learning && !r->recovering && clock_mono_ms() - r->started > LEARN_MS) {
		log_info("not every peer has answered within %d s; going on without them",
		    LEARN_MS / 1000);
		seal_allowed(r);
	}
	inbox_look(r);
	views_follow(r);
	seal_soon(r);
	clients_notify(r);
	tick_soon(r);
	storage_scrub(r);
	erasure_keep(r);
	cosign_watch(r);
	searching_follow(r);
}

static void on_hup(evutil_socket_t fd, short what, void *arg)
{
	char why[512] = "";

	(void)fd;
	(void)what;
	relay_reload(arg, why, sizeof why);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	relay_stop(arg);
}

void relay_stop(struct relay *r)
{
	struct timeval tv = {STOP_MS / 1000, STOP_MS % 1000 * 1000};

	if (r->stopping)
		return;
	r->stopping = true;
	atomic_store(&r->ending, true);
	log_info("stopping");
	for (size_t i = 0; i < r->listener_count; i++)
		evconnlistener_disable(r->listeners[i]);
	if (r->control)
		evconnlistener_disable(r->control);
	links_stop(r);
	if (r->sessions)
		event_base_loopexit(r->base, &tv);
	else
		event_base_loopbreak(r->base);
}

void relay_fail(struct relay *r)
{
	r->failed = true;
	relay_stop(r);
}

static void on_accept(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct relay *r = arg;
	struct session *fresh;
	size_t greeting = 0, same = 0;

	(void)listener;
	(void)sa;
	(void)len;
	/* Connections that have not said who they are cost a handshake each: no more of them than
	 * of clients. */
	for (struct session *s = r->sessions; s; s = s->next)
		greeting += !s->greeted;
	if (greeting > r->conf->limits.clients) {
		evutil_closesocket(fd);
		return;
	}
	fresh = session_accept(r, fd, true);
	for (struct session *s = r->sessions; fresh && s; s = s->next)
		same += !s->greeted &&
			strcmp(channel_host(s->channel), channel_host(fresh->channel)) == 0;
	if (same > r->conf->limits.clients_per_address)
		channel_drop(fresh->channel);
}

/* Out of descriptors, usually: rest a moment instead of spinning. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)arg;
	(void)listener;
	log_warning("a connection could not be accepted: %s", strerror(errno));
	usleep(10000);
}

/* ---- start ---- */

static int store_start(struct relay *r)
{
	char path[4096];
	struct buffer forum = BUFFER_INIT;
	struct store *w;
	int err;

	snprintf(path, sizeof path, "%s/convene.db", r->conf->node.data);
	err = store_open(&r->writer.store, &store_sqlite, path, 0);
	if (err) {
		const char *more = store_error(NULL);

		log_error("%s: %s%s%s", path,
		    err == ERR_BUSY     ? "another convened uses it"
		    : err == ERR_SCHEMA ? "written by another version, or no store"
					: error_text(err),
		    *more ? ": " : "", more);
		if (err == ERR_STORE || err == ERR_SCHEMA)
			log_error("if it is damaged: put a backup in its place, or have all of it "
				  "come from peers; see RECOVERY in convenectl(8)");
		return err;
	}
	w = r->writer.store;
	r->intake = store_intake(w);
	err = w->ops->meta_get(w, "forum", &forum);
	if (err == ERR_NOTFOUND) {
		err = w->ops->begin(w);
		if (!err)
			err = w->ops->meta_put(w, "forum", bytes_of(r->charter->forum, HASH_LEN));
		if (!err)
			err = w->ops->commit(w);
	} else if (!err &&
		   !bytes_equal(buffer_bytes(&forum), bytes_of(r->charter->forum, HASH_LEN))) {
		log_error(
		    "%s belongs to another forum than the charter %s", path, r->conf->node.charter);
		err = ERR_OTHER_FORUM;
	}
	buffer_free(&forum);
	if (!err)
		err = views_prepare(w);
	if (err == 1) {
		log_info("the views were made by another version: they begin anew");
		err = OK;
	}
	/* After a crash between an erasure and its end, for one. */
	atomic_store(&r->writer.erased, true);
	r->writer.charter = r->charter;
	if (!err)
		err = forum_new(&r->writer.forum, w, r->charter);
	if (!err)
		err = store_open(&r->reader, &store_sqlite, path, STORE_READ_ONLY);
	if (err)
		log_error("%s: %s (%s)", path, error_text(err), store_error(w));
	return err;
}

static struct event *signal_event(struct relay *r, int signum, event_callback_fn fn)
{
	struct event *e = evsignal_new(r->base, signum, fn, r);

	if (e)
		event_add(e, NULL);
	return e;
}

static int relay_start(struct relay *r, struct relay_setup *setup)
{
	struct timeval housekeeping = {HOUSEKEEPING_MS / 1000, 0};
	struct sync_io io;
	struct member *members;
	size_t count;
	int err;

	mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	mallopt(M_MMAP_THRESHOLD, TRIM_BYTES);
	r->started = clock_mono_ms();
	r->learning = true;
	r->conf = setup->conf;
	r->parent = setup->parent;
	r->told = setup->told;
	r->charter = setup->charter;
	r->node = setup->credential;
	/* Each start learns anew what was signed last. */
	err = signer_connect(&r->signer, setup->signer, setup->credential);
	if (err) {
		log_error("the signer does not answer: %s", error_text(err));
		return err;
	}
	r->base = event_base_new();
	if (!r->base)
		return ERR_NOMEM;
	r->net = (struct net){.base = r->base, NET_DEFAULTS};
	r->net.handshake_ms = (uint64_t)r->conf->limits.handshake_seconds * 1000;
	tls_pin_of(r->tls_pin, setup->tls_key.public);
	err = tls_new(&r->net.tls, &setup->tls_key, r->conf->node.name);
	if (err)
		return err;
	err = held_start(r);
	if (!err)
		err = burst_start(r);
	if (err)
		return err;
	io = logs_sync_io(r);
	r->sync = sync_new(&io);
	r->tick = event_new(r->base, -1, 0, on_tick, r);
	r->accept_timer = event_new(r->base, -1, 0, on_accepted, r);
	r->seal_timer = event_new(r->base, -1, 0, on_seal, r);
	r->housekeeping = event_new(r->base, -1, EV_PERSIST, on_housekeeping, r);
	r->reload_event = signal_event(r, SIGHUP, on_hup);
	r->stop_event = signal_event(r, SIGTERM, on_stop);
	r->int_event = signal_event(r, SIGINT, on_stop);
	if (!r->sync || !r->tick || !r->accept_timer || !r->seal_timer || !r->housekeeping ||
	    !r->reload_event || !r->stop_event || !r->int_event)
		return ERR_NOMEM;
	event_add(r->housekeeping, &housekeeping);

	/* The store before the threads: until they run, its writing side is ours. */
	err = store_start(r);
	if (!err)
		err = logs_load(r);
	if (!err)
		err = logs_add_own(r);
	if (!err)
		err = succession_own(r);
	if (err == ERR_NOTFOUND && r->own)
		err = recover_orphan(r);
	if (!err)
		err = cosign_start(r, setup->vouches);
	if (!err)
		err = members_copy(r->writer.forum, &members, &count);
	if (!err) {
		views_members(r, members, count);
		err = query_last_arrival(r->reader, &r->arrivals);
	}
	if (!err)
		err = inbox_start(r);
	if (!err)
		err = recover_start(r);
	if (!err)
		err = moderate_start(r);
	if (!err)
		err = pages_start(r);
	if (!err)
		err = watch_begin(r);
	if (!err)
		err = erasure_start(r);
	if (!err)
		err = searching_start(r);
	if (!err)
		err = storage_start(r);
	for (struct relay_log *l = r->logs; l && !err; l = l->next)
		cut_follow(r, l);
	if (!err) {
		carry_update(r);
		moderate_carry(r);
	}
	if (!err)
		err = links_start(r);
	if (!err)
		err = control_start(r, setup->control);
	if (err)
		return err;
	r->listeners = calloc(setup->listener_count, sizeof *r->listeners);
	for (size_t i = 0; r->listeners && i < setup->listener_count; i++) {
		r->listeners[i] = evconnlistener_new(r->base, on_accept, r,
		    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, setup->listeners[i]);
		if (!r->listeners[i])
			return ERR_NOMEM;
		evconnlistener_set_error_cb(r->listeners[i], on_accept_error);
		r->listener_count++;
	}
	if (!member_has(r, r->conf->node.name, r->node->root_key))
		log_warning("%s is not a member of the forum yet: others keep nothing of its log "
			    "until members admit it",
		    r->conf->node.name);
	if (r->conf->peer_count == 0)
		seal_allowed(r);
	views_follow(r);
	searching_follow(r);
	return r->listeners ? OK : ERR_NOMEM;
}

static void relay_free(struct relay *r)
{
	struct event *events[] = {r->burst.resume, r->tick, r->accept_timer, r->seal_timer,
	    r->housekeeping, r->reload_event, r->stop_event, r->int_event, r->watch_event};

	r->stopping = true;
	atomic_store(&r->ending, true);
	registrar_resume(r);
	searching_stop(r);
	storage_stop(r); /* what is under way becomes durable and is answered to nobody */
	for (size_t i = 0; i < r->listener_count; i++)
		evconnlistener_free(r->listeners[i]);
	free(r->listeners);
	if (r->control)
		evconnlistener_free(r->control);
	for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
		if (events[i])
			event_free(events[i]);
	}
	links_free(r);
	cosign_free(r);
	sync_free(r->sync);
	held_free(r);
	inbox_free(r);
	recover_free(r);
	moderate_free(r);
	pages_free(r);
	carry_free(r);
	logs_free(r);
	forks_free(r);
	free(r->members);
	forum_free(r->writer.forum);
	store_close(r->reader);
	store_close(r->writer.store);
	tls_free(r->net.tls);
	signer_free(r->signer);
	if (r->base)
		event_base_free(r->base);
	conf_free((struct conf *)(uintptr_t)r->conf);
}

int relay_run(struct relay_setup *setup)
{
	static struct relay relay;
	struct relay *r = &relay;
	int err = relay_start(r, setup);

	if (err) {
		log_error("the relay can't start: %s", error_text(err));
		r->failed = true;
	} else {
		log_info("%s is up: forum \"%s\", %llu entries in our log", r->conf->node.name,
		    r->charter->name, (unsigned long long)replica_held(r->own->replica));
		event_base_dispatch(r->base);
	}
	relay_free(r);
	return r->failed ? 1 : 0;
}
