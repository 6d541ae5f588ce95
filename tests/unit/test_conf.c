/* SPDX-License-Identifier: BSD-2-Clause */
/* The config file. Goldens are tests/unit/conf/NAME.conf: with a NAME.err beside it, just these
 * mistakes are reported ("LINE: message"); without one, it loads and what conf_print() writes loads
 * to the same. */
#include <errno.h>
#include <glob.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "conf/conf.h"
#include "conf/parse.h"

#define KEY_RIPE "ripe.example+dff050e3+AZbAy6/Im/MJgiq8UzIeSDHYk50F6sNlzvKgqa3QypUZ"
#define MINIMAL "node { name = \"isoc.example\" charter = \"/c\" }\n"

static char *source(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", srcdir ? srcdir : ".", name) > 0);
	return path;
}

/* NULL if there is no such file. */
static char *slurp(const char *path)
{
	struct buffer b = BUFFER_INIT;
	FILE *f = fopen(path, "r");
	char *text;
	int c;

	if (!f)
		return NULL;
	while ((c = getc(f)) != EOF)
		buffer_add_u8(&b, (uint8_t)c);
	fclose(f);
	text = strdup(buffer_str(&b));
	buffer_free(&b);
	return text;
}

static int parse(struct conf **out, const char *text, struct conf_errors *errors)
{
	return conf_parse(out, "/etc/convene/convened.conf", bytes_str(text), errors);
}

static struct conf *parse_good(const char *text)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *conf;
	int err = parse(&conf, text, &errors);

	conf_errors_print(stderr, &errors);
	assert_int_equal(err, OK);
	assert_non_null(conf);
	conf_errors_free(&errors);
	return conf;
}

static struct conf_errors parse_bad(const char *text)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *conf;

	assert_int_equal(parse(&conf, text, &errors), ERR_MALFORMED);
	assert_null(conf);
	assert_true(errors.count > 0);
	return errors;
}

static char *print(const struct conf *conf)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(conf_print(f, conf), OK);
	fclose(f);
	return text;
}

/* Printing, parsing and printing again gives the same text. */
static void assert_stable(const struct conf *conf)
{
	char *text = print(conf), *again;
	struct conf *copy = parse_good(text);

	again = print(copy);
	assert_string_equal(text, again);
	assert_true(conf_reloadable(conf, copy, NULL));
	conf_free(copy);
	free(again);
	free(text);
}

static void check_golden(const char *path)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct buffer got = BUFFER_INIT;
	struct conf *conf;
	char *expected_path = NULL, *expected;
	int err = conf_load(&conf, path, &errors);

	assert_true(
	    asprintf(&expected_path, "%.*s.err", (int)(strlen(path) - strlen(".conf")), path) > 0);
	expected = slurp(expected_path);
	for (size_t i = 0; i < errors.count; i++)
		buffer_printf(&got, "%u: %s\n", errors.list[i].line, errors.list[i].message);
	if (strcmp(buffer_str(&got), expected ? expected : "") != 0)
		print_error("%s reports:\n%s", path, buffer_str(&got));
	assert_string_equal(buffer_str(&got), expected ? expected : "");
	assert_int_equal(err, expected ? ERR_MALFORMED : OK);
	if (conf)
		assert_stable(conf);
	conf_free(conf);
	conf_errors_free(&errors);
	buffer_free(&got);
	free(expected);
	free(expected_path);
}

