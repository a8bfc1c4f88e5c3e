package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

// table declares how rows of one type are stored: each column, with the field that is written to it
// and read from it. INSERTs, SELECT lists and scans follow from it.
type table[R any] struct {
	name    string
	time    func(*R) time.Time // by which rows are divided into days; nil: all rows go in one INSERT
	columns []column[R]
}

// of is a row with the batch that it belongs to.
type of[R any] struct {
	batch *Batch
	row   *R
}

type column[R any] struct {
	name  string
	write func(rows []of[R], put func(values any) error) error // puts a slice of the column's type, which changes afterwards
	field func(batch *Batch, r *R) any                         // to read: what Scan scans into; nil: the column is only written
}

// col is a column of the same type as its field, which belongs to the row or to its batch.
func col[R, V any](name string, field func(*Batch, *R) *V) column[R] {
	return column[R]{
		name:  name,
		write: collect(func(b *Batch, r *R) V { return *field(b, r) }),
		field: func(b *Batch, r *R) any { return field(b, r) },
	}
}

// computed is a column that is only written.
func computed[R, V any](name string, value func(*Batch, *R) V) column[R] {
	return column[R]{name: name, write: collect(value)}
}

// number is a column of a narrower type than its field.
func number[R any, V uint16 | int32](name string, field func(*Batch, *R) *int) column[R] {
	return converted(name, field, func(n int) V { return V(n) }, func(v V) int { return int(v) })
}

// word is a text column whose field has a string type of its own.
func word[R any, W ~string](name string, field func(*Batch, *R) *W) column[R] {
	return converted(name, field, func(w W) string { return string(w) }, func(v string) W { return W(v) })
}

// optionalTime is a column whose field may be the zero time. The column is 1970 then, the least
// time that it can hold.
func optionalTime[R any](name string, field func(*Batch, *R) *time.Time) column[R] {
	return converted(name, field, orEpoch, OrZero)
}

func converted[R, F, V any](name string, field func(*Batch, *R) *F, to func(F) V, from func(V) F) column[R] {
	return column[R]{
		name:  name,
		write: collect(func(b *Batch, r *R) V { return to(*field(b, r)) }),
		field: func(b *Batch, r *R) any { return &conversion[F, V]{field(b, r), from} },
	}
}

// conversion is a sql.Scanner that reads a V into a field of another type.
type conversion[F, V any] struct {
	field *F
	from  func(V) F
}

func (c *conversion[F, V]) Scan(value any) error {
	v, ok := value.(V)
	if !ok {
		return fmt.Errorf("the column has %T, want %T", value, v)
	}
	*c.field = c.from(v)
	return nil
}

// collect returns the write of a column.
func collect[R, V any](value func(*Batch, *R) V) func(rows []of[R], put func(values any) error) error {
	all, _ := unused.LoadOrStore(reflect.TypeFor[V](), new(sync.Pool))
	slicesOfV := all.(*sync.Pool)
	return func(rows []of[R], put func(values any) error) error {
		values, ok := slicesOfV.Get().(*[]V)
		if !ok {
			values = new([]V)
		}
		defer slicesOfV.Put(values)
		*values = slices.Grow((*values)[:0], len(rows))
		for i := range rows {
			*values = append(*values, value(rows[i].batch, rows[i].row))
		}
		return put(*values)
	}
}

// unused has the memory for the values of one column after the other: a *sync.Pool for each type of
// value.
var unused sync.Map

// orEpoch returns the time that is stored for t: 1970 if t is zero.
func orEpoch(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t
}

// OrZero returns the time that a stored one stands for: the zero time if it is 1970.
func OrZero(t time.Time) time.Time {
	if t.Unix() == 0 {
		return time.Time{}
	}
	return t
}

// place returns the columns that say which batch a row belongs to.
func place[R any]() []column[R] {
	return []column[R]{
		col("topic", func(b *Batch, _ *R) *string { return &b.Topic }),
		number[R, int32]("partition", func(b *Batch, _ *R) *int { return &b.Partition }),
		col("first_offset", func(b *Batch, _ *R) *int64 { return &b.FirstOffset }),
		col("epoch", func(b *Batch, _ *R) *uint32 { return &b.Epoch }),
	}
}

// alone wraps rows that belong to no batch.
func alone[R any](rows []R) []of[R] {
	all := make([]of[R], len(rows))
	for i := range rows {
		all[i].row = &rows[i]
	}
	return all
}

// selected returns the list of a SELECT whose rows scan reads.
func (t table[R]) selected() string {
	var names []string
	for _, c := range t.columns {
		if c.field != nil {
			names = append(names, "`"+c.name+"`")
		}
	}
	return strings.Join(names, ", ")
}

