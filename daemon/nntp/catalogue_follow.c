/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking for what is new: topics, what has arrived, and what came late.
 *
 * Arrivals are followed by their numbers. What has no text yet is kept in mind and looked at again
 * when the store has changed; what is too much for that, and what moved from one topic into another
 * when the root of its thread came, is found by going through everything again now and then. */
#include "daemon/nntp/catalogue_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "mail/message_id.h"

#define LOOK_MS 8            /* of one go */
#define ROWS 256             /* looked at in one go */
#define TOPICS_EVERY_MS 1000 /* all are looked at; and 20 times as long as it takes */
#define PENDING_EVERY_MS 1000
#define SWEEP_EVERY_MS 60000 /* and 20 times as long as it takes */
#define FORGET_EVERY_MS 10000

/* ---- topics ---- */

static uint64_t mix_in(uint64_t h, uint64_t v)
{
	return (h ^ v) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static int erasure_mix(void *ctx, uint32_t log, uint64_t index)
{
	uint64_t *h = ctx;

	*h = mix_in(mix_in(*h, log), index);
	return OK;
}

static void articles_renew(struct catalogue *c, uint64_t mono)
{
	articles_forget(c->articles);
	c->stale = false;
	c->forget_at = mono + FORGET_EVERY_MS;
}

/* What articles remember of each other, and groups of their first titles, goes at once when
 * something was erased or hidden, or a log was cut or is disputed; what was amended, soon. */
static int erasures_look(struct catalogue *c, uint64_t mono)
{
	uint64_t h = mix_in(1, reader_measures(c->reader));
	int err = query_erasures(reader_store(c->reader), erasure_mix, &h);

	for (const struct reader_log *l = NULL; (l = reader_log_next(c->reader, l)) != NULL;)
		h = mix_in(h, (uint64_t)l->state << 32 | l->no);
	c->stale = true;
	if (err || h != c->erasures) {
		articles_renew(c, mono);
		for (uint32_t i = 0; i < c->group_count; i++)
			c->groups[i].named = false;
	}
	c->erasures = err ? 0 : h;
	return err;
}

static int groups_room(struct catalogue *c, uint32_t group)
{
	struct group_shown *groups;
	uint32_t cap = c->group_cap == 0 ? 16 : c->group_cap * 2;

	while (c->group_count <= group) {
		if (c->group_count == c->group_cap) {
			groups = realloc(c->groups, cap * sizeof *groups);
			if (!groups)
				return ERR_NOMEM;
			c->groups = groups;
			c->group_cap = cap;
			cap *= 2;
		}
		c->groups[c->group_count++] = (struct group_shown){.title = NULL};
	}
	return OK;
}

/* The title that it was opened with, whatever it is called now. `*known` false: it isn't here. */
static int first_title(
    struct catalogue *c, const struct topic_row *row, struct bytes *title, bool *known)
{
	struct store *s = reader_store(c->reader);
	uint8_t salt[SALT_LEN];
	int err;

	*title = bytes_of(NULL, 0);
	*known = true;
	content_clear(&c->content);
	buffer_reset(&c->text);
	err = s->ops->content_get(s, row->log_no, row->index, row->id, salt, &c->text);
	if (err == ERR_REFUSED)
		return OK;
	if (err == ERR_NOTFOUND) {
		uint64_t wanted;
		size_t count = 1;

		err = s->ops->wanted(s, row->log_no, row->index, &wanted, &count);
		*known = err || count == 0 || wanted != row->index;
		return err;
	}
	if (!err && content_parse(buffer_bytes(&c->text), &c->content) == OK)
		*title = c->content.subject;
	return err;
}

static int title_set(struct group_shown *g, struct bytes title)
{
	struct buffer line = BUFFER_INIT;
	int err = OK;

	free(g->title);
	g->title = NULL;
	text_line(&line, title);
	if (title.len > 0 && !(g->title = strdup(buffer_str(&line))))
		err = ERR_NOMEM;
	buffer_free(&line);
	return err;
}

/* A topic whose name isn't known, or is another one now. */
static int topic_name(
    struct catalogue *c, const struct topic_row *row, bool hidden, uint32_t *group, bool *known)
{
	struct bytes title;
	int err = first_title(c, row, &title, known);

	if (err || !*known)
		return err;
	if (!numbers_group_find(c->numbers, row->id, group))
		err = numbers_add_group(c->numbers, row->id, c->wall, group);
	if (!err)
		err = groups_room(c, *group);
	if (err)
		return err;
	group_name(c->groups[*group].name, c->prefix, hidden ? bytes_of(NULL, 0) : title, row->id);
	c->groups[*group].named = true;
	c->groups[*group].hidden = hidden;
	return OK;
}

/* First titles stand in contents, which may be large: each is read once, and after some of them the
 * others wait for the next go. That may read as long as it took to come where this one ended. */
static int topic_take(void *ctx, const struct topic_row *row)
{
	struct catalogue *c = ctx;
	bool hidden = reader_hidden(c->reader, row->id, &row->author) != NULL, known = true;
	uint64_t now;
	uint32_t group;
	int err = OK;

	if (!numbers_group_find(c->numbers, row->id, &group) || group >= c->group_count ||
	    !c->groups[group].named || c->groups[group].hidden != hidden) {
		now = clock_mono_ms();
		if (c->titles_until == 0)
			c->titles_until = now + LOOK_MS + (now - c->topics_begun);
		if (now > c->titles_until)
			return ERR_TIMEOUT;
		err = topic_name(c, row, hidden, &group, &known);
	}
	if (err || !known)
		return err;
	c->groups[group].seen = true;
	c->groups[group].looked = c->topics_no;
	return title_set(&c->groups[group], hidden ? bytes_of(NULL, 0) : row->title);
}

static int by_name(const void *a, const void *b, void *ctx)
{
	const struct group_shown *groups = ctx;

	return strcmp(groups[*(const uint32_t *)a].name, groups[*(const uint32_t *)b].name);
}

/* Those whose numbers are durable. */
static int groups_list(struct catalogue *c)
{
	uint32_t *listed = malloc(((size_t)c->group_count + 1) * sizeof *listed), count = 0;

	if (!listed)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < c->group_count; i++) {
		c->groups[i].listed = c->groups[i].seen && i < numbers_groups(c->numbers);
		if (c->groups[i].listed)
			listed[count++] = i;
	}
	qsort_r(listed, count, sizeof *listed, by_name, c->groups);
	free(c->listed);
	c->listed = listed;
	c->listed_count = count;
	c->listed_of = numbers_groups(c->numbers);
	c->relist = false;
	return OK;
}

