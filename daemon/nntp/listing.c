/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of groups, what is new, and what the server says of itself (RFC 3977 sections 5, 7). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "daemon/nntp/session_inside.h"
#include "daemon/nntp/wildmat.h"

/* ---- groups ---- */

static void active_say(struct buffer *out, const struct news_group *g)
{
	say(out, "%s %u %u n", g->name, g->high, g->low);
}

static void times_say(struct buffer *out, const struct news_group *g)
{
	say(out, "%s %llu convene", g->name, (unsigned long long)(g->created / 1000));
}

static void counts_say(struct buffer *out, const struct news_group *g)
{
	say(out, "%s %u %u %u n", g->name, g->high, g->low, g->count);
}

static void newsgroups_say(struct buffer *out, const struct news_group *g)
{
	buffer_printf(out, "%s\t", g->name);
	buffer_add(out, g->title.data, g->title.len);
	buffer_add_str(out, g->title.len > 0 ? "\r\n" : "-\r\n");
}

/* Of a group in a list by its name: the wildmat says whether, `since` from when on. */
static bool groups_more(struct nntp_session *s, struct buffer *out)
{
	static void (*const lists[])(struct buffer *, const struct news_group *) = {
	    active_say, times_say, counts_say, newsgroups_say};
	struct answer *w = &s->answer;

	for (size_t i = 0; i < PIECE; i++) {
		struct bytes wildmat = bytes_of(w->pattern, w->pattern_len);
		struct news_group g;
		uint32_t group;
		int err = s->source->ops->group_at(s->source, w->next++, &group);

		if (!err)
			err = s->source->ops->group(s->source, group, &g);
		if (err == ERR_RANGE) {
			say(out, ".");
			return false;
		}
		if (err) {
			answer_failed(s);
			return false;
		}
		if (g.created >= w->since &&
		    (wildmat.len == 0 || wildmat_match(wildmat, bytes_str(g.name))))
			lists[w->at](out, &g);
	}
	return true;
}

static bool wildmat_take(struct nntp_session *s, struct bytes wildmat, struct buffer *out)
{
	if (!wildmat_valid(wildmat)) {
		say(out, "501 a wildmat is names, perhaps with * and ?, and commas between");
		return false;
	}
	memcpy(s->answer.pattern, wildmat.data, wildmat.len);
	s->answer.pattern_len = wildmat.len;
	return true;
}

/* ---- LIST ---- */

/* `Bytes:` and `Lines:` is how RFC 3977 section 8.4.2 lets them be named for older readers: of
 * `:bytes` and `:lines` slrn says that it is no overview, and asks for each header by itself. */
static const char overview_fields[] = "Subject:\r\nFrom:\r\nDate:\r\nMessage-ID:\r\nReferences:\r\n"
				      "Bytes:\r\nLines:\r\nXref:full\r\n.\r\n";
static const char any_field[] = ":\r\n:bytes\r\n:lines\r\n.\r\n";

static const struct list {
	const char *name;
	int groups; /* a list of groups: of which sort; -1: of something else */
	const char *text;
} lists[] = {
    {"ACTIVE", 0, NULL},
    {"ACTIVE.TIMES", 1, NULL},
    {"COUNTS", 2, NULL},
    {"NEWSGROUPS", 3, NULL},
    {"OVERVIEW.FMT", -1, overview_fields},
    {"HEADERS", -1, any_field},
    {"SUBSCRIPTIONS", -1, ".\r\n"},
};

void run_list(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	struct bytes which = a->count > 0 ? a->list[0] : bytes_str("ACTIVE");
	const struct list *l = NULL;

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (word_is(which, lists[i].name))
			l = &lists[i];
	s->answer = (struct answer){0};
	if (!l) {
		say(out, "503 there is no such list; HELP names them");
	} else if (l->groups < 0 && a->count > 1 &&
		   (l->text != any_field ||
		       !(word_is(a->list[1], "MSGID") || word_is(a->list[1], "RANGE")))) {
		say(out, "501 %s takes no such argument", l->name);
	} else if (l->groups < 0) {
		say(out, "215 %s follows", l->name);
		buffer_add_str(out, l->text);
	} else if (a->count < 2 || wildmat_take(s, a->list[1], out)) {
		say(out, "215 %s follows", l->name);
		s->answer.at = (uint32_t)l->groups;
		s->answer.more = groups_more;
	}
}

/* ---- what is new ---- */

/* `[yy]yymmdd hhmmss [GMT]` in UTC, as all is here. Two digits mean the year nearest to now that is
 * not beyond the century's end (RFC 3977 section 7.3). */
