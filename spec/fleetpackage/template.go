package main

import (
	"bytes"
	"fmt"
)

// template is the agent's template of a stream: one line or list for each
// variable of the input and of the stream, under the setting of its name.
//
// What a user left empty is left out, so that the component's default holds.
// A YAML variable is on its line as a placeholder, which Fleet replaces by
// the value; a password is quoted, because any character may be in it, and so is a
// text of several lines.
func template(variables ...[]variable) []byte {
	var b bytes.Buffer
	for _, list := range variables {
		for _, v := range list {
			v.render(&b)
		}
	}
	return b.Bytes()
}

func (v *variable) render(b *bytes.Buffer) {
	value := "{{" + v.Name + "}}"
	if v.Type == "password" || v.Type == "textarea" {
		value = "{{escape_string " + v.Name + "}}"
	}
	line := v.Name + ": " + value + "\n"
	if v.Multi {
		line = fmt.Sprintf("%s:\n{{#each %s as |item|}}\n  - {{item}}\n{{/each}}\n", v.Name, v.Name)
	}
	if !v.Required || v.Multi {
		line = fmt.Sprintf("{{#if %s}}\n%s{{/if}}\n", v.Name, line)
	}
	b.WriteString(line)
}
