#!/bin/sh
# Usage: scripts/setup.sh LOCK...
# Makes the virtual environment and installs each lock that changed since it was last installed.
# VENV names the environment (default .venv), PYTHON the interpreter to make it with.
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

# The locks are complete, so nothing is resolved: --no-deps keeps the installers from looking further.
install_with_uv() {
    "$venv/bin/python" -m uv --version >/dev/null 2>&1 ||
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt || return 1
    borrow_pip_settings
    # Compiled now, as pip does: the first start is not kept waiting, nor any start where Python may not write bytecode.
    "$venv/bin/python" -m uv pip install --compile-bytecode --python "$venv/bin/python" --no-deps -r "$1"
}

install_with_pip() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps -r "$1"
}

# Once something was installed there the environment is trusted, so that a later start runs no Python here.
if [ ! -x "$venv/bin/python" ] || [ ! -d "$installed" ]; then
    suitable "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_environment
fi
mkdir -p "$installed"
for lock in "$@"; do
    record=$installed/$(basename "$lock")
    cmp -s "$lock" "$record" && continue
    echo "setup: installing $lock ($(grep -c '==' "$lock") packages)"
    if ! install_with_uv "$lock"; then
        echo "setup: uv did not succeed; trying pip, which is slower" >&2
        install_with_pip "$lock" ||
            fail "could not install $lock. Check that the package index can be reached (pip's settings apply), then run the command again."
    fi
    # Written last, so that an interrupted installation is done again.
    cp "$lock" "$record"
done
