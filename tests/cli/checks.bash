# SPDX-License-Identifier: BSD-3-Clause
# What scripts of this directory say about a command; for `.`. They write out and err where they are.

check() { # check NAME COMMAND...: the command succeeds
	local name=$1; shift
	if "$@" > out 2> err; then echo "ok $name"; else echo "not ok $name"; cat out err; fi
}
says() { # says NAME TEXT: the command before has said TEXT
	if grep -qF -- "$2" err; then echo "ok $1"; else echo "not ok $1: expected '$2'"; cat err; fi
}
refuse() { # refuse NAME STATUS TEXT COMMAND...: exits with STATUS and says TEXT
	local name=$1 status=$2 text=$3 got; shift 3
	"$@" > out 2> err; got=$?
	if [ $got = "$status" ] && grep -qF -- "$text" err; then echo "ok $name"
	else echo "not ok $name: exit $got, expected $status and '$text'"; cat out err; fi
}
usable_isas() { # usable_isas WHAT: isas are those of this CPU; a skip of WHAT for each other
	local isa
	isas=
	for isa in scalar avx2 avx512; do
		# a path that is no model: only the ISA is asked for
		if "$LWCMEM" run /dev/null/none -p a --isa $isa 2>&1 | grep -q "CPU does not have"; then
			echo "skip $1 with $isa: this CPU does not have it"
		else isas="$isas $isa"; fi
	done
}
