// Package billing is the calendar of the ISP's invoice: plans, renewal rules
// and the half-open periods they make. It is pure arithmetic and knows no
// traffic, no SQL and no HTTP.
//
// Time zones are the caller's: a program that must run where no zone database
// is installed imports time/tzdata in its main package.
package billing
