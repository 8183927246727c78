#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Programs that know nothing of the module, on a mounted container beside the original directory: those of the host, which
# user-mode Linux sees. For busybox. DATA: NAME/ and NAME.lwc for odd and story; HOST_PYTHON: modules for python3.
DATA=${DATA:-/data} host=/run/host
. "${0%/*}/libktap.sh"
said=/tmp/out

on_host() { chroot $host /usr/bin/env -i PATH=/usr/bin:/bin HOME=/mnt "$@" > /tmp/out 2>&1; }
python() { on_host PYTHONPATH="$HOST_PYTHON" PYTHONDONTWRITEBYTECODE=1 python3 - "$@"; }
fio() { # fio ENGINE DIRECT: random and sequential reads, several jobs
	on_host fio --readonly --name=random --rw=randread --bs=64k --filename=/mnt/story/model.safetensors \
		--ioengine="$1" --direct="$2" --iodepth=8 --numjobs=3 --size=100% --io_size=8m --group_reporting \
		--name=sequential --rw=read --bs=1m --filename=/mnt/story/model.safetensors --ioengine="$1" --direct="$2"
}

echo "KTAP version 1"
mkdir -p $host
if ! mount -t hostfs -o / none $host 2> /dev/null; then echo "1..0 # SKIP only user-mode Linux sees the programs of its host"; exit 0; fi
trap 'umount -l $host' EXIT
if [ -z "$HOST_PYTHON" ]; then echo "1..0 # SKIP pip did not install tests/vm/python.txt"; exit 0; fi
mount -o remount,ro $host
mount -t tmpfs none $host/mnt && mkdir $host/mnt/data $host/mnt/odd $host/mnt/story
mount --bind "$DATA" $host/mnt/data
mount -t devtmpfs none $host/dev
mount -t proc none $host/proc
# busybox's mount makes a block device of any file, which is not what util-linux does
for model in odd story; do
	"$LWCMEM" attach "$DATA/$model.lwc" $model > /tmp/out && mount --bind /run/lwcmem/$model $host/mnt/$model
done
# Nothing in this guest is random enough for what Python waits for (RNDADDENTROPY); this is not, either, nor need it be.
on_host python3 -c 'import fcntl, struct
fcntl.ioctl(open("/dev/random", "wb"), 0x40085203, struct.pack("ii64s", 512, 64, bytes(64)))' || cat /tmp/out >&2

echo "1..11"
on_host cp -r --reflink=auto /mnt/odd /mnt/copy && on_host diff -r /mnt/data/odd /mnt/copy
verdict "cp -r"
on_host sh -c 'cd /mnt/data/story && find . -type f -exec sha256sum {} + | (cd /mnt/story && sha256sum -c --quiet)'
verdict "sha256sum"
python <<'CODE'
import mmap, random
with open("/mnt/data/story/model.safetensors", "rb") as a, open("/mnt/story/model.safetensors", "rb") as b:
    want = a.read()
    got = mmap.mmap(b.fileno(), 0, prot=mmap.PROT_READ)
    for at in random.Random(1).sample(range(len(want)), 300):
        assert got[at:at + 5000] == want[at:at + 5000], at
    assert got[:] == want
CODE
verdict "mmap of Python"
python <<'CODE'
from safetensors import safe_open, deserialize
read = 0
with safe_open("/mnt/data/odd/model.safetensors", "np") as a, safe_open("/mnt/odd/model.safetensors", "np") as b:
    assert list(a.keys()) == list(b.keys())
    for name in a.keys():
        if a.get_slice(name).get_dtype() in ("F16", "F32", "F64", "I8", "I32", "BOOL"):
            assert a.get_tensor(name).tobytes() == b.get_tensor(name).tobytes(), name
            read += 1
assert read > 8, read
a, b = (dict(deserialize(open(path + "odd/model.safetensors", "rb").read())) for path in ("/mnt/data/", "/mnt/"))
assert a == b and len(a) > 15
CODE
verdict "safetensors of Hugging Face"
python <<'CODE'
import gguf
a, b = (gguf.GGUFReader(path + "odd/blocks.gguf") for path in ("/mnt/data/", "/mnt/"))
assert len(a.tensors) == len(b.tensors) == 3
for want, got in zip(a.tensors, b.tensors):
    assert want.name == got.name and want.data.tobytes() == got.data.tobytes(), want.name
CODE
verdict "the GGUF reader of llama.cpp"
for load in "psync 0" "psync 1" "mmap 0" "libaio 1" "io_uring 0" "io_uring 1"; do
	# before, as the name must not change the status
	name="fio: $(echo "$load" | sed 's/ 1/, direct/; s/ 0//')"
	# shellcheck disable=SC2086
	fio $load
	verdict "$name"
done
exit $bad
