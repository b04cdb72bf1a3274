package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ours are all commands but those that cobra adds; topics are pages of help.
func ours() (commands, topics []*cobra.Command) {
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		switch {
		case c.Name() == "completion" || c.Name() == "help":
			return
		case !c.Runnable():
			topics = append(topics, c)
		case c.HasParent():
			commands = append(commands, c)
		}
		for _, below := range c.Commands() {
			add(below)
		}
	}
	add(newRoot())
	return commands, topics
}

// TestEveryCommandHasHelp: a page says what a command does, shows how, and what it shows
// is right.
func TestEveryCommandHasHelp(t *testing.T) {
	commands, topics := ours()
	if len(commands) < 8 || len(topics) < 3 {
		t.Fatalf("%d commands, %d topics", len(commands), len(topics))
	}
	for _, c := range append(commands, topics...) {
		if c.Short == "" || c.Long == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: no help: %q, %q", c.CommandPath(), c.Short, c.Long)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 101 {
				t.Errorf("%s: a line of %d characters: %s", c.CommandPath(), len(line), line)
			}
		}
	}
	for _, c := range commands {
		examples := strings.Split(c.Example, "\n")
		for _, example := range examples {
			if !strings.HasPrefix(example, "  ") {
				t.Errorf("%s: no example, or one that is not indented: %q", c.CommandPath(), example)
				continue
			}
			checkExample(t, c, example)
		}
	}
}

// checkExample parses an example as the program would.
func checkExample(t *testing.T, c *cobra.Command, example string) {
	t.Helper()
	var args []string
	for _, word := range strings.Fields(example) {
		if word == "<" || word == ">" || word == "|" {
			break
		}
		args = append(args, word)
	}
	if args[0] == "sudo" {
		args = args[1:]
	}
	found, flags, err := newRoot().Find(args[1:])
	if args[0] != "defender-endpoint" || err != nil || found.CommandPath() != c.CommandPath() && found.Parent().CommandPath() != c.CommandPath() {
		t.Errorf("%s: the example is another command's: %s (%v)", c.CommandPath(), example, err)
		return
	}
	if err := found.ParseFlags(flags); err != nil {
		t.Errorf("%s: %s: %v", c.CommandPath(), example, err)
	}
	if err := found.ValidateArgs(found.Flags().Args()); err != nil {
		t.Errorf("%s: %s: %v", c.CommandPath(), example, err)
	}
}

// TestFlagsSayWhatTheyTake, and a setting is taken where it has an effect only.
func TestFlagsSayWhatTheyTake(t *testing.T) {
	commands, _ := ours()
	for _, c := range commands {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: %q", c.CommandPath(), f.Name, f.Usage)
			}
		})
		if takes := c.Flags().Lookup("E") != nil; takes != (c.Name() == "run" || c.CommandPath() == "defender-endpoint status") {
			t.Errorf("%s takes -E: %v", c.CommandPath(), takes)
		}
	}
}
