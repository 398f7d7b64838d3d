// Package apitest has ready-made values for the tests of applications: sessions
// and readers with a given content, for mocks to return, and writers that record
// what a handler writes. Nothing in it does any I/O or starts a goroutine, so it works
// within a testing/synctest bubble.
//
//	group := apitest.Group(7, nil, apitest.Frames("noon")...)
//	session := apitest.Session(subscriber, apitest.Active(path)) // for a mocked Dial
//	subscriber.EXPECT().Subscribe(gomock.Any(), path, name, nil).
//		Return(apitest.Track(api.TrackInfo{}, nil, group), nil)
//	…
//	w := apitest.NewTrackRecorder(ctx, api.TrackRequest{Path: "room", Name: "chat"})
//	handler.ServeTrack(w)
//	frames := w.Groups()[0].Frames()
package apitest
