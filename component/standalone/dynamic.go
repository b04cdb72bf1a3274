package standalone

import (
	"fmt"
	"strings"
)

// dynamic is the agent's provider that makes an input of its own of each item of a
// list, from every input that names its variables: one unit for each tenant, where
// that is what the list holds.
const dynamic = "local_dynamic"

// listed is an input as it is to be read: with an item, and the end of its id.
type listed struct {
	source any
	at     int // in the policy
	item   map[string]any
	suffix string
}

// itemsOf are the variables of each item.
func itemsOf(tree map[string]any) []map[string]any {
	providers, _ := tree["providers"].(map[string]any)
	provider, _ := providers[dynamic].(map[string]any)
	list, _ := provider["items"].([]any)
	items := make([]map[string]any, 0, len(list))
	for _, entry := range list {
		item, _ := entry.(map[string]any)
		vars, _ := item["vars"].(map[string]any)
		items = append(items, vars)
	}
	return items
}

// eachItem repeats inputs with variables of items. The ids are those that the agent
// gives (EA internal/pkg/agent/transpiler/inputs.go).
func eachItem(list []any, items []map[string]any) []listed {
	var all []listed
	for at, source := range list {
		if len(items) == 0 || !strings.Contains(fmt.Sprint(source), "${"+dynamic+".") {
			all = append(all, listed{source: source, at: at})
			continue
		}
		for i, item := range items {
			all = append(all, listed{source, at, item, fmt.Sprintf("-%s-%d", dynamic, i)})
		}
	}
	return all
}

// ofItem is the value of an item's variable.
func (v *variables) ofItem(name string) (string, bool) {
	name, ok := strings.CutPrefix(name, dynamic+".")
	if !ok || v.item[name] == nil {
		return "", false
	}
	return fmt.Sprint(v.item[name]), true
}
