#!/bin/sh
# make_venv.sh PYTHON VENV: makes a virtual environment, or says what this machine lacks for one.
set -eu
python=$1 venv=$2

command -v "$python" >/dev/null 2>&1 || {
    echo "no '$python' here: install Python 3.11 or newer, or name it with: make PYTHON=/path/to/python3 ..." >&2
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "$("$python" --version) is too old: name Python 3.11 or newer with: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
    echo "this Python cannot make virtual environments: on Debian and Ubuntu run: apt-get install python3-venv" >&2
    exit 1
}
echo "making $venv with $("$python" --version) ..."
"$python" -m venv "$venv"
