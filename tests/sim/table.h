/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include "tests/sim/sim.h"

void table_steady(void);       /* 10, 100 and 1,000 organisations */
void table_steady_small(void); /* 10 and 100 */
void table_catchup(void);
void table_texts(void); /* 1,000 messages of 600 B, plain and packed */
void table_frontier(void);
void table_join(void);

/* A limit was missed: sim's exit status tells. */
extern bool table_missed;

#endif
