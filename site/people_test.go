package site

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPeople(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	anna, err := s.SavePerson(ctx, Person{Name: "Anna", Weight: 1})
	do(t, err)
	zoe, err := s.SavePerson(ctx, Person{Name: "Zoë Ünal", Weight: 3})
	do(t, err)
	nobody, err := s.SavePerson(ctx, Person{Name: "Nobody"})
	do(t, err)
	if anna != "anna" || zoe != "zo---nal" || nobody == "nobody" {
		t.Errorf("ids are %q, %q and %q; want them made of the names, and nobody's own", anna, zoe, nobody)
	}
	phone := Device{ID: "phone", Owner: anna, Addresses: []netip.Addr{netip.MustParseAddr("192.168.1.4")}}
	do(t, s.SaveDevice(ctx, phone))

	for name, p := range map[string]Person{
		"the name of another": {Name: "anna"}, "no name": {Name: " "}, "a control character": {Name: "a\x00b"}, "too long": {Name: strings.Repeat("x", 200)},
	} {
		_, err := s.SavePerson(ctx, p)
		if fields, ok := err.(FieldErrors); !ok || fields["name"] == "" { //nolint:errorlint // it is not wrapped
			t.Errorf("%s: got %v, want what is wrong with the name", name, err)
		}
	}
	if _, err := s.SavePerson(ctx, Person{ID: anna, Name: "Anna-Lena", Weight: 1}); err != nil {
		t.Fatal(err)
	}
	want := []Person{{anna, "Anna-Lena", 1}, {nobody, "Nobody", 0}, {zoe, "Zoë Ünal", 3}}
	if diff := cmp.Diff(want, load(t, s).People); diff != "" {
		t.Errorf("people after a new name (-want +got):\n%s", diff)
	}
	do(t, s.DeletePerson(ctx, anna))
	settings := load(t, s)
	if diff := cmp.Diff(want[1:], settings.People); diff != "" {
		t.Errorf("people after one was removed (-want +got):\n%s", diff)
	}
	if got := settings.Devices[0].Owner; got != "" {
		t.Errorf("the phone belongs to %q, want nobody", got)
	}
}

// TestOwnersArePeople is settings of before there were people, and files that
// name an owner as people do.
func TestOwnersArePeople(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	_, err := s.SavePerson(ctx, Person{Name: "Ben", Weight: 2})
	do(t, err)
	for i, owner := range []string{"Anna", "ben", "BEN", "Anna"} {
		address := netip.AddrFrom4([4]byte{192, 168, 1, byte(i)})
		do(t, s.SaveDevice(ctx, Device{ID: string(rune('a' + i)), Owner: owner, Addresses: []netip.Addr{address}}))
	}
	got := load(t, s)
	if diff := cmp.Diff([]Person{{"Anna", "Anna", 1}, {"ben", "Ben", 2}}, got.People); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
	for i, want := range []string{"Anna", "ben", "ben", "Anna"} {
		if got.Devices[i].Owner != want {
			t.Errorf("device %d belongs to %q, want %q", i, got.Devices[i].Owner, want)
		}
	}
}
