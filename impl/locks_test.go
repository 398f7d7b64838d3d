package impl_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// blocking are the methods and functions that may wait for a peer or the
// network. Wait is not one of them, since most are of a [sync.Cond].
var blocking = map[string]bool{
	"Dial": true, "Accept": true, "AcceptStream": true, "AcceptUniStream": true, "OpenStream": true, "OpenUniStream": true,
	"Read": true, "ReadFrom": true, "io.ReadFull": true, "io.ReadAll": true, "io.Copy": true, "Write": true, "WriteTo": true,
	"ReceiveDatagram": true, "SendDatagram": true, "SendDatagramAt": true, "Close": true, "close": true, "CloseWithError": true,
	"AcceptGroup": true, "OpenGroup": true, "ReadFrame": true, "WriteFrame": true,
	"Shutdown": true, "Terminate": true, "Sleep": true,
}

// nonblocking are calls with such names that do not wait, and why.
var nonblocking = map[string]string{
	"impl/live/broadcast.go t.Close":                       "Track.Close waits for nobody",
	"impl/live/subscription.go s.w.CloseWithError":         "a TrackSink's does not block",
	"impl/live/subscription.go s.w.SendDatagramAt":         "a TrackSink's does not block",
	"impl/redial/resume.go f.reader.Close":                 "a TrackReader's does not block",
	"transport/wtconn/session.go c.session.CloseWithError": "a second close waits for the first, and the lock is for that",
}

