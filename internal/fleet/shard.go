package fleet

import (
	"hash/fnv"
	"strconv"
)

// Shard tells which of total shards watches an account: the one with the
// highest hash of both (rendezvous hashing). One shard more or less moves only
// the accounts that it gains or had.
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

// mix spreads the last bytes, in which the shards differ, over the whole hash:
// FNV alone leaves its high bits to the first ones.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
