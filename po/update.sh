#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Take what the code says into po/: update.sh TOP. With --check, only say which files translate and
# are not in POTFILES, or are there and don't. Fuzzy and missing translations are for people to mend.
set -eu
check=no
[ "$1" != --check ] || { check=yes && shift; }
cd "$1"

translating() { # files with strings for people
	find lib daemon client -name '*.[ch]' ! -path lib/base/language.h -exec \
		grep -lE '(^|[^A-Za-z0-9_])(_|N_|gettext|ngettext)\("' {} + | LC_ALL=C sort
}

if [ "$check" = yes ]; then
	translating | diff po/POTFILES - >&2 && exit 0
	echo 'make po-update takes them in.' >&2
	exit 1
fi
translating >po/POTFILES
# Neither dates nor line numbers: what didn't change looks so.
xgettext --from-code=UTF-8 --language=C -k_ -kN_ -kngettext:1,2 --add-comments=Translators: \
	--add-location=file --package-name=convene --output=po/convene.pot.tmp --files-from=po/POTFILES
sed -i -e '/^"POT-Creation-Date:/d' -e 's/charset=CHARSET/charset=UTF-8/' \
	-e '1,4d' -e '5s/.*/# The words of convene, as the code has them: make po-update writes this file./' po/convene.pot.tmp
grep -q '^msgid "..*"' po/convene.pot.tmp
mv po/convene.pot.tmp po/convene.pot
for po in po/*.po; do
	msgmerge --quiet --update --backup=none --add-location=file --no-fuzzy-matching "$po" po/convene.pot
done
