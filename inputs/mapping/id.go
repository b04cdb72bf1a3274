package mapping

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// identifier makes the ids of a stream's documents. See "Why ids are SHA-256" in
// the package's doc.
type identifier struct {
	source []byte // beginning of what is hashed: dataset and tenant
	epoch  []byte // part of every id; see Mapper.Begin
	hashed []byte // scratch
}

func newIdentifier(dataset, tenant string) identifier {
	return identifier{source: appendPart(appendPart(nil, []byte(dataset)), []byte(tenant))}
}

// of hashes what makes a document unique, each part with its length so
// that no two lists of parts are alike. 120 bits: the chance that two of a
// billion documents collide is below 1e-18.
func (i *identifier) of(parts [][]byte, content []byte) string {
	b := append(i.hashed[:0], i.source...)
	for _, p := range parts {
		b = appendPart(b, p)
	}
	b = appendPart(b, content)
	if len(i.epoch) > 0 {
		b = appendPart(b, i.epoch)
	}
	i.hashed = b
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:15])
}

func appendPart(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}
