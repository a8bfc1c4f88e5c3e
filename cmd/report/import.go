package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/vendorpage"
)

func newImport(env *environment) *cobra.Command {
	var (
		request catalog.Import
		write   bool
	)
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Turn a vendor's saved error-code page into catalog YAML",
		Long: `Read a saved error-code page (text, HTML or MHTML, Markdown, CSV; - for standard input) and print it as a catalog.
What was understood of the page (layout, columns, rows) goes to standard error, and so does each line of a table that is not a row.
If the family has a catalog, its kinds, retries, owners, translations and comments are kept, and the changes are listed.
Exit code 1: a row could not be placed, several columns may hold the codes, there was nothing to import, or the set would not load with the catalog. What could be read is printed all the same.`,
		Example: "report catalog import page.html --family Acme\n" +
			"report catalog import page.mhtml --write",
		Args: cli.Arguments(1, 1),
	}
	cmd.Flags().StringVar(&request.Family, "family", "", "the family's name (default: the catalog that knows the codes, else their common prefix, else the file's name)")
	cmd.Flags().BoolVar(&write, "write", false, "write into the catalogs folder (catalogs.dir) instead of to standard output")
	cmd.Flags().StringVar(&request.File, "out", "", "the catalog file to merge with and, with --write, to write")
	cmd.Flags().BoolVar(&request.Keep, "add", false, "keep the codes that this page does not have: the family has several pages")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := env.config()
		if err != nil {
			return err
		}
		request.Config = cfg.Catalogs
		if write && request.Dir == "" && request.File == "" {
			return errors.New("--write: the built-in catalogs cannot be written; set catalogs.dir to a folder, or give --out FILE")
		}
		page, err := readPage(args[0], cmd.InOrStdin())
		if err != nil {
			return err
		}
		page.Describe(cmd.ErrOrStderr(), args[0])
		if len(page.Rows) == 0 {
			return cli.Findings("")
		}
		made, err := request.Make(publication(args[0], page))
		if err != nil {
			return err
		}
		made.Describe(cmd.ErrOrStderr())
		if err := deliver(made, write, cmd.OutOrStdout(), cmd.ErrOrStderr()); err != nil {
			return err
		}
		if made.Invalid != nil || len(page.Unplaced) > 0 {
			return cli.Findings("")
		}
		return nil
	}
	return cmd
}

func readPage(file string, stdin io.Reader) (page vendorpage.Page, err error) {
	var content []byte
	if file == "-" {
		content, err = io.ReadAll(stdin)
	} else {
		content, err = os.ReadFile(file)
	}
	if err != nil {
		return page, fmt.Errorf("read the page: %w", err)
	}
	return vendorpage.Read(file, content), nil
}

// publication is the page as package catalog takes it. It stands here so that neither package
// imports the other: the ingester needs catalogs and no page reader.
func publication(file string, p vendorpage.Page) catalog.Publication {
	pub := catalog.Publication{File: file, Title: p.Title, Date: p.Date, Language: p.Language, Advice: p.Advice,
		Fallback: catalog.Fallback{Description: p.Fallback.Description, Remedy: p.Fallback.Remedy}}
	for _, r := range p.Rows {
		pub.Codes = append(pub.Codes, catalog.Entry{Code: r.Code, Status: r.Status, Message: r.Message, Description: r.Description, Remedy: r.Remedy})
	}
	return pub
}

// deliver prints the catalog, or writes it if the set loads with it.
func deliver(made catalog.Imported, write bool, stdout, stderr io.Writer) error {
	switch {
	case !write:
		_, err := stdout.Write(made.Text)
		return err
	case made.Invalid != nil:
		_, err := fmt.Fprintln(stderr, "nothing was written")
		return err
	}
	path, err := made.Write()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stderr, "written to %s\n", path)
	return err
}
