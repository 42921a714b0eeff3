#!/usr/bin/env bash
# Gets the two system programs that are not Python: Asterisk (the exchange) and espeak-ng
# (speaks the prompts and the demonstration's complaint).
#
#   deploy/parts.sh [--check] [--bench] [DIR]      DIR is .parts in the project unless named
#
# For each: what is on this machine is used; else, as root, the distribution's package is
# installed; else it is unpacked below DIR with nothing but apt-get and dpkg-deb, without
# root and without a chroot. Nothing outside DIR changes in that case.
# What was found is written to DIR/parts.env as KEY=VALUE lines. A part that cannot be had
# is named there as MISSING, and the script still ends with 0: the rest works without it.
# --bench is about SIPp alone (hundreds of callers for `make bench`), found in DIR/bench.env.
# --check changes nothing; it ends with 1 when something is missing.
# Running it again is harmless, and instant when all is there. An interrupted run leaves
# only drafts behind, which the next one removes.
set -euo pipefail
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

PARTS=(asterisk espeak-ng)
FILE=parts.env
OLDEST_ASTERISK=18
NEXT_DEBIAN=forky # Debian 12 and 13 have no asterisk; this release has it again

say() { printf 'parts: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# --- what is there ------------------------------------------------------------------

satisfied() { # is every program named in parts.env still in its place?
  local key value seen=0
  [ -r "$dir/$FILE" ] || return 1
  while IFS='=' read -r key value; do
    case $key in
      *_BIN | *_LOADER)
        [ -z "$value" ] || [ -x "$value" ] || return 1
        [ -z "$value" ] || seen=$((seen + 1)) ;;
      MISSING) [ -z "$value" ] || return 1 ;;
    esac
  done <"$dir/$FILE"
  [ "$seen" -ge "${#PARTS[@]}" ]
}

first_folder() { # the first of the arguments that is a folder
  local folder
  for folder in "$@"; do [ -d "$folder" ] && printf '%s\n' "$folder" && return; done
  return 1
}

loader_of() { # the dynamic loader inside an unpacked root
  local file
  for file in "$1"/{usr/lib64,lib64,usr/lib,lib}/ld-linux*.so.*; do
    [ -x "$file" ] && printf '%s\n' "$file" && return
  done
  return 1
}

libraries_of() { printf '%s:%s\n' "$1/usr/lib/$triplet" "$1/lib/$triplet"; }

in_root() { # ROOT PROGRAM ARGS...: run a program of an unpacked root
  local root=$1 loader
  shift
  loader=$(loader_of "$root") && "$loader" --library-path "$(libraries_of "$root")" "$@"
}

good_version() { # "Asterisk 22.10.1" on stdin: is it new enough?
  local word version
  read -r word version || return 1
  [ "$word" = Asterisk ] && [ "${version%%.*}" -ge "$OLDEST_ASTERISK" ] 2>/dev/null
}

modules_of() { first_folder "$1"/usr/{lib/"$triplet",lib,lib64,local/lib}/asterisk/modules; }

found_asterisk() { # ROOT ("" is the machine itself): prints its lines for parts.env
  local root=$1 bin modules loader=
  if [ -z "$root" ]; then
    bin=$(command -v asterisk) && asterisk -V 2>/dev/null | good_version || return 1
  else
    bin=$root/usr/sbin/asterisk
    [ -x "$bin" ] && in_root "$root" "$bin" -V 2>/dev/null | good_version || return 1
    loader=$(loader_of "$root")
  fi
  modules=$(modules_of "$root") && [ -e "$modules/chan_pjsip.so" ] || return 1
  printf 'ASTERISK_ROOT=%s\nASTERISK_BIN=%s\n' "$root" "$bin"
  printf 'ASTERISK_LOADER=%s\nASTERISK_LIBRARIES=%s\n' "$loader" \
    "${loader:+$(libraries_of "$root")}"
  printf 'ASTERISK_MODULES=%s\n' "$modules"
  printf 'ASTERISK_DATA=%s\n' "$(first_folder "$root"/usr/share/asterisk "$root"/var/lib/asterisk)"
}

