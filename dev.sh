#!/bin/sh
# Runs the tasks of this project, for people and for CI. Makes its own environment and installs what
# a task needs. Requires only Python 3.11 or later.
#
#   sh dev.sh try            run Create Chat Completion on the offline provider
#   sh dev.sh console        open the console on the offline provider: fill in a form, see the call
#   sh dev.sh tests [ARGS]   run all tests with coverage; or pytest ARGS, without coverage
#   sh dev.sh tests --fast   run the core tests, in seconds
#   sh dev.sh lint           check lint, format, types, layers, manifest, page
#   sh dev.sh checks         run lint, the core tests with the oldest dependencies and on each newer
#                            Python of this machine, then all tests
#   sh dev.sh integration [PATH]  run the tests that need a browser, Node.js, nginx or an engine
#   sh dev.sh mutate MODULE  mutate a module such as `text/secrets`, list what no test detects
#   sh dev.sh docs [serve]   build the site of the documentation in build/site; or show it while you
#                            write
#   sh dev.sh console-build  build the console's page from console/ (needs Node.js)
#   sh dev.sh bench          run the benchmarks against requests and the openai SDK (some minutes)
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
  say "Python 3.11 or later is required and was not found."
  exit 1
}

has_ensurepip() { "$1" -c 'import ensurepip; ensurepip.version()' 2>/dev/null; }

