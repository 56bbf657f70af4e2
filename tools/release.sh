#!/usr/bin/env bash
# Builds what a release consists of into dist/: for each architecture a tar, a
# deb and an rpm of the program, and a deb and an rpm of the embedded engine;
# a list of all that is in them (SBOM), and the checksums. The same commit gives
# the same bytes.
#
#   VERSION=1.2.3 ARCHES="amd64 arm64" ENGINES=amd64 tools/release.sh [DIRECTORY]
#
# There is no package of the engine for arm64: the program there takes a
# clickhouse binary on its PATH, or a server.
set -euo pipefail
cd "$(dirname "$0")/.."

dist=$(realpath -m "${1:-dist}")
export VERSION=${VERSION:-$(git describe --tags --match 'v[0-9]*' 2>/dev/null || echo "0.1.0-dev.$(git rev-list --count HEAD)")}
VERSION=${VERSION#v}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
go=${GO:-go}
export GOFLAGS="-trimpath -buildvcs=false" # the tools are the same on every machine, too
tool() { "$go" tool -modfile=tools/release/go.mod "$@"; }

rm -rf "$dist" && mkdir -p "$dist"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

build() { # build ARCH FILE
  CGO_ENABLED=0 GOOS=linux GOARCH=$1 "$go" build -trimpath -buildvcs=false \
    -ldflags "-s -w -buildid= -X github.com/flattraffic/flattraffic/cli.buildVersion=$VERSION" -o "$2" ./cli/flattraffic
}

# What the program says of itself, by one that runs here.
echo "manual page and completion"
build "$("$go" env GOHOSTARCH)" "$work/flattraffic"
mkdir "$work/completion"
"$work/flattraffic" man | gzip -9n > "$work/flattraffic.1.gz"
"$work/flattraffic" completion bash > "$work/completion/flattraffic.bash"
"$work/flattraffic" completion zsh > "$work/completion/_flattraffic"
"$work/flattraffic" completion fish > "$work/completion/flattraffic.fish"

package() { # package CONFIG
  for kind in deb rpm; do
    tool nfpm package --config "deployments/packages/$1" --packager "$kind" --target "$dist/" >/dev/null
  done
}

for ARCH in ${ARCHES:-amd64 arm64}; do
  echo "flattraffic $VERSION $ARCH"
  export ARCH STAGE="$work/$ARCH"
  name=flattraffic-$VERSION-linux-$ARCH
  mkdir -p "$STAGE/$name"
  build "$ARCH" "$STAGE/flattraffic"
  cp -r "$work/flattraffic.1.gz" "$work/completion" "$STAGE/"
  package nfpm.yaml
  cp -r "$STAGE/flattraffic" "$STAGE/flattraffic.1.gz" "$STAGE/completion" LICENSE README.md CHANGELOG.md docs deployments/prometheus "$STAGE/$name/"
  rm -f "$STAGE/$name"/docs/*.go
  mkdir "$STAGE/$name/systemd"
  cp deployments/packages/*.service deployments/packages/*.conf deployments/packages/flattraffic.toml "$STAGE/$name/systemd/"
  tar -c -C "$STAGE" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w "$name" |
    gzip -9n > "$dist/$name.tar.gz"
done

for ARCH in ${ENGINES-amd64}; do
  echo "flattraffic-engine $ARCH"
  export ARCH STAGE="$work/engine-$ARCH"
  cpu=$ARCH
  [ "$ARCH" != amd64 ] || cpu=x64
  mkdir -p "$STAGE"
  cp clickhouse/engine/package.json clickhouse/engine/package-lock.json "$STAGE/"
  npm ci --prefix "$STAGE" --os=linux --cpu="$cpu" --libc=glibc --no-audit --no-fund --loglevel=error --progress=false
  from=$STAGE/node_modules/@chdb/lib-linux-$cpu-gnu
  ENGINE_VERSION=$(sed -n 's/.*"version": "\([0-9.]*\).*/\1/p' "$from/package.json" | head -n 1)
  export ENGINE_VERSION
  mv "$from/libchdb.so" "$STAGE/libchdb.so"
  package nfpm-engine.yaml
done

echo "SBOM and checksums"
tool cyclonedx-gomod bin -json -noserial -std -version "v$VERSION" -output "$work/sbom.json" "$work/flattraffic"
# The time of the build is no part of what is built.
sed -E '/"timestamp": /d' "$work/sbom.json" > "$dist/flattraffic-$VERSION.cdx.json"
(cd "$dist" && sha256sum -- * > "$work/SHA256SUMS" && mv "$work/SHA256SUMS" SHA256SUMS)
ls -l "$dist"
