#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Break lib/ in the ways of tests/sim/mutants/*.patch, one at a time and in a copy, and see the simulator notice:
# each by the seed that its patch names. TAP. With --find LAST, look for the first seed up to LAST that does.
# Environment: srcdir, builddir (as make gives them), CC, CFLAGS, LIBS: how the simulator was built.
set -eu
: "${srcdir:=.}" "${builddir:=.}" "${CC:=cc}" "${CFLAGS:=-O1 -g}" "${LIBS:=}"
find=${2:-}
top=$(cd "$srcdir" && pwd)
build=$(cd "$builddir" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0 failed=0
set -- "$top"/tests/sim/mutants/*.patch
echo "1..$#"

for patch in "$@"; do
	name=$(basename "$patch" .patch)
	number=$((number + 1))
	file=$(sed -n 's/^--- a\///p' "$patch")
	seed=$(sed -n 's/^seed: //p' "$patch")
	rm -rf "$work/tree"
	mkdir -p "$work/tree/$(dirname "$file")"
	cp "$top/$file" "$work/tree/$file"
	if ! (cd "$work/tree" && patch -s -p1) <"$patch" >"$work/log" 2>&1; then
		echo "not ok $number - $name: the patch does not apply to $file any more"
		sed 's/^/# /' "$work/log"
		failed=1
		continue
	fi
	# What is linked before the libraries takes the place of what they hold.
	# shellcheck disable=SC2086
	if ! (cd "$build" && $CC -std=c11 -D_GNU_SOURCE $CFLAGS -w -I"$top/lib" -I"$top" -I. -c "$work/tree/$file" \
		-o "$work/mutant.o" && $CC $CFLAGS -Wl,--wrap=key_verify tests/sim/*.o "$work/mutant.o" $LIBS \
		-o "$work/sim") >"$work/log" 2>&1; then
		echo "not ok $number - $name: it does not build"
		sed 's/^/# /' "$work/log"
		failed=1
		continue
	fi
	if [ -n "$find" ]; then
		seed=$("$work/sim" --first 1 --seeds "$find" --no-shrink --stop |
			sed -n 's/^seed \([0-9]*\) FAILED.*/\1/p' | head -n 1)
		if [ -n "$seed" ]; then
			sed -i "s/^seed: .*/seed: $seed/" "$patch"
		else
			seed=0
		fi
	fi
	if [ "$seed" -gt 0 ] && ! "$work/sim" --first "$seed" --seeds 1 --no-shrink >"$work/log" 2>&1; then
		echo "ok $number - $name: seed $seed"
		sed -n 's/^seed [0-9]* FAILED: /# /p' "$work/log"
	else
		echo "not ok $number - $name: seed $seed does not notice"
		failed=1
	fi
done
exit $failed
