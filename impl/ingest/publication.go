package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/live"
)

// The tracks that hold catalogs: see [media.CatalogTrack].
const (
	hangName api.TrackName = "catalog.json"
	msfName  api.TrackName = "catalog"
)

// What relays and subscribers are told of tracks, as other publishers of media
// tell it.
var (
	catalogInfo = api.TrackInfo{Priority: -27, MaxLatency: 5 * time.Second}
	audioInfo   = api.TrackInfo{Priority: -47, MaxLatency: 30 * time.Second, Timescale: timescale}
	videoInfo   = api.TrackInfo{Priority: -67, MaxLatency: 30 * time.Second, Timescale: timescale}
)

// A publication is the tracks of a broadcast that a source fills: its feeds by
// the number of the source's track, and the catalogs.
type publication struct {
	config   Config
	feeds    map[int]*feed
	tracks   []media.Track // as they are published, in the source's order
	clock    *media.Clock
	catalogs []catalogTrack
}

// A catalogTrack is one form of the catalog, and the track that has it.
type catalogTrack struct {
	sink   api.TrackSink
	update func(ctx context.Context, c *media.Catalog) error
}

// publish makes the tracks, so that they can be subscribed to at once. Nothing is
// in them yet.
func publish(b *live.Broadcast, source media.Reader, c Config) (*publication, error) {
	tracks := source.Tracks()
	if len(tracks) == 0 {
		return nil, errors.New("ingest: the source has no track")
	}
	p := &publication{config: c, feeds: make(map[int]*feed), clock: c.Clock}
	names, err := trackNames(tracks, c.Name)
	if err != nil {
		return nil, err
	}
	for i, t := range tracks {
		t = clone(t)
		f := &feed{name: names[i], video: t.Video != nil, span: c.AudioGroup, logger: c.Logger}
		p.tracks, p.feeds[t.ID] = append(p.tracks, t), f
		if units, is := inBand(t); is && c.Container == media.CMAF {
			f.units = &units // its encoder follows when its description is known
		} else if err := p.setEncoder(t); err != nil {
			return nil, err
		}
	}
	p.addCatalogs(b)
	for i, t := range p.tracks {
		info := audioInfo
		if t.Video != nil {
			info = videoInfo
		}
		p.feeds[t.ID].sink = b.Track(names[i], info)
	}
	return p, nil
}

// addCatalogs makes the tracks of the catalogs.
func (p *publication) addCatalogs(b *live.Broadcast) {
	hang := b.Track(hangName, catalogInfo)
	p.catalogs = append(p.catalogs, catalogTrack{hang, media.NewCatalogWriter(hang).Update})
	if p.config.MSF {
		msf := b.Track(msfName, catalogInfo)
		p.catalogs = append(p.catalogs, catalogTrack{msf, media.NewMSFWriter(msf).Update})
	}
}

// trackNames returns the names of the tracks, in their order.
func trackNames(tracks []media.Track, name func(media.Track) api.TrackName) ([]api.TrackName, error) {
	if name == nil {
		name = defaultNames(tracks)
	}
	var names []api.TrackName
	for _, t := range tracks {
		if (t.Video == nil) == (t.Audio == nil) {
			return nil, fmt.Errorf("ingest: track %d of the source is neither video nor audio, or both", t.ID)
		}
		n := name(t)
		if n == "" || n == hangName || n == msfName || slices.Contains(names, n) {
			return nil, fmt.Errorf("ingest: track %d of the source cannot be named %q: it is empty, a catalog's, or another track's", t.ID, n)
		}
		names = append(names, n)
	}
	return names, nil
}

// defaultNames returns the function that names a track by its kind, numbered
// where there are several of a kind.
func defaultNames(tracks []media.Track) func(media.Track) api.TrackName {
	kinds, seen := map[string]int{}, map[string]int{}
	for _, t := range tracks {
		kinds[kindOf(t)]++
	}
	return func(t media.Track) api.TrackName {
		kind := kindOf(t)
		seen[kind]++
		if kinds[kind] == 1 {
			return api.TrackName(kind)
		}
		return api.TrackName(fmt.Sprintf("%s%d", kind, seen[kind]))
	}
}

func kindOf(t media.Track) string {
	if t.Video != nil {
		return "video"
	}
	return "audio"
}

// clone returns a copy of t whose rendition may be changed.
func clone(t media.Track) media.Track {
	if t.Video != nil {
		v := *t.Video
		t.Video = &v
	}
	if t.Audio != nil {
		a := *t.Audio
		t.Audio = &a
	}
	return t
}

// track returns the published track of the source's track.
func (p *publication) track(id int) media.Track {
	i := slices.IndexFunc(p.tracks, func(t media.Track) bool { return t.ID == id })
	return p.tracks[i]
}

// setEncoder makes the encoder of a track, and describes its container.
func (p *publication) setEncoder(t media.Track) error {
	encoder, init, err := newEncoder(p.config.Container, t)
	if err != nil {
		return fmt.Errorf("ingest: track %s: %w", p.feeds[t.ID].name, err)
	}
	container := media.Container{Kind: p.config.Container, Init: init}
	if t.Video != nil {
		t.Video.Container = container
	} else {
		t.Audio.Container = container
	}
	f := p.feeds[t.ID]
	f.encoder = encoder
	if f.units != nil {
		f.encoder = &samples{encoder: encoder, codec: *f.units}
	}
	return nil
}

// announce publishes the catalog as it is now. What has not changed is not
// published again.
func (p *publication) announce(ctx context.Context) error {
	c := &media.Catalog{Clock: p.clock}
	for _, t := range p.tracks {
		name := p.feeds[t.ID].name
		if t.Video != nil {
			if c.Video.Renditions == nil {
				c.Video.Renditions = make(map[api.TrackName]media.VideoRendition)
			}
			c.Video.Renditions[name] = *t.Video
			continue
		}
		if c.Audio.Renditions == nil {
			c.Audio.Renditions = make(map[api.TrackName]media.AudioRendition)
		}
		c.Audio.Renditions[name] = *t.Audio
	}
	if p.config.Edit != nil {
		p.config.Edit(c)
	}
	for _, track := range p.catalogs {
		if err := track.update(ctx, c); err != nil {
			return fmt.Errorf("ingest: the catalog: %w", err)
		}
	}
	return nil
}

// end ends the tracks, and then the catalogs.
func (p *publication) end(err error) {
	for _, f := range p.feeds {
		f.end(err)
	}
	for _, c := range p.catalogs {
		_ = c.sink.Close()
	}
}
