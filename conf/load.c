/* SPDX-License-Identifier: BSD-2-Clause */
/* libconfuse, run once over each statement.
 *
 * To libconfuse every option is a list of strings, so no value of the wrong type or number ends its
 * parse; a callback keeps each value with its line, and build.c judges them. What does end the
 * parse is mended and the statement parsed again: an unknown option is learned (and reported later,
 * at each place where it stands), a title too many or too few is accepted, and a line with a syntax
 * error is blanked. Every such round reports one mistake more, so that the limit on errors bounds
 * the rounds too. */
#include <confuse.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "conf/parse.h"

/* libconfuse tells what went wrong by these formats alone. They are its msgids, untranslated
 * because the parse runs in the C locale; were one to change, its mistake would count as a syntax
 * error. */
#define MSG_UNKNOWN "no such option '%s'"
#define MSG_NO_EQUALS "missing equal sign after option '%s'"
#define MSG_NO_TITLE "missing title for section '%s'"
#define MSG_NO_BRACE "missing opening brace for section '%s'"
#define MSG_UNEXPECTED "unexpected token '%s'"

enum failure {
	FAIL_NONE,
	FAIL_UNKNOWN,
	FAIL_NO_EQUALS,
	FAIL_NO_TITLE,
	FAIL_NO_BRACE,
	FAIL_UNEXPECTED,
	FAIL_OTHER
};

struct words {
	char **list;
	size_t count;
};

struct run {
	const struct scan *scan;
	const struct statement *statement;
	struct conf_errors *errors;
	char *text;          /* of the statement, as mended so far */
	struct words loose;  /* unknown names learned outside of a block */
	struct words inside; /* and in it */
	bool flip_titles;    /* titled sections are declared untitled, and the reverse */
	unsigned blanked;    /* the last line that was; 0: none */
	bool broken;

	/* What the last parse found. */
	struct block outer, block;
	bool nomem;
	enum failure failure;
	bool at_root; /* the failure was outside of the block */
	unsigned line;
	char *detail;
};

/* Callbacks get no pointer of ours; nor could two parses run at once, the lexer being static too.
 */
static struct run *current;

static bool words_add(struct words *words, const char *word)
{
	char **list = realloc(words->list, (words->count + 1) * sizeof *list);

	if (!list)
		return false;
	words->list = list;
	list[words->count] = strdup(word);
	return list[words->count] && ++words->count;
}

static bool words_have(const struct words *words, const char *word)
{
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->list[i], word) == 0)
			return true;
	return false;
}

static void words_free(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->list[i]);
	free(words->list);
}

static void block_clear(struct block *block)
{
	for (size_t i = 0; i < block->count; i++) {
		free(block->items[i].name);
		free(block->items[i].value);
	}
	free(block->items);
	free(block->title);
	*block = (struct block){.section = SECTIONS};
}

static bool in_root(const cfg_t *cfg)
{
	return strcmp(cfg->name, "root") == 0;
}

static unsigned line_of(const struct run *run, const cfg_t *cfg)
{
	return run->statement->line + (unsigned)cfg->line - 1;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct run *run = current;
	struct block *block = in_root(cfg) ? &run->outer : &run->block;
	struct item item = {.line = line_of(run, cfg), .append = opt->nvalues > 1};
	struct item *items = block->items;

	if ((block->count & (block->count - 1)) == 0)
		items = realloc(items, (block->count ? block->count * 2 : 1) * sizeof *items);
	if (items)
		block->items = items;
	item.option = option_find(section_find(cfg->name), opt->name);
	item.name = strdup(opt->name);
	item.value = strdup(value);
	for (size_t i = 0; i < run->scan->spoiled_count; i++)
		item.bad |= run->scan->spoiled[i] == item.line;
	if (!items || !item.name || !item.value) {
		free(item.name);
		free(item.value);
		run->nomem = true;
		return -1;
	}
	items[block->count++] = item;
	*(const char **)result = value;
	return 0;
}

/* The last line, up to `until`, on which the option's name stands; for when libconfuse only tells
 * what came after it, or nothing. */
