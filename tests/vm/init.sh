#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
# /init of both guests. /payload/rig.conf says what differs: RIG, RESULTS (a tty for records that kernel messages cannot
# tear), DISK, LIMIT, PARAMS, DEBUG, PROGRAMS, HOST_PYTHON. The console gets everything, for a person to read; RESULTS gets
# records for verdict.awk: BEGIN, O (stdout), E (stderr), K (kernel log), LOAD, STUCK, END a program; FATAL; DONE.
export PATH=/bin
/bin/busybox --install -s /bin
cgroups=/sys/fs/cgroup
suspicious='BUG|WARNING|Oops|INFO: (task|possible|rcu)|lockdep|general protection|KASAN|UBSAN|refcount_t|leaked|hung task|kmemleak: [0-9]+ new'
mark=0

record() { printf '%s\n' "$*" >&3; }

finish() {
	[ $# = 0 ] || record "FATAL $*"
	record DONE
	sync
	poweroff -f
}

mount_all() {
	mount -t proc none /proc
	mount -t sysfs none /sys
	mount -t devtmpfs none /dev 2> /dev/null
	mount -t tmpfs none /tmp
	mount -t tmpfs none /run
	mount -t debugfs none /sys/kernel/debug
	mount -t cgroup2 none $cgroups
	echo +memory > $cgroups/cgroup.subtree_control
	mkdir -p /dev/pts /dev/shm
	mount -t devpts none /dev/pts
	mount -t tmpfs none /dev/shm
	if grep -q hugetlbfs /proc/filesystems; then
		mkdir -p /dev/hugepages
		mount -t hugetlbfs none /dev/hugepages
	fi
}

load_modules() {
	for module in $(cat /lib/modules/order); do
		insmod "/lib/modules/$module" || finish "insmod $module failed"
	done
}

# Marks cut the kernel's log into pieces without a gap between them: what comes late counts for the next program.
set_mark() {
	mark=$((mark + 1))
	echo "lwcmem-rig: mark $mark $1" > /dev/kmsg
}

# since_mark FROM: the log after that mark; all of it when the ring buffer has lost the mark
since_mark() {
	dmesg | awk -v mark="lwcmem-rig: mark $1 " '{ line[NR] = $0 } index($0, mark) { first = NR }
		END { for (i = first + 1; i <= NR; i++) if (line[i] !~ /lwcmem-rig: mark/) print line[i] }'
}

scan_log() { # scan_log FROM
	# not a mistake: a fault that finds no memory is tried again
	since_mark "$1" | grep -v 'VM_FAULT_OOM leaked out' | grep -E -A 25 "$suspicious" | head -80 | sed 's/^/K /' >&3
}

uptime_seconds() { cut -d. -f1 /proc/uptime; }

loaded() { grep -q '^lwcmem ' /proc/modules; }

# Programs may put themselves into cgroups of their own, so all of them go.
kill_all() {
	for group in $cgroups/*/; do
		echo 1 > "$group/cgroup.kill"
	done
}

remove_cgroups() {
	find $cgroups -mindepth 1 -depth -type d -exec rmdir {} \; 2> /dev/null
}

# What a killed program left mounted would keep the module, or the disk, in use.
unmount_left() {
	awk '$3 == "lwcmem" || $3 ~ /^fuse/ && $3 != "fusectl" || $2 ~ /^\/(data|mnt|run|tmp)\// { print $2 }' /proc/mounts |
		sed '1!G;h;$!d' | while read -r point; do
			umount "$point" || umount -l "$point"
		done
}

# Where the processes of a program that timed out are.
show_stacks() {
	for process in $(cat $cgroups/program/cgroup.procs); do
		echo "$process $(cat "/proc/$process/comm") in $(cat "/proc/$process/wchan") $(cat "/proc/$process/syscall")"
		cat "/proc/$process/stack"
	done 2> /dev/null
}

# stdout of a program as it comes, so that a panic does not take it along
forward() {
	while IFS= read -r line || [ -n "$line" ]; do
		record "O $line"
		printf '[%s] %s\n' "$1" "$line"
	done
}

# await TAG SECONDS: a message "TAG VALUE" on the fifo sets value. Late messages of earlier programs are dropped.
await() {
	while read -r -t "$2" tag value <&4; do
		[ "$tag" != "$1" ] || return 0
	done
	return 1
}

# start NAME DIRECTORY: in a session and a cgroup of its own, with none of init's files
start() {
	command=/payload/tests/$1
	case $1 in *.sh) command="sh $command" ;; esac
	{
		setsid sh -c "echo \$\$ > $cgroups/program/cgroup.procs; cd '$2' && exec $command" \
			< /dev/null 2> /tmp/errors 3>&- 4>&-
		echo "status-$1 $?" >&4
	} | {
		forward "$1"
		echo "forwarded-$1" >&4
	} &
}

report_errors() { # report_errors NAME; awk ends the last line, too
	head -c 20000 /tmp/errors | awk -v name="$1" '{ print "[" name "] " $0 }'
	head -c 20000 /tmp/errors | awk '{ print "E " $0 }' >&3
}

run() { # run NAME
	before=$mark timed_out=0 value= start=$(uptime_seconds)
	directory=/data/run.$1
	record "BEGIN $1"
	echo "--- $1"
	# shellcheck disable=SC2086
	if ! loaded && ! insmod /payload/lwcmem.ko $PARAMS 2> /tmp/errors; then
		record "LOAD insmod failed"
		since_mark "$before" | tail -20 >> /tmp/errors
		report_errors "$1"
	else
		mkdir -p "$directory" $cgroups/program
		: > /tmp/errors
		start "$1" "$directory"
		if ! await "status-$1" "$LIMIT"; then
			timed_out=1
			show_stacks >> /tmp/errors
			kill_all
			await "status-$1" 10 || record STUCK
		fi
		status=${value:-0}
		kill_all
		await "forwarded-$1" 10
		report_errors "$1"
		cd /
		unmount_left
		remove_cgroups
		rm -rf "$directory"
	fi
	set_mark "after $1"
	scan_log "$before"
	record "END $1 ${status:-0} $timed_out $(($(uptime_seconds) - start))"
}

mount_all
. /payload/rig.conf
exec 3> "$RESULTS"
# Only whether this machine boots a guest at all was the question.
# shellcheck disable=SC2154
if [ -n "${rig_probe:-}" ]; then finish; fi
mkfifo /tmp/messages
exec 4<> /tmp/messages
load_modules
mount -t ext4 "$DISK" /data || finish "no data disk"
dmesg -n 7
echo 60 > /proc/sys/kernel/hung_task_timeout_secs
export DATA=/data LWCMEM=/bin/lwcmem MODULE=/payload/lwcmem.ko LWCMEM_PARAMS="$PARAMS" LWCMEM_DEBUG="$DEBUG" HOST_PYTHON="$HOST_PYTHON" HOME=/tmp
if [ -e /sys/kernel/debug/kmemleak ]; then
	echo scan=off > /sys/kernel/debug/kmemleak # at the end, not in between
	echo clear > /sys/kernel/debug/kmemleak
fi
echo "$RIG: $(uname -r) booted in $(cut -d' ' -f1 /proc/uptime) s"
set_mark boot
for program in $PROGRAMS; do
	run "$program"
done
finish
