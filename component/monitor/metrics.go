package monitor

import (
	"io"
	"math"
	"runtime"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// labels are names and values in turn.
type labels []string

// families collects metrics in the order in which they are added.
type families struct {
	list []*dto.MetricFamily
	byID map[string]*dto.MetricFamily
}

func (f *families) add(kind dto.MetricType, name, help string, value float64, l labels) {
	name = "defender_endpoint_" + name
	family := f.byID[name]
	if family == nil {
		family = &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
		f.byID[name] = family
		f.list = append(f.list, family)
	}
	m := &dto.Metric{}
	for i := 0; i+1 < len(l); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: &l[i], Value: &l[i+1]})
	}
	if kind == dto.MetricType_COUNTER {
		m.Counter = &dto.Counter{Value: &value}
	} else {
		m.Gauge = &dto.Gauge{Value: &value}
	}
	family.Metric = append(family.Metric, m)
}

func (f *families) gauge(name, help string, value float64, l ...string) {
	f.add(dto.MetricType_GAUGE, name, help, value, l)
}

func (f *families) count(name, help string, value int, l ...string) {
	f.add(dto.MetricType_COUNTER, name, help, float64(value), l)
}

// Metrics writes an overview in Prometheus's text format. Times are seconds since
// 1970, and what is not known yet is left out.
func Metrics(w io.Writer, o Overview) error {
	f := &families{byID: map[string]*dto.MetricFamily{}}
	f.gauge("build_info", "1, with the version as a label.", 1, "version", o.Version)
	f.gauge("start_time_seconds", "When the process started.", seconds(&o.Started))
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	f.gauge("memory_bytes", "Memory that the process holds.", float64(memory.Sys-memory.HeapReleased))
	f.gauge("goroutines", "Goroutines of the process.", float64(runtime.NumGoroutine()))
	for _, u := range o.Units {
		f.gauge("unit_healthy", "1 where a unit is HEALTHY.", truth(u.Healthy), "unit", u.ID, "type", u.Type)
		for _, s := range u.Streams {
			f.stream(s, "unit", u.ID, "stream", s.ID, "dataset", s.Dataset)
		}
	}
	for _, family := range f.list {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return err
		}
	}
	return nil
}

// stream adds what a stream shows.
func (f *families) stream(s Stream, l ...string) {
	with := func(more ...string) []string { return append(l[:len(l):len(l)], more...) }
	f.gauge("stream_healthy", "1 where a stream is HEALTHY.", truth(s.Healthy), l...)
	f.gauge("stream_lag_seconds", "How far behind the present a stream has read.", float64(s.LagSeconds), l...)
	f.count("records_total", "Records read.", s.Records, l...)
	f.count("records_seen_before_total", "Records read that had been published.", s.Duplicates, l...)
	f.count("records_quarantined_total", "Records that could not be mapped cleanly.", s.Quarantined, l...)
	const documents = "Documents by what became of them."
	f.count("documents_total", documents, s.Stored, with("result", "stored")...)
	f.count("documents_total", documents, s.Existing, with("result", "existing")...)
	f.count("documents_total", documents, s.Minimal, with("result", "minimal")...)
	f.count("documents_total", documents, s.Bare, with("result", "bare")...)
	f.count("documents_dropped_total", "Documents that the policy's processors dropped.", s.Dropped, l...)
	f.count("failure_store_total", "Documents of which the full form is in the failure store.", s.FailureStore, l...)
	f.time("last_success_timestamp_seconds", "When the last full poll ended.", s.LastSuccess, l)
	f.time("newest_record_timestamp_seconds", "Time of the newest record.", s.NewestRecord, l)
	if s.QuotaLeft != nil {
		f.gauge("quota_left", "Calls left of this hour.", float64(*s.QuotaLeft), l...)
	}
	if s.CredentialsDaysLeft != nil {
		f.gauge("credentials_days_left", "Days for which secret or certificate are still valid.", float64(*s.CredentialsDaysLeft), l...)
	}
}

func (f *families) time(name, help string, at *time.Time, l labels) {
	if at != nil {
		f.gauge(name, help, seconds(at), l...)
	}
}

func seconds(t *time.Time) float64 { return math.Round(float64(t.UnixMilli())) / 1000 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
