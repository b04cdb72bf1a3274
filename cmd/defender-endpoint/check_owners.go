package main

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// The Fleet package's names (spec/fleetpackage/edition.go). Under that of Elastic's
// package it has versions from firstOwnMajor on.
const (
	packageName        = "defender_endpoint"
	elasticPackageName = defender.Type
	firstOwnMajor      = 100
)

// ownerWarning is what is wrong with a target's owner, another package than ours or
// none, with where to read on; empty if nothing is.
func ownerWarning(o output.Owner) string {
	text := ownerFault(o)
	if text == "" {
		return ""
	}
	return text + "; see docs/packages.md of the package"
}

func ownerFault(o output.Owner) string {
	switch o.Package {
	case packageName:
		return ""
	case "":
		return "was made without a Fleet package: while it exists, Kibana does not take an upload of " + packageName
	case elasticPackageName:
		switch major := pipelineMajor(o.Pipeline); {
		case major >= firstOwnMajor:
			return ""
		case major < 0:
			return fmt.Sprintf("belongs to the package %s: if its version is below %d it is Elastic's, whose ingest pipeline does not fit these documents", o.Package, firstOwnMajor)
		}
		return "belongs to Elastic's package (" + o.Pipeline + "), whose ingest pipeline does not fit these documents and which keeps " + packageName + " out"
	}
	return "belongs to the package " + o.Package + ", which keeps " + packageName + " out"
}

var pipelineVersion = regexp.MustCompile(`-(\d+)\.\d+\.\d+`)

// pipelineMajor is the major version of the package that an ingest pipeline is of,
// which Fleet puts into its name; -1 where it is not there.
func pipelineMajor(pipeline string) int {
	m := pipelineVersion.FindStringSubmatch(pipeline)
	if m == nil {
		return -1
	}
	major, err := strconv.Atoi(m[1])
	if err != nil {
		return -1
	}
	return major
}
