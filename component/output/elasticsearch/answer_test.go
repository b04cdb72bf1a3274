package elasticsearch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   []item
	}{
		"one of each": {`{"took":1,"errors":true,"items":[{"create":{"_index":"x","status":201}},{"create":{"status":201,"failure_store":"used"}},` +
			`{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"[\"items\"]"}}}]}`,
			[]item{{Status: 201}, {Status: 201, FailureStore: "used"}, {Status: 400, Type: "document_parsing_exception"}}},
		"white space":             {` { "items" : [ { "create" : { "status" : 409 } } ] } `, []item{{Status: 409}}},
		"another action":          {`{"items":[{"index":{"status":200}}]}`, []item{{}}},
		"no status":               {`{"items":[{"create":{"error":null}}]}`, []item{{}}},
		"no items":                {`{"errors":false}`, nil},
		"cut":                     {`{"items":[{"create":{"status":201}}`, nil},
		"more behind":             {`{"items":[]}{}`, nil},
		"items of another type":   {`{"items":{"create":{"status":201}}}`, nil},
		"an item of another type": {`{"items":[201]}`, nil},
		"status as text":          {`{"items":[{"create":{"status":"201"}}]}`, nil},
		"error as text":           {`{"items":[{"create":{"status":400,"error":"x"}}]}`, nil},
		"type of another type":    {`{"items":[{"create":{"status":400,"error":{"type":{}}}}]}`, nil},
		"a list":                  {`[]`, nil},
		"nothing":                 {``, nil},
	} {
		got, err := appendItems(nil, []byte(c.answer))
		if c.want == nil {
			if err == nil && len(got) > 0 {
				t.Errorf("%s: read as %v", name, got)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}
