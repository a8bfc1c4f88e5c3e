package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"errata/internal/link"
)

// dropTimeout is how long the server may take to remove a database.
const dropTimeout = 2 * time.Minute

// Remove removes the database with everything in it, and reports whether there was one. It refuses
// (link.ErrRefused), and removes nothing, if the database holds a table that Errata does not
// create, or records of a topic that may not go. What an interrupted start left unfinished goes
// too.
func Remove(ctx context.Context, cfg Config, mayGo func(topic string) bool) (removed bool, err error) {
	s, err := open(ctx, cfg, databaseExists, func(*Store) error { return errNoDatabase })
	if errors.Is(err, errNoDatabase) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer s.Close()
	refuse := func(found string) error {
		return link.Refused("database %q on clickhouse at %s %s: nothing was removed", cfg.Database, s.addr, found)
	}
	tables, err := s.tables(ctx)
	if err != nil {
		return false, err
	}
	own, err := ownTables()
	if err != nil {
		return false, err
	}
	foreign := slices.DeleteFunc(slices.Clone(tables), func(name string) bool { return slices.Contains(own, name) })
	if len(foreign) > 0 {
		return false, refuse("holds tables that are not Errata's (" + strings.Join(foreign, ", ") + ")")
	}
	if slices.Contains(tables, batchTable.name) {
		topics, err := s.topics(ctx)
		if err != nil {
			return false, err
		}
		if i := slices.IndexFunc(topics, func(topic string) bool { return !mayGo(topic) }); i >= 0 {
			return false, refuse("holds records of topic " + topics[i] + ", which have to stay")
		}
	}
	if err := s.execute(ctx, dropTimeout, "DROP DATABASE `"+s.database+"` SYNC"); err != nil {
		return false, fmt.Errorf("drop database %q: %w", s.database, err)
	}
	return true, nil
}

// tables returns the names of the tables and views of the database, in order.
func (s *Store) tables(ctx context.Context) (names []string, err error) {
	if err := s.conn.QueryRow(ctx, "SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = ?", s.database).Scan(&names); err != nil {
		return nil, fmt.Errorf("read the tables of database %q: %w", s.database, err)
	}
	return names, nil
}

// topics returns the topics of which the database has records, in order.
func (s *Store) topics(ctx context.Context) (topics []string, err error) {
	if err := s.conn.QueryRow(ctx, "SELECT arraySort(groupUniqArray(toString(topic))) FROM batch_rows").Scan(&topics); err != nil {
		return nil, fmt.Errorf("list the topics in database %q: %w", s.database, err)
	}
	return topics, nil
}

// ownTables returns the names of all tables and views that a migration has ever created.
func ownTables() (names []string, err error) {
	all, err := migrationNames()
	if err != nil {
		return nil, err
	}
	p := Pending{Migrations: all}
	err = p.objects(nil)
	return slices.Concat(p.Tables, p.Views), err
}
