# SPDX-License-Identifier: BSD-3-Clause
# install, uninstall, dkms, deb; included by the Makefile. One place has the version: what modinfo says of the module.
VERSION := $(shell sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' kmod/main.c)
PREFIX ?= /usr/local
DESTDIR ?=
P := userspace/packaging
bindir := $(PREFIX)/bin
mandir := $(PREFIX)/share/man
# systemd, udev and bash read these below /usr/local as below /usr
libdir := $(PREFIX)/lib
# dkms looks nowhere else
module_source := /usr/src/lwcmem-$(VERSION)

install_files := \
	$(bindir)/lwcmem \
	$(PREFIX)/include/lwcmem/uapi/lwcmem.h $(PREFIX)/include/lwcmem/uapi/lwcmem_format.h \
	$(mandir)/man1/lwcmem.1 $(mandir)/man4/lwcmem.4 $(mandir)/man5/lwcmem.5 \
	$(libdir)/udev/rules.d/60-lwcmem.rules $(libdir)/sysusers.d/lwcmem.conf \
	$(libdir)/systemd/system/lwcmem-attach@.service \
	$(PREFIX)/share/bash-completion/completions/lwcmem
dkms_files := $(libdir)/modules-load.d/lwcmem.conf

# fill FILE: with the paths and the version of this installation
fill = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@BINDIR@|$(bindir)|g' -e 's|@INCLUDEDIR@|$(PREFIX)/include|g'

# The sections of the commands are what --help says.
$(B)/lwcmem.1: userspace/man/lwcmem.1.in userspace/man/commands.sh userspace/man/help.awk $(B)/lwcmem
	sh userspace/man/commands.sh $(B)/lwcmem > $@.commands
	sed -e '/^@COMMANDS@$$/{r $@.commands' -e 'd}' $< > $@

install: all $(B)/lwcmem.1
	install -D -m 755 $(B)/lwcmem $(DESTDIR)$(bindir)/lwcmem
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/lwcmem/uapi uapi/lwcmem.h uapi/lwcmem_format.h
	install -d $(addprefix $(DESTDIR)$(mandir)/,man1 man4 man5) $(DESTDIR)$(libdir)/systemd/system
	$(fill) $(B)/lwcmem.1 > $(DESTDIR)$(mandir)/man1/lwcmem.1
	$(fill) userspace/man/lwcmem.4 > $(DESTDIR)$(mandir)/man4/lwcmem.4
	$(fill) userspace/man/lwcmem.5 > $(DESTDIR)$(mandir)/man5/lwcmem.5
	$(fill) $(P)/lwcmem-attach@.service > $(DESTDIR)$(libdir)/systemd/system/lwcmem-attach@.service
	install -D -m 644 $(P)/60-lwcmem.rules $(DESTDIR)$(libdir)/udev/rules.d/60-lwcmem.rules
	install -D -m 644 $(P)/sysusers.conf $(DESTDIR)$(libdir)/sysusers.d/lwcmem.conf
	install -D -m 644 $(P)/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lwcmem
	[ -n "$(DESTDIR)" ] || sh $(P)/debian/lwcmem.postinst configure

# Of directories, those that are empty then; but the ones that every system has below these prefixes stay.
own_dirs := $(PREFIX)/include/lwcmem/uapi $(PREFIX)/include/lwcmem $(libdir)/udev/rules.d $(libdir)/udev \
	$(libdir)/sysusers.d $(libdir)/modules-load.d $(libdir)/systemd/system $(libdir)/systemd \
	$(PREFIX)/share/bash-completion/completions $(PREFIX)/share/bash-completion \
	$(addprefix $(mandir)/,man1 man4 man5) $(if $(filter /usr /usr/local,$(PREFIX)),, \
	$(mandir) $(PREFIX)/share $(libdir) $(PREFIX)/include $(bindir) $(PREFIX))
uninstall:
	[ -n "$(DESTDIR)" ] || ! dkms status -m lwcmem -v $(VERSION) 2> /dev/null | grep -q . || \
		dkms remove -m lwcmem -v $(VERSION) --all
	rm -f $(addprefix $(DESTDIR),$(install_files) $(dkms_files))
	rm -rf $(DESTDIR)$(module_source)
	for dir in $(addprefix $(DESTDIR),$(own_dirs)); do \
		[ ! -d $$dir ] || rmdir --ignore-fail-on-non-empty $$dir; done
	[ -n "$(DESTDIR)" ] || sh $(P)/debian/lwcmem.postrm purge

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

# build/lwcmem_VERSION_amd64.deb and build/lwcmem-dkms_VERSION_all.deb
deb: all
	sh $(P)/deb.sh $(B) $(VERSION)
# They are installed, used and removed in a clean root.
check-deb:
	bash tests/run.sh deb

.PHONY: install uninstall dkms-source dkms deb check-deb
