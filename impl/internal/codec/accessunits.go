package codec

// AccessUnits looks at the access units of a byte stream (annex B) one after
// the other. It keeps the parameter sets, and puts them before key frames that
// have none.
type AccessUnits struct {
	Codec NAL
	Video Video // what the last SPS tells; zero before the first one

	sets     ParameterSets
	idr      bool // there are IDR pictures
	recovery int  // recovery points, as long as there are no IDR pictures
	begun    bool // a key frame has come
	first    bool // it was the last one
}

// An AccessUnit is what is seen of an access unit up to its first slice.
type AccessUnit struct {
	Slice []byte // the first slice; nil: it has no picture
	Key   bool   // decoding can begin at it
	New   bool   // it has parameter sets that have not come before

	// Orphan: it refers to what came before the first key frame, so that it
	// cannot be decoded.
	Orphan bool

	complete bool // it has parameter sets
}

// Look looks at the next access unit.
//
// Decoders of browsers begin AVC at IDR pictures alone. A stream that has none
// is better begun at a recovery point than never: of such a stream each is a
// key frame, from the second one on.
func (a *AccessUnits) Look(unit []byte) (u AccessUnit) {
	c := a.Codec
	var sps, pps, recovery, changed bool
	for nal := range AnnexB(unit) {
		if c.Slice(nal) {
			u.Slice, u.Key = nal, c.Key(nal)
			break
		}
		sps, pps = sps || c.SPS(nal), pps || c.PPS(nal)
		recovery = recovery || c.RecoveryPoint(nal)
		if c.ParameterSet(nal) && !a.sets.Has(c, nal) {
			u.New, changed = true, changed || c.SPS(nal)
			a.sets.Add(c, nal)
		}
	}
	if changed {
		a.learn(unit)
	}
	if a.idr = a.idr || u.Key; recovery && u.Slice != nil && !a.idr {
		a.recovery++
		u.Key = a.recovery >= 2
	}
	if u.Key && a.Ready() {
		a.first, a.begun = !a.begun, true
	}
	u.Orphan = a.first && c.orphan(u.Slice)
	u.complete = sps && pps
	return u
}

// learn takes the parameter sets of an access unit with a new SPS.
func (a *AccessUnits) learn(unit []byte) {
	a.sets = a.Codec.ParameterSets(unit)
	if len(a.sets.SPS) == 0 {
		return
	}
	if v, err := a.Codec.ParseSPS(a.sets.SPS[0]); err == nil {
		a.Video = v
	}
}

// Ready reports whether decoding can begin with the parameter sets that have
// come, and the size of the pictures is known.
func (a *AccessUnits) Ready() bool { return a.sets.Complete(a.Codec) && a.Video.Profile != "" }

// Sets are the parameter sets that have come.
func (a *AccessUnits) Sets() ParameterSets { return a.sets }

// Append appends an access unit at which Look has looked: as it is, or if it is
// a key frame without parameter sets, with them behind its delimiter.
func (a *AccessUnits) Append(dst, unit []byte, u AccessUnit) []byte {
	if !u.Key || u.complete {
		return append(dst, unit...)
	}
	inserted := false
	for nal := range AnnexB(unit) {
		if !inserted && !a.Codec.Delimiter(nal) {
			inserted = true
			dst = a.sets.Append(dst)
		}
		if !a.Codec.ParameterSet(nal) {
			dst = AppendUnit(dst, nal)
		}
	}
	return dst
}
