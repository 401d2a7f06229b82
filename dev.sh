#!/bin/sh
# One script for a newcomer and for CI: makes an environment of its own, installs what the task
# needs, runs it. Needs Python 3.11 or later and nothing else.
#
#   sh dev.sh try            Create Chat Completion on the offline provider
#   sh dev.sh tests          the tests, with coverage; with arguments for pytest, without it
#   sh dev.sh tests --fast   the core tests, in seconds
#   sh dev.sh lint           lint, format, types, layers, manifest, page
#   sh dev.sh checks         lint; the core tests with the oldest dependencies, then on each newer
#                            Python of this machine; the tests
#   sh dev.sh mutate MODULE  changes `secret` or `actions/raw`, lists what no test notices
#   sh dev.sh bench          the benchmarks, beside bare requests and the openai SDK (some minutes)
set -eu
cd "$(dirname "$0")"
venv=${VENV:-.venv}

say() { printf '%s\n' "$*" >&2; }

find_python() {
  for name in python3 python3.11 python3.12 python3.13 python3.14; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$name"
      return
    fi
  done
  say "Python 3.11 or later is needed and was not found."
  exit 1
}

has_ensurepip() { "$1" -c 'import ensurepip; ensurepip.version()' 2>/dev/null; }

# Debian keeps ensurepip, which puts pip into an environment, in a package of its own.
need_ensurepip() {
  has_ensurepip "$1" && return
  line="apt-get install $1-venv"
  if [ "$(id -u)" -ne 0 ]; then
    line="sudo $line"
  elif command -v apt-get >/dev/null; then
    say "$1 lacks ensurepip: installing $1-venv with apt-get ..."
    { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1-venv"; } >&2 ||
      say "apt-get failed."
    has_ensurepip "$1" && return
  fi
  say "$1 lacks ensurepip. On Debian and Ubuntu this line installs it:"
  say "    $line"
  exit 1
}

# Make the environment $1 with the Python $2, unless it is there.
make() {
  [ -x "$1/bin/pip" ] && return
  need_ensurepip "$2"
  say "Making the environment $1 ..."
  "$2" -m venv --clear "$1"
}

# Install the connector with its offline provider into the environment $1; the rest goes to pip.
put() {
  made=$1
  shift
  export PIP_DISABLE_PIP_VERSION_CHECK=1
  "$made/bin/pip" install -q 'pip>=25.1' # the first that knows dependency groups
  "$made/bin/pip" install -q -e '.[sandbox]' "$@"
}

# Prepare the environment for the tools of a dependency group, or for no tools.
install() {
  stamp="$venv/installed-$1"
  if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    name=$(find_python)
    make "$venv" "$name"
    say "Installing into $venv ..."
    if [ "$1" = try ]; then put "$venv"; else put "$venv" --group "$1"; fi
    touch "$stamp"
  fi
}

lint() {
  bin="$venv/bin"
  "$bin/ruff" check .
  "$bin/ruff" format --check .
  "$bin/mypy"
  "$bin/lint-imports"
  "$bin/connector" check
  "$bin/connector" docs --check
}

# Only the modules that are marked: to collect all the others takes half the time.
core() {
  made=$1
  shift
  grep -l '^pytestmark = pytest.mark.core' tests/*.py |
    xargs "$made/bin/python" -m pytest -q -n auto --dist worksteal -m 'not hypothesis' "$@"
}

tests() {
  case "${1-}" in
    --fast) shift; core "$venv" "$@" ;;
    "")
      rm -f .coverage .coverage.*
      "$venv/bin/python" -m pytest -n auto --dist worksteal --cov --cov-report=term ;;
    *) "$venv/bin/python" -m pytest "$@" ;;
  esac
}

# The lowest version of each dependency that pyproject.toml declares, as constraints for pip.
lowest() {
  "$venv/bin/python" - <<'PY'
import re, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
for declared in [*project["dependencies"], *project["optional-dependencies"]["sandbox"]]:
    print(re.sub(r">=([^,]+).*", r"==\1", declared))
PY
}

minor() { "$venv/bin/python" -c 'import sys; print(sys.version_info.minor)'; }

oldest() {
  if [ "$(minor)" -gt 12 ]; then
    say "== no core tests with the oldest dependencies: some are older than this Python"
    return
  fi
  say "== the core tests with the oldest dependencies"
  make "$venv-oldest" "$venv/bin/python"
  lowest >"$venv-oldest/constraints.txt"
  put "$venv-oldest" --group test -c "$venv-oldest/constraints.txt"
  core "$venv-oldest"
}

newer() {
  for number in 12 13 14 15; do
    [ "$number" -gt "$(minor)" ] || continue
    for name in "python3.$number" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$number".*/bin/python; do
      has_ensurepip "$name" || continue # not there, or of no use
      say "== the core tests on $name"
      make "$venv-3.$number" "$name"
      put "$venv-3.$number" --group test
      core "$venv-3.$number"
      break
    done
  done
}

# Fresh environments without bytecode settings: the connector as a user installs it, from a wheel,
# and the SDK apart from it.
bench() {
  unset PYTHONDONTWRITEBYTECODE
  made="$venv-bench"
  if [ ! -f "$made/sdk/done" ] || [ pyproject.toml -nt "$made/sdk/done" ]; then
    say "Making the environments below $made ..."
    "$venv/bin/python" -m venv "$made/sdk"
    "$made/sdk/bin/pip" install -q --disable-pip-version-check openai
    "$venv/bin/python" -m venv "$made/plot"
    "$made/plot/bin/pip" install -q --disable-pip-version-check matplotlib
    touch "$made/sdk/done"
  fi
  rm -rf "$made/plain"
  "$venv/bin/python" -m venv "$made/plain"
  "$made/plain/bin/pip" install -q --disable-pip-version-check .
  "$made/plot/bin/python" benchmarks/run.py \
    --plain "$made/plain/bin/python" --sdk "$made/sdk/bin/python" "$@"
}

task=${1:-help}
[ $# -eq 0 ] || shift
case "$task" in
  try) install try; exec "$venv/bin/connector" invoke createChatCompletion --sandbox "$@" ;;
  tests) install test; tests "$@" ;;
  lint) install dev; lint ;;
  checks) install dev; lint; oldest; newer; tests ;;
  mutate) install mutate; exec "$venv/bin/python" tests/mutate.py "$@" ;;
  bench) install try; bench "$@" ;;
  *) sed -n '5,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
