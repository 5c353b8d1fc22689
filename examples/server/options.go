package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/database"
)

// options are the values of the flags.
type options struct {
	Addr         string
	Database     string
	Token        string
	Generated    bool // the token is of this run
	AllowPrivate bool
	Retries      []time.Duration
	Workers      int
	Keys         []webhook.CipherKey
}

// parse reads the flags. A flag that is not given takes the value of its environment variable,
// or else its default.
func parse(args []string, getenv func(string) string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(out)
	// The environment's values pass the same checks as flags.
	fromEnv := func(name string) {
		key := "WEBHOOK_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		f := flags.Lookup(name)
		f.Usage += " [$" + key + "]"
		if value := getenv(key); value != "" {
			if e := f.Value.Set(value); e != nil {
				err = cmp.Or(err, fmt.Errorf("invalid value %q of %s: %w", value, key, e))
			}
		}
	}
	o.Retries = []time.Duration{time.Second, time.Second, 2 * time.Second}
	flags.StringVar(&o.Addr, "addr", "127.0.0.1:8080", "where to listen, `host:port`")
	flags.StringVar(&o.Database, "database", "webhook.db", database.Usage)
	flags.StringVar(&o.Token, "token", "", "the bearer token of requests; everybody on the machine sees flags, so prefer the environment (default: a token is made and logged)")
	flags.BoolVar(&o.AllowPrivate, "allow-private", false, "development: allow endpoints with http:// URLs, private addresses and loopback addresses")
	flags.Var((*schedule)(&o.Retries), "retry-schedule", "the `waits` before each retry")
	flags.IntVar(&o.Workers, "workers", 1024, "requests to endpoints at once, at most")
	flags.Usage = func() {
		fmt.Fprintln(out, "Usage of server:")
		flags.PrintDefaults()
		fmt.Fprint(out, keysUsage)
	}
	for _, name := range []string{"addr", "database", "token", "allow-private", "retry-schedule", "workers"} {
		fromEnv(name)
	}
	if err != nil {
		return o, err
	}
	if o.Keys, err = parseKeys(getenv("WEBHOOK_KEYS")); err != nil {
		return o, err
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.Token == "" {
		o.Token, o.Generated = rand.Text(), true
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q: see -help", flags.Arg(0))
	case o.Workers < 1:
		return o, fmt.Errorf("-workers %d: use 1 or more", o.Workers)
	}
	return o, nil
}

// keysUsage describes the only setting without a flag, because everybody on the machine can
// see flags.
const keysUsage = `  WEBHOOK_KEYS, in the environment alone
    	keys that seal secrets in the database: id:64 hex digits, several with commas between, of which the first seals
`

func parseKeys(list string) (keys []webhook.CipherKey, err error) {
	if list == "" {
		return nil, nil
	}
	for one := range strings.SplitSeq(list, ",") {
		id, digits, found := strings.Cut(strings.TrimSpace(one), ":")
		key, err := hex.DecodeString(digits)
		if err != nil || !found {
			return nil, errors.New("WEBHOOK_KEYS: not id:64 hex digits, such as 2026:$(openssl rand -hex 32)") // and quote nothing
		}
		keys = append(keys, webhook.CipherKey{ID: id, Key: key})
	}
	if _, err := webhook.NewCipher(keys...); err != nil {
		return nil, fmt.Errorf("WEBHOOK_KEYS: %w", err)
	}
	return keys, nil
}

// A schedule is a flag with a list of durations, separated by commas.
type schedule []time.Duration

func (s *schedule) String() string {
	list := make([]string, len(*s))
	for i, wait := range *s {
		list[i] = wait.String()
	}
	return strings.Join(list, ",")
}

func (s *schedule) Set(value string) error {
	var waits []time.Duration
	for one := range strings.SplitSeq(value, ",") {
		wait, err := time.ParseDuration(strings.TrimSpace(one))
		if err != nil || wait < 0 {
			return errors.New(strconv.Quote(one) + ": use durations such as 1s,1m,2h")
		}
		waits = append(waits, wait)
	}
	*s = waits
	return nil
}
