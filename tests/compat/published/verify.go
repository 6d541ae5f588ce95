// SPDX-License-Identifier: BSD-2-Clause

// verify reads a folder of published logs (SPEC.md 9.8) with golang.org/x/mod/sumdb alone, and
// checks all that it holds against each log's signed checkpoint: every tile, every entry's hash,
// an inclusion proof of every entry, and a consistency proof from every older checkpoint given.
//
//	verify DIR [OLDER-CHECKPOINT]...
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type published struct {
	dir   string
	cache map[string][]byte
}

func (p *published) read(name string) ([]byte, error) {
	if data, ok := p.cache[name]; ok {
		return data, nil
	}
	data, err := os.ReadFile(filepath.Join(p.dir, name))
	if err == nil {
		p.cache[name] = data
	}
	return data, err
}

// What tlog calls tile/8/L/N is tile/L/N here.
func tilePath(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
}

// A partial tile may be gone once the full one is there.
func (p *published) tile(t tlog.Tile) ([]byte, error) {
	data, err := p.read(tilePath(t))
	if os.IsNotExist(err) && t.W < 1<<height {
		full := t
		full.W = 1 << height
		if data, err = p.read(tilePath(full)); err == nil && len(data) == tlog.HashSize<<height {
			data = data[:t.W*tlog.HashSize]
		}
	}
	return data, err
}

func (p *published) Height() int { return height }

func (p *published) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := p.tile(t)
		if err != nil {
			return nil, err
		}
		if len(data) != t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: %d bytes", tilePath(t), len(data))
		}
		out[i] = data
	}
	return out, nil
}

func (p *published) SaveTiles([]tlog.Tile, [][]byte) {}

func (p *published) bundle(t tlog.Tile) ([][]byte, error) {
	name := "tile/entries/" + strings.TrimPrefix(tilePath(t), "tile/0/")
	data, err := p.read(name)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(data[0])<<8+int(data[1]) {
			return nil, fmt.Errorf("%s is cut off", name)
		}
		end := 2 + int(data[0])<<8 + int(data[1])
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != t.W {
		return nil, fmt.Errorf("%s: %d entries", name, len(entries))
	}
	return entries, nil
}

func checkpoint(msg []byte, v note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	n, err := note.Open(msg, note.VerifierList(v))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != v.Name() {
		return tree, fmt.Errorf("not a checkpoint of %s", v.Name())
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tree, fmt.Errorf("%s: no root", v.Name())
	}
	copy(tree.Hash[:], root)
	return tree, nil
}

func verify(dir, key string, older [][]byte) (string, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return "", err
	}
	p := &published{filepath.Join(dir, v.Name()), map[string][]byte{}}
	msg, err := p.read("checkpoint")
	if err != nil {
		return "", err
	}
	tree, err := checkpoint(msg, v)
	if err != nil {
		return "", err
	}
	r := tlog.TileHashReader(tree, p)
	if root, err := tlog.TreeHash(tree.N, r); err != nil || root != tree.Hash {
		return "", fmt.Errorf("the tiles have another root: %v", err)
	}
	for _, t := range tlog.NewTiles(height, 0, tree.N) {
		// Of the partial tiles, only the one of this size need be there.
		if t.W < 1<<height && t.N<<height+int64(t.W) != tree.N>>(height*t.L) {
			continue
		}
		want, err := tlog.ReadTileData(t, r)
		if err != nil {
			return "", err
		}
		if data, err := p.tile(t); err != nil || !bytes.Equal(data, want) {
			return "", fmt.Errorf("%s is another one: %v", tilePath(t), err)
		}
		if t.L != 0 {
			continue
		}
		entries, err := p.bundle(t)
		if err != nil {
			return "", err
		}
		for i, entry := range entries {
			index, hash := t.N<<height+int64(i), tlog.RecordHash(entry)
			proof, err := tlog.ProveRecord(tree.N, index, r)
			if err != nil {
				return "", err
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, hash); err != nil {
				return "", fmt.Errorf("entry %d: %v", index, err)
			}
		}
	}
	count := 0
	for _, msg := range older {
		if !bytes.HasPrefix(msg, []byte(v.Name()+"\n")) {
			continue
		}
		old, err := checkpoint(msg, v)
		if err != nil {
			return "", err
		}
		proof, err := tlog.ProveTree(tree.N, old.N, r)
		if err != nil {
			return "", err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return "", fmt.Errorf("not consistent with size %d: %v", old.N, err)
		}
		count++
	}
	return fmt.Sprintf("ok %s %d entries, %d older", v.Name(), tree.N, count), nil
}

func run(args []string) error {
	if len(args) < 1 {
		return fmt.Errorf("usage: verify DIR [OLDER-CHECKPOINT]...")
	}
	index, err := os.ReadFile(filepath.Join(args[0], "logs"))
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(index), "\n"), "\n")
	if len(lines) < 2 || lines[0] != "convene published logs v1" || len(lines[1]) != 64 {
		return fmt.Errorf("%s/logs is not an index of published logs", args[0])
	}
	var older [][]byte
	for _, name := range args[1:] {
		msg, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		older = append(older, msg)
	}
	for _, key := range lines[2:] {
		said, err := verify(args[0], key, older)
		if err != nil {
			return fmt.Errorf("%s: %v", strings.SplitN(key, "+", 2)[0], err)
		}
		fmt.Println(said)
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
