//go:build race

package servers

func init() { raceDetector = true }
