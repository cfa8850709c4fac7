# What is built. $(BUILD) has the layout of an installation, so the tool works in place.
O := $(BUILD)/obj
LIBEXEC := $(BUILD)/libexec/modload

BASE_SRC   := $(sort $(wildcard lib/base/*.c))
STORE_SRC  := $(sort $(wildcard registry_store/*.c))
CLIENT_SRC := $(sort $(wildcard lib/client/*.c))
PACK_SRC   := $(sort $(wildcard lib/archive/*.c))
MAKE_SRC   := $(sort $(wildcard lib/build/*.c lib/transfer/*.c lib/fetch/*.c lib/index/*.c lib/install/*.c lib/project/*.c))
WORKER_SRC := $(sort $(wildcard lib/worker/*.c))
FETCHER_SRC := $(sort $(wildcard lib/fetcher/*.c))
CMD_SRC    := $(sort $(filter-out cmd/main.c,$(wildcard cmd/*.c)))
objects = $(patsubst %.c,$(O)/%.o,$(1))

front_objects = $(patsubst %.c,$(O)/front/%.o,$(1))

LIGHT_LIB := $(O)/libmodload-light.a
HEAVY_LIB := $(O)/libmodload-build.a
CMD_LIB   := $(O)/commands.a
FRONT_LIB := $(O)/front.a

PROGRAMS := $(BUILD)/bin/modload $(addprefix $(LIBEXEC)/modload-,core worker fetch)
HEADERS  := $(patsubst lib/include/%,$(BUILD)/include/%,$(wildcard lib/include/modload/*.h))
SHARE    := $(patsubst manifests/%,$(BUILD)/share/modload/%,$(shell find manifests -type f))
SOVERSION := 0

all: $(PROGRAMS) $(BUILD)/lib/libmodload.so.$(SOVERSION) $(HEADERS) $(SHARE) ## build everything into build/

$(LIGHT_LIB): $(call objects,$(BASE_SRC) $(STORE_SRC) $(CLIENT_SRC))
$(HEAVY_LIB): $(call objects,$(MAKE_SRC) $(PACK_SRC))
$(CMD_LIB): $(call objects,$(CMD_SRC))
HEAVY_SRC := $(shell sed -n 's,^HEAVY(\(.*\)),cmd/\1.c,p' cmd/commands.def) cmd/build.c cmd/file.c cmd/install_pack.c cmd/incoming.c cmd/incoming_asking.c cmd/incoming_retired.c cmd/incoming_show.c cmd/origins.c cmd/progress.c cmd/run_source.c
$(FRONT_LIB): $(call front_objects,$(filter-out $(HEAVY_SRC),$(CMD_SRC)) $(BASE_SRC) $(STORE_SRC) $(CLIENT_SRC))
$(LIGHT_LIB) $(HEAVY_LIB) $(CMD_LIB) $(FRONT_LIB):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/front/%.o: %.c $(O)/flags
	$(call say,CC,$< (front))
	$(Q)mkdir -p $(@D) && $(FRONT_CC) $(FRONT_FLAGS) $(CFLAGS) $(INCLUDES) -DML_FRONT -MMD -MP -c -o $@ $<

$(O)/%.o: %.c $(O)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(BASE_FLAGS) $(CFLAGS) $(INCLUDES) -MMD -MP -c -o $@ $<

# Rebuilds everything when the compiler or its flags change.
$(O)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(BASE_FLAGS) $(CFLAGS) $(FRONT_CC) $(FRONT_FLAGS) $(FRONT_LINK)' | cmp -s - $@ || \
	    echo '$(CC) $(BASE_FLAGS) $(CFLAGS) $(FRONT_CC) $(FRONT_FLAGS) $(FRONT_LINK)' > $@
FORCE:

$(BUILD)/include/%: lib/include/%
	$(Q)mkdir -p $(@D) && cp $< $@
$(BUILD)/share/modload/%: manifests/%
	$(Q)mkdir -p $(@D) && cp $< $@

clean: ## remove what was built
	$(Q)rm -rf build build-*

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.PHONY: all clean FORCE
