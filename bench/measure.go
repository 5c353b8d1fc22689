package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownCPU is what this process has used, in all threads.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakResident is the most memory that this process had resident, in bytes; 0 if the system does not say.
func peakResident() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// onDisk refuses a directory whose files are in memory, where a sync costs nothing.
func onDisk(dir string) error {
	const tmpfs = 0x01021994
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("-dir %s: %w", dir, err)
	}
	if s.Type == tmpfs {
		return fmt.Errorf("-dir %s: is in memory; give a directory on a disk", dir)
	}
	return nil
}

// A procStat is what /proc/<pid>/stat says of a process.
type procStat struct {
	parent   int
	cpu      time.Duration
	children time.Duration // of those that have ended and were waited for
}

// userHZ is the unit of times in /proc, the same on all architectures that Go runs on.
const userHZ = 100

// parseStat reads /proc/<pid>/stat. The second field is the program's name in parentheses, which may hold anything.
func parseStat(stat []byte) (procStat, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return procStat{}, fmt.Errorf("no name in %q", stat)
	}
	const parent, utime, stime, cutime, cstime = 1, 11, 12, 13, 14 // of the fields that follow the name
	fields := bytes.Fields(stat[end+1:])
	if len(fields) <= cstime {
		return procStat{}, fmt.Errorf("too few fields in %q", stat)
	}
	var problem error
	number := func(i int) int64 {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			problem = err
		}
		return n
	}
	ticks := func(n int64) time.Duration { return time.Duration(n) * time.Second / userHZ }
	return procStat{int(number(parent)), ticks(number(utime) + number(stime)), ticks(number(cutime) + number(cstime))}, problem
}

// machineBusy is the CPU time that everything on this machine has used since it started, and what was taken away from it; an
// error where the system does not say.
func machineBusy() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(stat)
}

// parseBusy reads the first line of /proc/stat.
func parseBusy(stat []byte) (busy time.Duration, err error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	const idle, iowait, steal = 4, 5, 8
	if len(fields) <= steal || string(fields[0]) != "cpu" {
		return 0, fmt.Errorf("not a line of all CPUs: %q", line)
	}
	for i := 1; i <= steal; i++ {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, err
		}
		if i != idle && i != iowait {
			busy += time.Duration(n) * time.Second / userHZ
		}
	}
	return busy, nil
}

func readStat(pid int) (procStat, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(stat)
}

// familyCPU is what a process and all its children have used, those that have ended included.
func familyCPU(pid int) (time.Duration, error) {
	own, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	total := own.cpu + own.children
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(child); err == nil && s.parent == pid { // else it has ended meanwhile
			total += s.cpu
		}
	}
	return total, nil
}

// percentile returns the least value that so large a part of the sorted values does not exceed; zero if there are none.
func percentile[T any](sorted []T, part float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	n := int(math.Ceil(part * float64(len(sorted))))
	return sorted[min(max(n, 1), len(sorted))-1]
}

// median returns the middle one, or the mean of the middle two; NaN if there are none.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	switch n := len(sorted); {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
