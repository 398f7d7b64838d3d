package mocks_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryInterfaceHasAMock compares the generated files with the interfaces
// that packages api and transport export.
func TestEveryInterfaceHasAMock(t *testing.T) {
	mocks := typesOf(t, ".")
	for _, pkg := range []struct {
		dir   string
		named map[string]string // mocks that are not called Mock and the interface
	}{
		{dir: "../api"},
		{"../api/media", map[string]string{"Reader": "MockMediaReader", "Writer": "MockMediaWriter"}},
		{"../transport", map[string]string{"Dialer": "MockTransportDialer"}},
	} {
		for name, spec := range typesOf(t, pkg.dir) {
			if _, ok := spec.Type.(*ast.InterfaceType); !ok || !spec.Name.IsExported() {
				continue
			}
			mock := pkg.named[name]
			if mock == "" {
				mock = "Mock" + name
			}
			if mocks[mock] == nil {
				t.Errorf("%s.%s has no %s: name it in gen.go, and go generate .", filepath.Base(pkg.dir), name, mock)
			}
		}
	}
}

// typesOf returns the types that the package in a directory declares.
func typesOf(t *testing.T, dir string) map[string]*ast.TypeSpec {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no package in %s: %v", dir, err)
	}
	types := make(map[string]*ast.TypeSpec)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range group.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok {
					types[spec.Name.Name] = spec
				}
			}
		}
	}
	return types
}
