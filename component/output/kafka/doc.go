// Package kafka is the output that produces to Kafka, with franz-go's client under
// output.Loop.
//
// A unit's settings become a config (config.go, topic.go, format.go; client.go makes the
// client's options of it), and New (kafka.go) makes client and sender. sender.Send
// (sender.go) asks the brokers whether all is well where it does not know, makes a
// flight of records (flight.go), and gives each document the verdict of its record
// (failure.go). Records that Send cannot wait for are kept (held.go). Events are those
// of package event; connections those of package dial. Start reading with sender.Send.
// kind.go has the rows of the health table, check.go what the check command asks.
//
// # Invariants
//
//   - A document is stored when a broker acknowledged its record: the leader, or all
//     in-sync replicas with required_acks -1, which is the default here.
//   - Every message has the document's id in the header _id, and the id of its record
//     as key unless the policy has another: versions of one record are in one
//     partition, in their order.
//   - A record's memory is the flight's: what the client still has when a Send ends
//     is not used again.
//   - A document whose record the client has, or a broker acknowledged meanwhile, is
//     not produced again.
//   - Memory: the events of two batches, and what the client compresses of them; of
//     ten while no broker answers, or topics cannot be written to, and streams begin
//     and end.
//   - A topic that cannot be written to does not stop the others, unless the flights
//     that wait are so many that memory is the limit.
//   - No error holds a document's text or a password.
//
// # What it promises
//
// Nothing is lost up to the acknowledgement; how long a topic keeps a message is the
// topic's. Nothing is stored twice while the output lives, even where connections and
// brokers fail: a broker recognises a repeated try by its producer and number, which its
// log keeps over a restart (40 restarts of a real one, 20 by SIGKILL: 33,000 documents,
// none lost, none twice; mage soakKafka does it again, with 100 kills of the program:
// none lost, and up to half of the messages there again by their id). Two cases store a
// message twice. One is a message that was written, and not acknowledged or not saved as
// collected, when the process was killed or the output was swapped: the next producer
// has another number. The other is a message that was written while its answer was lost,
// and whose next try the brokers refuse, because a right was withdrawn in between. Both
// messages have one _id: consumers keep the first, as Logstash's output does with
// document_id, or compact by it. With required_acks 1 a broker does not recognise a
// repeated try, and a leader that dies may take an acknowledged message with it.
//
// # Why the brokers are asked first
//
// A wrong password, a wrong TLS setting and a dead broker all look alike to the
// client's producer: it tries without end. So a Send begins with a question
// unless the last one went well, and where a record takes too long the brokers are
// asked once more: whether they answer, whether they know the topic, and whether its
// partitions have leaders and replicas. What the dialer saw of the newest connection
// distinguishes plain from TLS, and shows a login that is missing.
//
// # Why answers are read along
//
// What a broker says to a batch and may pass, such as NOT_ENOUGH_REPLICAS, the client
// keeps to itself and tries again: no hook of it reports that. So the connection reads
// the answers to produce requests as they arrive (answers.go), and trouble names their
// cause. Reading the client's log would depend on its wording.
//
// # Why the client never gives a record up
//
// A record that was sent may be written. The client's next try of it has the same
// number, so that a broker does not write it again; were it given up and produced once
// more, it would have a new one. So the client has no time-out for a delivery and no
// context that ends, and the dialer's errors are of a kind that the client retries:
// after an error that it takes for permanent it gives up all records. A Send that cannot
// wait leaves its flight behind, and the next Send of a document waits for the record
// that the client already has.
//
// # Why a refused record is sent again with no other
//
// MESSAGE_TOO_LARGE is said of a batch, which the client makes of the records of all
// Sends: an alert would be made minimal for the machines beside it. So a record that is
// the only one of its Send is sent once more while no other of its topic is under way,
// and what the broker says then is said of that record.
//
// # Why a topic is purged
//
// The client knows a topic by its id, and refuses all documents of one that was deleted
// and made again until it is asked to forget the former.
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
// It is the default of Beats, where it is random without a key; here every message has a
// key. The hash is that of Beats, so that both put one key into one partition.
//
// # Why version and max_retries do nothing
//
// They are accepted since policies hold them. Client and broker agree on a version;
// nothing is given up.
package kafka
