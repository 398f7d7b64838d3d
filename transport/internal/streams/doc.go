// Package streams has what the connections of memconn and qmux have in common:
// the two halves of a stream ([SendHalf], [ReceiveHalf]), the part of a
// connection that all its streams share ([Conn]), and limits of how many may
// be open ([Limit]). It knows what an application may do with a stream and
// what it is then told. How bytes and notices get to the peer is the
// transport's: it embeds the halves in streams of its own, which are their
// [Sender] and [Receiver].
//
// What always holds:
//
//   - A half is over once, by the first of these: Close, a reset by either
//     side, the end of the connection. That first one is the cause of its
//     Context.
//   - A half ends once, and Ended tells it: when both the application and the
//     peer know that it is over, or with a connection that ends before. Until
//     then the stream has a place in the limit of the side that opened it.
//   - Each byte that arrives is given back once, to Freed: when it is read, or
//     when nobody can read it any more. Only the end of the connection gives
//     nothing back.
//
// One lock guards a connection and all its streams. The methods that
// applications call take it, and each says so where it must be held instead.
// The methods of Sender and Receiver are called with the lock held, and must
// not block.
package streams
