/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages: in one state of the store, kept while it is that, or made. */
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/web/web_inside.h"

#define RETRY_MS 500 /* of a store that could not be opened */
#define DAY_MS 86400000
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

void serve_redirect(struct web *w, struct exchange *x, int status, const char *path)
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
	serve_redirect(w, x, 302, path);
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

void serve_page(struct web *w, struct exchange *x, struct found *f)
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
