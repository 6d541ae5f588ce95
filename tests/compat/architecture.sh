#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Whether what we sign, hash, store and send is the same on a machine with the other order of bytes: a build for s390x
# runs its unit tests and seeds of the simulator under qemu-user, and takes and writes bundles beside nodes of this
# machine, in a store that both then use. TAP. As root, on Debian: a folder becomes a small Debian with a cross
# compiler, which takes some five minutes and 2 GiB, and stays for the next time.
#
#   architecture.sh FOLDER      environment: srcdir, builddir (a build for this machine), CONVENE_CORPUS
set -eu
: "${srcdir:=.}" "${builddir:=.}" "${CONVENE_CORPUS:=}"
SEEDS=12
# These three can't be run so: it emulates no SIGBUS of a file cut short while it is mapped, starts no
# /proc/self/exe, and takes minutes for a thread of 20,000 posts.
NOT='test_source test_store_reader test_forum_deep'
top=$(cd "$srcdir" && pwd)
build=$(cd "$builddir" && pwd)
root=$(mkdir -p "$1" && cd "$1" && pwd)
[ "$(id -u)" -eq 0 ] || { echo '1..0 # SKIP root is needed to make a Debian in a folder' && exit 0; }

inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive bash -euc "$1"; }

if ! [ -e "$root/prepared" ]; then
	[ -e "$root/bin/bash" ] || debootstrap --variant=minbase bookworm "$root" >&2
	libraries=$(. "$top/contrib/common.sh" && echo "${BUILD_PACKAGES[@]}")
	inside "dpkg --add-architecture s390x; apt-get -qq update
		apt-get -qq -y install --no-install-recommends gcc-s390x-linux-gnu make autoconf automake pkg-config \
			protobuf-c-compiler qemu-user-static
		list=
		for p in libc6 libcmocka-dev $libraries; do case \$p in lib*) list=\"\$list \$p:s390x\" ;; esac; done
		apt-get -qq -y install --no-install-recommends \$list" >&2
	: >"$root/prepared"
fi
rm -rf "$root/src"
mkdir -p "$root/src" "$root/build"
if [ -e "$top/.git" ]; then
	(cd "$top" && git -c safe.directory="$top" ls-files -z --cached --others --exclude-standard | tar -c --null -T -)
else
	tar -c -C "$top" --exclude='./build-*' .
fi | tar -x -C "$root/src"
# shellcheck disable=SC2016 # for the shell inside
inside 'cd /src; autoreconf -fi; cd /build
	[ -e Makefile ] || PKG_CONFIG_LIBDIR=/usr/lib/s390x-linux-gnu/pkgconfig:/usr/share/pkgconfig /src/configure -q \
		PKG_CONFIG=pkg-config --host=s390x-linux-gnu --enable-werror CFLAGS="-O1 -g"
	make -s -j"$(nproc)"; make -s -j"$(nproc)" check TESTS=' >&2

printf '#!/bin/sh\nexec "%s" -L "%s" -E LD_LIBRARY_PATH=/usr/lib/s390x-linux-gnu "$@"\n' \
	"$root/usr/bin/qemu-s390x-static" "$root" >"$root/emulate"
chmod +x "$root/emulate"
export CONVENE_CORPUS
number=0
result() { # OK WHAT
	number=$((number + 1))
	echo "$1 $number - $2"
}

unit() { # WHAT: run one; print its verdict
	if (cd "$root/build" && srcdir=$top builddir=$PWD timeout 300 "$root/emulate" "$PWD/tests/unit/$1") \
		>"$root/$1.log" 2>&1; then echo "ok $1"; else echo "no $1"; fi
}
export -f unit
export root top
for t in "$root"/build/tests/unit/test_*; do
	name=${t##*/}
	case " $NOT " in *" $name "*) continue ;; esac
	case $name in *.*) ;; *) [ ! -x "$t" ] || echo "$name" ;; esac
done | xargs -P "$(nproc)" -I{} bash -c 'unit {}' >"$root/units"
while read -r verdict name; do
	if [ "$verdict" = ok ]; then
		result ok "unit $name"
	else
		result 'not ok' "unit $name"
		tail -n 20 "$root/$name.log" | sed 's/^/# /'
	fi
done <"$root/units"

told() { "$@" --trace 2>&1 | sha256sum; } # COMMAND...
for seed in $(seq "$SEEDS"); do
	if [ "$(told "$build/tests/sim/sim" --seed "$seed")" = \
		"$(told "$root/emulate" "$root/build/tests/sim/sim" --seed "$seed")" ]; then
		result ok "simulator: seed $seed is told word by word as here"
	else
		result 'not ok' "simulator: seed $seed is told differently"
	fi
done

while read -r line; do
	case $line in
	'ok '*) result ok "bundles: ${line#*- }" ;;
	'not ok '*) result 'not ok' "bundles: ${line#*- }" ;;
	'1..'*) ;;
	*) echo "$line" ;;
	esac
done < <(srcdir=$top builddir=$build python3 "$top/tests/federation/test_bundle.py" --flips 5 \
	--far "'$root/emulate' '$root/build/client/convenectl'" 2>&1)
echo "1..$number"
