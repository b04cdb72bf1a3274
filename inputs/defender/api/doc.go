// Package api is the HTTP side of the Microsoft Defender for Endpoint API:
// token, pace, retry, paging and typed errors. It hands out records as raw
// JSON and must not know what a record means, what a document is, or which
// resources exist.
//
//	Client  one tenant, one application: token, connections, pace
//	Page    one answer, read record by record while it streams
//	Pace    the quota of a tenant and application, shared by its clients
//	Error   what went wrong; its Kind decides about trying the call again (retry.go)
//
//	Credentials  how the application proves who it is, and where from
//	Cloud   what belongs together: tokens, hosts, scopes
//
// A call goes from Client.Open through call.go: token, pace, request. Its answer is a
// Page (page.go), whose Next gives one record after the other, and its io.EOF the end
// of a whole answer. Of any other one parse.go makes an Error (statusKind: the Kind of
// a status), retry.go says by the Kind whether the call is made again, and reason.go
// which row of the health table shows it. Start reading with call.go. Client.Follow
// asks for the page that Page.NextLink leads to; Index and Download (files.go) read
// lists that the API exports as files.
//
// # Invariants
//
//   - The secret goes to the token endpoint, the token to the configured host
//     and to Microsoft's own domains over https; nothing else gets either, and
//     no error, observer or formatted value shows one of them.
//   - A link to a file grants access by itself. It goes to the storage service alone,
//     without a token, and its query is in no error, observer, trace or formatted
//     value.
//   - Page.Next returns io.EOF for a complete, well-formed answer and for
//     nothing else. A caller that saw io.EOF saw every record of the page.
//   - Memory is bounded by Config.MaxRecord, regardless of what the server sends.
//   - No window of a minute or an hour holds more calls than configured.
//   - Everything that waits obeys its context, and an ended context is never
//     reported as trouble of the API.
//
// # Why the token is not left to oauth2.ReuseTokenSource
//
// It asks under a mutex and the first caller's context: the others could not leave, and
// the end of one stream would fail all. It renews seconds before the end and has no way
// to learn that the API refused a token. The request and the reading of its answer are
// oauth2's or azidentity's; keeping the one token is ours. A renewal that does not work
// while the old token still does is not an error.
//
// # Why a credential of azidentity lives for one token
//
// That library keeps tokens and assertions of its own and has no way to learn that the
// API refused one, nor that a file was replaced; that of managed identities keeps
// them for the whole process. A new credential costs one more small request, for
// the tenant's discovery document, and each token is asked for with what the files
// hold at that moment. So there is one cache, ours, and rotation is not a case.
// Its errors are text that may hold a body; what went wrong is noted on the
// transport instead (talk, in sdk.go).
//
// # Why instance discovery is off for every authority
//
// It asks a host of Microsoft's whether the configured one may be believed. The
// operator has said so, private clouds cannot reach that host, and credentials go
// to the configured host alone, regardless of what a discovery document says.
//
// # Why workload identity is an assertion from a file
//
// azidentity's own kind keeps the file's content for ten minutes. It also has a
// proxy of AKS for clusters that share an identity, which nobody asked for yet.
//
// # Why a page is not read ahead or held
//
// The expanded alerts of one page may be 50 MB. Decoding follows the consumer,
// and TCP makes the server wait while documents are being published. So no
// timeout may cover a body: the watchdog runs only while a Read is under way.
//
// # Why a page is tried again only up to its first record
//
// Then nothing was handed out yet. Later the caller knows better than we from
// where to continue: the records it has need not be read again.
//
// # Why a record that is too large does not end its page
//
// It would come back at every poll and stop the stream for good. The caller is
// informed, can make it visible, and continues with the next one. Its end is looked
// for byte by byte: the decoder would hold the longest string in it.
//
// # Why a call gives up after half a minute, or a minute when throttled
//
// The hourly quota may hold us for an hour. A caller that is blocked that long
// shows nothing and cannot be distinguished from one that hangs; one that gets an error
// of kind Throttled can say so and come back after RetryAfter. The hold itself
// is kept here, for all callers, so coming back early costs no call. Waiting
// for our own pace has no such end: it is short, and part of normal work.
//
// # Why silence is reported before it ends a call
//
// An operator who sets a timeout of minutes has a service that answers slowly, so the
// call continues; a minute without an answer must show all the same. The token
// service answers at once or not at all: it is never waited for longer than
// half a minute.
//
// # Why the pace is not the client's
//
// The service counts the calls of a tenant and application. A client has a
// secret, a host and TLS settings beside those, and is replaced when one of them
// changes; a pace of its own would start with a fresh quota then.
//
// # Why the limits of a family are shared
//
// Some lists have limits that are much smaller than that of all calls. The pages
// state them for each path; whether the service counts paths or all of them is not
// known. A budget for all costs some minutes where several lists are due at once,
// and a budget for each could cost the quota. Members of a family are equals: with
// priorities the last of them would wait until the small burst is whole.
//
// # Why files spend no calls
//
// They come from the storage service, which has no such quota, and a hundred of
// them may belong to one call. Its errors are about the link: a 403 asks for no new
// token, and is kind Other.
//
// # Why calls are saved before they are made
//
// A process that is started again and again would begin with a full burst each
// time and overrun the quota of a minute. What was spent is therefore kept beside
// the cursors. It is written for half a burst in advance, so a crash forgets no
// call, counts some that were not made, and there is a write for every fifth call
// and not for each. Where it cannot be loaded or saved calls are made all the
// same: the service counts too. A hold after a 429 is saved with it, since else each
// of many starts would make a call that is throttled again.
//
// # Why no cache may answer
//
// A proxy that answers from a cache, perhaps without looking at the query, gives
// an answer to another question, which looks as if nothing were new. Every request
// says no-cache. A byte order mark in front of an answer is passed over.
//
// # Why a throttled call lowers the limits
//
// We keep inside the service's limits, so a 429 means that somebody else uses up
// the quota. Continuing at full speed would end in the next 429 and take the calls
// from the other one too. Half the calls are made from then on, and an eighth of
// them is given back with each minute that goes well.
//
// # Why priority ages
//
// Strict priorities let a long backlog of alerts stop machines for hours, and a
// stream that shows nothing looks broken. One call in some minutes costs the
// backlog nothing.
//
// # Why a 403 renews the token
//
// Roles are in the token, which lives for an hour. Anyone who has just given
// consent would wait that long to see an effect. The old token is kept where a
// new one cannot be had: other lists may be readable with it.
//
// # Why token buckets of a tenth
//
// A bucket lets its burst and its refill through within one window, so burst
// and refill together are the limit: 10 and 90 a minute, 150 and 1,350 an
// hour. A larger burst would slow a long backlog, a smaller one a poll. Of small
// limits up to half is burst: the streams that share one are to start soon.
//
// # Why a refused query is kind Other
//
// No setting can repair a 400. The caller asks in another way, regardless of the
// answer's code and words.
//
// # Why a trace shows few headers and no token traffic
//
// The list names what is shown, not what is hidden: a header nobody thought of may be
// a secret. Bodies of the token service are never written, since they are or may
// repeat credentials; other bodies are cut at 64 KiB, searched for our secrets,
// and values in links that grant access are replaced. The rotation is that of
// Elastic's products.
//
// # Why there is no HTTP/2
//
// The shared transport of Elastic's products, which brings their TLS and proxy
// settings, speaks HTTP/1.1. With at most 100 calls a minute nothing is lost.
package api
