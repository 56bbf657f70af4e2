package flow_test

import (
	"testing"

	"github.com/flattraffic/flattraffic/flow"
)

func TestCountRule(t *testing.T) {
	in, out := flow.Record{InIf: 1, OutIf: 2, Observed: flow.Ingress}, flow.Record{InIf: 3, OutIf: 1, Observed: flow.Egress}
	unsaid := flow.Record{}
	for _, tt := range []struct {
		name                       string
		rule                       flow.CountRule
		all, wantIn, wantOut, want bool // want is for a record that says nothing of itself
	}{
		{"no rule", flow.CountRule{}, true, true, true, true},
		{"one interface of both", flow.CountRule{Interfaces: []uint32{1}}, false, true, true, false},
		{"an interface of one", flow.CountRule{Interfaces: []uint32{2, 9}}, false, true, false, false},
		{"the interface that is not said", flow.CountRule{Interfaces: []uint32{0}}, false, false, false, true},
		{"coming in", flow.CountRule{Observed: flow.Ingress}, false, true, false, false},
		{"leaving", flow.CountRule{Observed: flow.Egress}, false, false, true, false},
		{"leaving by an interface", flow.CountRule{Interfaces: []uint32{2}, Observed: flow.Egress}, false, false, false, false},
		{"none", flow.CountRule{None: true}, false, false, false, false},
	} {
		if got := tt.rule.All(); got != tt.all {
			t.Errorf("%s: everything counts = %v, want %v", tt.name, got, tt.all)
		}
		for what, r := range map[string]struct {
			record *flow.Record
			want   bool
		}{"coming in": {&in, tt.wantIn}, "leaving": {&out, tt.wantOut}, "unsaid": {&unsaid, tt.want}} {
			if got := tt.rule.Counts(r.record); got != r.want {
				t.Errorf("%s, a record %s: counts = %v, want %v", tt.name, what, got, r.want)
			}
		}
	}
}
