package kafka

import (
	"cmp"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Kind is this output in the list of outputs. Kafka does not know a message again:
// what is sent twice is in the topic twice, under one _id.
var Kind = output.Kind{
	Type:     "kafka",
	Settings: &options{},
	New: func(source map[string]any, _ string, r output.Reporter, log *slog.Logger) (output.Output, error) {
		return New(source, r, log)
	},
	Check: Check,
	Conditions: []*inputs.Condition{
		gone, insecure, silent, unauthorized, forbidden, topicMissing, noLeader, fewReplicas, failing, refusing,
		formsRefused, documentsRefused,
	},
	Diagnose: diagnose,
	Refused:  documentsRefused,
}

// The rows of the health table.
var (
	gone = &inputs.Condition{
		Name:    "Kafka unreachable",
		Message: "no connection to Kafka: {cause}; trying again; check hosts, the brokers' advertised.listeners and the network",
		Clears:  output.ClearsWhenTaken,
	}
	insecure = &inputs.Condition{
		Name:    "Kafka TLS",
		Message: "no TLS connection to Kafka: {cause}; trying again; check ssl here and the brokers' listeners",
		Clears:  output.ClearsWhenTaken,
	}
	silent = &inputs.Condition{
		Name:    "Kafka silent",
		Message: "Kafka does not acknowledge in time; trying again; look at its brokers and their load",
		Clears:  output.ClearsWhenTaken,
	}
	unauthorized = &inputs.Condition{
		Name:    "Kafka login refused",
		Message: "Kafka refuses the login ({code}): {cause}; check username, password and sasl.mechanism",
		Clears:  output.ClearsWhenTaken,
	}
	forbidden = &inputs.Condition{
		Name:    "Kafka write refused",
		Message: "the user may not write to Kafka ({code}): {cause}; grant WRITE and DESCRIBE on the topic, and IDEMPOTENT_WRITE on clusters before 2.8",
		Clears:  output.ClearsWhenTaken,
	}
	topicMissing = &inputs.Condition{
		Name:    "Kafka topic missing",
		Message: "Kafka has no such topic ({code}): {cause}; make it, or allow the brokers to",
		Clears:  output.ClearsWhenTaken,
	}
	noLeader = &inputs.Condition{
		Name:    "Kafka has no leader",
		Message: "Kafka cannot write ({code}): {cause}; trying again; look at the partitions' leaders",
		Clears:  output.ClearsWhenTaken,
	}
	fewReplicas = &inputs.Condition{
		Name:    "Kafka lacks in-sync replicas",
		Message: "Kafka may not write, since too few replicas are in sync ({code}): {cause}; trying again; look for brokers that are away, and at the topic's min.insync.replicas",
		Clears:  output.ClearsWhenTaken,
	}
	failing = &inputs.Condition{
		Name:    "Kafka fails",
		Message: "a broker of Kafka fails ({code}): {cause}; trying again; look at its log and its disks",
		Clears:  output.ClearsWhenTaken,
	}
	refusing = &inputs.Condition{
		Name:    "Kafka refuses requests",
		Message: "Kafka refuses what it is asked ({code}): {cause}; check compression and required_acks, and the topic's policies",
		Clears:  output.ClearsWhenTaken,
	}
	formsRefused = &inputs.Condition{
		Name:    "Kafka takes no form",
		Message: "Kafka takes no document of {target}, not even one without content ({code}); check topic, max_message_bytes and the topic's max.message.bytes",
		Clears:  output.ClearsWhenTaken,
	}
	documentsRefused = &inputs.Condition{
		Name:    "Kafka refuses documents",
		Message: "some documents are sent in minimal form with event.kind pipeline_error, since they are too large or have no topic; the log and diagnostics say which; raise max_message_bytes here and max.message.bytes at the topic, or give topic a default",
		Clears:  output.ClearsAfterRefusals(),
	}
)

// rows are the rows by the reason of trouble. A test holds that every reason has one.
var rows = map[output.Reason]*inputs.Condition{
	output.Unreachable: gone, output.Other: gone, output.NoTLS: insecure, output.Silent: silent, output.Unauthorized: unauthorized,
	output.Forbidden: forbidden, output.IndexMissing: topicMissing, output.Server: failing, output.Busy: silent, output.TooLarge: silent,
	output.FormsRefused: formsRefused,
}

// rowsByCode are those of brokers' failures that have a remedy of their own.
var rowsByCode = map[string]*inputs.Condition{
	kerr.LeaderNotAvailable.Message: noLeader, kerr.NotLeaderForPartition.Message: noLeader, kerr.ReplicaNotAvailable.Message: noLeader,
	kerr.FencedLeaderEpoch.Message: noLeader, kerr.UnknownLeaderEpoch.Message: noLeader,
	kerr.NotEnoughReplicas.Message: fewReplicas, kerr.NotEnoughReplicasAfterAppend.Message: fewReplicas,
}

// diagnose chooses the row for trouble.
func diagnose(e *output.Error) inputs.Diagnosis {
	cause := e.Cause()
	if e.Err == nil {
		cause = cmp.Or(e.Target, "it says no more")
	}
	return inputs.Diagnosis{
		Condition: cmp.Or(rowsByCode[e.Type], rows[e.Reason], refusing), Code: e.Code(true), Cause: cause, Target: cmp.Or(e.Target, "the data streams"),
	}
}
