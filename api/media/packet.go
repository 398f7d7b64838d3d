package media

import "time"

// A Track is one elementary stream of a source, as the source tells it. Either
// Video or Audio is set; its Container is the zero value.
type Track struct {
	// ID is the track's number in [Packet].Track: any number, each once.
	ID int

	Video *VideoRendition // of a track of pictures; else nil
	Audio *AudioRendition // of a track of sound; else nil
}

// A Packet is one coded picture, or one coded frame of sound, with its times
// since the beginning of the source's clock.
//
// A payload is what the codec's sample in MP4 is: for AVC and HEVC
// length-prefixed NAL units where the track has a description, and Annex B with
// parameter sets before each key frame where it has none; for AAC without ADTS.
type Packet struct {
	Track    int           // ID of the packet's [Track]
	PTS, DTS time.Duration // when it is shown, and when it is decoded; may be below zero
	Duration time.Duration // 0: not known
	Key      bool          // decoding can begin here; true of all sound

	// Config is the description of the codec that holds from this packet on;
	// nil: as before.
	Config []byte

	Payload []byte // see above
}

// A Reader is a source of packets. One goroutine at a time may use it.
type Reader interface {
	// Tracks returns the tracks of the source. It does not block, and returns
	// the same each time; the caller changes nothing of it.
	Tracks() []Track

	// ReadPacket reads the next packet into p, in the order in which the
	// source has them: in decoding order within a track. It blocks until the
	// source has one. It sets every field of p and reuses the capacity of
	// p.Payload; p is the caller's until the next call, and p.Config for good.
	//
	// The error is [io.EOF] after the last packet. Any other error says what
	// is wrong with the source, and every later call returns it again.
	ReadPacket(p *Packet) error
}

// A Writer takes packets, as a file does. One goroutine at a time may use it.
type Writer interface {
	// WritePacket writes p, in decoding order within a track. It keeps nothing
	// of p after it has returned. After an error, every later call returns it
	// again.
	WritePacket(p *Packet) error

	// Close writes what is held back and ends what was written. It does not
	// close what lies beneath.
	Close() error
}
