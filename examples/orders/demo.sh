#!/usr/bin/env bash
# The demo from data to verdict, in ./demo: about ten minutes on two cores, less on more, and no network.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
mkdir -p demo
python "$here/generate.py" demo
cp "$here/orders.yaml" demo/orders.yaml
cd demo

said() { printf '\n$ %s\n' "$*"; "$@"; }

said tunesmith check orders.yaml
said tunesmith train orders.yaml
