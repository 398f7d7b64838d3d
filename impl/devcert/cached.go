package devcert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
// cannot be used is replaced too. Servers that run at the same time need a dir
// each. Cached makes dir, and fails if it cannot write there. A renewed
// certificate that cannot be written later is used all the same.
func Cached(dir string, hosts ...string) (*Rotation, error) {
	file := filepath.Join(dir, cacheFile)
	stored, err := load(file, hosts)
	if err != nil {
		return nil, fmt.Errorf("development certificate: %w", err)
	}
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

// load returns the certificates of a file that are for hosts and are not due for
// replacement. No file is none.
func load(file string, hosts []string) ([]tls.Certificate, error) {
	rest, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var certs []tls.Certificate
	var chain []byte
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return certs, nil
		}
		if block.Type == "CERTIFICATE" {
			chain = pem.EncodeToMemory(block)
			continue
		}
		// It fails if the key does not belong to the certificate.
		cert, err := tls.X509KeyPair(chain, pem.EncodeToMemory(block))
		if err == nil && isFor(cert.Leaf, hosts) && time.Now().Before(changeOf(cert)) {
			certs = append(certs, cert)
		}
	}
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
