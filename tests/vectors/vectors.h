/* SPDX-License-Identifier: BSD-2-Clause */
/* The published test vectors of the protocol, made from fixed seeds. */
#ifndef VECTORS_VECTORS_H
#define VECTORS_VECTORS_H

/* The text of v1.json, the same every time. free() it. */
char *vectors_make(void);

#endif