// TestNoLockIsHeldAcrossIO looks in every function of the module for calls
// between Lock and Unlock that wait for a peer or the network. It recognizes
// them by name and sees one function at a time, so it does not notice what a
// function does that is called with a lock held. Test code is ignored.
func TestNoLockIsHeldAcrossIO(t *testing.T) {
	files, excused := token.NewFileSet(), map[string]bool{}
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "transporttest" || len(d.Name()) > 1 && d.Name()[0] == '.'):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, "../"+path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, call := range heldCalls(file) {
			if name := path + " " + call.name; nonblocking[name] != "" {
				excused[name] = true
			} else {
				t.Errorf("%s: %s while %s is held", files.Position(call.pos), call.name, call.lock)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range nonblocking {
		if !excused[name] {
			t.Errorf("%s is excused, but not called with a lock held", name)
		}
	}
}

// TestHeldCallsAreFound checks that the test above finds such calls.
func TestHeldCallsAreFound(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "", `package p
		func found() {
			mu.Lock()
			if a { mu.Unlock(); return }
			go c.Write(nil)
			for b { c.Write(nil) }
			mu.Unlock()
			s.mu.RLock()
			defer s.mu.RUnlock()
			switch { case a: n, err := c.Read(nil) }
			select { case x <- c.Accept(): }
			func() { mu.Lock(); c.Close() }()
		}
		func clean() {
			mu.Lock()
			if a { mu.Unlock(); c.Close(); return } else { mu.Unlock() }
			c.Write(nil)
			mu.Lock()
			f(func() { c.Read(nil) })
			close(x)
			mu.Unlock()
			c.Close()
		}`, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, call := range heldCalls(file) {
		found = append(found, call.lock+" "+call.name)
	}
	want := []string{"mu c.Write", "s.mu c.Read", "s.mu c.Accept", "mu c.Close"}
	if !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}

// A heldCall is a call that may block while a lock is held.
type heldCall struct {
	pos        token.Pos
	name, lock string
}

// heldCalls returns those of a file.
func heldCalls(file *ast.File) (calls []heldCall) {
	ast.Inspect(file, func(n ast.Node) bool {
		var body *ast.BlockStmt
		switch f := n.(type) {
		case *ast.FuncDecl:
			body = f.Body
		case *ast.FuncLit:
			body = f.Body
		}
		if body != nil {
			w := lockWalk{}
			w.block(body.List, locks{})
			calls = append(calls, w.calls...)
		}
		return true
	})
	return calls
}

// locks are the locks that may be held, by their expressions.
type locks map[string]bool

// A lockWalk visits a function in the order of its statements, and all
// branches.
type lockWalk struct{ calls []heldCall }

// block visits statements, and returns the locks that may be held after them.
// ended says that the end of the statements is not reached.
func (w *lockWalk) block(list []ast.Stmt, held locks) (after locks, ended bool) {
	for _, s := range list {
		if held, ended = w.statement(s, held); ended {
			return held, true
		}
	}
	return held, false
}

func (w *lockWalk) statement(s ast.Stmt, held locks) (after locks, ended bool) {
	switch s := s.(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		w.look(s, held)
		return held, true
	case *ast.DeferStmt, *ast.GoStmt:
		return held, false // a deferred Unlock comes at the end
	case *ast.BlockStmt:
		return w.block(s.List, held)
	case *ast.IfStmt:
		w.parts(held, s.Init, s.Cond)
		otherwise := []ast.Stmt{}
		if s.Else != nil {
			otherwise = append(otherwise, s.Else)
		}
		return w.branches(held, true, s.Body.List, otherwise)
	case *ast.ForStmt:
		w.parts(held, s.Init, s.Cond, s.Post)
		after, _ := w.branches(held, false, s.Body.List)
		return after, false
	case *ast.RangeStmt:
		w.parts(held, s.X)
		after, _ := w.branches(held, false, s.Body.List)
		return after, false
	case *ast.SwitchStmt:
		w.parts(held, s.Init, s.Tag)
		return w.branches(held, hasDefault(s.Body), clauses(s.Body)...)
	case *ast.TypeSwitchStmt:
		return w.branches(held, hasDefault(s.Body), clauses(s.Body)...)
	case *ast.SelectStmt:
		return w.branches(held, true, clauses(s.Body)...)
	case *ast.ExprStmt:
		if lock, op, ok := lockCall(s.X); ok {
			held = maps.Clone(held)
			if strings.HasSuffix(op, "Unlock") {
				delete(held, lock)
			} else {
				held[lock] = true
			}
			return held, false
		}
	}
	w.look(s, held)
	return held, false
}

// branches visits alternatives. all says that one of them is always taken.
func (w *lockWalk) branches(held locks, all bool, lists ...[]ast.Stmt) (after locks, ended bool) {
	after, ended = locks{}, true
	for _, list := range lists {
		held, end := w.block(list, held)
		if !end {
			maps.Copy(after, held)
		}
		ended = ended && end
	}
	if !all {
		maps.Copy(after, held)
		ended = false
	}
	return after, ended
}

func (w *lockWalk) parts(held locks, parts ...ast.Node) {
	for _, p := range parts {
		w.look(p, held)
	}
}

// look records the calls in n, except in functions that n only defines.
func (w *lockWalk) look(n ast.Node, held locks) {
	if n == nil || len(held) == 0 {
		return
	}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && (blocking[f.Sel.Name] || blocking[exprText(f)]) {
				for lock := range held {
					w.calls = append(w.calls, heldCall{n.Pos(), exprText(f), lock})
				}
			}
		}
		return true
	})
}

func exprText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return exprText(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return exprText(e.Fun) + "()"
	default:
		return "…"
	}
}

// lockCall tells whether e locks or unlocks a lock, and which.
func lockCall(e ast.Expr) (lock, op string, ok bool) {
	call, isCall := e.(*ast.CallExpr)
	if !isCall {
		return "", "", false
	}
	f, isMethod := call.Fun.(*ast.SelectorExpr)
	if !isMethod {
		return "", "", false
	}
	switch f.Sel.Name {
	case "Lock", "Unlock", "RLock", "RUnlock":
		return exprText(f.X), f.Sel.Name, true
	}
	return "", "", false
}

func clauses(body *ast.BlockStmt) (lists [][]ast.Stmt) {
	for _, s := range body.List {
		switch c := s.(type) {
		case *ast.CaseClause:
			lists = append(lists, c.Body)
		case *ast.CommClause:
			if c.Comm == nil {
				lists = append(lists, c.Body)
			} else {
				lists = append(lists, slices.Concat([]ast.Stmt{c.Comm}, c.Body))
			}
		}
	}
	return lists
}

func hasDefault(body *ast.BlockStmt) bool {
	for _, s := range body.List {
		if c, ok := s.(*ast.CaseClause); ok && c.List == nil {
			return true
		}
	}
	return false
}
