#!/usr/bin/env bash
# Everything that must be green: the gates, then the tests in random order on all cores.
# Arguments go to pytest:  deploy/test.sh tests/unit -k flow
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PWD/.venv/bin:$PATH"

say() { printf 'test: %s\n' "$*"; }

browser() { # the browser that the console's tests drive; nothing when there is none
  local name
  for name in "${ADUAN24_BROWSER-}" chromium chromium-browser google-chrome-stable google-chrome; do
    [ -n "$name" ] && command -v "$name" && return
  done
  return 1
}

get_browser() {
  browser >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing chromium for the console's tests"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
      --no-install-recommends chromium; } >/dev/null 2>&1 || true
  fi
  browser >/dev/null
}

chosen="not endurance"
if get_browser; then
  ADUAN24_BROWSER=$(browser)
  export ADUAN24_BROWSER
else
  say "NO BROWSER: the console's tests in a real browser are LEFT OUT; get them with: sudo apt-get install chromium"
  chosen="$chosen and not browser"
fi
if ! grep -q '^ASTERISK_BIN=.' .parts/parts.env 2>/dev/null; then
  say "NO ASTERISK: tests of real calls are LEFT OUT; get them with: deploy/parts.sh"
  chosen="$chosen and not line"
fi

# Two more than cores: two of them mostly wait, for calls and clocks that run in real time.
exec pytest -n "$(($(nproc) + 2))" -m "$chosen" "$@"
