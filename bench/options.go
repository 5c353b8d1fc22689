package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const (
	defaultPostgres = "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable"

	fullSize  = 50_000
	shortSize = 10_000
)

// Options are what the command line says.
type options struct {
	scenarios []string
	peers     []string
	n         int
	rounds    int
	asJSON    bool
	postgres  string
	dir       string // of SQLite files
	profiles  string // directory; empty for none
	river     riverTuning
}

// A riverTuning is what River leaves to its users.
type riverTuning struct {
	Workers     int
	Connections int
	CooldownMS  int
	PollMS      int
}

// parse reads the command line.
func parse(args []string, usage io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	names := flags.String("run", strings.Join(scenarioNames(), ","), "scenarios")
	peers := flags.String("peers", strings.Join(peerNames, ","), "peers")
	short := flags.Bool("short", false, fmt.Sprintf("-n %d and one round, unless they are given: about five minutes", shortSize))
	flags.IntVar(&o.n, "n", fullSize, "deliveries of drain; the sizes of the others follow")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds of each scenario")
	flags.BoolVar(&o.asJSON, "json", false, "print one JSON object a line for each round and peer")
	flags.StringVar(&o.postgres, "postgres", cmp.Or(os.Getenv("WEBHOOK_TEST_POSTGRES"), defaultPostgres), "the PostgreSQL `server`: a superuser's URL")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "where SQLite files are made: a `directory` on a disk")
	flags.StringVar(&o.profiles, "cpuprofile", "", "write a CPU profile of each measured sender into this `directory`")
	flags.IntVar(&o.river.Workers, "river-workers", 200, "MaxWorkers of River")
	flags.IntVar(&o.river.Connections, "river-connections", 40, "connections of River's pool")
	flags.IntVar(&o.river.CooldownMS, "river-cooldown", 5, "FetchCooldown of River in milliseconds")
	flags.IntVar(&o.river.PollMS, "river-poll", 50, "FetchPollInterval of River in milliseconds")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if *short {
		o.shorten(flags)
	}
	if o.n < minSize || o.rounds < 1 {
		return nil, fmt.Errorf("-n must be at least %d, and -rounds at least 1", minSize)
	}
	var err error
	if o.scenarios, err = listed("-run", *names, scenarioNames()); err != nil {
		return nil, err
	}
	o.peers, err = listed("-peers", *peers, peerNames)
	return o, err
}

// shorten sets what is not given to what -short says.
func (o *options) shorten(flags *flag.FlagSet) {
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["n"] {
		o.n = shortSize
	}
	if !given["rounds"] {
		o.rounds = 1
	}
}

// minSize keeps the smallest sizes that are derived from -n above zero.
const minSize = 500

// listed splits a list of known names.
func listed(name, list string, known []string) ([]string, error) {
	names := strings.Split(list, ",")
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("%s: %q is none of %s", name, n, strings.Join(known, ", "))
		}
	}
	return names, nil
}
