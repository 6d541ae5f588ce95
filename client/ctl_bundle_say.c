/* SPDX-License-Identifier: BSD-2-Clause */
/* What came of a bundle's import: of each log, and of each damaged place. */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "client/bundle_import.h"

struct tally {
	uint64_t entries_new, entries_there, entries_rest;
	uint64_t contents_new, contents_there, contents_rest;
};

static void tally(const struct importing *x, size_t i, struct tally *n)
{
	const struct bundle_log *l = &x->index.logs[i];
	const struct outcome *o = &x->outcomes[i];
	struct bundle_offer_counts sent = {0, 0, false, false};

	*n = (struct tally){0, 0, 0, 0, 0, 0};
	bundle_offer_counts(bundle_link_offer(x->link), i, &sent);
	n->entries_there = bundle_entries(l, 0, o->held);
	n->entries_new = o->size > o->held ? bundle_entries(l, o->held, o->size) : 0;
	n->entries_rest = bundle_entries(l, o->size, UINT64_MAX);
	for (size_t k = 0; k < l->range_count; k++) {
		const struct bundle_range *r = &l->ranges[k];

		for (uint32_t e = 0; r->contents && e < r->count; e++)
			n->contents_rest += r->contents[e] != 0 && r->first + e >= o->size;
	}
	n->contents_rest += o->waiting;
	n->contents_new = sent.contents > o->waiting ? sent.contents - o->waiting : 0;
	if (n->contents_new > l->contents - n->contents_rest)
		n->contents_new = l->contents - n->contents_rest;
	n->contents_there = l->contents - n->contents_rest - n->contents_new;
}

static const char *plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

static void flaw_where(const struct importing *x, const struct bundle_flaw *f, struct buffer *out)
{
	if (f->length > 0)
		buffer_printf(
		    out, "bytes %" PRIu64 " to %" PRIu64, f->offset, f->offset + f->length - 1);
	else
		buffer_printf(out, "byte %" PRIu64, f->offset);
	(void)x;
}

static void flaw_say(const struct importing *x, const struct bundle_flaw *f)
{
	const char *name = f->lost == BUNDLE_LOST_UNKNOWN ? ""
							  : x->index.logs[f->log].binding.log_name;
	struct buffer where = BUFFER_INIT;

	flaw_where(x, f, &where);
	if (f->err == ERR_TRUNCATED && f->length == 0)
		printf("The file ends too early, at %s", buffer_str(&where));
	else if (f->err == ERR_TRUNCATED && f->lost != BUNDLE_LOST_CONTENTS)
		printf(
		    "The file is cut off: %s are the beginning of something", buffer_str(&where));
	else
		printf("Damaged, %s (%s)", buffer_str(&where),
		    f->err == ERR_MALFORMED ? "this is no frame" : error_text(f->err));
	buffer_free(&where);
	if (f->lost == BUNDLE_LOST_ENTRIES && f->end == f->first + 1)
		printf(": entry %" PRIu64 " of %s is not in the bundle.\n", f->first, name);
	else if (f->lost == BUNDLE_LOST_ENTRIES)
		printf(": entries %" PRIu64 " to %" PRIu64 " of %s are not in the bundle.\n",
		    f->first, f->end - 1, name);
	else if (f->lost == BUNDLE_LOST_CONTENTS && f->end == f->first + 1)
		printf(": the content of entry %" PRIu64 " of %s.\n", f->first, name);
	else if (f->lost == BUNDLE_LOST_CONTENTS)
		printf(": among the contents of entries %" PRIu64 " to %" PRIu64 " of %s.\n",
		    f->first, f->end - 1, name);
	else
		printf(".\n");
}

static void log_say(const struct importing *x, size_t i)
{
	const struct bundle_log *l = &x->index.logs[i];
	const struct outcome *o = &x->outcomes[i];
	struct tally n;

	tally(x, i, &n);
	printf("%s: ", l->binding.log_name);
	if (o->why && n.entries_new == 0 && !o->known) {
		printf("REFUSED, with its %" PRIu64 " %s: %s.\n", n.entries_rest,
		    plural(n.entries_rest, "entry", "entries"), o->why);
		return;
	}
	printf("%" PRIu64 " %s new, %" PRIu64 " %s there", n.entries_new,
	    plural(n.entries_new, "entry is", "entries are"), n.entries_there,
	    plural(n.entries_there, "was", "were"));
	if (l->contents > 0)
		printf("; %" PRIu64 " %s new, %" PRIu64 " %s there or erased", n.contents_new,
		    plural(n.contents_new, "content is", "contents are"), n.contents_there,
		    plural(n.contents_there, "was", "were"));
	printf(".\n");
	if (o->why && n.entries_rest > 0)
		printf("  NOT TAKEN: %" PRIu64 " more %s: %s.\n", n.entries_rest,
		    plural(n.entries_rest, "entry", "entries"), o->why);
	else if (n.entries_rest > 0 && !bundle_range_of(l, o->size))
		printf("  NOT TAKEN: %" PRIu64 " more %s, since entry %" PRIu64
		       " is not in the bundle, and the node lacks it.\n",
		    n.entries_rest, plural(n.entries_rest, "entry", "entries"), o->size);
	else if (n.entries_rest > 0)
		printf("  NOT TAKEN: %" PRIu64 " more %s: the node did not go on. Its log says "
		       "why.\n",
		    n.entries_rest, plural(n.entries_rest, "entry", "entries"));
	if (o->waiting > 0)
		printf("  NOT TAKEN: %" PRIu64 " %s: the node did not go on. Its log says why.\n",
		    o->waiting, plural(o->waiting, "content", "contents"));
}