# Install the package $1 if the command that follows the reason $2 fails, or say how to.
require() {
  package=$1 reason=$2
  shift 2
  "$@" >/dev/null && return
  line="apt-get install $package"
  if [ "$(id -u)" -ne 0 ]; then
    line="sudo $line"
  elif command -v apt-get >/dev/null; then
    say "$reason: installing $package with apt-get ..."
    { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package"; } >&2 ||
      say "apt-get failed."
    "$@" >/dev/null && return
  fi
  say "$reason. On Debian and Ubuntu this command installs it:"
  say "    $line"
  exit 1
}

# venv needs ensurepip, which Debian puts into a separate package.
require_ensurepip() { require "$1-venv" "$1 has no ensurepip" has_ensurepip "$1"; }

# Make the environment $1 with the Python $2, unless it exists.
make_environment() {
  [ -x "$1/bin/pip" ] && return
  require_ensurepip "$2"
  say "Making the environment $1 ..."
  "$2" -m venv --clear "$1"
}

# Install the connector with its extras into the environment $1; the other arguments go to
# pip.
install_connector() {
  environment=$1
  shift
  export PIP_DISABLE_PIP_VERSION_CHECK=1
  "$environment/bin/pip" install -q 'pip>=25.1' # the first version with dependency groups
  "$environment/bin/pip" install -q -e '.[bulk,cli,sandbox,server]' "$@"
}

# Prepare the environment for a dependency group, or without tools for `try`.
install() {
  stamp="$venv/installed-$1"
  if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    name=$(find_python)
    make_environment "$venv" "$name"
    say "Installing into $venv ..."
    if [ "$1" = try ]; then install_connector "$venv"; else install_connector "$venv" --group "$1"; fi
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

# Only the marked modules are given to pytest: collecting the others would take half the time.
run_core_tests() {
  environment=$1
  shift
  grep -l '^pytestmark = pytest.mark.core' tests/*.py |
    xargs "$environment/bin/python" -m pytest -q -n auto --dist worksteal \
      -m 'not hypothesis and not slow' "$@" || rerun_failed "$environment"
}

# Run once more, one by one, what has failed beside others on a busy machine. It fails where that
# fails again, and where nothing had failed but the coverage.
rerun_failed() {
  say "== what failed, once more"
  "$1/bin/python" -m pytest -q --last-failed --last-failed-no-failures none
}

tests() {
  case "${1-}" in
    --fast) shift; run_core_tests "$venv" "$@" ;;
    "")
      rm -f .coverage .coverage.*
      "$venv/bin/python" -m pytest -n auto --dist worksteal --cov --cov-report=term ||
        rerun_failed "$venv" ;;
    *) "$venv/bin/python" -m pytest "$@" ;;
  esac
}

find_browser() {
  command -v chromium || command -v chromium-browser || command -v google-chrome
}

find_nginx() { PATH=$PATH:/usr/sbin command -v nginx; }

# What pip does not install: a browser, Node.js, nginx, and the packages of each folder with a lock file.
install_for_integration() {
  require chromium "There is no Chromium" find_browser
  require nodejs "There is no Node.js" command -v node
  require npm "There is no npm" command -v npm
  require nginx-light "There is no nginx" find_nginx
  require rabbitmq-server "There is no RabbitMQ" command -v rabbitmq-server
  require redis-server "There is no Redis" command -v redis-server
  require postgresql "There is no PostgreSQL" ls /usr/lib/postgresql
  for lock in console/package-lock.json tests/integration/*/package-lock.json; do
    folder=$(dirname "$lock")
    if [ ! "$folder/node_modules/.package-lock.json" -nt "$lock" ]; then
      say "Installing the packages of $folder ..."
      (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --silent && touch node_modules/.package-lock.json)
    fi
  done
}

integration() {
  if [ $# -eq 0 ]; then
    # Playwright keeps an event loop in its process, which Temporal's tests need for themselves.
    "$venv/bin/python" -m pytest tests/integration/temporal
    set -- tests/integration --ignore=tests/integration/temporal
  fi
  # A browser or an engine may start too slowly on a busy machine: what failed runs once more.
  "$venv/bin/python" -m pytest "$@" || "$venv/bin/python" -m pytest --last-failed "$@"
}

# Print the lowest version of each dependency in pyproject.toml, as constraints for pip.
lowest_versions() {
  "$venv/bin/python" - <<'PY'
import re, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
for declared in [*project["dependencies"], *extras["cli"], *extras["sandbox"]]:
    print(re.sub(r">=([^,]+).*", r"==\1", declared))
PY
}

python_minor() { "$venv/bin/python" -c 'import sys; print(sys.version_info.minor)'; }

test_oldest() {
  if [ "$(python_minor)" -gt 12 ]; then
    say "== skipped the core tests with the oldest dependencies: some do not support this Python"
    return
  fi
  say "== the core tests with the oldest dependencies"
  make_environment "$venv-oldest" "$venv/bin/python"
  lowest_versions >"$venv-oldest/constraints.txt"
  install_connector "$venv-oldest" --group core -c "$venv-oldest/constraints.txt"
  run_core_tests "$venv-oldest"
}

test_newer() {
  for number in 12 13 14 15; do
    [ "$number" -gt "$(python_minor)" ] || continue
    for name in "python3.$number" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$number".*/bin/python; do
      has_ensurepip "$name" || continue # missing or not usable
      say "== the core tests on $name"
      make_environment "$venv-3.$number" "$name"
      install_connector "$venv-3.$number" --group core
      run_core_tests "$venv-3.$number"
      break
    done
  done
}

# NO_MKDOCS_2_WARNING: without it, each build prints a notice about the successor of the theme.
build_docs() {
  export NO_MKDOCS_2_WARNING=1
  if [ "${1-}" = serve ]; then
    exec "$venv/bin/mkdocs" serve --strict
  fi
  "$venv/bin/mkdocs" build --strict
}

# No package may run a script of its own.
build_console() (
  cd console
  npm ci --silent --no-audit --no-fund --ignore-scripts
  npm run --silent check
  npm run --silent build "$@"
)

# Fresh environments without bytecode settings: one with the connector as a user installs it, from a
# wheel, and one with the SDK.
bench() {
  unset PYTHONDONTWRITEBYTECODE
  made="$venv-bench"
  if [ ! -f "$made/sdk/done" ] || [ pyproject.toml -nt "$made/sdk/done" ]; then
    say "Making the environments below $made ..."
    "$venv/bin/python" -m venv "$made/sdk"
    "$made/sdk/bin/pip" install -q --disable-pip-version-check openai
    "$venv/bin/python" -m venv "$made/plot"
    "$made/plot/bin/pip" install -q --disable-pip-version-check matplotlib trustme
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
  console) install try; exec "$venv/bin/connector" serve --sandbox "$@" ;;
  console-build) build_console ;;
  tests) install test; tests "$@" ;;
  lint) install dev; lint ;;
  checks) install dev; lint; test_oldest; test_newer; tests ;;
  integration) install integration; install_for_integration; integration "$@" ;;
  mutate) install mutate; exec "$venv/bin/python" tests/mutate.py "$@" ;;
  docs) install docs; build_docs "$@" ;;
  bench) install try; bench "$@" ;;
  *) sed -n '5,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
