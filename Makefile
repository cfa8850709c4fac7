# modload - see `make help`. The parts are in scripts/mk: configuration, rules, tests, checks, install.
prefix  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
DEV     ?=
SAN     ?=
V       ?=

.DEFAULT_GOAL := all

include scripts/mk/config.mk
include scripts/mk/build.mk
include scripts/mk/programs.mk
include scripts/mk/tests.mk
include scripts/mk/harness.mk
include scripts/mk/quality.mk
include scripts/mk/install.mk
include scripts/mk/fuzz.mk

.PHONY: help
help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | sort
	@echo "  DEV=1 makes warnings errors; SAN=1 adds ASan and UBSan; V=1 shows the commands"
