package transport

// stream returns a stream with the hooks, unless err is set.
func (h *ConnHooks) stream(st Stream, err error) (Stream, error) {
	if err != nil {
		return nil, err
	}
	o := observedStream{st, h}
	if tries, ok := As[TryWriter](st); ok {
		return &observedTryStream{o, tries}, nil
	}
	return &o, nil
}

// sendStream is stream for one half.
func (h *ConnHooks) sendStream(st SendStream, err error) (SendStream, error) {
	if err != nil || h.Sent == nil {
		return st, err
	}
	o := observedSend{st, h}
	if tries, ok := As[TryWriter](st); ok {
		return &observedTrySend{o, tries}, nil
	}
	return &o, nil
}

// receiveStream is stream for the other half.
func (h *ConnHooks) receiveStream(st ReceiveStream, err error) (ReceiveStream, error) {
	if err != nil || h.Received == nil {
		return st, err
	}
	return &observedReceive{st, h}, nil
}

// An observedStream is a bidirectional stream with hooks.
type observedStream struct {
	Stream
	hooks *ConnHooks
}

// Unwrap returns the stream that is observed.
func (s *observedStream) Unwrap() Stream { return s.Stream }

func (s *observedStream) Write(p []byte) (int, error) {
	n, err := s.Stream.Write(p)
	s.hooks.sent(n)
	return n, err
}

func (s *observedStream) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	s.hooks.received(n)
	return n, err
}

// An observedTryStream is an observedStream that can be tried.
type observedTryStream struct {
	observedStream
	tries TryWriter
}

// TryWrite implements [TryWriter].
func (s *observedTryStream) TryWrite(p []byte) (int, error) { return s.hooks.try(s.tries, p) }

// An observedSend is a sending half with hooks.
type observedSend struct {
	SendStream
	hooks *ConnHooks
}

// Unwrap returns the half that is observed.
func (s *observedSend) Unwrap() SendStream { return s.SendStream }

func (s *observedSend) Write(p []byte) (int, error) {
	n, err := s.SendStream.Write(p)
	s.hooks.sent(n)
	return n, err
}

// An observedTrySend is an observedSend that can be tried.
type observedTrySend struct {
	observedSend
	tries TryWriter
}

// TryWrite implements [TryWriter].
func (s *observedTrySend) TryWrite(p []byte) (int, error) { return s.hooks.try(s.tries, p) }

// An observedReceive is a receiving half with hooks.
type observedReceive struct {
	ReceiveStream
	hooks *ConnHooks
}

// Unwrap returns the half that is observed.
func (s *observedReceive) Unwrap() ReceiveStream { return s.ReceiveStream }

func (s *observedReceive) Read(p []byte) (int, error) {
	n, err := s.ReceiveStream.Read(p)
	s.hooks.received(n)
	return n, err
}

// try writes to a stream without blocking.
func (h *ConnHooks) try(w TryWriter, p []byte) (int, error) {
	n, err := w.TryWrite(p)
	h.sent(n)
	return n, err
}
