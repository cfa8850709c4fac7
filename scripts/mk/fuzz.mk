# Fuzzing. A target is tests/fuzz/NAME.c and the directory tests/fuzz/seeds/NAME: adding one is adding these two,
# nothing else. A script `make` in that directory writes further seeds, which no person could, into the directory $1.
# Any other file in tests/fuzz is linked into all of them.
FUZZ_NAMES := $(notdir $(sort $(wildcard tests/fuzz/seeds/*)))
FUZZ_HELP  := $(filter-out $(FUZZ_NAMES:%=tests/fuzz/%.c) tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))
FUZZ       := $(addprefix $(BUILD)/fuzz/,$(FUZZ_NAMES))
FUZZ_SEEDS := $(addprefix $(BUILD)/fuzz/seeds/,$(FUZZ_NAMES))
FUZZ_LIBS  := $(WORKER_LIB) $(CMD_LIB) $(HEAVY_LIB) $(LIGHT_LIB)
TIME   ?= 60
TARGET ?=

fuzz: ## look for new inputs that break something: TIME=60 seconds each, TARGET=one; needs clang (scripts/setup fuzz)
	$(Q)command -v clang >/dev/null || { echo "fuzz: there is no clang: run scripts/setup fuzz" >&2; exit 1; }
	+$(Q)$(MAKE) --no-print-directory BUILD=build-fuzz SAN=1 CC=clang LIBFUZZER=1 \
	    CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' fuzz-targets
	@TIME='$(TIME)' TARGET='$(TARGET)' sh scripts/fuzz build-fuzz
check-fuzz: ## run the fuzz targets on their seeds, and on changes of these
	$(RUN_TESTS) fuzz
fuzz-targets: $(FUZZ) $(FUZZ_SEEDS)

# Archives, so that a target can take a file of ours in whole, functions that are not for others included.
$(FUZZ): $(BUILD)/fuzz/%: $(O)/tests/fuzz/%.o $(call objects,$(FUZZ_HELP) $(if $(LIBFUZZER),,tests/fuzz/replay.c)) \
    $(FUZZ_LIBS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK_FLAGS) $(if $(LIBFUZZER),-fsanitize=fuzzer) -o $@ $(filter %.o,$^) \
	    -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(BUILD_LIBS) -lm

.SECONDEXPANSION:
$(FUZZ_SEEDS): $(BUILD)/fuzz/seeds/%: tests/fuzz/seeds/% $$(wildcard tests/fuzz/seeds/$$*/*)
	$(Q)rm -rf $@ && mkdir -p $(@D) && cp -R $< $@
	$(Q)if [ -e $@/make ]; then rm $@/make && CC='$(CC)' sh $</make $@; fi
	$(Q)touch $@

.PHONY: fuzz check-fuzz fuzz-targets
