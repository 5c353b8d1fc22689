package servers

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

const (
	sharedMemory = "/dev/shm"

	// roomNeeded is the least that must be free in sharedMemory, and memoryNeeded in the machine.
	// All tests together were seen to use less than 1 GiB at a time.
	roomNeeded   = 2 << 30
	memoryNeeded = 4 << 30
)

// base returns the folder in which databases have their files, for os.MkdirTemp. It is in
// memory if there is room: each new database is some hundred files, for which a disk takes
// seconds. A process or a server that is killed loses nothing there. TMPDIR names another
// folder. The soak measures, and its databases are large, so it uses the disk.
func base() string {
	if os.Getenv("TMPDIR") != "" || os.Getenv("WEBHOOK_TEST_SOAK") == "1" {
		return ""
	}
	var room syscall.Statfs_t
	if err := syscall.Statfs(sharedMemory, &room); err != nil || room.Bavail < roomNeeded/uint64(room.Bsize) {
		return ""
	}
	if available() < memoryNeeded {
		return ""
	}
	return sharedMemory
}

// available returns how many bytes of memory Linux has left, 0 if it does not say.
func available() uint64 {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(info) {
		var kilobytes uint64
		if _, err := fmt.Sscanf(string(line), "MemAvailable: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	return 0
}
