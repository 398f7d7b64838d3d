package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moqlite/moqlite/impl/devcert"
)

// A relayTLS is the TLS configuration of a relay, and what renews it.
type relayTLS struct {
	config   *tls.Config
	rotation *devcert.Rotation // of a development certificate; nil for another
	files    []refresher       // that are read again when they change
}

// certificate returns the configuration with the certificate of the flags or,
// without one, with a development certificate.
func (o *options) certificate(f relayFlags, host string) (*relayTLS, error) {
	switch {
	case (f.cert == "") != (f.key == ""):
		return nil, usage("--cert and --key must be given together")
	case f.cert != "":
		return certificateFiles(f.cert, f.key)
	}
	// Browsers check the name too, even if they pin the certificate. An address
	// that others use to reach this machine, say behind NAT, is not known here.
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsLoopback() && !ip.IsUnspecified()) {
		hosts = append(hosts, host)
	}
	rotation, err := o.developmentCertificate(f.listen, hosts)
	if err != nil {
		return nil, err
	}
	return &relayTLS{config: rotation.Config(), rotation: rotation}, nil
}

// certificateFiles returns the configuration with a certificate in files.
func certificateFiles(cert, key string) (*relayTLS, error) {
	pair, err := newReloaded("the certificate "+cert, func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}, cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.get(), nil }
	return &relayTLS{config: &tls.Config{GetCertificate: get}, files: []refresher{pair}}, nil
}

// developmentCertificate returns the certificate that the last relay at an
// address had, or a new one. It is kept in the user's cache folder, unless the
// port is any that is free, or there is no such folder.
func (o *options) developmentCertificate(listen string, hosts []string) (*devcert.Rotation, error) {
	cache, err := os.UserCacheDir()
	if err != nil || strings.HasSuffix(listen, ":0") || strings.HasSuffix(listen, ":") {
		return devcert.NewRotation(hosts...)
	}
	address := strings.NewReplacer(":", "_", "/", "_", "%", "_").Replace(listen)
	rotation, err := devcert.Cached(filepath.Join(cache, "moqlite", "relay", address), hosts...)
	if err != nil {
		fmt.Fprintln(o.err, "the next relay at this address will have another certificate:", err)
		return devcert.NewRotation(hosts...)
	}
	return rotation, nil
}

// fingerprintOf returns the fingerprint of a server's certificate.
func fingerprintOf(server *tls.Config) (string, error) {
	// A development certificate is renewed, so it is asked for each time.
	get := server.GetCertificate
	if get == nil {
		get = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &server.Certificates[0], nil }
	}
	cert, err := get(nil)
	if err != nil {
		return "", err
	}
	sum := devcert.Fingerprint(*cert)
	return hex.EncodeToString(sum[:]), nil
}

// announceRenewals prints each development certificate before it is used,
// until ctx ends.
func (o *options) announceRenewals(ctx context.Context, rotation *devcert.Rotation) {
	for {
		announced, change := rotation.Change()
		if !sleepUntil(ctx, announced) {
			return
		}
		fingerprints, err := rotation.Fingerprints()
		if err != nil {
			fmt.Fprintln(o.err, "cannot renew the development certificate, trying again in a minute:", err)
			// The certificate in use stays valid for a day yet.
			change = time.Now().Add(time.Minute)
		} else {
			o.announceRenewal(hex.EncodeToString(fingerprints[len(fingerprints)-1][:]), change)
		}
		if !sleepUntil(ctx, change) {
			return
		}
	}
}

// announceRenewal prints the fingerprint of the next certificate. Clients that
// pin one need it before the change.
func (o *options) announceRenewal(fingerprint string, from time.Time) {
	if o.json {
		_ = line(o.out, map[string]any{"fingerprint": fingerprint, "from": from})
		return
	}
	fmt.Fprintf(o.err, "the development certificate will be renewed at %s: pass --fingerprint %s from then on\n", from.Format(time.RFC3339), fingerprint)
}

// sleepUntil waits until a time. It reports false if ctx ends first.
func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
