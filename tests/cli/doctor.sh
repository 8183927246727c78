#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# doctor: each check on trees of /proc, /sys and /dev that are made up, and on this machine.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
tree=$work/tree

put() { mkdir -p "$(dirname "$tree/$1")" && printf '%b' "$2" > "$tree/$1"; } # put FILE CONTENT

all_flags="fpu bmi1 bmi2 popcnt abm avx2 fma f16c avx512f avx512bw avx512vl avx512dq avx512vbmi avx512_vbmi2 gfni"
limits() { # limits LOCKED ADDRESS-SPACE
	put proc/self/limits "Limit    Soft Limit  Hard Limit  Units\nMax locked memory  $1  $1  bytes\nMax address space  $2  $2  bytes\n"
}
fresh() { # a host that lacks nothing
	rm -rf "$tree"
	put proc/self/cgroup '4:memory:/old/unit\n0::/slice/unit\n'
	put sys/fs/cgroup/slice/unit/memory.max 'max\n'
	put sys/fs/cgroup/slice/memory.max 'max\n'
	put sys/fs/cgroup/memory/old/unit/memory.limit_in_bytes '9223372036854771712\n'
	limits unlimited unlimited
	put proc/self/status 'Name:\tx\nCapEff:\t0000000000000000\n'
	put proc/cpuinfo "processor\t: 0\nflags\t\t: $all_flags\nbugs\t\t:\n"
	put proc/meminfo 'MemTotal: 1 kB\nHugePages_Total:    64\nHugePages_Free:     32\nHugepagesize:    2048 kB\n'
	put sys/kernel/mm/transparent_hugepage/enabled 'always [madvise] never\n'
	put sys/devices/system/node/online '0\n'
	put sys/module/lwcmem/version '0.1\n'
	put sys/class/misc/lwcmem/abi '1\n'
	put proc/sys/kernel/osrelease '6.1.0-x\n'
	put lib/modules/6.1.0-x/build/Makefile ''
	put sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c '\006\0000\0000\0000\0000'
	put sys/kernel/security/lockdown '[none] integrity confidentiality\n'
	put sys/module/module/parameters/sig_enforce 'N\n'
	put proc/sys/kernel/modules_disabled '0\n'
	put proc/sys/kernel/io_uring_disabled '0\n'
	mkdir -p "$tree/dev" && ln -sf /dev/null "$tree/dev/lwcmem"
}
unload() { rm -rf "$tree/sys/module/lwcmem" "$tree/sys/class"; }

look() { "${as[@]}" "$LWCMEM" doctor "$@" > "$work/out" 2> "$work/err"; code=$?; }
as=()
# expect NAME CHECK STATE FOUND [CODE]: what doctor says of the tree, and its exit status
expect() {
	look --root "$tree"
	if grep -qE "^  $3 +$2  +$4$" "$work/out" && [ $code = "${5:-0}" ] && [ ! -s "$work/err" ]; then echo "ok $1"
	else cat "$work/out" "$work/err"; echo "not ok $1: exit $code, expected $3 $2 $4"; fi
}

fresh
look --root "$tree" --module
# /dev/null is for everybody
if [ $code = 0 ] && [ "$(grep -cE '^  ok ' "$work/out")" = 13 ] && grep -q '^So does its kernel module' "$work/out" &&
	grep -qE "^  warning  device +mode 0666: for everybody" "$work/out"; then echo "ok a host that lacks nothing"
else cat "$work/out" "$work/err"; echo "not ok a host that lacks nothing: exit $code"; fi

put sys/fs/cgroup/slice/unit/memory.max '536870912\n'; expect "a group with little memory" "memory limit" warning "512 MiB"
fresh; put sys/fs/cgroup/slice/memory.max '33554432\n'; expect "a group inside of one with too little" "memory limit" missing "32 MiB" 1
fresh; put sys/fs/cgroup/memory/old/unit/memory.limit_in_bytes '2147483648\n'; expect "a group of the first version" "memory limit" ok "2048 MiB"
fresh; limits unlimited 50000000; expect "too little address space" "address space" missing "47 MiB" 1
fresh; limits unlimited 1000000000; expect "little address space" "address space" warning "953 MiB"

fresh; expect "AVX-512" CPU ok "decodes with avx512"
fresh; put proc/cpuinfo "flags\t\t: ${all_flags/ avx512_vbmi2/}\n"; expect "one flag of AVX-512 is missing" CPU ok "decodes with avx2; lacks avx512_vbmi2 for avx512"
fresh; put proc/cpuinfo "flags\t\t: ${all_flags%% avx2*}\n"; expect "no AVX2" CPU warning "decodes with bmi2; lacks avx2 fma f16c avx512f.*gfni"
fresh; put proc/cpuinfo "flags\t\t: fpu bmi1x xpopcnt\n"; expect "no flag" CPU warning "decodes with scalar; lacks bmi1 bmi2.*"
fresh; rm "$tree/proc/cpuinfo"; expect "no list of flags" CPU warning "/proc/cpuinfo does not list its flags"

fresh; put proc/meminfo 'HugePages_Total: 0\nHugePages_Free: 0\n'; expect "an empty pool" "huge pages" warning "none in the pool"
fresh; put proc/meminfo 'HugePages_Total: 7\nHugePages_Free: 0\n'; expect "a pool in use" "huge pages" warning "none of 7 is free"
fresh; put sys/kernel/mm/transparent_hugepage/enabled 'always madvise [never]\n'; expect "no transparent ones" "transparent huge pages" warning never
fresh; rm "$tree/sys/kernel/mm/transparent_hugepage/enabled"; expect "a kernel without them" "transparent huge pages" warning "this kernel has none"
fresh; put sys/devices/system/node/online '0-1\n'; expect "two nodes" "NUMA nodes" warning "several: 0-1"