static unsigned name_line(const struct run *run, const char *name, unsigned until)
{
	unsigned line = run->statement->line, found = 0;
	size_t len = strlen(name);
	const char *around = " \t\r\n\"'{}=+,";

	for (const char *p = run->text; *p && line <= until; p++) {
		if (strncmp(p, name, len) == 0 && (p == run->text || strchr(around, p[-1])) &&
		    strchr(around, p[len]))
			found = line;
		line += *p == '\n';
	}
	return found ? found : until;
}

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	static const char *const formats[] = {
	    [FAIL_UNKNOWN] = MSG_UNKNOWN,
	    [FAIL_NO_EQUALS] = MSG_NO_EQUALS,
	    [FAIL_NO_TITLE] = MSG_NO_TITLE,
	    [FAIL_NO_BRACE] = MSG_NO_BRACE,
	    [FAIL_UNEXPECTED] = MSG_UNEXPECTED,
	};
	struct run *run = current;

	if (run->failure != FAIL_NONE)
		return;
	run->failure = FAIL_OTHER;
	run->at_root = in_root(cfg);
	run->line = line_of(run, cfg);
	for (int f = FAIL_UNKNOWN; f < FAIL_OTHER; f++)
		if (strcmp(fmt, formats[f]) == 0)
			run->failure = (enum failure)f;
	if (run->failure != FAIL_OTHER)
		run->detail = strdup(va_arg(ap, const char *));
	else if (vasprintf(&run->detail, fmt, ap) < 0)
		run->detail = NULL;
	if (!run->detail)
		run->nomem = true;
	else if (run->failure == FAIL_NO_EQUALS)
		run->line = name_line(run, run->detail, run->line);
}

/* The schema and the words learned, in libconfuse's terms. */
static void describe(const struct run *run, cfg_opt_t *root, cfg_opt_t *options)
{
	for (int s = 0; s < SECTIONS; s++) {
		const struct section_schema *section = &section_table[s];
		cfg_opt_t *first = options;
		bool titled = (section->title != NULL) != run->flip_titles;

		for (size_t i = 0; i < option_count; i++)
			if ((int)option_table[i].section == s)
				*options++ = (cfg_opt_t)CFG_STR_LIST_CB(
				    option_table[i].name, 0, CFGF_NODEFAULT, on_value);
		for (size_t i = 0; i < run->inside.count; i++)
			if (!option_find((enum conf_section)s, run->inside.list[i]))
				*options++ = (cfg_opt_t)CFG_STR_LIST_CB(
				    run->inside.list[i], 0, CFGF_NODEFAULT, on_value);
		*options++ = (cfg_opt_t)CFG_END();
		*root++ = (cfg_opt_t)CFG_SEC(
		    section->name, first, CFGF_MULTI | (titled ? CFGF_TITLE : 0));
	}
	for (size_t i = 0; i < run->loose.count; i++)
		*root++ = (cfg_opt_t)CFG_STR_LIST_CB(
		    run->loose.list[i], 0, CFGF_NODEFAULT, on_value);
	*root = (cfg_opt_t)CFG_END();
}

/* Which block was opened, and whether an option in it was given an empty list, of which no callback
 * tells. */
static void take_block(struct run *run, cfg_t *cfg)
{
	for (int s = 0; s < SECTIONS; s++) {
		cfg_opt_t *opt = cfg_getopt(cfg, section_table[s].name);
		cfg_t *section = cfg_opt_size(opt) > 0 ? cfg_opt_getnsec(opt, 0) : NULL;

		if (!section)
			continue;
		run->block.section = (enum conf_section)s;
		run->block.line = run->statement->block_line;
		if (cfg_title(section)) {
			run->block.title = strdup(cfg_title(section));
			run->nomem |= !run->block.title;
		}
		for (opt = section->opts; opt->name && run->failure == FAIL_NONE; opt++) {
			if (!(opt->flags & CFGF_MODIFIED) || cfg_opt_size(opt) > 0)
				continue;
			run->broken = true;
			error_add(run->errors,
			    name_line(run, opt->name, run->statement->close_line),
			    "%s.%s: the list is empty; write at least one value, or leave the "
			    "option out",
			    section_table[s].name, opt->name);
		}
	}
}

