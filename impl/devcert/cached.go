package devcert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// cacheFile is the name of the file in which a rotation keeps its certificates.
const cacheFile = "devcert.pem"

// Cached is [NewRotation] with the certificates that an earlier process has
// left in dir, if they are for hosts and can still be used. A server that is
// started again then has the same certificate: clients that pin it connect, and
// sessions that a crash has cut end at once (impl.Server's StatelessResetKey).
//
// The certificates and their private keys are in one file of dir, which nobody
// but its owner may read; it is replaced whenever they change. A file that
// cannot be used, or that others could read, is replaced too, by new
// certificates. Servers that run at the same time need a dir each. Cached makes
// dir, and fails if it cannot write there. A renewed certificate that cannot be
// written later is used all the same.
func Cached(dir string, hosts ...string) (*Rotation, error) {
	file := filepath.Join(dir, cacheFile)
	stored := load(file, hosts)
	r, err := NewRotation(hosts...)
	if err != nil {
		return nil, err
	}
	r.file = file
	if len(stored) > 0 {
		r.used = stored[0]
	}
	if len(stored) > 1 {
		r.next = stored[1]
	}
	if err = os.MkdirAll(dir, 0o700); err == nil {
		err = r.store()
	}
	if err != nil {
		return nil, fmt.Errorf("development certificate: %w", err)
	}
	return r, nil
}

// load returns the certificates of a file that can be used: they are for hosts,
// valid, and not due for replacement. A file that cannot be read, or that others
// may read, has none.
func load(file string, hosts []string) (certs []tls.Certificate) {
	rest := readPrivate(file)
	var chain []byte
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return certs
		}
		if block.Type == "CERTIFICATE" {
			chain = pem.EncodeToMemory(block)
			continue
		}
		// It fails if the key does not belong to the certificate.
		cert, err := tls.X509KeyPair(chain, pem.EncodeToMemory(block))
		now := time.Now()
		if err == nil && isFor(cert.Leaf, hosts) && now.After(cert.Leaf.NotBefore) && now.Before(changeOf(cert)) {
			certs = append(certs, cert)
		}
	}
}

// maxCache is more than a cache file has, in bytes.
const maxCache = 64 << 10

// readPrivate returns the content of a file that only its owner may read, or
// nil. Windows tells no such thing by the mode.
func readPrivate(file string) []byte {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil
	}
	content, err := io.ReadAll(io.LimitReader(f, maxCache))
	if err != nil {
		return nil
	}
	return content
}

// isFor reports whether a certificate is valid for all hosts.
func isFor(leaf *x509.Certificate, hosts []string) bool {
	for _, host := range orLocal(hosts) {
		if leaf.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

// store writes the certificates of a rotation to its file, if it has one. The
// file is replaced as a whole.
func (r *Rotation) store() error {
	if r.file == "" {
		return nil
	}
	var b bytes.Buffer
	for _, cert := range []tls.Certificate{r.used, r.next} {
		if cert.Leaf == nil {
			continue
		}
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			return err
		}
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
		_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	}
	f, err := os.CreateTemp(filepath.Dir(r.file), cacheFile+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), r.file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