/* ERR_TIMEOUT: there are more, for the next go. */
static int topics_look(struct catalogue *c, uint64_t mono)
{
	uint32_t known = numbers_groups(c->numbers);
	int err = known > 0 ? groups_room(c, known - 1) : OK;

	c->topics_begun = clock_mono_ms();
	c->titles_until = 0;
	c->topics_no++;
	c->relist = true;
	if (!err)
		err = erasures_look(c, mono);
	if (!err)
		err = query_topics(reader_store(c->reader), topic_take, c);
	c->topics_took += clock_mono_ms() - c->topics_begun;
	for (uint32_t i = 0; !err && i < c->group_count; i++)
		c->groups[i].seen = c->groups[i].looked == c->topics_no;
	return err;
}

/* ---- messages ---- */

static bool group_of(struct catalogue *c, const uint8_t topic[static ID_LEN], uint32_t *group)
{
	*group = c->last_group;
	if ((*group >= c->group_count ||
		memcmp(numbers_topic(c->numbers, *group), topic, ID_LEN) != 0) &&
	    !numbers_group_find(c->numbers, topic, group))
		return false;
	c->last_group = *group;
	return *group < c->group_count && c->groups[*group].seen;
}

static int text_missing(struct catalogue *c, const struct placed_row *row, bool *missing)
{
	struct store *s = reader_store(c->reader);
	uint64_t wanted;
	size_t count = 1;
	int err;

	*missing = false;
	if (row->erased)
		return OK;
	err = s->ops->wanted(s, row->text_log_no, row->text_index, &wanted, &count);
	*missing = !err && count > 0 && wanted == row->text_index;
	return err;
}

