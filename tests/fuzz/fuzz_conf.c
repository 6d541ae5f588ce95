/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a config file: refused with a reason, or accepted, and then printed to what parses
 * again to the same. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/conf.h"
#include "target.h"

#define PATH "/fuzz/convened.conf"

static char *print(const struct conf *conf)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f || conf_print(f, conf) != OK || fclose(f) != 0)
		abort();
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *conf, *again;
	char *text, *same;
	int err;

	if (size > 65536)
		return 0;
	err = conf_parse(&conf, PATH, bytes_of(data, size), &errors);
	if (err != OK) {
		if (conf || (errors.count == 0 && !errors.nomem))
			abort();
		for (size_t i = 0; i < errors.count; i++)
			if (strpbrk(errors.list[i].message, "\n\033"))
				abort();
		conf_errors_free(&errors);
		return 0;
	}
	text = print(conf);
	if (conf_parse(&again, PATH, bytes_str(text), &errors) != OK)
		abort();
	same = print(again);
	if (strcmp(text, same) != 0 || !conf_reloadable(conf, again, NULL))
		abort();
	free(text);
	free(same);
	conf_free(conf);
	conf_free(again);
	return 0;
}
