package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// reloadEvery is how often it is looked whether files have changed.
const reloadEvery = time.Second

// A reloaded is what was read from files, and is read again when they change. What cannot
// be read, as while only one of two files was replaced, leaves the last that could.
type reloaded[T any] struct {
	what  string // for people
	files []string
	read  func() (T, error)
	value atomic.Pointer[T]
	seen  []os.FileInfo // the files as they were read last
}

// A refresher is a reloaded of any type.
type refresher interface {
	// refresh reads the files if they have changed, or if it must. It reports whether
	// it has tried to.
	refresh(must bool) (read bool, err error)
	String() string
}

// newReloaded reads the files for the first time.
func newReloaded[T any](what string, read func() (T, error), files ...string) (*reloaded[T], error) {
	r := &reloaded[T]{what: what, files: files, read: read}
	_, err := r.refresh(true)
	return r, err
}

// get returns what was read last. Any goroutine may call it.
func (r *reloaded[T]) get() T { return *r.value.Load() }

// String implements [refresher].
func (r *reloaded[T]) String() string { return r.what }

// refresh implements [refresher].
func (r *reloaded[T]) refresh(must bool) (read bool, err error) {
	// Before they are read: what is written meanwhile is a change yet.
	now := make([]os.FileInfo, len(r.files))
	for i, name := range r.files {
		now[i], _ = os.Stat(name)
	}
	if !must && slices.EqualFunc(now, r.seen, isUnchanged) {
		return false, nil
	}
	r.seen = now
	v, err := r.read()
	if err == nil {
		r.value.Store(&v)
	}
	return true, err
}

// isUnchanged reports whether a file is as it was; nil stands for one that is not there.
func isUnchanged(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// keepReloading reads files again when they change, and all of them when hangup receives,
// until ctx ends.
func (o *options) keepReloading(ctx context.Context, hangup <-chan os.Signal, all []refresher) {
	ticker := time.NewTicker(reloadEvery)
	defer ticker.Stop()
	for {
		must := false
		select {
		case <-ticker.C:
		case <-hangup:
			must = true
		case <-ctx.Done():
			return
		}
		for _, r := range all {
			switch read, err := r.refresh(must); {
			case err != nil:
				fmt.Fprintf(o.err, "cannot read %v again, the last one stays: %v\n", r, err)
			case read:
				fmt.Fprintf(o.err, "read %v again\n", r)
			}
		}
	}
}
