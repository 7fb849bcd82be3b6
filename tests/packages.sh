#!/bin/sh
# packages.sh ROOT: what packages say of the version and of what is needed agrees with the sources and with tools/setup.
set -eu
root=$1
. "$root/tools/setup"
bad=0
complain() { echo "$*"; bad=1; }

version=$(version_of_sources)
grep -q "^## $version\b" "$root/CHANGELOG.md" || complain "CHANGELOG.md has no section of $version"
head -1 "$root/debian/changelog" | grep -qF "($version-" || complain "debian/changelog does not begin with $version"
grep -qxF "Package: librangefinder${version%.*}" "$root/debian/control" ||
    complain "debian/control: the library's package is not named by its SONAME, librangefinder${version%.*}"

# One word a package; compilers and the C library are there on every machine that builds packages, a driver is not needed.
declared=$(sed -n '/^Build-Depends:/,/^[A-Z].*:/s/^ \([a-z0-9.+-]*\).*/\1/p' "$root/debian/control")
for package in $packages_build; do
    case $package in gcc | libc6-dev | pocl-opencl-icd) continue ;; esac
    echo "$declared" | grep -qx "$package" || complain "debian/control: Build-Depends lacks $package, which tools/setup installs"
done
for package in $declared; do
    printf '%s\n' debhelper-compat $packages_build $packages_test | grep -qx "$package" ||
        complain "tools/setup does not install $package, a Build-Depends of debian/control"
done
exit $bad
