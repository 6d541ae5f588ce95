/* SPDX-License-Identifier: BSD-2-Clause */
/* Command lines from tables: the table that runs a command also checks its words and writes its
 * help.
 *
 * Main thread. Every command has --json and --help without saying so. */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <stdbool.h>

struct option_spec {
	const char *name;  /* without the dashes; NULL ends a table */
	char letter;       /* 0: none */
	const char *value; /* "FILE" or "one|two", as help shows it; NULL: a flag */
	const char *help;
};

struct invocation;

struct command {
	const char *name; /* one word, or several: "charter draft"; NULL ends a table */
	const char
	    *operands; /* as help shows them: "THREAD|POST", or ""; completed by these names */
	int min, max;  /* how many; max < 0: any number */
	const char *summary;                     /* one line without full stop, for the list */
	const char *details;                     /* further lines for its own help; NULL: none */
	const struct option_spec *options;       /* NULL: none of its own */
	int (*run)(const struct invocation *in); /* returns an exit code (client/output.h) */
};

struct candidates; /* client/complete.h */
struct invocation;

struct program {
	const char *name, *purpose; /* "convene", "take part in a forum" */
	const struct command *commands;
	const struct option_spec
	    *options;       /* good with every command, before or after its name; NULL: none */
	const char *footer; /* ends the list of commands; NULL: nothing */
	/* Offer the words for an operand or a value of this kind ("TOPIC"), for completion; asks no
	 * node and nobody, and says nothing. NULL: none are known. */
	void (*offer)(struct candidates *c, const char *kind);
	/* What the name alone does, instead of printing the help, where `alone_fit` says that it
	 * can; NULL: nothing. */
	bool (*alone_fit)(void);
	int (*alone)(const struct invocation *in);
};

#define OPTIONS_GIVEN_MAX 64

struct invocation {
	const struct program *program;
	const struct command *command;
	bool json;
	int count;       /* operands */
	char **operands; /* NULL-terminated */
	struct {
		const struct option_spec *spec;
		const char *value;
	} given[OPTIONS_GIVEN_MAX];
	int given_count;
};

/* Find the command, check its words, run it, and flush. Returns the exit code. `--help`, `help`,
 * `help COMMAND` and
 * `--version` are answered here, and `complete` (client/complete.h). */
int program_run(const struct program *p, int argc, char **argv);

bool option_given(const struct invocation *in, const char *name);
/* The last value given; NULL: none. */
const char *option_value(const struct invocation *in, const char *name);
/* All values in order: start with *pos = 0; NULL at the end. */
const char *option_next(const struct invocation *in, const char *name, int *pos);

/* The options of every command. */
extern const struct option_spec options_common[];
/* The command whose words begin `argv`, which ends with NULL; the longest wins. `*words` is how
 * many it took. */
const struct command *command_find(const struct program *p, char **argv, int *words);

/* Print the help of one command, or the list of all, to standard output. */
void program_help(const struct program *p, const struct command *command);

#endif
