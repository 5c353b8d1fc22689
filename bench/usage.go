package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc, on all architectures of Go.
const tick = time.Second / 100

// ownCPU returns the CPU time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakResident returns the most bytes that this process had resident. Getrusage would count the
// parent too.
func peakResident() (bytes uint64) {
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscan(after, &bytes)
	return bytes << 10
}

// machineBusy returns the CPU time of all programs since the machine started, with the time
// that its host took away. It is zero if the system does not say.
func machineBusy() time.Duration {
	stat, _ := os.ReadFile("/proc/stat")
	var user, nice, system, idle, wait, irq, softirq, steal int64
	_, err := fmt.Sscanf(string(stat), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq, &steal)
	if err != nil {
		return 0
	}
	return time.Duration(user+nice+system+irq+softirq+steal) * tick
}

// familyCPU returns the CPU time of a process and its children, also those that have ended.
func familyCPU(pid int) (time.Duration, error) {
	own, err := readStat(strconv.Itoa(pid))
	if err != nil {
		return 0, err
	}
	total := own.cpu + own.ended
	entries, err := os.ReadDir("/proc")
	for _, e := range entries {
		if s, err := readStat(e.Name()); err == nil && s.parent == pid { // an error: it is no process, or has ended
			total += s.cpu
		}
	}
	return total, err
}

// A procStat is the part of /proc/<pid>/stat that bench needs.
type procStat struct {
	parent int
	cpu    time.Duration
	ended  time.Duration // of children that were waited for
}

func readStat(pid string) (procStat, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(stat)
}

// parseStat parses /proc/<pid>/stat. The second field is the name of the program in
// parentheses, and may contain any byte.
func parseStat(stat []byte) (s procStat, err error) {
	const parent, utime, stime, cutime, cstime = 1, 11, 12, 13, 14 // of the fields after the name
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) <= cstime {
		return s, fmt.Errorf("too few fields in %q", stat)
	}
	number := func(i int) int {
		n, nerr := strconv.Atoi(fields[i])
		err = errors.Join(err, nerr)
		return n
	}
	ticks := func(i, j int) time.Duration { return time.Duration(number(i)+number(j)) * tick }
	return procStat{number(parent), ticks(utime, stime), ticks(cutime, cstime)}, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
