package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// nginxConfig lets nginx write to its own folder only, as the user of the test.
const nginxConfig = `
daemon off;
user %s;
pid nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
	access_log off;
	default_type text/plain;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	%s
	server {
		listen %s;
%s
	}
}
`

// nginxPaths are the paths that every receiver has. $ssl_session_reused is empty without TLS.
// sub_filter replaces nothing here, but makes the length of the response unknown.
const nginxPaths = `
location /keep { return 200 "$connection $ssl_session_reused"; }
location /chunked { sub_filter_types *; sub_filter nothing else; return 200 "$connection $ssl_session_reused"; }
location /close { keepalive_timeout 0; return 200 "$connection $ssl_session_reused"; }
`

// An nginx is a server in a process of its own.
type nginx struct {
	http   string            // directives of its http block
	server string            // and of its server block
	ssl    bool              // server has the certificate
	folder string            // for all that it reads and writes; empty for a temporary one
	files  map[string]string // content by name, in its folder
}

// start returns the address of the server. nginx takes over a listening socket, as a new
// version of it does from an old one, so there is no moment when its port is free.
func (n nginx) start(t *testing.T) (addr string) {
	t.Helper()
	path := needNginx(t)
	folder := n.folder
	if folder == "" {
		folder = t.TempDir()
	}
	for name, content := range n.files {
		file := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	defer socket.Close()
	addr = listener.Addr().String()
	listen := addr
	if n.ssl {
		listen += " ssl"
	}
	self, err := user.Current()
	require.NoError(t, err)
	group, err := user.LookupGroupId(self.Gid)
	require.NoError(t, err)
	config := filepath.Join(folder, "nginx.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, nginxConfig, self.Username+" "+group.Name, n.http, listen, n.server), 0o600))

	// The shell ends nginx when the test has ended, even if it was killed.
	const untilTheInputEnds = `"$@" & server=$!; exec 3<&-; read -r _; kill "$server"; wait "$server"`
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()),
		"sh", "-c", untilTheInputEnds, "sh", path, "-p", folder, "-c", config, "-e", "stderr")
	cmd.Env = append(os.Environ(), "NGINX=3;") // the first of ExtraFiles
	cmd.ExtraFiles = []*os.File{socket}
	var output strings.Builder
	cmd.Stderr = &output
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(output.String())
		}
	})
	run(t, cmd)
	return addr
}

// needNginx returns the path of nginx, which Debian keeps out of the PATH of most users.
func needNginx(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("/usr/sbin/nginx"); err == nil {
		return path
	}
	return needProgram(t, "nginx")
}
