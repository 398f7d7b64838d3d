package media

func (o *object) video(v VideoRendition) {
	o.codec(v.Codec)
	o.container(v.Container)
	o.hex("description", v.Description)
	o.int("codedWidth", v.CodedSize.Width)
	o.int("codedHeight", v.CodedSize.Height)
	o.size("displayAspectWidth", "displayAspectHeight", v.DisplayAspect)
	o.number("framerate", v.Framerate)
	o.integer("bitrate", v.Bitrate, maxInteger)
	o.milliseconds("jitter", v.Jitter)
	o.milliseconds("delay", v.Delay)
	o.text("label", v.Label)
	o.boolean("stalled", v.Stalled)
	o.text("broadcast", v.Broadcast)
	// displayRatio is what displayAspect was called: readers in Rust refuse both.
	o.extra(v.Extra, unfit, "description", "codedWidth", "codedHeight", "displayAspectWidth", "displayAspectHeight",
		"displayRatioWidth", "displayRatioHeight", "framerate", "bitrate", "jitter", "delay", "label", "stalled", "broadcast")
}

func (o *object) audio(a AudioRendition) {
	o.codec(a.Codec)
	o.container(a.Container)
	o.hex("description", a.Description)
	o.needed("sampleRate", a.SampleRate)
	o.needed("numberOfChannels", a.Channels)
	o.integer("bitrate", a.Bitrate, maxInteger)
	o.milliseconds("jitter", a.Jitter)
	o.milliseconds("delay", a.Delay)
	o.text("label", a.Label)
	o.text("broadcast", a.Broadcast)
	o.extra(a.Extra, unfit, "description", "bitrate", "jitter", "delay", "label", "broadcast")
}

func (o *object) textRendition(t TextRendition) {
	if t.Format == "" {
		o.refuse(`format is empty: it is "vtt", "ttml", "utf8", or another`)
	}
	o.text("format", t.Format)
	o.text("role", t.Role)
	o.text("lang", t.Lang)
	o.text("label", t.Label)
	o.container(t.Container)
	o.milliseconds("jitter", t.Jitter)
	o.milliseconds("delay", t.Delay)
	o.text("broadcast", t.Broadcast)
	o.extra(t.Extra, nil, "role", "lang", "label", "jitter", "delay", "broadcast")
}

func (o *object) data(d DataTrack) {
	if d.Mode == "" {
		o.refuse(`mode is empty: it is "snapshot", "stream", or another`)
	}
	o.text("mode", d.Mode)
	o.text("compression", d.Compression)
	o.text("schema", d.Schema)
	o.text("mime", d.Mime)
	o.integer("bitrate", d.Bitrate, maxInteger)
	o.milliseconds("jitter", d.Jitter)
	o.milliseconds("delay", d.Delay)
	o.text("broadcast", d.Broadcast)
	o.extra(d.Extra, nil, "compression", "schema", "mime", "bitrate", "jitter", "delay", "broadcast")
}
