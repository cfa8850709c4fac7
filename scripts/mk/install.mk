# Installing. What goes where is listed once: $(INSTALLED) is what uninstall removes.
ROOT := $(DESTDIR)$(prefix)
PC   := lib/pkgconfig/modload.pc lib/pkgconfig/modload-plugin.pc
VERSION = $(shell sed -n 's/^\#define ML_VERSION "\(.*\)"/\1/p' lib/include/modload/modload.h)

INSTALL_PROGRAMS = $(patsubst $(BUILD)/%,%,$(PROGRAMS))
INSTALL_FILES    = $(patsubst $(BUILD)/%,%,$(HEADERS) $(SHARE))
INSTALLED = $(INSTALL_PROGRAMS) $(INSTALL_FILES) $(PC) lib/libmodload.so.$(SOVERSION) lib/libmodload.so
# Directories that are ours alone, the deepest first.
OWN_DIRS = $(shell printf '%s\n' libexec/modload $(sort $(dir $(INSTALL_FILES))) share/modload | sed 's:/$$::' | sort -ru)

install: all ## install to $(DESTDIR)$(prefix)
	$(Q)for f in $(INSTALL_PROGRAMS); do install -D -m 755 $(BUILD)/$$f '$(ROOT)'/$$f || exit; done
	$(Q)for f in $(INSTALL_FILES); do install -D -m 644 $(BUILD)/$$f '$(ROOT)'/$$f || exit; done
	$(Q)install -D -m 644 $(BUILD)/lib/libmodload.so.$(SOVERSION) '$(ROOT)'/lib/libmodload.so.$(SOVERSION)
	$(Q)ln -sf libmodload.so.$(SOVERSION) '$(ROOT)'/lib/libmodload.so
	$(Q)mkdir -p '$(ROOT)'/lib/pkgconfig
	$(Q)for f in $(notdir $(PC)); do \
	    sed -e 's:@prefix@:$(prefix):' -e 's:@version@:$(VERSION):' scripts/$$f.in >'$(ROOT)'/lib/pkgconfig/$$f || exit; \
	done
	$(call say,INSTALL,$(ROOT))

uninstall: ## remove what install put there
	$(Q)for f in $(INSTALLED); do rm -f '$(ROOT)'/$$f; done
	$(Q)for d in $(OWN_DIRS); do [ ! -d '$(ROOT)'/$$d ] || rmdir --ignore-fail-on-non-empty '$(ROOT)'/$$d; done
	$(call say,REMOVED,$(ROOT))

.PHONY: install uninstall
