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
// The first takes the privilege view_index_metadata, which Fleet's keys do not
// have, the second only monitor of the cluster, which they have. known is false
// where one of them is missing.
func (k *checker) owners(ctx context.Context, targets []string) (found []output.Owner, known bool, err error) {
	known = true
	for _, target := range targets {
		for _, look := range []func(context.Context, string) (output.Owner, int, error){k.live, k.planned} {
			o, status, err := look(ctx, target)
			if err != nil {
				return nil, false, err
			}
			if status == http.StatusOK {
				found = append(found, o)
				break
			}
			known = known && status == http.StatusNotFound
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

// planned is the owner of the index template with the name that Fleet gives it.
func (k *checker) planned(ctx context.Context, target string) (o output.Owner, status int, err error) {
	o = output.Owner{Target: target}
	end := strings.LastIndexByte(target, '-')
	if end < 0 {
		return o, http.StatusNotFound, nil
	}
	name := url.PathEscape(target[:end])
	var answer struct {
		Templates []struct {
			Template struct {
				Meta meta `json:"_meta"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	status, err = k.call(ctx, opOwners, http.MethodGet, "/_index_template/"+name+
		"?filter_path=index_templates.name,index_templates.index_template._meta.package.name", nil, &answer)
	if err != nil || status != http.StatusOK {
		return o, status, err
	}
	if len(answer.Templates) == 0 {
		return o, http.StatusNotFound, nil
	}
	o.Package = answer.Templates[0].Template.Meta.Package.Name
	o.Pipeline, err = k.plannedPipeline(ctx, name)
	return o, status, err
}

// plannedPipeline is the ingest pipeline that the package's component template
// sets; empty where it sets none or cannot be read.
func (k *checker) plannedPipeline(ctx context.Context, template string) (string, error) {
	var answer struct {
		Templates []struct {
			Component struct {
				Template struct {
					Settings struct {
						Index struct {
							Pipeline string `json:"default_pipeline"`
						} `json:"index"`
					} `json:"settings"`
				} `json:"template"`
			} `json:"component_template"`
		} `json:"component_templates"`
	}
	_, err := k.call(ctx, opOwners, http.MethodGet, "/_component_template/"+template+"@package"+
		"?filter_path=component_templates.component_template.template.settings.index.default_pipeline", nil, &answer)
	if err != nil || len(answer.Templates) == 0 {
		return "", err
	}
	return answer.Templates[0].Component.Template.Settings.Index.Pipeline, nil
}
