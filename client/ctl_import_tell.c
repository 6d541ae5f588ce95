/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/ctl_import_tell.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/ctl.h"

#define TERMINAL_MS 200
#define LINES_MS 10000
#define LABEL_COLUMNS 27 /* with the number behind it, no more than 40 */

static const char *many(const struct import_teller *w)
{
	return w->form == SOURCE_TEXT ? "texts" : "mails";
}

void import_teller_begin(struct import_teller *w)
{
	w->terminal = isatty(STDERR_FILENO) == 1;
	w->refusals = json_array();
	w->repeats = json_array();
	w->told = clock_mono_ms();
}

void import_teller_end(struct import_teller *w)
{
	json_decref(w->refusals);
	json_decref(w->repeats);
}

void import_tell_clear(struct import_teller *w)
{
	if (w->line_open)
		fputs("\r\033[K", stderr);
	w->line_open = false;
}

/* ---- progress ---- */

static const char *left_text(char out[static 32], uint64_t seconds)
{
	if (seconds < 100)
		snprintf(out, 32, "%" PRIu64 " s", seconds);
	else if (seconds < 6000)
		snprintf(out, 32, "%" PRIu64 " min", (seconds + 59) / 60);
	else
		snprintf(
		    out, 32, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600, seconds / 60 % 60);
	return out;
}

/* The rate is what a narrow terminal goes without. */
static void posting_text(struct import_teller *w, struct buffer *out, uint64_t done, uint64_t total,
    const char *why, size_t columns)
{
	uint64_t ms = clock_mono_ms() - w->posting, rate = 0;
	char count[80], left[32];
	int n;

	if (why && (w->terminal || total == 0)) {
		buffer_add_str(out, why);
		return;
	}
	n = snprintf(count, sizeof count, "%" PRIu64 " of %" PRIu64 " %s", done, total, many(w));
	buffer_add_str(out, count);
	if (why) {
		buffer_printf(out, "; %s", why);
		return;
	}
	if (ms > 0 && done >= w->at_start)
		rate = (done - w->at_start) * 1000 / ms;
	if (rate == 0 || n < 0)
		return;
	left_text(left, (total - done + rate - 1) / rate);
	buffer_printf(out, ", %" PRIu64 " a second", rate);
	if (out->len + strlen(left) + sizeof ",  left" > columns)
		out->len = (size_t)n;
	buffer_printf(out, ", %s left", left);
}

static void on_progress(
    void *ctx, enum import_phase phase, uint64_t done, uint64_t total, const char *why)
{
	struct import_teller *w = ctx;
	uint64_t now = clock_mono_ms();
	size_t columns = w->terminal ? (size_t)output_columns_of(stderr) : SIZE_MAX;
	struct buffer text = BUFFER_INIT;
	char size[16], whole[16];

	if (phase == IMPORT_POSTING && w->posting == 0 && total > 0) {
		w->posting = now;
		w->at_start = done;
	}
	if (now < w->told + (w->terminal ? TERMINAL_MS : LINES_MS) || (w->json && !w->terminal))
		return;
	w->told = now;
	if (phase == IMPORT_POSTING)
		posting_text(w, &text, done, total, why, columns);
	else if (why)
		buffer_add_str(&text, why);
	else if (phase == IMPORT_LEARNING)
		buffer_printf(&text, "asking what is there: %" PRIu64 " posts", done);
	else
		buffer_printf(
		    &text, "reading: %s of %s", size_text(size, done), size_text(whole, total));
	import_tell_clear(w);
	if (w->terminal)
		fprintf(stderr, "%.*s", (int)text_fit(buffer_bytes(&text), columns - 1),
		    buffer_str(&text));
	else
		fprintf(stderr, CTL_NAME ": %s.\n", buffer_str(&text));
	w->line_open = w->terminal;
	fflush(stderr);
	buffer_free(&text);
}

void import_tell_waiting(struct import_teller *w, const char *why)
{
	on_progress(w, IMPORT_LEARNING, 0, 0, why);
}

void import_tell_learning(void *teller, uint64_t posts)
{
	on_progress(teller, IMPORT_LEARNING, posts, 0, NULL);
}

/* ---- what is not imported, and why ---- */

/* On standard error what is refused; in the report what is left out for another, too. */
static void mail_tell(struct import_teller *w, json_t *list, const struct import_refusal *r)
{
	struct buffer line = BUFFER_INIT;

	text_isolate(&line, bytes_str(r->file));
	if (w->form == SOURCE_MBOX)
		buffer_printf(&line, ": mail %" PRIu32 " (line %" PRIu64 ")", r->mail, r->line);
	buffer_printf(&line, ": %s", r->why);
	if (line.failed)
		out_of_memory();
	import_tell_clear(w);
	if (!w->json && list == w->refusals)
		fprintf(stderr, "%s\n", buffer_str(&line));
	if (w->file)
		fprintf(w->file, "%s\n", buffer_str(&line));
	buffer_free(&line);
	if (w->json) {
		json_t *o = json_object();

		json_put(o, "file", json_bytes(bytes_str(r->file)));
		json_put(o, "mail", json_integer((json_int_t)r->mail));
		json_put(o, "line", json_integer((json_int_t)r->line));
		json_put(o, "reason", json_bytes(bytes_str(r->why)));
		json_array_append_new(list, o);
	}
}

static void on_refused(void *ctx, const struct import_refusal *r)
{
	struct import_teller *w = ctx;

	mail_tell(w, w->refusals, r);
}

