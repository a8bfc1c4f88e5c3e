package store

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"errata/internal/link"
)

// Pending is what OpenAndMigrate would create. The zero value is a schema that is up to date.
type Pending struct {
	Database   bool     // it does not exist
	Migrations []string // that it has not recorded, in order
	Tables     []string // that do not exist
	Views      []string // of the migrations: created, or replaced if they exist
}

// UpToDate reports whether there is nothing to create.
func (p Pending) UpToDate() bool { return !p.Database && len(p.Migrations) == 0 }

// Empty reports whether no migration was ever run.
func (p Pending) Empty() bool { return slices.Contains(p.Tables, "migrations") }

// errNoDatabase stops open at a database that does not exist.
var errNoDatabase = errors.New("the database does not exist")

// Look connects as OpenAndMigrate does, with the same errors, and returns what that would create.
// It changes nothing.
func Look(ctx context.Context, cfg Config) (p Pending, err error) {
	all, err := migrationNames()
	if err != nil {
		return p, err
	}
	var problem error
	s, err := open(ctx, cfg, databaseExists, func(server *Store) error {
		p = Pending{Database: true, Migrations: all}
		problem = errors.Join(p.objects(nil), server.mayCreate(ctx, cfg, "CREATE DATABASE, CREATE TABLE, CREATE VIEW"))
		return errNoDatabase
	})
	if errors.Is(err, errNoDatabase) {
		return p, problem
	}
	if err != nil {
		return p, err
	}
	defer s.Close()
	tables, err := s.tables(ctx)
	if err != nil {
		return p, err
	}
	if p.Migrations = all; slices.Contains(tables, "migrations") {
		p.Migrations, err = s.unapplied(ctx)
	}
	if err != nil || p.UpToDate() {
		return p, err
	}
	return p, errors.Join(p.objects(tables), s.mayCreate(ctx, cfg, "CREATE TABLE, CREATE VIEW"))
}

// mayCreate returns an error if the user lacks one of the rights on the database. A server that
// cannot say so gets the benefit of the doubt.
func (s *Store) mayCreate(ctx context.Context, cfg Config, rights string) error {
	var granted uint8
	err := s.conn.QueryRow(ctx, "CHECK GRANT "+rights+" ON `"+cfg.Database+"`.*").Scan(&granted)
	switch {
	case refused(err):
		return nil
	case err == nil && granted == 0:
		return link.Refused("clickhouse at %s does not let user %q create what is missing in database %q: grant %s on it, or run `ingest check --create` as a user who has these rights",
			s.addr, cfg.Username, cfg.Database, rights)
	}
	return err
}

// created finds what a statement of a migration creates.
var created = regexp.MustCompile(`(?m)^CREATE (?:OR REPLACE )?(TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)`)

// objects fills in the tables and views of the migrations.
func (p *Pending) objects(existing []string) error {
	if !slices.Contains(existing, "migrations") {
		p.Tables = append(p.Tables, "migrations")
	}
	for _, migration := range p.Migrations {
		text, err := fs.ReadFile(migrationFiles, "migrations/"+migration)
		if err != nil {
			return err
		}
		for _, m := range created.FindAllStringSubmatch(string(text), -1) {
			switch kind, name := m[1], m[2]; {
			case kind == "VIEW" && !slices.Contains(p.Views, name):
				p.Views = append(p.Views, name)
			case kind == "TABLE" && !slices.Contains(existing, name) && !slices.Contains(p.Tables, name):
				p.Tables = append(p.Tables, name)
			}
		}
	}
	slices.Sort(p.Tables)
	slices.Sort(p.Views)
	return nil
}

// migrationNames returns the names of all migrations, in order.
func migrationNames() (names []string, err error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	for _, file := range files {
		names = append(names, strings.TrimPrefix(file, "migrations/"))
	}
	return names, err
}
