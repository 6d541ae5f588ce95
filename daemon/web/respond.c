/* SPDX-License-Identifier: BSD-2-Clause */
/* From what a page has made to what goes out: fields, entity tag, compression, and keeping it.
 *
 * Every answer carries the security fields: nothing but our own files may run, be loaded, be asked
 * or frame a page, and where somebody came from is told to nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/encode.h"
#include "base/error.h"
#include "crypto/hash.h"
#include "daemon/web/web_inside.h"

/* A thread of 100 messages, 147 kB: 26.7 kB in 0.9 ms at level 1, 22.4 in 1.3 at 4, 20.5 in 2.5 at
 * 6, 19.9 in 9 at 9. Making it takes 2.5 ms. */
#define GZIP_LEVEL 4
#define GZIP_MIN 400 /* below that there is nothing to gain */
#define TAG_LEN 12   /* bytes of the hash */

#define SAFE                                                                                   \
	"X-Content-Type-Options: nosniff\r\n"                                                  \
	"Referrer-Policy: no-referrer\r\n"                                                     \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                                          \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                        \
	"X-Frame-Options: DENY\r\n"                                                            \
	"Permissions-Policy: camera=(), microphone=(), geolocation=(), payment=(), usb=()\r\n" \
	"Content-Security-Policy: "
#define SAFE_PAGE                                                                              \
	SAFE "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " \
	     "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "       \
	     "'none'\r\n"
/* For what others have made: it may do nothing at all, wherever it is opened. */
#define SAFE_FOREIGN SAFE "default-src 'none'; sandbox; frame-ancestors 'none'\r\n"

/* Where we speak TLS ourselves, no one on the way shall lead a reader past it. */
#define TLS_ONLY "Strict-Transport-Security: max-age=31536000\r\n"

#define FOR_EVER "Cache-Control: public, max-age=31536000, immutable\r\n"
#define ASK_AGAIN "Cache-Control: no-cache\r\n"
#define NOT_KEPT "Cache-Control: no-store\r\n"

struct respond {
	bool tls_only;
	z_stream zip;
	struct buffer fields, zipped;
};

int respond_new(struct respond **out, bool tls_only)
{
	struct respond *r = *out = calloc(1, sizeof *r);

	if (r)
		r->tls_only = tls_only;
	if (r &&
	    deflateInit2(&r->zip, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK)
		return OK;
	free(r);
	*out = NULL;
	return ERR_NOMEM;
}

void respond_free(struct respond *r)
{
	if (!r)
		return;
	deflateEnd(&r->zip);
	buffer_free(&r->fields);
	buffer_free(&r->zipped);
	free(r);
}

static bool is_text(const char *type)
{
	return strncmp(type, "text/", 5) == 0 || strstr(type, "+xml") || strstr(type, "json");
}

/* Into r->zipped; false: it stays as it is. */
static bool zip(struct respond *r, struct bytes body)
{
	size_t bound = deflateBound(&r->zip, body.len);
	uint8_t *to;

	buffer_reset(&r->zipped);
	to = buffer_reserve(&r->zipped, bound);
	if (!to || deflateReset(&r->zip) != Z_OK)
		return false;
	r->zip.next_in = (uint8_t *)(uintptr_t)body.data;
	r->zip.avail_in = (uInt)body.len;
	r->zip.next_out = to;
	r->zip.avail_out = (uInt)bound;
	if (deflate(&r->zip, Z_FINISH) != Z_STREAM_END)
		return false;
	r->zipped.len = bound - r->zip.avail_out;
	return r->zipped.len < body.len;
}

/* RFC 6266, 8187: the plain form for old programs, without what could end it. */
static void add_download(struct buffer *out, const char *name)
{
	buffer_add_str(out, "Content-Disposition: attachment; filename=\"");
	for (const char *p = name; *p; p++)
		buffer_add_u8(
		    out, *p >= 0x20 && *p < 0x7f && !strchr("\"\\%/", *p) ? (uint8_t)*p : '_');
	buffer_add_str(out, "\"; filename*=UTF-8''");
	for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || strchr("-._~", *p))
			buffer_add_u8(out, *p);
		else
			buffer_printf(out, "%%%02X", *p);
	}
	buffer_add_str(out, "\r\n");
}

/* What a value may be: no line of its own. */
static void add_value(struct buffer *out, const char *value)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p >= 0x20 && *p != 0x7f)
			buffer_add_u8(out, (uint8_t)*p);
}

static void add_fields(struct buffer *out, const struct answer *a, const struct variant *v,
    const char *type, const char *tag, bool zipped)
{
	bool vary_zip = is_text(type), error = a->status >= 400;

	buffer_add_str(out, "Content-Type: ");
	add_value(out, type);
	buffer_add_str(out, "\r\n");
	if (tag[0])
		buffer_printf(out, "ETag: %s\r\n", tag);
	if (zipped)
		buffer_add_str(out, "Content-Encoding: gzip\r\n");
	if (vary_zip || v->negotiated)
		buffer_printf(out, "Vary: %s%s%s\r\n", vary_zip ? "Accept-Encoding" : "",
		    vary_zip && v->negotiated ? ", " : "", v->negotiated ? "Accept-Language" : "");
	if (v->language < LANGUAGES && strncmp(type, "text/html", 9) == 0)
		buffer_printf(out, "Content-Language: %s\r\n", language_tag(v->language));
	if (a->location[0]) {
		buffer_add_str(out, "Location: ");
		add_value(out, a->location);
		buffer_add_str(out, "\r\n");
	}
	if (a->download)
		add_download(out, a->download);
	if (a->status == 405)
		buffer_add_str(out, "Allow: GET, HEAD\r\n");
	if (a->status == 503)
		buffer_add_str(out, "Retry-After: 5\r\n");
	buffer_add_str(out, error                            ? NOT_KEPT
			    : a->for_ever && !a->location[0] ? FOR_EVER
							     : ASK_AGAIN);
	buffer_add_str(out, a->download || strcmp(type, "application/octet-stream") == 0
				? SAFE_FOREIGN
				: SAFE_PAGE);
}