static void on_repeated(void *ctx, const struct import_refusal *r)
{
	struct import_teller *w = ctx;

	mail_tell(w, w->repeats, r);
}

const struct import_events import_teller_events = {
    .progress = on_progress, .refused = on_refused, .repeated = on_repeated};

void import_tell_leftovers(struct import_teller *w, const struct source *source)
{
	for (uint32_t i = 0; i < source_files(source); i++) {
		uint64_t before = source_before(source, i);
		const char *unpack = source_unpacker(source, i);
		struct buffer name = BUFFER_INIT;
		char size[16];

		if (before == 0)
			continue;
		text_isolate(&name, bytes_str(source_path(source, i)));
		import_tell_clear(w);
		if (unpack)
			fprintf(stderr, "%s: it is compressed; unpack it first, with `%s`.\n",
			    buffer_str(&name), unpack);
		else if (before == source_file_size(source, i))
			fprintf(stderr,
			    "%s: there is no mail in it, for no line is a separator `From SENDER "
			    "DATE`.\n",
			    buffer_str(&name));
		else
			fprintf(stderr, "%s: %s before its first separator are no mail.\n",
			    buffer_str(&name), size_text(size, before));
		buffer_free(&name);
	}
}

/* ---- the report ---- */

static void number_print(const char *what, uint64_t number)
{
	printf("%-*s%10" PRIu64 "\n", LABEL_COLUMNS, what, number);
}

static double rate_of(const struct import_report *r, double seconds)
{
	return seconds > 0 ? (double)r->imported / seconds : 0;
}

static void report_print(struct import_teller *w, const struct import_report *r, double seconds)
{
	number_print(many(w), r->mails);
	number_print(w->dry ? "to be imported" : "imported", r->imported);
	if (!w->dry)
		number_print("there already", r->present);
	number_print("repeated in the source", r->repeated);
	if (r->repeated_other_text > 0)
		number_print("  differing from the first", r->repeated_other_text);
	number_print("refused", r->refused);
	if (w->form != SOURCE_TEXT) {
		number_print("attachments left out", r->omitted_parts);
		number_print("HTML alternatives left out", r->alternatives);
	}
	number_print("charsets guessed", r->guessed_charsets);
	number_print("threads", r->threads);
	if (w->form != SOURCE_TEXT)
		number_print("  posts in the largest", r->largest_thread);
	printf("%-*s%10.1f\n", LABEL_COLUMNS, "seconds", seconds);
	if (seconds >= 0.1 && r->imported > 0) {
		printf("%s%-*s%10.0f\n", many(w), LABEL_COLUMNS - (int)strlen(many(w)), " a second",
		    rate_of(r, seconds));
	}
	if (r->repeated_other_text > 0 && !w->file) {
		printf("\n");
		print_sentence(0, "Mails with the Message-ID of an earlier one are left out; "
				  "--report FILE names those that differ from it.");
	}
}

static void report_json(struct import_teller *w, const struct import_report *r, double seconds)
{
	const struct {
		const char *name;
		uint64_t number;
	} numbers[] = {
	    {"mails", r->mails},
	    {"imported", r->imported},
	    {"present", r->present},
	    {"repeated", r->repeated},
	    {"repeated_other_text", r->repeated_other_text},
	    {"refused", r->refused},
	    {"omitted_parts", r->omitted_parts},
	    {"alternatives", r->alternatives},
	    {"guessed_charsets", r->guessed_charsets},
	    {"threads", r->threads},
	    {"largest_thread", r->largest_thread},
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		json_put(o, numbers[i].name, json_integer((json_int_t)numbers[i].number));
	json_put(o, "dry_run", json_boolean(w->dry));
	json_put(o, "seconds", json_real(seconds));
	json_put(o, "per_second", json_real(rate_of(r, seconds)));
	json_put(o, "refusals", json_incref(w->refusals));
	json_put(o, "repeats", json_incref(w->repeats));
	json_print(o);
}

void import_tell_report(struct import_teller *w, const struct import_report *r, double seconds)
{
	import_tell_clear(w);
	if (w->json)
		report_json(w, r, seconds);
	else if (r->mails > 0)
		report_print(w, r, seconds);
	if (r->mails > 0)
		return;
	if (w->form == SOURCE_TEXT)
		fprintf(stderr, CTL_NAME ": there is no text in what was given: no file called "
					 "*.txt, *.text or *.md.\n");
	else
		fprintf(stderr, CTL_NAME ": there is no mail in what was given.\n");
}

/* ---- signals ---- */

static const char *interrupted_text;

static void say(const char *text)
{
	/* Whom should it tell that it can't tell? */
	ssize_t n = write(STDERR_FILENO, text, strlen(text));

	(void)n;
}

static void on_signal(int sig)
{
	say(interrupted_text);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void on_bus(int sig)
{
	(void)sig;
	say("\n" CTL_NAME ": a file was cut shorter, or its disk failed, while it was read.\n");
	say("            When it is whole again, the same command goes on.\n");
	_exit(EXIT_LOCAL);
}

#define GOES_ON                                                                               \
	CTL_NAME ": interrupted. What was imported stays; the same command goes on with the " \
		 "rest.\n"

void import_tell_signals(const struct import_teller *w)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;

	interrupted_text = w->dry        ? "\n" CTL_NAME ": interrupted.\n"
			   : w->terminal ? "\r\033[K" GOES_ON
					 : GOES_ON;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
	action.sa_handler = on_bus;
	sigaction(SIGBUS, &action, NULL);
}
