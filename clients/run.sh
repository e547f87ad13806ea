#!/usr/bin/env bash
# Real Firebase clients against the built programs: the SDK in Node and in Chromium, and what the page itself sends.
#
#   clients/run.sh              everything but what is slow
#   clients/run.sh slow         an upload of 1 GiB in constant memory
#   clients/run.sh FILE…        the tests in these files
#
# It installs what is missing. Pages are photographed into clients/output. The last line counts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../.ci/packages.sh

readonly NODE=20
# The SDK waits for seconds before it tries again; meanwhile other files can be tested.
readonly FILES_AT_ONCE=4
cache=${FUNCTION_ROUTER_CACHE:-$HOME/.cache/function-router}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

main() {
    local tests=("$@")
    if [[ $# -eq 0 ]]; then tests=(tests/*.test.js); fi
    if [[ ${1:-} == slow ]]; then tests=(slow/*.test.js); fi

    install_node
    need chromium chromium
    need openssl openssl
    install_modules
    make_identity
    cargo build --locked --quiet --manifest-path ../Cargo.toml --package functions --package conformance
    rm -rf output
    run "${tests[@]}"
}

# Debian's Node may be older than the SDK wants; its npm can then fetch a newer one.
install_node() {
    need node nodejs
    need npm npm
    if [[ $(node --print 'process.versions.node.split(".")[0]') -ge $NODE ]]; then return; fi
    if [[ ! -x $cache/node/node_modules/node/bin/node ]]; then
        npm install --silent --prefix "$cache/node" "node@$NODE"
    fi
    PATH=$cache/node/node_modules/node/bin:$PATH
}

# None of them has to run anything to be installed.
install_modules() {
    if cmp --silent package-lock.json node_modules/.installed; then return; fi
    npm ci --silent --ignore-scripts --cache "$cache/npm"
    cp package-lock.json node_modules/.installed
}

# A certificate for the edge of the tests, which Node trusts beside its own.
make_identity() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=clients \
        -addext subjectAltName=DNS:localhost -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
    export CLIENTS_IDENTITY=$folder NODE_EXTRA_CA_CERTS=$folder/cert.pem
}

run() {
    local status=0 passed failed
    node --test --test-reporter=spec --test-concurrency=$FILES_AT_ONCE "$@" 2>&1 | tee "$folder/log" || status=$?
    passed=$(counted pass) failed=$(($(counted fail) + $(counted cancelled)))
    if [[ $passed -eq 0 && $status -eq 0 ]]; then status=1; fi
    if [[ $failed -eq 0 && $status -ne 0 ]]; then failed=1; fi
    printf '%d passed, %d failed\n' "$passed" "$failed"
    exit $((status > 0))
}

# counted WHAT: a number of the summary, 0 when there is none.
counted() {
    sed -nE "s/^ℹ $1 ([0-9]+)$/\1/p" "$folder/log" | grep . || echo 0
}

main "$@"
