#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# bench: shape and sense of what it prints, refusals. Never how fast anything is: --quick measures nothing.
set -u
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
python3 tests/cli/make_model.py "$work/model" || { echo "not ok make the model"; exit 1; }
cd "$work" || exit 1

check() { # check NAME COMMAND...: the command succeeds; what it prints is then in `out`
	local name=$1; shift
	if "$@" > new 2> err; then echo "ok $name"; mv new out; else echo "not ok $name"; cat new err; fi
}
look() { # look NAME COMMAND...: succeeds on the last `out`
	local name=$1; shift
	if "$@" < out > new 2> err; then echo "ok $name"; else echo "not ok $name"; cat out err; fi
}
refuse() { # refuse NAME STATUS TEXT COMMAND...: exits with STATUS, says TEXT, prints no result
	local name=$1 status=$2 text=$3 got; shift 3
	"$@" > new 2> err; got=$?
	if [ $got = "$status" ] && grep -qF -- "$text" err && [ ! -s new ]; then echo "ok $name"
	else echo "not ok $name: exit $got, expected $status and '$text'"; cat new err; fi
}
bench() { "$LWCMEM" bench "$@"; }

cat > rows.py <<'P'
"""rows.py codec|gemv|advise FILE ISAS [THREADS [GIVEN]]: FILE is what bench --json promises."""
import json, math, sys
part, path, isas = sys.argv[1], sys.argv[2], sys.argv[3].split()
threads = [int(t) for t in sys.argv[4].split()] if len(sys.argv) > 4 else None
given = len(sys.argv) > 5  # a file to measure with

def number(value):
    assert isinstance(value, (int, float)) and not isinstance(value, bool), value
    assert math.isfinite(value) and value > 0, value
    return value

with open(path) as file:
    document = json.load(file, parse_constant=lambda name: sys.exit(f"{name} is no JSON"))
if part == "advise":
    assert document["favor"] in ("size", "balanced", "speed")
    core = number(document["gb_per_s_per_core"])
    for s in document["structures"]:
        assert s["name"].startswith("(") and number(s["measured"])
        bound = min(number(s["in_cache"]) / core, 16 / number(s["bits_per_weight"]))
        assert abs(number(s["predicted"]) / bound - 1) < 1e-3, s
    names = [s["name"] for s in document["structures"]]
    assert "(4,1)" in names and "(2,2,2,2)" in names and len(set(names)) == len(names), names
    sys.exit()
assert isinstance(document, list) and document
for row in document:
    for key in ("gb_per_s", "baseline", "ratio", "threads"):
        number(row[key])
    assert abs(row["ratio"] * row["baseline"] / row["gb_per_s"] - 1) < 1e-3, row
    assert row["page_size"] in (4096, 2 << 20), row
    assert row["isa"] in ["auto"] * (part == "codec") + isas, row
    assert threads is None or row["threads"] in threads, row
    bits = row.get("bits_per_weight")
    if bits is not None:
        assert 0 < number(bits) < 16.1, row
        # of Gaussian weights; those of a file may repeat, which order 0 does not see
        assert given or 10.4 < row.get("bound_bits_per_weight", 10.5) < bits < 12.1, row
assert threads is None or {r["threads"] for r in document} == set(threads)
keys = [(r["name"], r["isa"], r["threads"]) for r in document]
assert len(set(keys)) == len(keys), "a row twice"
if part == "codec":
    want = {(f"decode {s}, {where}", isa) for s in ("(4,1)", "(2,2,2,2)") for where in ("cache", "dram")
            for isa in isas}
    want |= {(n, "auto") for n in ("decode zstd -1, cache", "crc32c of stored bytes, dram", "encode (4,1)",
             "encode --favor size", "encode --favor balanced", "encode --favor speed")}
    missing = want - {(r["name"], r["isa"]) for r in document}
else:
    names = ["plain"] + [n for s in ("(4,1)", "(2,2,2,2)") for n in (f"fused {s}", f"decode, then multiply {s}")]
    missing = {(n, isa) for n in names for isa in isas} - {(r["name"], r["isa"]) for r in document}
    for row in document:
        if row["name"].startswith("fused") and "predicted" in row:
            assert abs(row["of_predicted"] * row["predicted"] / row["ratio"] - 1) < 1e-3, row
            assert isinstance(row["counts"], bool) and row["of_load_only"] > 0, row
assert not missing, missing
P
rows() { # rows NAME PART ISAS THREADS ARGUMENT...
	local name=$1 part=$2 isas=$3 threads=$4; shift 4
	if bench "$part" --quick --json "$@" > rows.json 2> rows.err &&
		python3 rows.py "$part" rows.json "$isas" ${threads:+"$threads"} ${given:+given} > new 2>&1
	then echo "ok $name"; else echo "not ok $name"; cat rows.err new; head -c 2000 rows.json; fi
}

