package memconn_test

import (
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

func TestAStreamIsVisibleByItsFirstFrame(t *testing.T) {
	for name, first := range map[string]func(transport.Stream){
		"data":   func(s transport.Stream) { s.Write([]byte("x")) },
		"end":    func(s transport.Stream) { s.Close() },
		"reset":  func(s transport.Stream) { s.CancelWrite(1) },
		"refuse": func(s transport.Stream) { s.CancelRead(1) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
				x, err := c.OpenStream(t.Context())
				do(t, err)
				accepted := make(chan error, 1)
				go func() {
					_, err := s.AcceptStream(t.Context())
					accepted <- err
				}()
				synctest.Wait()
				select {
				case err := <-accepted:
					t.Fatalf("accepted before the first frame: %v", err)
				default:
				}
				first(x)
				do(t, <-accepted)
			})
		})
	}
}

func TestStreamsAreAcceptedInTheOrderOfTheirFirstFrames(t *testing.T) {
	bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
		first, err := c.OpenUniStream(t.Context())
		do(t, err)
		do(t, openUni(t, c, []byte("second")).Close())
		_, err = first.Write([]byte("first"))
		do(t, err)
		do(t, first.Close())
		if got := readAll(t, acceptUni(t, s)) + readAll(t, acceptUni(t, s)); got != "secondfirst" {
			t.Errorf("accepted %q", got)
		}
	})
}

func TestTheLastBytesComeWithTheEnd(t *testing.T) {
	bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
		do(t, openUni(t, c, []byte("last")).Close())
		n, err := acceptUni(t, s).Read(make([]byte, 10))
		if n != 4 || err != io.EOF {
			t.Errorf("Read = %d, %v, want 4, EOF", n, err)
		}
	})
}

func TestResetDiscardsWhatIsUnread(t *testing.T) {
	bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
		w := openUni(t, c, []byte("unread"))
		r := acceptUni(t, s)
		readN(t, r, 2)
		w.CancelWrite(7)
		n, err := r.Read(make([]byte, 10))
		if n != 0 {
			t.Errorf("read %d bytes after the reset", n)
		}
		wantStreamError(t, err, 7, true)
	})
}

func TestResetAfterTheEndDiscardsWhatIsUnread(t *testing.T) {
	bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
		w := openUni(t, c, []byte("unread"))
		do(t, w.Close())
		w.CancelWrite(7)
		_, err := acceptUni(t, s).Read(make([]byte, 10))
		wantStreamError(t, err, 7, true)
	})
}

func TestResetAfterTheEndWasReadComesTooLate(t *testing.T) {
	bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
		w := openUni(t, c, []byte("read"))
		do(t, w.Close())
		r := acceptUni(t, s)
		readAll(t, r)
		w.CancelWrite(7)
		if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("Read = %d, %v, want EOF", n, err)
		}
	})
}

func TestCloseOfTheConnectionDiscardsWhatIsUnread(t *testing.T) {
	bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
		do(t, openUni(t, c, []byte("unread")).Close())
		r := acceptUni(t, s)
		do(t, c.CloseWithError(3, "bye"))
		n, err := r.Read(make([]byte, 10))
		if e, ok := errors.AsType[*transport.ConnError](err); n != 0 || !ok || e.Code != 3 || !e.Remote {
			t.Errorf("Read = %d, %v", n, err)
		}
	})
}

// A stream counts until the application on the accepting side knows of its
// end.
func TestWhatCountsAgainstTheLimit(t *testing.T) {
	one := &memconn.Config{MaxStreams: 1, MaxUniStreams: 1}
	bubble(t, nil, one, func(t *testing.T, c, s *memconn.Conn) {
		x, err := c.OpenStream(t.Context())
		do(t, err)
		_, err = x.Write([]byte("x"))
		do(t, err)
		opened := make(chan error, 1)
		go func() {
			_, err := c.OpenStream(t.Context())
			opened <- err
		}()
		y, err := s.AcceptStream(t.Context())
		do(t, err)
		x.CancelWrite(1)
		x.CancelRead(2)
		_, err = y.Read(make([]byte, 1))
		wantStreamError(t, err, 1, true)
		<-y.Context().Done()
		synctest.Wait()
		select {
		case err := <-opened:
			t.Fatalf("opened before the refusal was told: %v", err)
		default:
		}
		do(t, y.Close())
		do(t, <-opened)
	})
}

func TestNoStreamsAtAll(t *testing.T) {
	bubble(t, nil, &memconn.Config{MaxUniStreams: -1}, func(t *testing.T, c, s *memconn.Conn) {
		opened := make(chan error, 1)
		go func() {
			_, err := c.OpenUniStream(t.Context())
			opened <- err
		}()
		synctest.Wait()
		select {
		case err := <-opened:
			t.Fatalf("opened: %v", err)
		default:
		}
		do(t, s.CloseWithError(0, ""))
		if err := <-opened; err == nil {
			t.Error("opened")
		}
	})
}

func TestPriorityIsRemembered(t *testing.T) {
	bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
		w := openUni(t, c, nil)
		w.(transport.Prioritizer).SetPriority(5, true)
		if u, i := w.(interface{ Priority() (int8, bool) }).Priority(); u != 5 || !i {
			t.Errorf("priority is %d, %t", u, i)
		}
	})
}

func TestSeverEndsBothSides(t *testing.T) {
	for _, cause := range []error{nil, errors.New("cut")} {
		bubble(t, &memconn.Config{OneWayDelay: time.Hour}, nil, func(t *testing.T, c, s *memconn.Conn) {
			openUni(t, c, []byte("x"))
			s.Sever(cause)
			want := cause
			if want == nil {
				want = memconn.ErrSevered
			}
			for _, conn := range []*memconn.Conn{c, s} {
				_, err := conn.AcceptUniStream(t.Context())
				if e, ok := errors.AsType[*transport.ConnError](err); !ok || e.Remote || !errors.Is(err, want) {
					t.Errorf("error is %v", err)
				}
			}
		})
	}
}

func TestSeverComesTooLate(t *testing.T) {
	bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
		do(t, c.CloseWithError(5, ""))
		c.Sever(nil)
		_, err := s.OpenUniStream(t.Context())
		if e, ok := errors.AsType[*transport.ConnError](err); !ok || e.Code != 5 || e.Err != nil {
			t.Errorf("error is %v", err)
		}
	})
}

func TestConnectionsNeedNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	c, s := memconn.Pipe(version, nil, nil)
	for range 100 {
		w := openUni(t, c, []byte("x"))
		w.Context()
		do(t, w.SetWriteDeadline(time.Now().Add(time.Hour)))
		acceptUni(t, s)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines more", n-before)
	}
	c.CloseWithError(0, "")
}
