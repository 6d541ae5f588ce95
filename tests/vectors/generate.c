/* SPDX-License-Identifier: BSD-2-Clause */
/* Print v1.json. */
#include <stdio.h>
#include <stdlib.h>

#include "vectors.h"

int main(void)
{
	char *text = vectors_make();
	int bad = fputs(text, stdout) == EOF || fflush(stdout) == EOF;
	free(text);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
