package elasticsearchtest

import "net/http"

// Conditions are states of a cluster in which it takes no document, by name, as
// items of a bulk answer report them. A test holds them against a real engine.
// Where the answer names the data stream and no backing index, no mapping has
// seen the document.
func Conditions() map[string]ItemFault {
	return map[string]ItemFault{
		"write block":      {Status: http.StatusForbidden, Type: "cluster_block_exception", Unrouted: true},
		"flood stage":      {Status: http.StatusTooManyRequests, Type: "cluster_block_exception", Unrouted: true},
		"index closed":     {Status: http.StatusBadRequest, Type: "index_closed_exception", Unrouted: true},
		"missing pipeline": {Status: http.StatusBadRequest, Type: "illegal_argument_exception", Unrouted: true},
		"shard limit":      {Status: http.StatusBadRequest, Type: "validation_exception", Unrouted: true},
		"no auto-create":   {Status: http.StatusNotFound, Type: "index_not_found_exception", Unrouted: true},
	}
}
