#!/usr/bin/env bash
# Measures the router beside bare hyper, FastAPI, the Functions Framework, nginx and dd.
#
#   bench/run.sh                     every row: about a quarter of an hour, on a machine with nothing else to do
#   bench/run.sh ROW…                these rows; --list says which there are
#   bench/run.sh --rounds 3 ROW…     with fewer rounds, to see whether a row works
#   bench/run.sh --write             every row, into results.md and results.svg
#
# It installs what is missing: Debian packages, and the peers into FUNCTION_ROUTER_CACHE (default
# ~/.cache/function-router).
set -euo pipefail
# Said from where the command was given, or by cargo's default.
target=$(realpath -m "${CARGO_TARGET_DIR:-$(dirname "${BASH_SOURCE[0]}")/../target}")
export CARGO_TARGET_DIR=$target
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../.ci/packages.sh

readonly NODE=20
cache=${FUNCTION_ROUTER_CACHE:-$HOME/.cache/function-router}
peers=$cache/bench

main() {
    need cc build-essential
    need nginx nginx-light
    need openssl openssl
    need python3 python3
    need taskset util-linux
    need valgrind valgrind
    need wrk wrk
    mkdir -p "$peers"
    install_fastapi
    install_framework
    # Together, so that what they share is built once; all that it changes in the router is a clock of nix's.
    cargo build --locked --quiet --release --package functions --package measured --package bench
    exec "$target/release/bench" --peers "$peers" "$@"
}

install_fastapi() {
    if cmp --silent peers/fastapi/requirements.txt "$peers/python/installed"; then return; fi
    if ! python3 -c 'import ensurepip' 2>/dev/null; then install_package python3-venv; fi
    python3 -m venv --clear "$peers/python"
    "$peers/python/bin/pip" install --quiet --disable-pip-version-check --requirement peers/fastapi/requirements.txt
    cp peers/fastapi/requirements.txt "$peers/python/installed"
}

# As for clients/: Debian's Node may be older than the framework wants; its npm can then fetch a newer one.
install_framework() {
    need node nodejs
    need npm npm
    if [[ $(node --print 'process.versions.node.split(".")[0]') -lt $NODE ]]; then
        if [[ ! -x $peers/node_modules/node/bin/node ]]; then
            npm install --silent --prefix "$peers" "node@$NODE"
        fi
        PATH=$peers/node_modules/node/bin:$PATH
    fi
    ln -sfn "$(command -v node)" "$peers/node"
    local folder=$peers/functions-framework
    if cmp --silent peers/functions-framework/package-lock.json "$folder/installed"; then return; fi
    mkdir -p "$folder"
    cp peers/functions-framework/{index.js,package.json,package-lock.json} "$folder"
    npm ci --silent --ignore-scripts --prefix "$folder"
    cp "$folder/package-lock.json" "$folder/installed"
}

main "$@"
