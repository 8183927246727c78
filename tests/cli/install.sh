#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# make install puts there what it should and what works from there; make uninstall leaves what was there before.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
here=$PWD
. tests/cli/checks.bash
cd "$work" || exit 1
make_here() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$here" B=build "$@"; }
listing() { (cd "$1" && find . -printf '%y %m %p\n' | sort); }

functions=$(sed -n 's/^\t\(lwcmem_.*\);$/\1/p' "$here/userspace/lib/liblwcmem.map")
expected="bin/lwcmem include/lwcmem/lwcmem.h include/lwcmem/uapi/lwcmem.h include/lwcmem/uapi/lwcmem_format.h
	lib/liblwcmem.a lib/liblwcmem.so lib/liblwcmem.so.0 lib/modules-load.d/lwcmem.conf lib/pkgconfig/liblwcmem.pc
	lib/systemd/system/lwcmem-attach@.service lib/sysusers.d/lwcmem.conf lib/udev/rules.d/60-lwcmem.rules
	share/bash-completion/completions/lwcmem $(cd "$here/userspace/examples" && printf 'share/doc/lwcmem/examples/%s\n' *)
	share/man/man1/lwcmem.1 share/man/man3/lwcmem.3 $(printf 'share/man/man3/%s.3\n' $functions)
	share/man/man4/lwcmem.4 share/man/man5/lwcmem.5"
for prefix in /usr/local /opt/lwcmem; do
	root=$work/root$prefix
	mkdir -p "$work/root/usr/src"
	# what others have put there, and directories of every system, stay; below a prefix of its own, nothing does
	if [ $prefix = /usr/local ]; then
		mkdir -p "$root"/{bin,include,lib/systemd/system,share/man/man1}
		touch "$root/share/man/man1/other.1" "$root/lib/systemd/system/other.service"
	else
		mkdir -p "${root%/*}"
	fi
	listing "$work/root" > before
	check "install below $prefix" make_here install dkms-source PREFIX=$prefix DESTDIR="$work/root"
	check "what is below $prefix" diff <(printf '%s\n' $expected | LC_ALL=C sort) \
		<(cd "$root" && find . ! -type d ! -name 'other.*' -printf '%P\n' | LC_ALL=C sort)
	check "nothing is left to be filled in below $prefix" \
		bash -c "! grep -rlE '@[A-Z]+@' '$work/root' --include='*.[1345]' --include='*.pc' --include='*.service' --include=dkms.conf"
	check "the unit calls what is below $prefix" grep -q "^ExecStart=$prefix/bin/lwcmem attach " "$root/lib/systemd/system/lwcmem-attach@.service"
	check "the program works below $prefix" "$root/bin/lwcmem" info "$here/tests/golden/levels-4-1.lwc"
	check "headers compile from $prefix" gcc -std=gnu11 -Wall -Werror -fsyntax-only -I "$root/include" -x c - <<-C
		#include <lwcmem/uapi/lwcmem.h>
		#include <lwcmem/uapi/lwcmem_format.h>
		int abi = LWCMEM_ABI;
	C
	check "dkms gets all of the module's source" diff <(cd "$here" && find Kbuild kmod uapi -name '*.[chS]' -o -name Kbuild | sort) \
		<(cd "$work"/root/usr/src/lwcmem-* && find Kbuild kmod uapi -type f | sort)
	[ $prefix != /usr/local ] || cp -r "$work/root" installed
	check "uninstall below $prefix" make_here uninstall PREFIX=$prefix DESTDIR="$work/root"
	listing "$work/root" > after
	check "uninstall below $prefix leaves what was there, and no more" diff before after
	rm -rf "$work/root"
done

