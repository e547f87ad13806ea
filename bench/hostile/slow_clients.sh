#!/usr/bin/env bash
# A thousand slow clients against the router, and what the others notice; see slow_clients.rs. Arguments go there.
set -euo pipefail
cd "$(dirname "$0")/../.."
. .ci/packages.sh
need slowhttptest slowhttptest
# One by one, so that the router is not given features that another asks for.
cargo build --locked --release -p functions
cargo build --locked --release -p bench --bin slow_clients
exec "${CARGO_TARGET_DIR:-target}/release/slow_clients" "$@"
