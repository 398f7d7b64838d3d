// Package impl implements the interfaces of package api: [Client] and [Server]
// compose a transport with a session. The zero value of each is ready to use.
//
// Applications name this package where they put things together, in main or in
// their Wire providers, and the interfaces of api everywhere else.
package impl