static void test_goldens(void **state)
{
	char *pattern = source("tests/unit/conf/*.conf");
	glob_t files;

	(void)state;
	assert_int_equal(glob(pattern, 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 10);
	for (size_t i = 0; i < files.gl_pathc; i++)
		check_golden(files.gl_pathv[i]);
	globfree(&files);
	free(pattern);
}

static void test_full(void **state)
{
	char *path = source("tests/unit/conf/full.conf");
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_load(&conf, path, &errors), OK);
	assert_string_equal(conf->file, path);
	assert_string_equal(conf->node.name, "isoc.example");
	assert_int_equal(conf->node.listen_count, 3);
	assert_string_equal(conf->node.listen[0].host, "::");
	assert_int_equal(conf->node.listen[1].port, 7655);
	assert_true(conf->node.listen[2].numeric);
	assert_string_equal(conf->node.address.text, "relay.isoc.example:7654");
	assert_false(conf->node.address.numeric);
	assert_string_equal(conf->node.data, "/srv/a \"b\" \\ $x ${HOME} # // \xc3\xa9");
	assert_string_equal(conf->node.keys, "/srv/'keys' ${HOME}");
	assert_string_equal(conf->node.control, "/run/c.sock");
	assert_non_null(strstr(conf->node.charter, "/tests/unit/conf/charters/forum.charter"));
	assert_int_equal(conf->node.charter[0], '/');
	assert_string_equal(conf->node.user, "convene");
	assert_string_equal(conf->node.signer_user, "keeper");
	assert_string_equal(conf->node.signer_data, "/srv/keeper");
	assert_int_equal(conf->limits.free_mib, 1000000);
	assert_int_equal(conf->log.level, LOG_LEVEL_DEBUG);
	assert_int_equal(conf->web.listen_count, 2);
	assert_int_equal(conf->web.listen[0].port, 443);
	assert_non_null(strstr(conf->web.key, "/tests/unit/conf/web/full.pem"));
	assert_string_equal(conf->web.user, "convene-web");
	assert_string_equal(conf->web.url, "http://[2001:db8::1]:8080");
	assert_string_equal(conf->web.operator, "Forum \"A\", Genève");
	assert_string_equal(conf->web.contact, "mailto:a+b@isoc.example");
	assert_int_equal(conf->web.processes, 3);
	assert_int_equal(conf->nntp.listen_count, 1);
	assert_string_equal(conf->nntp.user, "news");
	assert_int_equal(conf->nntp.connections_per_address, 1);
	assert_int_equal(conf->peer_count, 2);
	assert_string_equal(conf->peers[0].address.text, "[2001:db8::1]:7654");
	assert_string_equal(conf->peers[0].root.name, "ripe.example");
	assert_string_equal(conf->peers[1].name, "apnic.example");
	assert_string_equal(conf->peers[1].address.text, "");
	assert_int_equal(conf->origin_count, 3);
	assert_false(conf_carries(conf, "spam.example"));
	assert_true(conf_carries(conf, "ripe.example"));
	assert_true(conf_carries(conf, "elsewhere.example"));
	conf_free(conf);
	free(path);
}

/* ---- From the schema ---- */

static const char *good_value(const struct option_schema *o)
{
	switch (o->type) {
	case TYPE_ORG:
		return "isoc.example";
	case TYPE_LISTEN:
		return o->section == SECTION_WEB    ? "{\"[::]:443\"}"
		       : o->section == SECTION_NNTP ? "{\"[::]:563\"}"
						    : "{\"[::]:7654\"}";
	case TYPE_ADDRESS:
		return o->section == SECTION_PEER ? "ripe.example:7654" : "isoc.example:7654";
	case TYPE_PATH:
		return "/p";
	case TYPE_USER:
		return "convene";
	case TYPE_NUMBER:
		return o->preset;
	case TYPE_LEVEL:
		return "info";
	case TYPE_TARGET:
		return "stderr";
	case TYPE_KEY:
		return "\"" KEY_RIPE "\"";
	case TYPE_YESNO:
		return "yes";
	case TYPE_TEXT:
		return "\"Internet Society, Genève\"";
	case TYPE_SITE:
		return "https://forum.isoc.example";
	case TYPE_CONTACT:
		return "\"mailto:forum@isoc.example\"";
	}
	return NULL;
}

