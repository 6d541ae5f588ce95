/* SPDX-License-Identifier: BSD-2-Clause */
/* What an operator hides from this node's readers, whom they suspend, and what they erase as the
 * registrar. The daemon carries it out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/ctl.h"

#define WORDS_MAX 8

static const char *option_text(const struct invocation *in)
{
	const char *reason = option_value(in, "reason");

	return reason ? reason : "";
}

/* The command's own name and operand, with --reason where it is given. */
static int run(const struct invocation *in, const char *name, bool wants_reason,
    void (*say)(const json_t *answer))
{
	const char *argv[WORDS_MAX] = {name, in->operands[0]};
	int argc = 2;

	if (wants_reason && !*option_text(in))
		return complain_usage(CTL_NAME, name,
		    "%s needs --reason TEXT, which readers and the one concerned are shown", name);
	if (option_given(in, "reason")) {
		argv[argc++] = "--reason";
		argv[argc++] = option_value(in, "reason");
	}
	return daemon_run(in, argc, argv, say);
}

/* What it is about: an id by its first digits, a name as it is. */
static void about_print(const json_t *a)
{
	struct bytes about = text_at(a, "about");

	if (about.len == (size_t)2 * ID_LEN)
		about.len = 8;
	print_isolate(about);
}

static void say_hide(const json_t *a)
{
	about_print(a);
	printf(" is hidden from this node's readers, who are told why.\n");
	print_sentence(
	    0, "It is still held, and relayed to other nodes; they decide for themselves.");
}

static void say_unhide(const json_t *a)
{
	about_print(a);
	printf(" is shown again.\n");
}

static void say_suspend(const json_t *a)
{
	about_print(a);
	printf(" is suspended here.\n");
	print_sentence(0,
	    json_is_true(json_object_get(a, "posting"))
		? "Nothing that they write is accepted any more, and they are told why; what they "
		  "wrote stays."
		: "Nothing of theirs is shown to this node's readers any more, who are told why.");
}

static void say_unsuspend(const json_t *a)
{
	about_print(a);
	printf(" is suspended no longer.\n");
}

static void say_erase(const json_t *a)
{
	struct bytes id = text_at(a, "erased");

	id.len = id.len > 8 ? 8 : id.len;
	print_isolate(id);
	printf(" is erased, by this node's registrar.\n");
	print_sentence(0,
	    "Every node of the forum drops its text. That it was written, and that another key "
	    "than its author's erased it, and why, stays in the log. Copies that people made, "
	    "backups and bundles that are "
	    "written already, and nodes that are not honest are out of reach.");
}

int ctl_hide(const struct invocation *in)
{
	return run(in, "hide", true, say_hide);
}

int ctl_unhide(const struct invocation *in)
{
	return run(in, "unhide", false, say_unhide);
}

int ctl_suspend(const struct invocation *in)
{
	return run(in, "suspend", true, say_suspend);
}

int ctl_unsuspend(const struct invocation *in)
{
	return run(in, "unsuspend", false, say_unsuspend);
}

int ctl_erase(const struct invocation *in)
{
	if (!ctl_sure(in, "What is erased is gone for good, at every node of the forum. Erase it?"))
		return EXIT_REFUSED;
	return run(in, "erase", false, say_erase);
}

/* ---- the list ---- */

static void list_print(const json_t *a, const char *name, const char *title, bool logged)
{
	const json_t *list = json_object_get(a, name), *row;
	struct buffer line = BUFFER_INIT;
	char when[24];
	size_t i;

	if (json_array_size(list) == 0)
		return;
	printf("%s\n", title);
	json_array_foreach(list, i, row)
	{
		struct bytes about = text_at(row, "about"), reason = text_at(row, "reason");

		buffer_reset(&line);
		buffer_printf(&line, "%s  ", time_local(when, number_at(row, "time")));
		if (logged)
			text_cut(&line, text_at(row, "what"), 12);
		buffer_add_str(&line, logged ? "  " : "");
		if (about.len == (size_t)2 * ID_LEN)
			about.len = 16;
		text_cut(&line, about, 170);
		buffer_add_str(&line, reason.len > 0 ? "  " : "");
		text_cut(&line, reason, 500);
		printf("  ");
		print_sentence(4, "%s", buffer_str(&line));
	}
	buffer_free(&line);
}

static void say_hidden(const json_t *a)
{
	list_print(a, "hidden", "Hidden from readers:", false);
	list_print(a, "suspended", "Suspended:", false);
	list_print(a, "uncarried", "Not carried (carry = no in the configuration):", false);
	if (json_array_size(json_object_get(a, "hidden")) == 0 &&
	    json_array_size(json_object_get(a, "suspended")) == 0 &&
	    json_array_size(json_object_get(a, "uncarried")) == 0)
		printf("Nothing is hidden, and nobody is suspended.\n");
	list_print(a, "log", "What was done:", true);
}

int ctl_hidden(const struct invocation *in)
{
	static const char *const argv[] = {"hidden", "--log"};

	return daemon_run(in, option_given(in, "log") ? 2 : 1, argv, say_hidden);
}