static bool log_good(const struct importing *x, size_t i)
{
	struct tally n;

	tally(x, i, &n);
	return n.entries_rest == 0 && n.contents_rest == 0;
}

static json_t *log_json(const struct importing *x, size_t i)
{
	const struct bundle_log *l = &x->index.logs[i];
	const struct outcome *o = &x->outcomes[i];
	json_t *log = json_object();
	struct tally n;

	tally(x, i, &n);
	json_put(log, "name", json_string(l->binding.log_name));
	json_put(log, "entries",
	    json_pack("{s:I, s:I, s:I}", "new", (json_int_t)n.entries_new, "there",
		(json_int_t)n.entries_there, "not_taken", (json_int_t)n.entries_rest));
	json_put(log, "contents",
	    json_pack("{s:I, s:I, s:I}", "new", (json_int_t)n.contents_new, "there",
		(json_int_t)n.contents_there, "not_taken", (json_int_t)n.contents_rest));
	json_put(log, "size", json_integer((json_int_t)o->size));
	json_put(log, "refused", o->why && n.entries_rest > 0 ? json_string(o->why) : json_null());
	return log;
}

static json_t *flaw_json(const struct importing *x, const struct bundle_flaw *f)
{
	static const char *const lost[] = {"unknown", "entries", "contents"};
	json_t *o = json_object();

	json_put(o, "offset", json_integer((json_int_t)f->offset));
	json_put(o, "length", json_integer((json_int_t)f->length));
	json_put(o, "error", json_string(error_name(f->err)));
	json_put(o, "lost", json_string(lost[f->lost]));
	if (f->lost == BUNDLE_LOST_UNKNOWN)
		return o;
	json_put(o, "log", json_string(x->index.logs[f->log].binding.log_name));
	json_put(o, "first", json_integer((json_int_t)f->first));
	json_put(o, "end", json_integer((json_int_t)f->end));
	return o;
}

int bundle_say(const struct importing *x)
{
	json_t *o = x->in->json ? json_object() : NULL, *logs = json_array(), *flaws = json_array();
	struct bytes frontier = text_at(x->status, "frontier");
	size_t unread = bundle_index_unread(&x->index);
	bool good = true;

	for (size_t i = 0; i < x->index.log_count; i++) {
		if (x->index.logs[i].range_count == 0)
			continue;
		good &= log_good(x, i);
		if (o)
			json_array_append_new(logs, log_json(x, i));
		else
			log_say(x, i);
	}
	for (size_t i = 0; i < x->index.flaw_count; i++) {
		if (o)
			json_array_append_new(flaws, flaw_json(x, &x->index.flaws[i]));
		else
			flaw_say(x, &x->index.flaws[i]);
	}
	if (o) {
		json_put(o, "logs", json_incref(logs));
		json_put(o, "damaged", json_incref(flaws));
		json_put(o, "damaged_more", json_integer((json_int_t)x->index.flaws_more));
		json_put(o, "unread_logs", json_integer((json_int_t)unread));
		json_put(o, "frontier", json_bytes(frontier));
		json_put(
		    o, "complete", json_boolean(good && unread == 0 && x->index.flaw_count == 0));
		json_print(o);
	} else {
		if (x->index.flaws_more > 0)
			printf("%" PRIu64 " more places are damaged.\n", x->index.flaws_more);
		if (unread > 0)
			printf("Of %zu %s that the bundle speaks of, nothing could be read.\n",
			    unread, plural(unread, "log", "logs"));
		printf("The node's frontier is %.16s.\n", (const char *)frontier.data);
		if (x->index.flaw_count > 0)
			printf("What is whole was taken. Import another copy of the bundle for "
			       "the rest.\n");
	}
	json_decref(logs);
	json_decref(flaws);
	return x->index.flaw_count > 0 || unread > 0 ? EXIT_UNVERIFIED
	       : good                                ? EXIT_DONE
						     : EXIT_REFUSED;
}
