#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Turn the files that standard input names into a C source that holds them: embed.sh < NAMES > FILE.c
set -eu
cat <<END
/* Made by daemon/web/embed.sh; change the files themselves. */
#include "daemon/web/static.h"
END
table=''
n=0
while read -r path; do
	printf 'static const unsigned char file%d[] = {\n' "$n"
	od -An -v -tu1 "$path" | sed 's/  */ /g;s/^ //;s/ /,/g;s/$/,/'
	printf '};\n'
	table="$table	{\"${path##*/}\", file$n, sizeof file$n},
"
	n=$((n + 1))
done
printf 'const struct static_file static_files[] = {\n%s	{0, 0, 0},\n};\n' "$table"
