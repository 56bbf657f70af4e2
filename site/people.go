package site

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Person is someone whose devices are counted together.
type Person struct {
	ID     string // stable; Device.Owner names it
	Name   string // shown
	Weight uint16 // of the fair share of the plan; 0 = has no share
}

// maxPeople bounds the list of people.
const maxPeople = 1000

// Person returns the person with an id.
func (s *Settings) Person(id string) (Person, bool) {
	for _, p := range s.People {
		if p.ID == id {
			return p, true
		}
	}
	return Person{}, false
}

// SavePerson stores a person; one without an id is new and gets one made of
// the name, which is returned. The error is FieldErrors with name.
func (s *Store) SavePerson(ctx context.Context, p Person) (id string, err error) {
	err = s.change(ctx, func(stored *Settings) ([]change, error) {
		if p, err = checkPerson(p, stored.People); err != nil {
			return nil, err
		}
		if p.ID == "" {
			if len(stored.People) >= maxPeople {
				return nil, FieldErrors{"name": fmt.Sprintf("There are %d people already; remove one first.", maxPeople)}
			}
			p.ID = newPersonID(p.Name, stored.People)
		}
		id = p.ID
		return []change{people(personRow(p, false))}, nil
	})
	return id, err
}

// DeletePerson removes a person; what the person owned belongs to nobody then.
func (s *Store) DeletePerson(ctx context.Context, id string) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		p, ok := stored.Person(id)
		if !ok {
			return nil, nil
		}
		var owned []row
		for _, d := range stored.Devices {
			if d.Owner != id {
				continue
			}
			d.Owner = ""
			owned = append(owned, deviceRow(d, false))
		}
		return []change{people(personRow(p, true)), devices(owned...)}, nil
	})
}

// checkPerson returns the person as it is stored.
func checkPerson(p Person, others []Person) (Person, error) {
	fields := FieldErrors{}
	p.Name = strings.TrimSpace(p.Name)
	switch problem := checkName(p.Name); {
	case problem != "":
		fields["name"] = problem
	case p.Name == "":
		fields["name"] = "The person needs a name, for example Anna."
	}
	for _, o := range others {
		if o.ID != p.ID && strings.EqualFold(o.Name, p.Name) {
			fields["name"] = fmt.Sprintf("There is a %s already; choose a name that tells them apart.", o.Name)
		}
	}
	return p, fields.or()
}

// newPersonID makes an id of the name's letters and digits, so that addresses
// of pages can be read.
func newPersonID(name string, others []Person) string {
	base := strings.Trim(strings.Map(func(r rune) rune {
		switch r = unicode.ToLower(r); {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, name), "-")
	taken := func(id string) bool {
		return id == "" || reservedPerson(id) || slices.ContainsFunc(others, func(o Person) bool { return o.ID == id })
	}
	if base = base[:min(len(base), 32)]; !taken(base) {
		return base
	}
	return strings.TrimPrefix(base+"-"+strings.ToLower(rand.Text()[:8]), "-")
}

// reservedPerson reports whether reports mean something else by an id.
func reservedPerson(id string) bool { return id == "nobody" || id == "unmatched" }

// addOwners makes sure that each owner of a device is a person: an owner may
// also be given by name, and one who is not stored, as in settings of before
// there were people, becomes a person of that name.
func addOwners(settings *Settings) {
	for i, d := range settings.Devices {
		if _, ok := settings.Person(d.Owner); d.Owner == "" || ok {
			continue
		}
		named := slices.IndexFunc(settings.People, func(p Person) bool { return strings.EqualFold(p.Name, d.Owner) })
		if named < 0 {
			named = len(settings.People)
			settings.People = append(settings.People, Person{ID: d.Owner, Name: d.Owner, Weight: 1})
		}
		settings.Devices[i].Owner = settings.People[named].ID
	}
	slices.SortFunc(settings.People, func(a, b Person) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
}

func people(rows ...row) change { return change{"people", insertPeopleSQL, rows} }

func personRow(p Person, deleted bool) row { return row{p.ID, p.Name, p.Weight, deleted} }

func scanPerson(rows driver.Rows, settings *Settings) error {
	var p Person
	if err := rows.Scan(&p.ID, &p.Name, &p.Weight); err != nil {
		return err
	}
	settings.People = append(settings.People, p)
	return nil
}
