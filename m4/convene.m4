# SPDX-License-Identifier: BSD-2-Clause

# CONVENE_C11: the language, with what the system offers beyond it.
AC_DEFUN([CONVENE_C11], [
	AC_CACHE_CHECK([whether $CC takes -std=gnu11], [convene_cv_c11], [
		saved=$CFLAGS
		CFLAGS="$CFLAGS -std=gnu11"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[_Static_assert(1, "");]], [])],
		    [convene_cv_c11=yes], [convene_cv_c11=no])
		CFLAGS=$saved])
	AS_IF([test "$convene_cv_c11" = no], [AC_MSG_ERROR([a C11 compiler is needed])])
	AC_SUBST([STD_CFLAGS], [-std=gnu11])
])

# CONVENE_FLAG(VARIABLE, FLAG, [compile|link]): add the flag if the compiler takes it without a word.
AC_DEFUN([CONVENE_FLAG], [
	AS_VAR_PUSHDEF([cv], [convene_cv_flag_$2])
	AC_CACHE_CHECK([whether $CC takes $2], [cv], [
		saved_cflags=$CFLAGS saved_ldflags=$LDFLAGS
		m4_if([$3], [link], [LDFLAGS="$LDFLAGS $2"], [CFLAGS="$CFLAGS -Werror $2"])
		AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([cv], [yes])], [AS_VAR_SET([cv], [no])])
		CFLAGS=$saved_cflags LDFLAGS=$saved_ldflags])
	AS_VAR_IF([cv], [yes], [AS_VAR_APPEND([$1], [" $2"])])
	AS_VAR_POPDEF([cv])
])

# CONVENE_WARNINGS: WARN_CFLAGS; --enable-werror for the tests.
AC_DEFUN([CONVENE_WARNINGS], [
	WARN_CFLAGS="-Wall -Wextra"
	for flag in -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2; do
		CONVENE_FLAG([WARN_CFLAGS], [$flag])
	done
	AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [warnings are errors])], [], [enable_werror=no])
	AS_IF([test "$enable_werror" = yes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
	AC_SUBST([WARN_CFLAGS])
])

# CONVENE_HARDENING: HARDEN_CFLAGS, HARDEN_LDFLAGS; off with --disable-hardening (sanitizers).
AC_DEFUN([CONVENE_HARDENING], [
	AC_ARG_ENABLE([hardening], [AS_HELP_STRING([--disable-hardening], [no hardening flags (for sanitizers)])],
	    [], [enable_hardening=yes])
	HARDEN_CFLAGS= HARDEN_LDFLAGS=
	AS_IF([test "$enable_hardening" = yes], [
		for flag in -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE -ftrivial-auto-var-init=zero; do
			CONVENE_FLAG([HARDEN_CFLAGS], [$flag])
		done
		HARDEN_CFLAGS="$HARDEN_CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
		for flag in -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code; do
			CONVENE_FLAG([HARDEN_LDFLAGS], [$flag], [link])
		done
	])
	AC_SUBST([HARDEN_CFLAGS])
	AC_SUBST([HARDEN_LDFLAGS])
])

# CONVENE_DECAF: libdecaf, which has no file for pkg-config; its headers name each other from a folder of
# their own. Without it signatures verify as well, and more slowly (lib/crypto/README).
AC_DEFUN([CONVENE_DECAF], [
	AC_ARG_WITH([decaf],
	    [AS_HELP_STRING([--without-decaf], [verify all signatures with libsodium alone, which takes longer])],
	    [], [with_decaf=yes])
	DECAF_CFLAGS= DECAF_LIBS= found=no
	AS_IF([test "$with_decaf" != no], [
		saved_cppflags=$CPPFLAGS saved_libs=$LIBS
		LIBS="-ldecaf $LIBS"
		AC_MSG_CHECKING([for libdecaf])
		for flags in '-isystem /usr/include/decaf' '-isystem /usr/local/include/decaf' ''; do
			CPPFLAGS="$saved_cppflags $flags"
			AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <decaf.h>]],
			    [[return decaf_255_sizeof_precomputed_s == 0;]])],
			    [found=yes DECAF_CFLAGS="$flags -DHAVE_DECAF" DECAF_LIBS=-ldecaf; break])
		done
		AC_MSG_RESULT([$found])
		CPPFLAGS=$saved_cppflags LIBS=$saved_libs
		AS_IF([test $found = no],
		    [AC_MSG_ERROR([libdecaf is needed (Debian: libdecaf-dev), or --without-decaf])])
	])
	AC_SUBST([DECAF_CFLAGS])
	AC_SUBST([DECAF_LIBS])
])
