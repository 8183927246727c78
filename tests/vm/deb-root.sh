#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# In a clean root, as its root: tests/vm/deb.sh.
set -u
cd /root/in || exit 1
. ./kernels
export DEBIAN_FRONTEND=noninteractive

check() { # check NAME COMMAND...
	name=$1; shift
	if "$@" > out 2>&1; then echo "ok deb: $name"; else echo "not ok deb: $name"; tail -40 out; fi
}
not() { ! "$@"; }
apt() { apt-get -q -y --no-install-recommends "$@"; }
# What is there, but for what dpkg, apt, ldconfig and groupadd (copies NAME-) remember, and what the test itself has.
listing() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /root -o -path /tmp -o -path /run -o -path /var/lib/dpkg \
		-o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path '/etc/*-' \) -prune -o -printf '%y %m %u:%g %p\n' | sort
	getent group; getent passwd
}
# headers ARCHIVE RELEASE DIRECTORY: of a kernel, which were unpacked for DIRECTORY
headers() {
	tar -C / -xf "$1" --keep-directory-symlink && sed -i "s,$3,," "/usr/src/linux-headers-$2/Makefile" &&
		mkdir -p "/lib/modules/$2" && ln -s "/usr/src/linux-headers-$2" "/lib/modules/$2/build"
}
module() { echo "/lib/modules/$1/updates/dkms/lwcmem.ko"; }
built_for() { [ -e "$(module "$1")" ] && [ "$(modinfo -F vermagic "$(module "$1")" | cut -d' ' -f1)" = "$1" ]; }
signed() { [ -n "$(modinfo -F signer "$(module "$1")")" ]; }

check "the root has no compiler" not command -v gcc
listing > clean
check "install the tools" apt install ./lwcmem_*.deb
check "the group" getent group lwcmem
check "pack" lwcmem pack model -o model.lwc
check "verify" lwcmem verify model.lwc --against model
check "unpack" lwcmem unpack model.lwc -o unpacked
check "unpacked is the model" diff -r model unpacked
check "run" lwcmem run model.lwc -p "Once upon a time" -n 4
check "the loader finds the library" sh -c 'ldconfig -p | grep liblwcmem.so.0'
check "the page is where man looks" test -e /usr/share/man/man1/lwcmem.1.gz
check "files are what the package says" dpkg --verify lwcmem
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s /usr/lib/systemd/system/lwcmem-attach@.service /etc/systemd/system/multi-user.target.wants/lwcmem-attach@a.service
check "remove the tools" apt remove lwcmem
check "nothing can be run then" test ! -e /usr/bin/lwcmem
check "purge the tools" apt purge --autoremove lwcmem
rmdir /etc/systemd/system/multi-user.target.wants /etc/systemd/system /etc/systemd 2> /dev/null
listing > after
check "purging the tools leaves nothing" diff clean after

headers OLD.tar "$OLD" "$OLD_BUILT_IN"
# what the packages of headers depend on, and what signs
check "install dkms" apt install dkms libelf1 openssl
listing > with-dkms
check "install the module" apt install ./lwcmem-dkms_*.deb
check "it is built for $OLD" built_for "$OLD"
check "it is signed with the key of this machine" signed "$OLD"
check "it is loaded at boot" grep -qx lwcmem /usr/lib/modules-load.d/lwcmem.conf
check "modules-load.d names a module that is there" modinfo -k "$OLD" lwcmem
# what the package of new headers runs when it has been unpacked
headers NEW.tar "$NEW" "$NEW_BUILT_IN"
check "a new kernel" run-parts --exit-on-error --arg="$NEW" /etc/kernel/header_postinst.d
check "the module is built for $NEW" built_for "$NEW"
check "the module for $OLD stays" built_for "$OLD"
check "dkms knows both" test "$(dkms status -m lwcmem | grep -c installed)" = 2
check "purge the module" apt purge lwcmem-dkms
check "no kernel has it any more" test ! -e "$(module "$OLD")" -a ! -e "$(module "$NEW")"
check "dkms knows none" test -z "$(dkms status -m lwcmem)"

# the same without packages
check "make dkms" make -C source dkms KVER="$NEW"
check "make dkms builds for $NEW" built_for "$NEW"
check "make dkms a second time" make -C source dkms KVER="$NEW"
check "make uninstall" make -C source uninstall
check "make uninstall leaves nothing for dkms" test -z "$(dkms status -m lwcmem)"
listing > after
# kernels and the key of the machine are none of ours, but for a module
others='/usr/src/linux-|/usr/lib/linux-kbuild-|/usr/lib/modules(/[^/]*(/(build|modules[.][^/]*))?)?$|/var/lib/dkms/mok'
grep -vE "$others" with-dkms > before
grep -vE "$others" after > after-ours
check "removing the module leaves nothing" diff before after-ours
echo "ok deb: end"
