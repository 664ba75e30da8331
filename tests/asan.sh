#!/bin/sh
# Every test under AddressSanitizer and UndefinedBehaviorSanitizer. Usage: tests/asan.sh PYTHON [test files]
# Each test file is a process of its own, so a report ends only that file, and a line tells how it went; what passed is not run again until
# the library, the package or the tests change (build-asan/passed). Tests that compare with PyTorch run where it is installed, apart from the
# others, which run without it in the process. Variables: JOBS (files at a time), FILE_TIMEOUT (seconds).
# Any process may report, also one that a test expects to fail or kills, so reports go to files, and a file of reports is a failure. What the undefined
# behaviour sanitizer says before it ends a process goes to the standard error, which pytest therefore leaves alone.
# The C tests are checked for leaks. In Python leak detection is off, as CPython itself keeps memory; tallow's own leaks show in its live
# counts (tests/python/test_failures.py). The one test left out runs another build, under an emulator, which these sanitizers do not see.
set -eu
python=$1; shift
root=$(cd "$(dirname "$0")/.." && pwd); cd "$root"
build=$root/build-asan
package=$build/package
export build package python

[ -f "$build/build.ninja" ] || meson setup "$build" --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Db_ndebug=false
ninja -C "$build"
export TALLOW_CACHE=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
common=detect_odr_violation=0:strict_string_checks=1
ASAN_OPTIONS=$common:detect_leaks=1 meson test -C "$build" --print-errorlogs --timeout-multiplier 5

mkdir -p "$package" "$build/logs" "$build/passed"
if ! cmp -s "$build"/ext/_C*.so "$package"/tallow/_C*.so || ! diff -rq -x '_C*.so' -x __pycache__ python "$package" >/dev/null; then
    rm -rf "$package"
    cp -r python "$package"
    rm -f "$package"/tallow/_C*.so
    cp "$build"/ext/_C*.so "$package/tallow/"
fi

# one FILE MARK: the tests of one file, without or with PyTorch; its last line and its time, or where its reports are
cat > "$build/one.sh" <<'END'
name=$(basename "$1" .py)-$2
passed=$build/passed/$name log=$build/logs/$name reports=$build/logs/$name.report
newer=$(find "$package" tests/python tests/c tests/parity -newer "$passed" \( -name '*.py' -o -name '*.so' -o -name '*.c' -o -name '*.txt' \) 2>/dev/null | head -n 1)
if [ -f "$passed" ] && [ -z "$newer" ]; then echo "$name: $(cat "$passed") (before)"; exit 0; fi
rm -f "$passed" "$reports".*
from=$(date +%s)
mark='not torch'; [ "$2" = plain ] || mark=torch
result=0
LD_PRELOAD=$preload ASAN_OPTIONS=$ASAN_OPTIONS:log_path=$reports UBSAN_OPTIONS=$UBSAN_OPTIONS:log_path=$reports \
    timeout --foreground "${FILE_TIMEOUT:-3600}" "$python" -m pytest -rf --capture=sys -p no:cacheprovider -m "$mark" \
    --deselect tests/python/test_bits.py::test_arm_gives_the_same_bits "$1" > "$log" 2>&1 || result=$?
said="$(tail -n 1 "$log")"
found=$(grep -lE 'ERROR: (Address|Undefined)|runtime error:' "$log" "$reports".* 2>/dev/null | head -n 3 | tr '\n' ' ')
find "$build/logs" -name "$name.report.*" -size -1k -delete
if [ -z "$found" ] && { [ $result -eq 0 ] || [ $result -eq 5 ]; }; then
    echo "$said" > "$passed"
    [ $result -eq 5 ] || echo "$name: $said"
    exit 0
fi
echo "$name: FAILED with status $result after $(($(date +%s) - from)) s: $said"
[ -z "$found" ] || echo "    reports: $found"
echo "    output: $log"
exit 1
END

[ $# -gt 0 ] || set -- tests/python/test_*.py
runtime() { cc -print-file-name="$1"; }
# libstdc++ too, so that the sanitizer finds what throws C++ exceptions when a module brings it later
preload="$(runtime libasan.so) $(runtime libubsan.so) $(runtime libstdc++.so)"
export preload PYTHONMALLOC=malloc PYTHONPATH="$package" TALLOW_BUILD="$build"
export ASAN_OPTIONS=$common:detect_leaks=0:allocator_may_return_null=1
modes=plain
"$python" -c 'import importlib.util as u; raise SystemExit(u.find_spec("torch") is None)' && modes='plain torch'
for mode in $modes; do
    for file; do [ $mode = plain ] && echo "$file $mode" || { grep -lq 'mark.torch' "$file" && echo "$file $mode"; } || true; done
done | xargs -P "${JOBS:-1}" -L 1 sh "$build/one.sh" || { echo 'asan: failed'; exit 1; }
echo "asan: $(cat "$build"/passed/* | grep -oE '[0-9]+ passed' | awk '{n += $1} END {print n}') tests passed in Python"
