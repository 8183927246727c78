# SPDX-License-Identifier: BSD-3-Clause
# install, uninstall, dkms, deb; included by the Makefile. One place has the version: what modinfo says of the module.
VERSION := $(shell sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' kmod/main.c)
PREFIX ?= /usr/local
DESTDIR ?=
P := userspace/packaging
bindir := $(PREFIX)/bin
mandir := $(PREFIX)/share/man
exampledir := $(PREFIX)/share/doc/lwcmem/examples
# systemd, udev, pkg-config and the loader read these below /usr/local as below /usr
libdir := $(PREFIX)/lib
# dkms looks nowhere else
module_source := /usr/src/lwcmem-$(VERSION)

EXAMPLES := userspace/examples/Makefile $(wildcard userspace/examples/*.c)
HEADER := userspace/lib/include/lwcmem/lwcmem.h
install_files := \
	$(bindir)/lwcmem \
	$(addprefix $(libdir)/,liblwcmem.so.0 liblwcmem.so liblwcmem.a pkgconfig/liblwcmem.pc) \
	$(addprefix $(PREFIX)/include/lwcmem/,lwcmem.h uapi/lwcmem.h uapi/lwcmem_format.h) \
	$(mandir)/man1/lwcmem.1 $(mandir)/man4/lwcmem.4 $(mandir)/man5/lwcmem.5 \
	$(patsubst %,$(mandir)/man3/%.3,lwcmem $(LIB_FUNCTIONS)) \
	$(addprefix $(exampledir)/,$(notdir $(EXAMPLES))) \
	$(libdir)/udev/rules.d/60-lwcmem.rules $(libdir)/sysusers.d/lwcmem.conf \
	$(libdir)/systemd/system/lwcmem-attach@.service \
	$(PREFIX)/share/bash-completion/completions/lwcmem
dkms_files := $(libdir)/modules-load.d/lwcmem.conf

# fill FILE: with the paths and the version of this installation
fill = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@BINDIR@|$(bindir)|g' -e 's|@INCLUDEDIR@|$(PREFIX)/include|g' \
	-e 's|@PREFIX@|$(PREFIX)|g' -e 's|@EXAMPLEDIR@|$(exampledir)|g'

# The sections of the commands are what --help says.
$(B)/lwcmem.1: userspace/man/lwcmem.1.in userspace/man/commands.sh userspace/man/help.awk $(B)/lwcmem
	sh userspace/man/commands.sh $(B)/lwcmem > $@.commands
	sed -e '/^@COMMANDS@$$/{r $@.commands' -e 'd}' $< > $@
# What there is to say about the library, its header says.
$(B)/lwcmem.3: userspace/man/lwcmem.3.in userspace/man/header.awk $(HEADER) $(LIB_MAP)
	set -e; for part in overview types functions; do awk -v part=$$part -f userspace/man/header.awk $(HEADER) > $@.$$part; done
	names=$$(echo $(LIB_FUNCTIONS) | sed 's/ /, /g'); sed -e "s/^@NAMES@/$$names/" -e '/^@OVERVIEW@$$/{r $@.overview' -e 'd}' \
		-e '/^@TYPES@$$/{r $@.types' -e 'd}' -e '/^@FUNCTIONS@$$/{r $@.functions' -e 'd}' $< > $@

all: $(B)/lwcmem.1 $(B)/lwcmem.3

install: all
	install -D -m 755 $(B)/lwcmem $(DESTDIR)$(bindir)/lwcmem
	install -D -m 644 -t $(DESTDIR)$(libdir) $(B)/liblwcmem.so.0 $(B)/liblwcmem.a
	ln -sf liblwcmem.so.0 $(DESTDIR)$(libdir)/liblwcmem.so
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/lwcmem $(HEADER)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/lwcmem/uapi uapi/lwcmem.h uapi/lwcmem_format.h
	install -D -m 644 -t $(DESTDIR)$(exampledir) $(EXAMPLES)
	install -d $(addprefix $(DESTDIR)$(mandir)/,man1 man3 man4 man5) $(addprefix $(DESTDIR)$(libdir)/,pkgconfig systemd/system)
	$(fill) $(P)/liblwcmem.pc.in > $(DESTDIR)$(libdir)/pkgconfig/liblwcmem.pc
	$(fill) $(B)/lwcmem.1 > $(DESTDIR)$(mandir)/man1/lwcmem.1
	$(fill) $(B)/lwcmem.3 > $(DESTDIR)$(mandir)/man3/lwcmem.3
	for name in $(LIB_FUNCTIONS); do echo .so man3/lwcmem.3 > $(DESTDIR)$(mandir)/man3/$$name.3 || exit 1; done
	$(fill) userspace/man/lwcmem.4 > $(DESTDIR)$(mandir)/man4/lwcmem.4
	$(fill) userspace/man/lwcmem.5 > $(DESTDIR)$(mandir)/man5/lwcmem.5
	$(fill) $(P)/lwcmem-attach@.service > $(DESTDIR)$(libdir)/systemd/system/lwcmem-attach@.service
	install -D -m 644 $(P)/60-lwcmem.rules $(DESTDIR)$(libdir)/udev/rules.d/60-lwcmem.rules
	install -D -m 644 $(P)/sysusers.conf $(DESTDIR)$(libdir)/sysusers.d/lwcmem.conf
	install -D -m 644 $(P)/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lwcmem
	[ -n "$(DESTDIR)" ] || { ldconfig && sh $(P)/debian/lwcmem.postinst configure; }

# Of directories, those that are empty then; but the ones that every system has below these prefixes stay.
own_dirs := $(PREFIX)/include/lwcmem/uapi $(PREFIX)/include/lwcmem $(libdir)/pkgconfig $(exampledir) \
	$(PREFIX)/share/doc/lwcmem $(PREFIX)/share/doc $(libdir)/udev/rules.d $(libdir)/udev \
	$(libdir)/sysusers.d $(libdir)/modules-load.d $(libdir)/systemd/system $(libdir)/systemd \
	$(PREFIX)/share/bash-completion/completions $(PREFIX)/share/bash-completion \
	$(addprefix $(mandir)/,man1 man3 man4 man5) $(if $(filter /usr /usr/local,$(PREFIX)),, \
	$(mandir) $(PREFIX)/share $(libdir) $(PREFIX)/include $(bindir) $(PREFIX))
uninstall:
	[ -n "$(DESTDIR)" ] || ! dkms status -m lwcmem -v $(VERSION) 2> /dev/null | grep -q . || \
		dkms remove -m lwcmem -v $(VERSION) --all
	rm -f $(addprefix $(DESTDIR),$(install_files) $(dkms_files))
	rm -rf $(DESTDIR)$(module_source)
	for dir in $(addprefix $(DESTDIR),$(own_dirs)); do \
		[ ! -d $$dir ] || rmdir --ignore-fail-on-non-empty $$dir; done
	[ -n "$(DESTDIR)" ] || { ldconfig && sh $(P)/debian/lwcmem.postrm purge; }

# The module's source where dkms finds it.
dkms-source:
	install -d $(DESTDIR)$(module_source)/kmod/codec $(DESTDIR)$(module_source)/uapi $(DESTDIR)$(libdir)/modules-load.d
	install -m 644 -t $(DESTDIR)$(module_source) Kbuild COPYING
	install -m 644 -t $(DESTDIR)$(module_source)/kmod kmod/*.[ch]
	install -m 644 -t $(DESTDIR)$(module_source)/kmod/codec kmod/codec/*.[ch]
	install -m 644 -t $(DESTDIR)$(module_source)/uapi uapi/*.h
	$(fill) $(P)/dkms.conf > $(DESTDIR)$(module_source)/dkms.conf
	install -m 644 $(P)/modules-load.conf $(DESTDIR)$(libdir)/modules-load.d/lwcmem.conf

# Registered, then built and installed for the running kernel (KVER= for another one); dkms does the same for each kernel
# that comes later.
KVER ?=
dkms: dkms-source
	dkms status -m lwcmem -v $(VERSION) | grep -q . || dkms add -m lwcmem -v $(VERSION)
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES dkms install -m lwcmem -v $(VERSION) $(addprefix -k ,$(KVER))

# build/{lwcmem,liblwcmem-dev}_VERSION_amd64.deb and build/lwcmem-dkms_VERSION_all.deb
deb: all
	sh $(P)/deb.sh $(B) $(VERSION)
# They are installed, used and removed in a clean root.
check-deb:
	bash tests/run.sh deb

.PHONY: install uninstall dkms-source dkms deb check-deb
