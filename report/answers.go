package report

import (
	linked "container/list"
	"crypto/sha256"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// answersLimit bounds the memory of the answers that are kept, in bytes.
const answersLimit = 32 << 20

// scanner is a row of an answer. What it gives must not be changed: the next
// report may get the same.
type scanner interface{ Scan(dest ...any) error }

// fingerprint names a statement with its parameters and the rows it reads.
type fingerprint [sha256.Size]byte

// answers keeps what statements answered, and what was made of it, for as long
// as the rows that they read stay what they were and there is room.
type answers struct {
	mu     sync.Mutex
	byName map[fingerprint]*linked.Element
	latest *linked.List // of *keptAnswer, the latest used first
	size   int          // bytes
}

type keptAnswer struct {
	name  fingerprint
	value any // a *sheet, or what was made of some
	size  int // bytes, about
}

func newAnswers() *answers {
	return &answers{byName: map[fingerprint]*linked.Element{}, latest: linked.New()}
}

// get returns what is kept, or nil.
func (a *answers) get(name fingerprint) any {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.byName[name]
	if e == nil {
		return nil
	}
	a.latest.MoveToFront(e)
	return e.Value.(*keptAnswer).value //nolint:forcetypeassert // nothing else is in it
}

// keep takes an answer in, and lets those go that were not used for longest.
func (a *answers) keep(name fingerprint, value any, size int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byName[name] != nil || size > answersLimit/4 {
		return
	}
	a.byName[name] = a.latest.PushFront(&keptAnswer{name, value, size})
	a.size += size
	for a.size > answersLimit {
		last := a.latest.Remove(a.latest.Back()).(*keptAnswer) //nolint:forcetypeassert // nothing else is in it
		delete(a.byName, last.name)
		a.size -= last.size
	}
}

// sheet is the rows of an answer, by column.
type sheet struct {
	columns []cells
	rows    int
	size    int // bytes, about
}

// cells are the values of a column.
type cells interface {
	add(from any)               // the value that a pointer of the column's type points to
	give(to any, row int) error // to such a pointer
}

// cellsOf are the cells of one type.
type cellsOf[T any] []T

func (v *cellsOf[T]) add(from any) {
	*v = append(*v, *from.(*T)) //nolint:forcetypeassert // the column was made for it
}

func (v *cellsOf[T]) give(to any, row int) error {
	p, ok := to.(*T)
	if !ok {
		return errors.New("an answer that is known is read as another type")
	}
	*p = (*v)[row]
	return nil
}

// columnFor makes a column of what a pointer points to, nil of types that no
// statement answers with.
func columnFor(p any) cells {
	switch p.(type) {
	case *bool:
		return &cellsOf[bool]{}
	case *uint8:
		return &cellsOf[uint8]{}
	case *uint16:
		return &cellsOf[uint16]{}
	case *uint32:
		return &cellsOf[uint32]{}
	case *uint64:
		return &cellsOf[uint64]{}
	case *string:
		return &cellsOf[string]{}
	case *netip.Addr:
		return &cellsOf[netip.Addr]{}
	case *time.Time:
		return &cellsOf[time.Time]{}
	case *[]uint16:
		return &cellsOf[[]uint16]{}
	case *[]uint64:
		return &cellsOf[[]uint64]{}
	case *[][]uint8:
		return &cellsOf[[][]uint8]{}
	case *[][]uint64:
		return &cellsOf[[][]uint64]{}
	}
	return nil
}

// weight is the memory of what a pointer points to, in bytes.
func weight(p any) int {
	const slice = 24 // a slice's header, of 64-bit machines
	switch p := p.(type) {
	case *bool, *uint8:
		return 1
	case *uint16:
		return 2
	case *uint32:
		return 4
	case *uint64:
		return 8
	case *string:
		return slice + len(*p)
	case *[]uint16:
		return slice + 2*len(*p)
	case *[]uint64:
		return slice + 8*len(*p)
	case *[][]uint8:
		n := slice
		for _, one := range *p {
			n += slice + len(one)
		}
		return n
	case *[][]uint64:
		n := slice
		for _, one := range *p {
			n += slice + 8*len(one)
		}
		return n
	}
	return slice // no other is larger
}

// recorder reads rows and writes them down.
type recorder struct {
	scanner

	sheet *sheet // nil when it cannot be written down
}

func (r *recorder) Scan(dest ...any) error {
	if err := r.scanner.Scan(dest...); err != nil || r.sheet == nil {
		return err
	}
	s := r.sheet
	if s.rows == 0 {
		for _, p := range dest {
			s.columns = append(s.columns, columnFor(p))
		}
	}
	for i, p := range dest {
		if s.columns[i] == nil || s.size > answersLimit/4 {
			r.sheet = nil
			return nil
		}
		s.columns[i].add(p)
		s.size += weight(p)
	}
	s.rows++
	return nil
}

// each hands every row to scan.
func (s *sheet) each(scan func(scanner) error) error {
	for i := range s.rows {
		if err := scan(sheetRow{s, i}); err != nil {
			return err
		}
	}
	return nil
}

// sheetRow is one row of a sheet.
type sheetRow struct {
	sheet *sheet
	row   int
}

// known is how many rows an answer has, 0 when that is not known yet.
func known(r scanner) int {
	if l, ok := r.(sheetRow); ok {
		return l.sheet.rows
	}
	return 0
}

func (l sheetRow) Scan(dest ...any) error {
	if len(dest) != len(l.sheet.columns) {
		return errors.New("an answer that is known is read with another number of columns")
	}
	for i, p := range dest {
		if err := l.sheet.columns[i].give(p, l.row); err != nil {
			return err
		}
	}
	return nil
}
