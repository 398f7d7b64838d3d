package api

import "slices"

// Patterns name all that one of them names. Nil names nothing. Methods that
// return Patterns return new ones, and leave the receiver as it is.
type Patterns []Pattern

// ParsePatterns returns the canonical form of patterns, or what is wrong with
// the first of them that is no pattern. See [Patterns.Canonical].
func ParsePatterns(patterns ...string) (Patterns, error) {
	ps := make(Patterns, len(patterns))
	for i, s := range patterns {
		ps[i] = Pattern(s)
	}
	return ps.Canonical()
}

// Validate reports why one of ps is no pattern.
func (ps Patterns) Validate() error {
	for _, p := range ps {
		if err := p.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Canonical returns ps sorted, each in its canonical form, and without those
// that another one covers: of "b", "a/*" and "a/1" it returns "a/*" and "b". It
// fails if one of them is no pattern.
func (ps Patterns) Canonical() (Patterns, error) {
	if err := ps.Validate(); err != nil {
		return nil, err
	}
	all := make(Patterns, len(ps))
	for i, p := range ps {
		all[i] = p.canonical()
	}
	return all.reduced(), nil
}

// reduced sorts ps, which are canonical, and removes those that another one
// covers.
func (ps Patterns) reduced() Patterns {
	slices.Sort(ps)
	ps = slices.Compact(ps)
	var wild Patterns // only they can cover another one
	for _, p := range ps {
		if p.wild() {
			wild = append(wild, p)
		}
	}
	return slices.DeleteFunc(ps, func(p Pattern) bool {
		return slices.ContainsFunc(wild, func(q Pattern) bool { return q != p && q.Covers(p) })
	})
}

// Matches reports whether one of ps names path. It allocates nothing if path is
// clean. It takes time in proportion to the number of patterns.
func (ps Patterns) Matches(path BroadcastPath) bool {
	for _, p := range ps {
		if p.Matches(path) {
			return true
		}
	}
	return false
}

// Covers reports whether each of others is covered by one of ps. That several
// of ps together name what one of others does is not enough. Nil is covered by
// everything.
func (ps Patterns) Covers(others Patterns) bool {
	for _, other := range others {
		if !slices.ContainsFunc(ps, func(p Pattern) bool { return p.Covers(other) }) {
			return false
		}
	}
	return true
}

// Below returns what ps name below path, relative to it, in canonical form
// ([Pattern.Below]).
func (ps Patterns) Below(path BroadcastPath) Patterns {
	var left Patterns
	for _, p := range ps {
		left = append(left, p.Below(path)...)
	}
	return left.reduced()
}

// Under returns the patterns that name below path what ps name below the root,
// in canonical form ([Pattern.Under]).
func (ps Patterns) Under(path BroadcastPath) (Patterns, error) {
	all := make(Patterns, len(ps))
	for i, p := range ps {
		var err error
		if all[i], err = p.Under(path); err != nil {
			return nil, err
		}
	}
	return all.reduced(), nil
}
