#!/usr/bin/env bash
# Runs every fuzz target for a share of the given number of executions, counts
# what really ran, and sums it. A finding ends it with exit code 1; the input
# is then in the package's testdata/fuzz, where `go test` finds it again.
#   tools/fuzz.sh EXECUTIONS [WORKERS [TARGET ...]]
# What was found interesting is kept in bin/fuzz, so that the next run goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
total=${1:?how many executions over all targets}
workers=${2:-1}
only=${*:3}
root=$PWD/bin/fuzz
mkdir -p "$root"

# package, target, share in percent: the dearer a target the smaller its share.
targets='ingest/decode FuzzNetFlow5 22
ingest/decode FuzzNetFlow9 20
ingest/decode FuzzIPFIX 20
ingest/decode FuzzSFlow 18
ingest/decode FuzzDatagrams 10
ingest/decode FuzzDataSet 8
ingest/deliver FuzzRows 2'

while read -r package target _; do
	grep -q "^func $target(" "$package"/*_test.go || { echo "no target $target in $package"; exit 1; }
done <<<"$targets"
# Our own code and the decoders guide the fuzzing. Instrumenting the standard
# library too, as go test -fuzz does, costs two thirds of the speed.
for package in ingest/decode ingest/deliver; do
	go test -c -gcflags='github.com/flattraffic/flattraffic/...=-d=libfuzzer' -gcflags='github.com/netsampler/goflow2/v2/...=-d=libfuzzer' -o "$root/$(basename "$package").test" "./$package"
done

sum=0
while read -r package target share; do
	[ -z "$only" ] || [[ " $only " == *" $target "* ]] || continue
	want=$((total * share / 100))
	log=$root/$target.log
	echo "$target: $want executions, $workers at a time; log in bin/fuzz/$target.log"
	started=$SECONDS
	if ! (cd "$package" && exec "$root/$(basename "$package").test" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="${want}x" \
		-test.parallel="$workers" -test.fuzzminimizetime=1x -test.fuzzcachedir="$root/corpus" </dev/null) >"$log" 2>&1; then
		tail -n 40 "$log"
		echo "$target: a finding; the input is in $package/testdata/fuzz/$target"
		exit 1
	fi
	ran=$(sed -n 's/.*execs: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
	sum=$((sum + ran))
	echo "$target: $ran executions in $((SECONDS - started)) s, no finding; $sum so far"
done <<<"$targets"
echo "$sum executions over all targets, no finding"