static void parse_once(struct run *run)
{
	size_t slots = option_count + SECTIONS * (run->inside.count + 1);
	cfg_opt_t *options = calloc(slots, sizeof *options);
	cfg_opt_t *root = calloc(SECTIONS + run->loose.count + 1, sizeof *root);
	cfg_t *cfg = NULL;

	block_clear(&run->outer);
	block_clear(&run->block);
	free(run->detail);
	run->detail = NULL;
	run->failure = FAIL_NONE;
	run->line = run->statement->block_line ? run->statement->block_line : run->statement->line;
	if (options && root) {
		describe(run, root, options);
		cfg = cfg_init(root, CFGF_NONE);
	}
	if (!cfg) {
		run->nomem = true;
	} else {
		cfg_set_error_function(cfg, on_error);
		/* An empty name is refused without a word. */
		if (cfg_parse_buf(cfg, run->text) != CFG_SUCCESS && run->failure == FAIL_NONE)
			run->failure = FAIL_OTHER;
		take_block(run, cfg);
		cfg_free(cfg);
	}
	free(options);
	free(root);
}

static void report_syntax(struct run *run)
{
	const char *what = run->detail ? run->detail : "an option has no name";

	if (error_on_line(run->errors, run->line))
		return;
	if (run->failure == FAIL_UNKNOWN)
		error_add(run->errors, run->line, "unknown option %s; remove it", what);
	else if (run->failure == FAIL_NO_EQUALS)
		error_add(run->errors, run->line,
		    "%s is not followed by =; an option is written NAME = VALUE, a list NAME = "
		    "{VALUE, VALUE}, and blocks do not hold blocks",
		    what);
	else if (run->failure == FAIL_UNEXPECTED && strcmp(what, "=") == 0)
		error_add(run->errors, run->line,
		    "= is not expected here; the option before it has no value: write NAME = VALUE "
		    "for each");
	else if (run->failure == FAIL_UNEXPECTED)
		error_add(run->errors, run->line,
		    "'%s' is not expected here; an option is written NAME = VALUE, a list NAME = "
		    "{VALUE, VALUE}, and text with other signs than A-Z a-z 0-9 . - _ / : in "
		    "double quotes",
		    what);
	else
		error_add(run->errors, run->line,
		    "%s; see convened.conf(5) for how options are written", what);
}

/* Blank the line of a syntax error, if the statement without it can still make sense. */
static bool blank_line(struct run *run)
{
	char *at = run->text;
	int open = 0;

	if (run->line <= run->statement->open_line || run->line >= run->statement->close_line)
		return false;
	/* After a forgotten value, each line would look wrong because of the one before. */
	if (run->failure == FAIL_UNEXPECTED && run->blanked > 0 && run->line == run->blanked + 1)
		return false;
	for (unsigned line = run->statement->line; line < run->line; line++)
		if (!(at = strchr(at, '\n')) || !*++at)
			return false;
	for (size_t i = 0, len = strcspn(at, "\n"); i < len; i++)
		open += (at[i] == '{') - (at[i] == '}');
	if (open != 0 || strcspn(at, "\n") == strspn(at, " "))
		return false;
	memset(at, ' ', strcspn(at, "\n"));
	run->blanked = run->line;
	return true;
}

