package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	chcolumn "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"errata/internal/stack/stacktest"
)

// watchedConn keeps the context of the last INSERT, as the client's Send does.
type watchedConn struct {
	driver.Conn
	inserting context.Context
}

func (c *watchedConn) PrepareBatch(ctx context.Context, sql string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	c.inserting = ctx
	return c.Conn.PrepareBatch(ctx, sql, options...)
}

// The context of an INSERT that has returned never ends, even if the caller's does: the client
// would close a connection that is back in the pool.
func TestContextOfInsertEndsOnlyDuringIt(t *testing.T) {
	t.Parallel()
	addr, database := stacktest.Database(t)
	s, err := OpenAndMigrate(t.Context(), Config{Addr: []string{addr}, Database: database, Username: "default"})
	stacktest.Must(t, err)
	defer s.Close()
	watched := &watchedConn{Conn: s.conn.Conn}
	s.conn.Conn = watched
	ctx, cancel := context.WithCancel(t.Context())
	now := time.Now()
	silence := Silence{ID: "s1", Matchers: `{tenant="acme"}`, Starts: now, Ends: now.Add(time.Hour), Written: now}
	stacktest.Must(t, s.RecordSilence(ctx, silence))
	if deadline, ok := watched.inserting.Deadline(); !ok || deadline.After(now.Add(time.Hour)) {
		t.Errorf("the deadline of the INSERT is %s", deadline)
	}
	cancel()
	select {
	case <-watched.inserting.Done():
		t.Errorf("the context of the INSERT ended after it had returned: %v", watched.inserting.Err())
	case <-time.After(20 * time.Millisecond): // enough for a goroutine that is already runnable
	}

	ctx, cancel = context.WithCancel(t.Context())
	during, returned := untilReturned(ctx)
	defer returned()
	if during.Err() != nil {
		t.Error(during.Err())
	}
	cancel()
	<-during.Done()
	if !errors.Is(during.Err(), context.Canceled) {
		t.Error(during.Err())
	}
	if err := s.RecordSilence(ctx, silence); !errors.Is(err, context.Canceled) {
		t.Errorf("an INSERT in a context that has ended: %v", err)
	}
}

// The numbers of a column's texts take one, two or four bytes. What the client reads from the
// column, and sends to the server, must be the texts.
func TestTextsOfColumns(t *testing.T) {
	for _, distinct := range []int{1, 2, 255, 256, 257, 65_535, 65_536, 65_537} {
		var texts []string
		for i := range distinct { // with the empty text
			text := ""
			if i > 0 {
				text = fmt.Sprintf("text %d", i)
			}
			texts = append(texts, text, text)
		}
		texts = append(texts, texts...)
		made, err := chcolumn.Type(dictionaryType).Column("c", &chcolumn.ServerContext{})
		stacktest.Must(t, err)
		stacktest.Must(t, appendTexts(made, texts))
		var sent proto.Buffer
		made.Encode(&sent)
		received, err := chcolumn.Type(dictionaryType).Column("c", &chcolumn.ServerContext{})
		stacktest.Must(t, err)
		stacktest.Must(t, received.Decode(sent.Reader(), len(texts)))
		var got []string
		for i := range received.Rows() {
			got = append(got, received.Row(i, false).(string))
		}
		if made.Rows() != len(texts) || !slices.Equal(got, texts) {
			t.Errorf("%d distinct texts: %d rows were made of %d, and others received", distinct, made.Rows(), len(texts))
		}
	}
}
