package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/internal/follow"
	"github.com/moqlite/moqlite/api/internal/mergepatch"
)

// CatalogTrack returns the name of a broadcast's catalog track: "catalog", which
// is MSF, if its path ends in ".msf", and "catalog.json", which is hang, if it
// ends otherwise.
func CatalogTrack(path api.BroadcastPath) api.TrackName {
	if isMSF(path) {
		return "catalog"
	}
	return "catalog.json"
}

func isMSF(path api.BroadcastPath) bool { return strings.HasSuffix(string(path.Clean()), ".msf") }

// Catalogs follows the catalog of a broadcast, which may not be announced yet:
// it yields each version, the newest where several have come, and waits through
// those without any track, which publishers begin with. It ends without an error
// when the catalog track ends, as it does with its broadcast.
//
//	for catalog, err := range media.Catalogs(ctx, session, "room/cam.hang") {
//		if err != nil {
//			return err
//		}
//		fmt.Println(len(catalog.Video.Renditions), len(catalog.Audio.Renditions))
//	}
//
// It yields any other error once, with a nil catalog, and ends, except after two:
// [api.ErrRestarted], when a session that reconnects (package redial) has found
// the broadcast anew, and [ErrCatalog], when a version cannot be read or nothing
// in it can. Then it goes on with the next version, which comes even if it is the
// same as before. What else is wrong with a version is not told: see [Documents].
//
// It blocks between versions until ctx ends, which is an error. Leaving the loop
// unsubscribes.
func Catalogs(ctx context.Context, s api.Subscriber, path api.BroadcastPath) iter.Seq2[*Catalog, error] {
	parse := ParseCatalog
	if isMSF(path) {
		parse = ParseMSF
	}
	return func(yield func(*Catalog, error) bool) {
		var last []byte
		for doc, err := range Documents(ctx, s, path) {
			var c *Catalog
			if err == nil && last != nil && bytes.Equal(doc, last) {
				continue
			}
			if err == nil {
				c, err = usable(parse, doc)
			}
			if last = doc; err != nil {
				last = nil
			}
			if (c != nil || err != nil) && !yield(c, err) {
				return
			}
		}
	}
}

// usable reads a document; nil if it has no track. If it has some, but none can
// be read, the error says why.
func usable(parse func([]byte) (*Catalog, []error, error), doc []byte) (*Catalog, error) {
	c, told, err := parse(doc)
	if err != nil {
		return nil, err
	}
	if !c.IsEmpty() {
		return c, nil
	}
	if len(told) > 0 {
		return nil, fmt.Errorf("%w: no track of it can be read: %w", ErrCatalog, errors.Join(told...))
	}
	return nil, nil
}

// Documents is [Catalogs] without reading them: it yields each version of the
// catalog as the publisher has written it, or with its patches (RFC 7396)
// applied, those without tracks too. The caller may keep them. A version whose
// patches cannot be applied is an error that matches [ErrCatalog], after which it
// goes on.
//
//	for doc, err := range media.Documents(ctx, session, path) {
//		…
//		catalog, told, err := media.ParseCatalog(doc) // told: what is wrong with it
//	}
func Documents(ctx context.Context, s api.Subscriber, path api.BroadcastPath) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		track, err := api.SubscribeWhenAnnounced(ctx, s, path, CatalogTrack(path), &api.SubscribeConfig{
			Priority:   catalogPriority,
			StartGroup: api.GroupLatest,
		})
		if err != nil {
			yield(nil, fmt.Errorf("catalog of %q: %w", string(path), err))
			return
		}
		defer track.Close()
		follow.Documents(ctx, track, documentReader, func(doc []byte, err error) bool {
			_, unread := errors.AsType[*follow.DocumentError](err)
			switch {
			case errors.Is(err, follow.ErrEnded):
				return false
			case unread:
				err = fmt.Errorf("catalog of %q: %w: %w", string(path), ErrCatalog, err)
			case err != nil:
				err = fmt.Errorf("catalog of %q: %w", string(path), err)
			}
			return yield(doc, err)
		})
	}
}

// maxDocument bounds a catalog: patches could make it grow for ever.
const maxDocument = 4 << 20

// documentReader reads the catalogs of a group: a whole one, and patches to it.
func documentReader() follow.Reader {
	var doc []byte
	return func(payload []byte) (_ []byte, err error) {
		if doc == nil {
			doc = append([]byte{}, payload...)
		} else if doc, err = mergepatch.Apply(doc, payload); err != nil {
			return nil, err
		}
		if len(doc) > maxDocument {
			return nil, fmt.Errorf("it has grown to %d bytes: at most %d are read", len(doc), maxDocument)
		}
		return doc, nil
	}
}

// catalogPriority is what all players ask for the catalog with, above that of
// sound (80) and pictures (60).
const catalogPriority = 100
