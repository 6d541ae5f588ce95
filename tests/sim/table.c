/* SPDX-License-Identifier: BSD-2-Clause */
/* What is measured: tables for tests/sim/RESULTS. Nothing breaks here. */
#include "tests/sim/table.h"

#include <stdio.h>
#include <string.h>

bool table_missed;

int table_run(const char *name)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tables[] = {{"steady", table_steady}, {"steady-small", table_steady_small},
	    {"catchup", table_catchup}, {"texts", table_texts}, {"frontier", table_frontier},
	    {"join", table_join}};

	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		if (strcmp(name, tables[i].name) == 0) {
			tables[i].run();
			return table_missed;
		}
	}
	fprintf(stderr, "sim: there is no table %s\n", name);
	return 2;
}
