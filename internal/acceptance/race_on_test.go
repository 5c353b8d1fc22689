//go:build race

package acceptance

// raceDetector reports whether the tests run with the race detector, which makes them slow.
const raceDetector = true
