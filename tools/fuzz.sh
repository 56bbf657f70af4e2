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

# A worker is a process of its own that does one thing at a time. With more
# threads it spends a sixth of its time waking them.
export GOMAXPROCS=1

# package, target, share of the executions in percent. Go's own work takes three
# quarters of an execution in ingest/decode, so that all cost about the same (30
# microseconds) and the shares say only where faults are likeliest:
#   FuzzNetFlow5   a datagram behind a fixed version: counts, times, sampling;
#                  the least to go wrong
#   FuzzNetFlow9   the same for template sets, options, data and padding
#   FuzzIPFIX      ... and withdrawals, variable lengths, enterprise fields
#   FuzzSFlow      ... and samples within samples, packet headers
#   FuzzDatagrams  a sequence from many exporters through one decoder with small
#                  bounds: state, waiting sets, eviction, the books of all that
#   FuzzGoflow2    a sequence through our walk and goflow2's: the same records
#   FuzzDataSet    a template and a set of any fields through the two: the same
#                  values, reached at once instead of by a whole datagram
#   FuzzRows       a sequence all the way to a spool file and back; it costs
#                  three times as much, for columns, compression and checksums
targets='ingest/decode FuzzNetFlow5 12
ingest/decode FuzzNetFlow9 18
ingest/decode FuzzIPFIX 18
ingest/decode FuzzSFlow 14
ingest/decode FuzzDatagrams 14
ingest/decode FuzzGoflow2 12
ingest/decode FuzzDataSet 8
ingest/deliver FuzzRows 4'

while read -r package target _; do
	grep -q "^func $target(" "$package"/*_test.go || { echo "no target $target in $package"; exit 1; }
done <<<"$targets"
# What a datagram goes through guides the fuzzing. Each instrumented package
# costs a look at all its counters in every execution: the standard library, as
# go test -fuzz does it, two thirds of the speed.
guides=()
for package in github.com/flattraffic/flattraffic/flow github.com/flattraffic/flattraffic/ingest/... github.com/netsampler/goflow2/v2/...; do
	guides+=("-gcflags=$package=-d=libfuzzer")
done
for package in ingest/decode ingest/deliver; do
	go test -c "${guides[@]}" -o "$root/$(basename "$package").test" "./$package"
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
