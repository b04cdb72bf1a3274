package home

import (
	"errors"
	"io/fs"
	"os"
)

// ownAs does nothing: a file inherits the access list of its folder.
func ownAs(*os.File, string) error { return nil }

// trusted takes every file: only administrators may write the agent's folders.
func trusted(string) bool { return true }

// replace puts a program that runs aside, because it cannot be overwritten; the
// next call removes it.
func replace(from, to string) error {
	err := os.Rename(from, to)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if os.Rename(to, to+aside) != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, os.Rename(to+aside, to))
	}
	return nil
}

// syncFolder does nothing: Windows does not sync folders.
func syncFolder(string) {}