fresh; expect "a loaded module" module ok "version 0.1, ABI 1"
fresh; put sys/class/misc/lwcmem/abi '2\n'; expect "a module of another ABI" module missing "version 0.1 with ABI 2; this tool needs 1"
fresh; rm -r "$tree/sys/class"; expect "a module without figures" module missing "version 0.1, which does not tell its ABI"
fresh; unload; expect "no module" module missing "not loaded"
look --root "$tree" --module
if [ $code = 1 ]; then echo "ok --module needs it"; else cat "$work/out"; echo "not ok --module needs it: exit $code"; fi
fresh; rm "$tree/dev/lwcmem"; expect "no device" device missing "/dev/lwcmem: No such file or directory"
fresh; rm "$tree/dev/lwcmem"; put dev/lwcmem x; expect "a file in place of it" device missing "not a device"
chmod 0640 "$tree/dev/lwcmem"
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=65534 --clear-groups); else chmod 0 "$tree/dev/lwcmem"; fi
if "${as[@]}" test -x "$LWCMEM"; then expect "no permission" device missing "no permission: mode 0[0-7]*, group .+"
else echo "skip no permission: others may not run the tool here"; fi
as=()

fresh; rm -r "$tree/lib"; expect "no headers, but a module" "kernel headers" warning "none of 6.1.0-x in /lib/modules"
unload; expect "no headers" "kernel headers" missing "none of 6.1.0-x in /lib/modules"
secure='\006\0000\0000\0000\0001'
fresh; put sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c "$secure"; expect "Secure Boot, but a module" "Secure Boot" ok "on; the module is loaded"
unload; expect "Secure Boot" "Secure Boot" warning on
rm -r "$tree/sys/firmware/efi/efivars"; expect "no variables" "Secure Boot" ok "its variable is not there"
rm -r "$tree/sys/firmware"; expect "no EFI" "Secure Boot" ok "not booted by EFI"
fresh; unload; put sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c 'x'; expect "a variable that is too short" "Secure Boot" warning "its variable cannot be read"
for kind in integrity confidentiality; do
	fresh; unload; put sys/kernel/security/lockdown "none [$kind]\n"; expect "lockdown $kind" lockdown warning $kind
done
fresh; unload; put sys/module/module/parameters/sig_enforce 'Y\n'; expect "signatures enforced" "module signatures" warning enforced
fresh; unload; put proc/sys/kernel/modules_disabled '1\n'; expect "no modules any more" "module signatures" missing "kernel.modules_disabled is 1"

fresh; limits 8388608 unlimited; expect "little locked memory" "locked memory" warning "8192 KiB"
put proc/self/status 'CapEff:\t0000000000004000\n'; expect "a limit that does not bind" "locked memory" ok "8192 KiB, which does not bind this process"
fresh; limits 2147483648 unlimited; expect "much locked memory" "locked memory" ok "2097152 KiB"
fresh; put proc/sys/kernel/io_uring_disabled '2\n'; expect "io_uring disabled" io_uring warning "kernel.io_uring_disabled is 2: for nobody"

# each that is not good says what it means and what mends it
rm -rf "$tree"; look --root "$tree" --json
if python3 - "$work/out" <<'PY'; then echo "ok an empty tree"; else cat "$work/out" "$work/err"; echo "not ok an empty tree: exit $code"; fi
import json, sys
report = json.load(open(sys.argv[1]))
bad = [c for c in report["checks"] if c["state"] != "ok"]
assert len(report["checks"]) == 14 and len(bad) >= 5, report
assert all(c["means"] and c["mend"] and c["found"] for c in bad), bad
assert not any(c["means"] or c["mend"] for c in report["checks"] if c["state"] == "ok")
assert report["userspace"] is True and report["module"] is False
PY

# --- this machine ---
look --json
if python3 - "$work/out" $code <<'PY'; then echo "ok this machine"; else cat "$work/out" "$work/err"; echo "not ok this machine: exit $code"; fi
import json, os, sys
report = json.load(open(sys.argv[1]))
checks = {c["name"]: c for c in report["checks"]}
assert report["userspace"] == (sys.argv[2] == "0")
assert (checks["module"]["found"] != "not loaded") == os.path.exists("/sys/module/lwcmem")
assert (checks["device"]["state"] == "ok") <= os.path.exists("/dev/lwcmem")
total = next(int(l.split()[1]) for l in open("/proc/meminfo") if l.startswith("HugePages_Total"))
assert (checks["huge pages"]["found"] == "none in the pool") == (total == 0)
PY

# the system call is tried: here it is refused by a filter
cat > "$work/filter.c" <<'C'
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return 77;
    execv(argv[1], argv + 1);
    return 78;
}
C
gcc -Wall -Werror -o "$work/filter" "$work/filter.c" || echo "not ok build the filter"
as=("$work/filter"); look
if grep -qE '^  warning +io_uring +refused by a filter: ' "$work/out" ||
	grep -qE '^  warning +io_uring +kernel.io_uring_disabled is [12]' "$work/out"; then echo "ok io_uring refused by seccomp"
else cat "$work/out" "$work/err"; echo "not ok io_uring refused by seccomp: exit $code"; fi
as=()

look surplus
if [ $code = 2 ]; then echo "ok arguments are refused"; else echo "not ok arguments are refused: exit $code"; fi
