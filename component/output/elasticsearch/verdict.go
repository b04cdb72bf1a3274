package elasticsearch

import (
	"fmt"
	"net/http"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// failureStore is the type of a refusal that only shows by where the document
// went: the answer does not say why.
const failureStore = "failure_store"

// judge turns an answer into verdicts. The error, if any, is the first reason
// for which documents must be sent again.
func judge(target string, verdicts []output.Verdict, items []item) (err error) {
	for i := range items {
		outcome, reason := items[i].verdict()
		verdicts[i].Outcome = outcome
		switch {
		case outcome == output.Refused || outcome == output.Doubtful:
			verdicts[i].Refusal = items[i].refusal()
		case outcome == output.Retry && err == nil:
			err = &output.Error{
				Op: op, Reason: reason, Status: items[i].Status, Type: cleanType(items[i].Type), Target: target, Err: remedy(reason, target),
			}
		}
	}
	return err
}

func (i *item) refusal() *inputs.Refusal {
	r := &inputs.Refusal{Status: i.Status, Type: cleanType(i.Type), Field: i.Field, KeptAside: i.used()}
	if r.KeptAside {
		r.Type = failureStore
	}
	return r
}

func (i *item) used() bool { return i.FailureStore == "used" }

// verdict is what an item means. The reason is that of a Retry. An item without
// a status says nothing, so its document is sent again.
func (i *item) verdict() (output.Outcome, output.Reason) {
	switch status := i.Status; {
	case status >= 200 && status < 300 && i.used():
		return output.Refused, output.Other
	case status >= 200 && status < 300:
		return output.Stored, output.Other
	case status == http.StatusConflict && (i.Type == "version_conflict_engine_exception" || i.Type == ""):
		return output.Existing, output.Other
	case status == http.StatusConflict: // of a pipeline, such as a model that is not started
		return output.Retry, output.Server
	case status == http.StatusUnauthorized:
		return output.Retry, output.Unauthorized
	case i.Type == "cluster_block_exception" && status == http.StatusTooManyRequests:
		return output.Retry, output.DiskFull
	case i.Type == "cluster_block_exception":
		return output.Retry, output.WriteBlocked
	case status == http.StatusTooManyRequests:
		return output.Retry, output.Busy
	case status == http.StatusForbidden:
		return output.Retry, output.Forbidden
	case status >= 400 && status < 500:
		return i.refused()
	default:
		return output.Retry, output.Server
	}
}

// refused decides whether the document or the cluster is the cause of a refusal. The
// type decides where it is clear. Where it is not, or not known here, a document
// that a backing index has seen is the cause; else there is a doubt, which the
// loop resolves.
func (i *item) refused() (output.Outcome, output.Reason) {
	switch i.Type {
	case "document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception":
		return output.Refused, output.Other
	case "validation_exception":
		return output.Retry, output.NoShards
	case "index_not_found_exception", "index_closed_exception":
		return output.Retry, output.IndexMissing
	case "resource_not_found_exception":
		return output.Retry, output.PipelineMissing
	}
	switch {
	case i.Status == http.StatusRequestEntityTooLarge:
		return output.Refused, output.Other
	case i.Status == http.StatusRequestTimeout:
		return output.Retry, output.Server
	case i.Status == http.StatusNotFound:
		return output.Retry, output.IndexMissing
	case i.Backing:
		return output.Refused, output.Other
	default:
		return output.Doubtful, output.Other
	}
}

// remedy says what an operator can do about trouble with a data stream.
func remedy(r output.Reason, target string) error {
	switch r {
	case output.Unauthorized:
		return errCredentials
	case output.Forbidden:
		return fmt.Errorf("grant auto_configure and create_doc on %s", target)
	default:
		return nil
	}
}
