package elasticsearch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defender-endpoint/defender-endpoint/inputs"
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
		got, err := appendItems(nil, []byte(c.answer), 3)
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

// TestAnswerOfMoreThanWasSent takes no more memory than one of as much: 16 MiB have
// room for five million items.
func TestAnswerOfMoreThanWasSent(t *testing.T) {
	items, err := appendItems(nil, []byte(`{"items":[{}`+strings.Repeat(",{}", 1<<20)+"]}"), 3)
	if err == nil {
		t.Error("taken for an answer")
	}
	if cap(items) > 100 {
		t.Errorf("memory for %d items", cap(items))
	}
}

// TestHugeRequestIsNotKept: an exchange lives as long as the process.
func TestHugeRequestIsNotKept(t *testing.T) {
	x := newExchange(nil, &config{})
	x.begin()
	x.add("index", "", inputs.Document{JSON: make([]byte, 32<<20)})
	x.begin()
	if x.sent.Cap() > 16<<20 {
		t.Errorf("%d bytes are kept", x.sent.Cap())
	}
}
