package main

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// collectorStream is the data stream of what the collector reports about itself. It is
// made of no records, so it has no captures.
const collectorStream = "collector"

// reports is what panels read of it.
const reports = "metrics-" + defender.Type + ".collector-*"

const selfPrefix = defender.Type + ".collector."

// selfColours are those of the states of streams.
var selfColours = []paint{{"HEALTHY", green}, {"CONFIGURING", blue}, {"DEGRADED", orange}, {"FAILED", red}}

// sampleStatuses are streams as a collector reports them: one of alerts that reads well, and
// one of machines that lacks a permission for a while.
func sampleStatuses(at time.Time, troubled bool) []inputs.StreamStatus {
	quota := &inputs.Quota{HourLeft: 1382}
	alerts := inputs.StreamStatus{
		Key: inputs.Key{Stream: "log", Dataset: defender.Type + ".log"}, State: "HEALTHY", Healthy: true, Reason: "collecting",
		LastSuccess: at.Add(-25 * time.Second),
		Counts: inputs.Counts{
			Records: 14, Duplicates: 9, Documents: 8, Published: inputs.Result{Stored: 8}, Newest: at.Add(-2 * time.Minute), Quota: quota,
		},
	}
	machines := inputs.StreamStatus{
		Key: inputs.Key{Stream: "machine", Dataset: defender.Type + ".machine"}, State: "HEALTHY", Healthy: true, Reason: "collecting",
		LastSuccess: at.Add(-17 * time.Minute),
		Counts:      inputs.Counts{Records: 50, Duplicates: 46, Documents: 4, Published: inputs.Result{Stored: 4}, Newest: at.Add(-20 * time.Minute), Quota: quota},
	}
	if troubled {
		machines.State, machines.Healthy = "DEGRADED", false
		machines.Reason = "get /api/machines: permission missing (HTTP 403, Forbidden); grant Machine.Read.All to the application and give admin consent"
		machines.Counts = inputs.Counts{Quota: &inputs.Quota{HourLeft: 1380, HeldUntil: at.Add(time.Minute)}}
	}
	return []inputs.StreamStatus{alerts, machines}
}

// selfReports are the documents of a collector over the span of the previews, one
// of which in six reports trouble.
func selfReports() ([]document, error) {
	var documents []document
	for i := range 24 {
		at := previewTime.Add(-time.Duration(i+1) * previewSpan / 25)
		for _, body := range defender.CollectorDocuments(collector, sampleStatuses(at, i%6 == 5), at) {
			flat, err := flatten(body)
			if err != nil {
				return nil, err
			}
			flat[indexField] = []any{reports}
			documents = append(documents, flat)
		}
	}
	return documents, nil
}
