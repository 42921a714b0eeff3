#!/usr/bin/env bash
# Writes requirements.lock (what runs), requirements-speech.lock (the same, and what turns speech
# into text), requirements-dev.lock (what also tests) and requirements-bench.lock (what `make bench`
# compares with, and nothing else), with hashes, for every platform and Python that pyproject.toml
# allows. Needs `uv`. Run it after a change of the dependencies, read the difference, commit all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() { # OUT ARGS...
  local out=$1
  shift
  {
    echo "# Made by deploy/lock.sh from pyproject.toml; installed with pip --require-hashes."
    uv pip compile --universal --python-version 3.11 --generate-hashes \
      --no-emit-index-url --no-header --no-annotate --quiet "$@"
  } >"$out.draft"
  if grep -nE '://|--(extra-)?index|--find-links|^/' "$out.draft" >&2; then
    echo "lock: $out would name a host or a path of this machine; nothing was changed" >&2
    exit 1
  fi
  mv "$out.draft" "$out"
}

compile requirements.lock pyproject.toml --extra postgresql
compile requirements-speech.lock pyproject.toml --extra postgresql --extra speech --constraint requirements.lock
compile requirements-dev.lock pyproject.toml --extra postgresql --extra speech --group dev --constraint requirements-speech.lock
compile requirements-bench.lock --group pyproject.toml:bench --constraint requirements-dev.lock
