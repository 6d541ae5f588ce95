/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process that only reads may still do, once it has all it needs: whoever takes it over
 * finds no file to write, no program to start, and no process to look into. What is left: to read
 * the store and the system's own files, and to open connections, as the gate does. */
#ifndef DAEMON_SANDBOX_H
#define DAEMON_SANDBOX_H

#include "conf/conf.h"

/* For good. On a kernel without Landlock (before 5.13) only the limits hold; false says so.
 * `certificate` and `key` (NULL: none) can be read again later, where they are now. */
bool sandbox_enter(const struct conf *conf, const char *certificate, const char *key);

#endif
