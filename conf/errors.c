/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/parse.h"

bool errors_full(const struct conf_errors *errors)
{
	return errors->cut || errors->nomem;
}

bool error_on_line(const struct conf_errors *errors, unsigned line)
{
	for (size_t i = 0; i < errors->count; i++)
		if (errors->list[i].line == line)
			return true;
	return false;
}

__attribute__((format(printf, 1, 0)))
static char *format_message(const char *fmt, va_list ap)
{
	struct buffer raw = BUFFER_INIT, shown = BUFFER_INIT;
	char *message = NULL, *text = NULL;

	if (vasprintf(&message, fmt, ap) < 0)
		return NULL;
	buffer_add_str(&raw, message);
	free(message);
	text_line(&shown, buffer_bytes(&raw));
	if (!raw.failed && !shown.failed)
		text = strdup(buffer_str(&shown));
	buffer_free(&raw);
	buffer_free(&shown);
	return text;
}

void error_add(struct conf_errors *errors, unsigned line, const char *fmt, ...)
{
	struct conf_error *list;
	va_list ap;
	char *message;
	size_t at;

	if (errors_full(errors))
		return;
	if (errors->count == ERRORS_MAX) {
		errors->cut = true;
		return;
	}
	va_start(ap, fmt);
	message = format_message(fmt, ap);
	va_end(ap);
	list = realloc(errors->list, (errors->count + 1) * sizeof *list);
	if (list)
		errors->list = list;
	if (!list || !message) {
		errors->nomem = true;
		free(message);
		return;
	}
	/* The steps find mistakes in different orders; people read a file from its top. */
	for (at = errors->count; at > 0 && list[at - 1].line > line; at--)
		list[at] = list[at - 1];
	list[at] = (struct conf_error){line, message};
	errors->count++;
}

void conf_errors_print(FILE *to, const struct conf_errors *errors)
{
	const char *file = errors->file ? errors->file : "config";

	for (size_t i = 0; i < errors->count; i++) {
		const struct conf_error *e = &errors->list[i];

		if (e->line > 0)
			fprintf(to, "%s:%u: %s\n", file, e->line, e->message);
		else
			fprintf(to, "%s: %s\n", file, e->message);
	}
	if (errors->cut)
		fprintf(to, "%s: more mistakes follow; correct these first\n", file);
	if (errors->nomem)
		fprintf(to, "%s: out of memory while checking\n", file);
}

void conf_errors_free(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		free(errors->list[i].message);
	free(errors->list);
	free(errors->file);
	*errors = (struct conf_errors)CONF_ERRORS_INIT;
}
