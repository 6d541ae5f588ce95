#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Turn SQL on standard input into a C source that defines it as a string: embed.sh NAME < FILE.sql > FILE.c
set -eu
cat <<END
/* Made by lib/store/sql/embed.sh; change the .sql file instead. */
#pragma GCC diagnostic ignored "-Woverlength-strings"
extern const char $1[];
const char $1[] =
END
LC_ALL=C sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/^/	"/' -e 's/$/\\n"/'
printf '\t"";\n'
