/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/complete.h"
#include "client/output.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

#define SPECS_MAX 40
#define HELP_COLUMN 24

const struct option_spec options_common[] = {
    {"json", 0, NULL, "answer as JSON, for programs"},
    {"help", 'h', NULL, "say what this command takes"},
    {NULL, 0, NULL, NULL},
};

/* The options that are good at one place, in getopt's form and in ours. */
struct specs {
	const struct option_spec *spec[SPECS_MAX];
	struct option longs[SPECS_MAX + 1];
	char letters[2 * SPECS_MAX + 3];
	size_t count;
};

static void specs_add(struct specs *s, const struct option_spec *table)
{
	size_t at = strlen(s->letters);

	for (; table && table->name && s->count < SPECS_MAX; table++) {
		s->longs[s->count] = (struct option){
		    table->name, table->value ? required_argument : no_argument, NULL, 0};
		s->spec[s->count++] = table;
		if (table->letter) {
			s->letters[at++] = table->letter;
			if (table->value)
				s->letters[at++] = ':';
		}
	}
}

static const struct option_spec *spec_by_letter(const struct specs *s, int letter)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->spec[i]->letter == letter)
			return s->spec[i];
	return NULL;
}

/* Read options up to the first operand (`all` false) or all of them. Returns 0 and where the
 * operands begin in `*rest`, or an exit code. */
static int options_read(
    struct invocation *in, struct specs *s, int argc, char **argv, bool all, int *rest)
{
	const char *command = in->command ? in->command->name : NULL;
	int c, at = 0;

	optind = 0; /* glibc: begin anew, whatever was scanned before */
	opterr = 0;
	while ((c = getopt_long(argc, argv, s->letters, s->longs, &at)) != -1) {
		const struct option_spec *spec = c == 0                 ? s->spec[at]
						 : c == '?' || c == ':' ? NULL
									: spec_by_letter(s, c);

		if (c == ':')
			return complain_usage(
			    in->program->name, command, "%s wants a value", argv[optind - 1]);
		if (!spec) {
			const char *word = optopt ? NULL : argv[optind - 1];

			if (word)
				return complain_usage(in->program->name, command,
				    "there is no option %s%s", word, command ? " here" : "");
			return complain_usage(in->program->name, command,
			    "there is no option -%c%s", optopt, command ? " here" : "");
		}
		if (in->given_count == OPTIONS_GIVEN_MAX)
			return complain_usage(in->program->name, command,
			    "that is more options than %d", OPTIONS_GIVEN_MAX);
		in->given[in->given_count].spec = spec;
		in->given[in->given_count++].value = spec->value ? optarg : "";
		if (all && strcmp(spec->name, "help") == 0)
			break;
	}
	*rest = optind;
	return 0;
}

bool option_given(const struct invocation *in, const char *name)
{
	return option_value(in, name) != NULL;
}

const char *option_value(const struct invocation *in, const char *name)
{
	for (int i = in->given_count; i-- > 0;)
		if (strcmp(in->given[i].spec->name, name) == 0)
			return in->given[i].value;
	return NULL;
}

const char *option_next(const struct invocation *in, const char *name, int *pos)
{
	while (*pos < in->given_count) {
		int i = (*pos)++;

		if (strcmp(in->given[i].spec->name, name) == 0)
			return in->given[i].value;
	}
	return NULL;
}

/* ---- help ---- */

static void help_row(const char *left, const char *right)
{
	if (strlen(left) > HELP_COLUMN - 2)
		printf("  %s\n  %*s", left, HELP_COLUMN, "");
	else
		printf("  %-*s", HELP_COLUMN, left);
	print_sentence(HELP_COLUMN + 2, "%s", right);
}

static bool option_in(const struct option_spec *o, const char *name)
{
	while (o && o->name && strcmp(o->name, name) != 0)
		o++;
	return o && o->name;
}

/* But those that `own` has under the same name. */
static void help_options(const struct option_spec *o, const struct option_spec *own)
{
	char left[80];

	for (; o && o->name; o++) {
		if (option_in(own, o->name))
			continue;
		if (o->letter)
			snprintf(left, sizeof left, "-%c, --%s%s%s", o->letter, o->name,
			    o->value ? " " : "", o->value ? o->value : "");
		else
			snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "",
			    o->value ? o->value : "");
		help_row(left, o->help);
	}
}

void program_help(const struct program *p, const struct command *command)
{
	if (command) {
		print_sentence(0, "%s %s%s%s [options]: %s.", p->name, command->name,
		    command->operands[0] ? " " : "", command->operands, command->summary);
		if (command->details)
			printf("\n");
		if (command->details)
			print_block(bytes_str(command->details), 0);
		printf("\n");
		help_options(command->options, NULL);
		help_options(p->options, command->options);
		help_options(options_common, NULL);
		return;
	}
	printf("%s: %s.\n\n", p->name, p->purpose);
	for (const struct command *c = p->commands; c->name; c++) {
		char left[96];

		snprintf(
		    left, sizeof left, "%s%s%s", c->name, c->operands[0] ? " " : "", c->operands);
		help_row(left, c->summary);
	}
	printf("\n");
	help_options(p->options, NULL);
	help_options(options_common, NULL);
	printf("\n`%s COMMAND --help` says more about each.\n", p->name);
	if (p->footer)
		print_block(bytes_str(p->footer), 0);
}

