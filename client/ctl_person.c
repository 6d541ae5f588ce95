/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl recover participant: a key for somebody who has lost all of theirs
 * (SPEC.md 6.3, 12.4). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/ctl.h"
#include "client/device.h"

static void say_line(const json_t *a)
{
	printf("On their new computer:\n\n  convene join ");
	print_isolate(text_at(a, "line"));
	printf("\n\n");
	if (text_at(a, "link").len > 0) {
		printf("or, in their browser, by this link:\n\n  ");
		print_isolate(text_at(a, "link"));
		printf("\n\n");
	}
	print_sentence(0, "It prints a request, and the digits of a key; the line above holds no "
			  "secret. Make sure "
			  "that you talk with the person themselves, by voice or in person, and "
			  "compare the digits "
			  "with them. Then: convenectl recover participant HANDLE REQUEST");
}

static void say_recovered(const json_t *a)
{
	(void)a;
	print_sentence(0,
	    "The key is enrolled, and their `convene` finds out by itself. All that it signs is "
	    "shown with the mark of a recovered key, everywhere and for ever. Keys that they have "
	    "lost stay in force until `convenectl revoke HANDLE --device DIGITS --reason lost` "
	    "ends "
	    "them.");
}

/* The digits that people compare: of the request, not of what the daemon says. Given, or answered
 * on the terminal: whoever is recovered speaks for somebody, for good. */
static int digits_compare(
    const struct invocation *in, const char *line, bool *go, struct trouble *t)
{
	const char *typed = option_value(in, "fingerprint");
	char digits[FINGERPRINT_LEN];
	struct enrol_body b;
	int err = device_request_parse(&b, bytes_str(line));

	if (err) {
		trouble_set(t, ERR_INVALID, "this is no device's request (%s)", error_text(err));
		trouble_hint(t,
		    "It begins with " DEVICE_PREFIX ", on one line, as `convene join LINE` "
		    "printed it on the new computer.");
		return t->err;
	}
	device_fingerprint(digits, b.device_key);
	if (typed && !device_fingerprint_is(typed, b.device_key)) {
		trouble_set(t, ERR_SIGNATURE, "the key in this request is %s", digits);
		trouble_hint(t, "--fingerprint wants the 20 digits that the new computer shows. If "
				"these are not they, somebody may have put another request in its "
				"place. Nobody was enrolled.");
		return ERR_SIGNATURE;
	}
	if (typed || option_given(in, "yes"))
		return OK;
	if (in->json || isatty(STDIN_FILENO) != 1) {
		trouble_set(t, ERR_INVALID,
		    "whoever is enrolled so speaks for %.100s, and nobody can be asked here",
		    in->operands[0]);
		trouble_hint(t, "--fingerprint takes the digits that the new computer shows.");
		return ERR_INVALID;
	}
	printf("The key begins with\n\n  %s\n\n", digits);
	*go = ctl_sure(in,
	    "Does their new computer show these digits, and have you talked with them yourself?");
	return OK;
}

int ctl_recover_participant(const struct invocation *in)
{
	const char *argv[] = {"identity", in->operands[0], NULL};
	struct buffer line = BUFFER_INIT;
	struct trouble t;
	bool go = true;
	int code, err = OK;

	if (in->count == 1)
		return daemon_run(in, 2, argv, say_line);
	argv[0] = "recover-person";
	argv[2] = in->operands[1];
	if (strcmp(argv[2], "-") == 0) {
		err = file_load(&line, "-", DEVICE_REQUEST_MAX, &t);
		if (!err) {
			char *text = (char *)(uintptr_t)buffer_str(&line);

			text[strcspn(text, "\r\n")] = '\0';
			argv[2] = text;
		}
	}
	if (!err)
		err = digits_compare(in, argv[2], &go, &t);
	code = err ? ctl_fail(in, &t) : !go ? EXIT_REFUSED : daemon_run(in, 3, argv, say_recovered);
	buffer_free(&line);
	return code;
}