static void give(struct exchange *x, const struct cached *c)
{
	struct http_answer out = {.status = c->status,
	    .fields = c->fields,
	    .body = c->body,
	    .release = cache_give_back,
	    .owner = (void *)(uintptr_t)c};

	if (c->status == 200 && c->tag[0] && tag_matches(exchange_head(x)->if_none_match, c->tag))
		out.status = 304;
	exchange_answer(x, &out);
}

bool respond_cached(struct web *w, struct exchange *x, struct bytes key, uint64_t state)
{
	const struct cached *c = cache_find(w->cache, key, state);

	if (c)
		give(x, c);
	return c != NULL;
}

void respond_answer(struct web *w, struct exchange *x, const struct answer *a,
    const struct variant *v, struct bytes key, uint64_t state)
{
	struct respond *r = w->respond;
	const char *type = a->type ? a->type : "text/html; charset=utf-8";
	struct answer whole = {.status = a->status ? a->status : 200,
	    .download = a->download,
	    .for_ever = a->for_ever};
	struct bytes body = buffer_bytes(&a->body);
	char tag[2 + BASE64_LEN(TAG_LEN) + 6] = "";
	const struct cached *c;
	uint8_t sum[HASH_LEN];
	bool zipped;

	if (a->body.failed || strlen(a->location) >= sizeof a->location) {
		web_error(w, x, 500);
		return;
	}
	memcpy(whole.location, a->location, sizeof whole.location);
	zipped = v->gzip && is_text(type) && body.len >= GZIP_MIN && zip(r, body);
	if (whole.status == 200) {
		hash_of(sum, body.data, body.len);
		tag[0] = '"';
		base64url_encode(tag + 1, sum, TAG_LEN);
		strcat(tag, zipped ? "-gzip\"" : "\"");
	}
	if (zipped)
		body = buffer_bytes(&r->zipped);
	buffer_reset(&r->fields);
	add_fields(&r->fields, &whole, v, type, tag, zipped);
	if (r->tls_only)
		buffer_add_str(&r->fields, TLS_ONLY);
	c = r->fields.failed ? NULL
			     : cache_add(w->cache, key, key.len > 0 && !a->passing ? state : 0,
				   whole.status, tag, buffer_bytes(&r->fields), body);
	if (c) {
		give(x, c);
	} else {
		struct http_answer none = {.status = 500};

		exchange_answer(x, &none);
	}
}

static struct bytes plain_fields(struct respond *r, int status, const char *type)
{
	buffer_reset(&r->fields);
	buffer_printf(&r->fields, "Content-Type: %s\r\n%s%s" NOT_KEPT SAFE_FOREIGN, type,
	    status == 503 ? "Retry-After: 5\r\n" : "", status == 405 ? "Allow: POST\r\n" : "");
	if (r->tls_only)
		buffer_add_str(&r->fields, TLS_ONLY);
	return buffer_bytes(&r->fields);
}

void respond_plain(
    struct web *w, struct exchange *x, int status, const char *type, struct bytes body)
{
	struct http_answer out = {
	    .status = status, .fields = plain_fields(w->respond, status, type), .body = body};

	exchange_answer(x, &out);
}

void respond_kept(struct web *w, struct exchange *x, const char *type, struct bytes body,
    struct bytes key, uint64_t state)
{
	struct bytes fields = plain_fields(w->respond, 200, type);
	const struct cached *c = cache_add(w->cache, key, state, 200, "", fields, body);

	if (c)
		give(x, c);
	else
		respond_plain(w, x, 200, type, body);
}

void respond_static(struct web *w, struct exchange *x, const struct static_file *f)
{
	struct answer a = {.type = static_type(f->name), .for_ever = true};
	struct variant v = {
	    .language = LANGUAGES, .gzip = accepts_gzip(exchange_head(x)->accept_encoding)};
	struct bytes key = bytes_of(f->name, strlen(f->name) + !v.gzip);

	/* With its NUL the other form of it; no path looks like either. */
	if (respond_cached(w, x, key, 1))
		return;
	buffer_add(&a.body, f->data, f->len);
	respond_answer(w, x, &a, &v, key, 1);
	buffer_free(&a.body);
}

struct bytes respond_stream_fields(const struct respond *r)
{
	static const char fields[] = TLS_ONLY
	    "Content-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n" NOT_KEPT SAFE_PAGE;

	return bytes_str(fields + (r->tls_only ? 0 : strlen(TLS_ONLY)));
}
