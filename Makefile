# make app    set up on the first call, then start the app on 127.0.0.1 (another port: make app PORT=8502)
# make test   set up on the first call, then run every test on all cores (some of them: make test ARGS="tests/test_readme.py")
# make lint   ruff, its format, docstrings and mypy; make wheel-check installs a wheel in an empty environment
# Everything is installed in .venv; remove that folder to start over.

PORT ?= 8501
ARGS ?= -n logical --maxprocesses 8 --dist loadfile
VENV := .venv
IN_VENV := $(VENV)/bin/python
PIP := $(IN_VENV) -m pip --disable-pip-version-check
TORCH = $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.txt)
CANDIDATES := python3.11 python3.12 python3.13 python3.14 python3 /usr/bin/python3
USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach p,$(CANDIDATES),$(shell $(p) -c '$(USABLE)' >/dev/null 2>&1 && echo $(p))))
# A checkout is not installed; with its folder on the path of the environment, `python -m brivl` works from any folder.
ADD_TO_PATH := import pathlib, site; pathlib.Path(site.getsitepackages()[0], "brivl-checkout.pth").write_text("$(CURDIR)\n")
CAN_COMPILE := import os, shutil, sys, sysconfig as s; cc = (os.environ.get("CC") or "cc").split()[0]; \
	sys.exit(not (shutil.which(cc) and os.path.isfile(os.path.join(s.get_path("include"), "Python.h"))))
NO_PYTHON := Expected Python 3.11 or newer with venv, found none of: $(CANDIDATES). Install it (Debian: python3 \
	python3-venv), or name one: make setup PYTHON=/path/to/python3.11
NO_COMPILER := Expected a C compiler and the headers of Python, which pycortex is built with; one is missing. \
	Install them (Debian: gcc libc6-dev python3-dev; macOS: xcode-select --install) and call make again.

.PHONY: help app setup test lint wheel-check clean-cache
.DELETE_ON_ERROR:

help:
	@sed -n '1,/^$$/s/^# //p' Makefile

app: setup
	$(IN_VENV) -m brivl app --port $(PORT)

test: setup
	$(IN_VENV) -m pytest $(ARGS)

lint: setup
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .
	$(IN_VENV) -m tests.lint_docstrings
	$(IN_VENV) -m mypy

wheel-check: setup
	$(IN_VENV) -m tests.check_wheel

setup: $(VENV)/.installed

# The stamp is made last: a set-up that was interrupted goes on with what is still missing.
$(VENV)/.installed: requirements.txt
	@rm -f $@
	@$(PIP) --version >/dev/null 2>&1 || { \
		test -n "$(PYTHON)" || { echo "$(NO_PYTHON)" >&2; exit 1; }; \
		rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
	@$(PIP) show -q pycortex 2>/dev/null || $(IN_VENV) -c '$(CAN_COMPILE)' || { echo "$(NO_COMPILER)" >&2; exit 1; }
	$(PIP) install $(TORCH)
	$(PIP) install -r requirements.txt
	@$(PIP) check
	@$(IN_VENV) -c '$(ADD_TO_PATH)'
	@touch $@

clean-cache:
	find cache -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