/* One mistake of each sort that its type can have; NULL ends. */
static const char *const *bad_values(const struct option_schema *o)
{
	static const char *const org[] = {
	    "isoc", "ISOC.example", "\"isoc example\"", "\"\"", "\"a.\\x01\"", NULL};
	static const char *const listen[] = {
	    "{\"[::]\"}", "{name:1}", "{\"[::]:99999\"}", "{}", NULL};
	static const char *const address[] = {"host", "host:", "host:0", "\":1\"", "a_b:1",
	    "2001:db8::1:7654", "0.0.0.0:1", "1.2.3.400:1", "a..b:1", NULL};
	static const char *const path[] = {"\"\"", "\"/a\\n\"", "\"/\\xff\"", NULL};
	static const char *const user[] = {"0", "\"\"", "Convene", "\"a b\"", NULL};
	static const char *const number[] = {
	    "many", "-1", "1.5", "4294967296", "99999999999999999999", "\"\"", "01", NULL};
	static const char *const level[] = {"loud", "INFO", "2", "\"\"", NULL};
	static const char *const target[] = {"sterr", "\"\"", "file", NULL};
	static const char *const key[] = {"x", "\"\"", "\"ripe.example+dff050e3+\"",
	    "\"ripe.example+dff050e4+AZbAy6/Im/MJgiq8UzIeSDHYk50F6sNlzvKgqa3QypUZ\"",
	    "\"ripe.example+DFF050E3+AZbAy6/Im/MJgiq8UzIeSDHYk50F6sNlzvKgqa3QypUZ\"",
	    "\"ripe.example+dff050e3+AZbAy6/Im/MJgiq8UzIeSDHYk50F6sNlzvKgqa3QypUZAA==\"",
	    "\"apnic.example+b988a333+AY58EM/N3ZMPO1idbIWSQGTYpdMq8tLRN0+oI8Eb9V9C\"", NULL};
	static const char *const yesno[] = {"maybe", "1", "\"\"", NULL};
	static const char *const text[] = {"\"\"", "\"a\\nb\"", "\"\\xff\"", NULL};
	static const char *const site[] = {"forum.isoc.example", "\"\"", "https://",
	    "https://a.example/forum", "https://a.example:0", "https://a.example:x",
	    "https://a.example:", "ftp://a.example", "\"https://a b\"", "https://A.example",
	    "\"https://[::g]\"", "\"https://a@b.example\"", "https://1.2.3.400", NULL};
	static const char *const contact[] = {"\"javascript:alert(1)\"", "\"\"",
	    "mailto:", "mailto:nobody", "\"forum@isoc.example\"", "\"https://a.example/\\\"><b>\"",
	    NULL};
	static const char *const *const all[] = {
	    [TYPE_ORG] = org,
	    [TYPE_LISTEN] = listen,
	    [TYPE_ADDRESS] = address,
	    [TYPE_PATH] = path,
	    [TYPE_USER] = user,
	    [TYPE_NUMBER] = number,
	    [TYPE_LEVEL] = level,
	    [TYPE_TARGET] = target,
	    [TYPE_KEY] = key,
	    [TYPE_YESNO] = yesno,
	    [TYPE_TEXT] = text,
	    [TYPE_SITE] = site,
	    [TYPE_CONTACT] = contact,
	};

	return all[o->type];
}

enum variant { VALUE, MISSPELT, TWICE, NO_EQUALS, LEFT_OUT, ALL_BAD };

/* A config with every option, one to a line, all good but `wrong` (NULL: none). The line of it, or
 * of its block when it is left out. `lines`, if not NULL, takes the line of each option. */
static unsigned write_config(struct buffer *b, const struct option_schema *wrong,
    enum variant variant, const char *value, unsigned *lines)
{
	unsigned line = 1, found = 0;

