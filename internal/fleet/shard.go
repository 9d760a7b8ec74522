package fleet

import (
	"hash/fnv"
	"strconv"
)

// Shard returns the shard of an account, from 0 to total-1: the one with the
// highest hash of both (rendezvous hashing). A change of total moves only the
// accounts of the added or removed shard.
// https://en.wikipedia.org/wiki/Rendezvous_hashing
func Shard(accountID string, total int) int {
	best, highest := 0, uint64(0)
	for i := range total {
		h := fnv.New64a()
		_, _ = h.Write([]byte(accountID + "/" + strconv.Itoa(i)))
		if sum := mix(h.Sum64()); i == 0 || sum > highest {
			best, highest = i, sum
		}
	}
	return best
}

// mix is the finalizer of MurmurHash3. The shards differ in the last bytes only,
// which FNV does not spread to the high bits.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
