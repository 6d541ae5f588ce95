/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading what somebody typed. */
#include "search/query.h"

#include <stdlib.h>
#include <string.h>

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/language.h"
#include "search/fold.h"

#define DAY_MS UINT64_C(86400000)
#define TOPIC_DIGITS_MIN 8

static void phrase_clear(struct phrase *p)
{
	for (size_t i = 0; i < p->count; i++) {
		buffer_free(&p->literals[i].plain);
		buffer_free(&p->literals[i].marked);
	}
	free(p->literals);
	*p = (struct phrase){0};
}

void search_query_free(struct search_query *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->count; i++)
		phrase_clear(&q->phrases[i]);
	phrase_clear(&q->by.name);
	free(q);
}

/* ---- words and phrases ---- */

static bool has_word(struct bytes text)
{
	size_t len;

	for (size_t at = 0; at < text.len; at += len)
		if (search_class_at(text, at, &len) != CLASS_NONE)
			return true;
	return false;
}

static int literal_add(struct phrase *p, struct bytes typed)
{
	struct literal *grown = realloc(p->literals, (p->count + 1) * sizeof *grown);
	struct literal *l;
	int err;

	if (!grown)
		return ERR_NOMEM;
	p->literals = grown;
	l = &grown[p->count++];
	*l = (struct literal){BUFFER_INIT, BUFFER_INIT, false};
	err = search_fold(&l->plain, typed);
	if (!err)
		err = search_fold_marked(&l->marked, typed);
	if (!err)
		l->exact = !bytes_equal(buffer_bytes(&l->plain), buffer_bytes(&l->marked));
	/* A mark alone, or what Unicode says to leave out. */
	if (!err && l->plain.len == 0) {
		buffer_free(&l->plain);
		buffer_free(&l->marked);
		p->count--;
	}
	return err;
}

/* The next code point; behind the end, or what isn't UTF-8: below 0. */
static UChar32 next_char(struct bytes text, size_t *at)
{
	int32_t i = (int32_t)*at;
	UChar32 ch = -1;

	if (*at < text.len)
		U8_NEXT(text.data, i, (int32_t)text.len, ch);
	*at = (size_t)i;
	return ch;
}

static int phrase_make(struct phrase *p, struct bytes typed, const char **why)
{
	size_t from = 0, at = 0, last = 0;
	bool any = false;
	int err = OK;

	while (last < typed.len && !err) {
		UChar32 ch = next_char(typed, &at);

		if (ch < 0 || u_isUWhiteSpace(ch)) {
			if (last > from)
				err = literal_add(p, bytes_of(typed.data + from, last - from));
			from = at;
		}
		last = at;
	}
	if (!err && last > from)
		err = literal_add(p, bytes_of(typed.data + from, last - from));
	if (err)
		return err;
	for (size_t i = 0; i < p->count; i++)
		any |= has_word(buffer_bytes(&p->literals[i].plain));
	if (!any) {
		*why = N_("it needs a letter, a digit or a sign to look for");
		return ERR_INVALID;
	}
	return OK;
}

/* ---- fields ---- */

static int by_parse(struct search_query *q, struct bytes value, const char **why)
{
	struct by *by = &q->by;
	const uint8_t *at = memchr(value.data, '@', value.len);
	struct bytes handle = at ? bytes_of(value.data, (size_t)(at - value.data)) : value;
	struct bytes org = at ? bytes_of(at + 1, value.len - handle.len - 1)
			      : bytes_of(value.data, 0);

	if (by->given) {
		*why = N_("only one by: can be asked for");
		return ERR_INVALID;
	}
	by->given = true;
	if (handle_prepare(by->handle, handle, NULL) != OK)
		by->handle[0] = '\0';
	if (org.len > ORG_NAME_MAX) {
		*why = N_("behind the @ of by: stands the name of an organisation");
		return ERR_INVALID;
	}
	for (size_t i = 0; i < org.len; i++) {
		uint8_t ch = org.data[i];

		by->organisation[i] = (char)(ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch);
	}
	by->organisation[org.len] = '\0';
	return phrase_make(&by->name, value, why);
}

