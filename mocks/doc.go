// Package mocks has a mock of every interface of packages api, media and
// transport, made by mockgen. Dial, subscribe and shut down against them without
// a network:
//
//	synctest.Test(t, func(t *testing.T) {
//		ctrl := gomock.NewController(t)
//		dialer, asked := mocks.NewMockDialer(ctrl), mocks.NewMockSubscriber(ctrl)
//		session := apitest.Session(asked, apitest.Active("room"))
//		dialer.EXPECT().Dial(gomock.Any(), url, gomock.Any()).Return(session, nil)
//		asked.EXPECT().Subscribe(gomock.Any(), api.BroadcastPath("room"), api.TrackName("video"), nil).
//			Return(apitest.Track(api.TrackInfo{}, nil), nil)
//		…
//	})
//
// Run such a test in a testing/synctest bubble. A call that nobody expects ends
// the goroutine it is made on; where that is not the test's own, a plain test
// then hangs until its timeout, without a word. In the bubble, the rest of the
// test blocks for good, which is noticed at once, and the failure names the
// call.
//
// # Arguments have types
//
// The methods of EXPECT take arguments of any type, and an expected value
// equals the one that is passed only if both have the same type. So a path is
// written api.BroadcastPath("room"), a track api.TrackName("video"), a group
// api.GroupSequence(7): a plain "room" is a string, which no call passes. The
// failure shows both types:
//
//	Unexpected call to *mocks.MockSubscriber.Subscribe([context.Background room video <nil>]) at … because:
//	expected call at … doesn't match the argument at index 1.
//	Got: room (api.BroadcastPath)
//	Want: is equal to room (string)
//
// # Returns
//
// A typed expectation without Return gives zero values, a nil Session and a nil
// error among them: always say what is returned. Package api/apitest has values
// for that. gomock.InOrder takes the typed expectations as they are.
//
// # Beneath a redialer
//
// A redialer asks the sessions beneath it for more than the application does:
// for State, Stats, Context and GoneAway at any time, for the Announcements of
// what is subscribed to, and for a TrackInfo, or a subscription, of the path
// .keepalive as a sign of life; it ends them by Terminate, and may send GoAway
// before. apitest.Session answers all of that by itself, so that a mock beneath
// it needs no expectations but those of the application's own requests.
//
// Mocks are for the edges, as a dial that fails; for behaviour, impl/moqtest has
// a real server in memory.
package mocks
