//go:build race

package drivertest

// raceDetector says that everything is several times slower, and SQLite, which is Go code
// here, ten times.
const raceDetector = true
