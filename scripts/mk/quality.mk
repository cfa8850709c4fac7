# Checks of the house itself.
SOURCES = $(shell find cmd lib registry_store manifests tests -name '*.[ch]')

format: ## format all sources
	$(Q)clang-format -i $(SOURCES)
lint: ## format, imports, static checks, shell, spelling
	$(RUN_TESTS) lint analyze
headers: ## each public header alone, as C and as C++
	$(RUN_TESTS) headers
style: ## figures of our style: function lengths, comments
	@sh scripts/style-report --check
validate: style ## lint, headers and style
	$(RUN_TESTS) lint analyze headers
security: all ## static checks for security, and how the programs were linked
	@sh scripts/security $(BUILD)
audit: ## libraries that have a fix or an advisory in Debian
	@sh scripts/audit
docs: all ## write the manual of the commands to build/docs
	@sh scripts/docs $(BUILD)
report: ## style, last tests, coverage and bench in one page
	@sh scripts/report $(BUILD)

.PHONY: format lint headers style validate security audit docs report
