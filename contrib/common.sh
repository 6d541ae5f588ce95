# SPDX-License-Identifier: BSD-2-Clause
# What quickstart and check have in common: stages, long commands, packages. Read by bash with `.`.
# The script that reads it sets `program` and `scratch` (a folder for logs), and calls child_end() in
# its clean-up. Functions that take VARIABLE set it.
# shellcheck shell=bash
: "${program:?}"

bold='' dim='' plain='' live=no
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
	live=yes
	[ -n "${NO_COLOR:-}" ] || { bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; }
fi
stage_name='' stage_began=0 beat=0 child='' child_patient=no

now() { printf -v "$1" %s "${EPOCHREALTIME/[.,]/}"; } # VARIABLE: microseconds

seconds() { # VARIABLE MICROSECONDS: as "12.3"
	printf -v "$1" '%d.%d' $(($2 / 1000000)) $(($2 / 100000 % 10))
}

line_clear() { [ "$live" = no ] || printf '\r\e[K'; }

progress() { # WHAT: said where a terminal can take it back
	[ "$live" = no ] || printf '\r\e[K  %s%-11s%s %s …' "$bold" "$stage_name" "$plain" "$1"
}

heartbeat() { # WHAT: so that a long stage is seen to live; a line each 15 s where there is no terminal
	local t
	now t
	t=$(((t - stage_began) / 1000000))
	if [ "$live" = yes ]; then
		progress "$1, $t s"
	elif [ "$t" -ge "$beat" ]; then
		printf '  %-11s %s … %s s\n' "$stage_name" "$1" "$t"
		beat=$((t + 15))
	fi
}

stage() { # NAME WHAT: begins one
	stage_name=$1
	now stage_began
	beat=15
	progress "$2"
}

stage_done() { # WHAT
	local t s
	now t
	seconds s $((t - stage_began))
	line_clear
	printf '  %s%-11s%s %-60s %s%6s s%s\n' "$bold" "$stage_name" "$plain" "$1" "$dim" "$s" "$plain"
}

log_end() { # LOG: its last lines, indented
	[ ! -s "$1" ] || { printf '\n' && tail -n "${2:-25}" "$1" | sed 's/^/    /' && printf '\n'; }
}

fail() { # SENTENCE [LOG]
	line_clear
	printf '\n%s: %s\n' "$program" "$1" >&2
	[ -z "${2:-}" ] || log_end "$2" >&2
	exit 1
}

watch() { # WHAT LOG COMMAND...: in a session of its own, so that all of it can be ended
	local what=$1 log=$2 status
	shift 2
	setsid "$@" >>"$log" 2>&1 &
	child=$!
	while kill -0 "$child" 2>/dev/null; do
		heartbeat "$what"
		sleep 0.2
	done
	wait "$child"
	status=$?
	child=''
	return "$status"
}

child_end() { # what watch() runs, when we are interrupted
	[ -n "$child" ] && kill -0 "$child" 2>/dev/null || return 0
	if [ "$child_patient" = yes ]; then
		printf '\n%s: waiting for apt-get, so that it leaves nothing half done\n' "$program" >&2
	else
		kill -- "-$child" 2>/dev/null
	fi
	wait "$child" 2>/dev/null
}

packages_install() { # PACKAGE...: a stage
	local missing=() p sudo=() have log
	stage system 'looking what is there'
	if ! command -v dpkg-query >/dev/null; then
		stage_done 'no Debian; trusting that all packages are there'
		return
	fi
	have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null)
	for p in "$@"; do
		grep -qxF "installed $p" <<<"$have" || missing+=("$p")
	done
	if [ ${#missing[@]} -eq 0 ]; then
		stage_done 'all packages are there'
		return
	fi
	if [ "$UID" -ne 0 ]; then
		command -v sudo >/dev/null || fail "packages are missing, and there is no sudo to install them. As root:
  apt-get install ${missing[*]}"
		# Where somebody can type a password, it is asked for here, once.
		[ ! -t 1 ] || sudo -n true 2>/dev/null || { line_clear && sudo -v; }
		sudo -n true 2>/dev/null || fail "packages are missing, and sudo wants a password. First:
  sudo apt-get install ${missing[*]}"
		sudo=(sudo)
	fi
	line_clear
	printf '  %s%-11s%s missing, and installed now:\n' "$bold" system "$plain"
	fmt -w 66 <<<"${missing[*]}" | sed 's/^/                /'
	child_patient=yes
	log=${scratch:?}/apt.log
	watch 'apt-get update' "$log" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -o DPkg::Lock::Timeout=120 update ||
		fail 'apt-get update failed. Is there a network?' "$log"
	watch 'apt-get install' "$log" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" ||
		fail "apt-get could not install all of ${missing[*]}." "$log"
	child_patient=no
	stage_done "${#missing[@]} packages installed"
}

# What building convene takes. Used by the scripts that read this file.
# shellcheck disable=SC2034
BUILD_PACKAGES=(gcc libc6-dev make autoconf automake pkg-config libevent-dev libssl-dev libsodium-dev libdecaf-dev
	libprotobuf-c-dev protobuf-c-compiler libsqlite3-dev libconfuse-dev libicu-dev libjansson-dev libgmime-3.0-dev libxml2-dev
	libzstd-dev zlib1g-dev gettext libncurses-dev)

# What drives a browser, and what looks for what keeps people out. They are installed into a build folder and
# are no part of the repository; nothing but tests and pictures needs them.
BROWSER_TOOLS=(playwright-core@1.65.1 axe-core@4.14.1)
BROWSER_PACKAGES=(nodejs chromium fonts-noto-core)
# Whoever packages Node.js themselves brings npm along in it.
command -v npm >/dev/null || BROWSER_PACKAGES+=(npm)

browser_tools() { # FOLDER LOG
	local tools=${BROWSER_TOOLS[*]}
	[ "$(cat "$1/.tools" 2>/dev/null)" != "$tools" ] || return 0
	mkdir -p "$1" || return
	# Node.js has authorities of its own; an organisation's are with the system's.
	local authorities=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
	[ ! -r "$authorities" ] || export NODE_EXTRA_CA_CERTS=$authorities
	watch 'installing what drives a browser' "$2" npm install --prefix "$1" --no-save --ignore-scripts --no-audit --no-fund \
		--loglevel=error "${BROWSER_TOOLS[@]}" || return
	printf '%s' "$tools" >"$1/.tools"
}
