package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// asker asks a person, or takes the lines of a file for answers.
type asker struct {
	in    *bufio.Reader
	out   io.Writer
	input *os.File // nil where nothing can be hidden
}

func newAsker(in io.Reader, out io.Writer) *asker {
	a := &asker{in: bufio.NewReader(in), out: out}
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.input = f
	}
	return a
}

// errNoAnswer is the end of the input.
var errNoAnswer = errors.New("no answer")

// ask asks until the answer is right; what is in brackets is taken for an empty
// one.
func (a *asker) ask(ctx context.Context, question, otherwise string, wrong func(string) string) (string, error) {
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	for {
		fmt.Fprint(a.out, question+": ")
		answer, err := a.line(ctx, func() (string, error) { return a.in.ReadString('\n') })
		if answer == "" {
			answer = otherwise
		}
		switch fault := wrong(answer); {
		case fault == "":
			return answer, nil
		case err != nil:
			return "", err
		default:
			fmt.Fprintln(a.out, "  "+fault)
		}
	}
}

// hidden asks for what must not be seen on the screen. The answer may be empty.
func (a *asker) hidden(ctx context.Context, question string) (string, error) {
	fmt.Fprint(a.out, question+": ")
	if a.input == nil {
		answer, err := a.line(ctx, func() (string, error) { return a.in.ReadString('\n') })
		if errors.Is(err, errNoAnswer) {
			err = nil
		}
		return answer, err
	}
	fd := int(a.input.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("hide the answer: %w", err)
	}
	defer fmt.Fprintln(a.out)
	defer func() { _ = term.Restore(fd, state) }() // after an interruption
	return a.line(ctx, func() (string, error) {
		text, err := term.ReadPassword(fd)
		return string(text), err
	})
}

// line reads a line, unless ctx ends first: then the reader is left behind, and the
// program ends.
func (a *asker) line(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := read()
		answered <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", errors.New("interrupted")
	case got := <-answered:
		if errors.Is(got.err, io.EOF) {
			got.err = errNoAnswer
		}
		return strings.TrimSpace(got.text), got.err
	}
}
