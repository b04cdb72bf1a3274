package elasticsearch

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

const opOwners = "look up data streams"

// owners finds which of Fleet's packages the targets belong to: of a data stream
// that exists by its own metadata, else of the index template that would make it.
// It takes the privilege view_index_metadata, and for templates
// manage_index_templates, which Fleet's keys do not have; known is false where one
// of them is missing.
func (k *checker) owners(ctx context.Context, targets []string) (found []output.Owner, known bool, err error) {
	known = true
	for _, target := range targets {
		o, status, err := k.live(ctx, target)
		if err == nil && status == http.StatusNotFound {
			o, status, err = k.planned(ctx, target)
		}
		switch {
		case err != nil:
			return nil, false, err
		case status == http.StatusOK:
			found = append(found, o)
		case status != http.StatusNotFound:
			known = false
		}
	}
	return found, known, nil
}

// meta is what Fleet writes into the templates of a package.
type meta struct {
	Package struct {
		Name string `json:"name"`
	} `json:"package"`
}

// live is the owner of a data stream that exists.
func (k *checker) live(ctx context.Context, target string) (o output.Owner, status int, err error) {
	var answer struct {
		DataStreams []struct {
			Meta meta `json:"_meta"`
		} `json:"data_streams"`
	}
	o = output.Owner{Target: target, Live: true}
	status, err = k.call(ctx, opOwners, http.MethodGet, "/_data_stream/"+url.PathEscape(target)+"?filter_path=data_streams.name,data_streams._meta.package.name", nil, &answer)
	if err != nil || status != http.StatusOK {
		return o, status, err
	}
	if len(answer.DataStreams) == 0 {
		return o, http.StatusNotFound, nil
	}
	o.Package = answer.DataStreams[0].Meta.Package.Name
	o.Pipeline, status, err = k.pipeline(ctx, target)
	return o, status, err
}

// pipeline is the ingest pipeline of a data stream's write index; empty where it
// has none.
func (k *checker) pipeline(ctx context.Context, target string) (name string, status int, err error) {
	var answer map[string]struct {
		Settings map[string]string `json:"settings"`
	}
	const setting = "index.default_pipeline"
	status, err = k.call(ctx, opOwners, http.MethodGet, "/"+url.PathEscape(target)+"/_settings/"+setting+"?flat_settings=true", nil, &answer)
	if err != nil || status != http.StatusOK || len(answer) == 0 {
		return "", status, err
	}
	var indices []string
	for index := range answer {
		indices = append(indices, index)
	}
	// Their names end in day and generation: the write index is the last one.
	return answer[slices.Max(indices)].Settings[setting], status, nil
}

// planned is the owner of the index template with the name that Fleet gives it,
// for a data stream that does not exist.
func (k *checker) planned(ctx context.Context, target string) (o output.Owner, status int, err error) {
	o = output.Owner{Target: target}
	end := strings.LastIndexByte(target, '-')
	if end < 0 {
		return o, http.StatusNotFound, nil
	}
	var answer struct {
		Templates []struct {
			Template struct {
				Meta meta `json:"_meta"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	status, err = k.call(ctx, opOwners, http.MethodGet, "/_index_template/"+url.PathEscape(target[:end])+
		"?filter_path=index_templates.name,index_templates.index_template._meta.package.name", nil, &answer)
	if err == nil && status == http.StatusOK && len(answer.Templates) == 0 {
		status = http.StatusNotFound
	} else if len(answer.Templates) > 0 {
		o.Package = answer.Templates[0].Template.Meta.Package.Name
	}
	return o, status, err
}
