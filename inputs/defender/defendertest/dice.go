package defendertest

import (
	"math/bits"
	"math/rand/v2"
	"strconv"
)

// dice draws everything random about one thing from the seed, a stream that
// keeps kinds of things apart, and the thing's number.
type dice struct{ rand.PCG }

// The streams of dice.
const (
	streamAlert = iota + 1
	streamAlertID
	streamEvidence
	streamMachine
	streamMachineID
	streamAction
	streamActionID
	streamTimes
	streamTokens
	streamAssessment
)

func throw(seed, stream, n uint64) dice {
	var d dice
	d.Seed(scatter(seed^stream<<56), scatter(n))
	return d
}

// scatter is the finalizer of SplitMix64: neighbours come out unrelated.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below draws from [0, n).
func (d *dice) below(n int) int {
	hi, _ := bits.Mul64(d.Uint64(), uint64(n))
	return int(hi)
}

// one is true once in n times.
func (d *dice) one(n int) bool { return d.below(n) == 0 }

// pick draws one of the texts.
func (d *dice) pick(texts []string) string { return texts[d.below(len(texts))] }

// span draws a length of time from [low, high), most often with seven digits.
func (d *dice) span(low, high ticks) ticks {
	t := low + ticks(d.below(int(high-low)))
	switch d.below(8) {
	case 0:
		return t - t%second
	case 1:
		return t - t%(second/1000)
	}
	return t
}

// hex writes n bytes as 2n digits.
func (d *dice) hex(b []byte, n int) []byte {
	const digits = "0123456789abcdef"
	for n > 0 {
		word := d.Uint64()
		for i := 0; i < 8 && n > 0; i, n = i+1, n-1 {
			b = append(b, digits[word>>4&15], digits[word&15])
			word >>= 8
		}
	}
	return b
}

func (d *dice) guid(b []byte) []byte {
	b = append(d.hex(b, 4), '-')
	b = append(d.hex(b, 2), '-')
	b = append(d.hex(b, 2), '-')
	b = append(d.hex(b, 2), '-')
	return d.hex(b, 6)
}

// digits writes n decimal digits.
func (d *dice) digits(b []byte, n int) []byte {
	for ; n > 0; n-- {
		b = append(b, byte('0'+d.below(10)))
	}
	return b
}

func (d *dice) ipv4(b []byte, prefix string) []byte {
	b = append(b, prefix...)
	b = strconv.AppendInt(b, int64(d.below(255)), 10)
	b = append(b, '.')
	return strconv.AppendInt(b, int64(1+d.below(254)), 10)
}
