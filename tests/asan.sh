#!/bin/sh
# The C tests and the Python tests under AddressSanitizer and UndefinedBehaviorSanitizer. Usage: tests/asan.sh PYTHON [pytest arguments]
# Leak detection is off, as CPython itself keeps memory; tallow's own leaks show in its live counts (tests/python/test_failures.py).
# Reports go to stderr past pytest (--capture=sys), else they would be lost with the process. The one test left out runs another build, under
# an emulator, which these sanitizers do not see.
set -eu
python=$1; shift
build=build-asan
[ -f $build/build.ninja ] || meson setup $build --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Db_ndebug=false
ninja -C $build
export ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 TALLOW_CACHE=0
meson test -C $build --print-errorlogs --timeout-multiplier 5
rm -rf $build/package && mkdir $build/package && cp -r python/tallow python/torch_shim $build/package/ 2>/dev/null || cp -r python/tallow $build/package/
cp $build/ext/_C*.so $build/package/tallow/
LD_PRELOAD="$(cc -print-file-name=libasan.so) $(cc -print-file-name=libubsan.so)" PYTHONMALLOC=malloc PYTHONPATH=$build/package \
    "$python" -m pytest -q --capture=sys --deselect tests/python/test_bits.py::test_arm_gives_the_same_bits tests/python "$@"
