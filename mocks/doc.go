// Package mocks has a mock of every interface of packages api and transport,
// made by mockgen. Dial, subscribe and shut down against them without a
// network:
//
//	synctest.Test(t, func(t *testing.T) {
//		dialer := mocks.NewMockDialer(gomock.NewController(t))
//		dialer.EXPECT().Dial(gomock.Any(), url, gomock.Any()).Return(session, nil)
//		…
//	})
//
// Run such a test in a testing/synctest bubble. A call that nobody expects ends
// the goroutine it is made on; where that is not the test's own, a plain test
// then hangs until its timeout, without a word. In the bubble, the rest of the
// test blocks for good, which is noticed at once, and the failure names the
// call.
//
// A typed expectation without Return gives zero values, a nil Session and a nil
// error among them: always say what is returned. Package api/apitest has values
// for that. Mocks are for the edges, as a dial that fails; for behaviour,
// impl/moqtest has a real server in memory.
package mocks