# what this CPU has: "name flag", slowest first
all=scalar simd=
has() { for flag in "$@"; do grep -qw "$flag" /proc/cpuinfo || return 1; done; }
has bmi1 bmi2 popcnt && all="$all bmi2"
has avx2 fma && all="$all avx2" simd=avx2
has avx512_vbmi2 gfni && all="$all avx512" simd="$simd avx512"
cpus=$(nproc)

rows "codec --json" codec "$all" 1
rows "codec -j" codec "$all" "$cpus" -j "$cpus"
check "codec as a table" bench codec --quick
look "the table is aligned" awk '/isa .*ratio$/ { width = length } width && length != width { exit 1 } END { exit !width }'
LWCMEM_ISA=bmi2 rows "codec with LWCMEM_ISA" codec "$(echo $all | cut -d' ' -f1-2)" 1
given=1 rows "codec of a safetensors file" codec "$all" 1 model/model.safetensors
check "pack" "$LWCMEM" pack model -o model.lwc
given=1 rows "codec of a container" codec "$all" 1 model.lwc
refuse "a file that is not there" 1 "nothing.lwc" bench codec --quick nothing.lwc
refuse "a file that is not there, safetensors" 1 "nothing.safetensors" bench codec --quick nothing.safetensors
refuse "a file of another kind" 1 "model/config.json" bench codec --quick model/config.json
mkdir fp32 && python3 - <<'P'
import json, struct
header = json.dumps({"w": {"dtype": "F32", "shape": [64], "data_offsets": [0, 256]}}).encode()
open("fp32/model.safetensors", "wb").write(struct.pack("<Q", len(header)) + header + bytes(256))
P
refuse "a file without bf16" 1 "no bf16 tensors" bench codec --quick fp32/model.safetensors
check "pack without bf16" "$LWCMEM" pack fp32 -o fp32.lwc
refuse "a container without bf16" 1 "no bf16 tensors" bench codec --quick fp32.lwc

if [ -n "$simd" ]; then
	rows "gemv --json" gemv "$simd" 1 -j 1
	rows "gemv --in-cache" gemv "$simd" 1 -j 1 --in-cache
	rows "gemv --rows --cols" gemv "$simd" 1 -j 1 --rows 200 --cols 640
	check "rows are rounded up to whole tiles" python3 -c '
import json
assert all(r["cols"] == 640 and 200 <= r["rows"] < 410 for r in json.load(open("rows.json")))'
	[ "$cpus" = 1 ] || rows "gemv, threads in a range" gemv "$simd" "1 2" -j 1..2
	rows "gemv --hugepages" gemv "$simd" 1 -j 1 --hugepages
	# either huge pages were got, then their gain is shown, or a note says that they were not
	check "huge pages are told truly" python3 -c '
import json
rows, note = json.load(open("rows.json")), "pages of 4 KiB" in open("rows.err").read()
gain = any(r["name"] == "plain, gain of huge pages" for r in rows)
assert {r["page_size"] for r in rows} == {4096 if note else 2 << 20} and gain != note'
	check "gemv as a table" bench gemv --quick -j 1
	rows "advise --json" advise "$simd" ""
	check "advise as a table" bench advise --quick
	look "advise names a policy" grep -qE '^--favor (size|balanced|speed): structure \(' 
	refuse "--in-cache with --rows" 1 "--in-cache chooses" bench gemv --in-cache --rows 64
	refuse "more memory than there is" 1 "MiB are free" bench gemv --quick -j 1 --rows 200000000 --cols 65536
else
	echo "skip bench gemv: this CPU multiplies nothing in registers"
fi
LWCMEM_ISA=scalar refuse "nothing that multiplies in registers" 1 "none of the ISAs" bench gemv --quick
LWCMEM_ISA=sse9 refuse "unknown LWCMEM_ISA" 1 LWCMEM_ISA bench codec --quick

refuse "no part" 2 "usage: lwcmem bench" bench
refuse "unknown part" 2 "give one part" bench speed
refuse "unknown option" 2 "usage: lwcmem bench codec" bench codec --fast
refuse "an option of another part" 2 "no such option" bench codec --rows 64
refuse "two files" 2 "too many arguments" bench codec a b
refuse "a file for gemv" 2 "too many arguments" bench gemv model.lwc
refuse "-j 0" 2 "number of threads" bench gemv -j 0
refuse "-j backwards" 2 "number of threads" bench gemv -j 2..1
refuse "a range for codec" 2 "one number" bench codec -j 1..1024
refuse "more threads than CPUs" 2 "a CPU of its own" bench gemv -j 1024
refuse "--cols that are no groups" 2 "multiple of 64" bench gemv --cols 100
refuse "--rows 0" 2 "number of rows" bench gemv --rows 0
refuse "--rows -1" 2 "number of rows" bench gemv --rows -1
refuse "--page-size 1G" 2 "4k or 2M" bench gemv --page-size 1G
for pair in "--map --keep" "--map --direct" "--keep --direct"; do
	# shellcheck disable=SC2086
	refuse "files $pair" 2 "one of --map, --keep and --direct" bench files --quick $pair model
