// What the program tracebench measures and cannot reach from outside. The build
// sees this file in Go's package runtime; Go's tree stays as it is.

package runtime

import "unsafe"

// TraceBenchMap is the tracer's table of strings or stacks.
type TraceBenchMap struct {
	traceMap
}

// Put finds or adds a key.
func (m *TraceBenchMap) Put(key []byte) uint64 {
	id, _ := m.traceMap.put(unsafe.Pointer(unsafe.SliceData(key)), uintptr(len(key)))
	return id
}

// Reset drops everything.
func (m *TraceBenchMap) Reset() {
	m.traceMap.reset()
}

// Mapped is how much memory it has mapped, bytes. Nobody adds meanwhile.
func (m *TraceBenchMap) Mapped() int {
	blocks := 0
	if m.mem.current.Load() != nil {
		blocks++
	}
	for block := m.mem.full; block != nil; block = block.next {
		blocks++
	}
	return blocks * int(unsafe.Sizeof(traceRegionAllocBlock{}))
}

// TraceBenchRegion is the tracer's allocator.
type TraceBenchRegion struct {
	traceRegionAlloc
}

// Alloc gives a piece of memory that is not the garbage collector's.
func (r *TraceBenchRegion) Alloc(size int) unsafe.Pointer {
	return unsafe.Pointer(r.traceRegionAlloc.alloc(uintptr(size)))
}

// Drop frees all pieces. Nobody allocates meanwhile.
func (r *TraceBenchRegion) Drop() {
	systemstack(func() {
		r.traceRegionAlloc.drop()
	})
}
