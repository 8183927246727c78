#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What the rigs share: the cache, packages that are unpacked and not installed, the module built for another kernel.
# Sourced with the root of the tree as the working directory.
. tests/vm/pins
# mkfs, modprobe and depmod are where only root looks by default
PATH=$PATH:/usr/sbin:/sbin
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lwcmem

# absent RIG REASON: this distribution has no such kernel. That is no fault of the machine, but CI must have one.
absent() {
	if [ "${CI:-}" = true ]; then echo "not ok $1: $2"; exit 1; fi
	echo "skip $1: $2"
	exit 0
}

# quietly COMMAND...: its output is shown only when it fails
quietly() {
	local out rc=0
	out=$(mktemp)
	"$@" > "$out" 2>&1 || rc=$?
	[ "$rc" = 0 ] || tail -40 "$out" | sed 's/^/    /'
	rm -f "$out"
	return "$rc"
}

# Kernel builds must not see what was given to this project's make.
kernel_make() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES make "$@"; }

# candidate PACKAGE: the version that apt would install, nothing when it knows none
candidate() {
	# images of containers come with the lists removed
	ls /var/lib/apt/lists/*Packages* > /dev/null 2>&1 || refresh_lists > /dev/null 2>&1
	LC_ALL=C apt-cache policy "$1" 2> /dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '(none)'
}

refresh_lists() {
	local sudo=
	[ "$(id -u)" = 0 ] || sudo="sudo -n"
	$sudo apt-get update -q
}

# download DIR PACKAGE=VERSION...: the .deb files into DIR
download() {
	(cd "$1" && shift && apt-get download -q "$@")
}

# locked FILE COMMAND...: two runs must not make the same thing at once; a lock ends with its process
locked() {
	local file=$1
	shift
	mkdir -p "${file%/*}"
	(flock 9 && "$@") 9> "$file"
}

# build_module DIR KERNEL MAKE-VARIABLES...: DIR/lwcmem.ko against the kernel tree KERNEL. The sources are copied, so that
# the objects of two kernels never mix and the tree stays clean; another kernel starts from nothing.
build_module() {
	local dir=$1 kernel=$2
	shift 2
	if [ "$(cat "$dir/.kernel" 2> /dev/null)" != "$kernel" ]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		echo "$kernel" > "$dir/.kernel"
	fi
	rm -f "$dir/lwcmem.ko"
	rsync -a --exclude='*.o' --exclude='*.ko' --exclude='*.mod' --exclude='*.mod.c' --exclude='.*.cmd' Kbuild kmod uapi "$dir/" &&
		kernel_make -s -C "$kernel" M="$PWD/$dir" KCFLAGS=-Werror -j"$(nproc)" "$@" modules &&
		[ -e "$dir/lwcmem.ko" ]
}

# build_planted DIR KERNEL MAKE-VARIABLES...: the modules of tests/vm/planted
build_planted() {
	local dir=$1 kernel=$2
	shift 2
	rm -rf "$dir"
	mkdir -p "$dir"
	cp tests/vm/planted/* "$dir/" && kernel_make -s -C "$kernel" M="$PWD/$dir" -j"$(nproc)" "$@" modules
}

# What the kernel must say about each planted module, in this order: after a report about memory it checks no locks.
PLANTED='planted_leak.sh=kmemleak: .* new suspected memory leaks|planted_locks.sh=possible circular locking dependency'
PLANTED="$PLANTED|planted_free.sh=KASAN: (slab-)?use-after-free"

# The guest's programs: NAME for tests/kselftest/NAME.c, NAME.sh for a script. lib* belongs to others, prepare.sh to
# the host, debug_* to debug kernels. LWCMEM_TESTS names a part of those that are wanted. reload.sh comes last: it removes
# the module. LWCMEM_DEBUG is set for a debug kernel; "planted": only the planted mistakes.
programs() {
	local file
	[ -z "${LWCMEM_BENCH:-}" ] || { echo region.sh; return; }
	if [ "${LWCMEM_DEBUG:-}" = planted ]; then
		echo "$PLANTED" | tr '|' '\n' | sed 's/=.*//'
		return
	fi
	for file in tests/kselftest/*.c tests/kselftest/*.sh; do
		[ -e "$file" ] || continue
		file=${file##*/}
		case $file in lib* | prepare.sh) continue ;; esac
		[ -z "${LWCMEM_ONLY:-}" ] || case " $LWCMEM_ONLY " in *" $file "*) ;; *) continue ;; esac
		case $file in debug_*) [ -n "${LWCMEM_DEBUG:-}" ] || continue ;; esac
		case $file in *"${LWCMEM_TESTS:-}"*) echo "${file%.c}" ;; esac
	done
	echo reload.sh
	[ -z "${LWCMEM_DEBUG:-}" ] || echo debug-end.sh
}

