# SPDX-License-Identifier: BSD-3-Clause
# make: build/lwcmem and build/liblwcmem.{a,so}. make check: everything to pass the tests.
B ?= build
CC ?= gcc
OBJCOPY ?= objcopy
KDIR ?= /lib/modules/$(shell uname -r)/build
OPT ?= -O2 -g
SAN ?=
WARN := -Wall -Wextra -Werror
BASE := -std=gnu11 $(OPT) $(SAN) $(WARN) -ffp-contract=off -fno-math-errno -fno-trapping-math -fPIC -D_GNU_SOURCE \
	-Iuserspace -Iuserspace/lib/include -Ikmod -I.
LIBS_lib := -luring -lzstd -lcrypto -lpthread -lm
LIBS_cli := -ljansson -lpcre2-8 -lunistring

# liblwcmem: codec, container, kernels, lib. The tool adds the rest.
LIB_SRC := $(wildcard kmod/codec/*.c userspace/container/*.c userspace/kernels/*.c userspace/lib/*.c)
CLI_SRC := $(wildcard userspace/readers/*.c userspace/encode/*.c userspace/engine/*.c userspace/cli/*.c userspace/cli/bench/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(B)/%.o)

# A file's name says its ISA; no other file may use those instructions.
isa-bmi2 := -mbmi -mbmi2 -mpopcnt -mlzcnt
isa-avx2 := -O3 $(isa-bmi2) -mavx2 -mfma -mf16c
isa-avx512 := $(isa-avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi -mavx512vbmi2 -mgfni
isa-flags = $(if $(findstring _avx512,$1),$(isa-avx512),$(if $(findstring _avx2,$1),$(isa-avx2),$(if $(findstring _bmi2,$1),$(isa-bmi2))))

all: $(B)/lwcmem $(B)/liblwcmem.a $(B)/liblwcmem.so

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(BASE) $(call isa-flags,$(notdir $*)) -MMD -MP -c $< -o $@

# With all its names, for the tool and the tests, which call its parts.
$(B)/internal.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

# For other programs: what the map does not export is local, also in the archive, so that no name clashes with theirs.
LIB_MAP := userspace/lib/liblwcmem.map
LIB_FUNCTIONS := $(shell sed -n 's/^\t\(lwcmem_[a-z0-9_]*\);$$/\1/p' $(LIB_MAP))
$(B)/liblwcmem.so.0: $(LIB_OBJ) $(LIB_MAP)
	$(CC) $(SAN) -shared -Wl,-soname,$(@F) -Wl,--version-script=$(LIB_MAP) -Wl,-z,defs -Wl,--as-needed \
		$(LIB_OBJ) $(LIBS_lib) -o $@
$(B)/liblwcmem.so: $(B)/liblwcmem.so.0
	ln -sf $(<F) $@
$(B)/liblwcmem.a: $(LIB_OBJ) $(LIB_MAP)
	@rm -f $@
	$(LD) -r $(LIB_OBJ) -o $(B)/liblwcmem.o
	$(OBJCOPY) $(LIB_FUNCTIONS:%=-G %) $(B)/liblwcmem.o
	ar rcs $@ $(B)/liblwcmem.o

$(B)/lwcmem: $(CLI_OBJ) $(B)/internal.a
	$(CC) $(SAN) $^ $(LIBS_lib) $(LIBS_cli) -o $@

# Unit tests: one program a file, linked with everything but the tool's main.
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
$(B)/tests/%: $(B)/tests/unit/%.o $(filter-out %/cli/main.o,$(CLI_OBJ)) $(B)/internal.a
	@mkdir -p $(@D)
	$(CC) $(SAN) $^ -lcmocka $(LIBS_lib) $(LIBS_cli) -o $@
# The independent reference of the engine.
$(B)/tests/reference: tests/models/reference.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O3 -march=native $(WARN) $< -lm -o $@
# Tokens, texts and templates for the comparison with other implementations.
$(B)/tests/tokenize $(B)/tests/render: $(B)/tests/%: $(B)/tests/models/%.o $(filter-out %/cli/main.o,$(CLI_OBJ)) $(B)/internal.a
	@mkdir -p $(@D)
	$(CC) $(SAN) $^ $(LIBS_lib) $(LIBS_cli) -o $@
# Decoders and kernels for tests/bench/peers.py.
$(B)/tests/ours.so: $(B)/tests/bench/ours.o $(filter-out %/cli/main.o,$(CLI_OBJ)) $(B)/internal.a
	$(CC) $(SAN) -shared $^ $(LIBS_lib) $(LIBS_cli) -o $@
unit-programs: $(UNIT) $(B)/tests/reference $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/read_*.c)) $(B)/tests/tokenize $(B)/tests/render

# The kernel module, beside the root Kbuild.
modules:
	@[ -d $(KDIR) ] || { echo "$(KDIR): not there; install the headers of your kernel (Debian:" \
		"linux-headers-amd64), or give KDIR=, a kernel's build directory"; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules
# Programs that test it in a guest (tests/vm): one a file, lib*.c goes into all of them.
KSELFTEST_LIB := $(wildcard tests/kselftest/lib*.c)
KSELFTEST := $(filter-out $(KSELFTEST_LIB),$(wildcard tests/kselftest/*.c))
$(B)/kselftest/%: tests/kselftest/%.c $(KSELFTEST_LIB) $(wildcard tests/kselftest/*.h uapi/*.h) $(B)/internal.a Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(WARN) -D_GNU_SOURCE -I. -Iuserspace -Ikmod $$(pkg-config --cflags fuse3) $< $(KSELFTEST_LIB) \
		$(B)/internal.a -Wl,--as-needed -luring -lpthread $$(pkg-config --libs fuse3) -o $@
kselftests: $(KSELFTEST:tests/kselftest/%.c=$(B)/kselftest/%)

deps:
	sh tests/deps.sh
models: all
	sh tests/models/fetch.sh $(B)
demo: deps
	$(MAKE) -s models
	bash tests/demo.sh
check: deps
	bash tests/run.sh all
check-user:
	bash tests/run.sh user
check-vm: deps
	bash tests/run.sh vm
check-um: deps
	bash tests/run.sh um
# Kernels with KASAN, lockdep, kmemleak and injected faults; two hours, and the kernels' build the first time.
check-debug: deps
	bash tests/run.sh debug
check-kernel-style: deps
	bash tests/vm/kernel-style.sh
# What this machine does; tests/bench/peers.sh for other tools on it.
bench: all
	$(B)/lwcmem bench codec
	$(B)/lwcmem bench gemv
	$(B)/lwcmem bench gemv --hugepages
	$(B)/lwcmem bench advise
# tests/bench/region.sh in user-mode Linux: the module at native speed, ten minutes.
bench-region:
	sh tests/deps.sh bench
	LWCMEM_BENCH=1 bash tests/vm/check-um.sh
# Everything in tests/golden anew, after a change of the format.
goldens: all
	bash tests/golden/regenerate.bash
# SECONDS_EACH=3600 for a long run
fuzz:
	bash tests/fuzz/run.sh $(SECONDS_EACH)
# What conformance tests and fuzzing reach of the decoders and the checks.
coverage:
	bash tests/fuzz/coverage.sh
clean:
	rm -rf $(B) build-*

include userspace/packaging/packaging.mk

.PHONY: all unit-programs modules kselftests deps models demo check check-user check-vm check-um check-debug check-kernel-style bench bench-region goldens fuzz coverage clean
.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(wildcard $(B)/tests/unit/*.d)
