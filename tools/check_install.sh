#!/usr/bin/env bash
# Installs into an empty folder and uses only what is there: each header alone in C and C++, a program
# linked with the shared and with the static library, found through pkg-config.
#   tools/check_install.sh BUILD
set -eu

cd "$(dirname "$0")/.."
build=$(realpath "$1")
root=$build/check-install
rm -rf "$root"
DESTDIR=$root meson install -C "$build" --no-rebuild >/dev/null

pc=$(find "$root" -name dray.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
test -n "$(find "$root" -name dray_queue.3)" || { echo "no manual pages were installed: is scdoc here?"; exit 1; }
cflags=$(pkg-config --cflags dray)
strict="-Wall -Wextra -Werror -fsyntax-only"

for header in $(find "$root" -path '*/include/dray/*.h'); do
    name=dray/$(basename "$header")
    for compiler in "gcc -std=gnu17 -xc" "clang -std=gnu17 -xc" "g++ -std=c++17 -xc++"; do
        echo "#include <$name>" | $compiler $strict $cflags - || { echo "$name: $compiler"; exit 1; }
    done
    echo "$name stands alone"
done

hello=examples/hello.c
libs=$(pkg-config --libs dray)
gcc -std=gnu17 -Wall -Wextra -Werror $cflags "$hello" $libs -o "$root/hello-shared"
LD_LIBRARY_PATH=$(dirname "$(find "$root" -name libdray.so)") "$root/hello-shared"
libs=$(pkg-config --static --libs dray | sed 's/-ldray/-l:libdray.a/')
gcc -std=gnu17 -Wall -Wextra -Werror $cflags "$hello" $libs -o "$root/hello-static"
if ldd "$root/hello-static" | grep -q libdray; then
    echo "hello-static wants the shared library"
    exit 1
fi
"$root/hello-static"

stray=$(nm -D --defined-only "$(find "$root" -name libdray.so)" | awk '$3 !~ /^dray_/ { print $3 }')
if [ -n "$stray" ]; then
    echo "libdray.so shows more than its interface: $stray"
    exit 1
fi