static int topic_parse(struct search_query *q, struct bytes value, const char **why)
{
	char hex[2 * ID_LEN + 1] = "";

	if (value.len >= TOPIC_DIGITS_MIN && value.len <= (size_t)2 * ID_LEN &&
	    q->topic_digits == 0) {
		memset(hex, '0', sizeof hex - 1);
		for (size_t i = 0; i < value.len; i++) {
			uint8_t ch = value.data[i];

			hex[i] = (char)(ch >= 'A' && ch <= 'F' ? ch | 0x20 : ch);
		}
		q->topic_digits = value.len;
		if (hex_decode(q->topic, ID_LEN, hex, (size_t)2 * ID_LEN) == OK)
			return OK;
	}
	*why = N_("behind topic: stand the id of one topic, or the first 8 of its digits or more");
	return ERR_INVALID;
}

static int lang_parse(struct search_query *q, struct bytes value, const char **why)
{
	bool good = value.len > 0 && value.len < sizeof q->lang && !q->lang[0];

	for (size_t i = 0; i < value.len && good; i++) {
		uint8_t ch = value.data[i];

		if (ch >= 'A' && ch <= 'Z')
			ch |= 0x20;
		good = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-';
		q->lang[i] = (char)ch;
	}
	if (good)
		return OK;
	*why = N_("behind lang: stands one language, such as fr or pt-br");
	return ERR_INVALID;
}

/* Days from 1970 on. */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
	unsigned y = year - (month <= 2), era = y / 400, of_era = y % 400;
	unsigned of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;

	return (uint64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int date_parse(uint64_t *out, struct bytes value, bool behind, const char **why)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned n[3] = {0}, most;
	bool good = value.len == 10;

	for (size_t i = 0, field = 0; i < value.len && good; i++) {
		uint8_t ch = value.data[i];

		if (i == 4 || i == 7) {
			good = ch == '-';
			field++;
		} else {
			good = ch >= '0' && ch <= '9';
			n[field] = n[field] * 10 + ch - '0';
		}
	}
	good = good && n[0] >= 1970 && n[1] >= 1 && n[1] <= 12 && n[2] >= 1;
	if (good) {
		bool leap = (n[0] % 4 == 0 && n[0] % 100 != 0) || n[0] % 400 == 0;

		most = days[n[1] - 1] + (n[1] == 2 && leap);
		good = n[2] <= most;
	}
	if (!good) {
		*why = N_("behind since: and until: stands a day, such as 2026-01-31");
		return ERR_INVALID;
	}
	*out = (days_of(n[0], n[1], n[2]) + behind) * DAY_MS;
	return OK;
}

static bool begins(struct bytes text, const char *name)
{
	size_t len = strlen(name);

	return text.len >= len && memcmp(text.data, name, len) == 0;
}

static const char *const fields[] = {"topic:", "by:", "lang:", "since:", "until:"};

static int field_parse(struct search_query *q, size_t which, struct bytes value, const char **why)
{
	switch (which) {
	case 0:
		return topic_parse(q, value, why);
	case 1:
		return by_parse(q, value, why);
	case 2:
		return lang_parse(q, value, why);
	case 3:
		return date_parse(&q->since, value, false, why);
	default:
		return date_parse(&q->until, value, true, why);
	}
}

/* ---- the whole ---- */

static bool is_quote(UChar32 ch)
{
	return ch == '"' || ch == 0xab || ch == 0xbb || (ch >= 0x201c && ch <= 0x201f) ||
	       (ch >= 0x300c && ch <= 0x300f) || ch == 0xff02;
}

/* What belongs to the sentence that a word was taken from, and not to the word, as the signs of
 * "c++", "#tag", "@name", "/path" and "$5" do. */
static bool is_bracket(UChar32 ch)
{
	return (U_MASK(u_charType(ch)) &
		   (U_GC_PS_MASK | U_GC_PE_MASK | U_GC_PI_MASK | U_GC_PF_MASK)) ||
	       u_hasBinaryProperty(ch, UCHAR_QUOTATION_MARK) || ch == 0xbf || ch == 0xa1;
}