done
check "--help" bench --help
look "it names the parts" grep -q '^advise' 

cp -r model again
check "files --json" bench files --quick --json model again/
look "files are compared with the first" python3 -c '
import json, math, sys
rows = json.load(sys.stdin)
assert [r["name"] for r in rows] == ["cold, model", "cold, again/", "cached, model", "cached, again/"], rows
for i, row in enumerate(rows):
    assert row["baseline_name"] == rows[i // 2 * 2]["name"] and row["baseline"] == rows[i // 2 * 2]["gb_per_s"]
    assert abs(row["ratio"] * row["baseline"] / row["gb_per_s"] - 1) < 1e-3 and row["gb_per_s"] > 0, row
    assert row["cpu_s_per_gb"] >= 0 and row["disk_bytes_per_byte"] >= 0 and "tiles_straight" not in row, row'
check "files --map of one" bench files --quick --map model/model.safetensors
look "it is a table with one row" awk '/^mapped, model.safetensors  / { found++ } /cold|cached/ { bad = 1 } END { exit bad || found != 1 }'
check "files --keep" bench files --quick --keep model
look "nothing is dropped" awk '/^read, model  / { found++ } /cold|cached/ { bad = 1 } END { exit bad || found != 1 }'
if dd if=model/model.safetensors of=/dev/null bs=4096 count=1 iflag=direct 2> /dev/null; then
	check "files --direct" bench files --quick --direct model
	look "it is a row" grep -q '^direct, model  '
else
	echo "skip files --direct: the filesystem of $work has no O_DIRECT"
fi
echo more >> again/model.safetensors
refuse "files of other sizes" 1 "again: " bench files --quick model again
refuse "files that are not there" 1 "nothing: cannot open: No such file" bench files --quick model nothing
refuse "no files" 1 "give one to" bench files --quick
refuse "region without a container" 1 "give a container" bench region
refuse "region of something else" 1 "model/config.json" bench region --quick model/config.json
LWCMEM_DEVICE=$work/none refuse "region without the module" 1 "insmod lwcmem.ko" bench region --quick model.lwc
LWCMEM_DEVICE=$work/none refuse "region --attach without the module" 1 "insmod lwcmem.ko" bench region --attach model.lwc
LWCMEM_DEVICE=$work/none refuse "--hold without the module" 1 "insmod lwcmem.ko" bench files --quick --hold model.lwc model

for part in codec gemv advise region files; do
	check "$part --help" bench $part --help
	# each option that it names is taken, and no other one
	check "$part --help is true" bash -c '
		for option in --json --quick --page-size --hugepages --rows --cols --in-cache --map --keep --direct --hold --attach -j; do
			case $option in --hold) value=a ;; --rows | --cols) value=64 ;; --page-size) value=4k ;; -j) value=1 ;; *) value= ;; esac
			said=no taken=yes
			grep -qE -- "^$option( |,)" "$3" && said=yes
			"$1" bench "$2" $option $value a b 2>&1 | grep -q "no such option" && taken=no
			[ $said = $taken ] || { echo "$option: said $said, taken $taken"; exit 1; }
		done' - "$LWCMEM" $part out
done

bench codec --quick > /dev/full 2> err; status=$?
if [ $status = 1 ] && grep -q "cannot write" err; then echo "ok full disk"; else echo "not ok full disk: $status"; fi
# busy PID TICKS: it catches SIGTERM and has had so much CPU time. Before exec it is bash, which may catch it, too.
busy() {
	local caught times
	[ "/proc/$1/exe" -ef "$LWCMEM" ] && caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status") &&
		read -ra times < "/proc/$1/stat" && ((0x$caught & 1 << 14 && times[13] + times[14] >= $2))
}
interrupt() { # interrupt NAME ARGUMENTS...: in the midst of its work
	local name=$1 status start pid; shift
	"$LWCMEM" bench "$@" > new 2> err & pid=$!
	for _ in $(seq 3000); do
		! busy $pid 20 || break
		sleep 0.02
	done
	start=$SECONDS
	kill -TERM $pid; wait $pid; status=$?
	if [ $status = 1 ] && grep -q interrupted err && [ ! -s new ] && ((SECONDS - start < 60)); then echo "ok $name"
	else echo "not ok $name: exit $status after $((SECONDS - start)) s"; cat new err; fi
}
interrupt "interrupted" codec
# one pass through it takes minutes
if truncate -s 4T holes 2> /dev/null; then
	interrupt "interrupted while it reads a file" files --keep holes
	interrupt "interrupted while it goes through a map" files --map holes
else
	echo "skip interrupted in a file: the filesystem of $work has no files of 4 TiB"
fi
