/* SPDX-License-Identifier: BSD-2-Clause */
/* What targets begin with. Whatever comes, they return; what must not be ends them. */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "crypto/ed25519.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

/* Before keys are used. Once: each crypto_start() checks a signature. */
static inline void crypto_once(void)
{
	static bool started;

	if (!started)
		REQUIRE(crypto_start() == OK);
	started = true;
}

#endif
