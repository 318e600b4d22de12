#!/bin/sh
# Usage: scripts/setup.sh LOCK... | langchain-PROVIDER
# Makes the virtual environment and installs each lock that changed since it was last installed, or the package.
# VENV names the environment (default .venv), PYTHON the interpreter to make it with, WHEELS an index of prebuilt wheels
# of llama-cpp-python.
set -eu

venv=${VENV:-.venv}
installed=$venv/.locks

fail() {
    echo "setup: $*" >&2
    exit 1
}

# A name on the path proves nothing (pyenv leaves shims that fail), so each candidate is run.
suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suitable "$PYTHON" || fail "PYTHON=$PYTHON does not run or is not Python 3.11, 3.12 or 3.13. Name another: make setup PYTHON=/path/to/python3.11"
        echo "$PYTHON"
        return
    fi
    for candidate in python3.13 python3.12 python3.11 python3 python; do
        if suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "found no Python 3.11, 3.12 or 3.13. Install one (on Debian: apt-get install python3 python3-venv), or name it: make setup PYTHON=/path/to/python3.11"
}

make_environment() {
    python=$(find_python)
    echo "setup: making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" ||
        fail "$python cannot make a virtual environment. On Debian: apt-get install python3-venv, then run the command again."
}

# uv does not read pip's settings. Where a mirror or a certificate is set for pip, pass it on.
borrow_pip_settings() {
    index=${PIP_INDEX_URL:-$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    [ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"
}

run_uv() {
    "$venv/bin/python" -m uv --version >/dev/null 2>&1 ||
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt || return 1
    borrow_pip_settings
    command=$1
    shift
    "$venv/bin/python" -m uv pip "$command" --python "$venv/bin/python" "$@"
}

install() {
    # Compiled now, as pip does: the first start is not kept waiting, nor any start where Python may not write bytecode.
    run_uv install --compile-bytecode "$@" && return
    echo "setup: uv did not succeed; trying pip, which is slower" >&2
    "$venv/bin/python" -m pip install --disable-pip-version-check "$@"
}

give_up() {
    fail "could not install $1. Check that the package index can be reached (pip's settings apply), then run the command again."
}

# The lock has llama-cpp-python as source alone, so that the hashes hold everywhere. A wheel saves minutes and the
# compiler; it is of the same version, but no hash of the lock covers it.
prepare_llama() {
    pin=$(sed -n 's/^\(llama-cpp-python==[^ ;]*\).*/\1/p' "$1")
    [ -n "$pin" ] || return 0
    "$venv/bin/python" -c 'import importlib.metadata as m, sys; sys.exit(m.version("llama-cpp-python") != sys.argv[1])' \
        "${pin#*==}" 2>/dev/null && return
    if [ -n "${WHEELS:-}" ]; then
        echo "setup: asking $WHEELS for a prebuilt wheel, which is not covered by the lock's hashes (make ... WHEELS= compiles)"
        if (
            export UV_HTTP_CONNECT_TIMEOUT=5 UV_HTTP_RETRIES=0
            run_uv install --quiet --no-deps --only-binary :all: --default-index "$WHEELS" "$pin"
        ); then
            llama_runs && return
            run_uv uninstall --quiet llama-cpp-python
        fi
        echo "setup: no wheel there that runs here, so it is compiled, which takes some minutes"
    fi
    command -v ${CXX:-c++} >/dev/null ||
        fail "compiling ${pin%==*} needs a C++ compiler. On Debian: apt-get install build-essential, then run the command again."
}

# A wheel may be for another C library or a newer processor, which shows when its code is loaded and called.
llama_runs() {
    "$venv/bin/python" - >/dev/null 2>&1 <<'PYTHON'
import ctypes, importlib.util, pathlib
folder = pathlib.Path(importlib.util.find_spec("llama_cpp").origin).parent / "lib"
ctypes.CDLL(str(min(folder.glob("libllama.*")))).llama_backend_init()
PYTHON
}

# What is there stays at the lock's versions: of the package, the newest that goes with them is taken.
install_provider() {
    case $1 in *[!a-z0-9-]* | *-) fail "$1 is not the name of a LangChain package. For example: make extra EXTRA=langchain-anthropic" ;; esac
    sed -n 's/^\([a-z0-9][a-z0-9.-]*==[^\\]*[^ \\]\).*/\1/p' requirements.txt >"$installed/constraints.txt"
    install --constraint "$installed/constraints.txt" "$1" || give_up "$1"
}

# Once something was installed there the environment is trusted, so that a later start runs no Python here.
if [ ! -x "$venv/bin/python" ] || [ ! -d "$installed" ]; then
    suitable "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_environment
fi
mkdir -p "$installed"
for lock in "$@"; do
    case $lock in langchain-*)
        install_provider "$lock"
        continue
        ;;
    esac
    record=$installed/$(basename "$lock")
    cmp -s "$lock" "$record" && continue
    echo "setup: installing $lock ($(grep -c '==' "$lock") packages)"
    prepare_llama "$lock"
    # The locks are complete, so nothing is resolved: --no-deps keeps the installers from looking further.
    install --no-deps -r "$lock" || give_up "$lock"
    # Written last, so that an interrupted installation is done again.
    cp "$lock" "$record"
done
