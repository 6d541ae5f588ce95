/* SPDX-License-Identifier: BSD-2-Clause */
/* What pages are made of: times, names, remarks. */
#include <stdio.h>
#include <string.h>

#include <unicode/udat.h>
#include <unicode/ustring.h>

#include "base/encode.h"
#include "base/text.h"
#include "daemon/web/pages.h"

enum { NAME_BYTES = 96, TIME_ROOM = 64 };

void hex_id(char out[static ID_HEX], const uint8_t id[static ID_LEN])
{
	hex_encode(out, id, ID_LEN);
}

/* ---- times ---- */

/* Of each language, once it is asked for. */
static UDateFormat *formats[LANGUAGES];

/* To format a day takes 5 µs, and messages of a thread are of few days. */
enum { DAYS = 256 };
static struct day {
	uint64_t day;
	enum language language;
	uint8_t len; /* 0: none */
	char text[TIME_ROOM];
} days_made[DAYS];

/* Days before months where English is read by most; digits as they stand on the rest of the page.
 */
static const char *const locales[LANGUAGES] = {
    [LANGUAGE_EN] = "en_GB",
    [LANGUAGE_AR] = "ar@numbers=latn",
    [LANGUAGE_ES] = "es",
    [LANGUAGE_FR] = "fr",
    [LANGUAGE_PT] = "pt",
    [LANGUAGE_RU] = "ru",
    [LANGUAGE_ZH] = "zh",
};

/* What stands between a day and a time. */
static const char *const joins[LANGUAGES] = {
    [LANGUAGE_EN] = ", ",
    [LANGUAGE_AR] = "، ",
    [LANGUAGE_ES] = ", ",
    [LANGUAGE_FR] = ", ",
    [LANGUAGE_PT] = ", ",
    [LANGUAGE_RU] = ", ",
    [LANGUAGE_ZH] = " ",
};

void page_time_end(void)
{
	for (size_t l = 0; l < LANGUAGES; l++) {
		if (formats[l])
			udat_close(formats[l]);
		formats[l] = NULL;
	}
	memset(days_made, 0, sizeof days_made);
}

static bool day_make(struct day *d)
{
	static const UChar utc[] = {'U', 'T', 'C'};
	UErrorCode status = U_ZERO_ERROR;
	UDateFormat **format = &formats[d->language];
	UChar wide[TIME_ROOM];
	int32_t len, bytes = 0;

	if (!*format)
		*format = udat_open(
		    UDAT_NONE, UDAT_MEDIUM, locales[d->language], utc, 3, NULL, 0, &status);
	if (!*format)
		return false;
	len = udat_format(*format, (UDate)d->day * 86400000, wide, TIME_ROOM, NULL, &status);
	if (U_SUCCESS(status) && len <= TIME_ROOM)
		u_strToUTF8(d->text, sizeof d->text, &bytes, wide, len, &status);
	if (U_FAILURE(status) || bytes <= 0 || bytes > (int32_t)sizeof d->text)
		return false;
	d->len = (uint8_t)bytes;
	return true;
}

/* NULL: by numbers, then. */
static const struct day *day_of(enum language l, uint64_t day)
{
	struct day *d = &days_made[(day * LANGUAGES + l) % DAYS];

	if (d->len > 0 && d->day == day && d->language == l)
		return d;
	*d = (struct day){.day = day, .language = l};
	return day_make(d) ? d : NULL;
}

/* In numbers, for programs. `out` takes 25 bytes; no time is beyond the year 9999. */
static void iso_time(char *out, uint64_t ms, bool day)
{
	uint64_t days = ms / 86400000, s = ms / 1000 % 86400;
	/* Years that begin in March have their leap day at the end. */
	uint64_t z = days + 719468, era = z / 146097, d = z % 146097;
	uint64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	uint64_t in_year = d - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;
	unsigned date = (unsigned)(in_year - (153 * m + 2) / 5 + 1),
		 month = (unsigned)(m < 10 ? m + 3 : m - 9),
		 year = (unsigned)(y + era * 400 + (month <= 2));

	if (day)
		snprintf(out, 25, "%04u-%02u-%02u", year % 10000, month % 100, date % 100);
	else
		snprintf(out, 25, "%04u-%02u-%02uT%02u:%02u:%02uZ", year % 10000, month % 100,
		    date % 100, (unsigned)(s / 3600) % 100, (unsigned)(s / 60 % 60),
		    (unsigned)(s % 60));
}

