package relay

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// A feed is one subscription upstream that fills a track.
type feed struct {
	route *route
	track *live.Track
	begun chan struct{} // closed at its first group
	done  chan error    // buffered 1: how it has ended; io.EOF is the track's end

	// What is accepted from now on ends with accepting, what is being read with
	// life.
	accepting, life context.Context
	retire, stop    context.CancelFunc

	mu     sync.Mutex
	reader api.TrackReader
	config api.SubscribeConfig
}

// startFeed subscribes to a track by a route.
func startFeed(rt *route, path api.BroadcastPath, name api.TrackName, track *live.Track, config api.SubscribeConfig) *feed {
	f := &feed{route: rt, track: track, config: config, begun: make(chan struct{}), done: make(chan error, 1)}
	f.life, f.stop = context.WithCancel(context.Background())
	f.accepting, f.retire = context.WithCancel(f.life)
	go func() {
		defer f.stop()
		f.done <- f.run(path, name)
	}()
	return f
}

func (f *feed) run(path api.BroadcastPath, name api.TrackName) error {
	first := f.wanted()
	r, err := f.route.session.Subscribe(f.accepting, path, name, &first)
	if err != nil {
		return err
	}
	defer r.Close()
	f.mu.Lock()
	f.reader = r
	latest := f.config
	f.mu.Unlock()
	if latest != first {
		_ = r.Update(&latest)
	}
	var working sync.WaitGroup
	defer working.Wait()
	stop := context.AfterFunc(f.life, func() { _ = r.Close() })
	defer stop()
	working.Go(func() { f.passDatagrams(r) })
	return f.passGroups(r, &working)
}

func (f *feed) wanted() api.SubscribeConfig {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.config
}

// update changes what is asked for, but for where it began: later subscribers
// do not begin before that.
func (f *feed) update(config api.SubscribeConfig) {
	f.mu.Lock()
	config.StartGroup = f.config.StartGroup
	r, same := f.reader, f.config == config
	f.config = config
	f.mu.Unlock()
	if r != nil && !same {
		_ = r.Update(&config)
	}
}

// passGroups copies groups while they arrive, all at once, until the end.
func (f *feed) passGroups(r api.TrackReader, working *sync.WaitGroup) error {
	var once sync.Once
	for {
		g, err := r.AcceptGroup(f.accepting)
		if err != nil {
			if f.accepting.Err() != nil {
				return context.Cause(f.accepting)
			}
			return err
		}
		once.Do(func() { close(f.begun) })
		out, err := f.track.Paced().OpenGroupAt(f.life, g.Sequence())
		if err != nil { // it is there already, or too old
			g.Cancel(api.ErrorCode(err))
			continue
		}
		working.Go(func() { f.copy(out, g) })
	}
}

func (f *feed) copy(out api.GroupWriter, g api.GroupReader) {
	stop := context.AfterFunc(out.Context(), func() { g.Cancel(api.StreamCancelled) })
	defer stop()
	_ = api.CopyGroup(out, g)
}

// passDatagrams copies datagrams, in versions that have them.
func (f *feed) passDatagrams(r api.TrackReader) {
	var d api.Datagram
	for r.ReceiveDatagram(f.accepting, &d) == nil {
		_ = f.track.SendDatagram(d)
	}
}

// ended tells whether err is the end of a track.
func ended(err error) bool { return errors.Is(err, io.EOF) }
