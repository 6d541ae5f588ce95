#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Replay each target's corpus; TAP.
set -u
src=${srcdir:-.} bin=${builddir:-.} n=0 failed=0
for target in "$bin"/tests/fuzz/fuzz_*; do
	name=${target##*/fuzz_}
	case $name in *.*) continue ;; esac
	[ -x "$target" ] || continue
	n=$((n + 1))
	if out=$("$target" "$src/tests/fuzz/corpus/$name" 2>&1); then
		echo "ok $n - fuzz corpus $name"
	else
		echo "not ok $n - fuzz corpus $name"
		printf '%s\n' "$out" | sed 's/^/# /'
		failed=1
	fi
done
echo "1..$n"
exit $failed
