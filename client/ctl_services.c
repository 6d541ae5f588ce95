/* SPDX-License-Identifier: BSD-2-Clause */
/* What readers connect to, processes of their own: how they are, and whether they have taken over
 * what a reload brought. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"
#include "client/ctl.h"

#define SERVICES_MS 3000 /* until they have read a config */

static const char *const service_names[] = {"web", "nntp"};
enum { SERVICE_COUNT = sizeof service_names / sizeof *service_names };

/* "https://forum.isoc.example (127.0.0.1:8080), 2 processes" */
static void service_line(struct buffer *line, const json_t *s)
{
	const json_t *listen = json_object_get(s, "listen"), *address;
	uint64_t processes = number_at(s, "processes"), serving = number_at(s, "serving");
	bool url = text_at(s, "url").len > 0;
	size_t i;

	text_isolate(line, text_at(s, "url"));
	buffer_add_str(line, url ? " (" : "");
	json_array_foreach(listen, i, address)
	{
		buffer_add_str(line, i ? ", " : "");
		text_isolate(
		    line, bytes_of(json_string_value(address), json_string_length(address)));
	}
	buffer_add_str(line, url ? ")" : "");
	buffer_add_str(line, json_is_true(json_object_get(s, "tls")) ? ", TLS" : "");
	if (serving < processes)
		buffer_printf(line, ", %" PRIu64 " of %" PRIu64 " processes", serving, processes);
	else if (processes > 1)
		buffer_printf(line, ", %" PRIu64 " processes", processes);
}

/* What is wrong with it; empty: nothing. */
static struct bytes trouble_of(const json_t *s)
{
	struct bytes told = text_at(s, "trouble");

	if (told.len == 0 && json_is_object(s) && number_at(s, "serving") == 0)
		told = bytes_str("no process runs; the log says more");
	return told;
}

static void print_service(const json_t *s, const char *title)
{
	struct bytes trouble = trouble_of(s);
	struct buffer line = BUFFER_INIT;

	if (!json_is_object(s))
		return;
	printf("%-10s", title);
	if (number_at(s, "serving") > 0) {
		service_line(&line, s);
		print_sentence(10, "%s", buffer_str(&line));
		buffer_reset(&line);
		if (trouble.len > 0)
			printf("%-10s", "");
	} else {
		buffer_add_str(&line, "NOT SERVED: ");
	}
	text_isolate(&line, trouble);
	if (trouble.len > 0)
		print_sentence(10, "%s", buffer_str(&line));
	buffer_free(&line);
}

void services_print(const json_t *status)
{
	print_service(json_object_get(status, "web"), "Web");
	print_service(json_object_get(status, "nntp"), "News");
}

/* ---- reload: the daemon's answer is that of the relay; they read the file by themselves ---- */

/* What `status` says of them; NULL: nothing. */
static json_t *services_ask(const struct ctl *c)
{
	static const char *const argv[] = {"status"};
	struct trouble t;
	json_t *a;

	return daemon_call(c, 1, argv, bytes_of(NULL, 0), &a, &t) == OK ? a : NULL;
}

/* Has each process of theirs read the file since? One that doesn't serve does so as it begins. */
static bool services_have_read(const json_t *before, const json_t *now)
{
	for (size_t i = 0; i < SERVICE_COUNT; i++) {
		const json_t *was = json_object_get(before, service_names[i]),
			     *is = json_object_get(now, service_names[i]);

		if (json_is_object(was) &&
		    number_at(is, "read") - number_at(was, "read") + number_at(is, "serving") <
			number_at(was, "processes") + number_at(was, "serving"))
			return false;
	}
	return true;
}

/* Wait until they have, and give what they say then. */
static json_t *services_wait(const struct ctl *c, const json_t *before)
{
	struct timespec pause = {0, 50000000};
	json_t *now = services_ask(c);

	for (int ms = 0; now && !services_have_read(before, now) && ms < SERVICES_MS; ms += 50) {
		nanosleep(&pause, NULL);
		json_decref(now);
		now = services_ask(c);
	}
	return now;
}

static int say_reload(const struct invocation *in, json_t *answer, const json_t *services)
{
	struct buffer line = BUFFER_INIT;
	json_t *troubles = json_object();
	int code;

	for (size_t i = 0; i < SERVICE_COUNT; i++) {
		const json_t *s = json_object_get(services, service_names[i]);
		struct bytes trouble = trouble_of(s);

		if (trouble.len > 0)
			json_object_set_new(troubles, service_names[i],
			    json_stringn((const char *)trouble.data, trouble.len));
	}
	if (in->json) {
		json_object_set(answer, "troubles", troubles);
		json_print(json_incref(answer));
	} else {
		const char *name;
		json_t *text;

		printf("The configuration is in force%s\n",
		    json_object_size(troubles) > 0 ? ", but for this:" : ".");
		json_object_foreach(troubles, name, text)
		{
			buffer_reset(&line);
			text_isolate(&line, text_at(troubles, name));
			printf("  ");
			print_sentence(2, "%s", buffer_str(&line));
		}
	}
	code = json_object_size(troubles) > 0 ? EXIT_REFUSED : EXIT_DONE;
	json_decref(troubles);
	buffer_free(&line);
	return code;
}

int ctl_reload(const struct invocation *in)
{
	static const char *const argv[] = {"reload"};
	json_t *answer = NULL, *before, *services = NULL;
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	before = services_ask(&c);
	err = daemon_call(&c, 1, argv, bytes_of(NULL, 0), &answer, &t);
	if (!err) {
		services = services_wait(&c, before);
		code = say_reload(in, answer, services);
	}
	json_decref(before);
	json_decref(services);
	json_decref(answer);
	return ctl_close(&c, err ? ctl_fail(in, &t) : code);
}
