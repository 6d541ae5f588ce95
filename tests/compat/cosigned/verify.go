// SPDX-License-Identifier: BSD-2-Clause

// verify checks a C2SP tlog-proof with golang.org/x/mod/sumdb: that the checkpoint bears good
// signatures of a log and of cosigners (tlog-cosignature v1), and that an entry stands in it.
//
//	verify PROOF ENTRY LOG-KEY COSIGNER-KEY...
//
// Keys are C2SP verifier keys. Prints who has signed. Exit status 1 if anything is wrong.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A cosigner, as golang.org/x/mod/sumdb/note sees it.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(c.key, append([]byte(head), msg...), sig[8:])
}

func newCosigner(text string) (*cosigner, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("%s is no verifier key", text)
	}
	data, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(data) != 1+ed25519.PublicKeySize || data[0] != 4 {
		return nil, fmt.Errorf("%s is no cosigner's key", text)
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), data...))
	if fmt.Sprintf("%x", id[:4]) != parts[1] {
		return nil, fmt.Errorf("%s has another id", text)
	}
	return &cosigner{parts[0], binary.BigEndian.Uint32(id[:]), data[1:]}, nil
}

func split(proof string) (int64, tlog.RecordProof, string, error) {
	head, msg, found := strings.Cut(proof, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" ||
		!strings.HasPrefix(lines[1], "index ") {
		return 0, nil, "", fmt.Errorf("not a tlog-proof")
	}
	index, err := strconv.ParseInt(lines[1][len("index "):], 10, 64)
	if err != nil {
		return 0, nil, "", err
	}
	var hashes tlog.RecordProof
	for _, line := range lines[2:] {
		var h tlog.Hash
		data, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(data) != len(h) {
			return 0, nil, "", fmt.Errorf("a hash of the proof")
		}
		copy(h[:], data)
		hashes = append(hashes, h)
	}
	return index, hashes, msg, nil
}

func run(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: verify PROOF ENTRY LOG-KEY COSIGNER-KEY...")
	}
	proof, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	log, err := note.NewVerifier(args[2])
	if err != nil {
		return err
	}
	known := []note.Verifier{log}
	for _, key := range args[3:] {
		c, err := newCosigner(key)
		if err != nil {
			return err
		}
		known = append(known, c)
	}
	index, hashes, msg, err := split(string(proof))
	if err != nil {
		return err
	}
	n, err := note.Open([]byte(msg), note.VerifierList(known...))
	if err != nil {
		return err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != log.Name() || n.Sigs[0].Name != log.Name() {
		return fmt.Errorf("not a checkpoint of %s", log.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	var root tlog.Hash
	data, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(data) != len(root) {
		return fmt.Errorf("the checkpoint's root")
	}
	copy(root[:], data)
	if err := tlog.CheckRecord(hashes, size, root, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	for _, sig := range n.Sigs[1:] {
		fmt.Println(sig.Name)
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}