	for (int s = 0; s < SECTIONS; s++) {
		const char *title = s == SECTION_PEER     ? " \"ripe.example\""
				    : s == SECTION_ORIGIN ? " spam.example"
							  : "";
		unsigned block = line++;

		buffer_printf(b, "%s%s { # block\n", section_table[s].name, title);
		for (size_t i = 0; i < option_count; i++) {
			const struct option_schema *o = &option_table[i];

			if ((int)o->section != s)
				continue;
			if (o == wrong && variant == LEFT_OUT) {
				found = block;
				continue;
			}
			if (lines)
				lines[i] = line;
			if (o == wrong)
				found = line;
			line++;
			if (o == wrong && variant == MISSPELT)
				buffer_printf(b, "\t%s%c = %s\n", o->name,
				    o->name[strlen(o->name) - 1], good_value(o));
			else if (o == wrong && variant == NO_EQUALS)
				buffer_printf(b, "\t%s %s\n", o->name, good_value(o));
			else if (variant == ALL_BAD)
				buffer_printf(
				    b, "\t%s = %s /* bad */\n", o->name, bad_values(o)[0]);
			else
				buffer_printf(b, "\t%s = %s\n", o->name,
				    o == wrong && variant == VALUE ? value : good_value(o));
			if (o == wrong && variant == TWICE) {
				buffer_printf(b, "\t%s = %s\n", o->name, good_value(o));
				found = line++;
			}
		}
		buffer_add_str(b, "}\n");
		line++;
	}
	return found;
}

static void assert_one_error(
    const struct option_schema *o, enum variant variant, const char *value, const char *needle)
{
	struct buffer b = BUFFER_INIT;
	unsigned line = write_config(&b, o, variant, value, NULL);
	struct conf_errors errors = parse_bad(buffer_str(&b));

	if (errors.count != 1 || errors.list[0].line != line ||
	    !strstr(errors.list[0].message, needle)) {
		print_error("expected one error on line %u with '%s' (%s = %s):\n", line, needle,
		    o->full, value);
		conf_errors_print(stderr, &errors);
	}
	assert_int_equal(errors.count, 1);
	assert_int_equal(errors.list[0].line, line);
	assert_non_null(strstr(errors.list[0].message, needle));
	conf_errors_free(&errors);
	buffer_free(&b);
}

static void test_mistake_in_every_option(void **state)
{
	struct buffer b = BUFFER_INIT;

	(void)state;
	write_config(&b, NULL, VALUE, NULL, NULL);
	conf_free(parse_good(buffer_str(&b)));
	buffer_free(&b);
	for (size_t i = 0; i < option_count; i++) {
		const struct option_schema *o = &option_table[i];

		for (const char *const *bad = bad_values(o); *bad; bad++)
			assert_one_error(o, VALUE, *bad, o->full);
		assert_one_error(o, MISSPELT, "-", "did you mean");
		assert_one_error(o, TWICE, "-", "set again");
		assert_one_error(o, NO_EQUALS, "-", "is not followed by =");
		if (o->type != TYPE_LISTEN)
			assert_one_error(o, VALUE, "{a, b}", "one value");
		if (o->required)
			assert_one_error(o, LEFT_OUT, "-", "is missing");
	}
}

static void test_mistakes_in_all_options(void **state)
{
	struct buffer b = BUFFER_INIT;
	struct conf_errors errors;
	unsigned lines[OPTIONS_MAX];

	(void)state;
	assert_true(option_count <= OPTIONS_MAX);
	write_config(&b, NULL, ALL_BAD, NULL, lines);
	errors = parse_bad(buffer_str(&b));
	assert_int_equal(errors.count, option_count);
	for (size_t i = 0; i < option_count; i++) {
		assert_int_equal(errors.list[i].line, lines[i]);
		assert_int_equal(strncmp(errors.list[i].message, option_table[i].full,
				     strlen(option_table[i].full)),
		    0);
	}
	conf_errors_free(&errors);
	buffer_free(&b);
}

