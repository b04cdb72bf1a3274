package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// ruleSource is the package's detection rule as it is written: its attributes.
const ruleSource = "rule.yml"

// ruleFiles adds the rule as Kibana takes it. Its id is rule_id and version,
// since Kibana 9.4.0 shows no rule whose id is anything else
// (elastic/kibana#272095). The integration it belongs to is the edition.
func ruleFiles(files map[string][]byte, e *edition) error {
	var attributes object
	if err := readYAML(ruleSource, &attributes); err != nil {
		return err
	}
	for _, of := range attributes["related_integrations"].([]any) {
		of := of.(object)
		of["package"], of["version"] = e.Name, e.version(of["version"].(string))
	}
	id := fmt.Sprintf("%v_%v", attributes["rule_id"], attributes["version"])
	b, err := indented(object{"attributes": attributes, "id": id, "type": "security-rule"})
	if err != nil {
		return err
	}
	files["kibana/security_rule/"+id+".json"] = b
	return nil
}

// indented is a saved object as the package's source has it.
func indented(o object) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	err := e.Encode(o)
	return b.Bytes(), err
}
