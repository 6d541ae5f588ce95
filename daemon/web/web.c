/* SPDX-License-Identifier: BSD-2-Clause */
#include <signal.h>
#include <unistd.h>

#include "daemon/parent/service.h"

int web_run(struct service_setup *setup)
{
	(void)setup;
	for (;;)
		pause();
	return 0;
}
