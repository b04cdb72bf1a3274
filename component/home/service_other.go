//go:build !windows

package home

// servicePaths is for Windows: elsewhere services are files.
func servicePaths() []string { return nil }