static void test_limits_of_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		const struct option_schema *o = &option_table[i];
		char text[200];

		if (o->type != TYPE_NUMBER)
			continue;
		for (int edge = 0; edge < 4; edge++) {
			unsigned n = (unsigned[]){o->min, o->max, o->min - 1, o->max + 1}[edge];
			const char *all = o->section == SECTION_LIMITS ? "clients" : "connections";
			bool paired = strncmp(o->name, all, strlen(all)) == 0 ||
				      strcmp(o->name, "listeners") == 0;

			if (edge == 2 && o->min == 0)
				continue;
			snprintf(text, sizeof text, MINIMAL "%s { %s = %u %s%s %s }",
			    section_table[o->section].name, o->name, n,
			    paired && strcmp(o->name, all) != 0 ? all : "",
			    paired && strcmp(o->name, all) != 0 ? " = 1000000" : "",
			    section_table[o->section].listen ? "listen = {\"127.0.0.1:80\"}" : "");
			if (edge < 2) {
				struct conf *conf = parse_good(text);

				assert_int_equal(*(unsigned *)((char *)conf + o->offset), n);
				assert_stable(conf);
				conf_free(conf);
			} else {
				struct conf_errors errors = parse_bad(text);

				assert_int_equal(errors.count, 1);
				assert_non_null(strstr(errors.list[0].message, o->full));
				conf_errors_free(&errors);
			}
		}
	}
}

static void test_presets(void **state)
{
	struct conf *conf = parse_good(MINIMAL);
	char *text = print(conf), line[300];

	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		const struct option_schema *o = &option_table[i];
		const char *open = o->type == TYPE_LISTEN                            ? "{\""
				   : o->type == TYPE_NUMBER || o->type == TYPE_YESNO ? ""
										     : "\"";
		const char *close = o->type == TYPE_LISTEN ? "\"}" : open;

		/* Something says what happens when the option is left out. */
		assert_int_equal((o->preset != NULL) + (o->derived != NULL) + o->required, 1);
		if (!o->preset || section_table[o->section].title)
			continue;
		if (section_table[o->section].listen) {
			assert_null(strstr(text, section_table[o->section].name));
			continue;
		}
		snprintf(line, sizeof line, "\t%s = %s%s%s\n", o->name, open, o->preset, close);
		assert_non_null(strstr(text, line));
	}
	assert_string_equal(conf->node.address.text, "isoc.example:7654");
	assert_string_equal(conf->node.keys, "/var/lib/convene/keys");
	assert_string_equal(conf->node.control, "/var/lib/convene/convened.sock");
	assert_null(conf->node.user);
	assert_null(conf->node.signer_user);
	assert_string_equal(conf->node.signer_data, "/var/lib/convene");
	assert_int_equal(conf->web.listen_count + conf->nntp.listen_count, 0);
	free(text);
	conf_free(conf);
	conf = parse_good(
	    MINIMAL "web { listen = {\"127.0.0.1:8080\", \"[::1]:8080\"} connections = 10 "
		    "url = https://forum.isoc.example:8443/ }");
	text = print(conf);
	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].section != SECTION_WEB || !option_table[i].preset)
			continue;
		snprintf(line, sizeof line, "\t%s = %s\n", option_table[i].name,
		    strcmp(option_table[i].name, "processes") == 0   ? "0"
		    : strcmp(option_table[i].name, "cache_mib") == 0 ? "64"
								     : "10");
		assert_non_null(strstr(text, line));
	}
	assert_string_equal(conf->web.url, "https://forum.isoc.example:8443");
	assert_null(conf->web.certificate);
	free(text);
	conf_free(conf);
	conf = parse_good(
	    "node { name = isoc.example data = '/srv/c/' charter = /c listen = '[::]:7654' "
	    "signer_user = keeper }");
	assert_string_equal(conf->node.signer_data, "/srv/c-signer");
	conf_free(conf);
	conf = parse_good(MINIMAL "limits { clients = 10 }");
	assert_int_equal(conf->limits.clients_per_address, 10);
	conf_free(conf);
}

