#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Break lib/ in the ways of tests/sim/mutants/*.patch, each in a copy of the file, and see the simulator notice:
# each by a seed that its patch names. TAP. With --find LAST [PATCH...], look for the first seed up to LAST that does.
# Environment: srcdir, builddir (as make gives them), CC, CFLAGS, LIBS: how the simulator was built; JOBS: so many
# at a time, by default one per processor.
set -eu
: "${srcdir:=.}" "${builddir:=.}" "${CC:=cc}" "${CFLAGS:=-O1 -g}" "${LIBS:=}" "${JOBS:=$(nproc)}"
top=$(cd "$srcdir" && pwd)
build=$(cd "$builddir" && pwd)

mutant() { # WORK FIND PATCH: says "ok TEXT" or "not ok TEXT", and why
	name=$(basename "$3" .patch)
	own=$1/$name
	file=$(sed -n 's/^--- a\///p' "$3")
	seed=$(sed -n 's/^seed: //p' "$3")
	mkdir -p "$own/$(dirname "$file")"
	cp "$top/$file" "$own/$file"
	# With no fuzz: what stands around it must be what it was made for.
	if ! (cd "$own" && patch -s -p1 -F0) <"$3" >"$own/log" 2>&1; then
		echo "not ok $name: the patch does not apply to $file any more"
		sed 's/^/# /' "$own/log"
		return
	fi
	# What is linked before the libraries takes the place of what they hold.
	# shellcheck disable=SC2086
	if ! (cd "$build" && $CC -std=c11 -D_GNU_SOURCE $CFLAGS -w -I"$top/lib" -I"$top" -I. -c "$own/$file" \
		-o "$own/mutant.o" && $CC $CFLAGS -Wl,--wrap=key_verify tests/sim/*.o "$own/mutant.o" $LIBS \
		-o "$own/sim") >"$own/log" 2>&1; then
		echo "not ok $name: it does not build"
		sed 's/^/# /' "$own/log"
		return
	fi
	if [ -n "$2" ]; then
		seed=$("$own/sim" --first 1 --seeds "$2" --jobs 1 --no-shrink --stop |
			sed -n 's/^seed \([0-9]*\) FAILED.*/\1/p' | head -n 1)
		seed=${seed:-0}
		[ "$seed" -eq 0 ] || sed -i "s/^seed: .*/seed: $seed/" "$3"
	fi
	# Chance takes another turn with each change of lib/sync, so there may be a seed in reserve.
	for s in $seed; do
		if [ "$s" -gt 0 ] && ! "$own/sim" --first "$s" --seeds 1 --no-shrink >"$own/log" 2>&1; then
			echo "ok $name: $(sed -n 's/^seed \([0-9]*\) FAILED:/seed \1:/p' "$own/log")"
			return
		fi
	done
	echo "not ok $name: seed $seed does not notice"
}

if [ "${1:-}" = --one ]; then
	mutant "$2" "$3" "$4" >"$2/$(basename "$4").said"
	exit
fi
case "$#:${1:-}:${2:-}" in
0::) ;;
*:--find:*[!0-9]* | *:--find: | 1:*) bad=1 ;;
*:--find:*) ;;
*) bad=1 ;;
esac
if [ "${bad:-0}" = 1 ]; then
	echo "usage: make sim-mutants MUTANTS='--find LAST [PATCH...]'" >&2
	exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0 failed=0
find=${2:-}
if [ $# -gt 2 ]; then # only these
	shift 2
else
	set -- "$top"/tests/sim/mutants/*.patch
fi
echo "1..$#"
export srcdir builddir CC CFLAGS LIBS
printf '%s\n' "$@" | xargs -P "$JOBS" -d '\n' -n 1 "$0" --one "$work" "$find"
for patch in "$@"; do
	number=$((number + 1))
	sed "s/^\(not ok\|ok\) /\1 $number - /" "$work/$(basename "$patch").said"
	! grep -q '^not ok' "$work/$(basename "$patch").said" || failed=1
done
exit $failed
