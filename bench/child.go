package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// roleVariable names what a process of this program is, if it is not the one that measures.
const roleVariable = "WEBHOOK_BENCH_ROLE"

const (
	roleReceiver = "receiver"
	roleSender   = "sender"
)

// beChild plays the part that the environment says, and reports whether there is one.
func beChild(ctx context.Context) (bool, error) {
	conversation := pipe{json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)}
	switch role := os.Getenv(roleVariable); role {
	case "":
		return false, nil
	case roleReceiver:
		return true, receive(ctx, conversation)
	case roleSender:
		return true, send(ctx, conversation)
	default:
		return true, fmt.Errorf("%s: no such role: %q", roleVariable, role)
	}
}

// A pipe carries values between this program's processes, as JSON.
type pipe struct {
	in  *json.Decoder
	out *json.Encoder
}

func (p pipe) tell(v any) error { return p.out.Encode(v) }
func (p pipe) hear(v any) error { return p.in.Decode(v) }

// A child is another process of this program, which ends when its standard input does.
type child struct {
	pipe
	cmd   *exec.Cmd
	stdin io.Closer
}

func startChild(ctx context.Context, role string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", role, err)
	}
	return &child{pipe{json.NewDecoder(out), json.NewEncoder(in)}, cmd, in}, nil
}

// stop ends the process and waits for it. How it ends does not matter: what it had to say has been heard.
func (c *child) stop() {
	_ = c.stdin.Close()
	_ = c.cmd.Wait()
}
