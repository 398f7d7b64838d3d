package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEverythingIsDocumented checks, in the public packages of the module, that
// each exported name, method and field has a comment above it or behind it. One
// comment is enough for the fields of one line. A comment above a group of
// constants or variables is not enough: each needs its own.
func TestEverythingIsDocumented(t *testing.T) {
	total, bare := 0, []string{}
	for _, name := range publicFiles(t) {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(file) {
			continue
		}
		exported(file, func(what string, at token.Pos, comments ...*ast.CommentGroup) {
			total++
			if !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" }) {
				bare = append(bare, files.Position(at).String()+": "+what)
			}
		})
	}
	if total < 500 {
		t.Errorf("only %d exported names were found", total)
	}
	for _, what := range bare {
		t.Errorf("%s is not documented", what)
	}
}

// publicFiles returns the Go files of the packages that other modules may
// import.
func publicFiles(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				names = append(names, path)
			}
		case d.Name() == "internal", d.Name() == "testdata", d.Name() == "cmd", d.Name() != ".." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A visit is called with an exported name, its position, and the comments that
// may document it.
type visit func(what string, at token.Pos, comments ...*ast.CommentGroup)

// exported visits what a file exports.
func exported(file *ast.File, each visit) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if of, ok := receiver(decl); ok && decl.Name.IsExported() {
				each(of+decl.Name.Name, decl.Pos(), decl.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				exportedSpec(decl, spec, each)
			}
		}
	}
}

// receiver returns the receiver type of a method, with a dot, and "" for a
// function; false for a method that is not exported.
func receiver(f *ast.FuncDecl) (string, bool) {
	if f.Recv == nil {
		return "", true
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	name, ok := of.(*ast.Ident)
	if !ok {
		return "", false
	}
	return name.Name + ".", name.IsExported()
}

func exportedSpec(decl *ast.GenDecl, spec ast.Spec, each visit) {
	alone := func(doc *ast.CommentGroup) *ast.CommentGroup { // that above a declaration in parentheses is of all of it
		if doc == nil && !decl.Lparen.IsValid() {
			return decl.Doc
		}
		return doc
	}
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() {
				each(name.Name, name.Pos(), alone(spec.Doc), spec.Comment)
			}
		}
	case *ast.TypeSpec:
		if spec.Name.IsExported() {
			each(spec.Name.Name, spec.Pos(), alone(spec.Doc), spec.Comment)
			exportedFields(spec.Name.Name, spec.Type, each)
		}
	}
}

// exportedFields visits the fields of a struct and the methods of an interface.
// What is embedded is documented where it is declared.
func exportedFields(of string, expr ast.Expr, each visit) {
	var fields *ast.FieldList
	switch expr := expr.(type) {
	case *ast.StructType:
		fields = expr.Fields
	case *ast.InterfaceType:
		fields = expr.Methods
	default:
		return
	}
	for _, field := range fields.List {
		for _, name := range field.Names {
			if name.IsExported() {
				each(of+"."+name.Name, name.Pos(), field.Doc, field.Comment)
				exportedFields(of+"."+name.Name, field.Type, each)
			}
		}
	}
}
