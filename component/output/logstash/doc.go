// Package logstash is the output that sends to Logstash's beats or elastic_agent
// input: the Beats protocol (lumberjack v2) with go-lumber's client, under
// output.Loop.
//
// A unit's settings become a config (config.go), and New (logstash.go) makes a sender
// of it. sender.Send (sender.go) chooses a line, whose connection package dial makes, and
// sends a window on it (link.go); the link's one goroutine follows the
// acknowledgements and gives each window its end. Events are those of package event.
// Start reading with sender.Send. kind.go has the rows of the health table, check.go
// what the check command asks, failure.go what the end of a connection means.
//
// # Invariants
//
//   - A document is stored when Logstash acknowledged it, and not before: ack n means
//     the first n events of the oldest window. Of a window that was acknowledged in
//     parts only the rest is sent again.
//   - While Logstash gives signs of life, what it has is not sent again, however long
//     that takes.
//   - A window whose sender has gone disturbs no other on its connection.
//   - Memory: an encoded window for each connection.
//   - No error holds a document's text or a proxy's password.
//
// # What it promises
//
// Nothing is lost up to Logstash's acknowledgement; what Logstash does with an event
// is its pipeline's. Logstash acknowledges when the event is in its queue, which is in
// memory unless queue.type is persisted. What is sent again (a connection that broke
// before the acknowledgement, a restart) comes with the same _id: stored once where
// the pipeline has document_id => "%{[@metadata][_id]}" and the data stream has not
// rolled over, else twice. Logstash does not say that it has an event already, nor that
// Elasticsearch refused one: only its dead letter queue keeps those.
//
// # Why a broken connection splits the window
//
// On an event that it cannot read, such as one beyond 20 MiB, the beats input resets
// the connection and gives no reason. So a connection that ends while Logstash has a
// window is Foreign: the loop splits the window until the one document is alone,
// and sends that in its lesser forms. Of several windows on the connection only the
// oldest may be the cause, and for a minute a window goes alone, so that none is refused
// for another.
//
// # Why a connection has a goroutine
//
// The input resets a connection that was idle for 60 s. A source that polls each minute
// meets that with every poll. A goroutine that reads all the time sees the reset before
// the next window is sent, and that window goes over a new connection.
//
// # Why waiting has no end
//
// A pipeline whose outputs are down keeps what it took and gives a sign of life every
// 5 s. Sending again would fill its queue with the same events. The unit says that the
// pipeline is blocked.
//
// # Why the low level of go-lumber's client
//
// Its SyncClient and AsyncClient forget an acknowledgement in parts when the connection
// ends after it, and wait without end or cancellation.
//
// # Why check sends an empty window
//
// It is the only request of the protocol that stores nothing. The beats input answers
// one with the acknowledgement of 0 events since 6.7.0 (BeatsParser, BeatsHandler; seen
// with the classes of 7.0.9, which take the next window as before); before that, as
// with go-lumber's server (server/v2/reader.go), it has no effect, and the next window
// is read as ever. So an answer proves a Logstash, anything else is reported as an
// error, and silence, which a web server has as well, as a warning.
//
// # Why max_retries, escape_html and queue do nothing
//
// They are accepted since policies hold them. Nothing is given up; documents are
// encoded before an output sees them; the batch in flight is the queue. ttl works with
// pipelining, too, once no window is under way.
package logstash
