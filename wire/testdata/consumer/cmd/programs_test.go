// Package cmd_test checks what the programs promise together.
package cmd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// programs are the programs, and the most lines that they may have without their
// tests: they are to be read.
var programs = map[string]int{"fleet": 300, "recorder": 190, "site": 140}

func TestProgramsAreShort(t *testing.T) {
	for name, most := range programs {
		files, err := filepath.Glob(filepath.Join(name, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		lines := 0
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(text, []byte("\n"))
		}
		if lines > most {
			t.Errorf("%s has %d lines, more than %d", name, lines, most)
		}
	}
}

// TestProgramsImportWhatTheReadmeNames: of the library, the packages that its
// README's table has, and those within api. Their tests need a network in memory
// besides, which package wire takes.
func TestProgramsImportWhatTheReadmeNames(t *testing.T) {
	const module = "github.com/moqlite/moqlite/"
	readme, err := os.ReadFile("../../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{"transport/memconn": true}
	for _, line := range strings.Split(string(readme), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, match := range regexp.MustCompile("`([a-z/]+)`").FindAllStringSubmatch(cells[1], -1) {
			named[match[1]] = true
		}
	}
	if !named["impl/redial"] || named["impl/internal"] {
		t.Fatalf("the README's table has %v", named)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", imports, "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		who, what, _ := strings.Cut(line, " ")
		pkg, ours := strings.CutPrefix(what, module)
		if ours && !named[pkg] && !strings.HasPrefix(pkg, "api/") {
			t.Errorf("%s imports %s, which the README's table does not name", who, what)
		}
		if programs[filepath.Base(who)] > 0 && pkg == "transport/memconn" {
			t.Errorf("%s imports %s, which is for tests", who, what)
		}
	}
}

// imports is a template of go list: a line an import, those of tests included.
const imports = `{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}
{{end}}{{range .TestImports}}{{$p}}.test {{.}}
{{end}}{{range .XTestImports}}{{$p}}.test {{.}}
{{end}}`