/* By which Message-ID an archive had it. */
static int name_learn(
    struct catalogue *c, const struct placed_row *row, uint32_t group, uint32_t number)
{
	struct store *s = reader_store(c->reader);
	uint8_t salt[SALT_LEN];
	int err;

	if (row->erased)
		return OK;
	content_clear(&c->content);
	buffer_reset(&c->text);
	err = s->ops->content_get(s, row->log_no, row->index, row->id, salt, &c->text);
	if (err == ERR_NOTFOUND || err == ERR_REFUSED)
		return OK;
	if (err)
		return err;
	if (content_parse(buffer_bytes(&c->text), &c->content) != OK ||
	    !c->content.imported.present || !news_id_usable(c->content.imported.message_id) ||
	    message_id_native(c->content.imported.message_id))
		return OK;
	return names_add(c->names, c->content.imported.message_id, group, number);
}

static void pending_add(struct catalogue *c, uint64_t arrival)
{
	if (c->pending_count < PENDING_MAX)
		c->pending[c->pending_count++] = arrival;
	else
		c->sweep_wanted = true;
}

enum placed { PLACED_ALREADY, PLACED_NOW, PLACED_NOT };

static int row_place(
    struct catalogue *c, const struct placed_row *row, bool learn, enum placed *placed)
{
	uint32_t group, number, had;
	bool missing = false;
	int err;

	*placed = PLACED_NOT;
	if (!group_of(c, row->topic, &group))
		return OK;
	if (numbers_find(c->numbers, row->id, &had, &number) && had == group) {
		*placed = PLACED_ALREADY;
		return learn ? name_learn(c, row, group, number) : OK;
	}
	err = text_missing(c, row, &missing);
	if (err || missing)
		return err;
	err = numbers_add(c->numbers, group, row->id, c->wall);
	if (err == ERR_RANGE) /* a group of two thousand million */
		return OK;
	if (!err && numbers_find(c->numbers, row->id, &group, &number))
		err = name_learn(c, row, group, number);
	*placed = PLACED_NOW;
	return err;
}

/* Contents are read, and may be large: readers wait meanwhile. */
static int time_over(const struct catalogue *c)
{
	return clock_mono_ms() > c->until ? ERR_TIMEOUT : OK;
}

static int arrival_take(void *ctx, const struct placed_row *row)
{
	struct catalogue *c = ctx;
	enum placed placed;
	uint32_t group;
	int err;

	/* A topic first has to be a group: look at topics, and come back. */
	if (memcmp(row->id, row->topic, ID_LEN) == 0 && !group_of(c, row->topic, &group) &&
	    c->topics_state != c->state)
		return ERR_STALE;
	err = row_place(c, row, true, &placed);
	if (!err && placed == PLACED_NOT)
		pending_add(c, row->arrival);
	c->sweep_wanted |= row->late && c->following;
	if (!err)
		c->after = row->arrival;
	return err ? err : time_over(c);
}

static int sweep_take(void *ctx, const struct placed_row *row)
{
	struct catalogue *c = ctx;
	enum placed placed;
	int err = row->arrival > c->after ? ERR_RANGE : row_place(c, row, false, &placed);

	if (!err) {
		c->sweep = row->arrival;
		c->sweep_wanted |= placed == PLACED_NOT;
	}
	return err ? err : time_over(c);
}

struct retry {
	struct catalogue *c;
	uint64_t arrival;
	enum placed placed;
};

static int pending_take(void *ctx, const struct placed_row *row)
{
	struct retry *r = ctx;

	if (row->arrival != r->arrival)
		return OK;
	return row_place(r->c, row, true, &r->placed);
}

