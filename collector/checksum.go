package collector

import "hash/crc32"

// checksum combines the CRC-32 of consecutive pieces from the checksums and
// sizes of the pieces.
//
// A CRC is the remainder of a division of polynomials over GF(2): what comes
// before n bytes counts x⁸ⁿ times. Polynomials are kept as hash/crc32 keeps
// them, the coefficient of x⁰ in the highest bit.
type checksum struct {
	crc  uint32
	size int64
}

// add appends a piece of size bytes.
func (c *checksum) add(crc uint32, size int64) {
	c.crc = multiply(c.crc, shift(size)) ^ crc
	c.size += size
}

// shift returns x⁸ⁿ modulo the polynomial of CRC-32.
func shift(n int64) uint32 {
	result, square := uint32(1<<31), uint32(1<<(31-8))
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			result = multiply(result, square)
		}
		square = multiply(square, square)
	}
	return result
}

// multiply returns a·b modulo the polynomial of CRC-32.
func multiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		if a&(1<<31) != 0 {
			product ^= b
		}
		if b&1 == 1 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return product
}
