package main

import (
	"fmt"

	"maru.example/maru/broker/disk"
)

type verifyCmd struct {
	Dir string `arg:"" placeholder:"DIR" help:"The directory of --data."`
}

// Help is the text of --help beside the flags.
func (*verifyCmd) Help() string {
	return `Compares everything as a start would, and changes nothing. Exits with 0 if nothing is missing or changed, and with 1 otherwise. ` +
		`A server that starts keeps what can be read, and reports to its clients what is missing.`
}

func (c *verifyCmd) Run(s *surroundings) error {
	report, err := disk.Verify(c.Dir)
	if err != nil {
		return fmt.Errorf("verify %s: %w", c.Dir, err)
	}
	fmt.Fprintf(s.stdout, "namespaces: %d, channels: %d, publications: %d, bytes: %d\n",
		report.Namespaces, report.Channels, report.Publications, report.Bytes)
	for _, finding := range report.Findings {
		fmt.Fprintln(s.stdout, finding)
	}
	if n := len(report.Findings); n > 0 {
		return fmt.Errorf("verify %s: faults found: %d", c.Dir, n)
	}
	fmt.Fprintln(s.stdout, "all is well")
	return nil
}
