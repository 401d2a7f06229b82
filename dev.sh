#!/bin/sh
# One script for a newcomer and for CI: makes an environment of its own, installs what the task
# needs, runs it. Needs Python 3.11 or later and nothing else.
#
#   sh dev.sh try      Create Chat Completion on the offline provider
#   sh dev.sh tests    the tests, with coverage
#   sh dev.sh checks   lint, format, types, layers, manifest, page, package; then the tests
#   sh dev.sh bench    the benchmarks, beside bare requests and the openai SDK (some minutes)
set -eu
cd "$(dirname "$0")"
venv=${VENV:-.venv}

say() { printf '%s\n' "$*" >&2; }

python() {
  for name in python3 python3.11 python3.12 python3.13 python3.14; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$name"
      return
    fi
  done
  say "Python 3.11 or later is needed and was not found."
  exit 1
}

# Debian leaves pip out of a bare Python: then pip's own wheel is fetched, and installs itself.
bootstrap() {
  "$1" -m venv "$venv" >/dev/null 2>&1 && return
  rm -rf "$venv"
  "$1" -m venv --without-pip "$venv"
  "$venv/bin/python" - "$venv" <<'PY'
import hashlib, json, pathlib, subprocess, sys
from urllib.parse import urljoin
from urllib.request import urlopen
index = "https://pypi.org/pypi/pip/json"
with urlopen(index) as answer:
    files = json.load(answer)["urls"]
wheel = next(f for f in files if f["packagetype"] == "bdist_wheel")
with urlopen(urljoin(index, wheel["url"])) as answer:
    data = answer.read()
if hashlib.sha256(data).hexdigest() != wheel["digests"]["sha256"]:
    sys.exit("The download of pip is damaged.")
path = pathlib.Path(sys.argv[1], wheel["filename"])
path.write_bytes(data)
subprocess.run([sys.executable, f"{path}/pip", "install", "-q", str(path)], check=True)
path.unlink()
PY
}

install() {
  stamp="$venv/installed-$1"
  if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    [ -x "$venv/bin/pip" ] || { say "Making the environment $venv ..."; bootstrap "$(python)"; }
    say "Installing the connector and its extra '$1' into $venv ..."
    "$venv/bin/pip" install -q --disable-pip-version-check -e ".[$1]"
    touch "$stamp"
  fi
}

tests() {
  rm -f .coverage .coverage.*
  "$venv/bin/python" -m pytest --cov --cov-report=term "$@"
}

checks() {
  bin="$venv/bin"
  "$bin/ruff" check .
  "$bin/ruff" format --check .
  "$bin/mypy"
  "$bin/lint-imports"
  "$bin/connector" check
  "$bin/connector" docs --check
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
  try) install sandbox; exec "$venv/bin/connector" invoke createChatCompletion --sandbox "$@" ;;
  tests) install dev; tests "$@" ;;
  checks) install dev; checks; tests "$@" ;;
  bench) install dev; bench "$@" ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
