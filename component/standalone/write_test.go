package standalone_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/standalone"
)

// TestWhatIsWrittenIsRead: every value comes back as it was, or is in a variable.
func TestWhatIsWrittenIsRead(t *testing.T) {
	for value, needs := range map[string][]string{
		"plain": nil, `quo"te\s`: nil, "${env.KEY}": nil, "$${x}": nil, "pa$s$$": nil, "two\nlines: [x": nil, "ä#\x01": nil,
		"": {"SECRET"}, "un${closed": {"SECRET"},
	} {
		n := standalone.New{
			Input: "microsoft_defender_endpoint", Output: "elasticsearch", Datasets: []string{"microsoft_defender_endpoint.log", "microsoft_defender_endpoint.machine"},
			Settings: []standalone.Setting{{Name: "client_secret", Value: value, Variable: "SECRET"}},
			Target:   []standalone.Setting{{Name: "hosts", Value: value, Variable: "SECRET", List: true}},
		}
		text, variables := n.Text()
		p, err := read(t, text, 0o600)
		if err != nil || len(p.Units) != 2 {
			t.Errorf("%q: %v\n%s", value, err, text)
			continue
		}
		want := value
		if needs != nil {
			want = "planted$secret" // see readFile
			needs = append(needs, needs...)
		}
		if p.Units[0].Source["client_secret"] != want || !reflect.DeepEqual(p.Units[1].Source["hosts"], []any{want}) || !slices.Equal(variables, needs) {
			t.Errorf("%q became %+v with variables %q", value, p.Units, variables)
		}
		if streams, _ := p.Units[0].Source["streams"].([]any); len(streams) != 2 {
			t.Errorf("%d streams", len(streams))
		}
	}
}
