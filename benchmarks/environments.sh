#!/usr/bin/env bash
# An environment for each peer, under .bench/, with the very torch that tunesmith has: one that cannot be had with it is
# told and left out. Once made, they need no network.
#
#     benchmarks/environments.sh PYTHON
set -uo pipefail
python=$1
here=$(cd "$(dirname "$0")" && pwd)
rooms=$here/../.bench
torch=$("$python" -c 'from importlib.metadata import version; print(version("torch"))')

for needs in "$here"/peers/needs/*.txt; do
  name=$(basename "$needs" .txt)
  room=$rooms/$name
  [ -f "$room/made" ] && cmp -s "$needs" "$room/made" && continue
  echo "setting up $name"
  rm -rf "$room"
  "$python" -m venv "$room" &&
    "$room/bin/python" -m pip install --quiet "torch==${torch%%+*}" &&
    "$room/bin/python" -m pip install --quiet "torch==${torch%%+*}" -r "$needs" &&
    # their published builds do not load beside torch's CPU build, and text needs neither
    "$room/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio &&
    found=$("$room/bin/python" -c 'import torch; print(torch.__version__)') && [ "$found" = "$torch" ] &&
    cp "$needs" "$room/made" || { echo "left out: $name cannot be had with torch $torch" >&2; rm -rf "$room"; }
done
exit 0