static void test_reload(void **state)
{
	struct buffer a = BUFFER_INIT, b = BUFFER_INIT;
	struct conf *old;

	(void)state;
	write_config(&a, NULL, VALUE, NULL, NULL);
	old = parse_good(buffer_str(&a));
	for (size_t i = 0; i < option_count; i++) {
		const struct option_schema *o = &option_table[i];
		static const char *const other[] = {
		    [TYPE_ORG] = "nic.example",
		    [TYPE_LISTEN] = "{\"[::]:7\", \"127.0.0.1:1\"}",
		    [TYPE_ADDRESS] = "a:1",
		    [TYPE_PATH] = "/q",
		    [TYPE_USER] = "root",
		    [TYPE_NUMBER] = "50",
		    [TYPE_LEVEL] = "debug",
		    [TYPE_TARGET] = "syslog",
		    [TYPE_KEY] = NULL,
		    [TYPE_YESNO] = "no",
		    [TYPE_TEXT] = "another",
		    [TYPE_SITE] = "\"http://[::1]:80\"",
		    [TYPE_CONTACT] = "\"https://isoc.example/?a=b\"",
		};
		const char *what = NULL;
		struct conf *new;

		if (!other[o->type])
			continue;
		buffer_reset(&b);
		write_config(&b, o, VALUE,
		    strstr("clients connections", o->name) ? "5000" : other[o->type], NULL);
		new = parse_good(buffer_str(&b));
		if (o->scope == SCOPE_RESTART) {
			assert_false(conf_reloadable(old, new, NULL));
			assert_false(conf_reloadable(new, old, &what));
			assert_string_equal(what, o->full);
		} else {
			assert_true(conf_reloadable(old, new, &what));
			assert_null(what);
		}
		conf_free(new);
	}
	conf_free(old);
	buffer_free(&a);
	buffer_free(&b);
}

/* With or without TLS: a port is one or the other until it is closed. */
static void test_reload_tls(void **state)
{
#define PORT " { listen = {\"127.0.0.1:8080\"} "
	static const char *const sections[] = {"web", "nntp"};
	char plain[300], one[300], another[300], said[40];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct conf *a, *b, *c;
		const char *what = NULL;

		snprintf(plain, sizeof plain, MINIMAL "%s" PORT "}", sections[i]);
		snprintf(
		    one, sizeof one, MINIMAL "%s" PORT "certificate = /c key = /k }", sections[i]);
		snprintf(another, sizeof another, MINIMAL "%s" PORT "certificate = /d key = /l }",
		    sections[i]);
		snprintf(said, sizeof said, "%s.certificate", sections[i]);
		a = parse_good(plain);
		b = parse_good(one);
		c = parse_good(another);
		assert_false(conf_reloadable(a, b, &what));
		assert_string_equal(what, said);
		assert_false(conf_reloadable(b, a, NULL));
		assert_true(conf_reloadable(b, c, NULL));
		conf_free(a);
		conf_free(b);
		conf_free(c);
	}
#undef PORT
}

/* ---- The sample and the manual ---- */

