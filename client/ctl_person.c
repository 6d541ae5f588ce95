/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl recover participant: a key for somebody who has lost all of theirs
 * (SPEC.md 6.3, 12.4). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "client/ctl.h"
#include "client/device.h"

static void say_line(const json_t *a)
{
	printf("On their new computer:\n\n  convene join ");
	print_isolate(text_at(a, "line"));
	printf("\n\n");
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

/* The digits that people compare: of the request, not of what the daemon says. */
static int digits_say(const struct invocation *in, const char *line, struct trouble *t)
{
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
	if (!in->json)
		printf("The key begins with %s.\n", device_fingerprint(digits, b.device_key));
	return OK;
}

int ctl_recover_participant(const struct invocation *in)
{
	const char *argv[] = {"identity", in->operands[0], NULL};
	struct buffer line = BUFFER_INIT;
	struct trouble t;
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
		err = digits_say(in, argv[2], &t);
	code = err ? ctl_fail(in, &t) : daemon_run(in, 3, argv, say_recovered);
	buffer_free(&line);
	return code;
}
