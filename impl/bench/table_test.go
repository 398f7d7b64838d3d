//go:build unix

package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// results are printed as a table when all is done.
var results table

type table []row

type row struct {
	name  string
	cells []string
}

// put adds a row, or replaces it: a benchmark runs once before it counts.
func (t *table) put(name string, cells []string) {
	i := slices.IndexFunc(*t, func(r row) bool { return r.name == name })
	if i < 0 {
		i = len(*t)
		*t = append(*t, row{name: name})
	}
	(*t)[i].cells = cells
}

func (t table) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range t {
		fmt.Fprintf(w, "%s\t%s\n", strings.ReplaceAll(r.name, "_", " "), strings.Join(r.cells, "\t"))
	}
	_ = w.Flush()
}

func TestMain(m *testing.M) {
	if told, err := doTask(); told {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if len(results) > 0 {
		fmt.Println()
		results.print()
	}
	os.Exit(code)
}