# The data that tests read, in $data; made again when what makes it has changed.
make_data() {
	local key maker=tests/kselftest/prepare.sh
	[ -z "${LWCMEM_BENCH:-}" ] || maker=tests/bench/region_data.sh
	key=$(find $maker tests/kselftest tests/models build/lwcmem -type f ! -name '*.[ch]' -exec sha256sum {} + | sort | sha256sum)
	[ "$(cat $data.key 2> /dev/null)" != "$key" ] || return 0
	rm -rf $data $data.key
	mkdir -p $data
	LWCMEM=$PWD/build/lwcmem MODELS=$PWD/build/models bash $maker "$PWD/$data" || return 1
	echo "$key" > $data.key
}

# make_disk IMAGE: ext4 with the data and a gigabyte to write in; sparse, and made without root
make_disk() {
	local size
	size=$(du -sm $data | cut -f1)
	rm -f "$1"
	truncate -s $((size + size / 10 + 1024))M "$1" && mkfs.ext4 -q -F -b 4096 -O verity -d $data "$1"
}

# copy_libraries ROOT PROGRAM...: shared libraries where the dynamic loader looks for them
copy_libraries() {
	local root=$1
	shift
	ldd "$@" 2> /dev/null | grep -o '/[^ :]*\.so[^ :]*' | sort -u | (cd / && xargs -r cp -L --parents -t "$root")
}

# copy_kernel_modules ROOT DIRECTORY RELEASE: with dependencies, in order, decompressed
copy_kernel_modules() {
	local module file
	for module in $GUEST_MODULES; do
		modprobe -d "$2" -S "$3" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
	done | awk '!seen[$0]++' | while read -r file; do
		module=${file##*/} module=${module%.xz} module=${module%.zst}
		case $file in
		*.xz) xz -dc "$file" ;;
		*.zst) zstd -dqc "$file" ;;
		*) cat "$file" ;;
		esac > "$1/lib/modules/$module" && echo "$module" >> "$1/lib/modules/order"
	done
}

# The examples as they are installed, for guests that have no shared libraries of this project: build/vm/examples.
make_examples() {
	local prefix=$PWD/build/vm/installed
	rm -rf "$prefix" build/vm/examples
	make -s install DESTDIR=/ PREFIX="$prefix" && cp -r "$prefix/share/doc/lwcmem/examples" build/vm/ &&
		PKG_CONFIG_PATH=$prefix/lib/pkgconfig make -s -C build/vm/examples STATIC=1
}

