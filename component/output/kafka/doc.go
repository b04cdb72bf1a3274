// Package kafka is the output that produces to Kafka, with franz-go's client under
// output.Loop.
//
// A unit's settings become a config (config.go, topic.go, format.go; client.go makes
// the client's options of it), and New (kafka.go) makes client and sender. sender.Send
// (sender.go) asks the brokers whether all is well where it does not know, makes a
// flight of records (flight.go), and gives each document the verdict of its record
// (failure.go). Events are those of package event; connections those of package dial.
// Start reading with sender.Send. kind.go has the rows of the health table, check.go
// what the check command asks.
//
// # Invariants
//
//   - A document is stored when a broker acknowledged its record: the leader, or all
//     in-sync replicas with required_acks -1, which is the default here.
//   - Every message has the document's id in the header _id, and the id of its record
//     as key unless the policy has another: versions of one record are in one
//     partition, in their order.
//   - A record's memory is the flight's: what the client still holds when a Send ends
//     is not used again.
//   - Memory: the events of two batches, and what the client compresses of them.
//   - No error holds a document's text or a password.
//
// # What it promises
//
// Nothing is lost up to the acknowledgement; how long a topic keeps a message is the
// topic's. Stored twice can be what was sent when its acknowledgement was lost with the
// process, with the output, or with a broker: the client's idempotence covers its own
// tries alone, which end where a broker is away for four times timeout, or does not
// know the topic yet after its restart (of 20 kills of a real one, 3 requests). Both messages have one _id:
// consumers keep the first, as Logstash's output does with document_id, or compact by
// it. With required_acks 1 there is no idempotence, and a leader that dies may take an
// acknowledged message with it.
//
// # Why the brokers are asked first
//
// A wrong password, a wrong TLS setting and a dead broker all look alike to the
// client's producer: it tries until its time is over. So a Send begins with a question
// unless the last one went well, and where a record's time is over the brokers are
// asked once more: whether they answer, and whether the topic's partitions have
// leaders and replicas. What the dialer saw of the newest connection tells plain from
// TLS and a login that is missing.
//
// # Why answers are read along
//
// What a broker says to a batch and may pass, such as NOT_ENOUGH_REPLICAS, the client
// keeps to itself and tries again: no hook of it tells. So the connection looks at the
// answers to produce requests as they come by (answers.go), and trouble has their
// cause. Reading the client's log would hang on its words.
//
// # Why the client tries again as well
//
// Its own tries of a batch have a sequence number, so that a broker that has the batch
// already does not write it again. It has four times timeout for them; then the loop sends
// the documents as new records.
//
// # Why required_acks is -1
//
// Beats have 1, with which an acknowledged event can be lost. 0 promises nothing and
// is taken for 1, with a line in the log.
//
// # Why a message's time is now
//
// Kafka deletes by the time of a message. An alert of last month, dated with its
// @timestamp, could be deleted on arrival.
//
// # Why hash is the default for partitions
//
// It is with Beats, where it is random without a key; here every message has one. The
// hash is that of Beats, so that both put one key into one partition.
//
// # Why version and max_retries do nothing
//
// They are accepted since policies hold them. Client and broker agree on a version;
// nothing is given up.
package kafka
