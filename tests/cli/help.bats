#!/usr/bin/env bats
# Goal of this test: every command is in the help, every command explains itself, and who mistypes is helped.

load helpers

readonly COMMANDS=(compile register install sync update outdated uninstall unregister lookup registered list info history rollback pin unpin gc verify index search publish retire export import pack mirror load reload release loaded pid ps cancel logs doctor exec run uuid help version)

@test "help: lists every command in a line, with the exit codes and the variables" {
    for words in help --help -h; do
        ml "$words"
        assert_ok
        assert_no_stderr
        for command in "${COMMANDS[@]}"; do
            [[ $output =~ $'\n  '$command\ +[a-z] ]]
        done
        assert_stdout_has "exit codes:"
        assert_stdout_has "128+n"
        assert_stdout_has "MODLOAD_HOME"
        assert_stdout_has "MODLOAD_RUNTIME_DIR"
    done
    assert_equal "$(grep -c '^  [a-z]' <<<"$output")" "${#COMMANDS[@]}"
}

@test "help: fits a terminal of 110 columns" {
    for command in '' "${COMMANDS[@]}"; do
        # shellcheck disable=SC2086
        ml help $command
        assert_ok
        for line in "${lines[@]}"; do
            [ "${#line}" -le 110 ] || fail "${#line} columns: $line"
        done
    done
}

@test "help COMMAND: synopsis, summary, options and an example, whichever way it is asked for" {
    for command in "${COMMANDS[@]}"; do
        ml help "$command"
        assert_ok
        assert_no_stderr
        [[ $output == "usage: modload $command"* ]]
        assert_stdout_has $'\noptions:\n'
        assert_stdout_has '  --json '
        assert_stdout_has $'\nexample:\n  $ '
        asked=$output
        for words in "$command --help" "$command -h"; do
            # shellcheck disable=SC2086
            ml $words
            assert_ok
            assert_stdout "$asked"
            assert_no_stderr
        done
    done
}

@test "help: options that a command has are those in its help" {
    ml help exec
    assert_stdout_has "  -t, --timeout DUR"
    ml help run
    assert_stdout_has "  -r, --release"
    ml help release
    assert_stdout_has "  -a, --all"
    ml help compile
    assert_stdout_has "  -D, --define NAME[=V]"
    assert_stdout_has "  -e, --text TEXT"
    ml help register
    assert_stdout_has "  -n, --name NAME"
    assert_stdout_has "  --many FILE"
    assert_stdout_has "  -j, --jobs N"
    ml help list
    assert_stdout_has "  --removed"
    ml help gc
    assert_stdout_has "  --keep-last N"
    assert_stdout_has "  --older-than DUR"
    assert_stdout_has "  --dry-run"
    ml help verify
    assert_stdout_has "  --repair"
    for command in register sync unregister rollback pin unpin gc verify export import; do # all that take the lock
        ml help $command
        assert_stdout_has "  --wait DUR"
    done
}

@test "help: --help counts before missing arguments and other options" {
    ml register --help
    assert_ok
    ml exec --timeout 5s --help
    assert_ok
    assert_stdout_has "usage: modload exec"
}

@test "help: does not need a registry" {
    unset MODLOAD_HOME HOME
    ml help exec
    assert_ok
    assert_no_stderr
}

@test "help --json: the same as data" {
    ml help --json
    assert_ok
    assert_no_stderr
    assert_equal "$(json '.data.commands|map(.name)|join(" ")')" "${COMMANDS[*]}"
    ml help --json exec
    assert_ok
    assert_equal "$(json '[.command, .data.name, .data.args]|tojson')" '["help","exec","U F [ARG...]"]'
    ml exec --json --help
    assert_ok
    assert_equal "$(json .data.name)" exec
}

@test "help: without a command says how to go on" {
    ml
    assert_exit 64
    assert_no_stdout
    assert_stderr $'usage: modload COMMAND [ARG...]\nsee: modload help'
}

@test "help: an unknown command is told, with the nearest one" {
    ml regsiter
    assert_exit 64
    assert_no_stdout
    assert_stderr $'modload: there is no command \'regsiter\'\n  hint: did you mean \'register\'?'
    ml help lod
    assert_exit 64
    assert_no_stdout
    assert_stderr $'modload: there is no command \'lod\'\n  hint: did you mean \'load\'?'
    ml quux
    assert_exit 64
    assert_stderr $'modload: there is no command \'quux\'\n  hint: see: modload help'
}

@test "help: commands are not guessed from their beginning" {
    ml reg
    assert_exit 64
    assert_no_stdout
}

@test "help: an unknown option is told, with the nearest one" {
    ml exec --timeuot 5s a b
    assert_exit 64
    assert_no_stdout
    assert_stderr $'modload: exec has no option \'--timeuot\'\n  hint: did you mean \'--timeout\'?'
    ml list -x
    assert_exit 64
    assert_stderr $'modload: list has no option \'-x\'\n  hint: see: modload help list'
}

@test "help: an option without its value, or with one that it does not take, is told" {
    ml exec -t
    assert_exit 64
    assert_no_stdout
    assert_stderr "modload: option '-t' needs a value: DUR"
    ml release --all=yes
    assert_exit 64
    assert_stderr "modload: option '--all=yes' takes no value"
}

@test "help: too few or too many arguments show the synopsis" {
    ml exec math
    assert_exit 64
    assert_no_stdout
    assert_stderr $'modload: exec: too few arguments\n  hint: usage: modload exec U F [ARG...]'
    ml lookup a b
    assert_exit 64
    assert_stderr $'modload: lookup: too many arguments\n  hint: usage: modload lookup U'
}

@test "help: help of two commands at once is none" {
    ml help exec run
    assert_exit 64
    assert_no_stdout
    assert_stderr_has "too many arguments"
}
