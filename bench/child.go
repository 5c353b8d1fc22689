package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// roleVariable is set in the processes that bench starts from its own program.
const roleVariable = "WEBHOOK_BENCH_ROLE"

const (
	roleReceiver = "receiver"
	roleSender   = "sender"
)

// runChild runs the role in the environment, and reports whether there is one.
func runChild(ctx context.Context) (isChild bool, err error) {
	parent := newPipe(os.Stdin, os.Stdout)
	switch role := os.Getenv(roleVariable); role {
	case "":
		return false, nil
	case roleReceiver:
		err = serveReceiver(ctx, parent)
	case roleSender:
		err = serveSender(ctx, parent)
	default:
		err = fmt.Errorf("%s: there is no role %q", roleVariable, role)
	}
	if errors.Is(err, io.EOF) { // the parent has ended
		err = nil
	}
	return true, err
}

// A pipe carries JSON values between a child and its parent.
type pipe struct {
	*json.Decoder
	*json.Encoder
}

func newPipe(in io.Reader, out io.Writer) pipe {
	return pipe{json.NewDecoder(in), json.NewEncoder(out)}
}

// A child is another process of this program. It ends when its standard input does.
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
	return &child{newPipe(out, in), cmd, in}, nil
}

// ask writes a question and reads the answer.
func (c *child) ask(question, answer any) error {
	if err := c.Encode(question); err != nil {
		return err
	}
	return c.Decode(answer)
}

// stop ends the process and waits for it. Its exit status does not matter.
func (c *child) stop() {
	_ = c.stdin.Close()
	_ = c.cmd.Wait()
}
