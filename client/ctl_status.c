/* SPDX-License-Identifier: BSD-2-Clause */
/* How the node is. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "client/ctl.h"

#define UNANCHORED_S 60 /* so long a log may wait to be cosigned before that is told */

static bool flag_at(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static struct bytes cut(struct bytes text, size_t len)
{
	return text.len > len ? bytes_of(text.data, len) : text;
}

/* "12 s", "5 min", "3 h 12 min", "4 d 2 h". */
static const char *duration(char out[static 32], uint64_t s)
{
	if (s < 60)
		snprintf(out, 32, "%u s", (unsigned)s);
	else if (s < 3600)
		snprintf(out, 32, "%u min", (unsigned)(s / 60));
	else if (s < 86400)
		snprintf(out, 32, "%u h %u min", (unsigned)(s / 3600), (unsigned)(s % 3600 / 60));
	else
		snprintf(out, 32, "%u d %u h", (unsigned)(s / 86400 % 100000),
		    (unsigned)(s % 86400 / 3600));
	return out;
}

static void text_or(struct table *table, struct bytes text, const char *otherwise)
{
	if (text.len)
		table_text(table, text);
	else
		table_cell(table, "%s", otherwise);
}

/* "isoc.example/b7ff7293…/1" */
static void log_cell(struct table *table, struct bytes name)
{
	const uint8_t *first = name.len ? memchr(name.data, '/', name.len) : NULL;
	const uint8_t *second = first ? memchr(first + 1, '/',
					    (size_t)(name.data + name.len - first - 1))
				      : NULL;
	struct buffer text = BUFFER_INIT;

	if (!second || second - first < 9) {
		table_text(table, name);
		return;
	}
	buffer_add(&text, name.data, (size_t)(first - name.data) + 9);
	buffer_add_str(&text, "…");
	buffer_add(&text, second, (size_t)(name.data + name.len - second));
	table_text(table, buffer_bytes(&text));
	buffer_free(&text);
}

static void state_cell(struct table *table, const json_t *log)
{
	const json_t *carried = json_object_get(log, "carried");
	struct bytes state = text_at(log, "state");
	struct buffer text = BUFFER_INIT;

	buffer_add(&text, state.data, state.len);
	if (json_is_integer(json_object_get(log, "ends")))
		buffer_add_str(&text, ", ended");
	if (carried && json_is_false(carried))
		buffer_add_str(&text, ", not carried");
	if (number_at(log, "invalid"))
		buffer_printf(&text, ", %" PRIu64 " invalid", number_at(log, "invalid"));
	table_text(table, buffer_bytes(&text));
	buffer_free(&text);
}

/* What the operator may want to show to others, or to end. */
static void print_disputes(const json_t *logs)
{
	struct buffer text = BUFFER_INIT;
	size_t i;
	json_t *log;

	json_array_foreach(logs, i, log)
	{
		if (!bytes_equal(text_at(log, "state"), bytes_str("disputed")))
			continue;
		buffer_reset(&text);
		text_isolate(&text, text_at(log, "name"));
		print_sentence(2,
		    "DISPUTED: %s. Two histories of it are proven (`convenectl prove-fork` "
		    "writes the proof). Nothing more of it is taken until its organisation names "
		    "a successor%s.",
		    buffer_str(&text),
		    flag_at(log, "own") ? ": `convenectl recover successor`, here" : "");
	}
	buffer_free(&text);
}

static void print_waited_for(const json_t *names)
{
	struct buffer text = BUFFER_INIT;
	const json_t *name;
	size_t i;

	if (json_array_size(names) == 0)
		return;
	json_array_foreach(names, i, name)
	{
		buffer_add_str(&text, i ? ", " : "");
		text_isolate(&text, bytes_of(json_string_value(name), json_string_length(name)));
	}
	print_sentence(2, "Not yet by %s.", buffer_str(&text));
	buffer_free(&text);
}

/* Of each log that enough organisations could cosign and don't, for how long. */
static void print_unanchored(const json_t *logs)
{
	struct buffer text = BUFFER_INIT;
	char since[32];
	size_t i;
	json_t *log;

	json_array_foreach(logs, i, log)
	{
		/* Nobody cosigns any more of one that has ended. */
		if (number_at(log, "unanchored_s") < UNANCHORED_S || !flag_at(log, "anchorable") ||
		    json_is_integer(json_object_get(log, "ends")))
			continue;
		buffer_reset(&text);
		text_isolate(&text, text_at(log, "name"));
		printf("\n");
		print_sentence(2,
		    "%s: too few organisations have cosigned its entries from %" PRIu64
		    " on, for %s. Is a cosigner down, cut off, or does it not carry the log?",
		    buffer_str(&text), number_at(log, "anchored"),
		    duration(since, number_at(log, "unanchored_s")));
		print_waited_for(json_object_get(log, "not_cosigned"));
		if (json_is_integer(json_object_get(log, "cosigned_s")))
			print_sentence(2, "The newest cosignature is %s old.",
			    duration(since, number_at(log, "cosigned_s")));
	}
	buffer_free(&text);
}

static void print_logs(const json_t *logs)
{
	struct table *table = table_new(
	    "LOG\tENTRIES>\tANCHORED>\tSHOWN>\tTEXTS MISSING>\tSTATE\tCOMES FROM");
	size_t i;
	json_t *log;

	json_array_foreach(logs, i, log)
	{
		log_cell(table, text_at(log, "name"));
		table_cell(table, "%" PRIu64, number_at(log, "size"));
		table_cell(table, "%" PRIu64, number_at(log, "anchored"));
		table_cell(table, "%" PRIu64, number_at(log, "folded"));
		table_cell(table, "%" PRIu64, number_at(log, "contents_missing"));
		state_cell(table, log);
		if (flag_at(log, "own"))
			table_cell(table, "here");
		else if (json_is_integer(json_object_get(log, "ends")) &&
			 number_at(log, "ends") == number_at(log, "size"))
			table_cell(table, "-");
		else
			text_or(table, text_at(log, "upstream"), "nobody now");
	}
	printf("\n");
	table_print(table);
	table_free(table);
	print_disputes(logs);
	print_unanchored(logs);
}

/* "up 3 min", "stalled 40 s", "down 2 h 1 min" */
static void link_cell(struct table *table, const json_t *peer)
{
	struct buffer text = BUFFER_INIT;
	struct bytes state = text_at(peer, "state");
	char since[32];

	buffer_add(&text, state.data, state.len);
	buffer_printf(&text, " %s", duration(since, number_at(peer, "state_s")));
	table_cell(table, "%s", buffer_str(&text));
	buffer_free(&text);
}

/* They are sentences, and may be long. */
static void print_troubles(const json_t *peers)
{
	struct buffer text = BUFFER_INIT;
	bool first = true;
	size_t i;
	json_t *peer;

	json_array_foreach(peers, i, peer)
	{
		if (text_at(peer, "last_error").len == 0)
			continue;
		if (first)
			printf("\nLast trouble\n");
		first = false;
		buffer_reset(&text);
		text_isolate(&text, text_at(peer, "name"));
		buffer_add_str(&text, ": ");
		text_isolate(&text, text_at(peer, "last_error"));
		printf("  ");
		print_line(6, "%s", buffer_str(&text));
	}
	buffer_free(&text);
}

static void print_peers(const json_t *peers)
{
	struct table *table = table_new("PEER\tADDRESS\tLINK\tBEHIND>");
	size_t i;
	json_t *peer;

	if (json_array_size(peers) == 0) {
		printf("\nNo peers are configured. `convenectl peer FILE` takes another node's "
		       "block.\n");
		return;
	}
	json_array_foreach(peers, i, peer)
	{
		table_text(table, text_at(peer, "name"));
		text_or(table, text_at(peer, "address"), "connects to us");
		link_cell(table, peer);
		table_cell(table, "%" PRIu64, number_at(peer, "behind"));
	}
	printf("\n");
	table_print(table);
	table_free(table);
	print_troubles(peers);
}

static void print_members(const json_t *members)
{
	struct buffer text = BUFFER_INIT;
	size_t i;
	json_t *member;

	if (json_array_size(members) == 0)
		return;
	json_array_foreach(members, i, member)
	{
		buffer_add_str(&text, i ? ", " : "");
		text_isolate(&text, text_at(member, "name"));
		buffer_add_str(&text, " (");
		text_isolate(&text, text_at(member, "key_id"));
		buffer_add_str(&text, flag_at(member, "founder") ? ")*" : ")");
	}
	printf("Members   ");
	print_sentence(10, "%s   * founder", buffer_str(&text));
	buffer_free(&text);
}

/* Who has told, and who is not waited for; who has not stands in the line above. */
static void print_recovery(const json_t *a)
{
	static const char *const words[] = {"answered", "without"};
	const json_t *recovery = json_object_get(a, "recovery");
	struct buffer line = BUFFER_INIT;

	for (size_t i = 0; i < 2; i++) {
		const json_t *names = json_object_get(recovery, words[i]);
		const json_t *name;
		size_t k;

		if (json_array_size(names) == 0)
			continue;
		buffer_reset(&line);
		buffer_add_str(&line, i == 0 ? "told: " : "not waited for: ");
		json_array_foreach(names, k, name)
		{
			buffer_add_str(&line, k ? ", " : "");
			text_isolate(
			    &line, bytes_of(json_string_value(name), json_string_length(name)));
		}
		printf("          ");
		print_sentence(10, "%s", buffer_str(&line));
	}
	if (number_at(a, "left_out")) {
		printf("          ");
		print_sentence(10,
		    "%" PRIu64 " accepted message%s can't follow what came back; see RECOVERY in "
		    "convenectl(8)",
		    number_at(a, "left_out"), number_at(a, "left_out") == 1 ? "" : "s");
	}
	buffer_free(&line);
}

/* Only where something is to be done. */
static void print_due(const json_t *a, const char *key, const char *title)
{
	struct buffer line = BUFFER_INIT;

	if (text_at(a, key).len == 0)
		return;
	text_isolate(&line, text_at(a, key));
	printf("%-10s", title);
	print_sentence(10, "%s", buffer_str(&line));
	buffer_free(&line);
}

static void print_search(const json_t *search)
{
	struct buffer line = BUFFER_INIT;
	uint64_t texts = number_at(search, "texts"), missing = number_at(search, "missing");
	char size[16];

	printf("Search    ");
	if (!json_is_object(search)) {
		print_sentence(10, "off");
		return;
	}
	buffer_printf(&line, "%" PRIu64 " text%s, %s", texts, texts == 1 ? "" : "s",
	    size_text(size, number_at(search, "bytes")));
	if (flag_at(search, "behind") && number_at(search, "per_second"))
		buffer_printf(&line, "; behind, and taking in %" PRIu64 " a second",
		    number_at(search, "per_second"));
	else if (flag_at(search, "behind"))
		buffer_add_str(&line, "; behind");
	if (missing)
		buffer_printf(&line, "; waits for %" PRIu64 " more", missing);
	if (text_at(search, "trouble").len) {
		buffer_add_str(&line, "; it can't be written: ");
		text_isolate(&line, text_at(search, "trouble"));
	}
	print_sentence(10, "%s", buffer_str(&line));
	buffer_free(&line);
}

static void print_status(const json_t *a)
{
	struct bytes forum = text_at(a, "forum"), sealing = text_at(a, "sealing"),
		     frontier = text_at(a, "frontier");
	uint64_t inbox = number_at(a, "inbox");
	struct buffer line = BUFFER_INIT;
	char up[32];

	text_isolate(&line, text_at(a, "node"));
	buffer_add_str(&line, ": convened ");
	text_isolate(&line, text_at(a, "version"));
	print_sentence(2, "%s, up %s, %" PRIu64 " client%s", buffer_str(&line),
	    duration(up, number_at(a, "uptime_s")), number_at(a, "clients"),
	    number_at(a, "clients") == 1 ? "" : "s");
	buffer_free(&line);
	printf("\n");
	text_isolate(&line, text_at(a, "forum_name"));
	buffer_add_str(&line, "  (");
	text_isolate(&line, cut(forum, 16));
	printf("Forum     ");
	print_line(10, "%s…)", buffer_str(&line));
	buffer_free(&line);
	if (!flag_at(a, "member"))
		printf("          ");
	if (!flag_at(a, "member"))
		print_sentence(10,
		    "This organisation is not a member yet: members must admit it, and until then "
		    "nobody carries its log.");
	print_members(json_object_get(a, "members"));
	printf("Sealing   ");
	text_isolate(&line, sealing.len ? sealing : bytes_str("unknown"));
	if (inbox)
		buffer_printf(&line, "; %" PRIu64 " message%s wait%s", inbox, inbox == 1 ? "" : "s",
		    inbox == 1 ? "s" : "");
	print_sentence(10, "%s", buffer_str(&line));
	buffer_free(&line);
	print_recovery(a);
	print_due(a, "keys", "Keys");
	print_due(a, "cosigning", "Cosigning");
	if (flag_at(a, "read_only")) {
		printf("          ");
		print_sentence(
		    10, "The disk of the data folder is nearly full: posts are refused.");
	}
	text_isolate(&line, cut(frontier, 16));
	printf("Frontier  ");
	print_sentence(10,
	    "%s%s   nodes that show the same one hold the same, but for disputed logs",
	    buffer_str(&line), frontier.len > 16 ? "…" : "");
	buffer_free(&line);
	print_search(json_object_get(a, "search"));
	services_print(a);
	print_logs(json_object_get(a, "logs"));
	print_peers(json_object_get(a, "peers"));
}

static void bytes_cell(struct table *table, uint64_t bytes)
{
	char text[16];

	table_cell(table, "%s", size_text(text, bytes));
}

/* An age, or a dash for what has not happened yet. */
static void age_cell(struct table *table, const json_t *peer, const char *key)
{
	char text[32];

	if (json_is_integer(json_object_get(peer, key)))
		table_cell(table, "%s", duration(text, number_at(peer, key)));
	else
		table_cell(table, "-");
}

/* What stands in no column: why a peer is said to have stalled, and the log it is furthest ahead
 * in.
 */
static void print_stalls(const json_t *peers)
{
	struct buffer text = BUFFER_INIT;
	size_t i;
	json_t *peer;

	json_array_foreach(peers, i, peer)
	{
		const json_t *lag = json_array_get(json_object_get(peer, "lags"), 0);
		struct bytes stall = text_at(peer, "stall");

		if (stall.len == 0 && !lag)
			continue;
		buffer_reset(&text);
		text_isolate(&text, text_at(peer, "name"));
		if (stall.len > 0) {
			buffer_add_str(&text, " has stalled: ");
			text_isolate(&text, stall);
			buffer_add_str(&text, ".");
		}
		if (lag) {
			buffer_printf(&text,
			    "%s we are behind it in %" PRIu64 " log%s, most by %" PRIu64
			    " entries in ",
			    stall.len > 0 ? " And" : ":", number_at(peer, "logs_behind"),
			    number_at(peer, "logs_behind") == 1 ? "" : "s",
			    number_at(lag, "behind"));
			text_isolate(&text, text_at(lag, "log"));
			buffer_add_str(&text, ".");
		}
		printf("\n");
		print_sentence(2, "%s", buffer_str(&text));
	}
	buffer_free(&text);
}

/* How much of their size is left: "31% of 1.2 MB". */
static void packing_add(
    struct buffer *text, const json_t *peer, const char *packed, const char *unpacked)
{
	uint64_t full = number_at(peer, unpacked), left = number_at(peer, packed);
	char size[16];

	if (full > 0)
		buffer_printf(text, " (%.0f%% of %s)", 100.0 * (double)left / (double)full,
		    size_text(size, full));
}

/* Links whose contents are compressed, or should be. */
static void print_packing(const json_t *peers)
{
	struct buffer text = BUFFER_INIT;
	size_t i;
	json_t *peer;

	json_array_foreach(peers, i, peer)
	{
		bool in = flag_at(peer, "packs_in"), out = flag_at(peer, "packs_out");

		buffer_reset(&text);
		text_isolate(&text, text_at(peer, "name"));
		if (in || out)
			buffer_add_str(&text, ": contents");
		if (in) {
			buffer_add_str(&text, " come compressed");
			packing_add(&text, peer, "packed_in", "unpacked_in");
		}
		if (out) {
			buffer_add_str(&text, in ? ", and go compressed" : " go compressed");
			packing_add(&text, peer, "packed_out", "unpacked_out");
		}
		if (in || out)
			buffer_add_str(&text, ".");
		else if (flag_at(peer, "compress") && flag_at(peer, "connected") &&
			 !flag_at(peer, "can_compress"))
			buffer_add_str(&text,
			    " is to compress what it sends (peer.compress), and its version "
			    "cannot: contents come as they are.");
		else
			continue;
		printf("\n");
		print_sentence(2, "%s", buffer_str(&text));
	}
	buffer_free(&text);
}

static void print_traffic(const json_t *a)
{
	struct table *table = table_new(
	    "PEER\tLINK\tRTT>\tBEHIND>\tMOVED\tACKED\tIN>\tOUT>\tAGAIN>\tFEEDS>");
	const json_t *peers = json_object_get(a, "peers");
	size_t i;
	json_t *peer;

	if (json_array_size(peers) == 0)
		printf("No peers are configured. `convenectl peer FILE` takes another node's "
		       "block.\n");
	json_array_foreach(peers, i, peer)
	{
		table_text(table, text_at(peer, "name"));
		link_cell(table, peer);
		if (json_is_integer(json_object_get(peer, "rtt_ms")))
			table_cell(table, "%" PRIu64 " ms", number_at(peer, "rtt_ms"));
		else
			table_cell(table, "-");
		table_cell(table, "%" PRIu64, number_at(peer, "behind"));
		age_cell(table, peer, "progress_s");
		age_cell(table, peer, "acknowledged_s");
		bytes_cell(table, number_at(peer, "bytes_in"));
		bytes_cell(table, number_at(peer, "bytes_out"));
		table_cell(table, "%" PRIu64, number_at(peer, "entries_again"));
		table_cell(table, "%" PRIu64, number_at(peer, "upstream_of"));
	}
	table_print(table);
	table_free(table);
	print_packing(peers);
	print_stalls(peers);
	print_troubles(peers);
}

static void print_people(const json_t *a)
{
	struct table *table = table_new("HANDLE\tDEVICE\tIDENTITY\tGROUP\tSEQUENCE>\tSTATE\tNAME");
	const json_t *people = json_object_get(a, "people");
	size_t i;
	json_t *p;

	if (json_array_size(people) == 0)
		printf("Nobody is enrolled yet. `convenectl invite` makes an invite.\n");
	json_array_foreach(people, i, p)
	{
		bool gateway = bytes_equal(text_at(p, "custody"), bytes_str("gateway"));

		text_or(table, text_at(p, "handle"), "-");
		table_text(table, cut(text_at(p, "device"), 8));
		table_text(table, cut(text_at(p, "identity"), 8));
		text_or(table, text_at(p, "group"), "-");
		table_cell(table, "%" PRIu64, number_at(p, "sequence"));
		table_cell(table, "%s%s%s",
		    flag_at(p, "revoked")     ? "revoked"
		    : flag_at(p, "suspended") ? "suspended"
					      : "good",
		    flag_at(p, "recovery") ? ", recovery" : "",
		    gateway ? ", kept by a gateway" : "");
		text_or(table, text_at(p, "name"), "-");
	}
	table_print(table);
	table_free(table);
}

static int show(const struct invocation *in, const char *command, void (*say)(const json_t *answer))
{
	return daemon_run(in, 1, &command, say);
}

int ctl_status(const struct invocation *in)
{
	return show(in, "status", print_status);
}

int ctl_peers(const struct invocation *in)
{
	return show(in, "peers", print_traffic);
}

int ctl_people(const struct invocation *in)
{
	return show(in, "people", print_people);
}
