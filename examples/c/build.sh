#!/bin/sh
# Builds libtallow and installs it under OUT/prefix, then compiles one example with one cc line. Usage: build.sh NAME OUT
set -eu
name=$1 out=$2
meson=${MESON:-.venv/bin/meson}
mkdir -p "$out"
PATH="$(cd "$(dirname "$meson")" && pwd):$PATH"
[ -f build/build.ninja ] || "$meson" setup build >/dev/null
"$meson" configure build -Dinstall_c=true -Dprefix="$PWD/$out/prefix" -Dlibdir=lib
"$meson" compile -C build >/dev/null
"$meson" install -C build --no-rebuild >/dev/null
PKG_CONFIG_PATH="$PWD/$out/prefix/lib/pkgconfig" export PKG_CONFIG_PATH
cc -O2 "examples/c/$name.c" $(pkg-config --cflags --libs tallow) -Wl,-rpath,"$PWD/$out/prefix/lib" -o "$out/$name-c"
