/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that the daemon carries out: send the words, say the answer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/ctl.h"

#define WORDS_MAX 16

int daemon_call(const struct ctl *c, int argc, const char *const *argv, struct bytes input,
    json_t **out, struct trouble *t)
{
	struct buffer json = BUFFER_INIT;
	json_error_t wrong;
	int err = control_call(c->conf->node.control, argc, argv, input, &json, t);

	*out = NULL;
	if (!err) {
		*out = json.len ? json_loadb((const char *)json.data, json.len, 0, &wrong)
				: json_object();
		if (!json_is_object(*out)) {
			json_decref(*out);
			*out = NULL;
			err = trouble_set(t, ERR_MALFORMED, "the daemon's answer can't be read");
			trouble_hint(t, "Are convened and convenectl of the same version?");
		}
	}
	buffer_free(&json);
	return err;
}

int daemon_run(const struct invocation *in, int argc, const char *const *argv,
    void (*say)(const json_t *answer))
{
	json_t *answer = NULL;
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = daemon_call(&c, argc, argv, bytes_of(NULL, 0), &answer, &t);
	if (!err && in->json)
		json_print(json_incref(answer));
	else if (!err)
		say(answer);
	json_decref(answer);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}

struct bytes text_at(const json_t *o, const char *key)
{
	const json_t *value = json_object_get(o, key);

	return json_is_string(value) ? bytes_of(json_string_value(value), json_string_length(value))
				     : bytes_of("", 0);
}

bool ctl_sure(const struct invocation *in, const char *question)
{
	char answer[16];

	if (option_given(in, "yes") || in->json || isatty(STDIN_FILENO) != 1)
		return true;
	print_sentence(0, "%s Answer yes or no:", question);
	fflush(stdout);
	if (fgets(answer, sizeof answer, stdin) &&
	    (strcmp(answer, "yes\n") == 0 || strcmp(answer, "y\n") == 0))
		return true;
	printf("Nothing was done.\n");
	return false;
}

uint64_t number_at(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

static void say_invite(const json_t *a)
{
	struct bytes handle = text_at(a, "handle");
	char when[24];

	print_isolate(text_at(a, "invite"));
	/* They may live elsewhere. */
	printf("\n\nWhoever has this line can join once, until %s",
	    clock_format(when, number_at(a, "expires")));
	printf(":\n  convene join INVITE --handle ");
	print_isolate(handle.len ? handle : bytes_str("HANDLE"));
	printf("\n");
	if (text_at(a, "link").len > 0) {
		printf("or, in a browser, by this link:\n  ");
		print_isolate(text_at(a, "link"));
		printf("\n");
	}
	if (json_is_true(json_object_get(a, "restart")))
		print_sentence(0,
		    "The registrar key was replaced: restart convened first, for until then "
		    "nobody is enrolled.");
}

int ctl_invite(const struct invocation *in)
{
	const char *argv[WORDS_MAX] = {"invite"};
	int argc = 1;

	if (option_given(in, "handle")) {
		argv[argc++] = "--handle";
		argv[argc++] = option_value(in, "handle");
	}
	if (option_given(in, "days")) {
		argv[argc++] = "--days";
		argv[argc++] = option_value(in, "days");
	}
	return daemon_run(in, argc, argv, say_invite);
}

static void say_enrol(const json_t *a)
{
	struct bytes handle = text_at(a, "handle");

	if (handle.len)
		print_isolate(handle);
	else
		printf("The participant");
	printf(" is enrolled. Their `convene` finds out by itself.\n");
}

int ctl_enrol(const struct invocation *in)
{
	struct buffer line = BUFFER_INIT;
	const char *argv[] = {"enrol", in->operands[0]};
	struct trouble t;
	int err = OK, code;

	if (strcmp(in->operands[0], "-") == 0) {
		err = file_load(&line, "-", 65536, &t);
		if (!err) {
			char *text = (char *)(uintptr_t)buffer_str(&line);

			text[strcspn(text, "\r\n")] = '\0';
			argv[1] = text;
		}
	}
	code = err ? ctl_fail(in, &t) : daemon_run(in, 2, argv, say_enrol);
	buffer_free(&line);
	return code;
}

static void say_revoke(const json_t *a)
{
	const json_t *keys = json_object_get(a, "revoked");
	size_t count = json_array_size(keys);

	printf("%zu device key%s revoked; what %s from now on is not valid.\n", count,
	    count == 1 ? " is" : "s are", count == 1 ? "it signs" : "they sign");
	for (size_t i = 0; i < count; i++) {
		const json_t *key = json_array_get(keys, i);

		printf("  ");
		print_isolate(bytes_of(json_string_value(key), json_string_length(key)));
		printf("\n");
	}
}

int ctl_revoke(const struct invocation *in)
{
	const char *argv[WORDS_MAX] = {"revoke", in->operands[0]};
	int argc = 2;

	if (option_given(in, "reason")) {
		argv[argc++] = "--reason";
		argv[argc++] = option_value(in, "reason");
	}
	if (option_given(in, "device")) {
		argv[argc++] = "--device";
		argv[argc++] = option_value(in, "device");
	}
	if (!ctl_sure(
		in, "A revoked key is revoked for good, for everybody. Revoke what this names?"))
		return EXIT_REFUSED;
	return daemon_run(in, argc, argv, say_revoke);
}

static void say_rebuild(const json_t *a)
{
	print_sentence(0,
	    "The views are folded anew from %" PRIu64
	    " entries, in the background. `convenectl status` shows how far they are.",
	    number_at(a, "entries"));
}

int ctl_rebuild(const struct invocation *in)
{
	static const char *const argv[] = {"rebuild"};

	return daemon_run(in, 1, argv, say_rebuild);
}

static void say_stop(const json_t *a)
{
	(void)a;
	printf("The daemon stops.\n");
}

int ctl_stop(const struct invocation *in)
{
	static const char *const argv[] = {"stop"};

	return daemon_run(in, 1, argv, say_stop);
}

static void say_dump(const json_t *a)
{
	struct bytes text = text_at(a, "dump");

	print_block(text, 0);
	print_isolate(text_at(a, "hash"));
	printf("\n");
}

int ctl_dump(const struct invocation *in)
{
	const char *argv[] = {"dump", "--text"};

	return daemon_run(in, option_given(in, "text") ? 2 : 1, argv, say_dump);
}
