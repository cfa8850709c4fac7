# Programs that drive a whole build: what must hold when things go wrong, and when plugins do.
HARNESS   := $(call objects,$(sort $(wildcard tests/lib/*.c)))
FAULT     := $(BUILD)/fault/fault $(BUILD)/fault/nomem.so
FAULT_SRC := $(filter-out tests/fault/nomem.c,$(sort $(wildcard tests/fault/*.c)))
ZOO       := $(BUILD)/zoo/zoo
ZOO_SRC   := $(sort $(wildcard tests/zoo/*.c))

fault: ## kills, failures, power cuts and many at once: the short forms
	$(RUN_TESTS) fault
zoo: ## every way in which a plugin can misbehave, once, and a short storm
	$(RUN_TESTS) zoo
soak: all fault-tests zoo-tests ## the same in full, and with sanitizers: two hours, with all figures
	+@bad=0; $(ZOO) --times 200 --jobs 4 || bad=1; $(ZOO) --storm --seconds 60 || bad=1; \
	$(BUILD)/fault/fault kill fail memory power storm --full || bad=1; \
	$(MAKE) --no-print-directory BUILD=build-asan SAN=1 DEV=1 all fault-tests && \
	    build-asan/fault/fault fail --sanitized --full || bad=1; \
	sh scripts/run-tests asan-all analyze || bad=1; exit $$bad

fault-tests: $(FAULT)
zoo-tests: $(ZOO)
$(BUILD)/fault/fault: $(call objects,$(FAULT_SRC)) $(HARNESS) $(LIGHT_LIB)
$(ZOO): $(call objects,$(ZOO_SRC)) $(HARNESS) $(LIGHT_LIB)
$(BUILD)/fault/fault $(ZOO):
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK_FLAGS) -o $@ $^ $(BUILD_LIBS)
$(BUILD)/fault/nomem.so: tests/fault/nomem.c
	$(Q)mkdir -p $(@D) && $(CC) -O2 -fPIC -shared -Wall -Werror -D_GNU_SOURCE -o $@ $<

.PHONY: fault zoo soak fault-tests zoo-tests
