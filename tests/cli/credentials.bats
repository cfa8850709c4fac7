#!/usr/bin/env bats
# Goal of this test: a password for https comes from the user's own credential helper, as git asks it: only when a server
# asks and no file has one, told to that host and to nobody else, and whatever the helper does is told as what it is.
# shellcheck disable=SC2016

load helpers
load plugins
load registry
load repos

setup() {
    world_setup
    repos_setup
    servers=()
    plugin_repo calc
    plugin_commit calc 1.0.0
    serve_https
    export SSL_CERT_FILE=$PWD/ca.pem
    unset MODLOAD_TOKEN_FILE
}

teardown() {
    serve_end
    world_teardown
}

# helper TEXT: a program that keeps what it is asked in ./asked, and then does that.
helper() {
    printf '#!/bin/bash\ncd "%s" || exit\n{ echo "$@"; cat; } >>asked\n%s\n' "$PWD" "$1" >helper
    chmod 755 helper
    export MODLOAD_CREDENTIAL_HELPER=$PWD/helper
    rm -f asked requests
}

shown() {
    ml install --dry-run "$served/auth/calc"
}

passwords() {
    grep -c ' password$' requests || :
}

@test "credentials: git-credential-store gives what it has for the host, and it is kept nowhere" {
    printf 'protocol=https\nhost=%s\nusername=me\npassword=secret\n\n' "${served#*//}" |
        git credential-store --file "$PWD/kept" store
    MODLOAD_CREDENTIAL_HELPER="git  credential-store --file $PWD/kept" ml install --yes --json "$served/auth/calc"
    assert_ok
    [[ $output$stderr != *secret* ]]
    grep -q modload-fetch processes # that the server has looked at while they had it
    run ! grep -q secret processes
    run ! grep -rq secret "$MODLOAD_HOME" "$HOME" "$MODLOAD_RUNTIME_DIR"
    MODLOAD_CREDENTIAL_HELPER="git credential-store --file $PWD/kept" ml outdated
    assert_ok
    ml outdated
    assert_exit 77
    assert_stderr_has "'127.0.0.1' asks for a name and a password, and there are none for it"
    assert_stderr_has "or name a program in MODLOAD_CREDENTIAL_HELPER"
}

@test "credentials: the helper is asked when the server asks and no file has one, once, and with nothing of ours" {
    helper 'echo "prompt $GIT_TERMINAL_PROMPT, fd $([ -e /proc/$$/fd/7 ] && echo open), group $(($(ps -o pgid= $$) - $$))" >>asked
        echo "helper: here I am" >&2
        printf "capability[]=x\nusername=me\npassword=secret\nquit=0\n\nusername=other\n"'
    GIT_TERMINAL_PROMPT=1 shown 7<calc
    assert_ok
    assert_equal "$(cat asked)" "get
protocol=https
host=${served#*//}

prompt 0, fd , group 0"
    assert_stderr_has "helper: here I am"
    rm asked
    ml install --dry-run "$served/plain/calc"
    assert_ok
    ml install --offline --dry-run "$served/auth/calc"
    assert_ok
    echo "machine 127.0.0.1 login me password secret" >"$HOME/.netrc"
    chmod 600 "$HOME/.netrc"
    shown
    assert_ok
    echo "machine 127.0.0.1 login me password sesame" >"$HOME/.netrc"
    shown
    assert_exit 77
    assert_stderr_has "does not take the password that there is for it"
    [ ! -e asked ]
}

@test "credentials: a wrong password is told once, and not tried again" {
    helper 'printf "username=me\npassword=sesame\n"'
    shown
    assert_exit 77
    assert_stderr_has "'127.0.0.1' does not take the password that the credential helper has for it"
    assert_stderr_has "git credential reject"
    [[ $stderr != *sesame* ]]
    assert_equal "$(grep -c get asked) $(passwords)" "1 1"
}

@test "credentials: it is for the host of the source: a redirect elsewhere is refused" {
    helper 'printf "host=localhost\nusername=me\npassword=secret\n"'
    ml install --dry-run "$served/late/calc"
    assert_exit 77
    assert_stderr_has "cannot redirect from '127.0.0.1' to 'localhost'"
    run ! grep -q localhost requests
    ml install --dry-run "$served/away/calc"
    assert_exit 77
    assert_equal "$(grep -c get asked)" 1
}

@test "credentials: another port is another server, to which nobody is sent on" {
    helper 'printf "username=me\npassword=secret\n"'
    ml install --dry-run "$served/port/calc"
    assert_exit 77
    assert_stderr_has "the server sends us on to '127.0.0.1:"
    run ! grep -q /auth/ requests
    [ ! -e asked ]
    ml install --dry-run "$served/moved/calc" # on its own port that is followed
    assert_ok
}

@test "credentials: files that variables name are looked for where the user stands, and one that is not there is told" {
    printf '127.0.0.1 me secret\n' >tokens
    mkfifo pipe
    chmod 600 tokens pipe
    export SSL_CERT_FILE=ca.pem
    MODLOAD_TOKEN_FILE=tokens shown
    assert_ok
    MODLOAD_TOKEN_FILE=nowhere shown
    assert_exit 78
    assert_stderr_has "MODLOAD_TOKEN_FILE names '$PWD/nowhere', which is not there"
    MODLOAD_TOKEN_FILE=pipe shown
    assert_exit 77
    assert_stderr_has "hint: passwords are read from a plain file that is yours alone"
    SSL_CERT_FILE=nowhere shown
    assert_exit 78
    assert_stderr_has "the certificates that SSL_CERT_FILE names, '$PWD/nowhere'"
}

@test "credentials: a helper that fails, or says what is no password, is told with what to do" {
    while IFS='|' read -r text told; do
        helper "$text"
        shown
        assert_exit 77
        assert_stderr_has "$told"
        assert_stderr_has "hint: try it: printf 'protocol=https\\nhost=${served#*//}\\n\\n' | $PWD/helper get"
        [[ $stderr != *secret* ]]
        assert_equal "$(passwords)" 0
    done <<'END'
exit 3|' exited with status 3
:|asks for a name and a password, and the credential helper
echo username=me; echo secret|' says something that is no "key=value"
printf 'username=me\npassword=sec\033ret\n'|' gives a name or a password that is too long, or has control characters in it
END
    for text in ./helper nowhere; do
        MODLOAD_CREDENTIAL_HELPER=$text shown
        assert_exit 78
        assert_stderr_has "MODLOAD_CREDENTIAL_HELPER is '$text': "
        assert_stderr_has "hint: set it to a program and its words"
    done
}

@test "credentials: a helper that hangs is ended by Ctrl-C, with all that it has started" {
    mkfifo begun
    helper 'sleep 1000 & echo $$ $! >begun; wait'
    env --default-signal=INT modload install --dry-run "$served/auth/calc" >said 2>err 3>&- &
    read -r pids <begun
    kill -INT $!
    status=0
    wait $! || status=$?
    assert_exit 130
    for pid in $pids; do within gone "$pid"; done
}
