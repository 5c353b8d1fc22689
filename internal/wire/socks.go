package wire

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// Bytes of SOCKS 5 (RFC 1928) and its user name and password (RFC 1929).
const (
	socksVersion     = 5
	socksNoAuth      = 0
	socksPassword    = 2
	socksPasswordVer = 1
	socksConnectTCP  = 1
	socksIPv4        = 1
	socksName        = 3
	socksIPv6        = 4
)

var (
	errSOCKS       = errors.New("the proxy does not speak SOCKS 5")
	errSOCKSAuth   = errors.New("the proxy does not accept user and password")
	errSOCKSRefuse = errors.New("the proxy refused to connect")
	errSOCKSLong   = errors.New("user, password or host is empty or longer than 255 bytes")
)

// socksConnect asks a SOCKS proxy for a connection to addr. Names are for the
// proxy to resolve.
func socksConnect(rw io.ReadWriter, user *url.Userinfo, addr string) error {
	request, err := socksRequest(addr)
	if err != nil {
		return err
	}
	if err := socksGreet(rw, user); err != nil {
		return err
	}
	if _, err := rw.Write(request); err != nil {
		return err
	}
	head := make([]byte, 4) // version, reply, reserved, kind of address
	if _, err := io.ReadFull(rw, head); err != nil {
		return err
	}
	switch {
	case head[0] != socksVersion:
		return errSOCKS
	case head[1] != 0:
		return errSOCKSRefuse
	}
	var size int
	switch head[3] {
	case socksIPv4:
		size = net.IPv4len
	case socksIPv6:
		size = net.IPv6len
	case socksName:
		length := make([]byte, 1)
		if _, err := io.ReadFull(rw, length); err != nil {
			return err
		}
		size = int(length[0])
	default:
		return errSOCKS
	}
	_, err = io.ReadFull(rw, make([]byte, size+2)) // and port, of no use
	return err
}

func socksGreet(rw io.ReadWriter, user *url.Userinfo) error {
	hello := []byte{socksVersion, 1, socksNoAuth}
	if user != nil {
		hello = []byte{socksVersion, 2, socksNoAuth, socksPassword}
	}
	if _, err := rw.Write(hello); err != nil {
		return err
	}
	chosen := make([]byte, 2)
	if _, err := io.ReadFull(rw, chosen); err != nil {
		return err
	}
	switch {
	case chosen[0] != socksVersion:
		return errSOCKS
	case chosen[1] == socksNoAuth:
		return nil
	case chosen[1] != socksPassword || user == nil:
		return errSOCKSAuth
	}
	name := user.Username()
	password, _ := user.Password()
	if !fitsByte(name) || !fitsByte(password) {
		return errSOCKSLong
	}
	b := append([]byte{socksPasswordVer, byte(len(name))}, name...)
	b = append(append(b, byte(len(password))), password...)
	if _, err := rw.Write(b); err != nil {
		return err
	}
	if _, err := io.ReadFull(rw, chosen); err != nil {
		return err
	}
	if chosen[1] != 0 {
		return errSOCKSAuth
	}
	return nil
}

func socksRequest(addr string) ([]byte, error) {
	host, digits, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return nil, err
	}
	b := []byte{socksVersion, socksConnectTCP, 0}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && ip.Unmap().Is4():
		b = append(append(b, socksIPv4), ip.Unmap().AsSlice()...)
	case err == nil:
		b = append(append(b, socksIPv6), ip.AsSlice()...)
	case !fitsByte(host):
		return nil, errSOCKSLong
	default:
		b = append(append(b, socksName, byte(len(host))), host...)
	}
	return append(b, byte(port>>8), byte(port)), nil
}

func fitsByte(s string) bool { return s != "" && len(s) <= 255 }
