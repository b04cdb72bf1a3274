package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// console is standard error. On a terminal it keeps a progress line below what is
// written, which is gone when the program ends.
type console struct {
	out   io.Writer
	width func() int // columns of the terminal; nil where there is none

	mu       sync.Mutex
	progress string // as shown; empty where none is
}

const clearLine = "\r\x1b[K"

func newConsole(stderr io.Writer) *console {
	c := &console{out: stderr}
	f, ok := stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return c
	}
	c.width = func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 { // a terminal need not know
			return 80
		}
		return width
	}
	return c
}

// isTerminal reports whether a person reads.
func (c *console) isTerminal() bool { return c.width != nil }

// Write writes whole lines above the progress line.
func (c *console) Write(lines []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.progress == "" {
		return c.out.Write(lines)
	}
	fmt.Fprint(c.out, clearLine)
	n, err := c.out.Write(lines)
	fmt.Fprint(c.out, c.progress)
	return n, err
}

// show replaces the progress line; an empty text removes it. There is none but on a
// terminal.
func (c *console) show(text string) {
	if !c.isTerminal() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if columns := c.width() - 1; len(text) > columns { // it is ASCII
		text = text[:max(columns, 0)]
	}
	if text != "" || c.progress != "" {
		fmt.Fprint(c.out, clearLine+text)
	}
	c.progress = text
}