/* Deal with what ended a parse. True: parse again. */
static bool mend(struct run *run)
{
	struct words *words = run->at_root ? &run->loose : &run->inside;
	const char *guess;
	bool cascade;

	switch (run->failure) {
	case FAIL_NONE:
		return false;
	case FAIL_UNKNOWN:
		/* With | or = in it, libconfuse takes a name for a path of names. */
		if (strpbrk(run->detail, "|=") || words_have(words, run->detail))
			break;
		/* One more than will be reported, so that the reader is told of more. */
		if (words->count > ERRORS_MAX) {
			run->broken = true;
			return false;
		}
		if (words_add(words, run->detail))
			return true;
		run->nomem = true;
		return false;
	case FAIL_NO_TITLE:
	case FAIL_NO_BRACE:
		if (run->flip_titles || !run->at_root)
			break;
		if (run->failure == FAIL_NO_TITLE)
			error_add(run->errors, run->line,
			    "%s needs a title between its name and its brace, %s: write %s "
			    "\"ripe.example\" { ... }",
			    run->detail, section_table[section_find(run->detail)].title,
			    run->detail);
		else
			error_add(run->errors, run->line,
			    "only a brace may follow %s: write %s { ... }", run->detail,
			    run->detail);
		run->flip_titles = true;
		return true;
	case FAIL_NO_EQUALS:
		if (run->at_root && run->statement->block_line > 0) {
			guess = section_guess(run->detail);
			error_add(run->errors, run->line,
			    "unknown block %s, not checked; %s%s. Blocks are node, limits, log, "
			    "web, nntp, peer and origin",
			    run->detail, guess ? "perhaps meant to be " : "remove it",
			    guess ? guess : "");
			run->broken = true;
			return false;
		}
		break;
	case FAIL_UNEXPECTED:
	case FAIL_OTHER:
		break;
	}
	run->broken = true;
	cascade = run->failure == FAIL_UNEXPECTED && run->blanked > 0 &&
		  run->line == run->blanked + 1;
	if (!cascade)
		report_syntax(run);
	return blank_line(run) && !errors_full(run->errors);
}

static bool blocks_push(struct blocks *blocks, struct block *block)
{
	struct block *list = blocks->list;

	if ((blocks->count & (blocks->count - 1)) == 0) {
		list = realloc(list, (blocks->count ? blocks->count * 2 : 1) * sizeof *list);
		if (!list)
			return false;
		blocks->list = list;
	}
	list[blocks->count++] = *block;
	*block = (struct block){.section = SECTIONS};
	return true;
}

static bool load_statement(struct blocks *out, const struct scan *scan, const struct statement *st,
    struct conf_errors *errors)
{
	struct run run = {
	    .scan = scan, .statement = st, .errors = errors, .broken = st->missing > 0};
	size_t len = st->end - st->start;
	bool ok = false;

	run.outer.section = run.block.section = SECTIONS;
	run.text = malloc(len + st->missing + 1);
	if (!run.text)
		return false;
	memcpy(run.text, scan->text + st->start, len);
	memset(run.text + len, '}', st->missing);
	run.text[len + st->missing] = '\0';
	current = &run;
	do
		parse_once(&run);
	while (!run.nomem && mend(&run));
	current = NULL;
	if (!run.nomem) {
		run.block.broken = run.broken;
		/* A block that could not be entered leaves its mark outside: it isn't missing. */
		run.outer.broken = run.broken && run.block.section == SECTIONS;
		ok = (run.block.section == SECTIONS || blocks_push(out, &run.block)) &&
		     ((run.outer.count == 0 && !run.outer.broken) || blocks_push(out, &run.outer));
	}
	block_clear(&run.outer);
	block_clear(&run.block);
	words_free(&run.loose);
	words_free(&run.inside);
	free(run.detail);
	free(run.text);
	return ok;
}

int blocks_load(struct blocks *out, const struct scan *scan, struct conf_errors *errors)
{
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before;
	bool ok = true;

	*out = (struct blocks){NULL, 0};
	if (!plain)
		return ERR_NOMEM;
	before = uselocale(plain);
	for (size_t i = 0; i < scan->count && ok && !errors_full(errors); i++)
		ok = load_statement(out, scan, &scan->list[i], errors);
	uselocale(before);
	freelocale(plain);
	return ok && !errors->nomem ? OK : ERR_NOMEM;
}

void blocks_free(struct blocks *blocks)
{
	for (size_t i = 0; i < blocks->count; i++)
		block_clear(&blocks->list[i]);
	free(blocks->list);
	*blocks = (struct blocks){NULL, 0};
}
