// Package interop has the tests that need other people's code.
package interop
