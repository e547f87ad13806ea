#!/usr/bin/env bash
# Floods of HTTP/2 against the router, and what the others notice; see h2_floods.py. An argument is another router
# than the one of this checkout.
set -euo pipefail
cd "$(dirname "$0")/../.."
. .ci/packages.sh
need '/usr/lib/python3*/ensurepip' python3-venv
if [[ $# -eq 0 ]]; then cargo build --locked --release -p functions; fi
router=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/router}")

environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check h2==4.3.0
PYTHONDONTWRITEBYTECODE=1 "$environment/bin/python" bench/hostile/h2_floods.py "$router"
