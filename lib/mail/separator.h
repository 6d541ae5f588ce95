/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MAIL_SEPARATOR_H
#define MAIL_SEPARATOR_H

#include "base/buffer.h"

/* Whether a line of a text would be taken for a separator by some reader, and so must be written
 * otherwise in an mbox: it begins with `From `, perhaps behind `>`. */
bool mbox_must_quote(struct bytes line);

#endif
