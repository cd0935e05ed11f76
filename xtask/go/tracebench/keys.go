package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// Keys are those of bench/src/keys.rs, in the same orders.
type keys struct {
	bytes  []byte
	length int
}

func newKeys(shape string, first, count int) keys {
	var bytes []byte
	for key := first; key < first+count; key++ {
		bytes = appendKey(bytes, shape, key)
	}
	return keys{bytes, len(bytes) / max(count, 1)}
}

func (k keys) count() int {
	return len(k.bytes) / k.length
}

func (k keys) get(at int) []byte {
	return k.bytes[at*k.length:][:k.length]
}

func appendKey(to []byte, shape string, key int) []byte {
	if depth, ok := strings.CutPrefix(shape, "stack"); ok {
		to = binary.NativeEndian.AppendUint64(to, math.MaxUint64)
		for at := range number(depth) {
			digit := 0
			if at < 8 {
				digit = key >> (4 * at) & 0xf
			}
			to = binary.NativeEndian.AppendUint64(to, uint64(0x40_0000+0x1000*at+0x10*digit))
		}
		return to
	}
	for at := range max(number(shape), 8) - 8 {
		to = append(to, 'a'+byte(at%26))
	}
	return fmt.Appendf(to, "%08x", uint32(key)*0x9e37_79b1)
}

// scattered gives the numbers below count in an order without a pattern.
func scattered(count int) []uint32 {
	order := make([]uint32, count)
	for at := range order {
		order[at] = uint32(at)
	}
	state := uint64(0x2545_f491_4f6c_dd1d)
	for at := count - 1; at > 0; at-- {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		other := state % uint64(at+1)
		order[at], order[other] = order[other], order[at]
	}
	return order
}
