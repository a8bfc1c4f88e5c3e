package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/vendorpage"
)

// importer is the command's flags.
type importer struct {
	family, out string
	write, add  bool
}

func newImport(env *environment) *cobra.Command {
	var f importer
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "A vendor's saved error-code page to catalog YAML; says what it understood",
		Long: `Reads a saved error-code page (text, HTML or MHTML, Markdown, CSV; - for standard input) and prints it as a catalog.
What was understood of the page (layout, columns, rows) goes to standard error, and so does each line of a table that is no row.
If the family has a catalog, its kinds, retries, owners, translations and comments are kept, and what the page changed is said.
Exit code 1: a row could not be placed, or there was none; what could be read is printed all the same.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := env.config()
			if err != nil {
				return err
			}
			return f.run(args[0], cfg.Catalogs.Dir, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.family, "family", "", "the family's name (default: the catalog that knows the codes, else what they all begin with, else the file's name)")
	cmd.Flags().BoolVar(&f.write, "write", false, "write into the catalogs folder (catalogs.dir) instead of to standard output")
	cmd.Flags().StringVar(&f.out, "out", "", "the catalog file to merge with and, with --write, to write")
	cmd.Flags().BoolVar(&f.add, "add", false, "the family has several pages: keep the codes that this one does not have")
	return cmd
}

func (f importer) run(file, dir string, stdin io.Reader, stdout, stderr io.Writer) error {
	if f.write && dir == "" && f.out == "" {
		return errors.New("--write: the built-in catalogs cannot be written; set catalogs.dir to a folder, or give --out FILE")
	}
	var content []byte
	var err error
	if file == "-" {
		content, err = io.ReadAll(stdin)
	} else {
		content, err = os.ReadFile(file)
	}
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	p := vendorpage.Read(file, content)
	understood(stderr, file, p)
	if len(p.Rows) == 0 {
		if n := len(p.Tables); n > 0 {
			fmt.Fprintf(stderr, "of the tables on the page (%d, above) none was taken for one of error codes\n", n)
		}
		fmt.Fprintln(stderr, "nothing to import: no table of error codes was found")
		return cli.Findings("")
	}
	catalogs, err := openOrNew(dir)
	if err != nil {
		return err
	}
	pub := publication(file, p)
	pub.Family = f.name(catalogs, pub)
	name, old, err := f.existing(catalogs, dir, pub.Family)
	if err != nil {
		return err
	}
	text, changes, err := catalog.Merge(old, pub, f.add)
	if err != nil {
		return fmt.Errorf("merge with %s: %w", name, err)
	}
	if old != nil {
		printChanges(stderr, name, pub, changes)
	}
	invalid := catalog.CheckWith(dir, name, text)
	if invalid != nil {
		fmt.Fprintf(stderr, "with this catalog the set is not valid:\n%v\n", invalid)
	}
	switch {
	case !f.write:
		if _, err := stdout.Write(text); err != nil {
			return err
		}
	case invalid != nil:
		fmt.Fprintln(stderr, "nothing was written")
	default:
		target := f.out
		if target == "" {
			target = filepath.Join(dir, name)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("write the catalog: %w", err)
			}
		}
		if err := os.WriteFile(target, text, 0o644); err != nil {
			return fmt.Errorf("write the catalog: %w", err)
		}
		fmt.Fprintf(stderr, "written to %s\n", target)
	}
	if invalid != nil || len(p.Unplaced) > 0 {
		return cli.Findings("")
	}
	return nil
}

// openOrNew opens the catalogs of a folder in which there may be none yet.
func openOrNew(dir string) (*catalog.Set, error) {
	if dir != "" {
		if files, err := filepath.Glob(filepath.Join(dir, "*.yaml")); err == nil && len(files) == 0 {
			return &catalog.Set{}, nil
		}
	}
	return catalog.Open(dir)
}

// name says which family the codes are.
func (f importer) name(c *catalog.Set, p catalog.Publication) string {
	if f.family != "" {
		return f.family
	}
	var codes []string
	for _, e := range p.Codes {
		codes = append(codes, e.Code)
	}
	if family := c.Recognise(codes); family != "" {
		return family
	}
	if prefix := catalog.CommonPrefix(codes); prefix != "" {
		return prefix
	}
	return strings.TrimSuffix(filepath.Base(p.File), filepath.Ext(p.File))
}

// existing gives the catalog to merge with: --out if that exists, else the family's in the set. Without one, the name
// is that of a new file.
func (f importer) existing(c *catalog.Set, dir, family string) (name string, content []byte, err error) {
	if f.out != "" {
		content, err = os.ReadFile(f.out)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return filepath.Base(f.out), content, err
		}
	}
	name, content, err = c.File(dir, family)
	if err != nil || content != nil {
		return name, content, err
	}
	if f.out != "" {
		return filepath.Base(f.out), nil, nil
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>| `, r) {
			return '-'
		}
		return r
	}, strings.ToLower(family)) + ".yaml", nil, nil
}

// publication is the page without how it was read.
func publication(file string, p vendorpage.Page) catalog.Publication {
	pub := catalog.Publication{File: file, Title: p.Title, Date: p.Date, Language: p.Language, Advice: p.Advice,
		Fallback: catalog.Fallback{Description: p.Fallback.Description, Remedy: p.Fallback.Remedy}}
	for _, r := range p.Rows {
		pub.Codes = append(pub.Codes, catalog.Entry{Code: r.Code, Status: r.Status, Message: r.Message, Description: r.Description, Remedy: r.Remedy})
	}
	return pub
}

// understood prints what was read: each table with its columns, and each line that could not be placed.
func understood(w io.Writer, file string, p vendorpage.Page) {
	fmt.Fprintf(w, "%s: title %q, date %q, language %q\n", file, p.Title, p.Date, p.Language)
	for _, t := range p.Tables {
		var columns []string
		for _, c := range t.Columns {
			role := string(c.Role)
			if role == "" {
				role = "not used"
			}
			if heading := strings.Join(strings.Fields(c.Heading), " "); heading != "" {
				role = fmt.Sprintf("%q is %s", heading, role)
				if c.Role == "" {
					role = fmt.Sprintf("%q is not used", heading)
				}
			}
			columns = append(columns, role)
		}
		fmt.Fprintf(w, "line %d: layout %s; columns: %s; ", t.Line, t.Layout, strings.Join(columns, ", "))
		if t.LeftOut != "" {
			fmt.Fprintf(w, "left out: %s\n", t.LeftOut)
			continue
		}
		fmt.Fprintf(w, "%d rows\n", t.Rows)
		for _, n := range t.Notes {
			fmt.Fprintf(w, "  %s\n", n)
		}
	}
	for _, u := range p.Unplaced {
		fmt.Fprintf(w, "line %d: not placed, %s: %s\n", u.Line, u.Reason, u.Text)
	}
	fmt.Fprintf(w, "%d entries, %d lines not placed\n", len(p.Rows), len(p.Unplaced))
}

// printChanges says what a newer page changed, and which translations may be of an older wording now.
func printChanges(w io.Writer, name string, pub catalog.Publication, changes []catalog.Change) {
	if len(changes) == 0 {
		fmt.Fprintf(w, "%s has all of it already: no changes\n", name)
		return
	}
	fmt.Fprintf(w, "changes to %s (family %s):\n", name, pub.Family)
	for _, c := range changes {
		fmt.Fprintf(w, "  %s\n", c)
	}
}