static struct bytes word_bare(struct bytes word)
{
	int32_t from = 0, to = (int32_t)word.len, at;
	UChar32 ch;

	for (at = to; at > 0; to = at) {
		U8_PREV(word.data, 0, at, ch);
		if (ch < 0 ||
		    !(is_bracket(ch) || u_hasBinaryProperty(ch, UCHAR_TERMINAL_PUNCTUATION) ||
			ch == 0x2026))
			break;
	}
	for (at = from; at < to; from = at) {
		U8_NEXT(word.data, at, to, ch);
		if (ch < 0 || !is_bracket(ch))
			break;
	}
	return bytes_of(word.data + from, (size_t)(to - from));
}

/* What stands at `*at`, up to a quotation mark that ends it or a space. */
static struct bytes value_take(struct bytes text, size_t *at)
{
	size_t from = *at, end;
	UChar32 ch = next_char(text, at);
	bool quoted = is_quote(ch);

	if (quoted)
		from = *at;
	else
		*at = from;
	for (end = *at; end < text.len; end = *at) {
		ch = next_char(text, at);
		if (quoted ? is_quote(ch) : ch < 0 || u_isUWhiteSpace(ch))
			break;
	}
	return bytes_of(text.data + from, end - from);
}

static int one_parse(struct search_query *q, struct bytes text, size_t *at, const char **why)
{
	bool without = text.data[*at] == '-' && *at + 1 < text.len && text.data[*at + 1] != ' ';
	size_t which = 0, from;
	struct phrase *p;
	struct bytes rest;
	int err;

	*at += without;
	rest = bytes_of(text.data + *at, text.len - *at);
	while (which < 5 && !begins(rest, fields[which]))
		which++;
	if (which < 5) {
		*at += strlen(fields[which]);
		if (without) {
			*why = N_("only words and phrases can be left out with -");
			return ERR_INVALID;
		}
		return field_parse(q, which, value_take(text, at), why);
	}
	from = *at;
	rest = value_take(text, at);
	if (rest.data == text.data + from) /* not quoted */
		rest = word_bare(rest);
	if (q->count == SEARCH_WORDS_MAX) {
		*why = N_("that is too many words");
		return ERR_TOO_LARGE;
	}
	p = &q->phrases[q->count++];
	p->without = without;
	q->wanted += !without;
	err = phrase_make(p, rest, why);
	/* A lone sign between words says nothing. */
	if (err == ERR_INVALID) {
		phrase_clear(p);
		q->count--;
		q->wanted -= !without;
		err = OK;
	}
	return err;
}

int search_parse(struct search_query **out, struct bytes text, const char **why)
{
	struct search_query *q = calloc(1, sizeof *q);
	const char *reason = NULL;
	size_t at = 0;
	int err = q ? OK : ERR_NOMEM;

	*out = NULL;
	if (!err && text.len > SEARCH_QUERY_MAX) {
		reason = N_("that is too long");
		err = ERR_TOO_LARGE;
	} else if (!err && !text_is_utf8(text)) {
		reason = N_("it is not UTF-8");
		err = ERR_INVALID;
	}
	if (q)
		q->until = UINT64_MAX;
	while (!err && at < text.len) {
		size_t next = at;
		UChar32 ch = next_char(text, &next);

		if (u_isUWhiteSpace(ch))
			at = next;
		else
			err = one_parse(q, text, &at, &reason);
	}
	if (!err && q->wanted == 0 && !q->by.given && !q->topic_digits && !q->lang[0] &&
	    q->since == 0 && q->until == UINT64_MAX) {
		reason = q->count > 0 ? N_("it needs something that is to be there, too")
				      : N_("it needs a word to look for");
		err = ERR_INVALID;
	}
	if (err == ERR_NOMEM)
		reason = N_("there is no memory");
	if (why)
		*why = reason;
	if (err)
		search_query_free(q);
	else
		*out = q;
	return err;
}