found_espeak_ng() {
  local root=$1 bin data= loader=
  if [ -z "$root" ]; then
    bin=$(command -v espeak-ng) || return 1
  else
    bin=$root/usr/bin/espeak-ng
    data=$(first_folder "$root"/usr/{lib/"$triplet",share}/espeak-ng-data) || return 1
    data=${data%/espeak-ng-data}
    ESPEAK_DATA_PATH=$data in_root "$root" "$bin" --version >/dev/null 2>&1 || return 1
    loader=$(loader_of "$root")
  fi
  printf 'ESPEAK_BIN=%s\nESPEAK_DATA=%s\n' "$bin" "$data"
  printf 'ESPEAK_LOADER=%s\nESPEAK_LIBRARIES=%s\n' "$loader" "${loader:+$(libraries_of "$root")}"
}

found_sip_tester() {
  local root=$1 bin loader=
  if [ -z "$root" ]; then
    bin=$(command -v sipp) || return 1
  else
    bin=$root/usr/bin/sipp
    [ -x "$bin" ] || return 1
    loader=$(loader_of "$root")
  fi
  printf 'SIPP_BIN=%s\nSIPP_LOADER=%s\n' "$bin" "$loader"
  printf 'SIPP_LIBRARIES=%s\n' "${loader:+$(libraries_of "$root")}"
}

found() { "found_${1//-/_}" "$2"; }

# --- the machine's own package sources ------------------------------------------------

