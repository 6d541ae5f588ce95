/* SPDX-License-Identifier: BSD-2-Clause */
/* The config in force as text, and whether two of them differ where it matters. */
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "conf/schema.h"

/* In double quotes libconfuse knows \ and ${NAME}; anything else stands for itself. */
static void print_string(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if (strchr("\"\\$", *text))
			putc('\\', to);
		putc(*text, to);
	}
	putc('"', to);
}

static void print_listen(FILE *to, const struct conf *conf, const struct option_schema *option)
{
	size_t *count;
	struct conf_address *const *list = listen_of((struct conf *)conf, option, &count);

	putc('{', to);
	for (size_t i = 0; i < *count; i++) {
		fputs(i > 0 ? ", " : "", to);
		print_string(to, (*list)[i].text);
	}
	putc('}', to);
}

/* False: the option has no value, which is said by leaving it out. */
static bool has_value(const struct option_schema *option, const void *field)
{
	if (option->type == TYPE_ADDRESS)
		return ((const struct conf_address *)field)->text[0] != '\0';
	return !type_is_string(option->type) || *(char *const *)field != NULL;
}

static void print_option(
    FILE *to, const struct conf *conf, const struct option_schema *option, const void *base)
{
	const void *field = (const char *)base + option->offset;
	char key[VERIFIER_TEXT_MAX + 1];

	if (!has_value(option, field))
		return;
	fprintf(to, "\t%s = ", option->name);
	switch (option->type) {
	case TYPE_LISTEN:
		print_listen(to, conf, option);
		break;
	case TYPE_ADDRESS:
		print_string(to, ((const struct conf_address *)field)->text);
		break;
	case TYPE_NUMBER:
		fprintf(to, "%u", *(const unsigned *)field);
		break;
	case TYPE_LEVEL:
		print_string(to, level_name(*(const enum log_level *)field));
		break;
	case TYPE_KEY:
		verifier_format(key, field);
		print_string(to, key);
		break;
	case TYPE_YESNO:
		fputs(*(const bool *)field ? "yes" : "no", to);
		break;
	default:
		assert(type_is_string(option->type));
		print_string(to, *(char *const *)field);
		break;
	}
	putc('\n', to);
}

static void print_block(FILE *to, const struct conf *conf, enum conf_section section,
    const char *title, const void *base)
{
	fputs(section_table[section].name, to);
	if (title) {
		putc(' ', to);
		print_string(to, title);
	}
	fputs(" {\n", to);
	for (size_t i = 0; i < option_count; i++)
		if (option_table[i].section == section)
			print_option(to, conf, &option_table[i], base);
	fputs("}\n", to);
}

int conf_print(FILE *to, const struct conf *conf)
{
	print_block(to, conf, SECTION_NODE, NULL, conf);
	print_block(to, conf, SECTION_LIMITS, NULL, conf);
	print_block(to, conf, SECTION_LOG, NULL, conf);
	if (section_present(conf, SECTION_WEB))
		print_block(to, conf, SECTION_WEB, NULL, conf);
	if (section_present(conf, SECTION_NNTP))
		print_block(to, conf, SECTION_NNTP, NULL, conf);
	for (size_t i = 0; i < conf->peer_count; i++)
		print_block(to, conf, SECTION_PEER, conf->peers[i].name, &conf->peers[i]);
	for (size_t i = 0; i < conf->origin_count; i++)
		print_block(to, conf, SECTION_ORIGIN, conf->origins[i].name, &conf->origins[i]);
	return fflush(to) == 0 && !ferror(to) ? OK : ERR_IO;
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool listen_equal(
    const struct option_schema *option, const struct conf *a, const struct conf *b)
{
	size_t *m, *n;
	struct conf_address *const *x = listen_of((struct conf *)a, option, &m);
	struct conf_address *const *y = listen_of((struct conf *)b, option, &n);

	if (*m != *n)
		return false;
	for (size_t i = 0; i < *m; i++)
		if (strcmp((*x)[i].text, (*y)[i].text) != 0)
			return false;
	return true;
}

static bool option_equal(
    const struct option_schema *option, const struct conf *a, const struct conf *b)
{
	const void *x = (const char *)a + option->offset, *y = (const char *)b + option->offset;

	switch (option->type) {
	case TYPE_LISTEN:
		return listen_equal(option, a, b);
	case TYPE_ADDRESS:
		return strcmp(((const struct conf_address *)x)->text,
			   ((const struct conf_address *)y)->text) == 0;
	case TYPE_NUMBER:
		return *(const unsigned *)x == *(const unsigned *)y;
	case TYPE_LEVEL:
		return *(const enum log_level *)x == *(const enum log_level *)y;
	case TYPE_KEY:
		return verifier_equal(x, y);
	case TYPE_YESNO:
		return *(const bool *)x == *(const bool *)y;
	default:
		assert(type_is_string(option->type));
		return text_equal(*(char *const *)x, *(char *const *)y);
	}
}

/* With its files TLS comes or goes, and a port speaks it from its opening on, or never. */
static bool file_comes_or_goes(
    const struct option_schema *option, const struct conf *a, const struct conf *b)
{
	const void *x = (const char *)a + option->offset, *y = (const char *)b + option->offset;

	return option->type == TYPE_PATH && !*(char *const *)x != !*(char *const *)y;
}

bool conf_reloadable(const struct conf *old, const struct conf *new, const char **what)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option_schema *option = &option_table[i];

		/* Peers and origins are compared by the daemon, one by one; all of them reload. */
		if (section_table[option->section].title)
			continue;
		if (option->scope == SCOPE_RELOAD ? !file_comes_or_goes(option, old, new)
						  : option_equal(option, old, new))
			continue;
		if (what)
			*what = option->full;
		return false;
	}
	return true;
}
