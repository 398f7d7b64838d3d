package mpegts_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/internal/formattest"
	"github.com/moqlite/moqlite/impl/format/mpegts"
)

func opens(r io.Reader) (media.Reader, error) {
	t, err := mpegts.NewReader(r)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func samples(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.ts")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	list := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list[filepath.Base(name)] = b
	}
	return list
}

func TestMutations(t *testing.T) {
	for name, b := range samples(t) {
		t.Run(name, func(t *testing.T) { formattest.Garbage(t, opens, b) })
	}
}

func TestMemory(t *testing.T) {
	for name, b := range samples(t) {
		t.Run(name, func(t *testing.T) { formattest.Memory(t, opens, bytes.Repeat(b, 1<<19/len(b))) })
	}
}

func FuzzReader(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b[:min(len(b), 40*188)])
	}
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = formattest.Read(t, opens, b) })
}

// One operation is one packet.
func BenchmarkRead(b *testing.B) {
	source := bytes.Repeat(sample(b), 50)
	b.SetBytes(int64(len(source) / (50 * (30 + 96))))
	b.ReportAllocs()
	var p media.Packet
	for n := 0; n < b.N; {
		r, err := mpegts.NewReader(bytes.NewReader(source))
		if err != nil {
			b.Fatal(err)
		}
		for r.ReadPacket(&p) == nil {
			n++
		}
	}
}
