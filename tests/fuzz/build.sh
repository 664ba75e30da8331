#!/bin/sh
# Builds the fuzzers of the C readers with clang: tests/fuzz/build.sh [FOLDER]. Needs build/gen (make dev) and clang's libFuzzer.
set -eu
cd "$(dirname "$0")/../.."
out=${1:-build-fuzz}
mkdir -p "$out/objects"
flags="-std=c11 -D_GNU_SOURCE -DTW_BUILDING -g -O1 -ffp-contract=off -fno-sanitize-recover=undefined -Isrc -Iinclude -Ibuild/gen -Itests/fuzz"
for source in src/core/*.c src/io/*.c; do
    clang $flags -fsanitize=fuzzer-no-link,address,undefined -c "$source" -o "$out/objects/$(echo "$source" | tr / _).o"
done
for name in pt pickle idx npy; do
    clang $flags -fsanitize=fuzzer,address,undefined "tests/fuzz/fuzz_$name.c" "$out"/objects/*.o -o "$out/fuzz_$name" -lpthread -lm
done
