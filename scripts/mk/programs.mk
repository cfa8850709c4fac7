# How the programs and the library are linked.

# One command table, two programs: the front holds the rows that need libc alone.
$(BUILD)/bin/modload: $(O)/front/cmd/main.o $(FRONT_LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(FRONT_CC) $(FRONT_LINK) -o $@ $^ -lm

$(LIBEXEC)/modload-core: $(O)/cmd/main.o $(CMD_LIB) $(HEAVY_LIB) $(LIGHT_LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK_FLAGS) -o $@ $^ $(BUILD_LIBS)

$(LIBEXEC)/modload-worker: $(call objects,$(WORKER_SRC)) $(LIGHT_LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK_FLAGS) -o $@ $^ $(STATIC_CRYPTO)

# The only one that is linked with libgit2, and the only one that reaches a network.
$(LIBEXEC)/modload-fetch: $(call objects,$(FETCHER_SRC)) $(HEAVY_LIB) $(LIGHT_LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK_FLAGS) -o $@ $^ $(GIT_LIBS)

$(BUILD)/lib/libmodload.so.$(SOVERSION): $(call objects,$(BASE_SRC) $(STORE_SRC) $(CLIENT_SRC) $(PACK_SRC) $(MAKE_SRC)) lib/libmodload.sym
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -shared $(LINK_FLAGS) -Wl,-soname,$(@F) \
	    -Wl,--version-script=lib/libmodload.sym -o $@ $(filter %.o,$^) $(BUILD_LIBS)
	$(Q)ln -sf $(@F) $(BUILD)/lib/libmodload.so

