// Package spec has what Elastic Agent and Fleet read about the component: its spec
// file, and the version that component and package have in common.
package spec

import (
	"bytes"
	_ "embed"
)

// Component is the component's spec file for Elastic Agent.
//
//go:embed defender-endpoint.spec.yml
var Component []byte

// For is the spec file for a platform (GOOS, GOARCH). That of windows/arm64 alone
// names this platform: an agent before 9.2 does not start when it reads the name
// (AGENT.md trap 15), and there is none before 9.2 on that platform.
func For(goos, goarch string) []byte {
	if goos != "windows" || goarch != "arm64" {
		return Component
	}
	const amd64 = "      - windows/amd64\n"
	return bytes.Replace(Component, []byte(amd64), []byte(amd64+"      - windows/arm64\n"), 1)
}