static void add_time(struct html h, enum language l, uint64_t ms, bool day)
{
	char iso[25];

	if (ms > TIME_MAX)
		ms = TIME_MAX;
	iso_time(iso, ms, day);
	const struct day *d = day_of(l, ms / 86400000);

	html(h, "<time datetime=\"%s\">", iso);
	html(h, "%.*s", d ? (int)d->len : 10, d ? d->text : iso);
	if (!day) {
		unsigned minutes = (unsigned)(ms / 60000 % 1440);

		html(h, "%s%u%u:%u%u", d ? joins[l] : " ", minutes / 600, minutes / 60 % 10,
		    minutes % 60 / 10, minutes % 10);
	}
	html(h, "</time>");
}

void page_time(struct html h, enum language l, uint64_t ms)
{
	add_time(h, l, ms, false);
}

void page_day(struct html h, enum language l, uint64_t ms)
{
	add_time(h, l, ms, true);
}

void page_iso(char out[static 25], uint64_t ms)
{
	iso_time(out, ms <= TIME_MAX ? ms : TIME_MAX, false);
}

/* ---- small things ---- */

void page_lang(struct html h, struct bytes tag)
{
	if (lang_valid(tag))
		html(h, " lang=\"%.*s\"", (int)tag.len, (const char *)tag.data);
}

void page_size(struct html h, uint64_t bytes)
{
	char text[64];

	if (bytes < 1000)
		snprintf(text, sizeof text,
		    /* Translators: a size, in bytes. */
		    ngettext("%lu byte", "%lu bytes", bytes), (unsigned long)bytes);
	else if (bytes < 1000000)
		/* Translators: a size, in thousands of bytes. */
		snprintf(text, sizeof text, _("%lu kB"), (unsigned long)((bytes + 500) / 1000));
	else
		/* Translators: a size, in millions of bytes, with one decimal. */
		snprintf(text, sizeof text, _("%lu.%lu MB"),
		    (unsigned long)((bytes + 50000) / 1000000),
		    (unsigned long)((bytes + 50000) / 100000 % 10));
	html_text(h, text);
}

void page_remark(struct html h, const char *kind, const char *text)
{
	html(h, "<p class=\"remark %s\">%s</p>\n", kind, text);
}

void page_uncarried(struct html h, struct request *q)
{
	const char *name;

	for (size_t i = 0; (name = reader_uncarried(q->reader, i)); i++) {
		char text[300];

		snprintf(text, sizeof text,
		    _("This node does not carry what is written at %s: it is missing here."), name);
		page_remark(h, "without", text);
	}
}

const char *page_missing(const struct message_shown *m)
{
	return m->left_out ? _("The text stands on a page of its own: this one has become long.")
			   : _("The text is not here yet.");
}

struct bytes message_subject(const struct message_shown *m)
{
	return m->state == TEXT_HERE ? m->content.subject : bytes_of(NULL, 0);
}

static struct bytes without_re(struct bytes s)
{
	while (s.len >= 3 && (s.data[0] | 0x20) == 'r' && (s.data[1] | 0x20) == 'e' &&
	       s.data[2] == ':') {
		s = bytes_of(s.data + 3, s.len - 3);
		while (s.len > 0 && s.data[0] == ' ')
			s = bytes_of(s.data + 1, s.len - 1);
	}
	return s;
}

bool subject_same(struct bytes a, struct bytes b)
{
	return bytes_equal(without_re(a), without_re(b));
}

/* ---- who ---- */

static bool is_around(uint8_t c)
{
	return c == ' ' || c == '"' || c == '<' || c == '\t';
}

static struct bytes name_trim(struct bytes b)
{
	while (b.len > 0 && is_around(b.data[0]))
		b = bytes_of(b.data + 1, b.len - 1);
	while (b.len > 0 && is_around(b.data[b.len - 1]))
		b.len--;
	return b;
}

/* The part of an archive's "Name <address>" or "address (Name)" that says who it was. Addresses
 * aren't shown: they are others', and would be collected. */
struct bytes archived_name(struct bytes author)
{
	const uint8_t *p = author.data;
	size_t n = author.len;
	const uint8_t *angle = n > 0 ? memchr(p, '<', n) : NULL, *open;

	if (angle && angle > p) {
		n = (size_t)(angle - p);
	} else if (n > 0 && (open = memchr(p, '(', n)) && p[n - 1] == ')') {
		n = (size_t)(p + n - 1 - (open + 1));
		p = open + 1;
	}
	struct bytes name = name_trim(bytes_of(p, n));
	const uint8_t *at = name.len > 0 ? memchr(name.data, '@', name.len) : NULL;