# make_root ROOT MODULE PROGRAMS: the guest's files, but for rig.conf and modules of the kernel
make_root() {
	local program
	mkdir -p "$1"/{bin,dev,proc,sys,tmp,run,mnt,data,payload/tests,lib/modules}
	: > "$1/lib/modules/order"
	cp "$(command -v busybox)" "$1/bin/busybox"
	cp tests/vm/init.sh "$1/init"
	cp "$2" "$1/payload/lwcmem.ko"
	cp build/lwcmem "$1/bin/lwcmem"
	cp tests/kselftest/lib*.sh "$1/payload/tests/" 2> /dev/null
	for program in $3; do
		case $program in
		region.sh) cp tests/bench/region.sh "$1/payload/tests/" ;;
		reload.sh | debug-end.sh) cp "tests/vm/$program" "$1/payload/tests/" ;;
		planted_*.sh)
			cp tests/vm/planted/planted.sh "$1/payload/tests/$program" &&
				cp "build/planted-$rig/${program%.sh}.ko" "$1/payload/"
			;;
		examples.sh)
			mkdir -p "$1/payload/examples"
			cp tests/kselftest/examples.sh "$1/payload/tests/" && cp build/vm/examples/{view,stream} "$1/payload/examples/"
			;;
		*.sh) cp "tests/kselftest/$program" "$1/payload/tests/" ;;
		*) cp "build/kselftest/$program" "$1/payload/tests/" ;;
		esac || return 1
	done
	chmod +x "$1/init" "$1"/payload/tests/*
	copy_libraries "$1" build/lwcmem $(find build/kselftest -type f -perm -1 2> /dev/null)
}

# pack_root ROOT OUT: not compressed, which an emulated CPU would take long to undo
pack_root() { (cd "$1" && find . | cpio -o -H newc -R 0:0 --quiet) > "$2"; }

# For both rigs: everything that is built on the host but the module and the kernel. Sets work (removed at the end) and guest_programs.
prepare_rig() { # prepare_rig RIG
	rig=${LWCMEM_DEBUG:+debug-}${LWCMEM_BENCH:+bench-}$1 data=build/vm/${LWCMEM_BENCH:+bench-}data started=$SECONDS
	guest_pid=
	work=$(mktemp -d) && trap '[ -z "$guest_pid" ] || kill "$guest_pid"; rm -rf "$work" "build/vm/$rig.disk"' EXIT
	mkdir -p build/vm
	guest_programs=$(programs)
	[ "${guest_programs%%[-.]*}" != reload ] || [ -z "${LWCMEM_TESTS:-}" ] ||
		broken "no test's name contains '$LWCMEM_TESTS'"
	quietly make -s -j"$(nproc)" all kselftests || broken "build"
	[ -d build/models ] || quietly bash tests/models/fetch.sh build || [ -d build/models ] || broken "models"
	quietly locked $data.lock make_data || broken "the data"
	case " $(echo $guest_programs) " in *" examples.sh "*) quietly make_examples || broken "examples" ;; esac
}

# The host's python with what tests/vm/python.txt names, for guests that see the host's files. Sets host_python.
make_python() {
	local directory=build/vm/python
	if [ ! -e $directory ] || [ tests/vm/python.txt -nt $directory ]; then
		rm -rf $directory
		python3 -m pip install -q --no-deps --only-binary :all: --require-hashes -r tests/vm/python.txt \
			--target $directory.new && mv $directory.new $directory && touch $directory || return 1
	fi
	host_python=$PWD/$directory
}

broken() {
	echo "not ok $rig: $1"
	exit 1
}

# boot SECONDS COMMAND...: until the guest is off, killed when nothing came from it for that long. Each program has its own
# limit inside; only a dead kernel is silent for longer.
boot() {
	local silence=$1 size last= quiet=0
	shift
	timeout -k 5 "${BOOT_LIMIT:-1500}" "$@" < /dev/null &
	guest_pid=$!
	while kill -0 "$guest_pid" 2> /dev/null; do
		sleep 0.2
		size=$(stat -c %s "build/vm/$rig.log" "$work/results" 2> /dev/null)
		if [ "$size" != "$last" ]; then last=$size quiet=$SECONDS; fi
		if [ $((SECONDS - quiet)) -gt "$silence" ]; then
			kill "$guest_pid"
			break
		fi
	done
	wait "$guest_pid" 2> /dev/null
	guest_pid=
}

configure_guest() { # configure_guest ROOT RESULTS DISK LIMIT
	cat > "$1/payload/rig.conf" <<-CONF
		RIG=$rig
		RESULTS=$2
		DISK=$3
		LIMIT=$4
		PARAMS='${LWCMEM_PARAMS:-}'
		DEBUG='${LWCMEM_DEBUG:-}'
		PROGRAMS='$(echo $guest_programs)'
		HOST_PYTHON='${host_python:-}'
	CONF
}

# judge RESULTS LIMIT: all verdicts; the console when the guest gave none. The status is the rig's.
judge() {
	if [ -n "${LWCMEM_BENCH:-}" ]; then
		sed -n 's/^[OEK] //p; s/^FATAL/&/p' "$1"
		grep -q '^END region.sh 0 0 ' "$1"
		return
	fi
	LC_ALL=C awk -v rig="$rig" -v programs="$(echo $guest_programs)" -v limit="$2" -v planted="$PLANTED" -f tests/vm/verdict.awk "$1"
	local rc=$?
	if [ "$rc" = 2 ]; then
		tail -60 "build/vm/$rig.log" | tr -d '\r' | sed 's/^/    /'
		echo "not ok $rig: no verdict: the guest died or hung"
	fi
	echo "# $rig: $((SECONDS - started)) s"
	return "$rc"
}
