package standalone

import (
	"fmt"
	"strconv"
	"strings"
)

// Setting is a setting of a new policy.
type Setting struct {
	Name, Value string
	// Variable replaces a value that is empty, or that a policy cannot
	// hold: the name of a variable of the environment.
	Variable string
	List     bool // the value is the only element of one
}

// New is a policy to be written.
type New struct {
	Input    string // its type
	Settings []Setting
	Output   string    // its type
	Target   []Setting // of the output
	Datasets []string  // of the streams
}

// Text is the policy as YAML, and the variables that it needs.
func (n New) Text() (text string, variables []string) {
	var b strings.Builder
	write := func(s Setting) {
		value, isVariable := s.quoted()
		if isVariable {
			variables = append(variables, s.Variable)
		}
		if s.List {
			value = "[" + value + "]"
		}
		fmt.Fprintf(&b, "    %s: %s\n", s.Name, value)
	}
	fmt.Fprintf(&b, "outputs:\n  default:\n    type: %s\n", n.Output)
	for _, s := range n.Target {
		write(s)
	}
	fmt.Fprintf(&b, "inputs:\n  - id: defender-1\n    type: %s\n    use_output: default\n    data_stream.namespace: default\n", n.Input)
	for _, s := range n.Settings {
		write(s)
	}
	b.WriteString("    streams:\n")
	for _, dataset := range n.Datasets {
		_, name, _ := strings.Cut(dataset, ".")
		fmt.Fprintf(&b, "      - id: defender-1-%s\n        data_stream: {type: logs, dataset: %s}\n", name, dataset)
	}
	return b.String(), variables
}

// quoted is the value between quotes, such that reading gives it again.
func (s Setting) quoted() (text string, isVariable bool) {
	escaped := strings.ReplaceAll(s.Value, "${", "$${")
	none := variables{lookup: func(string) (string, bool) { return "", false }}
	back, err := none.expand(escaped)
	if s.Variable != "" && (s.Value == "" || err != nil || back != s.Value) {
		return strconv.Quote("${env." + s.Variable + "}"), true
	}
	return strconv.Quote(escaped), false
}
