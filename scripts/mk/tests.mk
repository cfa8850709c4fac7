# Tests. scripts/run-tests builds what a part needs, counts, keeps logs in $(BUILD)/logs and looks for leftovers.
UNIT_SRC  := $(sort $(wildcard tests/unit/t-*.c))
UNIT      := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
UNIT_HELP := $(call objects,$(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c)))
BENCH     := $(addprefix $(BUILD)/bench/,bare null pairs session plugin.so)
SCALE     := $(addprefix $(BUILD)/bench/,pairs spent scale sqlite)
WORKER_LIB := $(O)/worker.a
FETCHER_LIB := $(O)/fetcher.a
RUN_TESTS := +@BUILD='$(BUILD)' MAKE='$(MAKE)' sh scripts/run-tests

check: ## run the whole test suite
	$(RUN_TESTS) unit cli fuzz fault zoo asan lint headers
check-unit: ## the unit tests
	$(RUN_TESTS) unit
check-cli: ## the tests of the commands
	$(RUN_TESTS) cli
check-e2e: ## the whole way, as users go it: given, when, then
	$(RUN_TESTS) e2e
check-asan: ## unit, fuzz and command tests under ASan and UBSan, all of them
	$(RUN_TESTS) asan asan-all
coverage: ## which lines the tests reach
	+@MAKE='$(MAKE)' sh scripts/coverage
bench: all $(BENCH) $(SCALE) ## measure against a bare program and peers, beside the goals
	@sh scripts/bench $(BUILD)
bench-peers: ## install what make bench compares with
	@sh scripts/bench-peers $(BUILD)
bench-scale: all $(SCALE) ## measure registries of SIZES="10 10000 1000000" entries, beside SQLite
	@sh scripts/bench-scale $(BUILD)

unit-tests: $(UNIT)

$(WORKER_LIB): $(call objects,$(filter-out lib/worker/main.c,$(WORKER_SRC)))
$(FETCHER_LIB): $(call objects,$(filter-out lib/fetcher/main.c,$(FETCHER_SRC)))
$(WORKER_LIB) $(FETCHER_LIB):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Archives, so that a test can put its own function in the place of one of ours.
$(UNIT): $(BUILD)/tests/%: $(O)/tests/unit/%.o $(UNIT_HELP) $(WORKER_LIB) $(FETCHER_LIB) $(HEAVY_LIB) $(LIGHT_LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK_FLAGS) -o $@ $(filter %.o,$^) \
	    -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(BUILD_LIBS) $(GIT_LIBS) -larchive -lcmocka -lm

# Tests are always compiled as by a developer. Private: what they depend on must not see it.
$(O)/tests/%.o: private BASE_FLAGS += -Werror -Itests/unit -Itests/lib

$(BUILD)/bench/scale $(BUILD)/bench/sqlite $(BUILD)/bench/session: $(BUILD)/bench/%: $(O)/tests/bench/%.o $(LIGHT_LIB)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK_FLAGS) -o $@ $^ $(if $(filter %sqlite,$@),-lsqlite3) -lm
$(BUILD)/bench/bare $(BUILD)/bench/pairs $(BUILD)/bench/spent: $(BUILD)/bench/%: $(O)/tests/bench/%.o
	$(Q)mkdir -p $(@D) && $(CC) $(LINK_FLAGS) -o $@ $<
$(BUILD)/bench/null: $(O)/tests/bench/null.o
	$(Q)mkdir -p $(@D) && $(CC) -static -o $@ $<
$(BUILD)/bench/plugin.so: $(wildcard manifests/math/*.c manifests/math/src/*.c)
	$(Q)mkdir -p $(@D) && $(CC) -O2 -fPIC -shared -Ilib/include -o $@ $^ -lm

.PHONY: check check-unit check-cli check-e2e check-asan coverage bench bench-peers bench-scale unit-tests
