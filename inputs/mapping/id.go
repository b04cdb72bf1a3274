package mapping

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
)

// identifier makes the ids of a stream's documents. See "Why ids are SHA-256" in
// the package's doc.
type identifier struct {
	source [2][]byte // parts of every id: dataset and tenant
	epoch  []byte    // part of every id; see Mapper.Begin
	hash   hash.Hash
	sum    []byte // of hash; before that, the length of a part
}

func newIdentifier(dataset, tenant string) identifier {
	return identifier{source: [...][]byte{[]byte(dataset), []byte(tenant)}, hash: sha256.New()}
}

// of hashes what makes a document unique, each part with its length so
// that no two lists of parts are alike. 120 bits: the chance that two of a
// billion documents collide is below 1e-18.
func (i *identifier) of(parts [][]byte, content []byte) string {
	i.hash.Reset()
	for _, p := range i.source {
		i.part(p)
	}
	for _, p := range parts {
		i.part(p)
	}
	i.part(content)
	if len(i.epoch) > 0 {
		i.part(i.epoch)
	}
	i.sum = i.hash.Sum(i.sum[:0])
	return base64.RawURLEncoding.EncodeToString(i.sum[:15])
}

func (i *identifier) part(part []byte) {
	i.sum = binary.LittleEndian.AppendUint64(i.sum[:0], uint64(len(part)))
	i.hash.Write(i.sum)
	i.hash.Write(part)
}