page=installed/usr/local/share/man
options() { grep -oE -- '(^|[^a-zA-Z0-9-])--?[a-zA-Z][a-z-]*' | grep -oE -- '--?[a-zA-Z].*' | sort -u; }
section() { # section NAME: of the page, without the typesetter's marks
	awk -v name="$1" '/^\.S[SH] / { on = $0 == ".SS " name } on' $page/man1/lwcmem.1 | sed 's/\\f[BR]//g; s/\\-/-/g'
}
commands=$("$LWCMEM" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
check "the manual page has all commands" diff <(printf '%s\n' $commands) \
	<(sed -n 's/^\.SS \([a-z]*\)$/\1/p' $page/man1/lwcmem.1)
for command in $commands 'bench codec' 'bench gemv' 'bench advise'; do
	"$LWCMEM" $command --help > help
	section "$command" > in-page
	check "lwcmem(1) of $command has the options of --help, and no other" diff <(options < help) <(options < in-page)
	check "lwcmem(1) of $command has the words of --help" diff <(tr -s ' \n' '\n' < help | sed '/^$/d; 1d') \
		<(grep -vE '^\.(SS|nf|fi|PP|TP)' in-page | sed "s/\\\\(aq/'/g; s/\\\\e/\\\\/g; s/^\\\\&//" | tr -s ' \n' '\n' | sed '/^$/d')
done
# LWCMEM_TEST_... is for tests
check "lwcmem(1) has the environment that the program reads, and no other" \
	diff <(grep -rhoE 'getenv\("LWCMEM_[A-Z_]*' "$here/userspace" --include='*.c' | sed 's/.*"//; /^LWCMEM_TEST_/d' | sort -u) \
	<(sed -n 's/^\.B \(LWCMEM_.*\)/\1/p' $page/man1/lwcmem.1 | sort)
if command -v groff > /dev/null; then
	for section in 1 3 4 5; do
		check "lwcmem($section) is well-formed" bash -c "groff -man -Tutf8 -ww -z $page/man$section/lwcmem.$section 2>&1 | (! grep .)"
	done
else
	echo "skip manual pages are well-formed: there is no groff"
fi

completions() { # completions WORD...: what bash offers for the last one
	COMP_WORDS=("$work/lwcmem" "$@") COMP_CWORD=$# bash -c '
		. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lwcmem "$1"; printf "%s\n" "${COMPREPLY[@]}"' \
		- installed/usr/local/share/bash-completion/completions/lwcmem "$LWCMEM" "$@"
}
check "completion of a command" diff <(echo unpack) <(completions unp)
check "completion of an option" diff <(echo --against) <(completions verify --ag)

if command -v systemd-analyze > /dev/null && [ "$(systemd-analyze --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" -ge 250 ]; then
	unit=installed/usr/local/lib/systemd/system/lwcmem-attach@.service
	sed -i "s,/usr/local/bin/lwcmem,$work/installed&," $unit
	check "the unit is valid" bash -c "systemd-analyze verify --man=no --recursive-errors=no '$work/installed/usr/local/lib/systemd/system/lwcmem-attach@a.service' 2>&1 | (! grep lwcmem-attach)"
else
	echo "skip the unit is valid: there is no systemd-analyze"
fi
if command -v systemd-sysusers > /dev/null; then
	mkdir -p sysroot/etc sysroot/usr/lib
	cp -r installed/usr/local/lib/sysusers.d sysroot/usr/lib/
	check "the group can be made" systemd-sysusers --root="$work/sysroot" lwcmem.conf
	check "the group of the udev rule" grep -q "^$(sed -n 's/.*GROUP="\([a-z]*\)".*MODE="0660".*/\1/p' \
		installed/usr/local/lib/udev/rules.d/60-lwcmem.rules):" sysroot/etc/group
else
	echo "skip the group can be made: there is no systemd-sysusers"
fi

version=$(sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' "$here/kmod/main.c")
check "dkms knows the version of the module" grep -qx "PACKAGE_VERSION=$version" installed/usr/src/lwcmem-"$version"/dkms.conf
# tests/run.sh deb installs them
if command -v dpkg-shlibdeps > /dev/null; then
	arch=$(dpkg --print-architecture)
	check "make deb" make_here deb
	packages="lwcmem_${version}_$arch liblwcmem-dev_${version}_$arch lwcmem-dkms_${version}_all"
	for package in $packages; do cp "$here/build/$package.deb" .; done
	check "make deb again" make_here deb
	for package in $packages; do
		check "the same tree gives the same $package" cmp "$here/build/$package.deb" "$package.deb"
		dpkg-deb -x "$package.deb" packages
	done
	check "the packages hold what is installed, and documents" diff \
		<(cd installed && find . ! -type d ! -name 'other.*' | sed 's,^./usr/local/,./usr/,; s,\.[1345]$,&.gz,' | sort) \
		<(cd packages && find . ! -type d \( ! -path './usr/share/doc/*' -o -path '*/examples/*' \) | sort)
	check "no two packages have a file in common" \
		bash -c "for package in *.deb; do dpkg-deb --fsys-tarfile \$package | tar -t | grep -v '/$'; done | sort | uniq -d | (! grep .)"
	check "the tools need what they are linked with" bash -c "dpkg-deb -f lwcmem_*.deb Depends | grep libzstd1"
	check "what is linked with the library needs its package" \
		bash -c "dpkg-deb -I lwcmem_*.deb shlibs | grep -x 'liblwcmem 0 lwcmem (>= $version)'"
	check "ldconfig sees the library when it is installed" \
		bash -c "dpkg-deb -I lwcmem_*.deb triggers | grep -x 'activate-noawait ldconfig'"
	check "who builds with the library gets what pkg-config asks for" \
		bash -c "dpkg-deb -f liblwcmem-dev_*.deb Depends | grep -F 'lwcmem (= $version), liburing-dev, libzstd-dev, libssl-dev'"
else
	echo "skip make deb: there is no dpkg-dev"
fi
