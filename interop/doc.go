// Package interop tests the library with other people's code: libraries, servers and routers.
package interop
