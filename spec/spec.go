// Package spec embeds what Elastic Agent and Fleet read about the component.
package spec

import _ "embed"

// Component is the component's spec file for Elastic Agent.
//
//go:embed defender-endpoint.spec.yml
var Component []byte