static void test_sample(void **state)
{
	char *path = source("conf/convened.conf.sample"), *text, needle[100];
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct buffer b = BUFFER_INIT;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_load(&conf, path, &errors), OK);
	assert_stable(conf);
	conf_free(conf);

	/* What is commented out parses too; options are written "#name =", text "# Text". */
	text = slurp(path);
	for (char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		char *hash = p + strspn(p, "\t");

		if (*hash == '#' && hash[1] != ' ' && hash[1] != '\n')
			*hash = ' ';
		buffer_add(&b, p, strcspn(p, "\n"));
		buffer_add_str(&b, "\n");
	}
	conf = parse_good(buffer_str(&b));
	assert_int_equal(conf->peer_count, 1);
	assert_false(conf_carries(conf, "spam.example"));
	conf_free(conf);

	for (size_t i = 0; i < option_count; i++) {
		const struct option_schema *o = &option_table[i];
		const char *at, *other, *block;
		bool quoted = o->type != TYPE_NUMBER && o->type != TYPE_YESNO;

		snprintf(needle, sizeof needle, "\n%s%s",
		    section_table[o->section].title || section_table[o->section].listen ? " " : "",
		    section_table[o->section].name);
		block = strstr(buffer_str(&b), needle);
		assert_non_null(block);
		snprintf(needle, sizeof needle, "\t%s = ", o->name);
		at = strstr(block, needle);
		snprintf(needle, sizeof needle, " %s = ", o->name);
		other = strstr(block, needle);
		if (!at || (other && other < at))
			at = other;
		if (!at)
			print_error("the sample lacks %s\n", o->full);
		assert_non_null(at);
		/* Where there is a default, the sample shows just that. */
		if (!o->preset || o->section == SECTION_ORIGIN)
			continue;
		snprintf(needle, sizeof needle, quoted ? "\"%s\"" : "%s\n", o->preset);
		at = strchr(at, '=') + 2;
		at += *at == '{';
		if (strncmp(at, needle, strlen(needle)) != 0)
			print_error("the sample shows another %s\n", o->full);
		assert_int_equal(strncmp(at, needle, strlen(needle)), 0);
	}
	buffer_free(&b);
	free(text);
	free(path);
}

static void test_manual(void **state)
{
	char *path = source("conf/convened.conf.5"), *text = slurp(path);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < option_count; i++) {
		const struct option_schema *o = &option_table[i];
		char needle[100], heading[32] = ".Sh ", *at, *end, *section;

		for (size_t k = 0; section_table[o->section].name[k]; k++)
			heading[4 + k] = (char)(section_table[o->section].name[k] - 'a' + 'A');
		section = strstr(text, heading);
		assert_non_null(section);
		snprintf(needle, sizeof needle, ".It Ic %s No =", o->name);
		at = strstr(section, needle);
		if (!at)
			print_error("the manual lacks %s\n", o->full);
		assert_non_null(at);
		end = strpbrk(at + 4, "\n");
		while (end && strncmp(end, "\n.It", 4) != 0 && strncmp(end, "\n.El", 4) != 0)
			end = strchr(end + 1, '\n');
		assert_non_null(end);
		*end = '\0';
		assert_int_equal(strstr(at, ".Em restart") != NULL, o->scope == SCOPE_RESTART);
		assert_int_equal(strstr(at, "Required") != NULL, o->required);
		if (o->preset)
			assert_non_null(strstr(at, o->preset));
		if (o->type == TYPE_NUMBER && !strstr(o->name, "s_per_address") &&
		    strcmp(o->name, "listeners") != 0) {
			snprintf(needle, sizeof needle, "%u to %u", o->min, o->max);
			for (char *p = at; *p; p++)
				*p = *p == '\n' ? ' ' : *p;
			assert_non_null(strstr(at, needle));
		}
		*end = '\n';
	}
	free(text);
	free(path);
}

/* ---- Hostile and odd files ---- */

static void test_many_mistakes(void **state)
{
	struct buffer b = BUFFER_INIT;
	struct conf_errors errors;
	char *text = NULL;
	size_t len;
	FILE *f;

	(void)state;
	buffer_add_str(&b, MINIMAL "limits {\n");
	for (int i = 0; i < 1000; i++)
		buffer_printf(&b, "\twrong%d = 1\n", i);
	buffer_add_str(&b, "}\n");
	errors = parse_bad(buffer_str(&b));
	assert_int_equal(errors.count, 100);
	assert_true(errors.cut);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(errors.list[i].line, i + 3);
	f = open_memstream(&text, &len);
	conf_errors_print(f, &errors);
	fclose(f);
	assert_non_null(strstr(text, "/etc/convene/convened.conf:3: limits has no option wrong0"));
	assert_non_null(strstr(text, "more mistakes follow"));
	free(text);
	conf_errors_free(&errors);
	assert_int_equal(errors.count, 0);
	buffer_free(&b);
}

