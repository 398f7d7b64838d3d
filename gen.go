// Package moqlite is the root of the module. Applications import package api
// for the interfaces, package wire (or impl) to build what implements them,
// and package mocks in their tests.
//
// The generated code of the module is made by
//
//	go generate .
//
// and by nothing else: what package wire's injectors carry of their own is for
// another set-up and must not run.
package moqlite

//go:generate go tool mockgen -typed -write_package_comment=false -package mocks -destination mocks/api.go github.com/moqlite/moqlite/api AnnouncementReader,BelowHandler,BitrateReader,Client,Dialer,FetchHandler,GapWriter,GroupReader,GroupWriter,InfoHandler,LatestHandler,OriginHandler,PublishScope,Server,Session,SharedWriter,Subscriber,TrackHandler,TrackReader,TrackSink,TrackWriter
//go:generate go tool mockgen -typed -write_package_comment=false -package mocks -mock_names Dialer=MockTransportDialer -destination mocks/transport.go github.com/moqlite/moqlite/transport Conn,DatagramConn,Dialer,Listener,Prioritizer,ReceiveStream,SendStream,StatsConn,Stream,TargetDialer,TryWriter
//go:generate go tool mockgen -typed -write_package_comment=false -package mocks -mock_names Reader=MockMediaReader,Writer=MockMediaWriter -destination mocks/media.go github.com/moqlite/moqlite/api/media Reader,Writer
//go:generate go tool wire gen ./wire
