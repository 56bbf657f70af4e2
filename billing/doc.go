// Package billing is the calendar of the ISP's invoice: plans, renewal rules
// and the half-open periods they make. It is pure arithmetic and knows no
// traffic, no SQL and no HTTP.
package billing