static void test_hostile(void **state)
{
	static const char *const openings[] = {"a{", "a={", "node{a{", "peer x{", "{", "}", "\"",
	    "=", "/*", "${", "node", "a b", "limits{a=", "node{listen={"};
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct buffer b = BUFFER_INIT;
	struct conf *conf;

	(void)state;
	for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
		buffer_reset(&b);
		while (b.len < 100000)
			buffer_add_str(&b, openings[i]);
		errors = parse_bad(buffer_str(&b));
		conf_errors_free(&errors);
	}
	buffer_reset(&b);
	buffer_add(&b, MINIMAL "\0", sizeof MINIMAL);
	assert_int_equal(conf_parse(&conf, "x", buffer_bytes(&b), &errors), ERR_MALFORMED);
	assert_int_equal(errors.list[0].line, 2);
	conf_errors_free(&errors);
	buffer_free(&b);
}

static void test_files(void **state)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	char path[] = "/tmp/test_conf_XXXXXX";
	struct conf *conf;
	FILE *f;

	(void)state;
	assert_int_equal(conf_load(&conf, "/nonexistent/convened.conf", &errors), ERR_IO);
	assert_int_equal(errno, ENOENT);
	assert_null(conf);
	assert_int_equal(errors.count, 1);
	assert_int_equal(errors.list[0].line, 0);
	conf_errors_free(&errors);
	assert_int_equal(conf_load(&conf, "/", &errors), ERR_IO);
	conf_errors_free(&errors);

	f = fdopen(mkstemp(path), "w");
	assert_non_null(f);
	for (int i = 0; i < CONF_FILE_MAX / 8 + 1; i++)
		fputs("# 12345\n", f);
	fclose(f);
	assert_int_equal(conf_load(&conf, path, &errors), ERR_TOO_LARGE);
	conf_errors_free(&errors);
	assert_int_equal(truncate(path, 8 * 1000), 0);
	assert_int_equal(conf_load(&conf, path, &errors), ERR_MALFORMED);
	conf_errors_free(&errors);
	unlink(path);
}

static void test_environment(void **state)
{
	struct conf *conf;

	(void)state;
	setenv("CONF_TEST_LEVEL", "debug", 1);
	unsetenv("CONF_TEST_NONE");
	conf = parse_good(
	    MINIMAL "log { level = ${CONF_TEST_LEVEL} target = \"${CONF_TEST_NONE:-/x}/y\" }");
	assert_int_equal(conf->log.level, LOG_LEVEL_DEBUG);
	assert_string_equal(conf->log.target, "/x/y");
	conf_free(conf);
}

/* libconfuse translates its messages, by which load.c knows what to mend. */
static void test_locale(void **state)
{
	struct conf_errors errors;

	(void)state;
	setenv("LANGUAGE", "de:fr", 1);
	if (!setlocale(LC_ALL, "C.UTF-8"))
		skip();
	errors = parse_bad(
	    "node { colour = { red }\n name = isoc.example charter = /c }\npeer { }\n");
	assert_int_equal(errors.count, 3);
	assert_int_equal(errors.list[0].line, 1);
	assert_int_equal(errors.list[1].line, 3);
	conf_errors_free(&errors);
	setlocale(LC_ALL, "C");
	unsetenv("LANGUAGE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_goldens),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_mistake_in_every_option),
	    cmocka_unit_test(test_mistakes_in_all_options),
	    cmocka_unit_test(test_limits_of_numbers),
	    cmocka_unit_test(test_presets),
	    cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_reload_tls),
	    cmocka_unit_test(test_sample),
	    cmocka_unit_test(test_manual),
	    cmocka_unit_test(test_many_mistakes),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_environment),
	    cmocka_unit_test(test_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
