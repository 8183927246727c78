#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# deb.sh BUILD VERSION: the packages lwcmem, liblwcmem-dev and lwcmem-dkms, in BUILD. The same tree gives the same bytes.
set -eu
build=$1 version=$2
here=$(dirname "$0")
stage=$build/deb
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || stat -c %Y kmod/main.c)}
export SOURCE_DATE_EPOCH

compress() { gzip -9n "$@"; }
# document PACKAGE: what the policy wants in /usr/share/doc
document() {
	doc=$stage/$1/usr/share/doc/$1
	install -d "$doc"
	cat COPYING LICENSES/BSD-3-Clause.txt > "$doc/copyright"
	install -m 644 README.md SECURITY.md "$doc"
	cp "$stage/debian/changelog" "$doc"
	compress "$doc/changelog"
}
# package NAME ARCHITECTURE
package() {
	root=$stage/$1
	document "$1"
	install -d "$root/DEBIAN"
	for script in postinst prerm postrm; do
		[ -e "$here/debian/$1.$script" ] || continue
		sed "s/@VERSION@/$version/g" "$here/debian/$1.$script" > "$root/DEBIAN/$script"
		chmod 755 "$root/DEBIAN/$script"
	done
	for file in triggers shlibs; do
		[ ! -e "$here/debian/$1.$file" ] || sed "s/@VERSION@/$version/g" "$here/debian/$1.$file" > "$root/DEBIAN/$file"
	done
	(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums)
	(cd "$stage" && dpkg-gencontrol -p"$1" -P"$1" -Tsubstvars -O"$1/DEBIAN/control" -ffiles)
	find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	dpkg-deb --root-owner-group -Zxz --build "$root" "$build/$1_${version}_$2.deb"
}

rm -rf "$stage"
mkdir -p "$stage/debian"
cp "$here/debian/control" "$stage/debian/"
printf '%s\n' "lwcmem ($version) unstable; urgency=medium" "" "  * What the history of the source says." "" \
	" -- the lwcmem developers <lwcmem@localhost>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")" > "$stage/debian/changelog"
umask 022
make -s install B="$build" PREFIX=/usr DESTDIR="$PWD/$stage/lwcmem"
strip --remove-section=.comment --remove-section=.note "$stage/lwcmem/usr/bin/lwcmem" "$stage/lwcmem/usr/lib/liblwcmem.so.0"
strip --strip-debug --enable-deterministic-archives "$stage/lwcmem/usr/lib/liblwcmem.a"
find "$stage/lwcmem/usr/share/man" -type f -exec gzip -9n {} +
# what only who builds programs needs
for file in include lib/liblwcmem.a lib/liblwcmem.so lib/pkgconfig share/man/man3 share/doc/lwcmem/examples; do
	install -d "$(dirname "$stage/liblwcmem-dev/usr/$file")"
	mv "$stage/lwcmem/usr/$file" "$stage/liblwcmem-dev/usr/$file"
done
(cd "$stage" && dpkg-shlibdeps -Tsubstvars -elwcmem/usr/bin/lwcmem -elwcmem/usr/lib/liblwcmem.so.0)
make -s dkms-source PREFIX=/usr DESTDIR="$PWD/$stage/lwcmem-dkms"
package lwcmem "$(dpkg --print-architecture)"
package liblwcmem-dev "$(dpkg --print-architecture)"
package lwcmem-dkms all