static int pending_look(struct catalogue *c)
{
	size_t kept = 0;
	int err = OK;

	for (size_t i = 0; i < c->pending_count; i++) {
		struct retry r = {c, c->pending[i], PLACED_ALREADY};

		if (!err)
			err = query_placed(
			    reader_store(c->reader), r.arrival - 1, 1, pending_take, &r);
		if (err || r.placed == PLACED_NOT)
			c->pending[kept++] = r.arrival;
	}
	c->pending_count = kept;
	return err;
}

/* ---- all of it ---- */

static int arrivals_look(struct catalogue *c, bool *more)
{
	uint64_t before = c->after;
	int err = query_placed(reader_store(c->reader), c->after, ROWS, arrival_take, c);

	*more = c->after != before;
	c->following |= !err && !*more;
	return err == ERR_STALE || err == ERR_TIMEOUT ? OK : err;
}

static int sweep_look(struct catalogue *c, uint64_t mono, bool *more)
{
	uint64_t before = c->sweep;
	int err;

	if (!c->sweeping) {
		if (!c->sweep_wanted || mono < c->sweep_at)
			return OK;
		c->sweeping = true;
		c->sweep_wanted = false;
		c->sweep = before = 0;
		c->sweep_began = mono;
	}
	err = query_placed(reader_store(c->reader), c->sweep, ROWS, sweep_take, c);
	if (err == ERR_TIMEOUT)
		err = OK;
	if (err == ERR_RANGE)
		err = OK;
	else if (!err && c->sweep != before)
		*more = true;
	c->sweeping = *more;
	if (!c->sweeping)
		c->sweep_at = mono + SWEEP_EVERY_MS + 20 * (mono - c->sweep_began);
	return err;
}

static int look(struct catalogue *c, uint64_t mono, bool *more)
{
	int err = OK;

	if (c->topics_state != c->state && mono >= c->topics_at) {
		err = topics_look(c, mono);
		if (err == ERR_TIMEOUT) {
			*more = true;
			return OK;
		}
		c->topics_state = err ? 0 : c->state;
		c->topics_at = mono + TOPICS_EVERY_MS + 20 * c->topics_took;
		c->topics_took = 0;
	}
	if (c->stale && mono >= c->forget_at)
		articles_renew(c, mono);
	if (!err)
		err = arrivals_look(c, more);
	if (!err && !*more && c->pending_count > 0 && c->pending_state != c->state &&
	    mono >= c->pending_at) {
		c->pending_state = c->state;
		c->pending_at = mono + PENDING_EVERY_MS;
		err = pending_look(c);
	}
	if (!err && !*more)
		err = sweep_look(c, mono, more);
	return err;
}

bool catalogue_update(struct catalogue *c, uint64_t wall, uint64_t mono)
{
	bool more = false;
	int err = OK;

	c->wall = wall;
	c->until = clock_mono_ms() + LOOK_MS;
	if (!c->reader) {
		err = reader_open(&c->reader, c->setup.store, c->setup.organisation);
		c->state = c->topics_state = 0;
		if (err)
			return false;
	}
	err = reader_begin(c->reader, &c->state);
	if (!err) {
		err = look(c, mono, &more);
		reader_end(c->reader);
	}
	if (!err)
		err = numbers_commit(c->numbers);
	if (!err && (c->relist || c->listed_of != numbers_groups(c->numbers)))
		err = groups_list(c);
	if (!err)
		return more;
	/* Whatever it was, the next look begins with all of it. Groups whose numbers could not be
	 * made durable have none. */
	while (c->group_count > numbers_groups(c->numbers))
		free(c->groups[--c->group_count].title);
	reader_close(c->reader);
	c->reader = NULL;
	c->after = 0;
	c->pending_count = 0;
	c->sweeping = c->following = false;
	c->erasures = c->topics_took = 0;
	c->relist = true;
	return false;
}