	if (!at)
		return name;
	/* An address within it: what stands before that word, or else before the sign. */
	for (n = (size_t)(at - name.data); n > 0 && name.data[n - 1] != ' ';)
		n--;
	struct bytes before = name_trim(bytes_of(name.data, n));
	return before.len > 0 ? before : bytes_of(name.data, (size_t)(at - name.data));
}

static void add_author(struct html h, const struct author *a)
{
	if (*a->name)
		html_short(h, bytes_str(a->name), NAME_BYTES);
	else if (*a->handle)
		html_line(h, bytes_str(a->handle));
	else if (a->device)
		html(h, "%s", _("somebody"));
	else
		html(h, "%s", a->organisation);
}

void page_address_of(struct html h, const struct author *a)
{
	if (*a->handle) {
		html(h, "<span class=\"at\" dir=\"ltr\">");
		html_line(h, bytes_str(a->handle));
		html(h, "@%s</span>", a->organisation);
	} else {
		html(h, "<span class=\"at\" dir=\"ltr\">%s</span>", a->organisation);
	}
}

/* A link to what somebody wrote, up to its text. */
static void begin_author(struct html h, const struct request *q, const struct author *a)
{
	char hex[2 * IDENTITY_LEN + 1];

	hex_encode(hex, a->identity, IDENTITY_LEN);
	html(h, "<a class=\"who\"");
	page_href(h, q, "/by/%s/%s", a->organisation, hex);
	html(h, ">");
}

void page_author_link(struct html h, const struct request *q, const struct author *a)
{
	if (!a->device) {
		html(h, "<b class=\"who\"><bdi>%s</bdi></b>", a->organisation);
		return;
	}
	begin_author(h, q, a);
	html(h, "<bdi>");
	add_author(h, a);
	html(h, "</bdi></a> ");
	page_address_of(h, a);
}

void page_writer(struct html h, const struct request *q, const struct message_shown *m)
{
	const struct author *a = &m->row.author;
	struct buffer room = BUFFER_INIT;
	struct bytes name;
	size_t at;

	if (m->state != TEXT_HERE || !m->content.imported.present) {
		page_author_link(h, q, a);
		return;
	}
	name = archived_name(m->content.imported.author);
	html(h, "<b class=\"who\"><bdi>");
	if (name.len > 0)
		html_short(h, name, NAME_BYTES);
	else
		html(h, "%s", _("somebody"));
	html(h, "</bdi></b> <span class=\"archived\">");
	at = h.out->len;
	if (a->device)
		begin_author(h, q, a);
	page_address_of(h, a);
	if (a->device)
		html(h, "</a>");
	struct html_piece by = html_cut(h, at, &room);
	/* Translators: %s is who put an old message of an archive here. */
	html_sentence(h, _("archived by %s"), &by, 1);
	html(h, "</span>");
	buffer_free(&room);
}

void page_writer_name(struct html h, const struct author *a, struct bytes archived_author)
{
	struct bytes name = archived_name(archived_author);

	html(h, "<bdi>");
	if (name.len > 0)
		html_short(h, name, NAME_BYTES);
	else
		add_author(h, a);
	html(h, "</bdi>");
}

/* Who archived it, at the end of what was built. */
static void add_archived_by(struct html h, const struct author *a, bool text)
{
	struct buffer room = BUFFER_INIT;
	size_t at = h.out->len;

	if (!text)
		page_address_of(h, a);
	else if (*a->handle) {
		html_line(h, bytes_str(a->handle));
		html(h, "@%s", a->organisation);
	} else {
		html(h, "%s", a->organisation);
	}
	struct html_piece by = html_cut(h, at, &room);
	html_sentence(h, _("archived by %s"), &by, 1);
	buffer_free(&room);
}

void page_writer_short(struct html h, const struct author *a, struct bytes archived_author)
{
	page_writer_name(h, a, archived_author);
	if (archived_name(archived_author).len == 0)
		return;
	html(h, " <span class=\"archived\">");
	add_archived_by(h, a, false);
	html(h, "</span>");
}

void page_writer_text(struct html h, const struct author *a, struct bytes archived_author)
{
	struct bytes name = archived_name(archived_author);

	if (name.len > 0) {
		html_short(h, name, 200);
		html(h, " (");
		add_archived_by(h, a, true);
		html(h, ")");
	} else if (*a->name) {
		html_line(h, bytes_str(a->name));
	} else if (*a->handle) {
		html_line(h, bytes_str(a->handle));
		html(h, "@%s", a->organisation);
	} else {
		html(h, "%s", a->organisation);
	}
}
