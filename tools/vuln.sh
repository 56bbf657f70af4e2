#!/bin/sh
# Looks for known vulnerabilities in what the program calls. Where the database
# of vulnerabilities is out of reach this says so and passes: that is a fact of
# the network, not of the program.
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go tool -modfile=tools/go.mod govulncheck ${1:+-db "$1"} ./... >"$log" 2>&1
status=$?
cat "$log"
if [ $status -ne 0 ] && grep -qE 'fetching vulnerabilities|dial tcp|no such host|connection refused|Forbidden' "$log"; then
	echo "NOT CHECKED: the vulnerability database is out of reach from here."
	exit 0
fi
exit $status
