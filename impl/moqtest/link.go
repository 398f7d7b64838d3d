package moqtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// defaultQueue is the default of Link.Queue.
const defaultQueue = 64 << 10

// A Link is a simulated network path, the same in both directions, over which
// a [Server] and its clients speak real QUIC, and WebSocket over simulated
// TCP. It works in a testing/synctest bubble, where a bad link costs a test no
// time. The zero value is a perfect link.
//
// Rate, Queue and Delay must not change once a server uses it; [Link.SetLoss]
// may be called at any time.
type Link struct {
	// Rate is the bandwidth in bits per second; 0: no limit.
	Rate int64

	// Queue is how many bytes may wait for the link in each direction; packets
	// beyond that are lost. Zero: 64 KiB.
	Queue int

	// Delay is the one-way delay of each packet.
	Delay time.Duration

	// Loss is the share of packets that are lost at random, from 0 to 1.
	Loss float64

	// Seed determines which packets are lost; the same seed loses the same
	// packets.
	Seed uint64

	once       sync.Once
	mu         sync.Mutex
	rng        *rand.Rand
	loss       float64
	directions map[string]*direction // by the address of the receiver
	nodes      int

	listeners map[string]*tcpListener // by address
}

var _ simnet.Router = (*Link)(nil)

// initLink sets up the zero value. Equal seeds give equal losses, as far as
// packets come in the same order.
func (l *Link) initLink() {
	l.once.Do(func() {
		l.rng = rand.New(rand.NewPCG(l.Seed, l.Seed))
		l.loss = l.Loss
		l.directions = make(map[string]*direction)
	})
}

// SetLoss changes the share of packets that are lost from now on; 1 loses all.
func (l *Link) SetLoss(share float64) {
	l.initLink()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loss = share
}

// Socket returns a UDP socket on the link, at an address of its own. The
// caller closes it.
func (l *Link) Socket() net.PacketConn {
	l.initLink()
	l.mu.Lock()
	l.nodes++
	addr := &net.UDPAddr{IP: net.IPv4(10, 0, byte(l.nodes>>8), byte(l.nodes)), Port: 443}
	l.mu.Unlock()
	return simnet.NewBlockingSimConn(addr, l)
}

// AddNode implements [simnet.Router].
func (l *Link) AddNode(addr net.Addr, to simnet.PacketReceiver) {
	l.initLink()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.directions[addr.String()] = &direction{link: l, to: to}
}

// SendPacket implements [simnet.Router].
func (l *Link) SendPacket(p simnet.Packet) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.directions[p.To.String()]
	if w == nil {
		return fmt.Errorf("moqtest: no route to %v", p.To)
	}
	if l.rng.Float64() >= l.loss {
		w.enqueuePacket(p)
	}
	return nil
}

// A direction is the direction of the link to one receiver. The link's lock guards
// it.
//
// The order of packets is kept: the time at which one arrives is set when it is
// sent, from the queue before it, so a timer for the first is enough.
type direction struct {
	link    *Link
	to      simnet.PacketReceiver
	free    time.Time // when the queue will be empty
	waiting []arrival // in order
	timer   *time.Timer
	busy    bool // deliverPackets is running
}

// An arrival is a packet on its way.
type arrival struct {
	packet simnet.Packet
	at     time.Time
}

// enqueuePacket puts a packet into the queue, or drops it if the queue is full.
func (w *direction) enqueuePacket(p simnet.Packet) {
	now := time.Now()
	if w.free.Before(now) {
		w.free = now
	}
	if w.link.queueOverflows(w.free.Sub(now), len(p.Data)) {
		return
	}
	w.free = w.free.Add(w.link.transmitTime(len(p.Data)))
	w.waiting = append(w.waiting, arrival{p, w.free.Add(w.link.Delay)})
	if len(w.waiting) == 1 && !w.busy {
		w.setTimer()
	}
}

// setTimer sets the timer for the next packet.
func (w *direction) setTimer() {
	in := time.Until(w.waiting[0].at)
	if w.timer == nil {
		w.timer = time.AfterFunc(in, w.deliverPackets)
		return
	}
	w.timer.Reset(in)
}

// deliverPackets passes the packets that have arrived to the receiver.
func (w *direction) deliverPackets() {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	w.busy = true
	defer func() { w.busy = false }()
	for len(w.waiting) > 0 && !w.waiting[0].at.After(time.Now()) {
		p := w.waiting[0].packet
		w.waiting = w.waiting[1:]
		w.link.mu.Unlock()
		w.to.RecvPacket(p)
		w.link.mu.Lock()
	}
	if len(w.waiting) > 0 {
		w.setTimer()
	}
}