// scan reads a row of a SELECT of selected, and the columns after these into more.
func (t table[R]) scan(scan func(...any) error, more ...any) (of[R], error) {
	r := of[R]{new(Batch), new(R)}
	var into []any
	for _, c := range t.columns {
		if c.field != nil {
			into = append(into, c.field(r.batch, r.row))
		}
	}
	return r, scan(append(into, more...)...)
}

// insert writes the rows with one INSERT for each day. A block of several days makes a part for
// each, and a server refuses more than 100 parts at once.
func (t table[R]) insert(ctx context.Context, s *Store, rows []of[R]) error {
	day := func(r of[R]) int64 {
		if t.time == nil {
			return 0
		}
		return t.time(r.row).Unix() / int64((24 * time.Hour).Seconds())
	}
	slices.SortStableFunc(rows, func(a, b of[R]) int { return cmp.Compare(day(a), day(b)) })
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && day(rows[n]) == day(rows[0]) {
			n++
		}
		if err := t.send(ctx, s, rows[:n]); err != nil {
			return fmt.Errorf("insert %d rows into %s: %w", n, t.name, err)
		}
		rows = rows[n:]
	}
	return nil
}

// insertContext is the context of an INSERT. It ends like the context it is made of until the
// INSERT has returned, and never after. The client's Send watches the context in a goroutine, and
// closes the connection when the context ends. On a busy machine that goroutine may first run after
// Send has returned. If the context has ended by then, it may close a connection that is back in
// the pool, under the next query.
type insertContext struct {
	context.Context
	done <-chan struct{}
}

// untilReturned returns the context of an INSERT, and a function to call when it has returned.
func untilReturned(ctx context.Context) (context.Context, func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { close(done) })
	return insertContext{ctx, done}, func() { stop() }
}

func (c insertContext) Done() <-chan struct{} { return c.done }

func (c insertContext) Err() error {
	select {
	case <-c.done:
		return c.Context.Err()
	default:
		return nil
	}
}

// send writes one block. Appending whole columns is several times cheaper than appending rows.
func (t table[R]) send(ctx context.Context, s *Store, rows []of[R]) (err error) {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = "`" + c.name + "`"
	}
	ctx, cancel := context.WithTimeout(ctx, s.insertTimeout)
	defer cancel()
	ctx, returned := untilReturned(ctx)
	defer returned() // before cancel
	block, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+t.name+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, block.Close()) }()
	columns := block.Columns()
	for i, c := range t.columns {
		err := c.write(rows, func(values any) error {
			if texts, ok := values.([]string); ok && columns[i].Type() == dictionaryType {
				return appendTexts(columns[i], texts)
			}
			return block.Column(i).Append(values)
		})
		if err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return block.Send()
}

// dictionaryType is the type of columns whose blocks are a dictionary and a number for each row.
const dictionaryType = "LowCardinality(String)"

// appendTexts appends the first texts of a column of dictionaryType. The client's own Append boxes
// each text and looks it up twice, at ten times the cost. So the column is given its encoding, as
// from a server: flags with the width of the numbers, the dictionary, which begins with the default
// value, and the numbers (src/DataTypes/Serializations/SerializationLowCardinality.cpp).
func appendTexts(to interface {
	Decode(r *proto.Reader, rows int) error
}, texts []string) error {
	names, rows := newNames(), make([]uint32, len(texts))
	for i, text := range texts {
		rows[i] = names.number(text, 0)
	}
	dictionary := names.texts
	width := uint64(2) // log2 of the bytes of a number
	switch n := len(dictionary); {
	case n <= 1<<8:
		width = 0
	case n <= 1<<16:
		width = 1
	}
	const ownDictionary, newDictionary = 1 << 9, 1 << 10
	var b proto.Buffer
	b.PutUInt64(width | ownDictionary | newDictionary)
	b.PutInt64(int64(len(dictionary)))
	for _, text := range dictionary {
		b.PutString(text)
	}
	b.PutInt64(int64(len(rows)))
	b.Buf = slices.Grow(b.Buf, len(rows)<<width)
	for _, number := range rows {
		switch width {
		case 0:
			b.Buf = append(b.Buf, byte(number))
		case 1:
			b.Buf = binary.LittleEndian.AppendUint16(b.Buf, uint16(number))
		default:
			b.Buf = binary.LittleEndian.AppendUint32(b.Buf, number)
		}
	}
	return to.Decode(proto.NewReader(bytes.NewReader(b.Buf)), len(texts))
}
