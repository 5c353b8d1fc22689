package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const (
	defaultSize = 20_000
	minSize     = 500 // every size that is derived from a smaller one is above zero
)

// Options are the command line.
type options struct {
	run      []string // scenarios, or scenario/variant
	peers    []string
	n        int
	rounds   int
	asJSON   bool
	dir      string // of the databases
	anyDisk  bool   // also one in memory, for tests
	profiles string // directory of CPU profiles; empty for none
}

func parse(args []string, usage io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	names := flags.String("run", strings.Join(scenarioNames(), ","), "scenarios, or scenario/variant")
	peers := flags.String("peers", strings.Join(peerNames, ","), "peers")
	flags.IntVar(&o.n, "n", defaultSize, "deliveries of drain; the other sizes follow from it")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds of each scenario")
	flags.BoolVar(&o.asJSON, "json", false, "print a line of JSON for each round and peer in place of the tables")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "a `directory` on a disk, for the databases")
	flags.StringVar(&o.profiles, "cpuprofile", "", "write a CPU profile of each sender into this `directory`")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if o.n < minSize || o.rounds < 1 {
		return nil, fmt.Errorf("-n must be at least %d, and -rounds at least 1", minSize)
	}
	o.run, o.peers = strings.Split(*names, ","), strings.Split(*peers, ",")
	for _, peer := range o.peers {
		if !slices.Contains(peerNames, peer) {
			return nil, fmt.Errorf("-peers: %q is none of %s", peer, strings.Join(peerNames, ", "))
		}
	}
	for _, name := range o.run {
		if !slices.ContainsFunc(scenarios, func(s scenario) bool { return len(s.selected([]string{name}, peerNames, minSize)) > 0 }) {
			return nil, fmt.Errorf("-run: there is no scenario or variant %q; the scenarios are %s", name, strings.Join(scenarioNames(), ", "))
		}
	}
	return o, nil
}