static bool date_parse(
    const struct nntp_server *server, const struct bytes *words, size_t count, uint64_t *out)
{
	char text[15] = "";
	struct tm tm = {0}, now;
	time_t seconds = (time_t)(server->now(server->ctx) / 1000), then;

	if ((words[0].len != 6 && words[0].len != 8) || words[1].len != 6 ||
	    (count > 2 && !word_is(words[2], "GMT")))
		return false;
	memcpy(text, words[0].data, words[0].len);
	memcpy(text + words[0].len, words[1].data, 6);
	for (size_t i = 0; i < words[0].len + 6; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	if (words[0].len == 8) {
		sscanf(text, "%4d%2d%2d%2d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		    &tm.tm_hour, &tm.tm_min, &tm.tm_sec);
	} else {
		sscanf(text, "%2d%2d%2d%2d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		    &tm.tm_hour, &tm.tm_min, &tm.tm_sec);
		gmtime_r(&seconds, &now);
		tm.tm_year += (now.tm_year + 1900) / 100 * 100;
		if (tm.tm_year > now.tm_year + 1900)
			tm.tm_year -= 100;
	}
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	then = timegm(&tm);
	*out = then > 0 ? (uint64_t)then * 1000 : 0;
	return true;
}

void run_newgroups(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	s->answer = (struct answer){.at = 0};
	if (!date_parse(s->server, a->list, a->count, &s->answer.since)) {
		say(out, "501 a date is yyyymmdd hhmmss");
		return;
	}
	say(out, "231 new groups follow");
	s->answer.more = groups_more;
}

/* Group by group, and in each from the first that came since. */
static bool newnews_more(struct nntp_session *s, struct buffer *out)
{
	struct answer *w = &s->answer;

	for (size_t i = 0; i < PIECE; i++) {
		struct news_group g;
		int err = OK;

		if (w->at <= w->last) {
			err = s->source->ops->article(
			    s->source, w->group, w->at++, NEWS_ID, &s->article);
			if (!err)
				say(out, "<%s>", s->article.id);
			if (!err || err == ERR_NOTFOUND)
				continue;
			answer_failed(s);
			return false;
		}
		err = s->source->ops->group_at(s->source, w->next++, &w->group);
		if (!err)
			err = s->source->ops->group(s->source, w->group, &g);
		if (err == ERR_RANGE) {
			say(out, ".");
			return false;
		}
		if (err) {
			answer_failed(s);
			return false;
		}
		if (!wildmat_match(bytes_of(w->pattern, w->pattern_len), bytes_str(g.name)))
			continue;
		w->at = s->source->ops->since(s->source, w->group, w->since);
		w->last = g.high;
	}
	return true;
}

void run_newnews(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	s->answer = (struct answer){.at = 1};
	if (!wildmat_take(s, a->list[0], out))
		return;
	if (!date_parse(s->server, a->list + 1, a->count - 1, &s->answer.since)) {
		say(out, "501 a date is yyyymmdd hhmmss");
		return;
	}
	say(out, "230 new articles follow");
	s->answer.more = newnews_more;
}

/* ---- itself ---- */

void run_capabilities(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	(void)s;
	(void)a;
	say(out, "101 capabilities follow");
	buffer_add_str(out, "VERSION 2\r\n"
			    "IMPLEMENTATION convened " PACKAGE_VERSION "\r\n"
			    "READER\r\n"
			    "LIST ACTIVE ACTIVE.TIMES COUNTS HEADERS NEWSGROUPS OVERVIEW.FMT "
			    "SUBSCRIPTIONS\r\n"
			    "OVER MSGID\r\n"
			    "HDR\r\n"
			    "NEWNEWS\r\n"
			    "XPAT\r\n"
			    ".\r\n");
}

void run_date(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	time_t seconds = (time_t)(s->server->now(s->server->ctx) / 1000);
	char text[32];
	struct tm tm;

	(void)a;
	gmtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y%m%d%H%M%S", &tm);
	say(out, "111 %s", text);
}

void run_help(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	(void)a;
	say(out, "100 what is known here");
	for (const struct command *c = commands; c->name; c++)
		say(out, "  %s%s%s: %s", c->name, *c->arguments ? " " : "", c->arguments, c->help);
	say(out, "POST: %s", s->server->writing);
	say(out, ".");
}

void run_mode(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	(void)s;
	if (word_is(a->list[0], "READER"))
		say(out, "201 this server is for reading");
	else
		say(out, "501 the only mode is READER");
}

void run_post(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	(void)a;
	say(out, "440 %s", s->server->writing);
}

void run_quit(struct nntp_session *s, const struct arguments *a, struct buffer *out)
{
	(void)a;
	say(out, "205 goodbye");
	s->over = true;
}
