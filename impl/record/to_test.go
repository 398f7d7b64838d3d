package record_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
	"github.com/moqlite/moqlite/impl/record"
)

// A disk is full after some packets.
type disk struct {
	room   int
	closed int
}

var errFull = errors.New("no space left on device")

func (d *disk) WritePacket(*media.Packet) error {
	if d.room == 0 {
		return errFull
	}
	d.room--
	return nil
}

func (d *disk) Close() error { d.closed++; return nil }

// TestTo records into a writer, which is closed whatever happens.
func TestTo(t *testing.T) {
	play := func(s *station) {
		s.publish(both(media.Container{}))
		time.Sleep(time.Second)
		for seq := range 5 {
			s.sendPictures(seq, 25)
			s.sendSounds(seq)
			time.Sleep(time.Second)
		}
		s.end()
	}
	t.Run("whole", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStation(t)
			defer s.close()
			go play(s)
			d := &disk{room: 1000}
			if err := record.To(t.Context(), s.session, path, d, nil); err != nil || d.closed != 1 || d.room != 1000-375 {
				t.Errorf("error %v, %+v", err, d)
			}
		})
	})
	t.Run("full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStation(t)
			defer s.close()
			go play(s)
			d := &disk{room: 10}
			if err := record.To(t.Context(), s.session, path, d, nil); !errors.Is(err, errFull) || d.closed != 1 {
				t.Errorf("error %v, %+v", err, d)
			}
			time.Sleep(time.Minute)
		})
	})
	t.Run("no rendition", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStation(t)
			defer s.close()
			go play(s)
			d := &disk{}
			if err := record.To(t.Context(), s.session, path, d, &record.Choice{Video: "8k"}); !errors.Is(err, record.ErrNoRendition) || d.closed != 1 {
				t.Errorf("error %v, %+v", err, d)
			}
			time.Sleep(time.Minute)
		})
	})
	t.Run("file", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStation(t)
			defer s.close()
			go play(s)
			var file bytes.Buffer
			err := record.ToFunc(t.Context(), s.session, path, func(tracks []media.Track) (media.Writer, error) {
				return fmp4.NewWriter(&file, tracks, nil)
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := fmp4.NewReader(&file)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(all(r)); n != 375 {
				t.Errorf("%d packets", n)
			}
		})
	})
}