/* ---- finding the command ---- */

const struct command *command_find(const struct program *p, char **argv, int *words)
{
	const struct command *best = NULL;

	*words = 0;
	for (const struct command *c = p->commands; c->name; c++) {
		const char *name = c->name;
		int n = 0;

		for (; *name && argv[n]; n++) {
			size_t len = strcspn(name, " ");

			if (strlen(argv[n]) != len || strncmp(argv[n], name, len) != 0)
				break;
			name += len;
			name += *name == ' ';
		}
		if (*name == '\0' && n > *words) {
			best = c;
			*words = n;
		}
	}
	return best;
}

static bool begins_with_word(const struct command *c, const char *word)
{
	size_t len = strlen(word);

	return strncmp(c->name, word, len) == 0 && c->name[len] == ' ';
}

/* "charter --help": the commands that begin so. False: none does. */
static bool group_help(const struct program *p, const char *word)
{
	bool found = false;

	for (const struct command *c = p->commands; c->name; c++) {
		char left[96];

		if (!begins_with_word(c, word))
			continue;
		found = true;
		snprintf(left, sizeof left, "%s %s", c->name, c->operands);
		help_row(left, c->summary);
	}
	if (found)
		printf("\n`%s %s … --help` says more about each.\n", p->name, word);
	return found;
}

static bool help_asked(char **argv)
{
	return argv[1] && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

/* "charter" alone: say which commands begin so. */
static int command_missing(const struct program *p, const char *word)
{
	struct buffer list = BUFFER_INIT;
	int code;

	for (const struct command *c = p->commands; c->name; c++)
		if (begins_with_word(c, word))
			buffer_printf(&list, "%s`%s %s`", list.len ? ", " : "", p->name, c->name);
	if (list.len)
		code = complain_usage(
		    p->name, NULL, "%s wants another word: %s", word, buffer_str(&list));
	else
		code = complain_usage(p->name, NULL, "there is no command %s", word);
	buffer_free(&list);
	return code;
}

static int command_run(struct invocation *in, int argc, char **argv)
{
	const struct program *p = in->program;
	const struct command *c = in->command;
	struct specs specs = {.letters = ":"};
	int code, rest;

	specs_add(&specs, c->options);
	specs_add(&specs, p->options);
	specs_add(&specs, options_common);
	code = options_read(in, &specs, argc, argv, true, &rest);
	if (code)
		return code;
	if (option_given(in, "help")) {
		program_help(p, c);
		return EXIT_DONE;
	}
	in->json = option_given(in, "json");
	in->operands = argv + rest;
	in->count = argc - rest;
	if (in->count < c->min)
		return complain_usage(p->name, c->name, "%s wants %s", c->name, c->operands);
	if (c->max >= 0 && in->count > c->max)
		return complain_usage(
		    p->name, c->name, "%s is one word too many", in->operands[c->max]);
	return c->run(in);
}

static void complete_print(const struct program *p, int count, char **words)
{
	struct buffer lines = BUFFER_INIT;

	complete(&lines, p, count, words);
	fwrite(buffer_str(&lines), 1, lines.len, stdout);
	buffer_free(&lines);
}

int program_run(const struct program *p, int argc, char **argv)
{
	static const struct option_spec version[] = {
	    {"version", 'V', NULL, ""}, {NULL, 0, NULL, NULL}};
	struct invocation in = {.program = p};
	struct specs specs = {.letters = "+:"};
	int code, rest, words;

	specs_add(&specs, p->options);
	specs_add(&specs, options_common);
	specs_add(&specs, version);
	code = options_read(&in, &specs, argc, argv, false, &rest);
	if (code)
		return code;
	argv += rest;
	argc -= rest;
	if (option_given(&in, "version")) {
		printf("%s %s\n", p->name, PACKAGE_VERSION);
		return output_finish(p->name, EXIT_DONE);
	}
	if (argc > 1 && strcmp(argv[0], "complete") == 0 && strcmp(argv[1], "--") == 0) {
		complete_print(p, argc - 2, argv + 2);
		return output_finish(p->name, EXIT_DONE);
	}
	if (argc == 0 && p->alone && !in.json && !option_given(&in, "help") && p->alone_fit())
		return output_finish(p->name, p->alone(&in));
	if (argc == 0 || (argc == 1 && strcmp(argv[0], "help") == 0)) {
		program_help(p, NULL);
		return output_finish(
		    p->name, argc == 1 || option_given(&in, "help") ? EXIT_DONE : EXIT_USAGE);
	}
	if (strcmp(argv[0], "help") == 0) {
		in.command = command_find(p, argv + 1, &words);
		if (!in.command)
			return group_help(p, argv[1]) ? output_finish(p->name, EXIT_DONE)
						      : command_missing(p, argv[1]);
		program_help(p, in.command);
		return output_finish(p->name, EXIT_DONE);
	}
	in.command = command_find(p, argv, &words);
	if (!in.command && help_asked(argv) && group_help(p, argv[0]))
		return output_finish(p->name, EXIT_DONE);
	if (!in.command)
		return command_missing(p, argv[0]);
	/* getopt takes the word before the operands for the program's name. */
	return output_finish(p->name, command_run(&in, argc - words + 1, argv + words - 1));
}
