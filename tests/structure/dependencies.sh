#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The tree depends one way: who may include whom, and what the codec's objects may call.
cd "$(dirname "$0")/../.." || exit 1

# refuse NAME WHERE PATTERN: no file under WHERE includes a path that matches
refuse() {
	local hits
	hits=$(grep -rnE "#include \"($3)" $2 --include='*.[ch]' 2>/dev/null)
	if [ -z "$hits" ]; then echo "ok $1"; else echo "$hits"; echo "not ok $1"; fi
}
refuse "codec includes only itself and uapi" kmod/codec '(encode|container|readers|lib|kernels|engine|cli|lwcmem)/'
refuse "the module uses codec and uapi only" kmod '(.*userspace|encode|container|readers|lib|kernels|engine|cli)/'
refuse "container does not look up" userspace/container '(encode|readers|lib|engine|cli)/'
refuse "encode does not look up" userspace/encode '(container|readers|lib|engine|cli|kernels)/'
refuse "readers know only messages and the format" userspace/readers '(encode|container/[^f]|lib|engine|cli|kernels)/'
refuse "kernels do not look up" userspace/kernels '(encode|container|readers|engine|cli)/'
refuse "engine does not look up" userspace/engine '(encode|cli)/'

outside=$(nm -u build/kmod/codec/*.o | awk '$1 == "U" && $2 !~ /^(lwc_|levels_|sparse_|grid_|split_|mem(cpy|set|cmp)$|__stack_chk_fail$|_GLOBAL_OFFSET_TABLE_$|__cpu_model$|__cpu_indicator_init$)/ {print $2}')
if [ -z "$outside" ]; then echo "ok codec calls only the seam"; else echo "$outside"; echo "not ok codec calls only the seam"; fi

top=$(git ls-files | cut -d/ -f1 | sort -u | grep -vxE 'kmod|uapi|userspace|tests|Kbuild|Makefile|README.md|COPYING|LICENSES|SECURITY.md|\..*')
if [ -z "$top" ]; then echo "ok top level"; else echo "$top"; echo "not ok top level"; fi

long=$(git ls-files '*.c' '*.h' '*.sh' '*.py' | xargs wc -l | awk '$2 != "total" && $1 > 650')
if [ -z "$long" ]; then echo "ok no file beyond 650 lines"; else echo "$long"; echo "not ok no file beyond 650 lines"; fi
