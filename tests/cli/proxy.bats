#!/usr/bin/env bats
# Goal of this test: https goes through the proxy that https_proxy names, as with curl and git, but for the hosts of
# no_proxy; the server's certificate counts there as well, and a password for the proxy is told to nobody.

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
    unset https_proxy HTTPS_PROXY no_proxy NO_PROXY
}

teardown() {
    serve_end
    world_teardown
}

# serve_proxy [NAME:PASSWORD [CERTIFICATE KEY]]: at $proxy; what is asked is in ./asked
serve_proxy() {
    serve "$MODLOAD_ROOT/tests/lib/proxy.py" "$PWD/asked" "${1:-}" "${@:2}"
    proxy=127.0.0.1:$served_port
}

# shown [VARIABLE=VALUE...]: a fetch with these; $through is what the proxy was asked
shown() {
    rm -f asked
    export -- "$@"
    ml install --dry-run "$served/${page:-plain}/calc"
    unset https_proxy HTTPS_PROXY no_proxy NO_PROXY
    through=$(cat asked 2>/dev/null) || :
}

@test "proxy: https goes through it, by every way to write it, and past it for the hosts of no_proxy" {
    serve_proxy
    to="CONNECT ${served#*//} 200"
    for variable in "https_proxy=http://$proxy" "HTTPS_PROXY=http://$proxy/" "https_proxy=$proxy" \
        "https_proxy=http://localhost:${proxy#*:}"; do
        shown "$variable"
        assert_ok
        assert_equal "$through" "$to"
    done
    for no in "*" 127.0.0.1 "localhost, 127.0.0.1"; do
        shown "https_proxy=$proxy" "no_proxy=$no"
        assert_ok
        assert_equal "$through" ""
    done
    shown "https_proxy=$proxy" NO_PROXY=127.0.0.1
    assert_equal "$through" ""
    shown "https_proxy=$proxy" no_proxy=example.org
    assert_equal "$through" "$to"
    shown https_proxy= "HTTPS_PROXY=$proxy"
    assert_ok
    assert_equal "$through" ""
    echo "machine 127.0.0.1 login me password secret" >"$HOME/.netrc"
    chmod 600 "$HOME/.netrc"
    page=auth shown "https_proxy=$proxy"
    assert_ok
    serve_proxy "" server.pem server.key
    shown "https_proxy=https://$proxy"
    assert_ok
    assert_equal "$through" "$to"
}

@test "proxy: whoever is behind it has to have the certificate of the host" {
    serve_proxy
    rm -f asked
    https_proxy=$proxy ml install --dry-run "https://example.org:${served##*:}/plain/calc"
    assert_exit 77
    assert_stderr_has "the certificate of 'example.org' is not valid"
    assert_equal "$(cat asked)" "CONNECT example.org:${served##*:} 200"
    [ ! -e requests ]
}

@test "proxy: a name and a password for it are taken from the URL, and are in no message" {
    serve_proxy me:s@cret/
    shown "https_proxy=http://me:s%40cret%2F@$proxy"
    assert_ok
    for variable in "$proxy" "me:secret@$proxy"; do
        shown "https_proxy=$variable"
        assert_exit 77
        assert_stderr_has "the proxy '$proxy' asks for a name and a password, or does not take those that https_proxy has
  hint: https_proxy=http://NAME:PASSWORD@$proxy"
        [[ $stderr != *secret* ]]
    done
    for variable in "socks5://me:secret@$proxy" "http://me:secret @$proxy" "me:secret@$proxy:x:y"; do
        shown "https_proxy=$variable"
        assert_exit 78
        assert_stderr_has "https_proxy names no proxy that is taken: "
        assert_stderr_has "hint: set it to http://HOST:PORT"
        [[ $stderr != *secret* ]]
        assert_equal "$through" ""
    done
}

@test "proxy: one that is not there, or does not reach the server, is told as what may be why" {
    serve_proxy
    shown https_proxy=http://me:secret@127.0.0.1:1
    assert_exit 74
    assert_stderr_has "hint: try again; https_proxy says that '127.0.0.1:1' is the proxy, no_proxy which hosts need none"
    [[ $stderr != *secret* ]]
    https_proxy=$proxy ml install --dry-run https://127.0.0.1:1/x
    assert_exit 74
    assert_stderr_has "proxy returned unexpected status: 502
  hint: try again; https_proxy says that '$proxy' is the proxy"
}
