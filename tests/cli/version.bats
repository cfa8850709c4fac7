#!/usr/bin/env bats
# Goal of this test: modload says which version it is.

load helpers

setup_file() {
    VERSION=$(sed -n 's/^#define ML_VERSION "\(.*\)"/\1/p' "$BATS_TEST_DIRNAME/../../lib/include/modload/modload.h")
    ABI=$(sed -n 's/^#define ML_ABI_VERSION *\([0-9]*\)u/\1/p' "$BATS_TEST_DIRNAME/../../lib/include/modload/abi.h")
    export VERSION ABI
}

@test "version: the version, and the ABI of plugins" {
    for word in version --version; do
        ml "$word"
        assert_ok
        assert_stdout "modload $VERSION (plugin ABI $ABI)"
        assert_no_stderr
    done
}

@test "version: does not need a registry" {
    unset MODLOAD_HOME HOME
    ml version
    assert_ok
    assert_no_stderr
}

@test "version --json: the same as data" {
    ml version --json
    assert_ok
    assert_equal "$(json '.data|tojson')" "{\"version\":\"$VERSION\",\"plugin_abi\":$ABI}"
    assert_no_stderr
}

@test "version: takes no argument" {
    ml version 2
    assert_exit 64
    assert_no_stdout
    assert_stderr_has "modload: version: too many arguments"
}
