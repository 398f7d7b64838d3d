package record_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/internal/codec"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/record"
)

// samples are files of the package that reads and writes them.
const samples = "../format/fmp4/testdata/"

// open returns a reader of a sample.
func open(t testing.TB, name string) *fmp4.Reader {
	t.Helper()
	b, err := os.ReadFile(samples + name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := fmp4.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// all returns the packets of a source.
func all(r media.Reader) (packets []media.Packet) {
	for {
		var p media.Packet
		if err := r.ReadPacket(&p); err != nil {
			return packets
		}
		packets = append(packets, p)
	}
}

// of returns the packets of a track.
func of(packets []media.Packet, id int) []media.Packet {
	return slices.DeleteFunc(slices.Clone(packets), func(p media.Packet) bool { return p.Track != id })
}

// recordSource ingests a source and records the broadcast, in a bubble.
func recordSource(t *testing.T, source media.Reader, kind media.ContainerKind) (got recorded) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var b live.Broadcast
		mux := api.NewTrackMux()
		if err := mux.Publish(t.Context(), path, &b); err != nil {
			t.Fatal(err)
		}
		server := moqtest.NewServer(mux)
		defer server.Close()
		session, err := server.Client().Dial(t.Context(), server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			// The subscription is there before the first group.
			ended <- ingest.Run(t.Context(), &b, source, &ingest.Config{Container: kind, Buffer: time.Second})
			_ = b.Close()
		}()
		r, err := record.Open(t.Context(), session, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		got = drain(r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return got
}

// TestRoundTrip publishes samples in each container, and records what was
// published.
func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"h264_aac.mp4", "h264b_opus.mp4", "vp9_opus.mp4", "av1.mp4"} {
		for _, kind := range []media.ContainerKind{media.Legacy, media.CMAF, media.LOC} {
			t.Run(fmt.Sprint(name, " ", kind), func(t *testing.T) {
				source := open(t, name)
				got := recordSource(t, source, kind)
				got.compare(t, all(open(t, name)), source.Tracks())
				if kind != media.CMAF { // which has decoding times, those of the source
					got.check(t)
				}
				got.play(t)
			})
		}
	}
}

// compare compares what was recorded with its source.
func (r *recorded) compare(t *testing.T, want []media.Packet, tracks []media.Track) {
	t.Helper()
	r.checkOrder(t)
	if r.err != nil || len(r.gaps) > 0 || len(r.tracks) != len(tracks) {
		t.Errorf("error %v, gaps %v, tracks %v", r.err, r.gaps, r.tracks)
	}
	for i, track := range tracks {
		if i == len(r.tracks) {
			break
		}
		want, got := of(want, track.ID), r.of(r.tracks[i].ID)
		if len(got) != len(want) {
			t.Errorf("track %d: %d packets of %d", i, len(got), len(want))
			continue
		}
		for j := range got {
			shown := (got[j].PTS - got[0].PTS) - (want[j].PTS - want[0].PTS)
			if shown.Abs() > 2*time.Microsecond || got[j].Key != want[j].Key || !bytes.Equal(got[j].Payload, want[j].Payload) {
				t.Errorf("track %d, packet %d: shown at %v, which is wrong by %v; key %v, %d bytes of %d", i, j, got[j].PTS, shown, got[j].Key, len(got[j].Payload), len(want[j].Payload))
			}
		}
	}
}

// file writes what was recorded.
func (r *recorded) file(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := fmp4.NewWriter(&file, r.tracks, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.packets {
		if err := w.WritePacket(&r.packets[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// play has ffmpeg decode what was recorded.
func (r *recorded) play(t *testing.T) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.mp4")
	if err := os.WriteFile(name, r.file(t), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("ffprobe"); err != nil {
		t.Skip("ffprobe is not installed")
	}
	command := exec.Command("ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", name)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("ffprobe: %v\n%s", err, &complaints)
	}
	var want []string
	for _, track := range r.tracks {
		want = append(want, fmt.Sprint(len(r.of(track.ID))))
	}
	if got := strings.Fields(string(out)); !slices.Equal(got, want) {
		t.Errorf("%v frames are decoded of %v", got, want)
	}
}

// annexB is a source whose pictures come in the form of annex B.
type annexB struct {
	media.Reader
	tracks []media.Track
	sets   codec.ParameterSets
	id     int
}

// inAnnexB returns a source without a description, of one with.
func inAnnexB(t testing.TB, source media.Reader, name string) *annexB {
	t.Helper()
	s := &annexB{Reader: source, tracks: slices.Clone(source.Tracks())}
	for i, track := range s.tracks {
		if track.Video == nil {
			continue
		}
		v := *track.Video
		c, err := codec.AVC.ParseConfiguration(v.Description)
		if err != nil {
			t.Fatal(err)
		}
		s.id, s.sets, v.Description = track.ID, c.ParameterSets, nil
		v.Codec = name + v.Codec[4:]
		s.tracks[i].Video = &v
	}
	return s
}

func (s *annexB) Tracks() []media.Track { return s.tracks }

func (s *annexB) ReadPacket(p *media.Packet) error {
	if err := s.Reader.ReadPacket(p); err != nil || p.Track != s.id {
		return err
	}
	var out []byte
	if p.Key {
		out = s.sets.Append(out)
	}
	out, err := codec.AppendAnnexB(out, p.Payload, 4)
	p.Payload, p.Config = out, nil
	return err
}

// TestAnnexB records pictures that have their parameter sets in the frames, as
// browsers publish them.
func TestAnnexB(t *testing.T) {
	for _, name := range []string{"avc1", "avc3"} {
		for _, sample := range []string{"h264_aac.mp4", "h264b_opus.mp4"} {
			t.Run(name+" "+sample, func(t *testing.T) {
				source := open(t, sample)
				got := recordSource(t, inAnnexB(t, source, name), media.Legacy)
				got.compare(t, all(open(t, sample)), source.Tracks())
				got.check(t)
				if v := got.tracks[0].Video; v == nil || !strings.HasPrefix(v.Codec, "avc1.") || len(v.Description) == 0 || v.CodedSize != (media.Size{Width: 160, Height: 120}) {
					t.Errorf("recorded as %+v", v)
				}
				got.play(t)
			})
		}
	}
}