# Prints "URI|SUITE|COMPONENTS|KEYRING" of the distribution's own archive: the first source
# whose suite is this release (or testing, unstable, stable). Both of apt's formats.
own_source() {
  local files=(/etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources)
  awk -v code="$codename" '
    function wanted(suite) { return suite == code || suite ~ /^(stable|testing|unstable|sid)$/ }
    function flush_stanza(   i, n, list, uri) {
      if (types ~ /(^| )deb( |$)/ && enabled != "no") {
        split(uris, list, " "); uri = list[1]; n = split(suites, list, " ")
        for (i = 1; i <= n; i++)
          if (wanted(list[i]) && !done) { print uri "|" list[i] "|" components "|" key; done = 1 }
      }
      types = uris = suites = components = key = enabled = ""
    }
    FNR == 1 { flush_stanza() }
    FILENAME ~ /\.sources$/ {
      if ($0 ~ /^#/) next
      if ($0 ~ /^[ \t]*$/) { flush_stanza(); next }
      if ($0 ~ /^[ \t]/) next
      name = tolower($0); sub(/:.*/, "", name)
      value = $0; sub(/^[^:]*:[ \t]*/, "", value)
      if (name == "types") types = value
      if (name == "uris") uris = value
      if (name == "suites") suites = value
      if (name == "components") components = value
      if (name == "signed-by") key = value
      if (name == "enabled") enabled = tolower(value)
      next
    }
    $1 == "deb" {
      line = $0; signed = ""
      if (match(line, /\[[^]]*\]/)) {
        options = substr(line, RSTART + 1, RLENGTH - 2)
        line = substr(line, 1, RSTART - 1) " " substr(line, RSTART + RLENGTH)
        if (match(options, /signed-by=[^ ]*/)) signed = substr(options, RSTART + 10, RLENGTH - 10)
      }
      sub(/#.*/, "", line)
      n = split(line, word, " ")
      if (wanted(word[3]) && word[2] !~ /^cdrom:/ && !done) {
        rest = ""
        for (i = 4; i <= n; i++) rest = rest (i > 4 ? " " : "") word[i]
        print word[2] "|" word[3] "|" rest "|" signed; done = 1
      }
    }
    END { flush_stanza() }
  ' $(for f in "${files[@]}"; do [ -r "$f" ] && printf '%s\n' "$f"; done) /dev/null
}

keyring_for() { # the keyring the source names, else the distribution's installed one
  local file
  for file in "$1" /usr/share/keyrings/"$distribution"-archive-keyring.{gpg,pgp}; do
    case $file in /*) [ -r "$file" ] && printf '%s\n' "$file" && return ;; esac
  done
  return 0
}

# --- without root -----------------------------------------------------------------------

# apt-get with folders of its own. An empty status file makes it fetch every library too,
# so that the unpacked programs do not lean on this machine's versions.
private_apt() {
  local tool=$1
  shift
  "$tool" -q -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" \
    -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
    -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" \
    -o APT::Update::Error-Mode=any -o Acquire::Languages=none \
    -o Acquire::Retries=2 -o Acquire::http::Timeout=30 "$@"
}

use_suite() { # SUITE COMPONENTS: read this suite's list of packages; signatures are verified
  local uri key
  IFS='|' read -r uri _ _ key <<<"$source_line"
  key=$(keyring_for "$key")
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  : >"$apt/status"
  printf 'deb %s%s %s %s\n' "${key:+[signed-by=$key] }" "$uri" "$1" "$2" >"$apt/sources.list"
  private_apt apt-get -o Acquire::Check-Valid-Until=true update >"$apt/log" 2>&1 && return
  if grep -q 'is expired' "$apt/log"; then
    say "the mirror's copy of $1 is old (its list has expired); going on, signatures are still verified"
    private_apt apt-get -o Acquire::Check-Valid-Until=false update >"$apt/log" 2>&1 && return
  fi
  say "reading the package list of $1 failed: $(grep -m1 '^[EW]:' "$apt/log" || tail -n1 "$apt/log")"
  return 1
}

offers() { # does the suite in use have the package?
  private_apt apt-cache policy "$1" 2>/dev/null | grep 'Candidate: [^(]' >/dev/null
}

choose_suite() { # PACKAGE: own suite first, then the Debian release that has it again
  local suite components
  IFS='|' read -r _ suite components _ <<<"$source_line"
  use_suite "$suite" "$components" && offers "$1" && return
  [ "$distribution" = debian ] && [ "$suite" != "$NEXT_DEBIAN" ] || return 1
  use_suite "$NEXT_DEBIAN" main && offers "$1"
}

unpack() { # PART ROOT: everything below a draft, then one rename
  local draft="$2.draft" packages=("$1")
  [ "$1" != asterisk ] || packages+=(asterisk-modules asterisk-config)
  rm -rf "$apt/cache/archives" "$draft"
  mkdir -p "$apt/cache/archives/partial" "$draft"
  say "$1: fetching"
  private_apt apt-get install -y --download-only --no-install-recommends "${packages[@]}" \
    >"$apt/log" 2>&1 || { say "$1: $(grep -m1 '^E:' "$apt/log" || tail -n1 "$apt/log")"; return 1; }
  say "$1: unpacking $(find "$apt/cache/archives" -name '*.deb' | wc -l) packages"
  find "$apt/cache/archives" -name '*.deb' -print0 |
    xargs -0 -P "$(nproc)" -I{} dpkg-deb -x {} "$draft" || return 1
  find "$draft" -type f -perm /6000 -exec chmod ug-s {} +
  rm -rf "$2" "$draft/usr/share/doc" "$draft/usr/share/man"
  mv "$draft" "$2"
  rm -rf "$apt"
}

without_root() { # PART
  local root="$dir/${1%-ng}"
  [ "$1" != asterisk ] || root=$dir/root
  found "$1" "$root" >"$dir/$1.env" && return
  have apt-get && have dpkg-deb || { say "$1: there is no apt-get here"; return 1; }
  source_line=$(own_source)
  [ -n "$source_line" ] || { say "$1: no package source of $codename is set up in apt"; return 1; }
  say "$1: getting it without root, below $root"
  rm -rf "$apt"
  choose_suite "$1" && unpack "$1" "$root" && found "$1" "$root" >"$dir/$1.env"
}

# --- as root ------------------------------------------------------------------------------

candidate() { apt-cache policy "$1" 2>/dev/null | grep 'Candidate: [^(]' >/dev/null; }

with_root() { # PART: the distribution's package, when it has one
  [ "$(id -u)" = 0 ] && have apt-get || return 1
  local packages=("$1")
  if ! candidate "$1"; then
    # The lists may never have been read on a fresh machine.
    [ -n "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null)" ] ||
      apt-get -qq update >/dev/null 2>&1 || true
    candidate "$1" || return 1
  fi
  [ "$1" != asterisk ] || ! candidate asterisk-modules || packages+=(asterisk-modules)
  say "$1: installing the distribution's package"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${packages[@]}" >"$dir/install.log" 2>&1 ||
    { say "$1: apt-get install failed: $(tail -n1 "$dir/install.log")"; return 1; }
  if [ "$1" = asterisk ] && [ -d /run/systemd/system ]; then
    systemctl disable --now asterisk >/dev/null 2>&1 || true
    say "asterisk: the package's own service is switched off, it would hold the line's port"
  fi
}

# --- both ----------------------------------------------------------------------------------

get() { # PART: leaves its lines in DIR/PART.env, or fails
  found "$1" "" >"$dir/$1.env" && return
  with_root "$1" && found "$1" "" >"$dir/$1.env" && return
  without_root "$1" && return
  rm -f "$dir/$1.env"
  return 1
}

what_without() {
  case $1 in
    asterisk) echo "calls over SIP do not work; the test phone, console, agencies and clock do" ;;
    sip-tester) echo "'make bench' places no calls; its other parts run" ;;
    espeak-ng) echo "new prompts and 'call --say' do not work; the recorded prompts do" ;;
  esac
}

check() {
  local part missing=0
  if satisfied; then say "all there ($dir/$FILE)"; return 0; fi
  for part in "${PARTS[@]}"; do
    if found "$part" "" >/dev/null; then say "$part: on this machine"
    else say "$part: not there yet; get it with deploy/parts.sh"; missing=1; fi
  done
  return "$missing"
}

gather() {
  local part missing=() draft="$dir/$FILE.draft"
  : >"$draft"
  for part in "${PARTS[@]}"; do
    if get "$part"; then
      say "$part: $(sed -n 's/^[A-Z]*_BIN=//p' "$dir/$part.env")"
      cat "$dir/$part.env" >>"$draft"
      rm -f "$dir/$part.env"
    else
      missing+=("$part")
      say "$part is missing: install the package '$part' and run deploy/parts.sh again; until then $(what_without "$part")"
    fi
  done
  printf 'MISSING=%s\n' "${missing[*]-}" >>"$draft"
  mv "$draft" "$dir/$FILE"
}

main() {
  local checking=
  [ "${1-}" != --check ] || { checking=1; shift; }
  [ "${1-}" != --bench ] || { PARTS=(sip-tester) FILE=bench.env; shift; }
  case ${1-} in -*) echo "usage: deploy/parts.sh [--check] [--bench] [DIR]" >&2; exit 2 ;; esac
  dir=${1:-$(dirname "${BASH_SOURCE[0]}")/../.parts}
  if [ -z "$checking" ]; then
    satisfied && exit 0
    mkdir -p "$dir"
  fi
  [ ! -d "$dir" ] || dir=$(cd "$dir" && pwd -P)
  apt=$dir/apt
  triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
  distribution=$(. /etc/os-release && echo "${ID-}")
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
  if [ -n "$checking" ]; then check; exit; fi
  exec 9>"$dir/lock" # a second run waits for the first
  ! have flock || flock 9
  satisfied && exit 0
  gather
}

main "$@"
