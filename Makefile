# The short way; meson and ninja do the work.
#
#   make           build into build/
#   make run       install what is missing, build, run the demonstration
#   make test      install what is missing, build, run the tests
#   make bench     install what it compares with, build, measure (SUITES="copy sg" for some)
#   make ci        what continuous integration runs, under 20 minutes on two cores
#   make install   as `meson install` (DESTDIR and PREFIX are heeded)
#   make setup     install the Debian packages that are missing
#   make format    clang-format over every C file
#   make clean     remove build directories

BUILD ?= build
PREFIX ?= /usr/local
SUITES ?=

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@command -v meson >/dev/null || { echo "no meson here: run 'make setup' first"; exit 1; }
	meson setup --prefix $(PREFIX) $(BUILD)

setup:
	tools/setup.sh build

# setup before all, also under make -j.
run: setup
	$(MAKE) $(BUILD)/build.ninja
	ninja -C $(BUILD) dray
	python3 examples/demo/demo.py $(BUILD)/dray

test: setup
	$(MAKE) all
	tools/test.sh $(BUILD)

bench:
	tools/setup.sh build bench
	@# A peer that was missing when this was configured may be here now.
	if [ -f $(BUILD)/build.ninja ]; then meson setup --reconfigure $(BUILD); fi
	$(MAKE) all
	$(BUILD)/dray bench $(SUITES)

ci:
	tools/setup.sh build ci
	@# 57 MB to fetch, most of it DPDK; without them the stage `peers` is skipped.
	tools/setup.sh bench || echo "ci: without the peers of the benchmarks"
	tools/ci.sh

install: all
	meson install -C $(BUILD) --no-rebuild

format:
	tools/format_code.sh --fix

clean:
	rm -rf build build-*

.PHONY: all setup run test bench ci install format clean
