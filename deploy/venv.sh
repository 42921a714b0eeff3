#!/usr/bin/env bash
# Makes .venv from the committed lock, or sees that it is made: then it ends at once.
#
#   deploy/venv.sh [LOCK]      requirements.lock unless named
#
# The project itself is put in by a path file and a starter, so that nothing has to be built.
# PYTHON names the Python to use (python3 unless set); it must be 3.11 or later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock=${1:-requirements.lock}
venv=.venv
python=${PYTHON:-python3}

say() { printf 'venv: %s\n' "$*"; }
fail() { printf 'venv: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

stamp() { # changes when the lock, the folder or this script does
  { cat "$lock" deploy/venv.sh; pwd -P; } | cksum | tr ' ' '-'
}

look_at_python() {
  local newer
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then return; fi
  for newer in python3.14 python3.13 python3.12 python3.11; do
    if have "$newer"; then python=$newer; return; fi
  done
  fail "Python 3.11 or later is needed ($python is $("$python" -V 2>&1 || echo missing)); install it, or name one: make up PYTHON=/path/to/python3"
}

make_venv() { # each way in turn; the last word is what to type
  rm -rf "$venv"
  "$python" -m venv "$venv" >/dev/null 2>&1 && return
  rm -rf "$venv"
  if have uv && uv venv --quiet --seed --python "$python" "$venv"; then return; fi
  if have virtualenv && virtualenv --quiet --python "$python" "$venv"; then return; fi
  if [ "$(id -u)" = 0 ] && have apt-get; then
    say "this Python has no venv module; installing python3-venv"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
      python3-venv; } >/dev/null 2>&1 || true
    "$python" -m venv "$venv" >/dev/null 2>&1 && return
    rm -rf "$venv"
  fi
  fail "this Python cannot make a virtual environment; type: sudo apt-get install python3-venv"
}

add_project() { # no build, no network: a path file and the console script
  local packages
  packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  pwd -P >"$packages/aduan24.pth"
  cat >"$venv/bin/aduan24" <<STARTER
#!/bin/sh
exec '$(pwd -P)/$venv/bin/python' -m callcenter.cli "\$@"
STARTER
  chmod 755 "$venv/bin/aduan24"
}

wanted=$(stamp)
made="$venv/.made-from-$lock"
[ -r "$made" ] && [ "$(cat "$made")" = "$wanted" ] && [ -x "$venv/bin/aduan24" ] &&
  "$venv/bin/python" -c '' 2>/dev/null && exit 0

look_at_python
if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  say "making $venv with $("$python" -V)"
  make_venv
fi
say "installing from $lock (the first time takes a minute or two)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
  --require-hashes -r "$lock" 2> >(grep -v '^WARNING: ' >&2) ||
  fail "the packages could not be installed; look at the line above, then try again"
add_project
printf '%s\n' "$wanted" >"$made"
