package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// A Source has keys that are read from elsewhere ([File], [Dir], [URL]), and
// read again when they change: replacing a key there is all that it takes. What
// cannot be read, or is no key, leaves the last good one in use, and is logged
// once.
type Source struct {
	// Logger is told of keys that change, and of those that cannot be used.
	// Nil: nothing is logged. It must not change once the source is in use.
	Logger *slog.Logger

	origin interface {
		key(ctx context.Context, s *Source, kid string) (Keys, error)
		load(ctx context.Context, s *Source) error
	}

	mu    sync.Mutex
	known map[string]*known // by what names it within the origin
}

// A known is what a source has read.
type known struct {
	text []byte
	good Keys  // the last that could be used; nil if there was none
	bad  error // why the text cannot be used
}

// Key implements [Keys].
func (s *Source) Key(ctx context.Context, kid string) (*Key, error) {
	keys, err := s.origin.key(ctx, s, kid)
	if err != nil {
		return nil, err
	}
	return keys.Key(ctx, kid)
}

// Load reads the keys now, so that a program can refuse to start without them.
// The error tells of every key that cannot be used; those of a directory that
// can be used are used all the same.
func (s *Source) Load(ctx context.Context) error { return s.origin.load(ctx, s) }

// Validate reports whether the address of [URL] can be used, without asking there.
// Files and directories are valid always: what is in them changes.
func (s *Source) Validate() error {
	if l, ok := s.origin.(*location); ok {
		if _, err := parsePlace(l.url, false); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	return nil
}

// logger returns Logger, or one that drops everything.
func (s *Source) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

// last returns what was read before, or nil.
func (s *Source) last(name string) *known {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[name]
}

// take keeps what was read, with the last that was good if this is not; failed
// says why nothing could be read.
func (s *Source) take(name string, text []byte, failed error, parse func([]byte) (Keys, error)) *known {
	k := s.last(name)
	// The usual case, which parses nothing: files are read for each token.
	if k != nil && failed == nil && k.text != nil && bytes.Equal(k.text, text) {
		return k
	}
	now := &known{text: text, bad: failed}
	if failed == nil {
		now.good, now.bad = parse(text)
	}
	// A key that is being replaced must not lock everybody out for a moment.
	if now.bad != nil && k != nil {
		now.good = k.good
	}
	s.mu.Lock()
	if s.known == nil {
		s.known = make(map[string]*known)
	}
	s.known[name] = now
	s.mu.Unlock()
	s.tell(name, k, now)
	return now
}

// use returns what is to be used.
func (k *known) use() (Keys, error) {
	if k.good == nil {
		return nil, unavailable(k.bad)
	}
	return k.good, nil
}

// tell logs what is different.
func (s *Source) tell(name string, before, now *known) {
	switch {
	case now.bad != nil && (before == nil || before.bad == nil || before.bad.Error() != now.bad.Error()):
		s.logger().Warn("keys cannot be used", "keys", name, "error", now.bad, "last_good_in_use", now.good != nil)
	case now.bad == nil && before != nil:
		s.logger().Info("keys have changed", "keys", name)
	}
}

// forget removes what was read.
func (s *Source) forget(name string) {
	if s.last(name) == nil {
		return
	}
	s.mu.Lock()
	delete(s.known, name)
	s.mu.Unlock()
	s.logger().Info("a key is gone", "keys", name)
}

// A file holds one key.
type file string

// File returns the key in a file ([ParseKey]), for all tokens, whatever kid they
// name. The file is read for each token, so a token is never verified with a key
// that was replaced before; a file that is missing leaves the last key in use.
func File(name string) *Source { return &Source{origin: file(name)} }

// key reads the file, and returns its key or the last good one.
func (f file) key(_ context.Context, s *Source, _ string) (Keys, error) {
	text, err := readFile(string(f))
	return s.take(string(f), text, err, parseAlone).use()
}

// load reads the file, and reports why its key cannot be used, even if the one before
// still is.
func (f file) load(_ context.Context, s *Source) error {
	text, err := readFile(string(f))
	if bad := s.take(string(f), text, err, parseAlone).bad; bad != nil {
		return fmt.Errorf("keys %s: %w", string(f), bad)
	}
	return nil
}

// readFile reads a file of keys.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, maxKeyBytes)
}

// A dir holds a key a file.
type dir string

// Dir returns the keys in a directory: that of a token is in the file KID.jwk,
// where KID is the kid that the token has to name. A file is read for each
// token. One that is removed takes its key with it; one that is no key leaves the
// last one in use.
func Dir(name string) *Source { return &Source{origin: dir(name)} }

// key reads the file of the key that the token names. That it is missing counts only
// if the directory is there: with the directory gone, as when it is not mounted, the
// last keys stay in use.
func (d dir) key(_ context.Context, s *Source, kid string) (Keys, error) {
	if kid == "" {
		return nil, refuse("the token names no key")
	}
	if !validID(kid) { // it becomes a part of a path
		return nil, errUnknownKey(kid)
	}
	name := filepath.Join(string(d), kid+keySuffix)
	text, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(string(d)); err == nil {
			s.forget(name)
			return nil, errUnknownKey(kid)
		}
	}
	return s.take(name, text, err, parseAlone).use()
}

// load reads all keys of the directory, and reports each that cannot be used. Files
// of other names are no keys, and nobody's mistake.
func (d dir) load(ctx context.Context, s *Source) error {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	var failed []error
	for _, entry := range entries {
		if kid, ok := directoryKey(entry.Name()); ok && ctx.Err() == nil {
			failed = append(failed, file(filepath.Join(string(d), kid+keySuffix)).load(ctx, s))
		}
	}
	return errors.Join(append(failed, context.Cause(ctx))...)
}

var _ Keys = (*Source)(nil)
