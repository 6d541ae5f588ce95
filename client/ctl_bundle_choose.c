/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/bundle_choice.h"

struct chosen {
	struct credential credential;
	const Convene__LogInfo *info;
};

static bool is_chosen(const struct invocation *in, const struct credential *c)
{
	const char *name = option_value(in, "log");
	int pos = 0;

	if (!name)
		return true;
	while ((name = option_next(in, "log", &pos)) != NULL) {
		if (strcmp(name, c->organisation) == 0 || strcmp(name, c->binding.log_name) == 0)
			return true;
	}
	return false;
}

/* Each name that was given must have met a log. */
static int names_check(const struct bundle_choice *choice, struct trouble *t)
{
	const char *name;
	int pos = 0;

	while ((name = option_next(choice->in, "log", &pos)) != NULL) {
		bool found = false;

		for (size_t i = 0; i < choice->count; i++)
			found |= strcmp(name, choice->chosen[i].credential.organisation) == 0 ||
				 strcmp(name, choice->chosen[i].credential.binding.log_name) == 0;
		if (found)
			continue;
		trouble_set(t, ERR_NOTFOUND, "this node holds no log of %.200s", name);
		trouble_hint(t, "`convenectl status` lists the logs; an organisation's name will "
				"do, or a log's.");
		return t->err;
	}
	return OK;
}

static bool is_founder(const struct bundle_choice *choice, const struct credential *c)
{
	for (size_t i = 0; i < choice->charter->member_count; i++) {
		if (strcmp(choice->charter->members[i].name, c->organisation) == 0 &&
		    memcmp(choice->charter->members[i].public, c->root_key, KEY_LEN) == 0)
			return true;
	}
	return false;
}

/* Founders first, then as the node met them: so an admission mostly comes before the log that it
 * admits. */
static int choose(struct bundle_choice *choice, bool founders, struct trouble *t)
{
	for (size_t i = 0; i < choice->logs.count; i++) {
		const Convene__Logs *m = (const Convene__Logs *)choice->logs.list[i];

		for (size_t k = 0; k < m->n_logs; k++) {
			const Convene__LogInfo *info = m->logs[k];
			struct chosen *c = &choice->chosen[choice->count];
			int err;

			if (info->size == 0)
				continue;
			err = credential_open(&c->credential, choice->charter->forum,
			    bytes_of_pb(info->name), bytes_of_pb(info->credential));
			if (err || info->root.len != HASH_LEN) {
				credential_clear(&c->credential);
				return trouble_set(t, err ? err : ERR_MALFORMED,
				    "the daemon's list of logs can't be read");
			}
			if (is_founder(choice, &c->credential) != founders ||
			    !is_chosen(choice->in, &c->credential)) {
				credential_clear(&c->credential);
				continue;
			}
			c->info = info;
			choice->count++;
		}
	}
	return OK;
}

static size_t info_count(const struct frames *logs)
{
	size_t n = 0;

	for (size_t i = 0; i < logs->count; i++)
		n += ((const Convene__Logs *)logs->list[i])->n_logs;
	return n;
}

static void chosen_clear(struct bundle_choice *choice)
{
	for (size_t i = 0; i < choice->count; i++)
		credential_clear(&choice->chosen[i].credential);
	free(choice->chosen);
	choice->chosen = NULL;
	choice->count = 0;
}

static const Convene__LogInfo *lagging(const struct bundle_choice *choice)
{
	for (size_t i = 0; i < choice->count; i++) {
		const Convene__LogInfo *l = choice->chosen[i].info;

		if (views_behind(l, l->size))
			return l;
	}
	return NULL;
}

static int logs_find(struct bundle_choice *choice, struct client *client, struct trouble *t)
{
	uint64_t begun = clock_mono_ms();

	for (;;) {
		const Convene__LogInfo *l;
		int err;

		chosen_clear(choice);
		frames_free(&choice->logs);
		err = client_logs(client, &choice->logs, t);
		if (err)
			return err;
		choice->chosen = calloc(info_count(&choice->logs) + 1, sizeof *choice->chosen);
		if (!choice->chosen)
			return no_memory(t);
		err = choose(choice, true, t);
		if (!err)
			err = choose(choice, false, t);
		if (!err)
			err = names_check(choice, t);
		l = err || option_given(choice->in, "no-contents") ? NULL : lagging(choice);
		if (!l)
			return err;
		err = views_wait(l, begun, t);
		if (err)
			return err;
	}
}

/* What of the chosen logs is new since the frontier given; the others are left out. */
static int parts_make(struct bundle_choice *choice, const struct frontier *since, struct trouble *t)
{
	size_t n = 0;

	choice->parts = calloc(choice->count + 1, sizeof *choice->parts);
	if (!choice->parts)
		return no_memory(t);
	for (size_t i = 0; i < choice->count; i++) {
		struct chosen *c = &choice->chosen[i], swap;
		const struct frontier_log *had = frontier_find(
		    since, c->credential.binding.log_name);
		struct bundle_part *p = &choice->parts[n];
		int err = frontier_add(
		    &choice->now, bytes_of_pb(c->info->name), c->info->size, c->info->root.data);

		if (err)
			return trouble_set(t, err, "the daemon's list of logs can't be read");
		if (had && had->size >= c->info->size)
			continue;
		p->from = had ? had->size : 0;
		p->size = c->info->size;
		memcpy(p->root, c->info->root.data, HASH_LEN);
		choice->entries += p->size - p->from;
		/* Parts stand for the chosen ones of the same place. */
		swap = choice->chosen[n];
		choice->chosen[n] = *c;
		*c = swap;
		n++;
	}
	for (size_t i = 0; i < n; i++) {
		choice->parts[i].binding = &choice->chosen[i].credential.binding;
		choice->parts[i].key = &choice->chosen[i].credential.log;
		choice->parts[i].credential = buffer_bytes(&choice->chosen[i].credential.message);
	}
	for (size_t i = n; i < choice->count; i++)
		credential_clear(&choice->chosen[i].credential);
	choice->count = n;
	frontier_sort(&choice->now);
	return OK;
}

int bundle_choose(struct bundle_choice *choice, struct client *client, const struct frontier *since,
    struct trouble *t)
{
	int err = logs_find(choice, client, t);

	return err ? err : parts_make(choice, since, t);
}

void bundle_choice_clear(struct bundle_choice *choice)
{
	chosen_clear(choice);
	free(choice->parts);
	frames_free(&choice->logs);
	frontier_free(&choice->now);
}
