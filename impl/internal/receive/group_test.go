package receive

import (
	"testing"
	"unsafe"
)

// TestGroupSize: a group fits into a size class of the allocator, of which the next is 32
// bytes larger. One is made for each group that arrives.
func TestGroupSize(t *testing.T) {
	if size := unsafe.Sizeof(Group{}); size > 256 {
		t.Errorf("a group has %d bytes", size)
	}
}
