package dialtest

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
)

// What is on the wire (RFC 1928, RFC 1929).
const (
	version, passwordVersion   = 5, 1
	noLogin, password, nothing = 0, 2, 0xff // methods to authenticate
	connect                    = 1
	addressV4, name, addressV6 = 1, 3, 4 // kinds of address
	accepted                   = 0
	hostUnreachable            = 4
	notSupported               = 7
)

// Options shape a Proxy.
type Options struct {
	User, Password string            // that are wanted; empty: nobody is asked who it is
	Hosts          map[string]string // addresses (host:port) by name: it knows no others
	Refuse         byte              // the reply to every request; 0: it connects
	Hang           bool              // it takes connections and says nothing
	End            bool              // it ends the connection in place of an answer
	Speak          string            // what it says in place of SOCKS5
}

// Request is what a client asked for.
type Request struct {
	Host   string // as the client sent it, without port
	ByName bool   // the client left it to the proxy to resolve the name
	User   string
}

// Proxy is a SOCKS5 proxy.
type Proxy struct {
	*Listener
	options Options

	asked    sync.Mutex // guards requests
	requests []Request
}

// New starts a Proxy.
func New(o Options) (*Proxy, error) {
	l, err := Listen()
	if err != nil {
		return nil, err
	}
	p := &Proxy{Listener: l, options: o}
	l.Serve(p.serve)
	return p, nil
}

// Requests are those up to now.
func (p *Proxy) Requests() []Request {
	p.asked.Lock()
	defer p.asked.Unlock()
	return append([]Request(nil), p.requests...)
}

func (p *Proxy) serve(conn net.Conn) {
	switch {
	case p.options.Hang:
		_, _ = io.Copy(io.Discard, conn) // until the client has had enough
		return
	case p.options.End:
		return
	case p.options.Speak != "":
		_, _ = io.WriteString(conn, p.options.Speak)
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	user, err := p.greet(conn)
	if err != nil {
		return
	}
	to, err := p.request(conn, user)
	if err != nil {
		return
	}
	if p.options.Refuse != accepted {
		reply(conn, p.options.Refuse)
		return
	}
	other, err := net.Dial("tcp", to) //nolint:noctx // it ends with the connection
	if err != nil {                   // as for a name that it does not know
		reply(conn, hostUnreachable)
		return
	}
	defer other.Close()
	if reply(conn, accepted); p.keep(other) {
		p.running.Go(func() { _, _ = io.Copy(other, conn); other.Close() })
		_, _ = io.Copy(conn, other)
	}
}

func reply(conn net.Conn, code byte) {
	_, _ = conn.Write([]byte{version, code, 0, addressV4, 0, 0, 0, 0, 0, 0}) // who is gone learns nothing
}

var errRefused = errors.New("refused")

// greet agrees on who the client is.
func (p *Proxy) greet(conn net.Conn) (user string, err error) {
	methods, err := counted(conn, version)
	if err != nil {
		return "", err
	}
	wanted := byte(noLogin)
	if p.options.User != "" {
		wanted = password
	}
	chosen := byte(nothing)
	for _, m := range methods {
		if m == wanted {
			chosen = m
		}
	}
	if _, err := conn.Write([]byte{version, chosen}); err != nil || chosen != password {
		return "", cmp.Or(err, refusedIf(chosen == nothing))
	}
	name, err := counted(conn, passwordVersion)
	if err != nil {
		return "", err
	}
	secret, err := text(conn)
	if err != nil {
		return "", err
	}
	wrong := string(name) != p.options.User || string(secret) != p.options.Password
	status := byte(accepted)
	if wrong {
		status = 1
	}
	_, err = conn.Write([]byte{passwordVersion, status})
	return string(name), cmp.Or(err, refusedIf(wrong))
}

func refusedIf(no bool) error {
	if no {
		return errRefused
	}
	return nil
}

// request reads where the client wants to go: nowhere for a name that is not known.
func (p *Proxy) request(conn net.Conn, user string) (to string, err error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(conn, head); err != nil {
		return "", err
	}
	var host []byte
	switch kind := head[3]; kind {
	case name:
		host, err = text(conn)
	case addressV4:
		host, err = take(conn, net.IPv4len)
	default:
		host, err = take(conn, net.IPv6len)
	}
	if err != nil {
		return "", err
	}
	r := Request{Host: string(host), ByName: head[3] == name, User: user}
	if !r.ByName {
		r.Host = net.IP(host).String()
	}
	port, err := take(conn, 2)
	if err != nil {
		return "", err
	}
	p.asked.Lock()
	p.requests = append(p.requests, r)
	p.asked.Unlock()
	if head[1] != connect {
		reply(conn, notSupported)
		return "", errRefused
	}
	if !r.ByName {
		return net.JoinHostPort(r.Host, strconv.Itoa(int(binary.BigEndian.Uint16(port)))), nil
	}
	return p.options.Hosts[r.Host], nil
}

// counted reads a version, and the bytes whose number follows it.
func counted(conn net.Conn, want byte) ([]byte, error) {
	got, err := take(conn, 1)
	if err != nil || got[0] != want {
		return nil, cmp.Or(err, errRefused)
	}
	return text(conn)
}

// text reads bytes whose number is in front of them.
func text(conn net.Conn) ([]byte, error) {
	n, err := take(conn, 1)
	if err != nil {
		return nil, err
	}
	return take(conn, int(n[0]))
}

func take(conn net.Conn, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(conn, b)
	return b, err
}
