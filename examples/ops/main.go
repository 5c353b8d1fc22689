// Ops is for the person on call. It shows the state of the webhooks in an application's database,
// pauses and resumes endpoints, and starts replays. The application goes on running beside it.
//
//	ops -database postgres://… stats
//	ops -database postgres://… failing
//	ops -database postgres://… attempts -class timeout -since 10m
//	ops -database postgres://… pause -failing
//	ops -database postgres://… resume -all
//	ops -database postgres://… replay -tenant acme -endpoint 019abc… -since 2h -missed
//
// The environment variable WEBHOOK_DATABASE can replace the flag. "ops COMMAND -help" prints the
// flags of a command.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/database"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "ops:", err)
		os.Exit(1)
	}
}

// A command is a subcommand. prepare declares its flags, and returns the function that runs it
// when they are parsed.
type command struct {
	name, usage string
	prepare     func(*flag.FlagSet) func(context.Context, *ops) error
}

var commands = []command{
	{"stats", "counts of deliveries and endpoints", stats},
	{"failing", "endpoints that keep failing; without -tenant, those failing longest first", failing},
	{"attempts", "failed attempts of the last minutes, the latest first", attempts},
	{"pause", "hold the deliveries of active endpoints", pause},
	{"resume", "make endpoints active that the operator has paused", resume},
	{"replay", "send failed deliveries again, or the events that an endpoint has missed", replay},
}

// ops is a command that runs.
type ops struct {
	*webhook.Dispatcher
	out io.Writer
}

// run parses the arguments, opens the store and runs the command.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("ops", flag.ContinueOnError)
	flags.SetOutput(out)
	name := flags.String("database", "", database.Usage+" [$WEBHOOK_DATABASE]") // -help prints defaults, and this may have a password
	flags.Usage = func() {
		fmt.Fprintln(out, "Usage: ops [-database name] command [flags]")
		flags.PrintDefaults()
		for _, c := range commands {
			fmt.Fprintf(out, "  %s\n    \t%s\n", c.name, c.usage)
		}
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == flags.Arg(0) })
	if i < 0 {
		return fmt.Errorf("the command is %q; use stats, failing, attempts, pause, resume or replay", flags.Arg(0))
	}
	own := flag.NewFlagSet(flags.Arg(0), flag.ContinueOnError)
	own.SetOutput(out)
	act := commands[i].prepare(own)
	if err := own.Parse(flags.Args()[1:]); err != nil {
		return err
	}
	if own.NArg() > 0 {
		return fmt.Errorf("unknown argument %q: see -help", own.Arg(0))
	}
	*name = cmp.Or(*name, getenv("WEBHOOK_DATABASE"))
	if err := exists(*name); err != nil {
		return err
	}
	store, closeStore, err := database.Open(ctx, *name)
	if err != nil {
		return err
	}
	defer closeStore()
	// It sends nothing, because nobody calls Run. It needs no keys, because it shows no secrets.
	d, err := webhook.New(store, webhook.Config{Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return err
	}
	return act(ctx, &ops{d, out})
}

// exists refuses a database that opening it would create, because that is a typing error here.
func exists(name string) error {
	switch {
	case name == "" || name == "memory":
		return errors.New("-database: name the database of the application")
	case strings.Contains(name, "://"):
		return nil
	}
	_, err := os.Stat(name)
	return err
}
